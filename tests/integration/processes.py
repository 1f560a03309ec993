"""Participants as processes of their own, as a user starts them, to be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from bcfl.accounts import Keystore
from bcfl.chain import address_of
from bcfl.contracts import Certificate, Deployment, FederationContract, RegistryContract, SignedCertificate, deploy
from bcfl.founding import Founded, Learning, Terms, found_federation
from bcfl.history import History
from bcfl.protocol import Address, Phase, Role, moment_of
from tests.integration.driver import ETHER, YEAR, Nodes, account_of

ROOT = Path(__file__).resolve().parents[2]
TERMS = Terms(
    seats=3,
    min_updates=2,
    max_updates=4,
    max_qualified=4,
    min_score=1,
    rounds=2,
    train_seconds=60,
    commit_seconds=60,
    reveal_seconds=60,
    vote_seconds=60,
)


@dataclass
class Organisation:
    """One participant: its account, its folder, its process while there is one."""

    index: int
    account: LocalAccount
    folder: Path
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def address(self) -> Address:
        return address_of(self.account.address)

    def start(self) -> None:
        """Starts the process, as a user would."""
        self.starts += 1
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log, cwd=ROOT)

    def kill(self) -> None:
        """kill -9, no matter what it is doing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def pause(self) -> None:
        """Stops it where it is: a participant that is silent for a while."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on, if it was paused."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def file(self, pattern: str) -> Path | None:
        """A file that the participant has written."""
        return next(self.folder.rglob(pattern), None)

    def steps(self) -> list[dict[str, Any]]:
        """What it has logged of its steps."""
        found = self.file("steps.jsonl")
        return [json.loads(line) for line in found.read_text().splitlines()] if found else []

    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "log.txt").read_text()


@dataclass
class Consortium:
    """A federation of processes over real nodes."""

    nodes: Nodes
    folder: Path
    terms: Terms = TERMS
    members: int = 7
    attacks: dict[int, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    task: str = "tests.integration.tiny:Tiny"

    def __post_init__(self) -> None:
        chain = self.nodes.chain
        self.deployment: Deployment = deploy(chain, self.nodes.rich)
        learning = Learning(self.task, local={"index": 0}, start_members=self.members)
        self.founded: Founded = found_federation(
            chain, self.nodes.ipfs, self.deployment, self.nodes.rich, learning, self.terms
        )
        self.federation = FederationContract(chain, self.founded.federation)
        self.organisations = [self._organisation(index) for index in range(self.members)]

    def _organisation(self, index: int) -> Organisation:
        account = account_of(index)
        folder = self.folder / f"org-{index}"
        Keystore(folder / "keystore").import_key(account.key.hex(), "secret", "key", light=True)
        (folder / "password").write_text("secret")
        chain, registry = self.nodes.chain, RegistryContract(self.nodes.chain, self.deployment.registry)
        address = address_of(account.address)
        chain.send(self.nodes.rich, b"", address, value=ETHER)
        certificate = Certificate(address, Role.PARTICIPANT, int(chain.now()) + YEAR)
        registry.register(
            account, SignedCertificate.sign(certificate, self.nodes.rich, chain.chain_id, registry.address)
        )
        arguments = [sys.executable, "-m", "bcfl", "participate", "--federation", self.founded.federation]
        arguments += ["--rpc", chain.url, "--ipfs", self.nodes.ipfs.address, "--folder", str(folder)]
        arguments += ["--password-file", str(folder / "password"), "--task", self.task]
        arguments += ["--parameter", f"index={index}", *self.options]
        if index in self.attacks:
            arguments += ["--attack", self.attacks[index]]
        return Organisation(index, account, folder, arguments)

    def history(self) -> History:
        """Everything that happened so far."""
        return History.of(self.federation.contract.events(self.founded.block))

    def phase(self) -> tuple[int, Phase]:
        """The current round and its phase."""
        round = self.federation.snapshot(self.organisations[0].address).round
        return round.number, moment_of(round, self.federation.config, int(self.nodes.chain.now())).phase

    def seated(self) -> list[Organisation]:
        """The organisations on the current committee, in the order of their seats."""
        committee = self.federation.snapshot(self.organisations[0].address).committee
        by_address = {each.address: each for each in self.organisations}
        return [by_address[address] for address in committee]

    def wait_until(self, condition: Callable[[], Any], seconds: float = 120.0) -> Any:
        """The condition's value as soon as it is true; fails with the ends of all logs if that takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        logs = "\n".join(f"{each.index}: {each.log()[-500:]}" for each in self.organisations if each.starts)
        raise AssertionError(f"waited {seconds} s in {self.phase()}\n{logs}")

    def wait_finished(self, seconds: float = 180.0) -> History:
        """The history of the finished federation; all processes have ended by themselves."""
        self.wait_until(lambda: self.phase()[1] is Phase.FINISHED, seconds)
        for each in self.organisations:
            if each.process:
                assert each.process.wait(30) == 0, each.log()[-2000:]
        return self.history()

    def transactions_of(self, organisation: Organisation) -> int:
        """How many transactions an account has sent, mined or not."""
        count = self.nodes.chain.web3.eth.get_transaction_count(organisation.account.address, "pending")
        return int(count)

    @contextmanager
    def running(self) -> Iterator[None]:
        """All processes, ended in any case."""
        try:
            for each in self.organisations:
                each.start()
            yield
        finally:
            for each in self.organisations:
                if each.process and each.process.poll() is None:
                    each.process.kill()
                    each.process.wait()


def quick(**changes: Any) -> Terms:
    """The terms with short deadlines, for tests in which somebody is silent."""
    seconds = {"train_seconds": 12, "commit_seconds": 8, "reveal_seconds": 8, "vote_seconds": 8}
    return replace(TERMS, **{**seconds, **changes})


def environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BCFL_")}
