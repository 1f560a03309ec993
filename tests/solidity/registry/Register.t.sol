// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Certificate, IRegistry, Role} from "../../../contracts/interfaces/IRegistry.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {RegistryTest} from "../helpers/RegistryTest.sol";

contract RegisterTest is RegistryTest {
    /// @dev Order of the group of secp256k1: s and N - s sign the same.
    uint256 private constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    address private alice = named("alice");

    function setUp() public {
        deployRegistry();
    }

    function test_certificateOfAnother_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        _expect(certificate, certify(certificate), abi.encodeWithSelector(ErrorsLib.NotCertificateHolder.selector, alice, mallory), mallory);
    }

    function test_certificateWithoutRole_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        certificate.role = Role.None;
        _expect(certificate, certify(certificate), abi.encodeWithSelector(ErrorsLib.CertificateWithoutRole.selector, alice));
    }

    function test_roleOutOfEnum_reverts() public {
        bytes memory call = abi.encodeCall(IRegistry.register, (certificateOf(alice), new bytes(65)));
        call[4 + 32 + 31] = 0x03; // the last byte of the word after the participant
        vm.prank(alice);
        (bool done, bytes memory data) = address(registry).call(call);
        vm.assertFalse(done, "a role beyond the enum registered");
        vm.assertEq(data.length, 0, "refused by the decoder, before any check");
    }

    function test_certificateAtItsEnd_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = certify(certificate);
        vm.warp(EXPIRY);
        _expect(certificate, signature, abi.encodeWithSelector(ErrorsLib.CertificateExpired.selector, alice, EXPIRY));
    }

    function test_revokedAccount_reverts() public {
        register(alice);
        revoke(alice);
        Certificate memory certificate = certificateOf(alice);
        certificate.expiresAt += 1;
        _expect(certificate, certify(certificate), abi.encodeWithSelector(ErrorsLib.AlreadyRevoked.selector, alice));
    }

    function test_revokedBeforeItsFirstRegistration_reverts() public {
        revoke(alice);
        Certificate memory certificate = certificateOf(alice);
        _expect(certificate, certify(certificate), abi.encodeWithSelector(ErrorsLib.AlreadyRevoked.selector, alice));
    }

    function test_otherRole_reverts() public {
        register(alice);
        Certificate memory certificate = certificateOf(alice);
        certificate.role = Role.Relay;
        certificate.expiresAt += 1;
        bytes memory expected =
            abi.encodeWithSelector(ErrorsLib.UnexpectedRole.selector, alice, Role.Relay, Role.Participant);
        _expect(certificate, certify(certificate), expected);
        _expect(certificate, new bytes(65), expected); // checked before the signature
        vm.assertEq(registry.expiryOf(alice), EXPIRY, "expiry");
        vm.assertTrue(registry.roleOf(alice) == Role.Participant, "role");
    }

    function test_otherRoleAfterRevocation_reverts() public {
        register(alice);
        revoke(alice);
        Certificate memory certificate = certificateOf(alice);
        certificate.role = Role.Relay;
        _expect(certificate, certify(certificate), abi.encodeWithSelector(ErrorsLib.AlreadyRevoked.selector, alice));
    }

    function test_otherRoleAfterItsEnd_reverts() public {
        register(alice);
        vm.warp(EXPIRY);
        Certificate memory certificate = certificateOf(alice);
        certificate.role = Role.Relay;
        certificate.expiresAt = EXPIRY + 1;
        _expect(
            certificate,
            certify(certificate),
            abi.encodeWithSelector(ErrorsLib.UnexpectedRole.selector, alice, Role.Relay, Role.Participant)
        );
    }

    function test_signatureOfAnother_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        uint256 key = uint256(keccak256("mallory's key"));
        bytes memory signature = sign(key, registry.hashCertificate(certificate));
        _expect(certificate, signature, abi.encodeWithSelector(ErrorsLib.NotCertifier.selector, vm.addr(key)));
    }

    function test_certifierThatLostItsRole_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = certify(certificate);
        vm.prank(certifier);
        access().revokeRole(CERTIFIER_ROLE, certifier);
        _expect(certificate, signature, abi.encodeWithSelector(ErrorsLib.NotCertifier.selector, certifier));
    }

    /// @dev Each field is signed: a certificate changed in one of them recovers to some other account.
    function test_changedField_reverts(uint256 field, bytes32 change) public {
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = certify(certificate);
        field = bound(field, 0, 3);
        if (field == 0) certificate.role = Role.Relay;
        if (field == 1) certificate.encryptionKey ^= change;
        if (field == 2) certificate.profile ^= change;
        if (field == 3) certificate.expiresAt = uint64(bound(uint256(change), NOW + 1, type(uint64).max));
        vm.assume(keccak256(abi.encode(certificate)) != keccak256(abi.encode(certificateOf(alice))));
        _expectNotCertifier(certificate, signature);
    }

    function test_signatureForAnotherRegistry_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        IRegistry other = newRegistry();
        _expectNotCertifier(certificate, sign(CERTIFIER_KEY, other.hashCertificate(certificate)));
    }

    function test_signatureForAnotherChain_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = certify(certificate);
        vm.chainId(block.chainid + 1);
        _expectNotCertifier(certificate, signature);
    }

    function test_malleableSignature_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CERTIFIER_KEY, registry.hashCertificate(certificate));
        bytes32 high = bytes32(N - uint256(s));
        bytes memory twin = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        _expect(certificate, twin, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high));
    }

    function test_shortSignature_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CERTIFIER_KEY, registry.hashCertificate(certificate));
        bytes memory compact = abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
        _expect(certificate, compact, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 64));
    }

    function test_signatureOfZeros_reverts() public {
        Certificate memory certificate = certificateOf(alice);
        _expect(certificate, new bytes(65), abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));
    }

    function test_certificateOneSecondBeforeItsEnd_succeeds() public {
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = certify(certificate);
        vm.warp(EXPIRY - 1);
        vm.expectEmit(address(registry));
        emit EventsLib.ParticipantRegistered(
            alice, certifier, Role.Participant, keccak256("X25519"), keccak256("profile"), EXPIRY
        );
        vm.prank(alice);
        registry.register(certificate, signature);

        vm.assertEq(registry.expiryOf(alice), EXPIRY, "expiry");
        vm.assertTrue(registry.roleOf(alice) == Role.Participant, "role");
        vm.assertFalse(registry.isRevoked(alice), "revoked");
        vm.assertEq(registry.expiryOf(mallory), 0, "expiry of who did not register");
        vm.assertTrue(registry.roleOf(mallory) == Role.None, "role of who did not register");
    }

    function test_laterCertificateOfTheSameRole_succeeds(bool relay) public {
        Certificate memory certificate = certificateOf(alice);
        certificate.role = relay ? Role.Relay : Role.Participant;
        register(certificate);
        certificate.expiresAt = EXPIRY + 1;
        register(certificate);
        vm.assertEq(registry.expiryOf(alice), EXPIRY + 1, "expiry");
        vm.assertTrue(registry.roleOf(alice) == certificate.role, "role");
    }

    function test_secondCertifier_succeeds() public {
        uint256 key = uint256(keccak256("second certifier"));
        vm.prank(certifier);
        access().grantRole(CERTIFIER_ROLE, vm.addr(key));
        Certificate memory certificate = certificateOf(alice);
        bytes memory signature = sign(key, registry.hashCertificate(certificate));
        vm.prank(alice);
        registry.register(certificate, signature);
        vm.assertEq(registry.expiryOf(alice), EXPIRY, "expiry");
    }

    /// @dev The hash is the one of EIP-712, written out: what another implementation signs is what this one checks.
    function test_hashCertificate_succeeds(address participant, bytes32 encryptionKey, bytes32 profile, uint64 expiresAt)
        public
        view
    {
        Certificate memory certificate =
            Certificate(participant, expiresAt % 2 == 0 ? Role.Participant : Role.Relay, encryptionKey, profile, expiresAt);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("bcfl Registry"),
                keccak256("1"),
                block.chainid,
                address(registry)
            )
        );
        bytes32 typeHash = keccak256(
            "Certificate(address participant,uint8 role,bytes32 encryptionKey,bytes32 profile,uint64 expiresAt)"
        );
        bytes32 fields = keccak256(abi.encodePacked(typeHash, abi.encode(certificate)));
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, fields));
        vm.assertEq(registry.hashCertificate(certificate), expected, "hash");
    }

    // ------------------------------------------------------------------ helpers

    function _expect(Certificate memory certificate, bytes memory signature, bytes memory error) private {
        _expect(certificate, signature, error, certificate.participant);
    }

    function _expect(Certificate memory certificate, bytes memory signature, bytes memory error, address sender)
        private
    {
        vm.expectRevert(error);
        vm.prank(sender);
        registry.register(certificate, signature);
    }

    function _expectNotCertifier(Certificate memory certificate, bytes memory signature) private {
        (bytes32 r, bytes32 s, uint8 v) = (_word(signature, 32), _word(signature, 64), uint8(signature[64]));
        address signer = ecrecover(registry.hashCertificate(certificate), v, r, s);
        vm.assertNotEq(signer, certifier, "the certifier signed this");
        _expect(certificate, signature, abi.encodeWithSelector(ErrorsLib.NotCertifier.selector, signer));
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(data, offset))
        }
    }
}
