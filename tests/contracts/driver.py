"""A consortium on a chain node, and a federation of it, spoken to in the words of the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import pytest
from eth_account import Account

from bcfl.cid import Digest
from bcfl.errors import ContractError
from bcfl.protocol import (
    Address,
    Configuration,
    Election,
    Member,
    Phase,
    Role,
    Round,
    ScoreVector,
    Update,
    commitment_of,
    moment_of,
    pack,
    seats_of,
)
from tests.contracts.nodes import MNEMONIC, Node, Receipt

YEAR = 365 * 24 * 3600
BASE = Digest(b"\x11" * 32)
MODEL = Digest(b"\x22" * 32)
OTHER_MODEL = Digest(b"\x33" * 32)

SMALL = Configuration(
    registry=Address("0x" + "00" * 20),
    manifest=Digest(b"\x10" * 32),
    initial_model=BASE,
    election=Election.BY_SCORE,
    seats=3,
    quorum=2,
    min_updates=2,
    max_updates=10,
    max_qualified=4,
    min_score=1,
    max_samples=1000,
    rounds=3,
    train_seconds=1000,
    commit_seconds=1000,
    reveal_seconds=1000,
    vote_seconds=1000,
)
"""A configuration for a handful of actors; the registry is filled in by the driver."""


@contextmanager
def reverts_with(name: str, *arguments: Any) -> Iterator[None]:
    """Expects the contracts' custom error of a name, with these arguments in the order of its declaration."""
    with pytest.raises(ContractError) as caught:
        yield
    assert type(caught.value).__name__ == name, caught.value
    assert tuple(caught.value.arguments.values()) == arguments, caught.value


def digest_of_update(round: int, trainer: Address) -> Digest:
    """Some digest that no other trainer or round has."""
    return Digest(round.to_bytes(4, "big").rjust(12, b"\x77") + bytes.fromhex(trainer[2:]))


def salt_of(round: int, seat: int) -> bytes:
    """Some salt; without zero bytes, so that gas does not depend on it."""
    return bytes([1 + round % 255, 1 + seat]) * 16


def encode(method: Any, *arguments: Any) -> str:
    """The calldata of a Brownie method."""
    return str(method.encode_input(*arguments))


def certifier_key(index: int) -> bytes:
    """The private key of one of the node's accounts."""
    Account.enable_unaudited_hdwallet_features()
    return bytes(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}").key)


@dataclass
class Consortium:
    """A registry, a factory, and one federation at a time. The account 0 of the node administrates."""

    node: Node
    project: Any
    registry: Any = None
    factory: Any = None
    federation: Any = None
    config: Configuration = SMALL
    updates: list[Update] = field(default_factory=list)
    vectors: dict[int, ScoreVector] = field(default_factory=dict)

    # ------------------------------------------------------------------ creation

    @property
    def admin(self) -> Address:
        """Deploys everything and signs certificates."""
        return self.node.accounts[0]

    def deploy(self) -> Consortium:
        """Deploys the registry, the implementation and the factory."""
        self.registry = self._create(self.project.Registry, self.admin)
        implementation = self._create(self.project.Federation)
        self.factory = self._create(self.project.FederationFactory, implementation.address)
        return self

    def _create(self, container: Any, *arguments: Any) -> Any:
        receipt = self.node.send(self.admin, None, "0x" + container.deploy.encode_input(*arguments))
        return container.at(receipt.contract)

    def create_federation(self, **changes: Any) -> Receipt:
        """Creates a federation: :data:`SMALL` with changes."""
        config = replace(SMALL, registry=Address(self.registry.address), **changes)
        receipt = self.send(self.admin, self.factory.createFederation, astuple(config))
        self.federation = self.project.Federation.at(receipt.event("FederationCreated")["federation"])
        self.config = config
        return receipt

    # ------------------------------------------------------------------ calls

    def send(self, sender: Address, method: Any, *arguments: Any, at: int | None = None) -> Receipt:
        """Sends a transaction to the contract of a Brownie method; raises its custom error."""
        return self.node.send(sender, Address(method._address), encode(method, *arguments), at)

    def read(self, *questions: tuple[Any, ...]) -> list[Any]:
        """Asks view methods, each a method and its arguments."""
        calls = [(Address(method._address), encode(method, *arguments)) for method, *arguments in questions]
        results = self.node.call_all(calls)
        return [method.decode_output(result) for (method, *_), result in zip(questions, results, strict=True)]

    def round(self) -> Round:
        """The facts of the current round."""
        (found,) = self.read((self.federation.currentRound,))
        return Round(*map(int, found))

    def phase(self) -> Phase:
        """The phase at the time of the latest block."""
        (found,) = self.read((self.federation.currentPhase,))
        return Phase(found)

    def committee(self) -> list[Address]:
        """Who has the seats of the current round, in their order."""
        (found,) = self.read((self.federation.committee,))
        return [Address(str(each)) for each in found]

    def global_model(self) -> Digest:
        """The current global model."""
        (found,) = self.read((self.federation.globalModel,))
        return Digest(bytes(found))

    def member(self, account: Address) -> Member:
        """What the federation knows of an account."""
        (found,) = self.read((self.federation.memberOf, account))
        return Member(bool(found[0]), *map(int, found[1:]))

    # ------------------------------------------------------------------ membership

    def certify(self, participant: Address, role: Role, expires_at: int, certifier: int = 0) -> tuple[Any, str]:
        """A certificate, as the contract takes it, and its signature by one of the node's accounts."""
        certificate = (participant, int(role), b"\x55" * 32, b"\x66" * 32, expires_at)
        names = ("participant", "role", "encryptionKey", "profile", "expiresAt")
        kinds = ("address", "uint8", "bytes32", "bytes32", "uint64")
        domain = {"name": "bcfl Registry", "version": "1", "verifyingContract": self.registry.address}
        domain["chainId"] = int(self.node.request("eth_chainId"), 16)
        signed = Account.sign_typed_data(
            certifier_key(certifier),
            domain_data=domain,
            message_types={"Certificate": [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]},
            message_data=dict(zip(names, certificate, strict=True)),
        )
        return certificate, "0x" + bytes(signed.signature).hex()

    def register(
        self, participant: Address, role: Role = Role.PARTICIPANT, expires_at: int | None = None, at: int | None = None
    ) -> Receipt:
        """Certifies an account and registers it; for a year by default."""
        ends = expires_at if expires_at is not None else self.node.now + YEAR
        return self.send(participant, self.registry.register, *self.certify(participant, role, ends), at=at)

    def revoke(self, participant: Address, at: int | None = None) -> Receipt:
        """Revokes an account."""
        return self.send(self.admin, self.registry.revoke, participant, at=at)

    def join(self, *participants: Address) -> None:
        """Makes accounts members; registers those that are not."""
        for account in participants:
            if not self.read((self.registry.expiryOf, account))[0]:
                self.register(account)
            self.send(account, self.federation.join)

    # ------------------------------------------------------------------ a round

    def open(self, sender: Address | None = None) -> Receipt:
        """Opens the first round, or the one after a stall."""
        self._forget()
        return self.send(sender or self.admin, self.federation.openRound)

    def submit(self, trainer: Address, samples: int = 100, base: Digest | None = None) -> Receipt:
        """Submits an update."""
        number = self.round().number
        update = Update(trainer, digest_of_update(number, trainer), samples)
        base = base or self.global_model()
        receipt = self.send(trainer, self.federation.submitUpdate, number, base, update.digest, samples)
        self.updates.append(update)
        return receipt

    def commit(self, member: Address, scores: Sequence[int]) -> Receipt:
        """Commits a score vector, one score an update."""
        number, seat = self.round().number, self.member(member).seat
        vector = ScoreVector(salt_of(number, seat), pack(scores))
        commitment = commitment_of(number, seat, vector.salt, vector.scores)
        receipt = self.send(member, self.federation.commitScores, number, commitment)
        self.vectors[seat] = vector
        return receipt

    def reveal(self, member: Address) -> Receipt:
        """Reveals the vector that :meth:`commit` committed to."""
        vector = self.vectors[self.member(member).seat]
        return self.send(member, self.federation.revealScores, self.round().number, *_as_calldata(vector))

    def vote(self, member: Address, model: Digest = MODEL) -> Receipt:
        """Votes for a model."""
        return self.send(member, self.federation.submitVote, self.round().number, model)

    def finalise(
        self,
        sender: Address | None = None,
        updates: Sequence[Update] | None = None,
        vectors: Sequence[ScoreVector] | None = None,
    ) -> Receipt:
        """Finalises the round, with its true data by default."""
        facts = self.round()
        revealed = [self.vectors[seat] for seat in seats_of(facts.revealed)]
        given = [(each.trainer, each.digest, each.samples) for each in (self.updates if updates is None else updates)]
        scores = [_as_calldata(each) for each in (revealed if vectors is None else vectors)]
        receipt = self.send(sender or self.admin, self.federation.finaliseRound, facts.number, given, scores)
        self._forget()
        return receipt

    def wait_for(self, phase: Phase) -> None:
        """Lets time pass, from deadline to deadline, until the round is in a phase. No clock leads there: an error."""
        while self.phase() != phase:
            ends_at = moment_of(self.round(), self.config, self.node.now).ends_at
            assert ends_at is not None, f"{self.phase()} does not end by the clock, and {phase} was waited for"
            self.node.move_to(ends_at)

    def trainers(self) -> list[Address]:
        """Members that may submit in the current round, in the order of joining."""
        (count,) = self.read((self.federation.memberCount,))
        members = [Address(str(each)) for each in self.read(*((self.federation.memberAt, i) for i in range(count)))]
        number = self.round().number
        known = [(each, self.member(each)) for each in members]
        return [each for each, facts in known if facts.seated_round != number and facts.joined_round < number]

    def play(self, scores: Sequence[int], model: Digest = MODEL) -> Receipt:
        """A whole round in which everybody acts: as many trainers submit as there are scores, and all seats agree."""
        for trainer, _ in zip(self.trainers(), scores, strict=False):
            self.submit(trainer)
        self.wait_for(Phase.COMMIT)
        self.score(scores, model)
        return self.finalise()

    def score(self, scores: Sequence[int], model: Digest = MODEL) -> None:
        """All seats commit to and reveal the same scores, and vote for the same model."""
        committee = self.committee()
        for member in committee:
            self.commit(member, scores)
        for member in committee:
            self.reveal(member)
        for member in committee:
            self.vote(member, model)

    def _forget(self) -> None:
        self.updates, self.vectors = [], {}


def _as_calldata(vector: ScoreVector) -> tuple[bytes, bytes]:
    return vector.salt, vector.scores
