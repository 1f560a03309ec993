"""What ``fedavg`` costs with numpy's kernels and with the compiled ones, in one run on one machine.

    python benchmarks/aggregate.py --parameters 25000000 --updates 10

Times are the best of ``--repeat``; the two take turns, so that neither has the machine's quieter minutes.

Measured on 2 virtual cores of an AMD EPYC with AVX-512, Python 3.11, numpy 2.4.6, numba 0.68.1, one thread (a second
one gained less than a third, the memory being the limit)::

    once a process: import of numba 0.13 s, compilation 0.38 s
      parameters  updates  numpy ms  numba ms  ratio  won back after
         200,000       10       1.6       0.9    1.7      827 rounds
       1,660,000       10      13.6       3.4    4.0       50 rounds
       4,200,000       10      36.0      11.7    3.1       21 rounds
      25,000,000       10     208.8      64.2    3.3        4 rounds
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np

from bcfl import aggregate, kernels
from bcfl.weights import Weights, encode_model


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def made(parameters: int, updates: int) -> tuple[Weights, list[tuple[Weights, int]]]:
    rng = np.random.default_rng(0)
    models: list[Weights] = [{"w": rng.standard_normal(parameters, dtype=np.float32)} for _ in range(updates + 1)]
    return models[0], [(model, int(rng.integers(1, 10_000))) for model in models[1:]]


def with_kernels(compiled: bool, base: Weights, updates: list[tuple[Weights, int]]) -> Weights:
    with patch.object(aggregate, "COMPILED_FROM", 0 if compiled else sys.maxsize):
        return aggregate.fedavg(base, updates)


def main() -> None:
    parser = argparse.ArgumentParser(description="numpy's kernels and the compiled ones, in one run")
    parser.add_argument("--parameters", type=int, nargs="+", default=[200_000, 1_660_000, 4_200_000, 25_000_000])
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()

    imported = seconds(lambda: __import__("numba"))
    loops = seconds(kernels.loops)
    print(f"once a process: import of numba {imported:.2f} s, compilation {loops:.2f} s")
    print(f"{'parameters':>12} {'updates':>8} {'numpy ms':>9} {'numba ms':>9} {'ratio':>6} {'won back after':>15}")
    for parameters in options.parameters:
        base, updates = made(parameters, options.updates)
        ways = [partial(with_kernels, compiled, base, updates) for compiled in (False, True)]
        both = [[seconds(way) for way in ways] for _ in range(options.repeat)]
        plain, fast = (min(column) for column in zip(*both, strict=True))
        if encode_model(ways[0]()) != encode_model(ways[1]()):
            sys.exit("the two do not agree")
        rounds = (imported + loops) / (plain - fast)
        print(
            f"{parameters:>12,} {options.updates:>8} {plain * 1e3:>9.1f} {fast * 1e3:>9.1f} {plain / fast:>6.1f} "
            f"{rounds:>8.0f} rounds"
        )


if __name__ == "__main__":
    main()
