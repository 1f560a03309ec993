"""A task that trains in a moment: two classes of made-up points, another part of them for each participant."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import nn

from bcfl.tasks import Settings, SupervisedTask


class Tiny(SupervisedTask):
    """Participant ``index`` holds 200 points of its own in 8 dimensions."""

    def __init__(self, *, index: int, **settings: Unpack[Settings]) -> None:
        generator = torch.Generator().manual_seed(index)
        points = torch.randn(200, 8, generator=generator)
        labels = (points.sum(1) > 0).to(torch.int64)
        super().__init__(
            lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2)),
            (points[:150], labels[:150]),
            (points[150:], labels[150:]),
            **settings,
        )
