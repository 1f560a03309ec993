// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {Role} from "../../../contracts/interfaces/IRegistry.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {RegistryTest} from "../helpers/RegistryTest.sol";

contract RevokeTest is RegistryTest {
    address private alice = named("alice");
    address private bob = named("bob");

    function setUp() public {
        deployRegistry();
        register(alice);
        register(bob);
    }

    function test_whoIsNoCertifier_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, mallory, CERTIFIER_ROLE)
        );
        vm.prank(mallory);
        registry.revoke(alice);
    }

    function test_ownCertificate_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, alice, CERTIFIER_ROLE));
        vm.prank(alice);
        registry.revoke(alice);
    }

    function test_secondTime_reverts() public {
        revoke(alice);
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.AlreadyRevoked.selector, alice));
        revoke(alice);
    }

    function test_registeredAccount_succeeds() public {
        vm.expectEmit(address(registry));
        emit EventsLib.ParticipantRevoked(alice, certifier);
        revoke(alice);

        vm.assertEq(registry.expiryOf(alice), 0, "expiry");
        vm.assertTrue(registry.isRevoked(alice), "revoked");
        vm.assertTrue(registry.roleOf(alice) == Role.Participant, "the role stays");
        vm.assertEq(registry.expiryOf(bob), EXPIRY, "expiry of another");
        vm.assertFalse(registry.isRevoked(bob), "revocation of another");
    }

    function test_unregisteredAccount_succeeds() public {
        revoke(mallory);
        vm.assertTrue(registry.isRevoked(mallory), "revoked");
        vm.assertTrue(registry.roleOf(mallory) == Role.None, "role");
    }
}
