"""Real nodes for tests: on free ports, in temporary folders, always stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bcfl.devnet import Chain, LocalNode, start_chain, start_ipfs, stop_node
from bcfl.ipfs import Ipfs

IpfsStarter = Callable[[Path], LocalNode]


@pytest.fixture(autouse=True)
def _own_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BCFL_IPFS", raising=False)


@pytest.fixture
def start_ipfs_node() -> Iterator[IpfsStarter]:
    """Starts IPFS nodes over folders, as often as asked."""
    nodes: list[LocalNode] = []

    def begin(folder: Path) -> LocalNode:
        nodes.append(start_ipfs(folder))
        return nodes[-1]

    yield begin
    for node in nodes:
        stop_node(node)


@pytest.fixture
def ipfs_node(start_ipfs_node: IpfsStarter, tmp_path: Path) -> LocalNode:
    """An IPFS node of this test alone."""
    return start_ipfs_node(tmp_path / "node")


@pytest.fixture(scope="session")
def shared_ipfs_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """One IPFS node for all tests that only add to it."""
    node = start_ipfs(tmp_path_factory.mktemp("ipfs"))
    yield node
    stop_node(node)


@pytest.fixture
def ipfs(shared_ipfs_node: LocalNode) -> Ipfs:
    """A client of the shared node, without a cache."""
    return Ipfs(shared_ipfs_node.address, cache=None, timeout=20)


def _chain(folder: Path, name: Chain) -> Iterator[LocalNode]:
    node = start_chain(folder, name)
    yield node
    stop_node(node)


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[LocalNode]:
    """An Anvil of this test alone."""
    yield from _chain(tmp_path / "chain", "anvil")


@pytest.fixture(scope="session")
def shared_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """One Anvil for all tests that deploy contracts of their own."""
    yield from _chain(tmp_path_factory.mktemp("anvil"), "anvil")


@pytest.fixture
def ganache(tmp_path: Path) -> Iterator[LocalNode]:
    """A Ganache of this test alone."""
    yield from _chain(tmp_path / "chain", "ganache")


@pytest.fixture(scope="session")
def shared_ganache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """One Ganache for all tests that deploy contracts of their own."""
    yield from _chain(tmp_path_factory.mktemp("ganache"), "ganache")
