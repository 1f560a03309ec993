"""A seat whose own IPFS node was away for a moment gave 0 to every update that it asked for meanwhile."""

import time
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from bcfl import errors
from bcfl.cid import Digest
from bcfl.payloads import Payloads
from bcfl.protocol import Address, Update
from bcfl.seat import SeatWork
from bcfl.weights import Weights, weights_of
from tests.integration.tiny import Tiny

TASK = Tiny(index=0)
BASE = weights_of(TASK.model())


class FakePayloads:
    """Stands for :class:`Payloads` over an IPFS node that is away for some seconds."""

    manifest = SimpleNamespace(scoring=SimpleNamespace(rule="accuracy"))

    def __init__(self, seconds: float) -> None:
        self._back_at = time.monotonic() + seconds

    def update(self, update: Update, round: int, base: Digest, timeout: float) -> Weights:
        if time.monotonic() < self._back_at:
            raise errors.IpfsUnreachable("no IPFS node answers")
        return {name: np.zeros_like(value) for name, value in BASE.items()}


def seat(seconds: float) -> SeatWork:
    work = SeatWork((1, Digest(bytes(32))), cast(Payloads, FakePayloads(seconds)), TASK, BASE, 20.0, 4)
    work.expect([Update(Address("0x" + "11" * 20), Digest(bytes(32)), 100)])
    return work


def test_an_update_is_scored_once_the_own_node_is_back() -> None:
    work = seat(0.3)
    scores, refused = work.vector(10)
    work.close()
    assert scores[0] > 0
    assert refused == {}


def test_a_seat_whose_own_node_stays_away_scores_nothing() -> None:
    work = seat(60)
    with pytest.raises(errors.IpfsUnreachable):
        work.vector(0.3)
    work.close()
