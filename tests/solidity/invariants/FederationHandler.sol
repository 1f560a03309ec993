// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, IFederation, Member, Phase, Round, ScoreVector, Update} from "../../../contracts/interfaces/IFederation.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

/// @notice Plays a federation of ten at random, and keeps a book of its own on what happened.
/// @dev An action that is not due does nothing; one that is due and reverts is a failure (`fail_on_revert`).
contract FederationHandler is FederationTest {
    address[] private actors;

    // The book.
    uint32 public finalised;
    uint32 public stalled;
    bytes32 public submissions;
    Digest public model;
    bool public ranBack;
    bool public seatedWithoutCertificate;
    bool public seatedTwice;
    mapping(uint32 round => mapping(Digest model => uint256 votes)) public votesFor;

    Round private lastRound;
    Phase private lastPhase;
    address[] private lastCommittee;

    function setUp() public override {
        deployFederation();
        config.rounds = type(uint32).max;
        federation = IFederation(factory.createFederation(config));
        model = INITIAL;
        for (uint256 i = 0; i < 10; ++i) {
            actors.push(address(uint160(uint256(keccak256(abi.encode("actor", i))))));
            register(actors[i]);
            if (i < 9) join(actors[i]);
        }
    }

    function theFederation() external view returns (IFederation) {
        return federation;
    }

    /// @dev Looks at the federation after each action, and after each second that passes unseen between two.
    modifier observed() {
        _;
        Round memory round = federation.currentRound();
        Phase phase = federation.currentPhase();
        if (round.number < lastRound.number) ranBack = true;
        if (round.number == lastRound.number && uint8(phase) < uint8(lastPhase)) ranBack = true;
        (lastRound, lastPhase) = (round, phase);
    }

    // ------------------------------------------------------------------ actions

    function pass(uint256 time) external observed {
        vm.warp(block.timestamp + bound(time, 1, 25));
        vm.prevrandao(keccak256(abi.encode(block.prevrandao, time)));
    }

    function joinOne(uint256 who) external observed {
        address account = actors[who % actors.length];
        if (!federation.memberOf(account).joined && _isActive(account)) join(account);
    }

    /// @dev A certificate ends soon, and may be renewed.
    function renew(uint256 who, uint256 time) external observed {
        address account = actors[who % actors.length];
        if (!registry.isRevoked(account)) registerUntil(account, block.timestamp + bound(time, 1, 4_000));
    }

    /// @dev Two of ten at most: the others can still play.
    function revokeOne(uint256 who) external observed {
        address account = actors[who % 2];
        if (!registry.isRevoked(account)) revoke(account);
    }

    function openNext() public observed {
        Phase phase = federation.currentPhase();
        if (phase != Phase.None && phase != Phase.Stalled) return;
        if (phase == Phase.Stalled) ++stalled;
        openRound();
        _checkElection();
    }

    function submitOne(uint256 who) external observed {
        if (federation.currentPhase() == Phase.Train) _submit(actors[who % actors.length]);
    }

    /// @dev Whatever is due, by most of those whom it concerns: rounds get to their ends this way.
    function act(uint256 seed) external observed {
        Phase phase = federation.currentPhase();
        if (federation.currentRound().winner != 0) {
            finaliseOne();
        } else if (phase == Phase.None || phase == Phase.Stalled) {
            openNext();
        } else if (phase == Phase.Train) {
            for (uint256 i = 0; i < actors.length && federation.currentPhase() == phase; ++i) {
                if (_mostly(seed, i)) _submit(actors[i]);
            }
        } else {
            address[] memory seats = federation.committee();
            for (uint8 seat = 0; seat < seats.length && federation.currentPhase() == phase; ++seat) {
                if (!_mostly(seed, seat) || !_isActive(seats[seat])) continue;
                _serve(phase, seats[seat], uint16(1 << seat), _mostly(seed, 100 + seat) ? HONEST : FORGED);
            }
        }
    }

    function finaliseOne() public observed {
        Round memory round = federation.currentRound();
        if (federation.currentPhase() != Phase.Vote || round.winner == 0) return;
        model = votesFor[round.number][HONEST] >= config.quorum ? HONEST : FORGED;
        ++finalised;
        finalise();
        delete updates;
        _checkElection();
    }

    // ------------------------------------------------------------------ helpers

    function _submit(address account) private {
        Member memory member = federation.memberOf(account);
        uint32 round = number();
        if (!member.joined || member.joinedRound >= round || !_isActive(account)) return;
        if (member.seatedRound == round || member.submittedRound == round) return;
        submit(account);
        bytes32 before = updates.length == 1 ? bytes32(uint256(round)) : submissions;
        submissions = keccak256(abi.encode(before, updates[updates.length - 1]));
    }

    function _serve(Phase phase, address seat, uint16 bit, Digest voted) private {
        Round memory round = federation.currentRound();
        if (phase == Phase.Commit && round.committed & bit == 0) commit(seat, _scoresOf(seat, round));
        if (phase == Phase.Reveal && round.committed & bit != 0 && round.revealed & bit == 0) {
            reveal(seat, _scoresOf(seat, round));
        }
        if (phase == Phase.Vote && round.voted & bit == 0) {
            ++votesFor[round.number][voted];
            vote(seat, voted);
        }
    }

    function _scoresOf(address seat, Round memory round) private pure returns (bytes memory scores) {
        for (uint256 i = 0; i < round.updates; ++i) {
            scores = abi.encodePacked(scores, uint16(uint256(keccak256(abi.encode(seat, round.number, i))) % 300));
        }
    }

    /// @dev At the moment of an election, before anything else happens.
    function _checkElection() private {
        address[] memory seats = federation.committee();
        for (uint256 i = 0; i < seats.length; ++i) {
            if (!_isActive(seats[i])) seatedWithoutCertificate = true;
            for (uint256 j = 0; j < lastCommittee.length; ++j) {
                if (seats[i] == lastCommittee[j]) seatedTwice = true;
            }
            for (uint256 j = 0; j < i; ++j) {
                if (seats[i] == seats[j]) seatedTwice = true;
            }
        }
        lastCommittee = seats;
    }

    function _mostly(uint256 seed, uint256 i) private pure returns (bool) {
        return uint256(keccak256(abi.encode(seed, i))) % 5 != 0;
    }

    function _isActive(address account) private view returns (bool) {
        return registry.expiryOf(account) > block.timestamp;
    }
}
