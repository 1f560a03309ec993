// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Configuration, Digest, IFederation, Phase, Round} from "../../../contracts/interfaces/IFederation.sol";
import {PhaseLib} from "../../../contracts/libraries/PhaseLib.sol";
import {Test} from "../helpers/Test.sol";
import {FederationHandler} from "./FederationHandler.sol";

/// @notice The invariants of contracts/README.md, by their numbers, over rounds played at random.
contract FederationInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    FederationHandler private handler;
    IFederation private federation;
    Configuration private config;

    function setUp() public {
        handler = new FederationHandler();
        handler.setUp();
        federation = handler.theFederation();
        config = federation.configuration();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Some actions more than once, so that they are thrown more often.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = handler.pass.selector;
        selectors[1] = handler.joinOne.selector;
        selectors[2] = handler.renew.selector;
        selectors[3] = handler.revokeOne.selector;
        selectors[4] = handler.openNext.selector;
        selectors[5] = handler.submitOne.selector;
        selectors[6] = handler.finaliseOne.selector;
        for (uint256 i = 7; i < 12; ++i) {
            selectors[i] = handler.act.selector;
        }
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_I1_modelChangesOnlyByFinalisation() external view {
        vm.assertTrue(federation.globalModel() == handler.model(), "the model of the last finalised round");
        vm.assertEq(federation.finalisedRounds(), handler.finalised(), "finalised rounds");
        Round memory round = federation.currentRound();
        uint256 past = uint256(handler.finalised()) + handler.stalled();
        vm.assertEq(round.number, round.number == 0 ? 0 : past + 1, "each round but the current one was finalised or stalled");
    }

    function invariant_I2_seatsAreActiveAtElectionAndNeverTwiceInARow() external view {
        vm.assertFalse(handler.seatedWithoutCertificate(), "a seat without a certificate");
        vm.assertFalse(handler.seatedTwice(), "a seat twice");
    }

    function invariant_I3_noModelWithoutQuorum() external view {
        Round memory round = federation.currentRound();
        uint256 honest = handler.votesFor(round.number, Digest.wrap(keccak256("honest model")));
        uint256 forged = handler.votesFor(round.number, Digest.wrap(keccak256("forged model")));
        vm.assertFalse(honest >= config.quorum && forged >= config.quorum, "two quorums");
        vm.assertTrue((honest >= config.quorum || forged >= config.quorum) == (round.winner != 0), "winner");
        vm.assertEq(honest + forged, PhaseLib.countBits(round.voted), "votes");
    }

    function invariant_I4_phaseNeverRunsBack() external view {
        vm.assertFalse(handler.ranBack(), "a phase or a round ran back");
    }

    function invariant_I5_updatesAreAtMostTheCapacity() external view {
        Round memory round = federation.currentRound();
        if (round.number == 0) return;
        vm.assertLe(round.updates, round.capacity, "updates");
        vm.assertLe(round.capacity, config.maxUpdates, "capacity");
        vm.assertGe(round.capacity, config.minUpdates, "capacity is enough for a round");
    }

    function invariant_I6_submissionsAreTheHashOfAllUpdates() external view {
        if (federation.currentRound().updates == 0) return;
        vm.assertEq(vm.load(address(federation), bytes32(uint256(2))), handler.submissions(), "running hash");
    }

    function invariant_I7_eachUpdateIsOfAnotherMemberWithoutASeat() external view {
        Round memory round = federation.currentRound();
        if (round.number == 0) return;
        uint256 submitted;
        uint256 seated;
        for (uint256 i = 0; i < federation.memberCount(); ++i) {
            bool trains = federation.memberOf(federation.memberAt(i)).submittedRound == round.number;
            bool sits = federation.memberOf(federation.memberAt(i)).seatedRound == round.number;
            vm.assertFalse(trains && sits, "a seat submitted");
            if (trains) ++submitted;
            if (sits) ++seated;
        }
        vm.assertEq(submitted, round.updates, "one update a trainer");
        vm.assertEq(seated, round.seats, "one seat a member");
        vm.assertEq(federation.committee().length, round.seats, "committee");
    }

    function invariant_I8_onlySeatsActAndOnlyTheCommittedReveal() external view {
        Round memory round = federation.currentRound();
        uint16 seats = uint16((1 << round.seats) - 1);
        vm.assertEq(round.committed & ~seats, 0, "committed");
        vm.assertEq(round.revealed & ~round.committed, 0, "revealed");
        vm.assertEq(round.voted & ~seats, 0, "voted");
    }

    /// @dev The invariants are worth what the handler plays: it gets through whole rounds, and through stalls.
    function test_handler_finalisesAndStalls() external {
        for (uint256 i = 0; i < 100; ++i) {
            handler.act(i);
            handler.pass(19);
        }
        vm.assertGe(handler.finalised(), 3, "finalised rounds");
        vm.assertGe(handler.stalled(), 1, "stalled rounds");
    }
}
