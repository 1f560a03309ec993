"""Trainers that send what they must not: it scores 0, everybody says why, nobody stumbles, the federation finishes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bcfl.audit import audit
from bcfl.history import History, RoundRecord
from bcfl.protocol import Address
from tests.integration.driver import Nodes, running_nodes
from tests.integration.processes import TERMS, Consortium

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

ATTACKS = {3: "nan", 4: "wrong_shapes", 5: "truncated", 6: "missing", 7: "copier"}
REASONS = {
    "nan": "not finite",
    "wrong_shapes": "shape",
    "truncated": "truncated",
    "missing": "not found in time",
    "copier": "author",
}
"""What every reason says, whatever else it says."""

LAGS = "the node's events lag behind its state"
"""Anvil answers for its latest block with the state of one that it is just adding; a second later it is asked again."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes(tmp_path_factory.mktemp("nodes"), "anvil") as found:
        yield found


def test_hostile_updates_score_0_for_a_logged_reason_and_stop_nobody(nodes: Nodes, tmp_path: Path) -> None:
    # No seat is elected twice in a row, so that in two rounds every hostile trainer has trained at least once.
    terms = replace(TERMS, max_updates=5, max_qualified=5)
    consortium = Consortium(nodes, tmp_path, terms, members=8, attacks=ATTACKS, options=("--fetch-seconds", "2"))
    with consortium.running():
        history = consortium.wait_finished()

    played = {each.address: consortium.attacks[each.index] for each in consortium.organisations[3:]}
    reasons = reasons_logged(consortium)
    trained = set()
    for record in history.rounds:
        assert record.finalised
        for index, update in enumerate(record.updates):
            if update.trainer in played:
                trained.add(update.trainer)
                require_refused(record, index, reasons, played[update.trainer])
    assert trained == set(played)
    require_unharmed(consortium, history, set(played))


def reasons_logged(consortium: Consortium) -> dict[tuple[int, Address], list[str]]:
    """Round and trainer to the reasons that the seats noted; each is in the seat's log as well."""
    reasons = defaultdict(list)
    for each in consortium.organisations:
        for step in each.steps():
            if step["step"] == "refuse":
                assert f"update of {step['trainer']} scores 0: {step['reason']}" in each.log()
                reasons[step["round"], Address(step["trainer"])].append(step["reason"])
    return reasons


def require_refused(
    record: RoundRecord, index: int, reasons: dict[tuple[int, Address], list[str]], attack: str
) -> None:
    assert [scores[index] for scores in record.scores().values()] == [0, 0, 0], attack
    assert index not in record.qualified
    said = reasons[record.number, record.updates[index].trainer]
    assert len(said) == 3
    assert all(REASONS[attack] in each for each in said), said
    if attack == "copier":
        assert record.updates[index].digest in [update.digest for update in record.updates[:index]]


def require_unharmed(consortium: Consortium, history: History, hostile: set[Address]) -> None:
    """Honest updates were scored by all; no step failed for a reason of its own; the history replays."""
    honest = [
        scores[index]
        for record in history.rounds
        for index, update in enumerate(record.updates)
        for scores in record.scores().values()
        if update.trainer not in hostile
    ]
    assert honest
    assert all(honest)
    assert {each.starts for each in consortium.organisations} == {1}
    failed = [step["reason"] for each in consortium.organisations for step in each.steps() if step["step"] == "failed"]
    assert set(failed) <= {LAGS}
    report = audit(consortium.federation, consortium.nodes.ipfs, deployment=consortium.deployment)
    assert report.ok, report.difference
