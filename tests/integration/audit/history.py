"""A history to audit, audits of it by a stranger, and forgeries of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_utils.abi import event_abi_to_log_topic

from bcfl.audit import AuditReport, audit
from bcfl.chain import Chain, artefact
from bcfl.cid import Digest, digest_of_bytes
from bcfl.contracts import FederationContract
from bcfl.ipfs import Ipfs
from bcfl.protocol import Phase, Update
from tests.integration.driver import Driver

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


def altered(logs: list[Log], event: str, which: int, change: Callable[[Log], None]) -> list[Log]:
    """The logs with one of an event's changed."""
    found = [log for log in logs if log["topics"][0] == TOPICS[event]]
    if len(found) > which:  # other answers, such as the factory's events, are left alone
        change(found[which])
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
