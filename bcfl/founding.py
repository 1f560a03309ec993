"""Founding a federation: initial model and manifest pinned, the contract created with their digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount

import bcfl
from bcfl.chain import Chain
from bcfl.cid import Digest, cid_of
from bcfl.contracts import Deployment, create_federation
from bcfl.ipfs import Ipfs
from bcfl.manifest import Aggregation, Manifest, Scoring, TaskSection, Training, described_architecture
from bcfl.protocol import Address, Configuration, Election, members_needed
from bcfl.rng import seed_of, torch_seeded
from bcfl.score import DEFAULT_MIN_SCORE
from bcfl.tasks import Task, load_task
from bcfl.weights import architecture_of_weights, encode_model, weights_of


@dataclass(frozen=True)
class Terms:
    """What founders agree on, beside the task: everything of the configuration that is not an address or a digest.

    ``quorum`` zero means two thirds of the seats, rounded up. Times in seconds.
    """

    seats: int = 3
    quorum: int = 0
    min_updates: int = 1
    max_updates: int = 100
    max_qualified: int = 30
    min_score: int = DEFAULT_MIN_SCORE
    max_samples: int = 10_000
    rounds: int = 10
    train_seconds: int = 600
    commit_seconds: int = 120
    reveal_seconds: int = 60
    vote_seconds: int = 120
    election: Election = Election.BY_SCORE

    def configuration(self, registry: Address, manifest: Digest, initial_model: Digest) -> Configuration:
        """The contract's configuration; the contract checks its ranges."""
        return Configuration(
            registry=registry,
            manifest=manifest,
            initial_model=initial_model,
            election=self.election,
            seats=self.seats,
            quorum=self.quorum or -(-2 * self.seats // 3),
            min_updates=self.min_updates,
            max_updates=self.max_updates,
            max_qualified=min(self.max_qualified, self.max_updates),
            min_score=self.min_score,
            max_samples=self.max_samples,
            rounds=self.rounds,
            train_seconds=self.train_seconds,
            commit_seconds=self.commit_seconds,
            reveal_seconds=self.reveal_seconds,
            vote_seconds=self.vote_seconds,
        )


@dataclass(frozen=True)
class Learning:
    """What is learnt: the task's name and shared parameters, and how it is trained, scored and aggregated.

    ``local`` are parameters that only the founder's own copy of the task needs, such as an index; they are not pinned.
    """

    task: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    scoring: Scoring = field(default_factory=Scoring)
    aggregation: Aggregation = field(default_factory=Aggregation)
    start_members: int = 0
    seed: int = 0

    def load(self) -> Task:
        """The founder's copy of the task, which gives architecture and initial weights."""
        settings = {"training": self.training, "scoring_samples": self.scoring.samples}
        return load_task(self.task, **self.parameters, **settings, **self.local)

    def manifest(self, ipfs: Ipfs) -> tuple[Manifest, Digest]:
        """Pins the initial model; returns the manifest that names it, and the model's digest."""
        task = self.load()
        with torch_seeded(seed_of("initial model", self.seed)):
            weights = weights_of(task.model())
        model = ipfs.pin(encode_model(weights))
        manifest = Manifest(
            bcfl=bcfl.__version__,
            task=TaskSection(name=self.task, parameters=dict(self.parameters)),
            architecture=described_architecture(architecture_of_weights(weights)),
            initial_model=cid_of(model),
            training=self.training,
            scoring=self.scoring,
            aggregation=self.aggregation,
            start_members=self.start_members,
        )
        return manifest, model


@dataclass(frozen=True)
class Founded:
    """A new federation: its address, the digest of its manifest, the block that created it, the gas that took."""

    federation: Address
    manifest: Digest
    block: int
    gas: int


def found_federation(
    chain: Chain,
    ipfs: Ipfs,
    deployment: Deployment,
    account: LocalAccount,
    learning: Learning,
    terms: Terms,
    tell: Callable[[str], None] = lambda _: None,
) -> Founded:
    """Pins what a federation starts from and creates it.

    Raises:
        ConfigurationError: the task cannot be loaded.
        ConfigurationOutOfRange, FinaliseTooCostly: the contract refuses the terms.
        IpfsUnreachable, ChainUnreachable, InsufficientFunds: what their names say.
    """
    manifest, model = learning.manifest(ipfs)
    tell(f"initial model {cid_of(model)}")
    digest = ipfs.pin(manifest.encode())
    tell(f"manifest {cid_of(digest)}")
    config = terms.configuration(deployment.registry, digest, model)
    federation, receipt = create_federation(chain, deployment.factory, account, config)
    needed = max(members_needed(config), learning.start_members)
    tell(f"federation {federation}; its first round opens when {needed} have joined")
    return Founded(federation, digest, receipt.block, receipt.gas)
