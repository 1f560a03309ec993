"""The arithmetic of aggregation, twice with the same bits: in numpy, and compiled by numba for large models.

Each element is computed by itself, by additions, multiplications, divisions and one rounding in a fixed order, none of
them fused: each is correctly rounded by IEEE 754. So neither the instruction set shows in the result, nor how elements
are divided among vectors, blocks or threads. The tests hold both against each other, and read the compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bcfl.weights import BLOCK

PASS = 5
"""Updates that are added in one pass over the accumulator, so that it is read and written once for all of them."""

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]


class Kernels(NamedTuple):
    """One way of doing the arithmetic. All arrays are flat, contiguous and of one size."""

    add: Callable[[Float64s, Sequence[Float32s], Sequence[float]], None]
    """``accumulator += samples[i] * deltas[i]`` for each i in order; at most ``PASS`` of them, and at least one."""

    move: Callable[[Float32s, Float64s, float, Float32s], None]
    """``out = base + accumulator / total``, rounded to float32 once; what overflows becomes infinity."""


def _add(accumulator: Float64s, deltas: Sequence[Float32s], samples: Sequence[float]) -> None:
    scratch = np.empty(min(BLOCK, accumulator.size), np.float64)
    for start in range(0, accumulator.size, BLOCK):
        target = accumulator[start : start + BLOCK]
        for delta, factor in zip(deltas, samples, strict=True):
            part = delta[start : start + BLOCK]
            product = np.multiply(part, np.float64(factor), out=scratch[: part.size], dtype=np.float64)
            np.add(target, product, out=target)


def _move(base: Float32s, accumulator: Float64s, total: float, out: Float32s) -> None:
    with np.errstate(over="ignore"):
        for start in range(0, base.size, BLOCK):
            mean = accumulator[start : start + BLOCK] / np.float64(total)
            out[start : start + BLOCK] = base[start : start + BLOCK].astype(np.float64) + mean


NUMPY = Kernels(_add, _move)
"""Only elementwise operations: there is no BLAS and no reduction, whose order a library would choose."""


def _add_loop(
    sums: Float64s,
    d0: Float32s,
    d1: Float32s,
    d2: Float32s,
    d3: Float32s,
    d4: Float32s,
    n0: float,
    n1: float,
    n2: float,
    n3: float,
    n4: float,
) -> None:
    for i in range(sums.size):
        after0 = sums[i] + n0 * np.float64(d0[i])
        after1 = after0 + n1 * np.float64(d1[i])
        after2 = after1 + n2 * np.float64(d2[i])
        after3 = after2 + n3 * np.float64(d3[i])
        sums[i] = after3 + n4 * np.float64(d4[i])


def _move_loop(base: Float32s, accumulator: Float64s, total: float, out: Float32s) -> None:
    for i in range(out.size):
        out[i] = np.float32(np.float64(base[i]) + accumulator[i] / total)


class Loops(NamedTuple):
    """What numba made of ``_add_loop`` and ``_move_loop``."""

    add: Callable[..., None]
    move: Callable[..., None]


@cache
def loops() -> Loops:
    """The compiled loops: made once a process, in 0.4 s, the import of numba aside.

    They are not kept on disk: numba's cache is pickled, and it fails where neither the package nor the home can be
    written to. ``fastmath`` stays off, or LLVM might reorder and fuse. The interpreter's lock is let go meanwhile.
    """
    from numba import njit, types  # a participant that has no seat must not pay for this

    float32s = types.Array(types.float32, 1, "C", readonly=True)  # decoded updates are
    float64s, out = types.float64[::1], types.float32[::1]
    add = types.void(float64s, *[float32s] * PASS, *[types.float64] * PASS)
    move = types.void(float32s, float64s, types.float64, out)
    # With numpy's error model no branch for a division by zero keeps the loop from being vectorised.
    return Loops(
        njit(add, nogil=True, fastmath=False, error_model="numpy")(_add_loop),
        njit(move, nogil=True, fastmath=False, error_model="numpy")(_move_loop),
    )


def _compiled_add(accumulator: Float64s, deltas: Sequence[Float32s], samples: Sequence[float]) -> None:
    # What is missing to a whole pass is added zero times. That changes no bit: the products are zeros, and an
    # accumulator that began as +0 is never -0, the only value to which adding +0 makes a difference.
    missing = PASS - len(deltas)
    factors = [*map(float, samples), *[0.0] * missing]
    loops().add(accumulator, *map(_plain, deltas), *[_plain(deltas[0])] * missing, *factors)


def _compiled_move(base: Float32s, accumulator: Float64s, total: float, out: Float32s) -> None:
    loops().move(_plain(base), accumulator, float(total), out)


def _plain(array: Float32s) -> Float32s:
    """The array as the compiled loops take it, copied only where its place in memory asks for that."""
    return np.require(array, np.float32, ["C", "A"])


COMPILED = Kernels(_compiled_add, _compiled_move)
"""Several times as fast, once it is compiled."""
