"""The demonstration: ten organisations on one machine, each a process of its own, two of them malicious trainers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from bcfl import errors
from bcfl.accounts import Keystore
from bcfl.chain import Chain, address_of
from bcfl.cid import Digest, cid_of
from bcfl.content_cache import ContentCache
from bcfl.contracts import Certificate, FederationContract, RegistryContract, SignedCertificate, deploy
from bcfl.founding import Founded, Learning, Terms, found_federation
from bcfl.history import RoundRecord
from bcfl.ipfs import Ipfs
from bcfl.payloads import Payloads, fetch_manifest
from bcfl.protocol import Address, Phase, Role
from bcfl.tasks import splits
from bcfl.tasks.mnist import DEMO_TRAINING, Mnist, labels
from bcfl.tracker import Tracker
from bcfl.weights import load_weights

TASK = "bcfl.tasks.mnist:Mnist"
CERTIFICATE_SECONDS = 30 * 86_400
CACHE_BYTES = 1 << 30
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Plan:
    """What is demonstrated. ``cheaters``: index of an organisation to its attack (:mod:`bcfl.attacks`)."""

    organisations: int = 10
    seats: int = 3
    rounds: int = 5
    alpha: float = 0.5
    seed: int = 1
    cheaters: Mapping[int, str] = field(default_factory=lambda: {3: "sign_flip:3", 7: "noise:1"})

    def learning(self) -> Learning:
        """MNIST, divided unequally."""
        shared = {"participants": self.organisations, "split": "dirichlet", "alpha": self.alpha, "seed": self.seed}
        return Learning(
            task=TASK,
            parameters={**shared, "model": "2nn"},
            local={"index": 0},
            training=DEMO_TRAINING,
            start_members=self.organisations,
            seed=self.seed,
        )

    def terms(self) -> Terms:
        """Deadlines are generous: a phase ends as soon as all have acted."""
        trainers = self.organisations - self.seats
        return Terms(
            seats=self.seats,
            min_updates=max(1, trainers // 2),
            max_updates=trainers,
            max_qualified=trainers,
            max_samples=10_000,  # the largest share: whoever declares more than it has weighs no more than that
            rounds=self.rounds,
            train_seconds=60,
            commit_seconds=30,
            reveal_seconds=20,
            vote_seconds=30,
        )


@dataclass(frozen=True)
class Organisation:
    """One of the ten: its folder, its account; ``attack`` is empty for the honest."""

    name: str
    index: int
    folder: Path
    address: Address
    attack: str


class Demo:
    """Runs the demonstration in a folder, on a devnet that is up.

    Args:
        plan: what to demonstrate.
        folder: emptied first; keystores, logs, the picture of the data and ``summary.json`` are left there.
        rpc: URL of the devnet's chain.
        ipfs: address of its IPFS node.
        founder: an account with ether: deploys, certifies, funds.
        tell: takes a line for people after each step of the preparation.
    """

    def __init__(
        self, plan: Plan, folder: Path, rpc: str, ipfs: str, founder: LocalAccount, tell: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.rpc = rpc
        self.ipfs_address = ipfs
        self.founder = founder
        self.tell = tell
        self.started = time.monotonic()
        self.chain = Chain(rpc)
        self.ipfs = Ipfs(ipfs, cache=ContentCache(folder / "cache", CACHE_BYTES), timeout=20)
        self.organisations: list[Organisation] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    # ------------------------------------------------------------------ preparation

    def prepare(self) -> None:
        """Everything up to a federation that waits for its members."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.deployment = deploy(self.chain, self.founder)
        self.deployment.save(self.folder / "deployments" / f"{self.chain.chain_id}.json")
        self.tell(f"contracts   registry {self.deployment.registry}, factory {self.deployment.factory}")
        self._admit()
        self._draw_data()
        self.founded: Founded = found_federation(
            self.chain, self.ipfs, self.deployment, self.founder, self.plan.learning(), self.plan.terms()
        )
        self.federation = FederationContract(self.chain, self.founded.federation)
        manifest = fetch_manifest(self.ipfs, self.founded.manifest)
        self.payloads = Payloads(self.federation, manifest, self.ipfs)
        self.tell(f"federation  {self.founded.federation}, manifest {cid_of(self.founded.manifest)}")

    def _admit(self) -> None:
        """A keystore, ether for gas, a certificate and its registration for every organisation."""
        password = secrets.token_urlsafe(24)
        (self.folder / "password").touch(mode=0o600)
        (self.folder / "password").write_text(password)
        registry = RegistryContract(self.chain, self.deployment.registry)
        expires_at = int(self.chain.now()) + CERTIFICATE_SECONDS
        for index in range(self.plan.organisations):
            name = f"org {index + 1}"
            folder = self.folder / name.replace(" ", "-")
            account = Account.create()
            Keystore(folder / "keystore").import_key(account.key.hex(), password, folder.name, light=True)
            address = address_of(account.address)
            self.chain.send(self.founder, b"", address, 10**18)
            certificate = Certificate(address, Role.PARTICIPANT, expires_at)
            registry.register(
                account, SignedCertificate.sign(certificate, self.founder, self.chain.chain_id, registry.address)
            )
            attack = self.plan.cheaters.get(index, "")
            self.organisations.append(Organisation(name, index, folder, address, attack))
        self.tell(f"members     {self.plan.organisations} keystores, certificates and registrations")

    def _draw_data(self) -> None:
        digits = labels("train")
        split = splits.make_split("dirichlet", digits, self.plan.organisations, self.plan.seed, self.plan.alpha)
        picture = self.folder / "data.png"
        names = [
            f"{each.name}, {each.attack.split(':')[0]}" if each.attack else each.name for each in self.organisations
        ]
        title = f"MNIST, Dirichlet({self.plan.alpha}); up to 500 of each are held out to score by"
        splits.picture(split, digits, picture, title, names)
        self.tell(f"data        60,000 images, Dirichlet({self.plan.alpha}); who holds what: {picture}")

    # ------------------------------------------------------------------ the run

    @contextmanager
    def processes(self) -> Iterator[None]:
        """The participants' processes, ended in any case when the block is left."""
        try:
            for organisation in self.organisations:
                self._processes.append(self._start(organisation))
            yield
        finally:
            for process in self._processes:
                process.terminate()
            for process in self._processes:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _start(self, organisation: Organisation) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bcfl", "participate"]
        command += ["--federation", self.founded.federation, "--rpc", self.rpc, "--ipfs", self.ipfs_address]
        command += ["--folder", str(organisation.folder), "--password-file", str(self.folder / "password")]
        command += ["--parameter", f"index={organisation.index}"]
        if organisation.attack:
            command += ["--attack", organisation.attack]
        # The settings of whoever runs the demonstration are not the organisations'.
        kept = ("BCFL_DATA", "BCFL_TOOLS")
        environment = {
            name: value for name, value in os.environ.items() if name in kept or not name.startswith("BCFL_")
        }
        with (organisation.folder / "log.txt").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def tracker(self) -> Tracker:
        """Follows the federation, and tests every global model on the 10,000 test images."""
        test = Mnist(index=0, participants=self.plan.organisations, seed=self.plan.seed)

        def accuracy_of(digest: Digest) -> float:
            model = test.model()
            load_weights(model, self.payloads.model(digest))
            return test.test(model).accuracy

        return Tracker(self.federation, self.founded.block, accuracy_of)

    def follow(self, tracker: Tracker, draw: Callable[[list[Any]], None]) -> None:
        """Until the federation is finished.

        Raises:
            NodeFailed: all participants ended before that.
        """
        while True:
            alive = any(process.poll() is None for process in self._processes)
            draw(tracker.look())
            if tracker.moment().phase is Phase.FINISHED:
                break
            if not alive:
                raise errors.NodeFailed(f"all participants ended early; see {self.folder}/org-*/log.txt")
            time.sleep(LOOK_SECONDS)
        for record in tracker.history.rounds:
            tracker.accuracy(record.number, wait=True)
        draw([])

    # ------------------------------------------------------------------ afterwards

    def names(self) -> dict[Address, str]:
        """Account to name."""
        return {each.address: each.name for each in self.organisations}

    def cheaters(self) -> dict[Address, str]:
        """Account to attack, of the malicious."""
        return {each.address: each.attack.split(":")[0].replace("_", " ") for each in self.organisations if each.attack}

    def summary(self, tracker: Tracker, audit: Mapping[str, Any]) -> dict[str, Any]:
        """What ``summary.json`` holds; accounts as addresses, accuracy 0 to 1, times in seconds."""
        notes = self._notes()
        return {
            "federation": self.founded.federation,
            "organisations": {each.address: each.name for each in self.organisations},
            "rounds": [self._round(tracker, record, notes) for record in tracker.history.rounds],
            "cheaters": list(self.cheaters()),
            "audit": dict(audit),
            "seconds": round(time.monotonic() - self.started, 1),
        }

    def _round(self, tracker: Tracker, record: RoundRecord, notes: list[dict[str, Any]]) -> dict[str, Any]:
        mine = [note for note in notes if note["round"] == record.number]
        seconds: dict[str, float] = {}
        for note in mine:
            if "seconds" in note:  # the slowest participant's, for it is the one that the others wait for
                seconds[note["step"]] = round(max(seconds.get(note["step"], 0.0), note["seconds"]), 3)
        began, ended = tracker.times[record.number]
        refused = record.refusals(self.federation.config)
        for note in mine:
            if note["step"] == "refuse" and note["trainer"] in refused:
                refused[note["trainer"]] = f"{note['reason']} (median 0)"
        return {
            "round": record.number,
            "accuracy": tracker.accuracy(record.number),
            "medians": {record.updates[i].trainer: median for i, median in enumerate(record.medians)},
            "qualified": [record.updates[i].trainer for i in record.qualified],
            "refused": refused,
            "committee": record.committee,
            "next_committee": tracker.history.next_committee(record.number),
            "model": cid_of(record.model) if record.model else None,
            "gas": tracker.gas[record.number],
            "seconds": {**seconds, "round": ended - began},
        }

    def _notes(self) -> list[dict[str, Any]]:
        found = []
        for organisation in self.organisations:
            for file in organisation.folder.rglob("steps.jsonl"):
                found += [json.loads(line) for line in file.read_text().splitlines()]
        return found
