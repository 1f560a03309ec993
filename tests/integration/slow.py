"""A task that takes its time, so that a test can do something while participants train."""

from __future__ import annotations

import time

import torch

from bcfl.protocol import Round
from bcfl.tasks import RngSuite, TrainResult
from tests.integration.tiny import Tiny

SECONDS = 1.5


class Slow(Tiny):
    """As :class:`Tiny`, and asleep for a while before it trains."""

    def train(self, model: torch.nn.Module, round: Round, rng: RngSuite) -> TrainResult:
        time.sleep(SECONDS)
        return super().train(model, round, rng)
