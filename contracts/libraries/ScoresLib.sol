// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, ScoreVector} from "../interfaces/IFederation.sol";

/// @title Commitments, medians and packed vectors
library ScoresLib {
    /// @dev Bits of a lane: a score and a spare bit. Fifteen lanes fit in a word.
    uint256 private constant LANE = 17;
    uint256 private constant LANE_MASK = (1 << LANE) - 1;

    /// @notice What a seat commits to. Round and seat are part of it, so that another's commitment cannot be revealed as one's own.
    /// @param round the round
    /// @param seat the seat
    /// @param salt 32 bytes that nobody can guess
    /// @param scores the packed vector
    /// @return commitment the hash
    function commitmentOf(uint32 round, uint8 seat, bytes32 salt, bytes calldata scores)
        internal
        pure
        returns (bytes32 commitment)
    {
        return keccak256(abi.encodePacked(round, seat, salt, scores));
    }

    /// @notice The hash of all submissions of a round so far, one more included.
    /// @dev One slot holds a whole round's submissions: a leaf a submission, in an array, would cost `finaliseRound` 2,100 gas an update to
    /// read back, and the first round 17,100 gas a new slot.
    /// @param submissions the hash before it; the round number before the first
    /// @param trainer who submitted the next one
    /// @param digest its payload
    /// @param samples how many samples it declares
    /// @return next the hash with it
    function append(bytes32 submissions, address trainer, Digest digest, uint32 samples) internal pure returns (bytes32 next) {
        return keccak256(abi.encode(submissions, trainer, digest, samples));
    }

    /// @notice The median of each update's scores over all vectors; the lower middle of an even number of vectors.
    /// @dev Callers have checked that each vector has two bytes for each update, and that there is at least one vector.
    /// @param vectors 1 to 15
    /// @param updates how many updates each vector scores
    /// @return medians one per update
    function mediansOf(ScoreVector[] calldata vectors, uint256 updates) internal pure returns (uint16[] memory medians) {
        medians = new uint16[](updates);
        uint256 count = vectors.length;
        bytes[] memory rows = new bytes[](count);
        uint256 ones;
        for (uint256 j = 0; j < count; ++j) {
            rows[j] = vectors[j].scores;
            ones = ones << LANE | 1;
        }
        for (uint256 i = 0; i < updates; ++i) {
            uint256 column;
            for (uint256 j = 0; j < count; ++j) {
                column = column << LANE | at(rows[j], i);
            }
            medians[i] = _medianOf(column, ones, count);
        }
    }

    /// @dev The greatest score that more than half of all scores reach (half of an even number, and one more). One subtraction compares a
    /// score with all lanes: sorting 15 scores in memory costs forty times as much at its worst.
    /// @param column `count` scores, each in a lane of its own
    /// @param ones 1 in each lane
    /// @param count 1 to 15
    function _medianOf(uint256 column, uint256 ones, uint256 count) private pure returns (uint16) {
        uint256 needed = count / 2 + 1;
        uint256 median;
        // Nothing wraps: a lane with its spare bit set is more than any score taken from it, so that no lane borrows from the next.
        unchecked {
            uint256 top = LANE * (count - 1);
            for (uint256 spared = column | ones << (LANE - 1); column != 0; column >>= LANE) {
                uint256 score = column & LANE_MASK;
                if (score <= median) continue;
                uint256 reached = (spared - ones * score) >> (LANE - 1) & ones;
                // The product adds all lanes up in the top one.
                if ((reached * ones >> top & LANE_MASK) >= needed) median = score;
            }
        }
        return uint16(median);
    }

    /// @notice One score of a packed vector.
    /// @param scores packed big-endian `uint16`
    /// @param index which; callers have checked that it is inside
    /// @return score the value
    function at(bytes memory scores, uint256 index) internal pure returns (uint256 score) {
        // Two indexed byte reads with their bounds checks cost 300 gas more; a round of 100 updates and 5 seats makes 500 of them.
        assembly ("memory-safe") {
            // The word whose last two bytes are the score: it begins 32 bytes before the score's end, and the length word comes first.
            score := and(mload(add(scores, add(2, mul(2, index)))), 0xffff)
        }
    }

    /// @notice Packs values as big-endian `uint16`.
    /// @param values each below 65,536
    /// @return packed two bytes a value
    function pack(uint16[] memory values) internal pure returns (bytes memory packed) {
        packed = new bytes(2 * values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            packed[2 * i] = bytes1(uint8(values[i] >> 8));
            packed[2 * i + 1] = bytes1(uint8(values[i]));
        }
    }
}
