"""The protocol in plain Python: the words, the facts and the rules of the contracts.

What the contracts compute, this module computes alike: the phase of a round, medians, qualification, lotteries,
elections. It needs no chain, so participants decide with it what is due, the audit replays history with it, and tests
hold the contracts against it. The numbers R1... are those of ``contracts/README.md``; the state machine built of these
functions is :mod:`bcfl.reference`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NewType

from eth_utils.crypto import keccak

from bcfl.cid import Digest

Address = NewType("Address", str)
"""A checksummed account or contract address, ``0x`` and 40 digits."""

MAX_SEATS = 15
DRAWS_PER_SEAT = 4


class Phase(IntEnum):
    """What a round is doing; the values are those of ``IFederation.sol``."""

    NONE = 0
    TRAIN = 1
    COMMIT = 2
    REVEAL = 3
    VOTE = 4
    STALLED = 5
    FINISHED = 6

    def __str__(self) -> str:
        return self.name.capitalize()


class Election(IntEnum):
    """How the next committee is chosen."""

    BY_SCORE = 0
    BY_LOTTERY = 1


class Role(IntEnum):
    """What a certificate allows its holder to be."""

    NONE = 0
    PARTICIPANT = 1
    RELAY = 2


@dataclass(frozen=True)
class Configuration:
    """What is fixed when a federation is created; fields in the order of the contract's struct. Times in seconds."""

    registry: Address
    manifest: Digest
    initial_model: Digest
    election: Election
    seats: int
    quorum: int
    min_updates: int
    max_updates: int
    max_qualified: int
    min_score: int
    max_samples: int
    rounds: int
    train_seconds: int
    commit_seconds: int
    reveal_seconds: int
    vote_seconds: int


@dataclass(frozen=True)
class Round:
    """The facts of the current round, as the contract stores them. Times are Unix times, zero where a step did not end
    early.

    ``committed``, ``revealed`` and ``voted`` hold one bit a seat; ``winner`` is one more than a seat whose vote has
    the quorum behind it.
    """

    number: int = 0
    opened_at: int = 0
    trained_at: int = 0
    committed_at: int = 0
    revealed_at: int = 0
    updates: int = 0
    capacity: int = 0
    committed: int = 0
    revealed: int = 0
    voted: int = 0
    seats: int = 0
    winner: int = 0


@dataclass(frozen=True)
class Member:
    """What the federation knows of one account."""

    joined: bool = False
    joined_round: int = 0
    submitted_round: int = 0
    seated_round: int = 0
    seat: int = 0


@dataclass(frozen=True)
class Update:
    """One submitted update: who, the payload's digest, how many samples the trainer declares."""

    trainer: Address
    digest: Digest
    samples: int


@dataclass(frozen=True)
class ScoreVector:
    """One revealed score vector: its salt and a packed big-endian ``uint16`` per update."""

    salt: bytes
    scores: bytes


@dataclass(frozen=True)
class Moment:
    """A phase, and the first second at which it is over. ``ends_at`` is None where no clock ends the phase."""

    phase: Phase
    ends_at: int | None


def moment_of(round: Round, config: Configuration, time: int) -> Moment:
    """The phase of a round at a time, and its deadline; the same steps as ``PhaseLib.phaseOf``."""
    if round.number == 0:
        return Moment(Phase.NONE, None)
    if round.opened_at == 0:
        return Moment(Phase.FINISHED, None)
    steps = (
        (Phase.TRAIN, config.train_seconds, round.trained_at, round.updates >= config.min_updates),
        (Phase.COMMIT, config.commit_seconds, round.committed_at, round.committed.bit_count() >= config.quorum),
        (Phase.REVEAL, config.reveal_seconds, round.revealed_at, round.revealed.bit_count() >= config.quorum),
    )
    deadline = round.opened_at
    for phase, seconds, done_at, enough in steps:
        deadline += seconds
        if done_at:
            deadline = done_at
        elif time < deadline:
            return Moment(phase, deadline)
        elif not enough:
            return Moment(Phase.STALLED, None)
    if round.winner:
        return Moment(Phase.VOTE, None)
    deadline += config.vote_seconds
    return Moment(Phase.VOTE, deadline) if time < deadline else Moment(Phase.STALLED, None)


def phase_of(round: Round, config: Configuration, time: int) -> Phase:
    """The phase of a round at a Unix time."""
    return moment_of(round, config, time).phase


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _address_bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def pack(values: Iterable[int]) -> bytes:
    """Packs values of 0 to 65,535 as big-endian ``uint16``."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def unpack(packed: bytes) -> list[int]:
    """The values of :func:`pack`."""
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


def commitment_of(round: int, seat: int, salt: bytes, scores: bytes) -> bytes:
    """What a seat commits to (R4): ``keccak256(round, seat, salt, scores)``, packed."""
    return keccak(struct.pack(">IB", round, seat) + salt + scores)


def append_submission(submissions: bytes, update: Update) -> bytes:
    """The running hash of a round's submissions with one more (R3)."""
    fields = _word(int(update.trainer, 16)) + update.digest + _word(update.samples)
    return keccak(submissions + fields)


def submissions_of(round: int, updates: Iterable[Update]) -> bytes:
    """The running hash of all of a round's submissions in order."""
    submissions = _word(round)
    for update in updates:
        submissions = append_submission(submissions, update)
    return submissions


def medians_of(vectors: Sequence[Sequence[int]], updates: int) -> list[int]:
    """The median of each update's scores over all vectors, the lower middle of an even number (R5)."""
    return [sorted(vector[i] for vector in vectors)[(len(vectors) - 1) // 2] for i in range(updates)]


def rank(
    medians: Sequence[int], trainers: Sequence[Address], round: int, min_score: int, max_qualified: int
) -> list[int]:
    """Numbers of the qualified updates, best first (R5, R7).

    An update qualifies when its median is at least ``min_score`` and it is among the best ``max_qualified``. Ties
    break by the lower hash of (trainer, round), compared on its upper 224 bits.
    """

    def place(index: int) -> tuple[int, int]:
        tie_break = int.from_bytes(keccak(_address_bytes(trainers[index]) + struct.pack(">I", round)), "big") >> 32
        return -medians[index], tie_break

    return sorted((i for i in range(len(medians)) if medians[i] >= min_score), key=place)[:max_qualified]


@dataclass
class Lottery:
    """Draws numbers below ``left`` without repeating one: a Fisher-Yates shuffle that keeps only the swapped places."""

    seed: bytes
    left: int
    drawn: int = 0
    swapped: dict[int, int] = field(default_factory=dict)

    def draw(self) -> int:
        """The next number; callers have checked that one is left."""
        place = int.from_bytes(keccak(self.seed + _word(self.drawn)), "big") % self.left
        self.left -= 1
        self.drawn += 1
        number = self.swapped.get(place, place)
        self.swapped[place] = self.swapped.get(self.left, self.left)
        return number


def elect(
    seats: int,
    candidates: Iterable[Address],
    members: Sequence[Address],
    seed: bytes,
    eligible: Callable[[Address], bool],
) -> list[Address]:
    """A committee (R7): the eligible candidates in their order, then a lottery among all members.

    Args:
        seats: places to fill; fewer are filled when the draws do not find enough eligible members.
        candidates: the best qualified trainers, or nobody.
        members: all members in the order of joining.
        seed: of the lottery.
        eligible: active, and without a seat in the round before.
    """
    chosen: list[Address] = []
    for account in candidates:
        if len(chosen) < seats and account not in chosen and eligible(account):
            chosen.append(account)
    lottery = Lottery(seed, len(members))
    for _ in range(DRAWS_PER_SEAT * seats):
        if len(chosen) == seats or not lottery.left:
            break
        account = members[lottery.draw()]
        if account not in chosen and eligible(account):
            chosen.append(account)
    return chosen


def seed_of_opening(prevrandao: int, parent_hash: bytes, round: int) -> bytes:
    """The seed of the lottery of a round opened by ``openRound``: block randomness and the hash of the block before."""
    return keccak(_word(prevrandao) + parent_hash + _word(round))


def seed_of_finalising(salts: Iterable[bytes], prevrandao: int, round: int) -> bytes:
    """The seed of a lottery in ``finaliseRound``: revealed salts in the order of the seats, and block randomness."""
    mixed = bytes(32)
    for salt in salts:
        mixed = keccak(mixed + salt)
    return keccak(mixed + _word(prevrandao) + _word(round))


def seats_of(bits: int) -> list[int]:
    """The seats of a set of seats."""
    return [seat for seat in range(MAX_SEATS) if bits >> seat & 1]


def members_needed(config: Configuration) -> int:
    """Members without whom no round opens: a committee, and beside it a second one and enough trainers."""
    return config.seats + max(config.seats, config.min_updates)


def opened(number: int, time: int, config: Configuration, members: int, seats: int) -> Round:
    """The facts of a round that opens now."""
    return Round(number=number, opened_at=time, capacity=min(config.max_updates, members - seats), seats=seats)


def closed(round: Round) -> Round:
    """The facts of the last round of a finished federation."""
    return replace(round, opened_at=0)
