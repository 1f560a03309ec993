"""Four updates that nobody could fetch held all of a seat's threads, and the honest ones behind them scored 0."""

import threading
from types import SimpleNamespace
from typing import cast

import numpy as np

from bcfl import errors
from bcfl.cid import Digest
from bcfl.payloads import Payloads
from bcfl.protocol import Address, Update
from bcfl.seat import SeatWork
from bcfl.weights import Weights, weights_of
from tests.integration.tiny import Tiny

MISSING, HONEST = 9, 1


class FakePayloads:
    """Stands for :class:`Payloads`: the first nine updates are looked for until the test is over."""

    manifest = SimpleNamespace(scoring=SimpleNamespace(rule="accuracy"))

    def __init__(self, delta: Weights) -> None:
        self.over = threading.Event()
        self._delta = delta

    def update(self, update: Update, round: int, base: Digest, timeout: float) -> Weights:
        if update.digest[0] < MISSING:
            self.over.wait(30)
            raise errors.ContentNotFound("was not found")
        return self._delta


def test_an_honest_update_is_scored_while_others_cannot_be_found() -> None:
    task = Tiny(index=0)
    base = weights_of(task.model())
    payloads = FakePayloads({name: np.zeros_like(value) for name, value in base.items()})
    updates = [Update(Address("0x" + f"{i:040x}"), Digest(bytes([i]) * 32), 100) for i in range(MISSING + HONEST)]
    work = SeatWork((1, Digest(bytes(32))), cast(Payloads, payloads), task, base, 20.0, len(updates))
    work.expect(updates)
    scores, refused = work.vector(2)
    payloads.over.set()
    work.close()
    assert scores[:MISSING] == [0] * MISSING
    assert scores[MISSING] > 0
    assert sorted(refused) == list(range(MISSING))
