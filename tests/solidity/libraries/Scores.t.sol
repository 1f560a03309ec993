// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ScoreVector} from "../../../contracts/interfaces/IFederation.sol";
import {LibrariesTest} from "../helpers/LibrariesTest.sol";

contract ScoresTest is LibrariesTest {
    function test_packThenAt_givesBackEachValue(uint16[] calldata values) public view {
        bytes memory packed = libraries.pack(values);
        vm.assertEq(packed.length, 2 * values.length, "two bytes a value");
        for (uint256 i = 0; i < values.length; ++i) {
            vm.assertEq(libraries.at(packed, i), values[i], "value");
        }
    }

    function test_pack_isBigEndian() public view {
        uint16[] memory values = new uint16[](3);
        (values[0], values[1], values[2]) = (0x0102, 0xfffe, 7);
        vm.assertEq(libraries.pack(values), hex"0102fffe0007", "packed");
    }

    /// @dev Every count of vectors that a committee can reveal; few different scores, so that columns are full of equal ones.
    function test_mediansOf_equalsNaiveSort(bytes32 random, uint8 seats, uint8 updates, bool few) public view {
        uint256 count = bound(seats, 1, 15);
        uint256 length = bound(updates, 1, 20);
        ScoreVector[] memory vectors = new ScoreVector[](count);
        for (uint256 j = 0; j < count; ++j) {
            vectors[j].scores = libraries.pack(_scores(keccak256(abi.encode(random, j)), length, few ? 3 : 65_536));
        }
        uint16[] memory medians = libraries.mediansOf(vectors, length);
        vm.assertEq(medians.length, length, "one median an update");
        for (uint256 i = 0; i < length; ++i) {
            vm.assertEq(medians[i], _naiveMedian(vectors, i), "median");
        }
    }

    function test_mediansOf_evenCount_takesTheLowerMiddle() public view {
        ScoreVector[] memory vectors = new ScoreVector[](4);
        vectors[0].scores = hex"000a";
        vectors[1].scores = hex"0001";
        vectors[2].scores = hex"0014";
        vectors[3].scores = hex"0002";
        vm.assertEq(libraries.mediansOf(vectors, 1)[0], 2, "of 1, 2, 10, 20");
    }

    // ------------------------------------------------------------------ helpers

    function _scores(bytes32 random, uint256 length, uint256 different) private pure returns (uint16[] memory scores) {
        scores = new uint16[](length);
        for (uint256 i = 0; i < length; ++i) {
            scores[i] = uint16(uint256(keccak256(abi.encode(random, i))) % different);
        }
    }

    /// @dev The smallest score that more than half of all, or at least half of an even number, do not exceed.
    function _naiveMedian(ScoreVector[] memory vectors, uint256 index) private view returns (uint256) {
        uint256 half = (vectors.length + 1) / 2;
        for (uint256 j = 0; j < vectors.length; ++j) {
            uint256 candidate = libraries.at(vectors[j].scores, index);
            uint256 below;
            uint256 upTo;
            for (uint256 k = 0; k < vectors.length; ++k) {
                uint256 other = libraries.at(vectors[k].scores, index);
                if (other < candidate) ++below;
                if (other <= candidate) ++upTo;
            }
            if (below < half && upTo >= half) return candidate;
        }
        revert("every list of numbers has a median");
    }
}
