// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Certificate, IRegistry, Role} from "./interfaces/IRegistry.sol";
import {ErrorsLib} from "./libraries/ErrorsLib.sol";
import {EventsLib} from "./libraries/EventsLib.sol";

/// @title The consortium: who may take part
/// @notice Certifiers sign certificates off line; participants register themselves with them.
contract Registry is IRegistry, AccessControl, EIP712 {
    /// @notice Accounts whose signature makes a certificate, and who may revoke.
    bytes32 public constant CERTIFIER_ROLE = keccak256("CERTIFIER_ROLE");

    bytes32 private constant CERTIFICATE_TYPEHASH = keccak256(
        "Certificate(address participant,uint8 role,bytes32 encryptionKey,bytes32 profile,uint64 expiresAt)"
    );

    /// @dev One slot: all that a federation asks, in one read. Keys and profiles are in the events.
    struct Participant {
        uint64 expiresAt;
        Role role;
        bool revoked;
    }

    mapping(address account => Participant participant) private _participants;

    /// @notice The administrator names certifiers, and is the first of them.
    /// @param administrator holds `DEFAULT_ADMIN_ROLE` and `CERTIFIER_ROLE`
    constructor(address administrator) EIP712("bcfl Registry", "1") {
        _grantRole(DEFAULT_ADMIN_ROLE, administrator);
        _grantRole(CERTIFIER_ROLE, administrator);
    }

    /// @inheritdoc IRegistry
    function register(Certificate calldata certificate, bytes calldata signature) external {
        address participant = certificate.participant;
        // R1: one certificate, one account. Without this check a relay could register others at a time of its choice.
        if (participant != msg.sender) revert ErrorsLib.NotCertificateHolder(participant, msg.sender);
        if (certificate.role == Role.None) revert ErrorsLib.CertificateWithoutRole(participant);
        if (certificate.expiresAt <= block.timestamp) {
            revert ErrorsLib.CertificateExpired(participant, certificate.expiresAt);
        }
        Participant memory known = _participants[participant];
        // R1: revocation is final.
        if (known.revoked) revert ErrorsLib.AlreadyRevoked(participant);
        // R1: one certificate, one account. A federation asks for the role when a member joins, and not again.
        if (known.role != Role.None && known.role != certificate.role) {
            revert ErrorsLib.UnexpectedRole(participant, certificate.role, known.role);
        }
        address certifier = ECDSA.recover(hashCertificate(certificate), signature);
        if (!hasRole(CERTIFIER_ROLE, certifier)) revert ErrorsLib.NotCertifier(certifier);

        _participants[participant] =
            Participant({expiresAt: certificate.expiresAt, role: certificate.role, revoked: false});
        emit EventsLib.ParticipantRegistered(
            participant,
            certifier,
            certificate.role,
            certificate.encryptionKey,
            certificate.profile,
            certificate.expiresAt
        );
    }

    /// @inheritdoc IRegistry
    function revoke(address participant) external onlyRole(CERTIFIER_ROLE) {
        if (_participants[participant].revoked) revert ErrorsLib.AlreadyRevoked(participant);
        _participants[participant].revoked = true;
        emit EventsLib.ParticipantRevoked(participant, msg.sender);
    }

    /// @inheritdoc IRegistry
    function expiryOf(address participant) external view returns (uint64 expiresAt) {
        Participant storage found = _participants[participant];
        return found.revoked ? 0 : found.expiresAt;
    }

    /// @inheritdoc IRegistry
    function roleOf(address participant) external view returns (Role role) {
        return _participants[participant].role;
    }

    /// @inheritdoc IRegistry
    function isRevoked(address participant) external view returns (bool revoked) {
        return _participants[participant].revoked;
    }

    /// @inheritdoc IRegistry
    function hashCertificate(Certificate calldata certificate) public view returns (bytes32 hash) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    CERTIFICATE_TYPEHASH,
                    certificate.participant,
                    certificate.role,
                    certificate.encryptionKey,
                    certificate.profile,
                    certificate.expiresAt
                )
            )
        );
    }
}
