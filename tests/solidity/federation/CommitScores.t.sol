// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract CommitScoresTest is FederationTest {
    bytes32 private constant COMMITMENT = keccak256("commitment");

    function setUp() public override {
        super.setUp();
        play(Phase.Commit);
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.commitScores(1, COMMITMENT);
    }

    function test_anotherRound_reverts(uint32 round) public {
        vm.assume(round != 1);
        expectUnexpectedPhase(round, Phase.None, Phase.Commit);
        _commit(round, erin);
    }

    function test_oneSecondBeforeTrainEnds_reverts() public {
        vm.warp(NOW + 50);
        openRound();
        submit(erin);
        submit(frank);
        address seat = federation.committee()[0];
        vm.warp(NOW + 149);
        expectUnexpectedPhase(2, Phase.Train, Phase.Commit);
        _commit(2, seat);
        vm.warp(NOW + 150);
        _commit(2, seat);
        vm.assertEq(federation.currentRound().committed, 1, "due from the deadline of Train on");
    }

    function test_atTheDeadlineWithoutQuorum_reverts() public {
        _commit(1, erin);
        vm.warp(NOW + 50);
        expectUnexpectedPhase(1, Phase.Stalled, Phase.Commit);
        _commit(1, frank);
    }

    function test_atTheDeadlineWithQuorum_reverts() public {
        _commit(1, erin);
        _commit(1, frank);
        vm.warp(NOW + 50);
        expectUnexpectedPhase(1, Phase.Reveal, Phase.Commit);
        _commit(1, grace);
    }

    function test_revokedInMidRound_reverts() public {
        revoke(erin);
        expectNotActive(erin, 0);
        _commit(1, erin);
    }

    function test_expiredInMidRound_reverts() public {
        registerUntil(erin, NOW + 1);
        vm.warp(NOW + 1);
        expectNotActive(erin, NOW + 1);
        _commit(1, erin);
    }

    function test_trainer_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotSeated.selector, uint32(1), alice));
        _commit(1, alice);
    }

    function test_whoNeverJoined_reverts() public {
        register(mallory);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotSeated.selector, uint32(1), mallory));
        _commit(1, mallory);
    }

    function test_seatOfTheLastRound_reverts() public {
        vm.warp(NOW + 50);
        openRound();
        submit(erin);
        submit(frank);
        vm.warp(NOW + 150);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotSeated.selector, uint32(2), erin));
        _commit(2, erin);
    }

    function test_secondTime_reverts() public {
        _commit(1, frank);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadyCommitted.selector, uint32(1), uint8(1)));
        _commit(1, frank);
    }

    // ------------------------------------------------------------------ success

    function test_first_succeeds() public {
        bytes32 rest = stateBesideRound();
        Round memory expected = federation.currentRound();
        expected.committed = 4; // seat 2
        vm.expectEmit(address(federation));
        emit EventsLib.ScoresCommitted(1, grace, 2, COMMITMENT);
        _commit(1, grace);

        assertRound(expected);
        assertPhase(Phase.Commit);
        vm.assertEq(stateBesideRound(), rest, "something else changed");
    }

    function test_lastSeat_succeeds() public {
        _commit(1, erin);
        vm.warp(NOW + 49);
        _commit(1, grace);
        assertPhase(Phase.Commit);
        _commit(1, frank);
        assertPhase(Phase.Reveal);
        vm.assertEq(federation.currentRound().committedAt, NOW + 49, "the facts say when");
    }

    // ------------------------------------------------------------------ helpers

    function _commit(uint32 round, address seat) private {
        vm.prank(seat);
        federation.commitScores(round, COMMITMENT);
    }
}
