"""The compiled kernels against numpy's and against Python's own floats, bit for bit."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding
from numba import float64, njit, void
from numpy.typing import NDArray

from bcfl import aggregate
from bcfl.kernels import COMPILED, NUMPY, PASS, Kernels, loops
from bcfl.weights import Weights, encode_model

BOTH = pytest.mark.parametrize("kernels", [NUMPY, COMPILED], ids=["numpy", "compiled"])
# x86: vfmadd213pd, vfnmsub231sd; Arm: fmadd, fmla, fnmsub.
FUSED = re.compile(r"\bv?fn?m(?:add|sub|la\b|ls\b)\w*")


def any_bits(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Every finite float32 is as likely as every other: all magnitudes, denormals and both zeros among them."""
    values = rng.integers(0, 2**32, size, dtype=np.uint32).view(np.float32)
    special = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38], np.float32)
    return np.where(np.isfinite(values) & (rng.random(size) < 0.9), values, rng.choice(special, size))


def computed(
    kernels: Kernels, base: NDArray[np.float32], deltas: list[NDArray[np.float32]], samples: list[int]
) -> tuple[bytes, bytes]:
    accumulator, out = np.zeros(base.size), np.empty(base.size, np.float32)
    for start in range(0, len(deltas), PASS):
        kernels.add(accumulator, deltas[start : start + PASS], samples[start : start + PASS])
    kernels.move(base, accumulator, float(max(sum(samples), 1)), out)
    return accumulator.tobytes(), out.tobytes()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 300),
    st.lists(st.one_of(st.integers(0, 2**64), st.integers(0, 5000)), min_size=1, max_size=3 * PASS + 1),
)
def test_compiled_equals_numpy_for_any_bits(seed: int, size: int, samples: list[int]) -> None:
    rng = np.random.default_rng(seed)
    base, deltas = any_bits(rng, size), [any_bits(rng, size) for _ in samples]
    if len(deltas) > 1 and seed % 2:
        deltas[-1] = -deltas[0]  # sums that cancel
    assert computed(COMPILED, base, deltas, samples) == computed(NUMPY, base, deltas, samples)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.lists(st.integers(0, 2**64), min_size=1, max_size=PASS + 2))
def test_both_equal_the_arithmetic_of_python(seed: int, size: int, samples: list[int]) -> None:
    rng = np.random.default_rng(seed)
    base, deltas = any_bits(rng, size), [any_bits(rng, size) for _ in samples]
    sums = [0.0] * size
    for delta, number in zip(deltas, samples, strict=True):
        sums = [before + float(number) * value for before, value in zip(sums, delta.tolist(), strict=True)]
    for kernels in (NUMPY, COMPILED):
        assert computed(kernels, base, deltas, samples)[0] == np.array(sums).tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_elements_may_be_divided_among_any_number_of_threads(threads: int) -> None:
    rng = np.random.default_rng(threads)
    base, deltas = any_bits(rng, 10_007), [any_bits(rng, 10_007) for _ in range(7)]
    samples = [int(n) for n in rng.integers(1, 2**40, 7)]
    cuts = [0, *sorted(rng.integers(0, 10_007, threads - 1).tolist()), 10_007]

    def part(place: tuple[int, int]) -> tuple[bytes, bytes]:
        here = slice(*place)
        return computed(COMPILED, base[here], [delta[here] for delta in deltas], samples)

    with ThreadPoolExecutor(threads) as pool:
        sums, models = zip(*pool.map(part, pairwise(cuts)), strict=True)
    assert (b"".join(sums), b"".join(models)) == computed(NUMPY, base, deltas, samples)


@BOTH
def test_product_is_rounded_before_it_is_added(kernels: Kernels) -> None:
    # 24 bits times 32 do not fit in 53. A fused operation would add the exact product to the rounded one, and leave
    # their difference; with fewer samples than 2**29 no test could tell.
    delta, samples = np.full(37, 1 + 2.0**-23, np.float32), 2**32 - 1
    accumulator = np.zeros(37)
    kernels.add(accumulator, [delta, -delta], [samples, samples])
    assert int(samples) * (2**23 + 1) != int(float(samples) * float(delta[0]) * 2**23)
    assert not accumulator.any()


def test_the_compiled_code_fuses_nothing() -> None:
    # "contract" would permit it: that the code then does shows that the pattern finds what it looks for.
    def add(s: NDArray[np.float64], d: NDArray[np.float64], n: float) -> None:
        for i in range(s.size):
            s[i] = s[i] + n * d[i]

    signature = void(float64[::1], float64[::1], float64)
    fused = njit(signature, fastmath={"contract"})(add)
    if platform.machine() in ("aarch64", "arm64") or binding.get_host_cpu_features().get("fma"):
        assert FUSED.search("".join(fused.inspect_asm().values()))
    for loop in loops():
        (code,), (intermediate,) = loop.inspect_asm().values(), loop.inspect_llvm().values()  # type: ignore[attr-defined]
        assert not FUSED.search(code)
        assert "fadd" in intermediate
        assert not re.search(r"\bf(?:mul|add|div)[a-z ]* (?:fast|contract|reassoc|arcp)\b|llvm\.fm", intermediate)


@BOTH
def test_denormals_and_zeros_keep_their_bits(kernels: Kernels) -> None:
    tiny = np.array([1e-45, -1e-45, 0.0, -0.0, 1.1754942e-38], np.float32)
    accumulator, out = np.zeros(5), np.empty(5, np.float32)
    kernels.add(accumulator, [tiny], [1])
    assert accumulator.tobytes() == np.array([*map(float, tiny[:3]), 0.0, float(tiny[4])]).tobytes()
    kernels.move(np.zeros(5, np.float32), accumulator, 1.0, out)
    assert out.tolist() == [*tiny[:3].tolist(), 0.0, tiny[4]]


@BOTH
def test_overflow_becomes_infinity_without_a_warning(kernels: Kernels) -> None:
    huge, accumulator, out = np.full(3, 3e38, np.float32), np.zeros(3), np.empty(3, np.float32)
    kernels.add(accumulator, [huge], [2**64])
    kernels.move(huge, accumulator, 2.0**64, out)
    assert np.isposinf(out).all()


def test_arrays_that_lie_askew_are_taken() -> None:
    data = b"x" + np.arange(9, dtype=np.float32).tobytes()
    askew = np.frombuffer(data, np.uint8)[1:].view(np.float32)
    assert not askew.flags.aligned
    accumulator, out = np.zeros(9), np.empty(9, np.float32)
    COMPILED.add(accumulator, [askew], [3])
    COMPILED.move(askew, accumulator, 3.0, out)
    assert out.tolist() == [2.0 * i for i in range(9)]


@pytest.mark.parametrize("updates", [1, PASS - 1, PASS, PASS + 1, 3 * PASS])
def test_fedavg_gives_the_same_model_with_either(monkeypatch: pytest.MonkeyPatch, updates: int) -> None:
    rng = np.random.default_rng(updates)

    def made() -> Weights:
        return {
            name: rng.normal(size=shape).astype(np.float32)
            for name, shape in {"a": (7, 11), "b": (), "c": (5,)}.items()
        }

    base, weighted = made(), [(made(), int(n)) for n in rng.integers(0, 9999, updates) + 1]
    models = []
    for least in (1, 1 << 60):
        monkeypatch.setattr(aggregate, "COMPILED_FROM", least)
        models.append(encode_model(aggregate.fedavg(base, iter(weighted))))
    assert models[0] == models[1]


PROGRAM = """
import hashlib, numpy as np
from bcfl import aggregate
from bcfl.weights import encode_model
aggregate.COMPILED_FROM = 0
rng = np.random.default_rng(5)
make = lambda: {name: rng.normal(size=(300, 300)).astype(np.float32) for name in "ab"}
model = aggregate.fedavg(make(), [(make(), 2**40 + int(n)) for n in rng.integers(1, 9999, 7)])
print(hashlib.sha256(encode_model(model)).hexdigest())
"""

WHO_IMPORTS = """
import sys, bcfl.participant
from bcfl import kernels
print("numba" in sys.modules)
kernels.loops()
print("numba" in sys.modules)
"""


def run(program: str, **variables: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_code_for_an_older_processor_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(5)

    def made() -> Weights:
        return {name: rng.normal(size=(300, 300)).astype(np.float32) for name in "ab"}

    here = aggregate.fedavg(made(), [(made(), 2**40 + int(n)) for n in rng.integers(1, 9999, 7)])
    assert run(PROGRAM, NUMBA_CPU_NAME="generic") == hashlib.sha256(encode_model(here)).hexdigest()


def test_numba_is_imported_only_by_who_aggregates_a_large_model() -> None:
    assert run(WHO_IMPORTS).split() == ["False", "True"]
