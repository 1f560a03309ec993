// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    Configuration,
    Digest,
    Election,
    IFederation,
    Phase,
    ScoreVector,
    Update
} from "../../contracts/interfaces/IFederation.sol";
import {ErrorsLib} from "../../contracts/libraries/ErrorsLib.sol";
import {FederationTest} from "./helpers/FederationTest.sol";
import {LibrariesTest} from "./helpers/LibrariesTest.sol";

/// @notice R10: no round that a configuration allows can need more gas to finalise than `worstFinaliseGas` says.
/// @dev Calls are isolated: each is a transaction of its own, so that slots are cold and calldata is paid for, as on a chain.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 4
/// forge-config: ci.fuzz.runs = 32
contract FinaliseGasTest is FederationTest, LibrariesTest {
    uint256 private constant GAS_CAP = 16_777_216;
    bytes32 private constant RANDOM = keccak256("the block of the finalisation");

    uint32 private constant SAMPLES = type(uint32).max; // no zero bytes in calldata that need not be

    enum Order {
        Rising,
        Falling,
        Fuzzed
    }

    address[] private crowd;
    address[] private seats;
    ScoreVector[] private given;
    uint256 private fuzz;

    function setUp() public override {
        deployFederation();
    }

    /// @dev What the other tests rely on: an isolated call is measured with what a transaction pays before it runs.
    function test_measurement_countsTheTransaction() public {
        bytes memory call = new bytes(1_000);
        for (uint256 i = 0; i < 400; ++i) {
            call[i] = 0x01;
        }
        (bool done,) = address(mallory).call(call);
        vm.assertTrue(done, "a call to an account without code");
        vm.assertEq(vm.lastCallGas().gasTotalUsed, 21_000 + 400 * 16 + 600 * 4, "gas");
    }

    // ------------------------------------------------------------------ from the least to the largest

    function test_oneOfEverything_succeeds() public {
        _check(1, 1, 1, Election.ByScore, Order.Rising);
        _check(1, 1, 1, Election.ByLottery, Order.Rising);
    }

    function test_tenUpdates_succeeds() public {
        _check(10, 1, 1, Election.ByScore, Order.Rising);
        _check(10, 3, 5, Election.ByScore, Order.Falling);
        _check(20, 15, 20, Election.ByScore, Order.Rising);
        _check(20, 9, 1, Election.ByLottery, Order.Rising);
    }

    function test_hundredUpdates_succeeds() public {
        _check(100, 1, 100, Election.ByLottery, Order.Fuzzed);
        _check(100, 3, 1, Election.ByScore, Order.Rising);
        _check(100, 5, 30, Election.ByScore, Order.Rising);
        _check(100, 5, 100, Election.ByScore, Order.Falling);
        _check(100, 15, 1, Election.ByScore, Order.Rising);
        _check(100, 15, 100, Election.ByScore, Order.Rising);
    }

    function test_anyRound_succeeds(uint8 updates_, uint8 places, uint8 qualified, bool byScore, uint8 order, uint256 seed) public {
        uint256 count = bound(updates_, 1, 80);
        fuzz = seed;
        _check(
            uint16(count),
            uint8(bound(places, 1, 15)),
            uint16(bound(qualified, 1, count)),
            byScore ? Election.ByScore : Election.ByLottery,
            Order(order % 3)
        );
    }

    // ------------------------------------------------------------------ at the cap

    function test_fiveHundredUpdatesFiveSeats_succeeds() public {
        _check(500, 5, 500, Election.ByScore, Order.Rising);
    }

    function test_fiveHundredUpdatesSevenSeats_succeeds() public {
        _check(500, 7, 500, Election.ByScore, Order.Rising);
    }

    function test_thousandUpdates_succeeds() public {
        _check(1_000, 3, 300, Election.ByLottery, Order.Rising);
    }

    /// @dev The largest round of the largest committee, and one update more.
    function test_mostUpdatesThatFifteenSeatsMayScore_succeeds() public {
        config = defaults();
        (config.seats, config.quorum) = (15, 10);
        (uint16 fits, uint16 tooMany) = (500, 1_000);
        while (tooMany - fits > 1) {
            uint16 middle = (fits + tooMany) / 2;
            (config.maxUpdates, config.maxQualified) = (middle, middle);
            if (libraries.worstFinaliseGas(config) <= GAS_CAP) fits = middle;
            else tooMany = middle;
        }
        (config.maxUpdates, config.maxQualified) = (tooMany, tooMany);
        vm.expectPartialRevert(ErrorsLib.FinaliseTooCostly.selector);
        factory.createFederation(config);
        _check(fits, 15, fits, Election.ByScore, Order.Falling);
    }

    // ------------------------------------------------------------------ the worst round

    function _check(uint16 maxUpdates, uint8 places, uint16 maxQualified, Election election, Order order) private {
        config = defaults();
        (config.seats, config.quorum) = (places, uint8((2 * uint256(places) + 2) / 3));
        (config.minUpdates, config.maxUpdates, config.maxQualified) = (1, maxUpdates, maxQualified);
        (config.election, config.minScore, config.maxSamples) = (election, 1, SAMPLES);
        uint256 used = _worstRound(order);
        uint256 allowed = libraries.worstFinaliseGas(config);
        vm.assertLe(used, allowed, "finaliseRound costs more than worstFinaliseGas");
        vm.assertLe(allowed, GAS_CAP, "creation refuses what could pass the cap");
        vm.assertLe(allowed, used * 3 / 2, "worstFinaliseGas refuses what would fit");
    }

    /// @return used gas of a `finaliseRound` with all updates, all vectors, no candidate fit for a seat, and a lottery that finds who is
    /// only among its last draws
    function _worstRound(Order order) private returns (uint256 used) {
        federation = IFederation(factory.createFederation(config));
        // Enough members that the lottery makes all its draws.
        _gather(uint256(config.maxUpdates) + 5 * config.seats);
        federation.openRound();
        seats = federation.committee();
        _extendTheLastDrawn();
        _submitAll();
        _score(order);
        for (uint256 i = 0; i < config.quorum; ++i) {
            vote(seats[i], HONEST);
        }
        // Slots that a committee of the quorum alone would have left empty.
        for (uint256 i = config.quorum; i < config.seats; ++i) {
            vm.store(address(federation), bytes32(6 + i), bytes32(0));
        }
        vm.warp(NOW + 1 days);
        federation.finaliseRound(1, updates, given);
        used = vm.lastCallGas().gasTotalUsed;
        vm.assertEq(federation.committee().length, config.seats, "all places filled");
        uint256 floor = _calldataFloor(abi.encodeCall(IFederation.finaliseRound, (1, updates, given)));
        if (floor > used) used = floor;
    }

    /// @dev Everybody's certificate ends with the day.
    function _gather(uint256 count) private {
        delete crowd;
        vm.warp(NOW);
        vm.prevrandao(RANDOM);
        for (uint256 i = 0; i < count; ++i) {
            crowd.push(address(uint160(uint256(keccak256(abi.encode("crowd", i))))));
            registerUntil(crowd[i], NOW + 1 days);
            join(crowd[i]);
        }
    }

    /// @dev As many members as there are places, those that the lottery will draw last, get certificates for a day more, and do not train.
    function _extendTheLastDrawn() private {
        bytes32 salts;
        for (uint256 i = 0; i < seats.length; ++i) {
            salts = keccak256(abi.encode(salts, saltOf(seats[i])));
        }
        bytes32 seed = keccak256(abi.encode(salts, RANDOM, uint32(2)));
        uint256[] memory drawn = libraries.draw(seed, crowd.length, 4 * seats.length);
        uint256 left = seats.length;
        for (uint256 i = drawn.length; left > 0; --i) {
            address account = crowd[drawn[i - 1]];
            if (federation.memberOf(account).seatedRound == 1) continue;
            registerUntil(account, NOW + 2 days);
            --left;
        }
    }

    function _submitAll() private {
        delete updates;
        Digest base = federation.globalModel();
        for (uint256 i = 0; updates.length < config.maxUpdates; ++i) {
            if (federation.memberOf(crowd[i]).seatedRound == 1 || registry.expiryOf(crowd[i]) > NOW + 1 days) continue;
            vm.prank(crowd[i]);
            federation.submitUpdate(1, base, digestOf(crowd[i]), SAMPLES);
            updates.push(Update(crowd[i], digestOf(crowd[i]), SAMPLES));
        }
    }

    function _score(Order order) private {
        delete given;
        for (uint256 seat = 0; seat < seats.length; ++seat) {
            uint16[] memory scores = new uint16[](config.maxUpdates);
            for (uint256 i = 0; i < scores.length; ++i) {
                scores[i] = _scoreOf(order, i) - uint16(seat);
            }
            given.push(ScoreVector(saltOf(seats[seat]), libraries.pack(scores)));
            commit(seats[seat], given[seat].scores);
        }
        for (uint256 seat = 0; seat < seats.length; ++seat) {
            vm.prank(seats[seat]);
            federation.revealScores(1, given[seat].salt, given[seat].scores);
        }
    }

    /// @dev Rising: falls while the heap fills, so that each update climbs to its root, then rises, so that each sinks through all of it.
    function _scoreOf(Order order, uint256 i) private view returns (uint16) {
        if (order == Order.Fuzzed) return uint16(300 + uint256(keccak256(abi.encode(fuzz, i))) % 65_000);
        if (order == Order.Falling) return uint16(60_000 - i);
        return uint16(10_000 + (i < config.maxQualified ? config.maxQualified - i : i));
    }

    /// @dev EIP-7623: a transaction pays for its calldata at least 10 gas a zero byte and 40 gas another byte.
    function _calldataFloor(bytes memory call) private pure returns (uint256 gas) {
        gas = 21_000;
        for (uint256 i = 0; i < call.length; ++i) {
            gas += call[i] == 0 ? 10 : 40;
        }
    }
}
