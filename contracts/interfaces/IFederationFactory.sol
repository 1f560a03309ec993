// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration} from "./IFederation.sol";

/// @title Makes federations and lists them by events
interface IFederationFactory {
    /// @notice Creates a federation with a configuration that nobody can change afterwards.
    /// @dev Anyone. Emits `FederationCreated`.
    /// @param config checked by `ConfigurationLib.validate`
    /// @return federation the address of the new contract, an ERC-1167 clone that carries `config` in its code
    function createFederation(Configuration calldata config) external returns (address federation);

    /// @notice The contract that every federation of this factory delegates to.
    /// @return implementation its address
    function IMPLEMENTATION() external view returns (address implementation);
}
