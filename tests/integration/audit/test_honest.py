"""Honest histories: what the audit confirms, and how the command tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils.abi import function_signature_to_4byte_selector

from bcfl.audit import NODE_NOTE, RoundReport
from bcfl.cid import cid_of
from bcfl.cli import run
from bcfl.contracts import RegistryContract
from bcfl.errors import ChainUnreachable, IpfsUnreachable
from bcfl.ipfs import Ipfs
from bcfl.protocol import Address
from bcfl.replay import Difference
from tests.integration.audit.history import (
    FORGED,
    TOPICS,
    Log,
    altered,
    audited,
    flip_last_bit,
    play_history,
    word,
)
from tests.integration.driver import Driver, Nodes, account_of, running_nodes
from tests.integration.liar import Liar, altered_result, lying

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]


def test_honest_history_is_confirmed(driver: Driver) -> None:
    told: list[RoundReport] = []
    report = audited(driver, tell=told.append)
    assert (report.ok, report.difference, report.rounds, report.models) == (True, None, 4, 3)
    assert [each.outcome for each in told] == ["finalised", "stalled", "finalised", "finalised"]
    assert [each.qualified for each in told] == [2, 0, 3, 3]
    assert told[-1].model == cid_of(driver.base)
    assert report.details == tuple(told)


def test_refused_updates_and_dissenters_are_told(driver: Driver) -> None:
    first = audited(driver).details[0]
    *_, junk, missing = driver.first_updates
    assert first.refused == {junk.trainer: "not safetensors", missing.trainer: "unavailable"}
    assert len(first.dissenters) == 1


def test_losing_vote_that_a_node_leaves_out_is_not_noticed(driver: Driver, liar: Liar) -> None:
    # A limit, told in the report: nothing followed from that vote.
    def without(logs: list[Log]) -> list[Log]:
        del logs[next(index for index, log in enumerate(logs) if log["topics"][0] == TOPICS["VoteSubmitted"])]
        return logs

    liar.alter = altered_result("eth_getLogs", without)
    report = audited(driver, rpc=liar.url)
    assert report.ok
    assert NODE_NOTE in report.notes


@pytest.mark.ganache
def test_honest_history_on_ganache_is_confirmed(tmp_path: Path) -> None:
    with running_nodes(tmp_path, "ganache") as nodes:
        driver = Driver(nodes)
        play_history(driver)
        report = audited(driver)
        forged = lambda logs: altered(logs, "ScoresRevealed", 4, flip_last_bit)  # noqa: E731
        with lying(nodes.chain.url) as proxy:
            proxy.alter = altered_result("eth_getLogs", forged)
            difference = audited(driver, rpc=proxy.url).difference
    assert (report.ok, report.difference, report.rounds, report.models) == (True, None, 4, 3)
    assert difference is not None
    assert (difference.round, difference.step) == (3, "reveal")


def test_without_deployment_record_configuration_is_the_codes(driver: Driver) -> None:
    report = audited(driver, deployment=None)
    assert report.ok
    assert any("no deployment record" in note for note in report.notes)


def test_chosen_rounds_alone_are_recomputed(driver: Driver) -> None:
    report = audited(driver, first=3, last=3)
    assert (report.ok, report.models) == (True, 1)
    assert [each.recomputed for each in report.details] == [False, False, True, False]


def test_round_under_way_is_replayed(nodes: Nodes, undone: None) -> None:
    driver = Driver(nodes, rounds=9)
    driver.open()
    driver.play()
    driver.submit(driver.trainers()[0])
    report = audited(driver)
    assert (report.ok, report.rounds) == (True, 1)
    assert any("round 2 is not finalised (Train)" in note for note in report.notes)


def test_membership_changes_are_replayed(nodes: Nodes, undone: None) -> None:
    driver = Driver(nodes, rounds=2)
    driver.open()
    late = account_of(99)
    driver.certify_and_register(late)
    driver.federation.join(late)
    gone = driver.trainers()[0]
    second = account_of(98)
    registry = driver.registry.contract
    registry.send(nodes.rich, "grantRole", registry.call("CERTIFIER_ROLE"), second.address)
    nodes.chain.send(nodes.rich, b"", Address(second.address), value=10**18)
    RegistryContract(nodes.chain, driver.registry.address).revoke(second, gone)
    registry.send(nodes.rich, "revokeRole", registry.call("CERTIFIER_ROLE"), second.address)
    for trainer in driver.trainers()[1:]:
        driver.submit(trainer)
    driver.score([500, 600, 700])
    driver.vote([driver.aggregate()] * 3)
    driver.finalise()
    report = audited(driver)
    assert (report.ok, report.difference, report.rounds) == (True, None, 1)


@pytest.mark.usefixtures("undone")
def test_call_through_another_contract_is_replayed_and_told(nodes: Nodes) -> None:
    driver = Driver(nodes)
    selector = function_signature_to_4byte_selector("openRound()").hex()
    # Stores the selector, calls the federation with it, and reverts if that fails.
    opener = f"63{selector}60e01b6000526000600060046000600073{driver.federation.address[2:]}5af160345760006000fd5b00"
    creation = f"60{len(opener) // 2:02x}600c60003960{len(opener) // 2:02x}6000f3{opener}"
    made = nodes.chain.send(nodes.rich, bytes.fromhex(creation), None)
    assert made.contract is not None
    nodes.chain.send(nodes.rich, b"", made.contract)
    assert driver.round.number == 1
    report = audited(driver)
    assert report.ok
    assert any(note.startswith("1 calls came through other contracts") for note in report.notes)


# ---------------------------------------------------------------------- no answer is no finding


def test_silent_ipfs_node_is_no_finding(driver: Driver) -> None:
    with pytest.raises(IpfsUnreachable):
        audited(driver, ipfs=Ipfs("http://127.0.0.1:9", cache=None, timeout=1))


def test_chain_that_falls_silent_is_no_finding(driver: Driver, liar: Liar) -> None:
    liar.alter = lambda _, request, answer: b"" if b"eth_getLogs" in request else answer
    with pytest.raises(ChainUnreachable):
        audited(driver, rpc=liar.url)


# ---------------------------------------------------------------------- the command


def command(driver: Driver, folder: Path, rpc: str, *more: str) -> int:
    driver.deployment.save(folder / "deployments" / f"{driver.chain.chain_id}.json")
    options = {
        "--rpc": rpc,
        "--ipfs": driver.ipfs.address,
        "--federation": driver.federation.address,
        "--folder": str(folder),
        "--deployments": str(folder / "deployments"),
    }
    return run(["audit", *(part for pair in options.items() for part in pair), *more])


def test_command_confirms_an_honest_history(driver: Driver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(driver, tmp_path, driver.chain.url) == 0
    printed = capsys.readouterr().out
    assert "confirmed: 4 rounds, 3 models" in printed
    assert "round    2  stalled" in printed


def test_command_ends_with_1_and_one_line(
    driver: Driver, tmp_path: Path, liar: Liar, capsys: pytest.CaptureFixture[str]
) -> None:
    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "RoundFinalised", 1, word(0, FORGED)))
    assert command(driver, tmp_path, liar.url, "--json") == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["ok"] is False
    assert report["difference"]["round"] == 3
    assert report["difference"]["found"] == cid_of(FORGED)
    assert said.err.count("\n") == 1
    assert "round 3, finalise: model of RoundFinalised: expected Qm" in said.err


def test_difference_reads_as_one_line() -> None:
    difference = Difference(2, "vote", "model", "Qm1", "Qm2")
    assert str(difference) == "round 2, vote: model: expected Qm1, found Qm2"
