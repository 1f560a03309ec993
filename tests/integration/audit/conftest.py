"""One finished federation for all tests of the audit, and liars before its nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.audit.history import (
    play_history,
)
from tests.integration.driver import Driver, Nodes, running_nodes
from tests.integration.liar import Liar, lying


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes(tmp_path_factory.mktemp("nodes"), "anvil") as started:
        yield started


@pytest.fixture(scope="session")
def driver(nodes: Nodes) -> Driver:
    """A finished federation; tests that change the chain's state put it back."""
    made = Driver(nodes)
    made.first_updates = play_history(made)
    return made


@pytest.fixture
def liar(nodes: Nodes) -> Iterator[Liar]:
    """A proxy before the chain's node."""
    with lying(nodes.chain.url) as proxy:
        yield proxy


@pytest.fixture
def ipfs_liar(nodes: Nodes) -> Iterator[Liar]:
    """A proxy before the IPFS node."""
    with lying(nodes.ipfs.address) as proxy:
        yield proxy


@pytest.fixture
def undone(nodes: Nodes) -> Iterator[None]:
    """Takes the chain back to where it was."""
    snapshot = nodes.request("evm_snapshot")
    yield
    nodes.request("evm_revert", snapshot)
