// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Election, MAX_SEATS} from "../interfaces/IFederation.sol";
import {ErrorsLib} from "./ErrorsLib.sol";

/// @title What a configuration may say
library ConfigurationLib {
    /// @notice Gas that one transaction may use at most (EIP-7825).
    uint256 internal constant TRANSACTION_GAS_CAP = 16_777_216;

    /// @notice Draws a lottery makes at most, as a multiple of the seats. With twice as many members as seats, at most half of the draws
    /// can meet the committee that steps down.
    uint256 internal constant DRAWS_PER_SEAT = 4;

    // Measured on the worst rounds that tests/solidity/FinaliseGas.t.sol can make, with a margin of 10 to 30 %; it fails if a round costs more.
    uint256 private constant GAS_FIXED = 70_000;
    uint256 private constant GAS_PER_SEAT = 30_000;
    uint256 private constant GAS_PER_DRAW = 13_000;
    uint256 private constant GAS_PER_DRAW_PAIR = 120;
    uint256 private constant GAS_PER_CANDIDATE = 7_000;
    uint256 private constant GAS_PER_UPDATE = 3_500;
    uint256 private constant GAS_PER_SCORE = 600;
    uint256 private constant GAS_PER_HEAP_STEP = 700;
    uint256 private constant UPDATE_PAIRS_PER_GAS = 4; // memory costs by the square of its words

    /// @notice Refuses a configuration under which a round could not end.
    /// @param config the configuration
    function validate(Configuration memory config) internal pure {
        _inRange("seats", config.seats, 1, MAX_SEATS);
        _inRange("quorum", config.quorum, (2 * uint256(config.seats) + 2) / 3, config.seats);
        _inRange("minUpdates", config.minUpdates, 1, type(uint16).max);
        _inRange("maxUpdates", config.maxUpdates, config.minUpdates, type(uint16).max);
        _inRange("maxQualified", config.maxQualified, 1, config.maxUpdates);
        _inRange("minScore", config.minScore, 1, type(uint16).max); // 0 means unavailable or invalid: it never qualifies
        _inRange("maxSamples", config.maxSamples, 1, type(uint32).max);
        _inRange("rounds", config.rounds, 1, type(uint32).max);
        _inRange("trainSeconds", config.trainSeconds, 1, type(uint32).max);
        _inRange("commitSeconds", config.commitSeconds, 1, type(uint32).max);
        _inRange("revealSeconds", config.revealSeconds, 1, type(uint32).max);
        _inRange("voteSeconds", config.voteSeconds, 1, type(uint32).max);
        uint256 gasNeeded = worstFinaliseGas(config);
        if (gasNeeded > TRANSACTION_GAS_CAP) revert ErrorsLib.FinaliseTooCostly(gasNeeded, TRANSACTION_GAS_CAP);
    }

    /// @notice What `finaliseRound` of a configuration costs at most: all updates, all seats, no candidate fit for a seat, and as many draws
    /// as a lottery makes.
    /// @param config the configuration
    /// @return gasNeeded of the whole transaction, calldata included
    function worstFinaliseGas(Configuration memory config) internal pure returns (uint256 gasNeeded) {
        uint256 updates = config.maxUpdates;
        uint256 qualified = config.maxQualified;
        uint256 draws = DRAWS_PER_SEAT * config.seats;
        uint256 heapDepth = 1;
        for (uint256 size = qualified; size > 1; size >>= 1) {
            ++heapDepth;
        }
        uint256 perUpdate = GAS_PER_UPDATE + config.seats * GAS_PER_SCORE + heapDepth * GAS_PER_HEAP_STEP;
        // Each draw looks through those before it.
        uint256 lottery = draws * GAS_PER_DRAW + draws * draws / 2 * GAS_PER_DRAW_PAIR;
        uint256 candidates = config.election == Election.ByScore ? qualified * GAS_PER_CANDIDATE : 0;
        gasNeeded = GAS_FIXED + config.seats * GAS_PER_SEAT + updates * perUpdate
            + updates * updates / UPDATE_PAIRS_PER_GAS + qualified * heapDepth * GAS_PER_HEAP_STEP / 2 + lottery + candidates;
    }

    function _inRange(string memory field, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ErrorsLib.ConfigurationOutOfRange(field, value, least, most);
    }
}
