// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Phase, Round, ScoreVector, Update} from "../../../contracts/interfaces/IFederation.sol";
import {Test} from "./Test.sol";

/// @notice The functions of contracts/mocks/Libraries.sol, as tests call them.
interface ILibraries {
    function validate(Configuration memory config) external pure;
    function worstFinaliseGas(Configuration memory config) external pure returns (uint256);
    function phaseOf(Round memory round, Configuration memory config, uint256 time) external returns (Phase);
    function countBits(uint16 bits) external pure returns (uint256);
    function mediansOf(ScoreVector[] calldata vectors, uint256 updates) external pure returns (uint16[] memory);
    function pack(uint16[] memory values) external pure returns (bytes memory);
    function at(bytes memory scores, uint256 index) external pure returns (uint256);
    function rank(uint16[] memory medians, Update[] calldata updates, uint32 round, uint16 minScore, uint256 most)
        external
        pure
        returns (uint16[] memory);
    function draw(bytes32 seed, uint256 size, uint256 draws) external pure returns (uint256[] memory);
}

/// @notice A deployed mock that shows the internal functions of the libraries.
abstract contract LibrariesTest is Test {
    ILibraries internal libraries = ILibraries(vm.deployCode("Libraries.sol:Libraries", ""));
}
