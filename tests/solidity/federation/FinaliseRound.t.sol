// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    Digest,
    Election,
    Member,
    Phase,
    Round,
    ScoreVector,
    Update
} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract FinaliseRoundTest is FederationTest {
    function setUp() public override {
        super.setUp();
        play(Phase.Vote);
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.finaliseRound(1, updates, new ScoreVector[](0));
    }

    function test_anotherRound_reverts(uint32 round) public {
        vm.assume(round != 1);
        _quorum();
        ScoreVector[] memory given = vectors();
        expectUnexpectedPhase(round, Phase.None, Phase.Vote);
        federation.finaliseRound(round, updates, given);
    }

    function test_inTrain_reverts() public {
        vm.warp(NOW + 30);
        openRound();
        ScoreVector[] memory given = vectors();
        expectUnexpectedPhase(2, Phase.Train, Phase.Vote);
        federation.finaliseRound(2, updates, given);
    }

    function test_secondTime_reverts() public {
        _quorum();
        Update[] memory submitted = updates;
        ScoreVector[] memory given = vectors();
        finalise();
        expectUnexpectedPhase(1, Phase.None, Phase.Vote);
        federation.finaliseRound(1, submitted, given);
    }

    function test_withoutQuorum_reverts() public {
        vote(erin, HONEST);
        vote(frank, FORGED);
        _expect(updates, abi.encodeWithSelector(ErrorsLib.QuorumNotReached.selector, uint32(1)));
    }

    function test_updateLeftOut_reverts() public {
        _quorum();
        updates.pop();
        _expectWrongUpdates();
    }

    function test_updateAdded_reverts() public {
        _quorum();
        updates.push(Update(mallory, FORGED, 1));
        _expectWrongUpdates();
    }

    function test_noUpdates_reverts() public {
        _quorum();
        delete updates;
        _expectWrongUpdates();
    }

    function test_updatesInAnotherOrder_reverts() public {
        _quorum();
        Update memory first = updates[0];
        updates[0] = updates[1];
        updates[1] = first;
        _expectWrongUpdates();
    }

    function test_updateChanged_reverts(uint256 which, uint256 field) public {
        _quorum();
        which = bound(which, 0, 3);
        field = bound(field, 0, 2);
        if (field == 0) updates[which].trainer = mallory;
        if (field == 1) updates[which].digest = FORGED;
        if (field == 2) updates[which].samples += 1;
        _expectWrongUpdates();
    }

    function test_vectorLeftOut_reverts() public {
        _quorum();
        ScoreVector[] memory given = new ScoreVector[](2);
        (given[0], given[1]) = (vectorOf[0], vectorOf[1]);
        _expect(given, abi.encodeWithSelector(ErrorsLib.WrongVectorCount.selector, uint32(1), 2, 3));
    }

    function test_vectorAdded_reverts() public {
        _quorum();
        ScoreVector[] memory given = new ScoreVector[](4);
        (given[0], given[1], given[2], given[3]) = (vectorOf[0], vectorOf[1], vectorOf[2], vectorOf[2]);
        _expect(given, abi.encodeWithSelector(ErrorsLib.WrongVectorCount.selector, uint32(1), 4, 3));
    }

    function test_vectorsInAnotherOrder_reverts() public {
        _quorum();
        ScoreVector[] memory given = vectors();
        (given[1], given[2]) = (given[2], given[1]);
        _expect(given, abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(1)));
    }

    function test_scoreChanged_reverts(uint256 seat, uint256 byteNumber) public {
        _quorum();
        seat = bound(seat, 0, 2);
        byteNumber = bound(byteNumber, 0, 7);
        ScoreVector[] memory given = vectors();
        given[seat].scores[byteNumber] ^= 0x01;
        _expect(given, abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(seat)));
    }

    function test_saltChanged_reverts() public {
        _quorum();
        ScoreVector[] memory given = vectors();
        given[2].salt = bytes32(0);
        _expect(given, abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(2)));
    }

    // ------------------------------------------------------------------ success

    /// @dev Medians 500, 300, 50, 400 and minScore 100: alice, dave and bob qualify, in this order, and get the seats.
    function test_byScore_succeeds() public {
        _quorum();
        vm.warp(NOW + 1_000);
        vm.prevrandao(keccak256("the block of the finalisation"));
        address[] memory seats = new address[](3);
        (seats[0], seats[1], seats[2]) = (alice, dave, bob);
        vm.expectEmit(address(federation));
        emit EventsLib.RoundFinalised(1, HONEST, pack(500, 300, 50, 400), abi.encodePacked(uint16(0), uint16(3), uint16(1)));
        vm.expectEmit(address(federation));
        emit EventsLib.CommitteeElected(2, _seed(), seats);
        vm.expectEmit(address(federation));
        emit EventsLib.RoundOpened(2, HONEST, 4);
        ScoreVector[] memory given = vectors();
        vm.prank(mallory);
        federation.finaliseRound(1, updates, given);

        Round memory expected;
        expected.number = 2;
        expected.openedAt = uint32(NOW + 1_000);
        expected.capacity = 4;
        expected.seats = 3;
        assertRound(expected);
        assertPhase(Phase.Train);
        vm.assertTrue(federation.globalModel() == HONEST, "global model");
        vm.assertEq(federation.finalisedRounds(), 1, "finalised rounds");
        vm.assertEq(abi.encode(federation.committee()), abi.encode(seats), "committee");
        assertMember(dave, Member({joined: true, joinedRound: 0, submittedRound: 1, seatedRound: 2, seat: 1}));
        assertMember(carol, Member({joined: true, joinedRound: 0, submittedRound: 1, seatedRound: 0, seat: 0}));
        assertMember(erin, Member({joined: true, joinedRound: 0, submittedRound: 0, seatedRound: 1, seat: 0}));
    }

    /// @dev A place that no qualified trainer can take is filled by lottery: carol is the only one left who may.
    function test_qualifiedTrainerRevoked_succeeds() public {
        _quorum();
        revoke(alice);
        finalise();
        address[] memory seats = federation.committee();
        vm.assertEq(seats.length, 3, "seats");
        vm.assertEq(seats[0], dave, "seat 0");
        vm.assertEq(seats[1], bob, "seat 1");
        vm.assertEq(seats[2], carol, "seat 2");
    }

    /// @dev With two of three seats the median is the lower middle: 500, 200, 0, 400.
    function test_seatMissing_succeeds() public {
        vm.warp(NOW + 30);
        _restart();
        vm.expectEmit(address(federation));
        emit EventsLib.RoundFinalised(1, HONEST, pack(500, 200, 0, 400), abi.encodePacked(uint16(0), uint16(3), uint16(1)));
        finalise();
    }

    function test_byLottery_succeeds() public {
        config.election = Election.ByLottery;
        newFederation();
        play(Phase.Vote);
        _quorum();
        finalise();
        address[] memory seats = federation.committee();
        vm.assertEq(seats.length, 3, "seats");
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertTrue(seats[i] != erin && seats[i] != frank && seats[i] != grace, "seated twice in a row");
            vm.assertEq(federation.memberOf(seats[i]).seat, i, "seat");
            vm.assertNotEq(seats[i], seats[(i + 1) % 3], "two seats for one");
        }
    }

    function test_nobodyQualified_succeeds() public {
        config.minScore = 65_535;
        newFederation();
        play(Phase.Vote);
        _quorum();
        vm.expectEmit(address(federation));
        emit EventsLib.RoundFinalised(1, HONEST, pack(500, 300, 50, 400), "");
        finalise();
        vm.assertEq(federation.committee().length, 3, "all seats by lottery");
    }

    function test_minScoreItself_succeeds() public {
        config.minScore = 400;
        newFederation();
        play(Phase.Vote);
        _quorum();
        vm.expectEmit(address(federation));
        emit EventsLib.RoundFinalised(1, HONEST, pack(500, 300, 50, 400), abi.encodePacked(uint16(0), uint16(3)));
        finalise();
    }

    function test_lastRound_succeeds() public {
        config.rounds = 1;
        newFederation();
        play(Phase.Vote);
        _quorum();
        Round memory expected = federation.currentRound();
        expected.openedAt = 0;
        finalise();

        assertRound(expected);
        assertPhase(Phase.Finished);
        vm.assertTrue(federation.globalModel() == HONEST, "global model");
        vm.assertEq(federation.finalisedRounds(), 1, "finalised rounds");
        vm.warp(NOW + 10_000 days);
        assertPhase(Phase.Finished);
    }

    function test_longAfterTheDeadline_succeeds() public {
        _quorum();
        vm.warp(NOW + 10 * 365 days);
        finalise();
        vm.assertEq(federation.finalisedRounds(), 1, "finalised rounds");
        vm.assertEq(federation.committee().length, 0, "all certificates have ended: nobody can be seated");
    }

    /// @dev Rounds follow one another on slots that are never cleared.
    function test_secondRound_succeeds() public {
        _quorum();
        finalise();
        delete updates;
        submit(erin);
        submit(carol);
        submit(grace);
        submit(frank);
        bytes memory scores = pack(1, 700, 800, 700);
        address[3] memory seats = [alice, dave, bob];
        for (uint256 i = 0; i < 3; ++i) {
            commit(seats[i], scores);
        }
        for (uint256 i = 0; i < 3; ++i) {
            reveal(seats[i], scores);
        }
        vote(dave, FORGED);
        vote(bob, FORGED);
        finalise();

        vm.assertTrue(federation.globalModel() == FORGED, "what the quorum voted, whatever it is");
        vm.assertEq(federation.finalisedRounds(), 2, "finalised rounds");
        address[] memory next = federation.committee();
        vm.assertEq(next[0], grace, "the best");
        // Ties break by the lower hash of account and round.
        bool carolFirst = keccak256(abi.encodePacked(carol, uint32(2))) < keccak256(abi.encodePacked(frank, uint32(2)));
        vm.assertEq(next[1], carolFirst ? carol : frank, "the lower hash");
        vm.assertEq(next[2], carolFirst ? frank : carol, "the higher hash");
    }

    // ------------------------------------------------------------------ helpers

    function _quorum() private {
        vote(erin, HONEST);
        vote(frank, HONEST);
    }

    function _restart() private {
        newFederation();
        openRound();
        submitAll();
        commitAll();
        reveal(erin, scoresOfErin());
        reveal(frank, scoresOfFrank());
        waitFor(Phase.Vote);
        _quorum();
    }

    function _seed() private view returns (bytes32) {
        bytes32 salts;
        for (uint256 seat = 0; seat < 3; ++seat) {
            salts = keccak256(abi.encode(salts, vectorOf[seat].salt));
        }
        return keccak256(abi.encode(salts, block.prevrandao, uint32(2)));
    }

    function _hash() private view returns (bytes32 submissions) {
        submissions = bytes32(uint256(1));
        for (uint256 i = 0; i < updates.length; ++i) {
            submissions = keccak256(abi.encode(submissions, updates[i]));
        }
    }

    function _expectWrongUpdates() private {
        bytes32 kept = vm.load(address(federation), bytes32(uint256(2)));
        _expect(updates, abi.encodeWithSelector(ErrorsLib.WrongUpdates.selector, uint32(1), _hash(), kept));
    }

    function _expect(Update[] memory submitted, bytes memory error) private {
        ScoreVector[] memory given = vectors();
        vm.expectRevert(error);
        federation.finaliseRound(1, submitted, given);
    }

    function _expect(ScoreVector[] memory given, bytes memory error) private {
        vm.expectRevert(error);
        federation.finaliseRound(1, updates, given);
    }
}
