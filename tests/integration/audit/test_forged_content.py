"""Contracts, models and updates that are not what the history says: the audit names the first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bcfl.cid import Digest, cid_of
from bcfl.ipfs import Ipfs
from bcfl.weights import encode_model
from tests.integration.audit.history import (
    FORGED,
    audited,
    found_by,
)
from tests.integration.driver import Driver, Nodes
from tests.integration.liar import Liar

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]


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
