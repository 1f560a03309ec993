"""A user's metric that asserts met another's enormous weights, and ended the seat's process, again and again."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from bcfl.score import Scorer
from bcfl.tasks import Metrics, SupervisedTask
from bcfl.weights import Weights, weights_of

SAMPLES = (torch.eye(2), torch.tensor([0, 1]))


class Assertive(SupervisedTask):
    """Takes it for granted that its models are sane."""

    def __init__(self) -> None:
        super().__init__(lambda: nn.Linear(2, 2), SAMPLES, SAMPLES)

    def evaluate(self, model: nn.Module) -> Metrics:
        metrics = super().evaluate(model)
        assert np.isfinite(metrics.loss), "impossible"
        return metrics


def test_the_update_scores_the_least_and_the_seat_goes_on() -> None:
    task = Assertive()
    base: Weights = weights_of(task.model())
    scorer = Scorer("loss_impact", task, base)
    wild = {name: np.full_like(value, 3e38) for name, value in base.items()}
    calm = {name: np.zeros_like(value) for name, value in base.items()}
    scorer.add(0, wild, 10)
    scorer.add(1, calm, 10)
    scores = scorer.vector(2)
    assert scores[0] == 1
    assert scores[1] > 16_384
