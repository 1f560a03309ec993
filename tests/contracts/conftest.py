"""The compiled project once a session, a chain node a module, the module's state of the chain again for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from bcfl.protocol import Address
from tests.contracts.driver import Consortium
from tests.contracts.nodes import Node, loaded_project, running_node


class Actors(NamedTuple):
    """The node's accounts by name. The administrator is account 0; mallory is nobody's friend."""

    admin: Address
    alice: Address
    bob: Address
    carol: Address
    dave: Address
    erin: Address
    frank: Address
    grace: Address
    heidi: Address
    mallory: Address


@pytest.fixture(scope="session")
def project() -> Iterator[Any]:
    with loaded_project() as loaded:
        yield loaded


@pytest.fixture(scope="module")
def node_kind() -> str:
    """Which node a module's tests run on; a module that runs on more parametrises this."""
    return "anvil"


@pytest.fixture(scope="module")
def node(node_kind: str, project: Any) -> Iterator[Node]:
    with running_node(node_kind) as started:
        yield started


@pytest.fixture(scope="module")
def actors(node: Node) -> Actors:
    return Actors(*node.accounts[: len(Actors._fields)])


@pytest.fixture(scope="module")
def deployed(node: Node, project: Any, actors: Actors) -> Consortium:
    """Registry and factory, and eight registered participants: alice to heidi."""
    consortium = Consortium(node, project).deploy()
    for account in actors[1:-1]:
        consortium.register(account)
    return consortium


@pytest.fixture
def consortium(deployed: Consortium, node: Node) -> Iterator[Consortium]:
    """The deployed contracts, as the module left them, with a federation that nobody has joined."""
    snapshot = node.snapshot()
    driver = Consortium(node, deployed.project, deployed.registry, deployed.factory)
    driver.create_federation()
    yield driver
    node.revert(snapshot)
