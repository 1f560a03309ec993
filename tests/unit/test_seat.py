"""A seat's work in a round, over payloads that come from a dictionary."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from bcfl import errors
from bcfl.cid import Digest
from bcfl.payloads import Payloads
from bcfl.protocol import Address, Update
from bcfl.seat import SeatWork
from bcfl.tasks import SupervisedTask
from bcfl.weights import Weights, weights_of

SAMPLES = (torch.eye(2), torch.tensor([0, 1]))
TASK = SupervisedTask(lambda: nn.Linear(2, 2), SAMPLES, SAMPLES)
BASE: Weights = weights_of(TASK.model())
DELTA: Weights = {name: np.zeros_like(value) for name, value in BASE.items()}
ROUND = (1, Digest(bytes(32)))


def update(number: int) -> Update:
    return Update(Address("0x" + f"{number:040x}"), Digest(bytes([number]) * 32), 100)


class FakePayloads:
    """Stands for :class:`Payloads`: gives what a function makes of an update, and counts how often it was asked."""

    def __init__(self, give: Callable[[Update], Weights]) -> None:
        self.manifest = SimpleNamespace(scoring=SimpleNamespace(rule="loss_impact"))
        self.asked: list[Update] = []
        self._give = give

    def update(self, update: Update, round: int, base: Digest, timeout: float | None = None) -> Weights:
        self.asked.append(update)
        return self._give(update)


Maker = Callable[..., tuple[SeatWork, FakePayloads]]


@pytest.fixture
def seat() -> Iterator[Maker]:
    made: list[SeatWork] = []

    def make(give: Callable[[Update], Weights], capacity: int = 4) -> tuple[SeatWork, FakePayloads]:
        payloads = FakePayloads(give)
        made.append(SeatWork(ROUND, cast(Payloads, payloads), TASK, BASE, 1.0, capacity))
        return made[-1], payloads

    yield make
    for work in made:
        work.close()


def failing(error: Exception) -> Callable[[Update], Weights]:
    def give(update: Update) -> Weights:
        raise error

    return give


def test_updates_are_scored_in_the_order_of_submission(seat: Maker) -> None:
    def give(update: Update) -> Weights:
        time.sleep(0.1 if update.digest[0] == 1 else 0)
        return DELTA

    work, _ = seat(give)
    work.expect([update(1), update(2)])
    scores, refused = work.vector(5)
    assert len(scores) == 2
    assert scores[0] == scores[1] > 0
    assert refused == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.ContentNotFound("Qm was not found"), "not found in time"),
        (errors.InvalidContent("wrong shapes"), "wrong shapes"),
        (errors.ContentMismatch("something else"), "something else"),
    ],
)
def test_an_update_that_cannot_be_used_scores_0_with_its_reason(seat: Maker, error: Exception, reason: str) -> None:
    work, _ = seat(failing(error))
    work.expect([update(1)])
    assert work.vector(5) == ([0], {0: reason})


def test_an_update_that_does_not_come_is_waited_for_only_so_long(seat: Maker) -> None:
    comes = threading.Event()

    def give(update: Update) -> Weights:
        comes.wait(10)
        return DELTA

    work, _ = seat(give)
    work.expect([update(1)])
    start = time.monotonic()
    assert work.vector(0.2) == ([0], {0: "not found in time"})
    assert time.monotonic() - start < 5
    comes.set()


def test_more_updates_are_added_and_none_is_fetched_twice(seat: Maker) -> None:
    work, payloads = seat(lambda _: DELTA)
    work.expect([update(1)])
    work.expect([update(1), update(2)])
    work.expect([update(1), update(2)])
    assert len(work.vector(5)[0]) == 2
    assert sorted(each.digest[0] for each in payloads.asked) == [1, 2]


def test_a_reorganisation_that_changes_an_update_begins_anew(seat: Maker) -> None:
    def give(update: Update) -> Weights:
        if update.digest[0] == 1:
            raise errors.InvalidContent("truncated")
        return DELTA

    work, payloads = seat(give)
    work.expect([update(1), update(2)])
    assert work.vector(5)[1] == {0: "truncated"}
    work.expect([update(3), update(2)])
    scores, refused = work.vector(5)
    assert all(scores)
    assert refused == {}
    assert len(payloads.asked) == 4


def test_advance_says_whether_anything_had_arrived(seat: Maker) -> None:
    work, _ = seat(lambda _: DELTA)
    assert not work.advance()
    work.expect([update(1)])
    deadline = time.monotonic() + 5
    while not work.advance():
        assert time.monotonic() < deadline
    assert not work.advance()
