// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, Phase} from "../interfaces/IFederation.sol";
import {Role} from "../interfaces/IRegistry.sol";

/// @title Every custom error of the contracts, each with the ids and the offending value
library ErrorsLib {
    // ------------------------------------------------------------------ registry

    /// @notice Thrown when an account registers with a certificate of another.
    /// @param participant whom the certificate names
    /// @param sender who sent it
    error NotCertificateHolder(address participant, address sender);

    /// @notice Thrown when a certificate's signature is not of an account with `CERTIFIER_ROLE`.
    /// @param signer the account recovered from the signature
    error NotCertifier(address signer);

    /// @notice Thrown when a certificate gives no role.
    /// @param participant whom it names
    error CertificateWithoutRole(address participant);

    /// @notice Thrown when a certificate has ended already.
    /// @param participant whom it names
    /// @param expiresAt when it ended, in Unix time
    error CertificateExpired(address participant, uint64 expiresAt);

    /// @notice Thrown when a revoked account registers, or is revoked again.
    /// @param participant the account
    error AlreadyRevoked(address participant);

    // ------------------------------------------------------------------ creation

    /// @notice Thrown when a field of a configuration is outside its range.
    /// @param field its name in `Configuration`
    /// @param value the value given
    /// @param least the least value allowed
    /// @param most the greatest value allowed
    error ConfigurationOutOfRange(string field, uint256 value, uint256 least, uint256 most);

    /// @notice Thrown when `finaliseRound` of a configuration could need more gas than one transaction may use (EIP-7825).
    /// @param gasNeeded the bound for the worst case
    /// @param gasCap what one transaction may use
    error FinaliseTooCostly(uint256 gasNeeded, uint256 gasCap);

    /// @notice Thrown when the implementation behind the clones is called itself.
    /// @param implementation its address
    error NotAFederation(address implementation);

    // ------------------------------------------------------------------ membership

    /// @notice Thrown when an account without an active certificate acts.
    /// @param account the account
    /// @param expiresAt when its certificate ended; zero if it never registered or was revoked
    error ParticipantNotActive(address account, uint64 expiresAt);

    /// @notice Thrown when a certificate's role does not allow the call, or differs from the one that the account had before.
    /// @param account the account
    /// @param role the role that it has
    /// @param expected the role that it needs
    error UnexpectedRole(address account, Role role, Role expected);

    /// @notice Thrown when a member joins again.
    /// @param account the account
    error AlreadyJoined(address account);

    /// @notice Thrown when an account acts in a round that it is not a member of: it never joined, or joined during this round.
    /// @param round the current round
    /// @param account the account
    error NotAMember(uint32 round, address account);

    /// @notice Thrown when an account without a seat does a seat's work.
    /// @param round the current round
    /// @param account the account
    error NotSeated(uint32 round, address account);

    // ------------------------------------------------------------------ rounds

    /// @notice Thrown by every call at the wrong time.
    /// @param round the round that the call names, or the current one
    /// @param current the phase of that round; `None` if it is not the current one
    /// @param expected the phase in which the call is due
    error UnexpectedPhase(uint32 round, Phase current, Phase expected);

    /// @notice Thrown when a round is opened before enough accounts have joined.
    /// @param members how many have joined
    /// @param needed how many a round needs
    error TooFewMembers(uint256 members, uint256 needed);

    // ------------------------------------------------------------------ submit

    /// @notice Thrown when a member of the committee submits an update.
    /// @param round the current round
    /// @param account the account
    error SeatedInRound(uint32 round, address account);

    /// @notice Thrown when a trainer submits twice in a round.
    /// @param round the current round
    /// @param trainer the account
    error AlreadySubmitted(uint32 round, address trainer);

    /// @notice Thrown when an update was trained from another model than the current one.
    /// @param round the current round
    /// @param base the model that it names
    /// @param expected the current global model
    error WrongBase(uint32 round, Digest base, Digest expected);

    /// @notice Thrown when a declared number of samples is zero or above the configuration's cap.
    /// @param round the current round
    /// @param samples the number
    /// @param most the cap
    error SamplesOutOfRange(uint32 round, uint32 samples, uint32 most);

    // ------------------------------------------------------------------ score

    /// @notice Thrown when a seat commits twice.
    /// @param round the current round
    /// @param seat the seat
    error AlreadyCommitted(uint32 round, uint8 seat);

    /// @notice Thrown when a seat reveals without having committed.
    /// @param round the current round
    /// @param seat the seat
    error NotCommitted(uint32 round, uint8 seat);

    /// @notice Thrown when a seat reveals twice.
    /// @param round the current round
    /// @param seat the seat
    error AlreadyRevealed(uint32 round, uint8 seat);

    /// @notice Thrown when a score vector has not two bytes for each update.
    /// @param round the current round
    /// @param length its bytes
    /// @param expected the bytes that it must have
    error WrongVectorLength(uint32 round, uint256 length, uint256 expected);

    /// @notice Thrown when salt and scores do not hash to the seat's commitment.
    /// @param round the current round
    /// @param seat the seat
    error CommitmentMismatch(uint32 round, uint8 seat);

    // ------------------------------------------------------------------ vote and finalise

    /// @notice Thrown when a seat votes twice.
    /// @param round the current round
    /// @param seat the seat
    error AlreadyVoted(uint32 round, uint8 seat);

    /// @notice Thrown when a round is finalised before one model has its quorum.
    /// @param round the current round
    error QuorumNotReached(uint32 round);

    /// @notice Thrown when the updates given are not those submitted, all of them, in their order.
    /// @param round the current round
    /// @param submissions hash of what was given
    /// @param expected hash of what was submitted
    error WrongUpdates(uint32 round, bytes32 submissions, bytes32 expected);

    /// @notice Thrown when not as many score vectors are given as were revealed.
    /// @param round the current round
    /// @param count how many were given
    /// @param expected how many were revealed
    error WrongVectorCount(uint32 round, uint256 count, uint256 expected);
}
