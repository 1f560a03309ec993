"""Events of a federation of seven in two rounds: the first finalised with a cheater refused, the second just begun."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from eth_utils.address import to_checksum_address

from bcfl.chain import Block, Event
from bcfl.cid import Digest
from bcfl.contracts import FederationContract
from bcfl.protocol import Address, Configuration, Election, Round, pack

MEMBERS = [Address(to_checksum_address(f"0x{0xA00 + number:040x}")) for number in range(7)]
NAMES = {account: f"org {number + 1}" for number, account in enumerate(MEMBERS)}
CHEATER = MEMBERS[4]
MODEL = Digest(b"\x07" * 32)
START = 1_000_000
CONFIG = Configuration(
    registry=MEMBERS[0],
    manifest=Digest(b"\x01" * 32),
    initial_model=Digest(b"\x02" * 32),
    election=Election.BY_SCORE,
    seats=3,
    quorum=2,
    min_updates=2,
    max_updates=4,
    max_qualified=4,
    min_score=100,
    max_samples=1000,
    rounds=5,
    train_seconds=60,
    commit_seconds=30,
    reveal_seconds=20,
    vote_seconds=30,
)
SECOND_ROUND = Round(number=2, opened_at=START + 20, capacity=4, seats=3)
Arguments = dict[str, Any]


def joined() -> list[tuple[str, Arguments]]:
    return [("ParticipantJoined", {"round": 0, "participant": account}) for account in MEMBERS]


def opened(number: int, seats: list[Address]) -> list[tuple[str, Arguments]]:
    return [
        ("CommitteeElected", {"round": number, "seats": seats}),
        ("RoundOpened", {"round": number, "base": CONFIG.initial_model, "capacity": 4}),
    ]


def first_round() -> list[tuple[str, Arguments]]:
    """Members 0, 1 and 2 are seated; 3 to 6 train, and 4 cheats."""
    scores = pack([500, 3, 700, 600])
    steps: list[tuple[str, Arguments]] = []
    for index, trainer in enumerate(MEMBERS[3:]):
        digest = bytes([0x40 + index]) * 32
        steps.append(("UpdateSubmitted", {"round": 1, "trainer": trainer, "digest": digest, "samples": 1000 + index}))
    for seat, member in enumerate(MEMBERS[:3]):
        seated = {"round": 1, "member": member, "seat": seat}
        steps.append(("ScoresCommitted", {**seated, "commitment": bytes(32)}))
        steps.append(("ScoresRevealed", {**seated, "salt": bytes(32), "scores": scores}))
        steps.append(("VoteSubmitted", {**seated, "model": MODEL}))
    return steps


def finalised() -> list[tuple[str, Arguments]]:
    numbers = {"medians": pack([500, 3, 700, 600]), "qualified": pack([2, 3, 0])}
    return [("RoundFinalised", {"round": 1, "model": MODEL, **numbers}), *opened(2, MEMBERS[3:4] + MEMBERS[5:])]


def events() -> list[Event]:
    """All of them; a transaction and a block each, but for those of one finalisation."""
    made = []
    steps = [*joined(), *opened(1, MEMBERS[:3]), *first_round(), *finalised()]
    for number, (name, args) in enumerate(steps):
        block = min(number, len(steps) - 3)
        made.append(Event(name, args, MEMBERS[0], block, number, f"0x{block:x}"))
    return made


@dataclass
class FakeFederation:
    """Stands for :class:`FederationContract` in its second round; a block a second, 100,000 gas a transaction."""

    config: Configuration = CONFIG
    round: Round = SECOND_ROUND
    head: int = len(events())
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def chain(self) -> Any:
        return SimpleNamespace(
            block=lambda number: SimpleNamespace(timestamp=START + number),
            gas_of=lambda _: 100_000,
            now=lambda: float(START + 30),
        )

    @property
    def contract(self) -> Any:
        return SimpleNamespace(events=self._events)

    def _events(self, first: int, last: int) -> Iterator[Event]:
        self.asked.append((first, last))
        return (event for event in events() if first <= event.block <= last)

    def snapshot(self, account: Address) -> Any:
        return SimpleNamespace(round=self.round, block=Block(self.head, b"", b"", START + 30, 0))


def fake_federation() -> FederationContract:
    return cast(FederationContract, FakeFederation())
