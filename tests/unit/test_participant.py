"""What a participant does when the node misbehaves, over a federation that is made up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_account import Account

from bcfl import errors, participant
from bcfl.contracts import FederationContract
from bcfl.folder import forget_rounds, note_step
from bcfl.participant import Participant, salt_of
from bcfl.payloads import Payloads
from bcfl.protocol import Address, Member, Round
from bcfl.tasks import Task
from tests.unit.recorded import CONFIG

ACCOUNT = Account.from_key(b"\x11" * 32)
FINISHED = SimpleNamespace(
    round=Round(number=5), member=Member(joined=True), members=7, finalised=5, block=SimpleNamespace(number=0)
)


class FakeFederation:
    """Stands for :class:`FederationContract`: finished, once the given answers have been used up."""

    config = CONFIG

    def __init__(self, answers: list[errors.BcflError]) -> None:
        self._answers: Iterator[errors.BcflError] = iter(answers)
        self.looks = 0
        self.registry = SimpleNamespace(require_active=lambda _: None)
        self.chain = SimpleNamespace(
            now=lambda: 0.0, balance_of=lambda _: 1, block=lambda _: SimpleNamespace(timestamp=0)
        )

    def snapshot(self, account: Address) -> Any:
        self.looks += 1
        error = next(self._answers, None)
        if error:
            raise error
        return FINISHED


def made(federation: FakeFederation, folder: Path) -> Participant:
    manifest = SimpleNamespace(check_model=lambda _: None, start_members=0)
    payloads = cast(Payloads, SimpleNamespace(manifest=manifest))
    task = cast(Task, SimpleNamespace(model=lambda: None))
    return Participant(cast(FederationContract, federation), payloads, ACCOUNT, task, folder)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(participant, "RETRY_SECONDS", 0.0)


@pytest.mark.parametrize(
    "error", [errors.ChainUnreachable("no chain answers"), errors.TransactionFailed("header not found")]
)
def test_a_node_that_is_away_or_behind_is_asked_again(error: errors.BcflError, tmp_path: Path) -> None:
    federation = FakeFederation([error, error])
    assert made(federation, tmp_path).run().finalised == 5
    assert federation.looks == 3


def test_a_contract_of_another_version_ends_it(tmp_path: Path) -> None:
    with pytest.raises(errors.WrongVersion):
        made(FakeFederation([errors.WrongVersion("another")]), tmp_path).run()


def test_an_account_without_ether_is_told_so_before_anything_else(tmp_path: Path) -> None:
    federation = FakeFederation([])
    federation.chain.balance_of = lambda _: 0
    with pytest.raises(errors.InsufficientFunds, match="has no ether"):
        made(federation, tmp_path).run()
    assert federation.looks == 0


def test_salts_differ_by_everything_and_come_back() -> None:
    here = Address("0x" + "01" * 20)
    salts = {
        salt_of(account, chain, federation, number)
        for account in (ACCOUNT, Account.from_key(b"\x12" * 32))
        for chain in (1, 2)
        for federation in (here, Address("0x" + "02" * 20))
        for number in (1, 2)
    }
    assert len(salts) == 16
    assert salt_of(ACCOUNT, 1, here, 1) in salts
    assert {len(salt) for salt in salts} == {32}


def test_steps_are_a_line_each_and_a_folder_that_is_gone_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note_step(tmp_path, {"step": "train"})
    note_step(tmp_path, {"step": "pin"})
    assert [json.loads(line)["step"] for line in (tmp_path / "steps.jsonl").read_text().splitlines()] == [
        "train",
        "pin",
    ]
    with caplog.at_level(logging.WARNING):
        note_step(tmp_path / "gone", {"step": "train"})
    assert "cannot write" in caplog.text


def test_files_of_old_rounds_are_forgotten(tmp_path: Path) -> None:
    for name in ("update-1-aa.safetensors", "update-2-bb.safetensors", "update-10-cc.safetensors", "scores-1-aa.bin"):
        (tmp_path / name).touch()
    forget_rounds(tmp_path, "update-", 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "scores-1-aa.bin",
        "update-10-cc.safetensors",
        "update-2-bb.safetensors",
    ]
