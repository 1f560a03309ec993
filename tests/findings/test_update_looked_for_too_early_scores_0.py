"""A seat that began early gave 0 for good to an update that its node could not find yet."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import numpy as np
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


def late(seconds: float) -> Payloads:
    """Stands for the payloads of a node that finds the update only after a while."""
    found_at = time.monotonic() + seconds

    def update(*_: object) -> Weights:
        if time.monotonic() < found_at:
            raise errors.ContentNotFound("not yet")
        return {name: np.zeros_like(value) for name, value in BASE.items()}

    manifest = SimpleNamespace(scoring=SimpleNamespace(rule="accuracy"))
    return cast(Payloads, SimpleNamespace(manifest=manifest, update=update))


def test_an_update_that_comes_later_is_scored() -> None:
    work = SeatWork((1, Digest(bytes(32))), late(0.7), TASK, BASE, 1.0, 2)
    work.expect([Update(Address("0x" + "01" * 20), Digest(bytes(32)), 10)])
    deadline = time.monotonic() + 20
    while not work.vector(0.0)[0][0] and time.monotonic() < deadline:
        time.sleep(0.05)
        work.advance()
    scores, _ = work.vector(0.0)
    work.close()
    assert scores[0] > 0
