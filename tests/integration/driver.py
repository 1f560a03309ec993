"""Whole rounds of a real federation on a real chain and a real IPFS node, every participant played in this process.

Nothing is trained: updates are made up. Transactions, payloads and aggregates are what participants would send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from eth_account import Account
from eth_account.signers.local import LocalAccount

from bcfl import devnet
from bcfl.chain import Chain
from bcfl.cid import Digest, cid_of
from bcfl.contracts import (
    Certificate,
    FederationContract,
    RegistryContract,
    SignedCertificate,
    create_federation,
    deploy,
)
from bcfl.ipfs import Ipfs
from bcfl.manifest import Manifest, TaskSection, described_architecture
from bcfl.payloads import Payloads
from bcfl.protocol import (
    Address,
    Configuration,
    Election,
    Phase,
    Role,
    Round,
    ScoreVector,
    Update,
    commitment_of,
    medians_of,
    moment_of,
    pack,
    rank,
    unpack,
)
from bcfl.weights import Weights, architecture_of_weights, encode_model, encode_update

YEAR = 365 * 24 * 3600
ETHER = 10**18


@dataclass(frozen=True)
class Nodes:
    """A chain and an IPFS node that run, and the account that holds the chain's ether."""

    chain: Chain
    ipfs: Ipfs
    rich: LocalAccount

    def request(self, method: str, *parameters: Any) -> Any:
        """The result of an RPC call of the chain's node that only test nodes have."""
        answer = self.chain.web3.provider.make_request(cast(Any, method), list(parameters))
        assert "error" not in answer, answer
        return answer["result"]

    def pass_time(self, seconds: int) -> None:
        """Lets the chain's clock jump."""
        self.request("evm_increaseTime", seconds)
        self.request("evm_mine")


@contextmanager
def running_nodes(folder: Path, kind: devnet.Chain, *, block_time: int | None = None) -> Iterator[Nodes]:
    """A new chain and a new IPFS node in a folder, stopped at the end. The content cache is off."""
    with ExitStack() as stack:
        chain = devnet.start_chain(folder / "chain", kind, block_time=block_time)
        stack.callback(devnet.stop_node, chain)
        ipfs = devnet.start_ipfs(folder / "ipfs")
        stack.callback(devnet.stop_node, ipfs)
        Account.enable_unaudited_hdwallet_features()
        rich: LocalAccount = Account.from_mnemonic(devnet.MNEMONIC)
        yield Nodes(Chain(chain.address), Ipfs(ipfs.address, cache=None, timeout=10), rich)


def account_of(number: int) -> LocalAccount:
    """A participant's account, always the same."""
    made: LocalAccount = Account.from_key((0xBCF1 << 32 | number).to_bytes(32, "big"))
    return made


class Driver:
    """One federation and its participants.

    Args:
        nodes: that run.
        members: how many participants are certified, registered and join.
        shape: of the model's one matrix; beside it there is a vector of 3.
        config: fields of the configuration that differ from the ones below.
    """

    def __init__(self, nodes: Nodes, members: int = 7, shape: tuple[int, int] = (4, 3), **config: Any) -> None:
        self.nodes, self.chain, self.ipfs = nodes, nodes.chain, nodes.ipfs
        self.deployment = deploy(self.chain, nodes.rich)
        self.registry = RegistryContract(self.chain, self.deployment.registry)
        self.rng = np.random.default_rng(1)
        self.accounts = {Address(each.address): each for each in map(account_of, range(members))}
        for account in self.accounts.values():
            self.certify_and_register(account)
        self.federation = self._found(shape, config)
        self.config = self.federation.config
        self.payloads = Payloads(self.federation, self.manifest, self.ipfs)
        for account in self.accounts.values():
            self.federation.join(account)
        self.updates: list[Update] = []
        self.vectors: dict[int, ScoreVector] = {}
        self.first_updates: list[Update] = []

    def certify_and_register(self, account: LocalAccount, seconds: int = YEAR) -> None:
        """Gives an account a certificate of so many seconds, some ether, and registers it."""
        self.chain.send(self.nodes.rich, b"", Address(account.address), value=ETHER)
        expires_at = self.chain.head().timestamp + seconds
        certificate = Certificate(Address(account.address), Role.PARTICIPANT, expires_at)
        signed = SignedCertificate.sign(certificate, self.nodes.rich, self.chain.chain_id, self.deployment.registry)
        self.registry.register(account, signed)

    def _found(self, shape: tuple[int, int], config: dict[str, Any]) -> FederationContract:
        weights = self._random(shape, 1.0)
        model = self.ipfs.pin(encode_model(weights))
        self.manifest = Manifest(
            bcfl="0",
            task=TaskSection(name="made.up"),
            architecture=described_architecture(architecture_of_weights(weights)),
            initial_model=cid_of(model),
        )
        manifest = self.ipfs.pin(self.manifest.encode())
        full = replace(
            Configuration(
                registry=self.deployment.registry,
                manifest=manifest,
                initial_model=model,
                election=Election.BY_SCORE,
                seats=3,
                quorum=2,
                min_updates=2,
                max_updates=10,
                max_qualified=3,
                min_score=100,
                max_samples=1000,
                rounds=3,
                train_seconds=600,
                commit_seconds=600,
                reveal_seconds=600,
                vote_seconds=600,
            ),
            **config,
        )
        address, _ = create_federation(self.chain, self.deployment.factory, self.nodes.rich, full)
        return FederationContract(self.chain, address)

    def _random(self, shape: tuple[int, int], scale: float) -> Weights:
        matrix, vector = self.rng.normal(0, scale, shape), self.rng.normal(0, scale, 3)
        return {"bias": vector.astype(np.float32), "matrix": matrix.astype(np.float32)}

    # ------------------------------------------------------------------ what the contract says

    @property
    def round(self) -> Round:
        """The current round's facts."""
        return self.federation.snapshot(Address(self.nodes.rich.address)).round

    @property
    def base(self) -> Digest:
        """The current global model."""
        return self.federation.snapshot(Address(self.nodes.rich.address)).global_model

    def committee(self) -> list[Address]:
        """The current committee in the order of its seats."""
        return list(self.federation.snapshot(Address(self.nodes.rich.address)).committee)

    def trainers(self) -> list[Address]:
        """Members without a seat, in the order of joining."""
        seated = self.committee()
        return [each for each in self.accounts if each not in seated]

    # ------------------------------------------------------------------ steps

    def open(self) -> None:
        """Opens the first round, or the next one after a stall."""
        self.federation.open_round(self.nodes.rich)
        self._forget()

    def payload(self, trainer: Address) -> bytes:
        """A valid update of a trainer for the current round."""
        shapes = {each.name: each.shape for each in self.payloads.architecture.tensors}
        rows, columns = shapes["matrix"]
        header = self.payloads.header(trainer, self.round.number, self.base)
        return encode_update(self._random((rows, columns), 0.01), header)

    def submit(self, trainer: Address, payload: bytes | None = None, digest: Digest | None = None) -> Update:
        """Pins and submits an update: a valid one, the given bytes, or a digest that nobody pinned."""
        found = digest or self.ipfs.pin(payload or self.payload(trainer))
        update = Update(trainer, found, 10 + len(self.updates))
        self.federation.submit_update(
            self.accounts[trainer], self.round.number, self.base, update.digest, update.samples
        )
        self.updates.append(update)
        return update

    def score(self, scores: Sequence[int]) -> None:
        """All seats commit the scores, each a little different, and reveal them."""
        self.wait_for(Phase.COMMIT)
        number, vectors = self.round.number, {}
        for seat, member in enumerate(self.committee()):
            own = [value + seat if value else 0 for value in scores]
            vectors[seat] = ScoreVector(bytes([seat + 1]) * 32, pack(own))
            commitment = commitment_of(number, seat, vectors[seat].salt, vectors[seat].scores)
            self.federation.commit_scores(self.accounts[member], number, commitment)
        for seat, member in enumerate(self.committee()):
            self.federation.reveal_scores(self.accounts[member], number, vectors[seat])
        self.vectors = vectors

    def aggregate(self) -> Digest:
        """What an honest seat votes; pinned."""
        number = self.round.number
        medians = medians_of([unpack(each.scores) for each in self.vectors.values()], len(self.updates))
        trainers = [each.trainer for each in self.updates]
        qualified = rank(medians, trainers, number, self.config.min_score, self.config.max_qualified)
        return self.ipfs.pin(self.payloads.aggregate(self.updates, qualified, number, self.base))

    def vote(self, votes: Sequence[Digest]) -> None:
        """The seats vote, each its own digest, in their order."""
        for member, digest in zip(self.committee(), votes, strict=True):
            self.federation.submit_vote(self.accounts[member], self.round.number, digest)

    def finalise(self) -> None:
        """Ends the round."""
        vectors = [self.vectors[seat] for seat in sorted(self.vectors)]
        self.federation.finalise_round(self.nodes.rich, self.round.number, self.updates, vectors)
        self._forget()

    def wait_for(self, phase: Phase) -> None:
        """Lets time pass, from deadline to deadline, until the round is in a phase."""
        for _ in range(6):
            round = self.round
            moment = moment_of(round, self.config, self.chain.head().timestamp)
            if moment.phase == phase:
                return
            assert moment.ends_at is not None, f"{moment.phase} does not end by the clock"
            self.nodes.pass_time(moment.ends_at - self.chain.head().timestamp + 1)
        raise AssertionError(f"{phase} does not come")

    def play(self, scores: Sequence[int] | None = None) -> None:
        """A whole round in which everybody acts honestly; scores are one per trainer."""
        trainers = self.trainers()
        for trainer in trainers:
            self.submit(trainer)
        self.score(scores or [1000 + 10 * index for index in range(len(trainers))])
        self.vote([self.aggregate()] * len(self.committee()))
        self.finalise()

    def _forget(self) -> None:
        self.updates, self.vectors = [], {}
