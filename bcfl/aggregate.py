"""Aggregation: pure, and the same bytes on every machine and for any number of threads.

Every seat computes the global model for itself and votes its digest, so the arithmetic is part of the protocol:
updates in the order of submission, float64 accumulation element by element with a separate multiply and add, one
rounding to float32 at the end. Only elementwise numpy operations are used: each is correctly rounded by IEEE 754,
whatever the instruction set. There is no BLAS and no reduction, whose order a library would choose.

Source of the rule: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data"
(AISTATS 2017), algorithm 1 in its erratum form: the weights are the shares among the updates that are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from bcfl.errors import InvalidContent
from bcfl.weights import BLOCK, Weights, architecture_of_weights, is_finite, require_architecture

WeightedUpdates = Iterable[tuple[Weights, int]]
"""Updates in the order of submission, each a delta and its declared number of samples; read once, one in memory at a
time.
"""

AggregationRule = Callable[[Weights, WeightedUpdates], Weights]
"""From the base model and the qualified updates to the next global model."""


def fedavg(base: Weights, updates: WeightedUpdates) -> Weights:
    """``base + sum(n_i * delta_i) / sum(n_i)``: the mean of the updates weighted by their samples.

    Args:
        base: the round's base model, float32.
        updates: deltas of the same names and shapes, with sample counts of at least 0.

    Returns:
        The global model, float32, names sorted.

    Raises:
        ModelMismatch: an update is not of the base model's architecture.
        InvalidContent: no samples at all, or an element of the result overflows float32. Every seat meets the same
            error, so none votes, the round stalls, and the next starts from the same model with another committee.
    """
    architecture = architecture_of_weights(base)
    total = 0
    sums = {name: np.zeros(value.size, np.float64) for name, value in sorted(base.items())}
    for delta, samples in updates:
        require_architecture(delta, architecture)
        total += samples
        for name, accumulator in sums.items():
            _add_scaled(accumulator, delta[name], samples)
    if total <= 0:
        raise InvalidContent("no samples to aggregate")
    model = {name: _moved(base[name], sums[name], total) for name in sums}
    if not all(is_finite(value) for value in model.values()):
        raise InvalidContent("the aggregate is not finite (an element overflows float32)")
    return model


def _add_scaled(accumulator: NDArray[np.float64], delta: NDArray[np.float32], samples: int) -> None:
    flat = delta.reshape(-1)
    scratch = np.empty(min(BLOCK, flat.size), np.float64)
    for start in range(0, flat.size, BLOCK):
        part = flat[start : start + BLOCK]
        product = np.multiply(part, np.float64(samples), out=scratch[: part.size], dtype=np.float64)
        target = accumulator[start : start + BLOCK]
        np.add(target, product, out=target)


def _moved(base: NDArray[np.float32], accumulator: NDArray[np.float64], total: int) -> NDArray[np.float32]:
    flat, moved = base.reshape(-1), np.empty(base.size, np.float32)
    with np.errstate(over="ignore"):  # an overflow becomes infinity, which the caller refuses
        for start in range(0, flat.size, BLOCK):
            mean = accumulator[start : start + BLOCK] / np.float64(total)
            moved[start : start + BLOCK] = flat[start : start + BLOCK].astype(np.float64) + mean
    return moved.reshape(base.shape)


AGGREGATION_RULES: dict[str, AggregationRule] = {"fedavg": fedavg}
"""By the name that the manifest uses."""
