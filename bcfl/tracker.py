"""Follows a federation while it runs: its history so far, the present phase, gas and accuracy of each round."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from bcfl.chain import Event
from bcfl.cid import Digest
from bcfl.contracts import FederationContract
from bcfl.history import History, RoundRecord
from bcfl.protocol import Address, Moment, Phase, Round, moment_of

NOBODY = Address("0x" + "0" * 40)


@dataclass
class Tracker:
    """What is known of a federation; :meth:`look` brings it up to date.

    Args:
        federation: on chain.
        first_block: where its events begin.
        accuracy_of: judges a global model, 0 to 1; runs beside the rest in one thread.
    """

    federation: FederationContract
    first_block: int
    accuracy_of: Callable[[Digest], float] | None = None
    history: History = field(default_factory=History)
    round: Round = field(default_factory=Round)
    gas: dict[int, int] = field(default_factory=dict)
    times: dict[int, tuple[int, int]] = field(default_factory=dict)
    _accuracies: dict[int, Future[float]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "accuracy"))

    def look(self) -> list[Event]:
        """Reads what is new on the chain and returns its events."""
        snapshot = self.federation.snapshot(NOBODY)
        self.round = snapshot.round
        if snapshot.block.number < self.first_block:
            return []
        events = list(self.federation.contract.events(self.first_block, snapshot.block.number))
        self.first_block = snapshot.block.number + 1
        counted: set[str] = set()
        for event in events:
            self.history.add(event)
            self._count(event, counted)
        return events

    def _count(self, event: Event, counted: set[str]) -> None:
        number = event.args["round"]
        timestamp = self.federation.chain.block(event.block).timestamp
        began, _ = self.times.get(number, (timestamp, timestamp))
        self.times[number] = (began, timestamp)
        if event.transaction not in counted:  # finalising emits three events, two of them of the next round
            counted.add(event.transaction)
            self.gas[number] = self.gas.get(number, 0) + self.federation.chain.gas_of(event.transaction)
        if event.name == "RoundFinalised" and self.accuracy_of:
            self._accuracies[number] = self._pool.submit(self.accuracy_of, Digest(event.args["model"]))

    def moment(self) -> Moment:
        """The phase of the current round, and when it ends."""
        return moment_of(self.round, self.federation.config, int(self.federation.chain.now()))

    def seconds_left(self) -> float | None:
        """Until the deadline of the present phase; None where no clock ends it."""
        ends_at = self.moment().ends_at
        return None if ends_at is None else max(0.0, ends_at - self.federation.chain.now())

    def phase_of(self, record: RoundRecord) -> str:
        """In a word, what a round is doing or how it ended."""
        if record.finalised:
            return "finalised"
        if record.number == self.round.number:
            return str(self.moment().phase)
        return str(Phase.STALLED)

    def accuracy(self, number: int, wait: bool = False) -> float | None:
        """The accuracy of a round's model, 0 to 1; None while it is not known.

        Args:
            number: the round.
            wait: for a judgement that is being made.
        """
        future = self._accuracies.get(number)
        return future.result() if future and (wait or future.done()) else None
