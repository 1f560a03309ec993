"""Aggregation: pure, and the same bytes on every machine and for any number of threads.

Every seat computes the global model for itself and votes its digest, so the arithmetic is part of the protocol:
updates in the order of submission, float64 accumulation element by element with a separate multiply and add, one
rounding to float32 at the end. How that is done, and why no machine shows in it, is in ``kernels``.

Source of the rule: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data"
(AISTATS 2017), algorithm 1 in its erratum form: the weights are the shares among the updates that are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from bcfl.errors import InvalidContent
from bcfl.kernels import COMPILED, NUMPY, PASS
from bcfl.weights import Architecture, Weights, architecture_of_weights, is_finite, require_architecture

WeightedUpdates = Iterable[tuple[Weights, int]]
"""Updates in the order of submission, each a delta and its declared number of samples; read once, at most
``kernels.PASS`` in memory at a time.
"""

COMPILED_FROM = 1 << 22
"""Parameters of a model from which on the compiled kernels are used. The half second for numba's import and compilation
is won back after some twenty aggregates of this size, but only after hundreds with a small model
(``benchmarks/aggregate.py``). Both give the same bits, so it is no part of the protocol.
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
    kernels = COMPILED if architecture.parameters >= COMPILED_FROM else NUMPY
    total = 0
    sums = {name: np.zeros(value.size, np.float64) for name, value in sorted(base.items())}
    updates = iter(updates)
    while together := list(_checked(islice(updates, PASS), architecture)):
        samples = [number for _, number in together]
        total += sum(samples)
        for name, accumulator in sums.items():
            kernels.add(accumulator, [delta[name].reshape(-1) for delta, _ in together], samples)
        together.clear()  # before the next ones come
    if total <= 0:
        raise InvalidContent("no samples to aggregate")
    model = {name: np.empty(base[name].shape, np.float32) for name in sums}
    for name, moved in model.items():
        kernels.move(base[name].reshape(-1), sums[name], total, moved.reshape(-1))
    if not all(is_finite(value) for value in model.values()):
        raise InvalidContent("the aggregate is not finite (an element overflows float32)")
    return model


def _checked(updates: WeightedUpdates, architecture: Architecture) -> Iterator[tuple[Weights, int]]:
    for delta, samples in updates:
        require_architecture(delta, architecture)
        yield delta, samples


AGGREGATION_RULES: dict[str, AggregationRule] = {"fedavg": fedavg}
"""By the name that the manifest uses."""
