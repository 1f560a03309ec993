// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Digest, Update} from "../../../contracts/interfaces/IFederation.sol";
import {LibrariesTest} from "../helpers/LibrariesTest.sol";

contract ElectionTest is LibrariesTest {
    // ------------------------------------------------------------------ rank

    /// @dev R7: by median, then by the lower hash of account and round; `different` medians only, so that most of them tie.
    function test_rank_equalsNaiveSelection(bytes32 random, uint8 count, uint8 most, uint16 minScore, uint8 different)
        public
        view
    {
        uint256 length = bound(count, 0, 40);
        uint256 places = bound(most, 1, 45);
        uint256 span = bound(different, 1, 8);
        uint16 least = uint16(bound(minScore, 1, 9));
        (uint16[] memory medians, Update[] memory updates) = _round(random, length, span);
        uint16[] memory ranking = libraries.rank(medians, updates, 7, least, places);
        uint16[] memory expected = _naiveRanking(medians, updates, least, places);
        vm.assertEq(abi.encode(ranking), abi.encode(expected), "ranking");
    }

    function test_rank_ascendingAndDescendingMedians_agree(bytes32 random, uint8 most) public view {
        (uint16[] memory medians, Update[] memory updates) = _round(random, 30, 8);
        for (uint256 i = 0; i < 30; ++i) {
            medians[i] = uint16(1 + i);
        }
        uint256 places = bound(most, 1, 30);
        uint16[] memory ranking = libraries.rank(medians, updates, 7, 1, places);
        vm.assertEq(ranking.length, places, "places");
        for (uint256 i = 0; i < places; ++i) {
            vm.assertEq(ranking[i], 29 - i, "ascending: the last is the best");
        }
        for (uint256 i = 0; i < 30; ++i) {
            medians[i] = uint16(100 - i);
        }
        ranking = libraries.rank(medians, updates, 7, 1, places);
        for (uint256 i = 0; i < places; ++i) {
            vm.assertEq(ranking[i], i, "descending: the first is the best");
        }
    }

    /// @dev Who wins a tie changes from round to round.
    function test_rank_tie_dependsOnTheRound() public view {
        (uint16[] memory medians, Update[] memory updates) = _round(keccak256("ties"), 2, 1);
        bool changed;
        uint16 first = libraries.rank(medians, updates, 1, 1, 1)[0];
        for (uint32 round = 2; round < 40; ++round) {
            changed = changed || libraries.rank(medians, updates, round, 1, 1)[0] != first;
        }
        vm.assertTrue(changed, "40 rounds, one winner");
    }

    // ------------------------------------------------------------------ lottery

    function test_lottery_neverDrawsANumberTwice(bytes32 seed, uint256 size, uint256 draws) public view {
        size = bound(size, 1, 200);
        draws = bound(draws, 1, 60);
        uint256[] memory numbers = libraries.draw(seed, size, draws);
        bool[] memory seen = new bool[](size);
        for (uint256 i = 0; i < numbers.length; ++i) {
            vm.assertTrue(numbers[i] < size, "a number outside");
            vm.assertFalse(seen[numbers[i]], "a number twice");
            seen[numbers[i]] = true;
        }
    }

    /// @dev No repeats and as many draws as numbers: all of them come.
    function test_lottery_asManyDrawsAsNumbers_isExhaustive(bytes32 seed, uint256 size, uint256 more) public view {
        size = bound(size, 1, 60);
        uint256[] memory numbers = libraries.draw(seed, size, size + bound(more, 0, 5));
        vm.assertEq(numbers.length, size, "draws");
        uint256 sum;
        for (uint256 i = 0; i < size; ++i) {
            sum += numbers[i];
        }
        vm.assertEq(sum, size * (size - 1) / 2, "all numbers, once each");
    }

    /// @dev Equals a Fisher-Yates shuffle of the whole list with the same random numbers.
    function test_lottery_equalsShuffle(bytes32 seed, uint256 size) public view {
        size = bound(size, 1, 60);
        uint256[] memory list = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            list[i] = i;
        }
        uint256[] memory numbers = libraries.draw(seed, size, size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 left = size - i;
            uint256 place = uint256(keccak256(abi.encode(seed, i))) % left;
            vm.assertEq(numbers[i], list[place], "number");
            list[place] = list[left - 1];
        }
    }

    // ------------------------------------------------------------------ helpers

    function _round(bytes32 random, uint256 length, uint256 span)
        private
        pure
        returns (uint16[] memory medians, Update[] memory updates)
    {
        medians = new uint16[](length);
        updates = new Update[](length);
        for (uint256 i = 0; i < length; ++i) {
            uint256 number = uint256(keccak256(abi.encode(random, i)));
            medians[i] = uint16(1 + number % span);
            updates[i] = Update(address(uint160(number >> 96)), Digest.wrap(bytes32(number)), 1);
        }
    }

    /// @dev Takes the best of those left until the places are full.
    function _naiveRanking(uint16[] memory medians, Update[] memory updates, uint16 minScore, uint256 most)
        private
        pure
        returns (uint16[] memory ranking)
    {
        bool[] memory taken = new bool[](medians.length);
        ranking = new uint16[](medians.length);
        uint256 size;
        for (; size < most; ++size) {
            uint256 best = type(uint256).max;
            for (uint256 i = 0; i < medians.length; ++i) {
                if (taken[i] || medians[i] < minScore) continue;
                if (best == type(uint256).max || _better(medians, updates, i, best)) best = i;
            }
            if (best == type(uint256).max) break;
            taken[best] = true;
            ranking[size] = uint16(best);
        }
        assembly ("memory-safe") {
            mstore(ranking, size)
        }
    }

    function _better(uint16[] memory medians, Update[] memory updates, uint256 i, uint256 j) private pure returns (bool) {
        if (medians[i] != medians[j]) return medians[i] > medians[j];
        return keccak256(abi.encodePacked(updates[i].trainer, uint32(7)))
            < keccak256(abi.encodePacked(updates[j].trainer, uint32(7)));
    }
}
