// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Phase, Round, ScoreVector, Update} from "../interfaces/IFederation.sol";
import {ConfigurationLib} from "../libraries/ConfigurationLib.sol";
import {ElectionLib} from "../libraries/ElectionLib.sol";
import {PhaseLib} from "../libraries/PhaseLib.sol";
import {ScoresLib} from "../libraries/ScoresLib.sol";

/// @title The internal functions of the libraries, for tests to call
/// @dev Not part of the protocol; never deployed outside tests.
contract Libraries {
    using ElectionLib for ElectionLib.Lottery;

    Round private _round; // `phaseOf` reads storage

    function validate(Configuration memory config) external pure {
        ConfigurationLib.validate(config);
    }

    function worstFinaliseGas(Configuration memory config) external pure returns (uint256) {
        return ConfigurationLib.worstFinaliseGas(config);
    }

    function phaseOf(Round memory round, Configuration memory config, uint256 time) external returns (Phase) {
        _round = round;
        return PhaseLib.phaseOf(_round, config, time);
    }

    function countBits(uint16 bits) external pure returns (uint256) {
        return PhaseLib.countBits(bits);
    }

    function mediansOf(ScoreVector[] calldata vectors, uint256 updates) external pure returns (uint16[] memory) {
        return ScoresLib.mediansOf(vectors, updates);
    }

    function pack(uint16[] memory values) external pure returns (bytes memory) {
        return ScoresLib.pack(values);
    }

    function at(bytes memory scores, uint256 index) external pure returns (uint256) {
        return ScoresLib.at(scores, index);
    }

    function rank(uint16[] memory medians, Update[] calldata updates, uint32 round, uint16 minScore, uint256 most)
        external
        pure
        returns (uint16[] memory)
    {
        return ElectionLib.rank(medians, updates, round, minScore, most);
    }

    /// @return numbers what a lottery over `size` numbers draws, in order
    function draw(bytes32 seed, uint256 size, uint256 draws) external pure returns (uint256[] memory numbers) {
        ElectionLib.Lottery memory lottery = ElectionLib.start(seed, size, draws);
        numbers = new uint256[](draws < size ? draws : size);
        for (uint256 i = 0; i < numbers.length; ++i) {
            numbers[i] = lottery.draw();
        }
    }
}
