// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    Configuration,
    Digest,
    Election,
    IFederation,
    MAX_SEATS,
    Member,
    Phase,
    Round,
    ScoreVector,
    Update
} from "./interfaces/IFederation.sol";
import {IRegistry, Role} from "./interfaces/IRegistry.sol";
import {ConfigurationLib} from "./libraries/ConfigurationLib.sol";
import {ElectionLib} from "./libraries/ElectionLib.sol";
import {ErrorsLib} from "./libraries/ErrorsLib.sol";
import {EventsLib} from "./libraries/EventsLib.sol";
import {PhaseLib} from "./libraries/PhaseLib.sol";
import {ScoresLib} from "./libraries/ScoresLib.sol";

/// @dev Where an ERC-1167 clone of OpenZeppelin's `Clones` keeps its immutable arguments: behind the 45 bytes of the proxy.
uint256 constant ARGUMENTS_OFFSET = 45;

/// @dev Sixteen fields of a word each.
uint256 constant CONFIGURATION_BYTES = 512;

/// @title One learning task: the round state machine
/// @notice Facts are stored, the phase is derived. Nobody owns a federation, and nothing of its configuration can change.
/// @dev Only the current round is in storage; earlier ones are in the events (R9). The numbers in comments are those of README.md.
contract Federation is IFederation {
    using PhaseLib for Round;
    using ElectionLib for ElectionLib.Lottery;

    // ------------------------------------------------------------------ storage

    /// @inheritdoc IFederation
    uint16 public constant VERSION = 1;

    address private immutable _implementation = address(this);

    Round private _round;
    Digest private _globalModel;
    /// @dev R3: running hash of the round's submissions, in order. Never cleared: a slot that goes back to zero costs 17,100 gas to use again.
    bytes32 private _submissions;
    uint32 private _finalised;
    address[] private _members;
    mapping(address account => Member member) private _memberOf;
    address[MAX_SEATS] private _committee;
    bytes32[MAX_SEATS] private _commitments;
    Digest[MAX_SEATS] private _ballots;

    // ------------------------------------------------------------------ join, open

    /// @inheritdoc IFederation
    function join() external {
        Configuration memory config = configuration();
        Member storage member = _memberOf[msg.sender];
        if (member.joined) revert ErrorsLib.AlreadyJoined(msg.sender);
        _requireActive(config, msg.sender);
        Role role = IRegistry(config.registry).roleOf(msg.sender);
        if (role != Role.Participant) revert ErrorsLib.UnexpectedRole(msg.sender, role, Role.Participant);

        uint32 round = _round.number;
        member.joined = true;
        member.joinedRound = round;
        _members.push(msg.sender);
        emit EventsLib.ParticipantJoined(round, msg.sender);
    }

    /// @inheritdoc IFederation
    function openRound() external {
        Configuration memory config = configuration();
        Phase phase = _round.phaseOf(config, block.timestamp);
        if (phase != Phase.None && phase != Phase.Stalled) {
            revert ErrorsLib.UnexpectedPhase(_round.number, phase, Phase.Stalled);
        }
        uint256 seats = config.seats;
        // A committee steps down as a whole: there must be a second one, and enough trainers beside the first.
        uint256 needed = seats + (seats > config.minUpdates ? seats : config.minUpdates);
        if (_members.length < needed) revert ErrorsLib.TooFewMembers(_members.length, needed);

        if (phase == Phase.None) _globalModel = config.initialModel;
        uint32 round = _round.number + 1;
        bytes32 seed = keccak256(abi.encode(block.prevrandao, blockhash(block.number - 1), round));
        _open(config, round, seed, new address[](0));
    }

    // ------------------------------------------------------------------ submit

    /// @inheritdoc IFederation
    function submitUpdate(uint32 round, Digest base, Digest digest, uint32 samples) external {
        Configuration memory config = configuration();
        _enter(config, round, Phase.Train);
        Member storage member = _requireMember(config, round, msg.sender);
        if (member.seatedRound == round) revert ErrorsLib.SeatedInRound(round, msg.sender);
        if (member.submittedRound == round) revert ErrorsLib.AlreadySubmitted(round, msg.sender);
        Digest expected = _globalModel;
        if (base != expected) revert ErrorsLib.WrongBase(round, base, expected);
        if (samples == 0 || samples > config.maxSamples) {
            revert ErrorsLib.SamplesOutOfRange(round, samples, config.maxSamples);
        }

        member.submittedRound = round;
        uint16 count = _round.updates + 1;
        _round.updates = count;
        if (count == _round.capacity && count >= config.minUpdates) _round.trainedAt = uint32(block.timestamp);
        bytes32 before = count == 1 ? bytes32(uint256(round)) : _submissions;
        _submissions = ScoresLib.append(before, msg.sender, digest, samples);
        emit EventsLib.UpdateSubmitted(round, msg.sender, digest, samples);
    }

    // ------------------------------------------------------------------ score

    /// @inheritdoc IFederation
    function commitScores(uint32 round, bytes32 commitment) external {
        Configuration memory config = configuration();
        _enter(config, round, Phase.Commit);
        (uint8 seat, uint16 bit) = _requireSeat(config, round, msg.sender);
        if (_round.committed & bit != 0) revert ErrorsLib.AlreadyCommitted(round, seat);

        uint16 committed = _round.committed | bit;
        _round.committed = committed;
        // With fewer seats filled than the quorum, no number of commitments ends the phase: the round stalls at its deadline.
        if (committed == _bitOf(_round.seats) - 1 && _round.seats >= config.quorum) {
            _round.committedAt = uint32(block.timestamp);
        }
        _commitments[seat] = commitment;
        emit EventsLib.ScoresCommitted(round, msg.sender, seat, commitment);
    }

    /// @inheritdoc IFederation
    function revealScores(uint32 round, bytes32 salt, bytes calldata scores) external {
        Configuration memory config = configuration();
        _enter(config, round, Phase.Reveal);
        (uint8 seat, uint16 bit) = _requireSeat(config, round, msg.sender);
        if (_round.committed & bit == 0) revert ErrorsLib.NotCommitted(round, seat);
        if (_round.revealed & bit != 0) revert ErrorsLib.AlreadyRevealed(round, seat);
        uint256 length = 2 * uint256(_round.updates);
        if (scores.length != length) revert ErrorsLib.WrongVectorLength(round, scores.length, length);
        _requireCommitment(round, seat, salt, scores);

        // The commitment stays as the hash against which `finaliseRound` checks the vector.
        uint16 revealed = _round.revealed | bit;
        _round.revealed = revealed;
        if (revealed == _round.committed) _round.revealedAt = uint32(block.timestamp);
        emit EventsLib.ScoresRevealed(round, msg.sender, seat, salt, scores);
    }

    // ------------------------------------------------------------------ vote, finalise

    /// @inheritdoc IFederation
    function submitVote(uint32 round, Digest model) external {
        Configuration memory config = configuration();
        _enter(config, round, Phase.Vote);
        (uint8 seat, uint16 bit) = _requireSeat(config, round, msg.sender);
        if (_round.voted & bit != 0) revert ErrorsLib.AlreadyVoted(round, seat);

        uint256 votes = 1;
        for (uint8 other = 0; other < _round.seats; ++other) {
            if (_round.voted & _bitOf(other) != 0 && _ballots[other] == model) ++votes;
        }
        _round.voted |= bit;
        // I3: a quorum is at least two thirds of all seats, so no second model can reach it.
        if (votes >= config.quorum && _round.winner == 0) _round.winner = seat + 1;
        _ballots[seat] = model;
        emit EventsLib.VoteSubmitted(round, msg.sender, seat, model);
    }

    /// @inheritdoc IFederation
    function finaliseRound(uint32 round, Update[] calldata updates, ScoreVector[] calldata scoreVectors) external {
        Configuration memory config = configuration();
        _enter(config, round, Phase.Vote);
        if (_round.winner == 0) revert ErrorsLib.QuorumNotReached(round);
        _requireUpdates(round, updates);
        bytes32 salts = _requireVectors(round, scoreVectors);

        uint16[] memory medians = ScoresLib.mediansOf(scoreVectors, updates.length);
        uint16[] memory qualified =
            ElectionLib.rank(medians, updates, round, config.minScore, config.maxQualified);
        Digest model = _ballots[_round.winner - 1];
        _globalModel = model;
        emit EventsLib.RoundFinalised(round, model, ScoresLib.pack(medians), ScoresLib.pack(qualified));

        uint32 finalised = _finalised + 1;
        _finalised = finalised;
        if (finalised == config.rounds) {
            _round.openedAt = 0;
            return;
        }
        address[] memory candidates = new address[](config.election == Election.ByScore ? qualified.length : 0);
        for (uint256 i = 0; i < candidates.length; ++i) {
            candidates[i] = updates[qualified[i]].trainer;
        }
        _open(config, round + 1, keccak256(abi.encode(salts, block.prevrandao, round + 1)), candidates);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IFederation
    function configuration() public view returns (Configuration memory config) {
        // Only clones carry a configuration in their code.
        if (address(this) == _implementation) revert ErrorsLib.NotAFederation(_implementation);
        // A clone of the factory carries `abi.encode(config)` of a valid configuration: for a struct of value types that is its
        // layout in memory. Decoding it would cost each call about 1,900 gas. What other clones carry is not checked here.
        assembly ("memory-safe") {
            extcodecopy(address(), config, ARGUMENTS_OFFSET, CONFIGURATION_BYTES)
        }
    }

    /// @inheritdoc IFederation
    function currentPhase() external view returns (Phase phase) {
        return _round.phaseOf(configuration(), block.timestamp);
    }

    /// @inheritdoc IFederation
    function currentRound() external view returns (Round memory round) {
        return _round;
    }

    /// @inheritdoc IFederation
    function globalModel() external view returns (Digest model) {
        return _round.number == 0 ? configuration().initialModel : _globalModel;
    }

    /// @inheritdoc IFederation
    function finalisedRounds() external view returns (uint32 count) {
        return _finalised;
    }

    /// @inheritdoc IFederation
    function committee() external view returns (address[] memory seats) {
        seats = new address[](_round.seats);
        for (uint256 seat = 0; seat < seats.length; ++seat) {
            seats[seat] = _committee[seat];
        }
    }

    /// @inheritdoc IFederation
    function memberOf(address account) external view returns (Member memory member) {
        return _memberOf[account];
    }

    /// @inheritdoc IFederation
    function memberCount() external view returns (uint256 count) {
        return _members.length;
    }

    /// @inheritdoc IFederation
    function memberAt(uint256 index) external view returns (address account) {
        return _members[index];
    }

    // ------------------------------------------------------------------ guards

    /// @dev The one guard of all steps: the round named is the current one, and in the phase in which the step is due.
    function _enter(Configuration memory config, uint32 round, Phase expected) private view {
        Phase phase = _round.number == round ? _round.phaseOf(config, block.timestamp) : Phase.None;
        if (phase != expected) revert ErrorsLib.UnexpectedPhase(round, phase, expected);
    }

    /// @dev R1: asked at every step, so that a revocation takes effect at once.
    function _requireActive(Configuration memory config, address account) private view {
        uint64 expiresAt = IRegistry(config.registry).expiryOf(account);
        if (expiresAt <= block.timestamp) revert ErrorsLib.ParticipantNotActive(account, expiresAt);
    }

    function _requireMember(Configuration memory config, uint32 round, address account)
        private
        view
        returns (Member storage member)
    {
        _requireActive(config, account);
        member = _memberOf[account];
        // Who joins in mid-round waits for the next one: `capacity` counted those who could submit when the round opened.
        if (!member.joined || member.joinedRound >= round) revert ErrorsLib.NotAMember(round, account);
    }

    function _requireSeat(Configuration memory config, uint32 round, address account)
        private
        view
        returns (uint8 seat, uint16 bit)
    {
        _requireActive(config, account);
        Member storage member = _memberOf[account];
        if (member.seatedRound != round) revert ErrorsLib.NotSeated(round, account);
        seat = member.seat;
        bit = _bitOf(seat);
    }

    /// @dev R4: a vector is the one that the seat committed to.
    function _requireCommitment(uint32 round, uint8 seat, bytes32 salt, bytes calldata scores) private view {
        if (ScoresLib.commitmentOf(round, seat, salt, scores) != _commitments[seat]) {
            revert ErrorsLib.CommitmentMismatch(round, seat);
        }
    }

    /// @dev R5: whoever finalises cannot leave out, add, change or reorder an update.
    function _requireUpdates(uint32 round, Update[] calldata updates) private view {
        bytes32 submissions = bytes32(uint256(round));
        for (uint256 i = 0; i < updates.length; ++i) {
            Update calldata update = updates[i];
            submissions = ScoresLib.append(submissions, update.trainer, update.digest, update.samples);
        }
        if (submissions != _submissions) revert ErrorsLib.WrongUpdates(round, submissions, _submissions);
    }

    /// @dev R5: nor a score vector. Returns the hash of all revealed salts, for the lottery.
    function _requireVectors(uint32 round, ScoreVector[] calldata scoreVectors)
        private
        view
        returns (bytes32 salts)
    {
        uint256 count = PhaseLib.countBits(_round.revealed);
        if (scoreVectors.length != count) {
            revert ErrorsLib.WrongVectorCount(round, scoreVectors.length, count);
        }
        uint256 next;
        for (uint8 seat = 0; seat < _round.seats; ++seat) {
            if (_round.revealed & _bitOf(seat) == 0) continue;
            ScoreVector calldata vector = scoreVectors[next++];
            _requireCommitment(round, seat, vector.salt, vector.scores);
            salts = keccak256(abi.encode(salts, vector.salt));
        }
    }

    function _bitOf(uint8 seat) private pure returns (uint16) {
        return uint16(1 << seat);
    }

    // ------------------------------------------------------------------ election

    /// @dev Seats the committee of a round, and opens it.
    function _open(Configuration memory config, uint32 round, bytes32 seed, address[] memory candidates) private {
        address[] memory seats = _elect(config, round, seed, candidates);
        emit EventsLib.CommitteeElected(round, seed, seats);

        uint256 trainers = _members.length - seats.length;
        uint16 capacity = trainers < config.maxUpdates ? uint16(trainers) : config.maxUpdates;
        _round = Round({
            number: round,
            openedAt: uint32(block.timestamp),
            trainedAt: 0,
            committedAt: 0,
            revealedAt: 0,
            updates: 0,
            capacity: capacity,
            committed: 0,
            revealed: 0,
            voted: 0,
            seats: uint8(seats.length),
            winner: 0
        });
        emit EventsLib.RoundOpened(round, _globalModel, capacity);
    }

    /// @dev R7: the candidates in their order, then a lottery among all members for the places that are left.
    function _elect(Configuration memory config, uint32 round, bytes32 seed, address[] memory candidates)
        private
        returns (address[] memory seats)
    {
        seats = new address[](config.seats);
        uint8 filled;
        for (uint256 i = 0; i < candidates.length && filled < seats.length; ++i) {
            if (_takeSeat(config, round, candidates[i], filled)) seats[filled++] = candidates[i];
        }
        uint256 draws = ConfigurationLib.DRAWS_PER_SEAT * seats.length;
        ElectionLib.Lottery memory lottery = ElectionLib.start(seed, _members.length, draws);
        for (uint256 i = 0; i < draws && lottery.left > 0 && filled < seats.length; ++i) {
            address member = _members[lottery.draw()];
            if (_takeSeat(config, round, member, filled)) seats[filled++] = member;
        }
        // Fewer than `seats` when so many members are inactive: the array is cut to what was filled.
        assembly ("memory-safe") {
            mstore(seats, filled)
        }
    }

    /// @dev R7: gives a seat to a member that is active and has none in this round or the one before.
    function _takeSeat(Configuration memory config, uint32 round, address account, uint8 seat)
        private
        returns (bool taken)
    {
        Member storage member = _memberOf[account];
        uint32 seated = member.seatedRound;
        if (seated != 0 && seated + 1 >= round) return false;
        if (IRegistry(config.registry).expiryOf(account) <= block.timestamp) return false; // I2
        member.seatedRound = round;
        member.seat = seat;
        _committee[seat] = account;
        return true;
    }
}
