// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    Configuration,
    Digest,
    Election,
    IFederation,
    Member,
    Phase,
    Round,
    ScoreVector,
    Update
} from "../../../contracts/interfaces/IFederation.sol";
import {IFederationFactory} from "../../../contracts/interfaces/IFederationFactory.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {ElectionLib} from "../../../contracts/libraries/ElectionLib.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @notice A federation of seven, and a driver that speaks the protocol: openRound(), submit(alice), waitFor(Phase.Commit).
/// @dev In round 1 alice, bob, carol and dave train; erin, frank and grace have the seats 0, 1 and 2.
abstract contract FederationTest is RegistryTest {
    using ElectionLib for ElectionLib.Lottery;

    IFederationFactory internal factory;
    IFederation internal implementation;
    IFederation internal federation;
    Configuration internal config;

    address internal alice = named("alice");
    address internal bob = named("bob");
    address internal carol = named("carol");
    address internal dave = named("dave");
    address internal erin = named("erin");
    address internal frank = named("frank");
    address internal grace = named("grace");
    address[] internal everyone = [alice, bob, carol, dave, erin, frank, grace];

    Digest internal constant INITIAL = Digest.wrap(keccak256("initial model"));
    Digest internal constant HONEST = Digest.wrap(keccak256("honest model"));
    Digest internal constant FORGED = Digest.wrap(keccak256("forged model"));

    /// @dev What the events of the current round say, as whoever finalises collects it.
    Update[] internal updates;
    mapping(uint256 seat => ScoreVector vector) internal vectorOf;

    function setUp() public virtual {
        deployFederation();
        joinAll();
    }

    // ------------------------------------------------------------------ set-up

    function deployFederation() internal {
        deployRegistry();
        implementation = IFederation(vm.deployCode("Federation.sol:Federation", ""));
        factory = IFederationFactory(
            vm.deployCode("FederationFactory.sol:FederationFactory", abi.encode(address(implementation)))
        );
        config = defaults();
        federation = IFederation(factory.createFederation(config));
    }

    function defaults() internal view returns (Configuration memory) {
        return Configuration({
            registry: address(registry),
            manifest: Digest.wrap(keccak256("manifest")),
            initialModel: INITIAL,
            election: Election.ByScore,
            seats: 3,
            quorum: 2,
            minUpdates: 2,
            maxUpdates: 4,
            maxQualified: 3,
            minScore: 100,
            maxSamples: 1_000,
            rounds: 3,
            trainSeconds: 100,
            commitSeconds: 50,
            revealSeconds: 40,
            voteSeconds: 30
        });
    }

    function joinAll() internal {
        for (uint256 i = 0; i < everyone.length; ++i) {
            register(everyone[i]);
        }
        joinFirst(everyone.length);
        vm.prevrandao(_randomnessThatSeats(4, 5, 6));
    }

    function joinFirst(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            join(everyone[i]);
        }
    }

    /// @dev Another federation of the same seven, with `config` as the test has changed it.
    function newFederation() internal {
        federation = IFederation(factory.createFederation(config));
        joinFirst(everyone.length);
    }

    /// @dev Tries one block's randomness after the other, as a proposer could who may choose it.
    function _randomnessThatSeats(uint256 first, uint256 second, uint256 third) private view returns (bytes32 random) {
        while (true) {
            bytes32 seed = keccak256(abi.encode(random, blockhash(block.number - 1), uint32(1)));
            ElectionLib.Lottery memory lottery = ElectionLib.start(seed, 7, 3);
            if (lottery.draw() == first && lottery.draw() == second && lottery.draw() == third) return random;
            random = bytes32(uint256(random) + 1);
        }
    }

    // ------------------------------------------------------------------ the driver

    function join(address account) internal {
        vm.prank(account);
        federation.join();
    }

    function openRound() internal {
        federation.openRound();
        delete updates;
    }

    function submit(address trainer) internal {
        submit(trainer, digestOf(trainer), 10);
    }

    function submit(address trainer, Digest digest, uint32 samples) internal {
        uint32 round = number();
        Digest base = federation.globalModel();
        vm.prank(trainer);
        federation.submitUpdate(round, base, digest, samples);
        updates.push(Update(trainer, digest, samples));
    }

    function submitAll() internal {
        submit(alice);
        submit(bob);
        submit(carol);
        submit(dave);
    }

    function commit(address seat, bytes memory scores) internal {
        uint32 round = number();
        bytes32 commitment = commitmentOf(seat, scores);
        vm.prank(seat);
        federation.commitScores(round, commitment);
    }

    function reveal(address seat, bytes memory scores) internal {
        uint32 round = number();
        bytes32 salt = saltOf(seat);
        vm.prank(seat);
        federation.revealScores(round, salt, scores);
        vectorOf[federation.memberOf(seat).seat] = ScoreVector(salt, scores);
    }

    function commitAll() internal {
        commit(erin, scoresOfErin());
        commit(frank, scoresOfFrank());
        commit(grace, scoresOfGrace());
    }

    function revealAll() internal {
        reveal(erin, scoresOfErin());
        reveal(frank, scoresOfFrank());
        reveal(grace, scoresOfGrace());
    }

    function vote(address seat, Digest model) internal {
        uint32 round = number();
        vm.prank(seat);
        federation.submitVote(round, model);
    }

    function finalise() internal {
        federation.finaliseRound(number(), updates, vectors());
    }

    /// @dev Round 1 up to the beginning of a phase, by everybody acting at once.
    function play(Phase phase) internal {
        openRound();
        if (phase == Phase.Train) return;
        submitAll();
        if (phase == Phase.Commit) return;
        commitAll();
        if (phase == Phase.Reveal) return;
        revealAll();
        if (phase == Phase.Vote) return;
        revert("play ends at Vote");
    }

    /// @dev Lets time pass, one deadline after the other, until the phase has come.
    function waitFor(Phase phase) internal {
        while (federation.currentPhase() != phase) {
            vm.assertTrue(uint8(federation.currentPhase()) < uint8(phase), "the phase is over or cannot come");
            vm.warp(deadline());
        }
    }

    // ------------------------------------------------------------------ what to expect

    function number() internal view returns (uint32) {
        return federation.currentRound().number;
    }

    /// @dev The first second at which the current phase is over.
    function deadline() internal view returns (uint256 time) {
        Round memory round = federation.currentRound();
        Phase phase = federation.currentPhase();
        time = round.openedAt + config.trainSeconds;
        if (phase == Phase.Train) return time;
        time = (round.trainedAt == 0 ? time : round.trainedAt) + config.commitSeconds;
        if (phase == Phase.Commit) return time;
        time = (round.committedAt == 0 ? time : round.committedAt) + config.revealSeconds;
        if (phase == Phase.Reveal) return time;
        return (round.revealedAt == 0 ? time : round.revealedAt) + config.voteSeconds;
    }

    function digestOf(address trainer) internal pure returns (Digest) {
        return Digest.wrap(keccak256(abi.encode("update", trainer)));
    }

    function saltOf(address seat) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", seat));
    }

    function commitmentOf(address seat, bytes memory scores) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(number(), federation.memberOf(seat).seat, saltOf(seat), scores));
    }

    /// @dev Medians 500, 300, 50, 400: carol's update does not qualify, the order is alice, dave, bob.
    function scoresOfErin() internal pure returns (bytes memory) {
        return pack(500, 300, 50, 65_535);
    }

    function scoresOfFrank() internal pure returns (bytes memory) {
        return pack(900, 200, 0, 400);
    }

    function scoresOfGrace() internal pure returns (bytes memory) {
        return pack(0, 301, 1_000, 399);
    }

    function pack(uint16 a, uint16 b, uint16 c, uint16 d) internal pure returns (bytes memory) {
        return abi.encodePacked(a, b, c, d);
    }

    /// @dev The vectors of the seats that revealed, in the order of the seats.
    function vectors() internal view returns (ScoreVector[] memory given) {
        uint16 revealed = federation.currentRound().revealed;
        uint256 count;
        given = new ScoreVector[](15);
        for (uint256 seat = 0; seat < 15; ++seat) {
            if (revealed & uint16(1 << seat) != 0) given[count++] = vectorOf[seat];
        }
        assembly ("memory-safe") {
            mstore(given, count)
        }
    }

    function expectUnexpectedPhase(uint32 round, Phase current, Phase expected) internal {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.UnexpectedPhase.selector, round, current, expected));
    }

    function expectNotAFederation() internal {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.NotAFederation.selector, address(implementation)));
    }

    function expectNotActive(address account, uint256 expiresAt) internal {
        vm.expectRevert(abi.encodeWithSelector(ErrorsLib.ParticipantNotActive.selector, account, uint64(expiresAt)));
    }

    function assertPhase(Phase expected) internal view {
        vm.assertEq(uint8(federation.currentPhase()), uint8(expected), "phase");
    }

    /// @dev All facts of the round at once: what a call changed, and that it changed nothing else.
    function assertRound(Round memory expected) internal view {
        vm.assertEq(abi.encode(federation.currentRound()), abi.encode(expected), "round");
    }

    function assertMember(address account, Member memory expected) internal view {
        vm.assertEq(abi.encode(federation.memberOf(account)), abi.encode(expected), "member");
    }

    /// @dev Model, count of rounds, members and committee: what no step but opening and finalising changes.
    function stateBesideRound() internal view returns (bytes32) {
        uint256 count = federation.memberCount();
        bytes memory members;
        for (uint256 i = 0; i < count; ++i) {
            members = abi.encode(members, federation.memberAt(i));
        }
        return keccak256(
            abi.encode(federation.globalModel(), federation.finalisedRounds(), federation.committee(), members)
        );
    }
}
