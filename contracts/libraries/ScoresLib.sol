// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ScoreVector, Update} from "../interfaces/IFederation.sol";

/// @title Commitments, medians and packed vectors
library ScoresLib {
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
    /// @param update the next one
    /// @return next the hash with it
    function append(bytes32 submissions, Update memory update) internal pure returns (bytes32 next) {
        return keccak256(abi.encode(submissions, update));
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
        for (uint256 j = 0; j < count; ++j) {
            rows[j] = vectors[j].scores;
        }
        uint256[] memory column = new uint256[](count);
        for (uint256 i = 0; i < updates; ++i) {
            for (uint256 j = 0; j < count; ++j) {
                uint256 score = at(rows[j], i);
                uint256 k = j;
                for (; k > 0 && column[k - 1] > score; --k) {
                    column[k] = column[k - 1];
                }
                column[k] = score;
            }
            medians[i] = uint16(column[(count - 1) / 2]);
        }
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
