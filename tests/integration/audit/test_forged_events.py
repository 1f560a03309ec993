"""A node that forges events: the audit names the first that is not what it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.audit.history import (
    FORGED,
    TOPICS,
    Log,
    altered,
    audited,
    flip,
    flip_last_bit,
    found_by,
    word,
)
from tests.integration.driver import Driver, account_of
from tests.integration.liar import Liar, altered_result

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]


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


def test_event_of_another_contract_is_named(driver: Driver, liar: Liar) -> None:
    def forge(log: Log) -> None:
        log["address"] = nobody.lower()

    nobody = account_of(60).address
    liar.alter = altered_result("eth_getLogs", lambda logs: altered(logs, "FederationCreated", 0, forge))
    report = audited(driver, rpc=liar.url)
    assert found_by(report) == (0, "read", "contract of an event")
    assert report.difference is not None
    assert report.difference.found == nobody


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
