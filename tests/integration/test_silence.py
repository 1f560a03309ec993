"""Who is silent holds nobody up for longer than a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bcfl.audit import audit
from bcfl.history import RoundRecord
from bcfl.protocol import Phase, ScoreVector, commitment_of, pack
from tests.integration.driver import Nodes, running_nodes
from tests.integration.processes import Consortium, Organisation, quick

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes(tmp_path_factory.mktemp("nodes"), "anvil") as found:
        yield found


def test_rounds_go_on_without_the_silent(nodes: Nodes, tmp_path: Path) -> None:
    terms = quick(max_updates=5, max_qualified=5, rounds=4)
    consortium = Consortium(nodes, tmp_path, terms, members=8, task="tests.integration.slow:Slow")
    with consortium.running():
        trainers = silence_trainers(consortium, 1)
        await_phase(consortium, 2)
        for each in trainers:
            each.resume()
        silence_a_seat(consortium, 2, Phase.COMMIT)
        silence_a_seat(consortium, 3, Phase.REVEAL)
        silence_a_seat(consortium, 4, Phase.VOTE)
        lost = silence_the_committee(consortium, 5)
        history = consortium.wait_finished()

    stalled, no_commitment, no_vector, no_vote, nothing, last = history.rounds
    assert (stalled.finalised, stalled.updates, stalled.commitments) == (False, [], {})
    assert not set(no_commitment.committee) & set(stalled.committee)
    for record, left in ((no_commitment, "commitments"), (no_vector, "vectors"), (no_vote, "votes")):
        assert record.finalised
        assert (len(record.updates), len(getattr(record, left))) == (5, 2)
    assert (len(no_vector.commitments), len(no_vote.vectors)) == (3, 3)
    assert (nothing.finalised, len(nothing.updates), nothing.commitments) == (False, 5, {})
    silent = {each.address for each in lost}
    assert last.finalised
    assert not silent & took_part(last)
    report = audit(consortium.federation, consortium.nodes.ipfs, deployment=consortium.deployment)
    assert report.ok, report.difference
    assert report.rounds == 6


def took_part(record: RoundRecord) -> set[str]:
    return {*record.committee, *(update.trainer for update in record.updates)}


def await_phase(consortium: Consortium, number: int, phase: Phase = Phase.TRAIN) -> None:
    consortium.wait_until(lambda: consortium.phase() == (number, phase), 180)


def silence_trainers(consortium: Consortium, number: int) -> list[Organisation]:
    """Pauses all trainers before they submit."""
    await_phase(consortium, number)
    seated = consortium.seated()
    trainers = [each for each in consortium.organisations if each not in seated]
    for each in trainers:
        each.pause()
    return trainers


def silence_a_seat(consortium: Consortium, number: int, phase: Phase) -> None:
    """Keeps a seat silent in a phase; what is due before, this test sends in its place, scores of 0 for everybody."""
    await_phase(consortium, number)
    silent = consortium.seated()[0]
    silent.pause()
    federation, vector = consortium.federation, ScoreVector(bytes([number]) * 32, pack([0] * 5))
    if phase > Phase.COMMIT:
        await_phase(consortium, number, Phase.COMMIT)
        federation.commit_scores(silent.account, number, commitment_of(number, 0, vector.salt, vector.scores))
    if phase > Phase.REVEAL:
        await_phase(consortium, number, Phase.REVEAL)
        federation.reveal_scores(silent.account, number, vector)
    consortium.wait_until(lambda: consortium.phase() > (number, phase))
    silent.resume()


def silence_the_committee(consortium: Consortium, number: int) -> list[Organisation]:
    """Kills all seats before they commit."""
    await_phase(consortium, number)
    seated = consortium.seated()
    for each in seated:
        each.kill()
    return seated
