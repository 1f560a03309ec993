"""MNIST: two models of McMahan et al., and a task that divides the 60,000 training images among the participants.

Source of the models: McMahan et al. (AISTATS 2017), section 3: the "2NN" of 199,210 parameters, and the CNN of
1,663,370, which only "same" padding gives.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcfl.errors import ConfigurationError
from bcfl.manifest import Training
from bcfl.rng import seed_of
from bcfl.tasks.base import Metrics, Samples, Settings, SupervisedTask, evaluate_on
from bcfl.tasks.idx import find_mnist, read_idx
from bcfl.tasks.splits import make_split

DEMO_TRAINING = Training(epochs=5, batch_size=64, learning_rate=0.05, momentum=0.9)
"""What ``bcfl demo`` prescribes: 2NN, ten participants, Dirichlet(0.5)."""

MEAN, DEVIATION = 0.1307, 0.3081
"""Of the training set's pixels, scaled to 0..1."""

HELD_OUT = 5
"""At most one sample in so many is kept from training, to score others by."""


class TwoNN(nn.Module):
    """784-200-200-10 with ReLU: 199,210 parameters. Input (batch, 1, 28, 28), output logits (batch, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers(images)
        return logits


class Cnn(nn.Module):
    """Two 5x5 convolutions (32, 64) with "same" padding and 2x2 pooling, 512, 10: 1,663,370 parameters. Shapes as
    ``TwoNN``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layers(images)
        return logits


MODELS: dict[str, type[nn.Module]] = {"2nn": TwoNN, "cnn": Cnn}
"""By the name that the manifest uses."""


def labels(which: str) -> NDArray[np.int64]:
    """Labels 0 to 9 of the ``train`` or ``t10k`` set, int64."""
    found = read_idx(find_mnist() / f"{which}-labels-idx1-ubyte", 1).astype(np.int64)
    if found.max() > 9:
        raise ConfigurationError(f"MNIST's {which} labels are not digits: delete the file and try again")
    return found


def samples(which: str, indices: NDArray[np.int64] | None = None) -> Samples:
    """Images, float32 (n, 1, 28, 28), standardised, and their labels, int64 (n); those of ``indices``, or all."""
    images, digits = read_idx(find_mnist() / f"{which}-images-idx3-ubyte", 3), labels(which)
    if images.shape != (len(digits), 28, 28):
        raise ConfigurationError(f"MNIST's {which} images and labels do not fit: delete the files and try again")
    chosen = np.arange(len(digits)) if indices is None else indices
    pixels = torch.from_numpy(images[chosen]).to(torch.float32)
    return pixels.div_(255).sub_(MEAN).div_(DEVIATION).unsqueeze_(1), torch.from_numpy(digits[chosen])


class Mnist(SupervisedTask):
    """One participant's part of MNIST.

    Args:
        index: which participant, 0 to ``participants - 1``.
        participants: among how many the training images are divided.
        split: ``iid``, ``dirichlet`` or ``shards`` (``bcfl.tasks.splits``); ``alpha`` is for ``dirichlet``.
        seed: of the split.
        model: ``2nn`` or ``cnn``.

    Raises:
        ConfigurationError: a parameter is out of range, or the files are damaged.
        ToolMissing: the files are not on this machine and cannot be downloaded.
    """

    def __init__(
        self,
        *,
        index: int,
        participants: int = 10,
        split: str = "dirichlet",
        alpha: float = 0.5,
        seed: int = 1,
        model: str = "2nn",
        **settings: Unpack[Settings],
    ) -> None:
        if not 0 <= index < participants:
            raise ConfigurationError(f"index must be from 0 to {participants - 1}, not {index}")
        if model not in MODELS:
            raise ConfigurationError(f"unknown model {model!r}: one of {', '.join(MODELS)}")
        mine = make_split(split, labels("train"), participants, seed, alpha)[index]
        shuffled = np.random.default_rng(seed_of("mnist", seed, index)).permutation(mine)
        held_out = min(settings.get("scoring_samples", 500), max(1, len(shuffled) // HELD_OUT))
        super().__init__(
            MODELS[model], samples("train", shuffled[held_out:]), samples("train", shuffled[:held_out]), **settings
        )

    def test(self, model: nn.Module) -> Metrics:
        """Evaluate on the 10,000 test images, which no participant trains or scores on."""
        return evaluate_on(model, samples("t10k"))
