// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Digest} from "../interfaces/IFederation.sol";
import {Role} from "../interfaces/IRegistry.sol";

/// @title Every event of the contracts: past tense, round first, enough to rebuild the whole state
library EventsLib {
    /// @notice An account registered with a certificate.
    /// @param participant the account
    /// @param certifier who signed the certificate
    /// @param role what the account may be
    /// @param encryptionKey X25519 public key, or zero
    /// @param profile digest of a description of the participant's data, or zero
    /// @param expiresAt when the certificate ends, in Unix time
    event ParticipantRegistered(
        address indexed participant,
        address indexed certifier,
        Role role,
        bytes32 encryptionKey,
        bytes32 profile,
        uint64 expiresAt
    );

    /// @notice An account was revoked, for good.
    /// @param participant the account
    /// @param certifier who revoked it
    event ParticipantRevoked(address indexed participant, address indexed certifier);

    /// @notice A federation was created.
    /// @param federation its address
    /// @param registry who may take part
    /// @param creator who created it
    /// @param config everything that is fixed for its lifetime
    event FederationCreated(
        address indexed federation, address indexed registry, address indexed creator, Configuration config
    );

    /// @notice An account joined; it takes part from the next round on.
    /// @param round the round that was current, zero before the first
    /// @param participant the account
    event ParticipantJoined(uint32 indexed round, address indexed participant);

    /// @notice A round was opened. The round before it stalled if it was not finalised.
    /// @param round its number
    /// @param base the global model to train from
    /// @param capacity updates that can be expected at most
    event RoundOpened(uint32 indexed round, Digest base, uint16 capacity);

    /// @notice A committee was drawn or elected.
    /// @param round the round in which it serves
    /// @param seed what its lottery was drawn with
    /// @param seats accounts in the order of their seats
    event CommitteeElected(uint32 indexed round, bytes32 seed, address[] seats);

    /// @notice An update was submitted. Its number is its place among the round's events of this kind.
    /// @param round the round
    /// @param trainer who trained it
    /// @param digest the payload
    /// @param samples how many samples the trainer declares
    event UpdateSubmitted(uint32 indexed round, address indexed trainer, Digest digest, uint32 samples);

    /// @notice A seat committed to a score vector.
    /// @param round the round
    /// @param member who has the seat
    /// @param seat its number
    /// @param commitment hash of round, seat, salt and scores
    event ScoresCommitted(uint32 indexed round, address indexed member, uint8 seat, bytes32 commitment);

    /// @notice A seat revealed its score vector.
    /// @param round the round
    /// @param member who has the seat
    /// @param seat its number
    /// @param salt the salt of its commitment
    /// @param scores packed big-endian `uint16`, one per update in the order of submission
    event ScoresRevealed(uint32 indexed round, address indexed member, uint8 seat, bytes32 salt, bytes scores);

    /// @notice A seat voted.
    /// @param round the round
    /// @param member who has the seat
    /// @param seat its number
    /// @param model digest of the aggregate that it computed
    event VoteSubmitted(uint32 indexed round, address indexed member, uint8 seat, Digest model);

    /// @notice A round was finalised.
    /// @param round the round
    /// @param model the new global model
    /// @param medians packed big-endian `uint16`, one per update in the order of submission
    /// @param qualified packed big-endian `uint16`: numbers of the qualified updates, best first
    event RoundFinalised(uint32 indexed round, Digest model, bytes medians, bytes qualified);
}
