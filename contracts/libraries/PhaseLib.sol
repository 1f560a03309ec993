// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Phase, Round} from "../interfaces/IFederation.sol";

/// @title The phase of a round, derived from its facts and the clock
library PhaseLib {
    /// @notice The phase of a round at a time.
    /// @dev A phase begins at its first second and has ended at its deadline. It never runs back: `time` only grows, and a fact that
    /// ends a phase early is written only in that phase (I4).
    /// @param round the facts, in their one slot: a copy of all of them in memory would cost each call 400 gas
    /// @param config durations and minima
    /// @param time Unix time
    /// @return phase one of all but the ones that need no clock to tell
    function phaseOf(Round storage round, Configuration memory config, uint256 time) internal view returns (Phase phase) {
        if (round.number == 0) return Phase.None;
        if (round.openedAt == 0) return Phase.Finished;

        // Five times of 32 bits do not fill 256.
        unchecked {
            uint256 deadline = uint256(round.openedAt) + config.trainSeconds;
            if (round.trainedAt != 0) deadline = round.trainedAt;
            else if (time < deadline) return Phase.Train;
            else if (round.updates < config.minUpdates) return Phase.Stalled;

            deadline += config.commitSeconds;
            if (round.committedAt != 0) deadline = round.committedAt;
            else if (time < deadline) return Phase.Commit;
            else if (countBits(round.committed) < config.quorum) return Phase.Stalled;

            deadline += config.revealSeconds;
            if (round.revealedAt != 0) deadline = round.revealedAt;
            else if (time < deadline) return Phase.Reveal;
            else if (countBits(round.revealed) < config.quorum) return Phase.Stalled;

            // A model with its quorum waits for whoever finalises, however long.
            if (round.winner != 0 || time < deadline + config.voteSeconds) return Phase.Vote;
            return Phase.Stalled;
        }
    }

    /// @notice How many seats a set of seats holds.
    /// @param bits one bit a seat
    /// @return count 0 to 16
    function countBits(uint16 bits) internal pure returns (uint256 count) {
        for (; bits != 0; ++count) {
            bits &= bits - 1; // clears the lowest bit that is set
        }
    }
}
