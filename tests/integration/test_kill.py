"""kill -9 in every phase: nothing is lost, nothing is sent twice, the round goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from web3 import Web3

from bcfl.audit import audit
from bcfl.chain import artefact
from bcfl.protocol import Phase
from tests.integration.driver import Nodes, running_nodes
from tests.integration.processes import Consortium, Organisation

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    # Blocks every second: a transaction is pending for a while, and a kill can hit just then.
    with running_nodes(tmp_path_factory.mktemp("nodes"), "anvil", block_time=1) as found:
        yield found


def victim_in(phase: Phase, consortium: Consortium) -> Organisation | None:
    """Who is in the middle of the phase's work in the first round: has it prepared, or sent and not yet mined."""
    if consortium.phase() != (1, phase):
        return None
    seated = consortium.seated()

    def pending(each: Organisation) -> bool:
        mined = consortium.nodes.chain.web3.eth.get_transaction_count(each.account.address, "latest")
        return consortium.transactions_of(each) > mined

    if phase is Phase.TRAIN:
        trainers = [each for each in consortium.organisations if each not in seated]
        return next((each for each in trainers if each.file("update-1-*")), None)
    if phase is Phase.COMMIT:
        return next((each for each in seated if each.file("scores-1-*")), None)
    if phase is Phase.REVEAL:
        return next((each for each in seated if pending(each)), None)
    if phase is Phase.VOTE:
        return next((each for each in seated if any(step["step"] == "aggregate" for step in each.steps())), None)
    raise AssertionError(phase)


def test_a_participant_killed_in_each_phase_goes_on_where_it_was(nodes: Nodes, tmp_path: Path) -> None:
    consortium = Consortium(nodes, tmp_path)
    victims = {}
    with consortium.running():
        for phase in (Phase.TRAIN, Phase.COMMIT, Phase.REVEAL, Phase.VOTE):
            victim = consortium.wait_until(partial(victim_in, phase, consortium))
            victim.kill()
            victim.start()
            victims[phase] = victim
        history = consortium.wait_finished()
    require_nothing_lost(consortium)
    for phase, event in (
        (Phase.TRAIN, "UpdateSubmitted"),
        (Phase.COMMIT, "ScoresCommitted"),
        (Phase.REVEAL, "ScoresRevealed"),
        (Phase.VOTE, "VoteSubmitted"),
    ):
        done = [each for each in history.rounds[0].events if each.name == event]
        assert sum(victims[phase].address in each.args.values() for each in done) == 1, phase


def test_everyone_killed_at_once_in_every_phase(nodes: Nodes, tmp_path: Path) -> None:
    consortium = Consortium(nodes, tmp_path)
    with consortium.running():
        for phase in (Phase.TRAIN, Phase.COMMIT, Phase.REVEAL, Phase.VOTE):
            consortium.wait_until(partial(reached, phase, consortium))
            for each in consortium.organisations:
                each.kill()
            for each in consortium.organisations:
                each.start()
        consortium.wait_finished()
    require_nothing_lost(consortium)


def reached(phase: Phase, consortium: Consortium) -> bool:
    return consortium.phase()[1] in (phase, Phase.FINISHED)


def require_nothing_lost(consortium: Consortium) -> None:
    history = consortium.history()
    assert [record.finalised for record in history.rounds] == [True, True]
    for record in history.rounds:
        assert len(record.updates) == 4
        assert sorted(record.vectors) == sorted(record.commitments) == [0, 1, 2]
        assert record.refusals(consortium.federation.config) == {}
    assert max(Counter(sent_by(consortium)).values()) == 1
    report = audit(consortium.federation, consortium.nodes.ipfs, deployment=consortium.deployment)
    assert report.ok, report.difference


def sent_by(consortium: Consortium) -> list[tuple[str, str, int]]:
    """Sender, function and round of every transaction to the federation that others could not have sent as well."""
    contract = Web3().eth.contract(abi=artefact("Federation")["abi"])
    found = []
    for number in range(consortium.founded.block, consortium.nodes.chain.head().number + 1):
        for transaction in consortium.nodes.request("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if (transaction["to"] or "").lower() != consortium.federation.address.lower():
                continue
            function, arguments = contract.decode_function_input(transaction["input"])
            if function.fn_name not in ("openRound", "finaliseRound"):
                found.append((transaction["from"], function.fn_name, arguments.get("round", 0)))
    return found
