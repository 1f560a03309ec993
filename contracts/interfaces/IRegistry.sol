// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice What a certificate allows its holder to be. Grows only at the end.
/// @custom:value None no certificate
/// @custom:value Participant trains, and serves on committees
/// @custom:value Relay submits for others
enum Role {
    None,
    Participant,
    Relay
}

/// @notice What a certifier signs, off line, for one account.
/// @param participant the only account that may register with it
/// @param role what the account may be
/// @param encryptionKey X25519 public key under which others may send the participant something confidential; zero if it has none
/// @param profile digest of a document that describes the participant's data; zero if there is none
/// @param expiresAt first second at which the certificate counts no more, in Unix time
struct Certificate {
    address participant;
    Role role;
    bytes32 encryptionKey;
    bytes32 profile;
    uint64 expiresAt;
}

/// @title The consortium: who may take part
/// @notice Certifiers sign certificates off line; participants register themselves with them. Revocation is final.
/// @dev Warning: a certifier is trusted to give one certificate to one organisation; the contract cannot tell two accounts of
/// one organisation apart.
interface IRegistry {
    /// @notice Registers the sender with a certificate that a certifier signed for it. A later certificate replaces an earlier one
    /// of the same role.
    /// @dev Anyone who holds a certificate, at any time before it ends. Emits `ParticipantRegistered`.
    /// @param certificate the signed fields
    /// @param signature EIP-712 signature of an account with `CERTIFIER_ROLE`, 65 bytes
    function register(Certificate calldata certificate, bytes calldata signature) external;

    /// @notice Ends the membership of an account, at once and for good, whether it has registered yet or not.
    /// @dev Accounts with `CERTIFIER_ROLE`. Emits `ParticipantRevoked`.
    /// @param participant the account
    function revoke(address participant) external;

    /// @notice When an account's certificate ends.
    /// @param participant the account
    /// @return expiresAt Unix time; zero for an account that never registered or was revoked
    function expiryOf(address participant) external view returns (uint64 expiresAt);

    /// @notice The role in an account's certificate, whether it still counts or not.
    /// @param participant the account
    /// @return role `Role.None` if it never registered
    function roleOf(address participant) external view returns (Role role);

    /// @notice Whether an account was revoked.
    /// @param participant the account
    /// @return revoked true for ever after `revoke`
    function isRevoked(address participant) external view returns (bool revoked);

    /// @notice The hash that a certifier signs for a certificate.
    /// @param certificate the fields
    /// @return hash EIP-712 hash with this contract's domain
    function hashCertificate(Certificate calldata certificate) external view returns (bytes32 hash);
}
