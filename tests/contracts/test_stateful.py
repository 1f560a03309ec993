"""Random histories on a real chain beside the plain-Python reference: after every step both are in the same state.

Legal steps must succeed and illegal ones fail with the same error and the same arguments. How much is tried is set by
the environment variable ``BCFL_HYPOTHESIS``: ``dev`` (default), ``ci`` or ``nightly``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bcfl import reference
from bcfl.cid import Digest
from bcfl.errors import ContractError
from bcfl.protocol import (
    Address,
    Configuration,
    Election,
    Member,
    Phase,
    Role,
    ScoreVector,
    Update,
    commitment_of,
    moment_of,
    pack,
    phase_of,
    seats_of,
    unpack,
)
from tests.contracts.driver import BASE, MODEL, OTHER_MODEL, Consortium, digest_of_update, encode, salt_of
from tests.contracts.nodes import Receipt

pytestmark = pytest.mark.chain

PROFILES = {"dev": (40, 30), "ci": (80, 50), "nightly": (1000, 60)}
"""Examples, the first ten of which Hypothesis keeps very short, and steps of each."""

ACCOUNTS = 9
DELAYS = st.integers(1, 3) | st.integers(1, 3) | st.integers(1, 100)
SEEDS = st.integers(0, 2**32 - 1)
"""What a rule chooses by. The node's randomness decides who is seated, so Hypothesis cannot know how much there is to
choose: it draws one number a rule, and the rest follows from that."""
STEP_OF = {Phase.TRAIN: "submit", Phase.COMMIT: "commit", Phase.REVEAL: "reveal", Phase.VOTE: "vote"}
Found = TypeVar("Found")


@st.composite
def configurations(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Changes to :data:`SMALL` under which eight members suffice, and few enough rounds that some histories finish."""
    seats = draw(st.integers(1, 3))
    updates = draw(st.integers(1, 3))
    most = draw(st.integers(updates, 6))
    return {
        "election": draw(st.sampled_from(Election)),
        "seats": seats,
        "quorum": draw(st.integers((2 * seats + 2) // 3, seats)),
        "min_updates": updates,
        "max_updates": most,
        "max_qualified": draw(st.integers(1, most)),
        "min_score": draw(st.sampled_from([1, 2, 4])),
        "rounds": draw(st.integers(1, 4)),
        "train_seconds": draw(st.integers(20, 200)),
        "commit_seconds": draw(st.integers(20, 200)),
        "reveal_seconds": draw(st.integers(20, 200)),
        "vote_seconds": draw(st.integers(20, 200)),
    }


class FederationMachine(RuleBasedStateMachine):
    """A federation on the chain, and the reference of it."""

    base: ClassVar[Consortium]

    chain: Consortium
    model: reference.Federation
    snapshot = ""
    now = 0

    def teardown(self) -> None:
        if self.snapshot:
            self.node.revert(self.snapshot)

    @initialize(changes=configurations(), members=st.sampled_from([4, 6, 7, 8, 8]))
    def create(self, changes: dict[str, Any], members: int) -> None:
        self.node = self.base.node
        self.snapshot = self.node.snapshot()
        self.chain = Consortium(self.node, self.base.project, self.base.registry, self.base.factory)
        self.accounts = self.node.accounts[1 : 1 + ACCOUNTS]
        self.updates: list[Update] = []
        self.vectors: dict[int, ScoreVector] = {}
        receipt = self.chain.create_federation(**changes)
        assert Configuration(*receipt.event("FederationCreated")["config"]) == self.chain.config
        expiries = self.chain.read(*((self.chain.registry.expiryOf, each) for each in self.accounts))
        known = {account: int(ends) for account, ends in zip(self.accounts, expiries, strict=True) if ends}
        registry = reference.Registry(known, dict.fromkeys(known, Role.PARTICIPANT))
        self.model = reference.Federation(self.chain.config, registry)
        self.now = self.node.now
        for account in self.accounts[:members]:
            self.join(account, 1)

    # ------------------------------------------------------------------ both at once

    def act(
        self, sender: Address, delay: int, expected: Callable[[Receipt], Found], method: Any, *arguments: Any
    ) -> tuple[Receipt, Found | None]:
        """Sends a transaction, and has the reference do the same at the same time."""
        self.now += delay
        receipt = self.node.attempt(sender, Address(method._address), encode(method, *arguments), self.now)
        assert receipt.time == self.now
        result, failure = None, None
        try:
            result = expected(receipt)
        except ContractError as error:
            failure = error
        assert type(receipt.failure) is type(failure), (receipt.failure, failure)
        if receipt.failure and failure:
            assert receipt.failure.arguments == failure.arguments
        self.compare()
        return receipt, result

    def compare(self) -> None:
        """Every view of the federation equals the reference's state."""
        federation = self.chain.federation
        views = [
            (federation.currentRound,),
            (federation.currentPhase,),
            (federation.committee,),
            (federation.globalModel,),
            (federation.finalisedRounds,),
            (federation.memberCount,),
            *((federation.memberOf, account) for account in self.accounts),
            *((federation.memberAt, index) for index in range(len(self.model.members))),
        ]
        found = [_plain(each) for each in self.chain.read(*views)]
        model = self.model
        expected = [
            astuple(model.round),
            phase_of(model.round, model.config, self.now),
            tuple(model.committee),
            model.global_model,
            model.finalised,
            len(model.members),
            *(astuple(model.member_of.get(account, Member())) for account in self.accounts),
            *model.members,
        ]
        assert found == expected, self.now

    # ------------------------------------------------------------------ steps, each legal or not

    def join(self, account: Address, delay: int) -> None:
        self.act(account, delay, lambda done: self.model.join(account, done.time), self.chain.federation.join)

    def open(self, account: Address, delay: int) -> None:
        receipt, seed = self.act(
            account,
            delay,
            lambda done: self.model.open_round(done.time, done.prevrandao, done.parent_hash),
            self.chain.federation.openRound,
        )
        if seed is not None:
            assert receipt.event("CommitteeElected")["seed"] == seed
            self.updates, self.vectors = [], {}

    def submit(self, account: Address, delay: int, number: int, base: Digest, samples: int) -> None:
        update = Update(account, digest_of_update(number, account), samples)
        arguments = (number, base, update.digest, samples)
        receipt, _ = self.act(
            account,
            delay,
            lambda done: self.model.submit_update(account, *arguments, done.time),
            self.chain.federation.submitUpdate,
            *arguments,
        )
        if not receipt.failure:
            self.updates.append(update)

    def commit(self, account: Address, delay: int, number: int, vector: ScoreVector) -> None:
        seat = self.model.member_of.get(account, Member()).seat
        commitment = commitment_of(number, seat, vector.salt, vector.scores)
        receipt, _ = self.act(
            account,
            delay,
            lambda done: self.model.commit_scores(account, number, commitment, done.time),
            self.chain.federation.commitScores,
            number,
            commitment,
        )
        if not receipt.failure:
            self.vectors[seat] = vector

    def reveal(self, account: Address, delay: int, number: int, vector: ScoreVector) -> None:
        self.act(
            account,
            delay,
            lambda done: self.model.reveal_scores(account, number, vector.salt, vector.scores, done.time),
            self.chain.federation.revealScores,
            number,
            vector.salt,
            vector.scores,
        )

    def vote(self, account: Address, delay: int, number: int, model: Digest) -> None:
        self.act(
            account,
            delay,
            lambda done: self.model.submit_vote(account, number, model, done.time),
            self.chain.federation.submitVote,
            number,
            model,
        )

    def finalise(
        self, account: Address, delay: int, number: int, updates: list[Update], vectors: list[ScoreVector]
    ) -> None:
        receipt, result = self.act(
            account,
            delay,
            lambda done: self.model.finalise_round(number, updates, vectors, done.time, done.prevrandao),
            self.chain.federation.finaliseRound,
            number,
            [(each.trainer, each.digest, each.samples) for each in updates],
            [(each.salt, each.scores) for each in vectors],
        )
        if result is not None:
            event = receipt.event("RoundFinalised")
            assert (event["round"], event["model"]) == (result.round, result.model)
            assert unpack(event["medians"]) == list(result.medians)
            assert unpack(event["qualified"]) == list(result.qualified)
            if self.model.round.number != number:
                self.updates, self.vectors = [], {}

    # ------------------------------------------------------------------ rules

    @rule(seed=SEEDS, phases=st.integers(1, 16))
    def do_what_is_due(self, seed: int, phases: int) -> None:
        """For some phases: some or all of those whose step is due take it, and the clock does the rest."""
        rng = random.Random(seed)
        for _ in range(phases):
            model, phase, number = self.model, self.phase(), self.model.round.number
            if phase == Phase.FINISHED:
                return
            if phase in (Phase.NONE, Phase.STALLED):
                self.open(self.accounts[0], 1)
                if self.model.round.number == number:  # too few members
                    self.join(rng.choice(self.accounts), 1)
            elif phase == Phase.VOTE and model.round.winner:
                updates, vectors = _variant(rng, self.updates), _variant(rng, self.revealed())
                self.finalise(self.accounts[0], 1, number, updates, vectors)
            else:
                due = self.due(phase)
                rng.shuffle(due)
                # Nobody is absent more often than not: otherwise few histories reach a vote.
                for account in due[rng.choice([0, 0, 0, 0, 1, 2]) :]:
                    if self.phase() == phase:  # it may have ended with the last step
                        self.take_step(rng, account, phase)
                if self.phase() == phase and not model.round.winner:
                    self.wait_for_the_deadline(0)

    def take_step(self, rng: random.Random, account: Address, phase: Phase) -> None:
        number = self.model.round.number
        if phase == Phase.TRAIN:
            self.submit(account, 1, number, self.model.global_model, rng.randint(1, 1000))
        elif phase == Phase.COMMIT:
            seat = self.model.member_of[account].seat
            scores = _scores(rng, self.model.round.updates)
            self.commit(account, 1, number, ScoreVector(salt_of(number, seat), scores))
        elif phase == Phase.REVEAL:
            self.reveal(account, 1, number, self.vectors[self.model.member_of[account].seat])
        elif phase == Phase.VOTE:
            self.vote(account, 1, number, rng.choice([*[MODEL] * 5, OTHER_MODEL]))

    @rule(seed=SEEDS, delay=DELAYS, shift=st.sampled_from([0, 0, 0, -1, 1]))
    def do_anything(self, seed: int, delay: int, shift: int) -> None:
        """Any account takes any step at any time, with data right or wrong."""
        rng = random.Random(seed)
        account = rng.choice(rng.choice([self.accounts, self.model.committee or self.accounts]))
        number = max(0, self.model.round.number + shift)
        natural = STEP_OF.get(self.phase(), "open")
        step = rng.choice([natural] * 5 + ["join", "open", "submit", "commit", "reveal", "vote", "finalise"])
        if step == "join":
            self.join(account, delay)
        elif step == "open":
            self.open(account, delay)
        elif step == "submit":
            base = rng.choice([self.model.global_model, BASE, MODEL])
            self.submit(account, delay, number, base, rng.choice([0, 1, 1000, 1001]))
        elif step in ("commit", "reveal"):
            scores = _scores(rng, self.model.round.updates + rng.choice([0, 0, 1]))
            getattr(self, step)(account, delay, number, ScoreVector(salt_of(number, rng.randrange(3)), scores))
        elif step == "vote":
            self.vote(account, delay, number, rng.choice([MODEL, OTHER_MODEL]))
        else:
            self.finalise(account, delay, number, _variant(rng, self.updates), _variant(rng, self.revealed()))

    @rule(which=st.integers(0, ACCOUNTS - 1), delay=DELAYS, lasts=st.integers(-1, 400), role=st.sampled_from(Role))
    def register(self, which: int, delay: int, lasts: int, role: Role) -> None:
        account, ends = self.accounts[which], self.now + delay + lasts
        self.act(
            account,
            delay,
            lambda done: self.model.registry.register(account, role, ends, done.time),
            self.chain.registry.register,
            *self.chain.certify(account, role, ends),
        )

    # Often enough to happen in mid-round, and not so often that no committee can be filled any more.
    @rule(which=st.integers(0, ACCOUNTS - 1), luck=st.integers(0, 3))
    def revoke(self, which: int, luck: int) -> None:
        if luck:
            return
        account = self.accounts[which]
        self.act(
            self.chain.admin, 1, lambda _: self.model.registry.revoke(account), self.chain.registry.revoke, account
        )

    @rule()
    def wait_for_the_last_second(self) -> None:
        self.wait_for_the_deadline(1)

    def wait_for_the_deadline(self, early: int) -> None:
        """The last second of a phase, or the first after it."""
        ends_at = moment_of(self.model.round, self.model.config, self.now).ends_at
        if ends_at is not None and ends_at - early > self.now:
            self.now = ends_at - early
            self.node.move_to(self.now)
            self.compare()

    # ------------------------------------------------------------------ what the reference knows

    def phase(self) -> Phase:
        """The phase at the time of the next step that is taken at once."""
        return phase_of(self.model.round, self.model.config, self.now + 1)

    def revealed(self) -> list[ScoreVector]:
        return [self.vectors[seat] for seat in seats_of(self.model.round.revealed)]

    def due(self, phase: Phase) -> list[Address]:
        """Who is expected to act, expired and revoked ones included."""
        facts, known = self.model.round, self.model.member_of
        if phase == Phase.TRAIN:
            return [
                a for a in self.model.members if facts.number not in (known[a].seated_round, known[a].submitted_round)
            ]
        todo = {
            Phase.COMMIT: ~facts.committed,
            Phase.REVEAL: facts.committed & ~facts.revealed,
            Phase.VOTE: ~facts.voted,
        }
        return [a for seat, a in enumerate(self.model.committee) if todo.get(phase, 0) >> seat & 1]


def _plain(value: Any) -> Any:
    """A decoded value without Brownie's types."""
    if isinstance(value, (tuple, list)):
        return tuple(_plain(each) for each in value)
    return bytes(value) if isinstance(value, bytes) else str(value) if isinstance(value, str) else value


def _variant(rng: random.Random, items: list[Found]) -> list[Found]:
    """A list as it should be, most of the time; or without its last, or turned round, or with its first again."""
    return rng.choice([*[items] * 9, items[:-1], items[::-1], [*items, *items[:1]]])


def _scores(rng: random.Random, count: int) -> bytes:
    """A score vector in which ties are frequent."""
    return pack(rng.choice([*[rng.randint(0, 3)] * 3, rng.randint(0, 65_535)]) for _ in range(count))


def run(machine: type[FederationMachine], base: Consortium, examples: int, steps: int) -> None:
    """Tries random histories of a machine on the chain of a consortium, in which alice to heidi are registered."""
    machine.base = base
    run_untyped: Any = run_state_machine_as_test
    run_untyped(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_chain_and_reference_agree_after_every_step(deployed: Consortium) -> None:
    run(FederationMachine, deployed, *PROFILES[os.environ.get("BCFL_HYPOTHESIS", "dev")])
