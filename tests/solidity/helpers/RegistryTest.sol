// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {Certificate, IRegistry, Role} from "../../../contracts/interfaces/IRegistry.sol";
import {Test} from "./Test.sol";

/// @notice A registry with one certifier, and certificates for whoever asks.
abstract contract RegistryTest is Test {
    uint256 internal constant NOW = 1_800_000_000;
    uint64 internal constant EXPIRY = uint64(NOW + 365 days);
    uint256 internal constant CERTIFIER_KEY = uint256(keccak256("certifier"));

    bytes32 internal constant CERTIFIER_ROLE = keccak256("CERTIFIER_ROLE");

    IRegistry internal registry;
    address internal certifier = vm.addr(CERTIFIER_KEY);
    address internal mallory = named("mallory");

    function deployRegistry() internal {
        vm.warp(NOW);
        vm.label(certifier, "certifier");
        registry = newRegistry();
    }

    function newRegistry() internal returns (IRegistry) {
        return IRegistry(vm.deployCode("Registry.sol:Registry", abi.encode(certifier)));
    }

    function access() internal view returns (IAccessControl) {
        return IAccessControl(address(registry));
    }

    function certificateOf(address participant) internal pure returns (Certificate memory) {
        return Certificate({
            participant: participant,
            role: Role.Participant,
            encryptionKey: keccak256("X25519"),
            profile: keccak256("profile"),
            expiresAt: EXPIRY
        });
    }

    function sign(uint256 key, bytes32 hash) internal pure returns (bytes memory signature) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function certify(Certificate memory certificate) internal view returns (bytes memory signature) {
        return sign(CERTIFIER_KEY, registry.hashCertificate(certificate));
    }

    function register(Certificate memory certificate) internal {
        bytes memory signature = certify(certificate);
        vm.prank(certificate.participant);
        registry.register(certificate, signature);
    }

    function register(address participant) internal {
        register(certificateOf(participant));
    }

    /// @dev A later certificate that has ended one second from now: the only way to let one end without moving the round's clock far.
    function registerUntil(address participant, uint256 expiresAt) internal {
        Certificate memory certificate = certificateOf(participant);
        certificate.expiresAt = uint64(expiresAt);
        register(certificate);
    }

    function revoke(address participant) internal {
        vm.prank(certifier);
        registry.revoke(participant);
    }
}
