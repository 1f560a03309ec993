"""The Brownie project: the same bytes as the package's, and usable in Brownie's own words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.abi import RECORDS
from tests.contracts.nodes import Node, import_brownie

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_bytecode_of_brownie_is_that_of_the_package(project: Any, name: str) -> None:
    """Whole, metadata included: the settings of ``brownie-config.yaml`` and ``scripts/compile.py`` are equal."""
    assert "0x" + project[name].bytecode == RECORDS[name]["bytecode"]
    assert "0x" + project[name]._build["deployedBytecode"] == RECORDS[name]["deployedBytecode"]


# Brownie warns of its own snapshot after each transaction.
@pytest.mark.filterwarnings("ignore:rpc:FutureWarning")
def test_contracts_answer_in_the_words_of_brownie(project: Any, node: Node) -> None:
    brownie = import_brownie()
    admin, alice = brownie.accounts[:2]
    registry = project.Registry.deploy(admin, {"from": admin})
    receipt = registry.revoke(alice, {"from": admin})
    assert receipt.events["ParticipantRevoked"]["participant"] == alice
    assert registry.isRevoked(alice)
    with pytest.raises(brownie.exceptions.VirtualMachineError) as caught:
        registry.revoke(alice, {"from": admin})
    assert caught.value.revert_msg == f"AlreadyRevoked: {alice.address.lower()}"
