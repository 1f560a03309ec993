// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {Configuration} from "./interfaces/IFederation.sol";
import {IFederationFactory} from "./interfaces/IFederationFactory.sol";
import {ConfigurationLib} from "./libraries/ConfigurationLib.sol";
import {EventsLib} from "./libraries/EventsLib.sol";

/// @title Makes federations and lists them by events
contract FederationFactory is IFederationFactory {
    /// @inheritdoc IFederationFactory
    address public immutable IMPLEMENTATION;

    /// @notice A factory for one version of the protocol.
    /// @param implementation the deployed `Federation` that the clones delegate to
    constructor(address implementation) {
        IMPLEMENTATION = implementation;
    }

    /// @inheritdoc IFederationFactory
    function createFederation(Configuration calldata config) external returns (address federation) {
        ConfigurationLib.validate(config);
        // The configuration becomes part of the clone's code: no storage to write, read or overwrite.
        federation = Clones.cloneWithImmutableArgs(IMPLEMENTATION, abi.encode(config));
        emit EventsLib.FederationCreated(federation, config.registry, msg.sender, config);
    }
}
