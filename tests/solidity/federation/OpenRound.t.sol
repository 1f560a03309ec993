// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, IFederation, Member, Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract OpenRoundTest is FederationTest {
    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.openRound();
    }

    function test_implementationsModel_reverts() public {
        expectNotAFederation();
        implementation.globalModel();
    }

    function test_inTrain_reverts() public {
        play(Phase.Train);
        _expectTooEarly(Phase.Train);
        vm.warp(NOW + 99);
        _expectTooEarly(Phase.Train);
    }

    function test_inCommit_reverts() public {
        play(Phase.Commit);
        _expectTooEarly(Phase.Commit);
    }

    function test_inReveal_reverts() public {
        play(Phase.Reveal);
        _expectTooEarly(Phase.Reveal);
    }

    function test_inVote_reverts() public {
        play(Phase.Vote);
        _expectTooEarly(Phase.Vote);
    }

    function test_withQuorumLongAfterTheDeadline_reverts() public {
        play(Phase.Vote);
        vote(erin, HONEST);
        vote(grace, HONEST);
        vm.warp(NOW + 10_000 days);
        _expectTooEarly(Phase.Vote);
    }

    function test_afterTheLastRound_reverts() public {
        config.rounds = 1;
        newFederation();
        play(Phase.Vote);
        vote(erin, HONEST);
        vote(frank, HONEST);
        finalise();
        _expectTooEarly(Phase.Finished);
    }

    function test_oneMemberTooFew_reverts() public {
        federation = IFederation(factory.createFederation(config));
        joinFirst(5);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.TooFewMembers.selector, 5, 6));
        openRound();

        join(frank);
        openRound();
        vm.assertEq(federation.currentRound().capacity, 3, "capacity");
    }

    function test_tooFewTrainersBesideTheCommittee_reverts() public {
        config.minUpdates = 4;
        federation = IFederation(factory.createFederation(config));
        joinFirst(6);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.TooFewMembers.selector, 6, 7));
        openRound();
    }

    // ------------------------------------------------------------------ success

    function test_firstRound_succeeds() public {
        address[] memory seats = _seats(erin, frank, grace);
        vm.expectEmit(address(federation));
        emit EventsLib.CommitteeElected(1, _seed(1), seats);
        vm.expectEmit(address(federation));
        emit EventsLib.RoundOpened(1, INITIAL, 4);
        vm.prank(mallory);
        federation.openRound();

        Round memory expected;
        expected.number = 1;
        expected.openedAt = uint32(NOW);
        expected.capacity = 4;
        expected.seats = 3;
        assertRound(expected);
        assertPhase(Phase.Train);
        vm.assertEq(abi.encode(federation.committee()), abi.encode(seats), "committee");
        assertMember(frank, Member({joined: true, joinedRound: 0, submittedRound: 0, seatedRound: 1, seat: 1}));
        assertMember(alice, Member({joined: true, joinedRound: 0, submittedRound: 0, seatedRound: 0, seat: 0}));
        vm.assertTrue(federation.globalModel() == INITIAL, "global model");
        vm.assertEq(federation.finalisedRounds(), 0, "finalised rounds");
    }

    function test_stalledInTrain_succeeds() public {
        play(Phase.Train);
        submit(alice);
        vm.warp(NOW + 100);
        _openAfterStall();
    }

    function test_stalledInCommit_succeeds() public {
        play(Phase.Commit);
        commit(erin, scoresOfErin());
        vm.warp(NOW + 49);
        _expectTooEarly(Phase.Commit);
        vm.warp(NOW + 50);
        _openAfterStall();
    }

    function test_stalledInReveal_succeeds() public {
        play(Phase.Reveal);
        reveal(erin, scoresOfErin());
        vm.warp(NOW + 39);
        _expectTooEarly(Phase.Reveal);
        vm.warp(NOW + 40);
        _openAfterStall();
    }

    function test_stalledInVote_succeeds() public {
        play(Phase.Vote);
        vote(erin, HONEST);
        vote(frank, FORGED);
        vm.warp(NOW + 29);
        _expectTooEarly(Phase.Vote);
        vm.warp(NOW + 30);
        _openAfterStall();
    }

    /// @dev The numbers of a stalled round are of no use in the next one.
    function test_afterStallOldCommitments_revert() public {
        play(Phase.Reveal);
        reveal(erin, scoresOfErin());
        vm.warp(NOW + 40);
        openRound();
        vm.expectRevert(
            abi.encodeWithSelector(ErrorsLib.UnexpectedPhase.selector, uint32(1), Phase.None, Phase.Reveal)
        );
        vm.prank(frank);
        federation.revealScores(1, saltOf(frank), scoresOfFrank());
    }

    /// @dev Four members hold certificates and three of them step down: one seat is filled, and the round stalls in Commit at the latest.
    function test_tooFewActive_succeeds() public {
        play(Phase.Train);
        revoke(alice);
        revoke(bob);
        revoke(carol);
        vm.warp(NOW + 100);
        openRound();

        vm.assertEq(abi.encode(federation.committee()), abi.encode(_seats(dave)), "committee");
        vm.assertEq(federation.currentRound().capacity, 4, "capacity is maxUpdates");
        submit(erin);
        submit(frank);
        submit(grace);
        vm.warp(NOW + 200);
        commit(dave, pack(1, 2, 3, 4));
        assertPhase(Phase.Commit);
        vm.warp(NOW + 250);
        assertPhase(Phase.Stalled);
        openRound();
        vm.assertEq(number(), 3, "round");
        vm.assertEq(federation.committee().length, 3, "erin, frank and grace may sit again");
    }

    function test_nobodyActive_succeeds() public {
        play(Phase.Train);
        vm.warp(EXPIRY);
        openRound();
        vm.assertEq(federation.committee().length, 0, "committee");
        vm.assertEq(federation.currentRound().seats, 0, "seats");
    }

    // ------------------------------------------------------------------ helpers

    function _expectTooEarly(Phase current) private {
        expectUnexpectedPhase(1, current, Phase.Stalled);
        federation.openRound();
    }

    function _openAfterStall() private {
        assertPhase(Phase.Stalled);
        vm.prank(mallory);
        openRound();

        Round memory round = federation.currentRound();
        Round memory expected;
        expected.number = 2;
        expected.openedAt = uint32(block.timestamp);
        expected.capacity = 4;
        expected.seats = 3;
        vm.assertEq(abi.encode(round), abi.encode(expected), "round");
        vm.assertTrue(federation.globalModel() == INITIAL, "the model is the same");
        vm.assertEq(federation.finalisedRounds(), 0, "a stalled round does not count");
        address[] memory seats = federation.committee();
        for (uint256 i = 0; i < seats.length; ++i) {
            vm.assertTrue(seats[i] != erin && seats[i] != frank && seats[i] != grace, "seated twice in a row");
        }
    }

    function _seed(uint32 round) private view returns (bytes32) {
        return keccak256(abi.encode(block.prevrandao, blockhash(block.number - 1), round));
    }

    function _seats(address first) private pure returns (address[] memory seats) {
        seats = new address[](1);
        seats[0] = first;
    }

    function _seats(address first, address second, address third) private pure returns (address[] memory seats) {
        seats = new address[](3);
        (seats[0], seats[1], seats[2]) = (first, second, third);
    }
}
