// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract RevealScoresTest is FederationTest {
    function setUp() public override {
        super.setUp();
        play(Phase.Commit);
        commit(erin, scoresOfErin());
        commit(frank, scoresOfFrank());
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.revealScores(1, bytes32(0), scoresOfErin());
    }

    function test_anotherRound_reverts(uint32 round) public {
        vm.assume(round != 1);
        waitFor(Phase.Reveal);
        expectUnexpectedPhase(round, Phase.None, Phase.Reveal);
        _reveal(round, erin, scoresOfErin());
    }

    function test_oneSecondBeforeCommitEnds_reverts() public {
        vm.warp(NOW + 49);
        expectUnexpectedPhase(1, Phase.Commit, Phase.Reveal);
        _reveal(1, erin, scoresOfErin());
    }

    function test_atTheDeadlineWithoutQuorum_reverts() public {
        waitFor(Phase.Reveal);
        reveal(erin, scoresOfErin());
        vm.warp(NOW + 90);
        expectUnexpectedPhase(1, Phase.Stalled, Phase.Reveal);
        _reveal(1, frank, scoresOfFrank());
    }

    function test_atTheDeadlineWithQuorum_reverts() public {
        commit(grace, scoresOfGrace());
        reveal(erin, scoresOfErin());
        reveal(frank, scoresOfFrank());
        vm.warp(NOW + 40);
        expectUnexpectedPhase(1, Phase.Vote, Phase.Reveal);
        _reveal(1, grace, scoresOfGrace());
    }

    function test_revokedInMidRound_reverts() public {
        waitFor(Phase.Reveal);
        revoke(erin);
        expectNotActive(erin, 0);
        _reveal(1, erin, scoresOfErin());
    }

    function test_expiredInMidRound_reverts() public {
        registerUntil(erin, NOW + 60);
        vm.warp(NOW + 60);
        expectNotActive(erin, NOW + 60);
        _reveal(1, erin, scoresOfErin());
    }

    function test_trainer_reverts() public {
        waitFor(Phase.Reveal);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotSeated.selector, uint32(1), alice));
        _reveal(1, alice, scoresOfErin());
    }

    function test_withoutCommitment_reverts() public {
        waitFor(Phase.Reveal);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotCommitted.selector, uint32(1), uint8(2)));
        _reveal(1, grace, scoresOfGrace());
    }

    function test_secondTime_reverts() public {
        waitFor(Phase.Reveal);
        reveal(erin, scoresOfErin());
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadyRevealed.selector, uint32(1), uint8(0)));
        _reveal(1, erin, scoresOfErin());
    }

    function test_vectorOfAnotherLength_reverts() public {
        waitFor(Phase.Reveal);
        bytes[4] memory vectors = [bytes(""), new bytes(7), new bytes(9), new bytes(10)];
        for (uint256 i = 0; i < vectors.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ErrorsLib.WrongVectorLength.selector, uint32(1), vectors[i].length, 8)
            );
            _reveal(1, erin, vectors[i]);
        }
    }

    function test_otherScores_reverts() public {
        waitFor(Phase.Reveal);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(0)));
        _reveal(1, erin, scoresOfFrank());
    }

    function test_otherSalt_reverts(bytes32 salt) public {
        vm.assume(salt != saltOf(erin));
        waitFor(Phase.Reveal);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(0)));
        vm.prank(erin);
        federation.revealScores(1, salt, scoresOfErin());
    }

    /// @dev R4: grace copied frank's commitment, waits for his salt, and still cannot pass his scores off as hers.
    function test_copiedCommitment_reverts() public {
        bytes32 copied = commitmentOf(frank, scoresOfFrank());
        vm.prank(grace);
        federation.commitScores(1, copied);
        reveal(frank, scoresOfFrank());
        bytes32 salt = saltOf(frank);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.CommitmentMismatch.selector, uint32(1), uint8(2)));
        vm.prank(grace);
        federation.revealScores(1, salt, scoresOfFrank());
    }

    // ------------------------------------------------------------------ success

    function test_first_succeeds() public {
        waitFor(Phase.Reveal);
        bytes32 rest = stateBesideRound();
        Round memory expected = federation.currentRound();
        expected.revealed = 2; // seat 1
        bytes32 salt = saltOf(frank);
        vm.expectEmit(address(federation));
        emit EventsLib.ScoresRevealed(1, frank, 1, salt, scoresOfFrank());
        _reveal(1, frank, scoresOfFrank());

        assertRound(expected);
        assertPhase(Phase.Reveal);
        vm.assertEq(stateBesideRound(), rest, "something else changed");
    }

    /// @dev Who did not commit is not waited for.
    function test_lastCommittedSeat_succeeds() public {
        waitFor(Phase.Reveal);
        reveal(frank, scoresOfFrank());
        vm.warp(NOW + 89);
        reveal(erin, scoresOfErin());
        assertPhase(Phase.Vote);
        vm.assertEq(federation.currentRound().revealedAt, NOW + 89, "the facts say when");
    }

    // ------------------------------------------------------------------ helpers

    function _reveal(uint32 round, address seat, bytes memory scores) private {
        bytes32 salt = saltOf(seat);
        vm.prank(seat);
        federation.revealScores(round, salt, scores);
    }
}
