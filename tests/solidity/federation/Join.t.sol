// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Member, Phase} from "../../../contracts/interfaces/IFederation.sol";
import {Certificate, Role} from "../../../contracts/interfaces/IRegistry.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract JoinTest is FederationTest {
    address private heidi = named("heidi");

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_implementationItself_reverts() public {
        expectNotAFederation();
        vm.prank(alice);
        implementation.join();
    }

    function test_secondTime_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadyJoined.selector, alice));
        join(alice);
    }

    function test_withoutCertificate_reverts() public {
        expectNotActive(mallory, 0);
        join(mallory);
    }

    function test_revokedAccount_reverts() public {
        register(heidi);
        revoke(heidi);
        expectNotActive(heidi, 0);
        join(heidi);
    }

    function test_certificateAtItsEnd_reverts() public {
        registerUntil(heidi, NOW + 60);
        vm.warp(NOW + 60);
        expectNotActive(heidi, NOW + 60);
        join(heidi);
    }

    function test_relay_reverts() public {
        Certificate memory certificate = certificateOf(heidi);
        certificate.role = Role.Relay;
        register(certificate);
        vm.expectRevert(
            abi.encodeWithSelector(ErrorsLib.UnexpectedRole.selector, heidi, Role.Relay, Role.Participant)
        );
        join(heidi);
    }

    // ------------------------------------------------------------------ success

    function test_beforeTheFirstRound_succeeds() public {
        register(heidi);
        vm.expectEmit(address(federation));
        emit EventsLib.ParticipantJoined(0, heidi);
        join(heidi);

        assertMember(heidi, Member({joined: true, joinedRound: 0, submittedRound: 0, seatedRound: 0, seat: 0}));
        vm.assertEq(federation.memberCount(), 8, "members");
        vm.assertEq(federation.memberAt(7), heidi, "the last to join");
        vm.assertEq(federation.memberAt(6), grace, "the one before");
        assertPhase(Phase.None);
    }

    function test_oneSecondBeforeTheCertificateEnds_succeeds() public {
        registerUntil(heidi, NOW + 60);
        vm.warp(NOW + 59);
        join(heidi);
        vm.assertTrue(federation.memberOf(heidi).joined, "joined");
    }

    function test_inMidRound_succeeds() public {
        play(Phase.Reveal);
        bytes32 facts = keccak256(abi.encode(federation.currentRound()));
        register(heidi);
        vm.expectEmit(address(federation));
        emit EventsLib.ParticipantJoined(1, heidi);
        join(heidi);

        vm.assertEq(federation.memberOf(heidi).joinedRound, 1, "joined in round");
        vm.assertEq(keccak256(abi.encode(federation.currentRound())), facts, "the round counts on nobody who joined in it");
    }

    function test_memberAtBeyondTheLast_reverts() public {
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x32));
        federation.memberAt(7);
    }
}
