// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Update} from "../interfaces/IFederation.sol";

/// @title Ranking of updates, and lotteries without replacement
library ElectionLib {
    /// @notice A lottery over the numbers 0 to `left - 1` that never draws a number twice.
    /// @dev A Fisher-Yates shuffle of which only the swapped places are kept, so that its cost is that of the draws, whatever the number of
    /// members (rule 10).
    /// @param seed what all draws depend on
    /// @param left numbers that were not drawn yet
    /// @param drawn how many were drawn
    /// @param places places whose number was swapped away
    /// @param numbers what stands at those places now
    struct Lottery {
        bytes32 seed;
        uint256 left;
        uint256 drawn;
        uint256[] places;
        uint256[] numbers;
    }

    /// @notice A new lottery.
    /// @param seed what all draws depend on
    /// @param size it draws from 0 to `size - 1`
    /// @param draws how many draws will be made at most
    /// @return lottery nothing drawn yet
    function start(bytes32 seed, uint256 size, uint256 draws) internal pure returns (Lottery memory lottery) {
        return Lottery(seed, size, 0, new uint256[](draws), new uint256[](draws));
    }

    /// @notice Draws a number that was not drawn before. Callers have checked that one is left.
    /// @param lottery is changed
    /// @return number uniform over those left, as far as the seed is
    function draw(Lottery memory lottery) internal pure returns (uint256 number) {
        uint256 place = uint256(keccak256(abi.encode(lottery.seed, lottery.drawn))) % lottery.left;
        uint256 last = --lottery.left;
        number = _numberAt(lottery, place);
        // The last number takes the place of the one drawn.
        lottery.places[lottery.drawn] = place;
        lottery.numbers[lottery.drawn] = _numberAt(lottery, last);
        ++lottery.drawn;
    }

    /// @notice The best updates, best first.
    /// @dev Keeps the best so far in a heap with the worst at its root: `updates * log2(most)` steps at the worst, whatever the scores, while a
    /// sort of all by a quicksort is quadratic for whoever can choose its input (rule 10).
    /// @param medians one per update
    /// @param updates in the order of submission
    /// @param round breaks ties: the lower hash of (trainer, round) is better (rule 7)
    /// @param minScore an update with a lower median does not qualify
    /// @param most how many qualify at most
    /// @return ranking numbers of updates
    function rank(uint16[] memory medians, Update[] calldata updates, uint32 round, uint16 minScore, uint256 most)
        internal
        pure
        returns (uint16[] memory ranking)
    {
        uint256[] memory heap = new uint256[](most < medians.length ? most : medians.length);
        uint256 size;
        for (uint256 i = 0; i < medians.length; ++i) {
            if (medians[i] < minScore) continue;
            uint256 key = _keyOf(medians[i], updates[i].trainer, round, i);
            if (size < heap.length) {
                _siftUp(heap, size++, key);
            } else if (key > heap[0]) {
                _siftDown(heap, size, key);
            }
        }
        ranking = new uint16[](size);
        while (size > 0) {
            uint256 worst = heap[0];
            --size;
            if (size > 0) _siftDown(heap, size, heap[size]);
            ranking[size] = uint16(worst);
        }
    }

    /// @dev Median first, then the inverted tie-break hash, then the number of the update in the lowest 16 bits.
    function _keyOf(uint16 median, address trainer, uint32 round, uint256 index) private pure returns (uint256) {
        uint256 tieBreak = ~uint256(keccak256(abi.encodePacked(trainer, round))) >> 32;
        return uint256(median) << 240 | tieBreak << 16 | index;
    }

    /// @dev Puts a key at the end of a heap of `size` keys.
    function _siftUp(uint256[] memory heap, uint256 size, uint256 key) private pure {
        uint256 child = size;
        while (child > 0) {
            uint256 parent = (child - 1) / 2;
            if (heap[parent] <= key) break;
            heap[child] = heap[parent];
            child = parent;
        }
        heap[child] = key;
    }

    /// @dev Replaces the root of a heap of `size` keys.
    function _siftDown(uint256[] memory heap, uint256 size, uint256 key) private pure {
        uint256 parent;
        while (true) {
            uint256 child = 2 * parent + 1;
            if (child >= size) break;
            if (child + 1 < size && heap[child + 1] < heap[child]) ++child;
            if (heap[child] >= key) break;
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = key;
    }

    /// @dev Looks from the latest swap back: a place may have been swapped more than once.
    function _numberAt(Lottery memory lottery, uint256 place) private pure returns (uint256) {
        for (uint256 i = lottery.drawn; i > 0; --i) {
            if (lottery.places[i - 1] == place) return lottery.numbers[i - 1];
        }
        return place;
    }
}
