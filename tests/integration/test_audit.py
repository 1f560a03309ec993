"""The audit of real histories, honest and forged: what is confirmed, and what is named when one byte differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_utils.abi import event_abi_to_log_topic

from bcfl.audit import NODE_NOTE, AuditReport, RoundReport, audit
from bcfl.chain import Chain, artefact
from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.cli import run
from bcfl.contracts import FederationContract, RegistryContract
from bcfl.errors import ChainUnreachable, IpfsUnreachable
from bcfl.ipfs import Ipfs
from bcfl.protocol import Address, Phase, Update
from bcfl.replay import Difference
from bcfl.weights import encode_model
from tests.integration.driver import Driver, Nodes, account_of, running_nodes
from tests.integration.liar import Liar, altered_result, lying

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

Log = dict[str, Any]

FORGED = Digest(digest_of_bytes(b"forged"))
TOPICS = {
    entry["name"]: "0x" + event_abi_to_log_topic(entry).hex()
    for name in ("Registry", "Federation", "FederationFactory")
    for entry in artefact(name)["abi"]
    if entry["type"] == "event"
}


def play_history(driver: Driver) -> list[Update]:
    """Four rounds, three finalised: two refused updates and a dissenting vote in the first, a stall in the second.

    Returns the updates of the first round.
    """
    driver.open()
    trainers = driver.trainers()
    updates = [driver.submit(trainer) for trainer in trainers[:-2]]
    updates.append(driver.submit(trainers[-2], payload=b"no safetensors at all"))
    updates.append(driver.submit(trainers[-1], digest=FORGED))
    driver.score([1000] * (len(trainers) - 2) + [0, 0])
    model = driver.aggregate()
    driver.vote([FORGED, model, model])
    driver.finalise()
    driver.submit(driver.trainers()[0])
    driver.wait_for(Phase.STALLED)
    driver.open()
    driver.play()
    driver.play([300, 500, 99, 200])
    return updates


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes(tmp_path_factory.mktemp("nodes"), "anvil") as started:
        yield started


@pytest.fixture(scope="module")
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


def audited(driver: Driver, rpc: str | None = None, ipfs: Ipfs | None = None, **options: Any) -> AuditReport:
    """An audit by a stranger: connections of its own, perhaps through a liar."""
    federation = FederationContract(Chain(rpc or driver.chain.url), driver.federation.address)
    return audit(
        federation, ipfs or driver.ipfs, **{"deployment": driver.deployment, "refused_seconds": 0.3, **options}
    )


def found_by(report: AuditReport) -> tuple[int, str, str]:
    """Round, step and what of the first difference."""
    assert not report.ok
    assert report.difference is not None
    return report.difference.round, report.difference.step, report.difference.what


# ---------------------------------------------------------------------- honest


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


# ---------------------------------------------------------------------- a node that forges events


def altered(logs: list[Log], event: str, which: int, change: Callable[[Log], None]) -> list[Log]:
    """The logs with one of an event's changed."""
    change([log for log in logs if log["topics"][0] == TOPICS[event]][which])
    return logs


def word(number: int, value: int | bytes) -> Callable[[Log], None]:
    """Puts a value in the place of a log's word."""
    text = value.hex() if isinstance(value, bytes) else f"{value:064x}"

    def change(log: Log) -> None:
        log["data"] = log["data"][: 2 + 64 * number] + text + log["data"][2 + 64 * (number + 1) :]

    return change


def flip(byte: int) -> Callable[[Log], None]:
    """Flips one bit of a byte of a log's data."""

    def change(log: Log) -> None:
        data = bytearray.fromhex(log["data"][2:])
        data[byte] ^= 1
        log["data"] = "0x" + data.hex()

    return change


def flip_last_bit(log: Log) -> None:
    # salt, offset, length and then the scores
    flip(4 * 32 + 1)(log)


FORGERIES = {
    "score": ("ScoresRevealed", 0, flip_last_bit, (1, "reveal", "event")),
    "winning vote": ("VoteSubmitted", 1, word(1, FORGED), (1, "vote", "model of submitVote")),
    "dissenting vote": ("VoteSubmitted", 0, word(1, bytes(32)), (1, "vote", "model of submitVote")),
    "seat of a vote": ("VoteSubmitted", 0, word(0, 2), (1, "vote", "seat of VoteSubmitted")),
    "finalised model": ("RoundFinalised", 1, word(0, FORGED), (3, "finalise", "model of RoundFinalised")),
    "median": ("RoundFinalised", 0, flip(4 * 32 + 1), (1, "finalise", "medians of RoundFinalised")),
    "ranking": ("RoundFinalised", 0, flip(6 * 32 + 1), (1, "finalise", "qualified of RoundFinalised")),
    "samples": ("UpdateSubmitted", 0, word(1, 999), (1, "submit", "samples of submitUpdate")),
    "refused update": ("UpdateSubmitted", 3, word(0, bytes(32)), (1, "submit", "digest of submitUpdate")),
    "commitment": ("ScoresCommitted", 0, word(1, bytes(32)), (1, "commit", "commitment of commitScores")),
    "seed": ("CommitteeElected", 0, word(0, bytes(32)), (1, "open", "seed of CommitteeElected")),
    "seed after a round": ("CommitteeElected", 1, word(0, bytes(32)), (1, "finalise", "seed of CommitteeElected")),
    "base": ("RoundOpened", 0, word(0, FORGED), (1, "open", "base of RoundOpened")),
    "capacity": ("RoundOpened", 2, word(1, 5), (3, "open", "capacity of RoundOpened")),
    "expiry": ("ParticipantRegistered", 2, flip(127), (0, "register", "certificate.expiresAt of register")),
    "role": ("ParticipantRegistered", 2, word(0, 2), (0, "register", "certificate.role of register")),
    "configuration": ("FederationCreated", 0, word(5, 1), (0, "create", "configuration")),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_event_is_named(driver: Driver, liar: Liar, forgery: str) -> None:
    event, which, change, expected = FORGERIES[forgery]
    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, event, which, change))
    assert found_by(audited(driver, rpc=liar.url)) == expected


def test_forged_seat_of_committee_is_named(driver: Driver, liar: Liar) -> None:
    def swap(log: Log) -> None:
        data = log["data"]
        one, other = data[2 + 64 * 3 : 2 + 64 * 4], data[2 + 64 * 4 : 2 + 64 * 5]
        log["data"] = data[: 2 + 64 * 3] + other + one + data[2 + 64 * 5 :]

    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "CommitteeElected", 1, swap))
    assert found_by(audited(driver, rpc=liar.url)) == (1, "finalise", "seats of CommitteeElected")


def test_forged_author_of_vote_is_named(driver: Driver, liar: Liar) -> None:
    stranger = f"0x{'0' * 24}{account_of(50).address[2:].lower()}"
    forge = lambda log: log["topics"].__setitem__(2, stranger)  # noqa: E731
    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "VoteSubmitted", 0, forge))
    report = audited(driver, rpc=liar.url)
    assert found_by(report) == (1, "vote", "event")
    assert report.difference is not None
    assert "ParticipantNotActive" in report.difference.expected


@pytest.mark.parametrize(
    ("event", "which", "expected"),
    [
        ("FederationCreated", 0, (0, "create", "first event")),
        ("RoleGranted", 0, (0, "grant", "role of RoleGranted")),
        ("ParticipantRegistered", 0, (0, "join", "event")),
        ("ParticipantJoined", 1, (1, "open", "seats of CommitteeElected")),
        ("UpdateSubmitted", 0, (1, "commit", "event")),
        ("ScoresCommitted", 1, (1, "reveal", "event")),
        ("ScoresRevealed", 0, (1, "vote", "event")),
        ("VoteSubmitted", 1, (1, "finalise", "event")),
        ("RoundFinalised", 0, (1, "open", "event")),
        ("RoundOpened", 3, (3, "finalise", "event")),
    ],
)
def test_missing_event_is_noticed(
    driver: Driver, liar: Liar, event: str, which: int, expected: tuple[int, str, str]
) -> None:
    def without(logs: list[Log]) -> list[Log]:
        del logs[[index for index, log in enumerate(logs) if log["topics"][0] == TOPICS[event]][which]]
        return logs

    liar.alter = altered_result("eth_getLogs", without)
    assert found_by(audited(driver, rpc=liar.url)) == expected


def test_swapped_updates_are_named(driver: Driver, liar: Liar) -> None:
    def swapped(logs: list[Log]) -> list[Log]:
        one, other = [log for log in logs if log["topics"][0] == TOPICS["UpdateSubmitted"]][:2]
        for key in ("topics", "data", "transactionHash"):
            one[key], other[key] = other[key], one[key]
        return logs

    liar.alter = altered_result("eth_getLogs", swapped)
    round, step, what = found_by(audited(driver, rpc=liar.url))
    assert (round, step) == (1, "submit")
    assert what.startswith("block of transaction 0x")


def test_repeated_event_is_named(driver: Driver, liar: Liar) -> None:
    liar.alter = altered_result("eth_getLogs", lambda logs: [*logs[:30], logs[29], *logs[30:]])
    _, _, what = found_by(audited(driver, rpc=liar.url))
    assert what == "order"


def test_invented_event_is_named(driver: Driver, liar: Liar) -> None:
    def forge(log: Log) -> None:
        log["topics"][0] = "0x" + "11" * 32

    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "ScoresCommitted", 3, forge))
    round, step, _ = found_by(audited(driver, rpc=liar.url))
    assert (round, step) == (3, "read")


def test_shortened_event_is_named(driver: Driver, liar: Liar) -> None:
    def forge(log: Log) -> None:
        log["data"] = log["data"][:-64]

    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "VoteSubmitted", 0, forge))
    round, step, _ = found_by(audited(driver, rpc=liar.url))
    assert (round, step) == (1, "read")


def test_vote_after_its_deadline_is_named(driver: Driver, liar: Liar) -> None:
    late = next(log for log in driver.chain.events(driver.federation.address, 0) if log.name == "VoteSubmitted")

    def change(block: dict[str, Any]) -> dict[str, Any]:
        if int(block["number"], 16) == late.block:
            block["timestamp"] = hex(int(block["timestamp"], 16) + 100_000)
        return block

    liar.alter = altered_result("eth_getBlockByNumber", change)
    report = audited(driver, rpc=liar.url)
    assert found_by(report) == (1, "vote", "event")
    assert report.difference is not None
    assert "UnexpectedPhase" in report.difference.expected


# ---------------------------------------------------------------------- contracts that say something else


@pytest.mark.usefixtures("undone")
def test_forged_global_model_on_chain_is_named(driver: Driver, nodes: Nodes) -> None:
    slot = nodes.request("eth_getStorageAt", driver.federation.address, "0x1", "latest")
    assert slot == "0x" + driver.base.hex()
    nodes.request("anvil_setStorageAt", driver.federation.address, "0x" + "0" * 63 + "1", "0x" + FORGED.hex())
    report = audited(driver)
    assert found_by(report) == (4, "state", "global model of the contract")
    assert report.difference is not None
    assert report.difference.found == cid_of(FORGED)


@pytest.mark.usefixtures("undone")
@pytest.mark.parametrize("which", ["federation", "registry", "implementation", "factory"])
def test_other_code_is_named(driver: Driver, nodes: Nodes, which: str) -> None:
    places = {**vars(driver.deployment), "federation": driver.federation.address}
    code = bytearray(nodes.chain.code_at(places[which]))
    # The last byte of a clone's code is of its configuration: vote_seconds.
    code[-1] ^= 1
    nodes.request("anvil_setCode", places[which], "0x" + code.hex())
    round, step, what = found_by(audited(driver))
    if which == "federation":
        assert (round, step, what) == (0, "create", "configuration")
    else:
        assert (round, step) == (0, "deploy")
        assert places[which] in what


# ---------------------------------------------------------------------- content


@pytest.mark.usefixtures("undone")
def test_wrong_model_of_a_majority_is_named(nodes: Nodes) -> None:
    driver = Driver(nodes)
    driver.open()
    driver.play()
    for trainer in driver.trainers():
        driver.submit(trainer)
    driver.score([900, 800, 700, 600])
    honest = driver.aggregate()
    weights = driver.payloads.model(honest)
    wrong = {name: np.array(value) for name, value in weights.items()}
    wrong["bias"][0] = np.nextafter(wrong["bias"][0], np.float32(9))
    model = driver.ipfs.pin(encode_model(wrong))
    driver.vote([model, honest, model])
    driver.finalise()
    report = audited(driver)
    assert found_by(report) == (2, "aggregate", "global model")
    assert report.difference is not None
    assert report.difference.expected.startswith(cid_of(honest))
    assert report.difference.found == cid_of(model)
    assert (report.rounds, report.models) == (1, 1)


def altered_content(digest: Digest, change: Callable[[bytes], bytes]) -> Callable[[str, bytes, bytes], bytes]:
    """Alters what an IPFS node sends for one CID."""
    return lambda path, _, answer: change(answer) if f"cat?arg={cid_of(digest)}" in path else answer


def last_byte_flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def test_changed_byte_of_an_update_is_named(driver: Driver, ipfs_liar: Liar) -> None:
    update = driver.first_updates[1]
    ipfs_liar.alter = altered_content(update.digest, last_byte_flipped)
    report = audited(driver, ipfs=Ipfs(ipfs_liar.url, cache=None, timeout=5))
    assert found_by(report) == (1, "pin", f"update 1 of {update.trainer}, which qualified")
    assert report.difference is not None
    assert report.difference.expected == cid_of(update.digest)


@pytest.mark.parametrize(
    ("which", "expected"), [("model", (4, "pin", "global model")), ("manifest", (0, "pin", "manifest"))]
)
def test_changed_byte_of_other_content_is_named(
    driver: Driver, ipfs_liar: Liar, which: str, expected: tuple[int, str, str]
) -> None:
    digest = driver.base if which == "model" else driver.config.manifest
    ipfs_liar.alter = altered_content(digest, last_byte_flipped)
    assert found_by(audited(driver, ipfs=Ipfs(ipfs_liar.url, cache=None, timeout=5))) == expected


@pytest.mark.usefixtures("undone")
def test_qualified_update_that_is_none_is_named(nodes: Nodes) -> None:
    driver = Driver(nodes)
    driver.open()
    *others, last = driver.trainers()
    for trainer in others:
        driver.submit(trainer)
    driver.submit(last, payload=b"{}")
    driver.score([500, 500, 500, 900])
    driver.vote([driver.base] * 3)
    driver.finalise()
    report = audited(driver)
    assert found_by(report) == (1, "pin", f"update 3 of {last}, which qualified")


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
