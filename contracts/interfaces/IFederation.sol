// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice sha2-256 digest of the CIDv0 root of a payload on IPFS. A digest is not an address, and not any other hash.
type Digest is bytes32;

using {_equal as ==, _differ as !=} for Digest global;

function _equal(Digest a, Digest b) pure returns (bool) {
    return Digest.unwrap(a) == Digest.unwrap(b);
}

function _differ(Digest a, Digest b) pure returns (bool) {
    return Digest.unwrap(a) != Digest.unwrap(b);
}

/// @dev Seats of a committee at most: the bits of a set of seats in `Round`, made odd.
uint256 constant MAX_SEATS = 15;

/// @notice What a round is doing. It is never stored: `PhaseLib.phaseOf` derives it. Zero means "no such round"; grows only at the end.
/// @custom:value None no round has been opened
/// @custom:value Train trainers train and submit updates
/// @custom:value Commit seats commit to their score vectors
/// @custom:value Reveal seats reveal their score vectors
/// @custom:value Vote seats vote the digest of the aggregate; once one digest has its quorum, anyone finalises
/// @custom:value Stalled a deadline passed without what it asked for; anyone opens the next round on the same model
/// @custom:value Finished all rounds of the federation are finalised
enum Phase {
    None,
    Train,
    Commit,
    Reveal,
    Vote,
    Stalled,
    Finished
}

/// @notice How the next committee is chosen. Grows only at the end.
/// @custom:value ByScore best qualified trainers first; empty places by lottery
/// @custom:value ByLottery every seat by lottery
enum Election {
    ByScore,
    ByLottery
}

/// @notice Everything that is fixed when a federation is created.
/// @param registry who may take part
/// @param manifest digest of the document that describes the learning task
/// @param initialModel digest of the global model that the first round trains from
/// @param election how committees are chosen
/// @param seats places of a committee, 1 to 15
/// @param quorum seats that must commit, reveal and agree; at least two thirds of `seats`
/// @param minUpdates updates without which a round stalls
/// @param maxUpdates updates that a round takes at most
/// @param maxQualified updates that enter the aggregate at most
/// @param minScore median that an update needs to qualify, 1 to 65,535
/// @param maxSamples samples that one update may declare at most
/// @param rounds rounds to finalise before the federation is finished
/// @param trainSeconds time from the opening of a round to the end of Train
/// @param commitSeconds time from the end of Train to the end of Commit
/// @param revealSeconds time from the end of Commit to the end of Reveal
/// @param voteSeconds time from the end of Reveal to the end of Vote
struct Configuration {
    address registry;
    Digest manifest;
    Digest initialModel;
    Election election;
    uint8 seats;
    uint8 quorum;
    uint16 minUpdates;
    uint16 maxUpdates;
    uint16 maxQualified;
    uint16 minScore;
    uint32 maxSamples;
    uint32 rounds;
    uint32 trainSeconds;
    uint32 commitSeconds;
    uint32 revealSeconds;
    uint32 voteSeconds;
}

/// @notice The facts of the current round; one storage slot, used again by every round.
/// @param number 1 for the first round; a stalled round keeps its number; zero means that no round was opened
/// @param openedAt Unix time; zero beside a number means that the federation is finished
/// @param trainedAt Unix time at which the last possible update came in; zero if that did not happen
/// @param committedAt Unix time at which the last seat committed; zero if that did not happen
/// @param revealedAt Unix time at which the last committed seat revealed; zero if that did not happen
/// @param updates updates submitted so far
/// @param capacity updates that can still be expected at most: `maxUpdates`, or all members without a seat if those are fewer
/// @param committed bit i: seat i has committed
/// @param revealed bit i: seat i has revealed
/// @param voted bit i: seat i has voted
/// @param seats seats that the election could fill
/// @param winner one more than a seat whose vote has the quorum behind it; zero before that
struct Round {
    uint32 number;
    uint32 openedAt;
    uint32 trainedAt;
    uint32 committedAt;
    uint32 revealedAt;
    uint16 updates;
    uint16 capacity;
    uint16 committed;
    uint16 revealed;
    uint16 voted;
    uint8 seats;
    uint8 winner;
}

/// @notice What the federation knows of one account; one storage slot.
/// @param joined true from `join` on
/// @param joinedRound the round that was current when it joined; it takes part in later ones
/// @param submittedRound the last round that it submitted an update in
/// @param seatedRound the last round that it had a seat in
/// @param seat its seat in `seatedRound`
struct Member {
    bool joined;
    uint32 joinedRound;
    uint32 submittedRound;
    uint32 seatedRound;
    uint8 seat;
}

/// @notice One submitted update, as `finaliseRound` gets it back.
/// @param trainer who submitted it
/// @param digest the payload
/// @param samples how many samples the trainer declares
struct Update {
    address trainer;
    Digest digest;
    uint32 samples;
}

/// @notice One revealed score vector, as `finaliseRound` gets it back.
/// @param salt the salt that was revealed with it
/// @param scores packed big-endian `uint16`, one per update in the order of submission
struct ScoreVector {
    bytes32 salt;
    bytes scores;
}

/// @title One learning task: the round state machine
/// @notice Participants submit updates, a committee scores them and votes the digest of the aggregate, and the contract computes medians,
/// qualification and the next committee. Every phase ends by itself; whatever is due may be sent by whoever it concerns.
/// @dev Rules and invariants are numbered in contracts/README.md. Trust, for safety: fewer than half of the seats that reveal lie
/// (medians), fewer than the quorum of seats agree on a false aggregate. Trust, for liveness: a quorum of some later committee acts.
/// Every function that names a round reverts with `UnexpectedPhase` when that round is not in the phase in which it is due.
interface IFederation {
    /// @notice Makes the sender a member, from the next round on.
    /// @dev Anyone with an active participant's certificate, once, in any phase. Emits `ParticipantJoined`.
    function join() external;

    /// @notice Opens the first round, or the next one after a stall, on the same global model, with a committee drawn by lottery.
    /// @dev Anyone, while no round is open. Emits `CommitteeElected` and `RoundOpened`.
    function openRound() external;

    /// @notice Submits an update of the sender: the digest of a payload that is pinned already.
    /// @dev Members without a seat in this round, once a round, in Train. Emits `UpdateSubmitted`.
    /// @param round the current round
    /// @param base the global model that the update was trained from; must be the current one
    /// @param digest the payload
    /// @param samples how many samples it was trained on, 1 to `maxSamples`
    function submitUpdate(uint32 round, Digest base, Digest digest, uint32 samples) external;

    /// @notice Commits the sender's seat to a score vector without showing it.
    /// @dev Seats, once, in Commit. Emits `ScoresCommitted`.
    /// @param round the current round
    /// @param commitment `ScoresLib.commitmentOf(round, seat, salt, scores)`
    function commitScores(uint32 round, bytes32 commitment) external;

    /// @notice Shows the score vector that the sender's seat committed to.
    /// @dev Seats that committed, once, in Reveal. Emits `ScoresRevealed`.
    /// @param round the current round
    /// @param salt the salt of the commitment
    /// @param scores packed big-endian `uint16`, one per update in the order of submission; 0: unavailable or invalid
    function revealScores(uint32 round, bytes32 salt, bytes calldata scores) external;

    /// @notice Votes the digest of the aggregate that the sender computed itself.
    /// @dev Seats, once, in Vote. Emits `VoteSubmitted`.
    /// @param round the current round
    /// @param model digest of the new global model
    function submitVote(uint32 round, Digest model) external;

    /// @notice Ends a round whose model has its quorum: medians, qualification, the next committee, the next round.
    /// @dev Anyone, in Vote. The data are public in events and are checked against what the contract kept of them. Emits
    /// `RoundFinalised`, then `CommitteeElected` and `RoundOpened` of the next round, if there is one.
    /// @param round the current round
    /// @param updates all updates, in the order of submission
    /// @param scoreVectors the vectors of all seats that revealed, in the order of the seats
    function finaliseRound(uint32 round, Update[] calldata updates, ScoreVector[] calldata scoreVectors) external;

    /// @notice The version of the protocol that this contract speaks.
    /// @return version grows with every change of rules, events or errors
    function VERSION() external view returns (uint16 version);

    /// @notice What was fixed at creation.
    /// @dev Warning: checked by the factory, not here. A clone that a trusted factory did not create may carry anything.
    /// @return config all of it
    function configuration() external view returns (Configuration memory config);

    /// @notice The phase at the time of this block.
    /// @return phase derived from the round's facts and the clock
    function currentPhase() external view returns (Phase phase);

    /// @notice The facts of the current round.
    /// @return round zeros before the first one
    function currentRound() external view returns (Round memory round);

    /// @notice The current global model.
    /// @return model the initial model before the first finalised round
    function globalModel() external view returns (Digest model);

    /// @notice How many rounds were finalised.
    /// @return count stalled rounds are not counted
    function finalisedRounds() external view returns (uint32 count);

    /// @notice The committee of the current round.
    /// @return seats accounts in the order of their seats
    function committee() external view returns (address[] memory seats);

    /// @notice What the federation knows of an account.
    /// @param account any account
    /// @return member zeros if it never joined
    function memberOf(address account) external view returns (Member memory member);

    /// @notice How many accounts have joined.
    /// @return count expired and revoked ones included
    function memberCount() external view returns (uint256 count);

    /// @notice A member by the order of joining.
    /// @param index 0 to `memberCount() - 1`
    /// @return account the member
    function memberAt(uint256 index) external view returns (address account);
}
