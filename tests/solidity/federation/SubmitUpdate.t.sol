// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, IFederation, Member, Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract SubmitUpdateTest is FederationTest {
    Digest private constant UPDATE = Digest.wrap(keccak256("update"));

    function setUp() public override {
        super.setUp();
        openRound();
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        implementation.submitUpdate(1, INITIAL, UPDATE, 10);
    }

    function test_beforeTheFirstRound_reverts() public {
        federation = IFederation(factory.createFederation(config));
        expectUnexpectedPhase(0, Phase.None, Phase.Train);
        _submit(0, alice, INITIAL, 10);
        expectUnexpectedPhase(1, Phase.None, Phase.Train);
        _submit(1, alice, INITIAL, 10);
    }

    function test_anotherRound_reverts(uint32 round) public {
        vm.assume(round != 1);
        expectUnexpectedPhase(round, Phase.None, Phase.Train);
        _submit(round, alice, INITIAL, 10);
    }

    function test_atTheDeadline_reverts() public {
        submit(alice);
        submit(bob);
        vm.warp(NOW + 100);
        expectUnexpectedPhase(1, Phase.Commit, Phase.Train);
        _submit(1, carol, INITIAL, 10);
    }

    function test_atTheDeadlineWithTooFewUpdates_reverts() public {
        submit(alice);
        vm.warp(NOW + 100);
        expectUnexpectedPhase(1, Phase.Stalled, Phase.Train);
        _submit(1, bob, INITIAL, 10);
    }

    function test_afterTheLastPossibleUpdate_reverts() public {
        submitAll();
        expectUnexpectedPhase(1, Phase.Commit, Phase.Train);
        _submit(1, mallory, INITIAL, 10);
    }

    function test_withoutCertificate_reverts() public {
        expectNotActive(mallory, 0);
        _submit(1, mallory, INITIAL, 10);
    }

    function test_revokedInMidRound_reverts() public {
        revoke(alice);
        expectNotActive(alice, 0);
        _submit(1, alice, INITIAL, 10);
    }

    function test_expiredInMidRound_reverts() public {
        registerUntil(alice, NOW + 50);
        vm.warp(NOW + 50);
        expectNotActive(alice, NOW + 50);
        _submit(1, alice, INITIAL, 10);
    }

    function test_notJoined_reverts() public {
        register(mallory);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotAMember.selector, uint32(1), mallory));
        _submit(1, mallory, INITIAL, 10);
    }

    function test_joinedDuringThisRound_reverts() public {
        register(mallory);
        join(mallory);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotAMember.selector, uint32(1), mallory));
        _submit(1, mallory, INITIAL, 10);
    }

    function test_seat_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.SeatedInRound.selector, uint32(1), erin));
        _submit(1, erin, INITIAL, 10);
    }

    function test_secondTime_reverts() public {
        submit(alice);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadySubmitted.selector, uint32(1), alice));
        _submit(1, alice, INITIAL, 10);
    }

    function test_anotherBase_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.WrongBase.selector, uint32(1), FORGED, INITIAL));
        _submit(1, alice, FORGED, 10);
    }

    function test_samplesOutOfRange_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(ErrorsLib.SamplesOutOfRange.selector, uint32(1), uint32(0), uint32(1_000))
        );
        _submit(1, alice, INITIAL, 0);
        vm.expectRevert(
            abi.encodeWithSelector(ErrorsLib.SamplesOutOfRange.selector, uint32(1), uint32(1_001), uint32(1_000))
        );
        _submit(1, alice, INITIAL, 1_001);
    }

    // ------------------------------------------------------------------ success

    function test_first_succeeds() public {
        bytes32 rest = stateBesideRound();
        Round memory expected = federation.currentRound();
        expected.updates = 1;
        vm.expectEmit(address(federation));
        emit EventsLib.UpdateSubmitted(1, alice, UPDATE, 1_000);
        _submit(1, alice, INITIAL, 1_000);

        assertRound(expected);
        assertMember(alice, Member({joined: true, joinedRound: 0, submittedRound: 1, seatedRound: 0, seat: 0}));
        assertPhase(Phase.Train);
        vm.assertEq(stateBesideRound(), rest, "something else changed");
    }

    function test_oneSecondBeforeTheDeadline_succeeds() public {
        vm.warp(NOW + 99);
        _submit(1, alice, INITIAL, 1);
        vm.assertEq(federation.currentRound().updates, 1, "updates");
    }

    /// @dev When everybody who can has submitted, there is nothing to wait for.
    function test_lastPossible_succeeds() public {
        submit(alice);
        submit(bob);
        submit(carol);
        vm.warp(NOW + 7);
        assertPhase(Phase.Train);
        submit(dave);
        assertPhase(Phase.Commit);
        vm.assertEq(federation.currentRound().trainedAt, NOW + 7, "the facts say when");
    }

    function test_asManyAsTheConfigurationTakes_succeeds() public {
        config.maxUpdates = 2;
        config.maxQualified = 2;
        newFederation();
        openRound();
        submit(alice);
        submit(bob);
        assertPhase(Phase.Commit);
    }

    /// @dev R2: a digest says nothing about its author; refusing a repeated one would let a copier lock the author out.
    function test_copiedDigest_succeeds() public {
        submit(alice, UPDATE, 10);
        submit(bob, UPDATE, 10);
        vm.assertEq(federation.currentRound().updates, 2, "updates");
    }

    function test_joinedDuringTheLastRound_succeeds() public {
        submitAll();
        commitAll();
        register(mallory);
        join(mallory);
        revealAll();
        vote(erin, HONEST);
        vote(frank, HONEST);
        finalise();
        submit(mallory);
        vm.assertEq(federation.memberOf(mallory).submittedRound, 2, "round");
    }

    function test_steppedDownFromTheCommittee_succeeds() public {
        submitAll();
        commitAll();
        revealAll();
        vote(erin, HONEST);
        vote(frank, HONEST);
        finalise();
        submit(erin);
        assertMember(erin, Member({joined: true, joinedRound: 0, submittedRound: 2, seatedRound: 1, seat: 0}));
    }

    // ------------------------------------------------------------------ helpers

    function _submit(uint32 round, address trainer, Digest base, uint32 samples) private {
        vm.prank(trainer);
        federation.submitUpdate(round, base, UPDATE, samples);
    }
}
