// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {LibrariesTest} from "../helpers/LibrariesTest.sol";

contract PhaseTest is LibrariesTest {
    /// @dev I4: whatever the facts, time alone never brings a phase back.
    function test_laterTime_neverRunsBack(Round memory round, uint32[6] memory limits, uint256 time, uint256 later)
        public
    {
        round = _plausible(round);
        Configuration memory config = _configuration(limits);
        time = bound(time, round.openedAt, type(uint64).max);
        later = bound(later, time, type(uint64).max);
        vm.assertLe(
            uint8(libraries.phaseOf(round, config, time)), uint8(libraries.phaseOf(round, config, later)), "phase"
        );
    }

    function test_noRound_isNone(Round memory round, uint32[6] memory limits, uint256 time) public {
        round.number = 0;
        vm.assertTrue(libraries.phaseOf(round, _configuration(limits), time) == Phase.None, "phase");
    }

    function test_openedAtZero_isFinished(Round memory round, uint32[6] memory limits, uint256 time) public {
        round.number = uint32(bound(round.number, 1, type(uint32).max));
        round.openedAt = 0;
        vm.assertTrue(libraries.phaseOf(round, _configuration(limits), time) == Phase.Finished, "phase");
    }

    function test_winner_waitsForEver(Round memory round, uint32[6] memory limits, uint256 time) public {
        round = _plausible(round);
        (round.trainedAt, round.committedAt, round.revealedAt) = (round.openedAt, round.openedAt, round.openedAt);
        round.winner = uint8(bound(round.winner, 1, 15));
        time = bound(time, round.openedAt, type(uint64).max);
        vm.assertTrue(libraries.phaseOf(round, _configuration(limits), time) == Phase.Vote, "phase");
    }

    /// @dev The sum of all deadlines does not overflow, however long the phases and late the opening.
    function test_greatestTimes_succeed() public {
        Round memory round;
        (round.number, round.openedAt) = (1, type(uint32).max);
        (round.updates, round.committed, round.revealed) = (1, 1, 1);
        Configuration memory config;
        (config.seats, config.quorum, config.minUpdates) = (1, 1, 1);
        uint32 most = type(uint32).max;
        (config.trainSeconds, config.commitSeconds, config.revealSeconds, config.voteSeconds) = (most, most, most, most);
        uint256 end = 5 * uint256(most);
        vm.assertTrue(libraries.phaseOf(round, config, end - 1) == Phase.Vote, "the last second of Vote");
        vm.assertTrue(libraries.phaseOf(round, config, end) == Phase.Stalled, "its deadline");
    }

    function test_countBits_countsEachBit(uint16 bits) public view {
        uint256 expected;
        for (uint256 i = 0; i < 16; ++i) {
            expected += (bits >> i) & 1;
        }
        vm.assertEq(libraries.countBits(bits), expected, "bits");
    }

    // ------------------------------------------------------------------ helpers

    /// @dev Facts that the contract can have written: an end of a phase is never before the opening.
    function _plausible(Round memory round) private pure returns (Round memory) {
        round.number = uint32(bound(round.number, 1, type(uint32).max));
        round.openedAt = uint32(bound(round.openedAt, 1, type(uint32).max));
        if (round.trainedAt < round.openedAt) round.trainedAt = 0;
        if (round.committedAt < round.trainedAt) round.committedAt = 0;
        if (round.revealedAt < round.committedAt) round.revealedAt = 0;
        return round;
    }

    function _configuration(uint32[6] memory limits) private pure returns (Configuration memory config) {
        config.quorum = uint8(bound(limits[0], 1, 15));
        config.minUpdates = uint16(bound(limits[1], 1, type(uint16).max));
        (config.trainSeconds, config.commitSeconds) = (limits[2], limits[3]);
        (config.revealSeconds, config.voteSeconds) = (limits[4], limits[5]);
    }
}
