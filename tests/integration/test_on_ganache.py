"""A whole federation of processes on Ganache: the same contracts, the same participants, another chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcfl.audit import audit
from tests.integration.driver import running_nodes
from tests.integration.processes import TERMS, Consortium

pytestmark = [pytest.mark.chain, pytest.mark.ipfs, pytest.mark.ganache]


def test_a_federation_on_ganache_finishes_and_replays(tmp_path: Path) -> None:
    with running_nodes(tmp_path / "nodes", "ganache") as nodes:
        consortium = Consortium(nodes, tmp_path, members=6)
        with consortium.running():
            history = consortium.wait_finished()
        report = audit(consortium.federation, nodes.ipfs, deployment=consortium.deployment)
    assert [record.finalised for record in history.rounds] == [True] * TERMS.rounds
    assert len({record.model for record in history.rounds}) == TERMS.rounds
    for record in history.rounds:
        assert (len(record.updates), len(record.vectors)) == (3, 3)
        assert record.refusals(consortium.federation.config) == {}
    assert report.ok, report.difference
    assert (report.rounds, report.models) == (TERMS.rounds, TERMS.rounds)
