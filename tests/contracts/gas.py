"""What every call costs: sentences and numbers, from the receipts of a node whose rules do not move.

Everything that the price depends on is fixed: accounts, addresses of the contracts, salts, digests and scores, and who
has a seat. The node's randomness cannot be set, so nothing measured may depend on it: the first round has ten members,
of whom the lottery seats five; the other five train, and by their scores all of them are seated in the second round; in
the third the committee and the trainers are the same whatever the lottery said. That round is measured: every slot that
it writes was written before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bcfl.protocol import Phase
from tests.contracts.abi import RECORDS
from tests.contracts.driver import YEAR, Consortium
from tests.contracts.nodes import Node, Receipt

FILE = Path(__file__).with_name("gas.json")
SEATS = 5
TRAINERS = 100
QUALIFIED = 30
ACCOUNTS = 1 + SEATS + TRAINERS
START = 2_000_000_000
"""Unix time of the first measured block; certificates end a year later. Both are calldata."""


@dataclass
class Meter:
    """Sentences to gas, in the order of measuring."""

    figures: dict[str, int] = field(default_factory=dict)

    def note(self, sentence: str, receipt: Receipt) -> Receipt:
        """Keeps what a transaction used."""
        self.figures[sentence] = receipt.gas
        return receipt


def measure(project: Any, node: Node) -> dict[str, int]:
    """All figures, on a fresh Anvil with :data:`ACCOUNTS` accounts."""
    meter = Meter({f"bytes of {name} once deployed": _size(name) for name in sorted(RECORDS)})
    node.move_to(START)
    consortium = Consortium(node, project).deploy()
    _measure_deployment(meter, node)
    _measure_membership(meter, consortium)
    for trainers in (10, TRAINERS):
        _measure_round(meter, consortium, trainers)
    return meter.figures


def _size(name: str) -> int:
    return len(RECORDS[name]["deployedBytecode"]) // 2 - 1


def _measure_deployment(meter: Meter, node: Node) -> None:
    for number, name in enumerate(("Registry", "Federation", "FederationFactory"), start=2):
        block = node.request("eth_getBlockByNumber", hex(number), False)
        meter.figures[f"deploy {name}"] = int(block["gasUsed"], 16)


def _measure_membership(meter: Meter, consortium: Consortium) -> None:
    """Registers everybody. The federation has one seat: a lottery of one draw costs the same whoever wins it."""
    meter.note("create a federation", consortium.create_federation(seats=1, quorum=1))
    for number, account in enumerate(consortium.node.accounts[1:]):
        receipt = consortium.register(account, expires_at=START + YEAR)
        if number == 1:
            meter.note("register", receipt)
    for number, account in enumerate(consortium.node.accounts[1:4]):
        receipt = consortium.send(account, consortium.federation.join)
        if number == 1:
            meter.note("join", receipt)
    meter.note("open the first round with a committee of 1", consortium.open())
    snapshot = consortium.node.snapshot()
    meter.note("revoke", consortium.revoke(consortium.node.accounts[1]))
    consortium.node.revert(snapshot)


def _measure_round(meter: Meter, consortium: Consortium, trainers: int) -> None:
    """The third round with a number of trainers and :data:`SEATS` seats."""
    qualified = min(QUALIFIED, trainers)
    consortium.create_federation(
        seats=SEATS, quorum=4, min_updates=SEATS, max_updates=trainers, max_qualified=qualified, rounds=10
    )
    members = consortium.node.accounts[1 : 1 + SEATS + trainers]
    consortium.join(*members[: 2 * SEATS])
    consortium.open()
    consortium.join(*members[2 * SEATS :])
    consortium.play([9] * SEATS)
    # The members 11 to 15 had no seat in the first two rounds: as the best of the second they sit in the third.
    electors = members[2 * SEATS : 3 * SEATS]
    consortium.play([100 if account in electors else 1 for account in consortium.trainers()])
    assert set(consortium.committee()) == set(electors), "the measured round depends on the lottery"
    _measure_calls(meter, consortium, qualified)


def _measure_calls(meter: Meter, consortium: Consortium, qualified: int) -> None:
    trainers, committee = consortium.trainers(), consortium.committee()
    suffix = f"{len(trainers)} updates and {SEATS} seats"
    submitted = [consortium.submit(trainer) for trainer in trainers]
    assert consortium.phase() == Phase.COMMIT
    if len(trainers) == TRAINERS:
        for number, ordinal in ((1, "first"), (10, "10th"), (TRAINERS, "last")):
            meter.note(f"submit the {ordinal} of {TRAINERS} updates of a round", submitted[number - 1])
    committed = [consortium.commit(member, _scores(len(trainers), seat)) for seat, member in enumerate(committee)]
    revealed = [consortium.reveal(member) for member in committee]
    voted = [consortium.vote(member) for member in committee]
    meter.note(f"commit the scores of the second seat, {suffix}", committed[1])
    meter.note(f"reveal the scores of the second seat, {suffix}", revealed[1])
    meter.note(f"vote of the second seat, {suffix}", voted[1])
    finalised = meter.note(f"finalise a round, {suffix}, {qualified} qualified", consortium.finalise())
    steps = [*submitted, *committed, *revealed, *voted, finalised]
    meter.figures[f"a whole round, {suffix}"] = sum(receipt.gas for receipt in steps)


def _scores(count: int, seat: int) -> list[int]:
    """Scores without order and without zero bytes, alike but not equal from seat to seat."""
    return [0x101 * (1 + (37 * number) % 200) + (number + seat) % 5 for number in range(count)]


def read() -> dict[str, int]:
    """The figures on record."""
    figures: dict[str, int] = json.loads(FILE.read_text())
    return figures


def write(figures: dict[str, int]) -> None:
    """Puts figures on record."""
    FILE.write_text(json.dumps(figures, indent=2) + "\n")


def drift(old: dict[str, int], new: dict[str, int]) -> list[str]:
    """What moved, one sentence a figure."""
    moved = []
    for sentence in sorted(old.keys() | new.keys()):
        before, after = old.get(sentence), new.get(sentence)
        if before is None:
            moved.append(f"{sentence}: {after:,}, not on record")
        elif after is None:
            moved.append(f"{sentence}: {before:,} on record, not measured any more")
        elif before != after:
            share = 100 * (after - before) / before
            moved.append(f"{sentence}: {before:,} -> {after:,} ({after - before:+,}, {share:+.1f} %)")
    return moved
