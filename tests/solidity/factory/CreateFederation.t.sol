// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Digest, Election, IFederation, Phase} from "../../../contracts/interfaces/IFederation.sol";
import {IFederationFactory} from "../../../contracts/interfaces/IFederationFactory.sol";
import {ErrorsLib} from "../../../contracts/libraries/ErrorsLib.sol";
import {EventsLib} from "../../../contracts/libraries/EventsLib.sol";
import {FederationTest} from "../helpers/FederationTest.sol";

contract CreateFederationTest is FederationTest {
    function setUp() public override {
        deployFederation();
    }

    // ------------------------------------------------------------------ reverts, in the order of the checks

    function test_noSeats_reverts() public {
        config.seats = 0;
        _expectOutOfRange("seats", 0, 1, 15);
    }

    function test_tooManySeats_reverts() public {
        config.seats = 16;
        _expectOutOfRange("seats", 16, 1, 15);
    }

    function test_quorumBelowTwoThirds_reverts(uint8 seats) public {
        config.seats = uint8(bound(seats, 1, 15));
        uint256 least = (2 * uint256(config.seats) + 2) / 3; // two thirds, rounded up
        config.quorum = uint8(least - 1);
        _expectOutOfRange("quorum", least - 1, least, config.seats);
    }

    function test_quorumAboveSeats_reverts() public {
        config.quorum = 4;
        _expectOutOfRange("quorum", 4, 2, 3);
    }

    function test_noUpdatesNeeded_reverts() public {
        config.minUpdates = 0;
        _expectOutOfRange("minUpdates", 0, 1, 65_535);
    }

    function test_maxUpdatesBelowMinUpdates_reverts() public {
        config.maxUpdates = 1;
        _expectOutOfRange("maxUpdates", 1, 2, 65_535);
    }

    function test_noneQualified_reverts() public {
        config.maxQualified = 0;
        _expectOutOfRange("maxQualified", 0, 1, 4);
    }

    function test_moreQualifiedThanUpdates_reverts() public {
        config.maxQualified = 5;
        _expectOutOfRange("maxQualified", 5, 1, 4);
    }

    function test_minScoreZero_reverts() public {
        config.minScore = 0;
        _expectOutOfRange("minScore", 0, 1, 65_535);
    }

    function test_noSamples_reverts() public {
        config.maxSamples = 0;
        _expectOutOfRange("maxSamples", 0, 1, type(uint32).max);
    }

    function test_noRounds_reverts() public {
        config.rounds = 0;
        _expectOutOfRange("rounds", 0, 1, type(uint32).max);
    }

    function test_phaseWithoutTime_reverts() public {
        config.trainSeconds = 0;
        _expectOutOfRange("trainSeconds", 0, 1, type(uint32).max);
        config.trainSeconds = 1;
        config.commitSeconds = 0;
        _expectOutOfRange("commitSeconds", 0, 1, type(uint32).max);
        config.commitSeconds = 1;
        config.revealSeconds = 0;
        _expectOutOfRange("revealSeconds", 0, 1, type(uint32).max);
        config.revealSeconds = 1;
        config.voteSeconds = 0;
        _expectOutOfRange("voteSeconds", 0, 1, type(uint32).max);
    }

    function test_finaliseBeyondTheGasCap_reverts() public {
        config.maxUpdates = 65_535;
        vm.expectPartialRevert(ErrorsLib.FinaliseTooCostly.selector);
        factory.createFederation(config);
    }

    function test_electionOutOfEnum_reverts() public {
        bytes memory call = abi.encodeCall(IFederationFactory.createFederation, (config));
        call[4 + 3 * 32 + 31] = 0x02;
        (bool done, bytes memory data) = address(factory).call(call);
        vm.assertFalse(done, "an election beyond the enum");
        vm.assertEq(data.length, 0, "refused by the decoder, before any check");
    }

    // ------------------------------------------------------------------ success

    function test_validConfiguration_succeeds() public {
        config.election = Election.ByLottery;
        address expected = vm.computeCreateAddress(address(factory), vm.getNonce(address(factory)));
        vm.expectEmit(address(factory));
        emit EventsLib.FederationCreated(expected, address(registry), mallory, config);
        vm.prank(mallory);
        IFederation created = IFederation(factory.createFederation(config));

        vm.assertEq(address(created), expected, "address");
        vm.assertEq(abi.encode(created.configuration()), abi.encode(config), "configuration");
        vm.assertEq(factory.IMPLEMENTATION(), address(implementation), "implementation");
        vm.assertEq(created.VERSION(), 1, "version");
        vm.assertTrue(created.currentPhase() == Phase.None, "phase");
        vm.assertTrue(created.globalModel() == INITIAL, "global model");
        vm.assertEq(created.finalisedRounds(), 0, "finalised rounds");
        vm.assertEq(created.memberCount(), 0, "members");
        vm.assertEq(created.committee().length, 0, "committee");
    }

    function test_twice_succeeds() public {
        address first = factory.createFederation(config);
        config.rounds = 1;
        address second = factory.createFederation(config);
        vm.assertNotEq(first, second, "address");
        vm.assertEq(IFederation(first).configuration().rounds, 3, "configuration of the first");
        vm.assertEq(IFederation(second).configuration().rounds, 1, "configuration of the second");
    }

    function test_leastOfEverything_succeeds() public {
        config = _least();
        factory.createFederation(config);
    }

    /// @dev Every field at its greatest value, but for the updates, whose greatest value depends on the gas cap.
    function test_greatestOfEverything_succeeds() public {
        uint32 most = type(uint32).max;
        config.seats = 15;
        config.quorum = 15;
        config.maxQualified = config.maxUpdates;
        config.minScore = type(uint16).max;
        config.maxSamples = most;
        config.rounds = most;
        config.trainSeconds = most;
        config.commitSeconds = most;
        config.revealSeconds = most;
        config.voteSeconds = most;
        factory.createFederation(config);
    }

    /// @dev Creation accepts exactly what the ranges allow.
    function test_anyConfiguration_succeeds(uint8 seats, uint8 quorum, uint16[4] calldata counts, uint32[6] calldata numbers)
        public
    {
        Configuration memory fuzzed = Configuration({
            registry: address(registry),
            manifest: config.manifest,
            initialModel: INITIAL,
            election: seats % 2 == 0 ? Election.ByScore : Election.ByLottery,
            seats: uint8(bound(seats, 0, 16)),
            quorum: uint8(bound(quorum, 0, 16)),
            minUpdates: uint16(bound(counts[0], 0, 50)),
            maxUpdates: uint16(bound(counts[1], 0, 100)),
            maxQualified: uint16(bound(counts[2], 0, 50)),
            minScore: counts[3],
            maxSamples: numbers[0],
            rounds: numbers[1],
            trainSeconds: numbers[2],
            commitSeconds: numbers[3],
            revealSeconds: numbers[4],
            voteSeconds: numbers[5]
        });
        try factory.createFederation(fuzzed) returns (address created) {
            vm.assertTrue(_inRange(fuzzed), "accepted what is out of range");
            vm.assertEq(abi.encode(IFederation(created).configuration()), abi.encode(fuzzed), "configuration");
        } catch (bytes memory error) {
            vm.assertFalse(_inRange(fuzzed), "refused what is in range");
            vm.assertTrue(bytes4(error) == ErrorsLib.ConfigurationOutOfRange.selector, "error");
        }
    }

    /// @dev Sixteen different values, each of which fills its type: none is lost, cut or taken for its neighbour.
    function test_everyFieldOfTheConfiguration_isReadBack() public {
        config = Configuration({
            registry: address(type(uint160).max),
            manifest: Digest.wrap(bytes32(type(uint256).max)),
            initialModel: Digest.wrap(bytes32(type(uint256).max - 1)),
            election: Election.ByLottery,
            seats: 15,
            quorum: 14,
            minUpdates: 257,
            maxUpdates: 513,
            maxQualified: 258,
            minScore: type(uint16).max - 3,
            maxSamples: type(uint32).max - 4,
            rounds: type(uint32).max - 5,
            trainSeconds: type(uint32).max - 6,
            commitSeconds: type(uint32).max - 7,
            revealSeconds: type(uint32).max - 8,
            voteSeconds: type(uint32).max - 9
        });
        address created = factory.createFederation(config);
        Configuration memory read = IFederation(created).configuration();
        vm.assertEq(abi.encode(read), abi.encode(config), "configuration");

        // It is what stands behind the 45 bytes of the proxy, and nothing else does.
        bytes memory code = created.code;
        vm.assertEq(code.length, 45 + 16 * 32, "bytes of the clone");
        for (uint256 i = 0; i < 16; ++i) {
            vm.assertEq(_wordAt(code, 45 + 32 * i), _wordAt(abi.encode(config), 32 * i), "word of the clone");
        }
    }

    function test_implementationsConfiguration_reverts() public {
        expectNotAFederation();
        implementation.configuration();
    }

    // ------------------------------------------------------------------ helpers

    function _wordAt(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    function _least() private view returns (Configuration memory least) {
        least = defaults();
        least.seats = 1;
        least.quorum = 1;
        least.minUpdates = 1;
        least.maxUpdates = 1;
        least.maxQualified = 1;
        least.minScore = 1;
        least.maxSamples = 1;
        least.rounds = 1;
        least.trainSeconds = 1;
        least.commitSeconds = 1;
        least.revealSeconds = 1;
        least.voteSeconds = 1;
    }

    function _inRange(Configuration memory c) private pure returns (bool) {
        bool committee = c.seats >= 1 && c.seats <= 15 && 3 * uint256(c.quorum) >= 2 * uint256(c.seats) && c.quorum <= c.seats;
        bool counts = c.minUpdates >= 1 && c.minUpdates <= c.maxUpdates && c.maxQualified >= 1 && c.maxQualified <= c.maxUpdates;
        bool others = c.minScore > 0 && c.maxSamples > 0 && c.rounds > 0;
        bool times = c.trainSeconds > 0 && c.commitSeconds > 0 && c.revealSeconds > 0 && c.voteSeconds > 0;
        return committee && counts && others && times;
    }

    function _expectOutOfRange(string memory field, uint256 value, uint256 least, uint256 most) private {
        vm.expectRevert(
            abi.encodeWithSelector(ErrorsLib.ConfigurationOutOfRange.selector, field, value, least, most)
        );
        factory.createFederation(config);
    }
}
