"""What happened in a federation, round by round, from its events alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bcfl import errors
from bcfl.chain import Event
from bcfl.cid import Digest
from bcfl.protocol import Address, Configuration, ScoreVector, Update, unpack

STEPS = {
    "UpdateSubmitted": "submit",
    "ScoresCommitted": "commit",
    "ScoresRevealed": "reveal",
    "VoteSubmitted": "vote",
    "RoundFinalised": "finalise",
}
"""Events that are a step of their own, and its name; those left out come with another."""


@dataclass
class RoundRecord:
    """One round as its events tell it. Dictionaries are by seat; ``medians`` and ``qualified`` come when it ends.

    ``events`` are all of the round's events in the order of the chain; ``number`` 1 is the first round.
    """

    number: int
    base: Digest = field(default_factory=lambda: Digest(b""))
    capacity: int = 0
    committee: list[Address] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    commitments: dict[int, bytes] = field(default_factory=dict)
    vectors: dict[int, ScoreVector] = field(default_factory=dict)
    votes: dict[int, Digest] = field(default_factory=dict)
    model: Digest | None = None
    medians: list[int] = field(default_factory=list)
    qualified: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def finalised(self) -> bool:
        """Whether the round gave a model."""
        return self.model is not None

    def scores(self) -> dict[int, list[int]]:
        """The revealed score vectors, unpacked, by seat."""
        return {seat: unpack(vector.scores) for seat, vector in sorted(self.vectors.items())}

    def transactions(self) -> dict[str, list[str]]:
        """Step to the hashes of its transactions."""
        found: dict[str, list[str]] = {step: [] for step in STEPS.values()}
        for event in self.events:
            if event.name in STEPS:
                found[STEPS[event.name]].append(event.transaction)
        return found

    def refusals(self, config: Configuration) -> dict[Address, str]:
        """Trainers whose update did not enter the aggregate, and why, as far as the chain can tell."""
        reasons = {}
        for index, median in enumerate(self.medians):
            if index in self.qualified:
                continue
            if median == 0:
                reason = "unavailable or invalid (median 0)"
            elif median < config.min_score:
                reason = f"median {median} is below the {config.min_score} that qualifies"
            else:
                reason = f"median {median} is not among the best {config.max_qualified}"
            reasons[self.updates[index].trainer] = reason
        return reasons

    def add(self, event: Event) -> None:
        """Takes in the round's next event."""
        self.events.append(event)
        args: Any = event.args
        match event.name:
            case "CommitteeElected":
                self.committee = [Address(each) for each in args["seats"]]
            case "RoundOpened":
                self.base, self.capacity = Digest(args["base"]), args["capacity"]
            case "UpdateSubmitted":
                self.updates.append(Update(Address(args["trainer"]), Digest(args["digest"]), args["samples"]))
            case "ScoresCommitted":
                self.commitments[args["seat"]] = args["commitment"]
            case "ScoresRevealed":
                self.vectors[args["seat"]] = ScoreVector(args["salt"], args["scores"])
            case "VoteSubmitted":
                self.votes[args["seat"]] = Digest(args["model"])
            case "RoundFinalised":
                self.model = Digest(args["model"])
                self.medians, self.qualified = unpack(args["medians"]), unpack(args["qualified"])


@dataclass
class History:
    """A federation's whole past: who joined, in the order of joining, and every round."""

    members: list[Address] = field(default_factory=list)
    rounds: list[RoundRecord] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        """Folds the events of one federation, from its first.

        Raises:
            WrongVersion: an event names a round that no event opened.
        """
        history = cls()
        for event in events:
            history.add(event)
        return history

    def add(self, event: Event) -> None:
        """Takes in the next event."""
        if event.name == "ParticipantJoined":
            self.members.append(Address(event.args["participant"]))
            return
        number = event.args["round"]
        if event.name == "CommitteeElected":
            self.rounds.append(RoundRecord(number))
        if not 1 <= number <= len(self.rounds):
            raise errors.WrongVersion(f"the events of round {number} begin in the middle; read from an earlier block")
        self.rounds[number - 1].add(event)

    def next_committee(self, number: int) -> list[Address]:
        """Who was seated in the round after this one; empty if there is none."""
        return self.rounds[number].committee if number < len(self.rounds) else []
