// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract SubmitVoteTest is FederationTest {
    function setUp() public override {
        super.setUp();
        play(Phase.Reveal);
        reveal(erin, scoresOfErin());
        reveal(frank, scoresOfFrank());
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.submitVote(1, HONEST);
    }

    function test_anotherRound_reverts(uint32 round) public {
        vm.assume(round != 1);
        waitFor(Phase.Vote);
        expectUnexpectedPhase(round, Phase.None, Phase.Vote);
        _vote(round, erin);
    }

    function test_oneSecondBeforeRevealEnds_reverts() public {
        vm.warp(NOW + 39);
        expectUnexpectedPhase(1, Phase.Reveal, Phase.Vote);
        _vote(1, erin);
    }

    function test_atTheDeadlineWithoutQuorum_reverts() public {
        waitFor(Phase.Vote);
        vote(erin, HONEST);
        vm.warp(NOW + 70);
        expectUnexpectedPhase(1, Phase.Stalled, Phase.Vote);
        _vote(1, frank);
    }

    function test_revokedInMidRound_reverts() public {
        waitFor(Phase.Vote);
        revoke(erin);
        expectNotActive(erin, 0);
        _vote(1, erin);
    }

    function test_expiredInMidRound_reverts() public {
        registerUntil(erin, NOW + 45);
        vm.warp(NOW + 45);
        expectNotActive(erin, NOW + 45);
        _vote(1, erin);
    }

    function test_trainer_reverts() public {
        waitFor(Phase.Vote);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotSeated.selector, uint32(1), alice));
        _vote(1, alice);
    }

    function test_secondTime_reverts() public {
        waitFor(Phase.Vote);
        vote(frank, HONEST);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadyVoted.selector, uint32(1), uint8(1)));
        _vote(1, frank);
    }

    // ------------------------------------------------------------------ success

    function test_first_succeeds() public {
        waitFor(Phase.Vote);
        bytes32 rest = stateBesideRound();
        Round memory expected = federation.currentRound();
        expected.voted = 2; // seat 1
        vm.expectEmit(address(federation));
        emit EventsLib.VoteSubmitted(1, frank, 1, HONEST);
        _vote(1, frank);

        assertRound(expected);
        assertPhase(Phase.Vote);
        vm.assertEq(stateBesideRound(), rest, "something else changed");
    }

    function test_oneSecondBeforeTheDeadline_succeeds() public {
        vm.warp(NOW + 69);
        _vote(1, erin);
        vm.assertEq(federation.currentRound().voted, 1, "voted");
    }

    /// @dev A seat that revealed nothing can still compute the aggregate.
    function test_seatThatDidNotReveal_succeeds() public {
        waitFor(Phase.Vote);
        _vote(1, grace);
        vm.assertEq(federation.currentRound().voted, 4, "voted");
    }

    function test_quorum_succeeds() public {
        waitFor(Phase.Vote);
        vote(erin, FORGED);
        vote(frank, HONEST);
        vm.assertEq(federation.currentRound().winner, 0, "one vote each is no quorum");
        vote(grace, HONEST);
        vm.assertEq(federation.currentRound().winner, 3, "the seat that completed the quorum");
        vm.assertTrue(federation.globalModel() == INITIAL, "the model changes when the round is finalised");
        vm.warp(NOW + 10_000 days);
        assertPhase(Phase.Vote);
    }

    function test_afterTheQuorum_succeeds() public {
        waitFor(Phase.Vote);
        vote(erin, HONEST);
        vote(frank, HONEST);
        vm.warp(NOW + 1_000);
        Round memory expected = federation.currentRound();
        expected.voted = 7;
        vote(grace, FORGED);
        assertRound(expected);
    }

    function test_oneVoteEach_succeeds() public {
        waitFor(Phase.Vote);
        vote(erin, HONEST);
        vote(frank, FORGED);
        vote(grace, INITIAL);
        vm.assertEq(federation.currentRound().winner, 0, "no quorum");
        vm.warp(NOW + 70);
        assertPhase(Phase.Stalled);
    }

    /// @dev Ballots stay in their slots from round to round; those of an earlier round count for nothing.
    function test_ballotsOfAnEarlierRound_succeed() public {
        waitFor(Phase.Vote);
        vote(erin, HONEST);
        vm.warp(NOW + 70);
        openRound();
        address[] memory seats = federation.committee();
        submit(erin);
        submit(frank);
        vm.warp(NOW + 170);
        for (uint256 i = 0; i < 2; ++i) {
            commit(seats[i], abi.encodePacked(uint16(1), uint16(2)));
        }
        vm.warp(NOW + 220);
        for (uint256 i = 0; i < 2; ++i) {
            reveal(seats[i], abi.encodePacked(uint16(1), uint16(2)));
        }
        vote(seats[1], HONEST);
        vm.assertEq(federation.currentRound().winner, 0, "seat 0 has not voted in this round");
    }

    // ------------------------------------------------------------------ helpers

    function _vote(uint32 round, address seat) private {
        vm.prank(seat);
        federation.submitVote(round, HONEST);
    }
}
