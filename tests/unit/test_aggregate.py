import hashlib
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.aggregate import AGGREGATION_RULES, fedavg
from bcfl.errors import InvalidContent, ModelMismatch
from bcfl.kernels import PASS
from bcfl.weights import BLOCK, Weights, encode_model

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**99), max_value=2.0**99)


def weights(*values: float) -> Weights:
    return {"w": np.array(values, np.float32)}


def oracle(base: list[float], updates: list[tuple[list[float], int]]) -> list[np.float32]:
    """The rule in Python's own floats, which are IEEE 754 doubles, one element at a time."""
    total = sum(samples for _, samples in updates)
    model = []
    for place, start in enumerate(base):
        accumulator = 0.0
        for delta, samples in updates:
            product = float(samples) * delta[place]
            accumulator = accumulator + product
        model.append(np.float32(start + accumulator / float(total)))
    return model


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fedavg_equals_the_scalar_oracle_bit_for_bit(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 5))
    row = st.lists(FINITE, min_size=size, max_size=size)
    base = data.draw(row)
    updates = data.draw(st.lists(st.tuples(row, st.integers(1, 2**32)), min_size=1, max_size=5))
    found = fedavg(weights(*base), ((weights(*delta), samples) for delta, samples in updates))
    assert found["w"].dtype == np.float32
    assert found["w"].tobytes() == np.array(oracle(base, updates), np.float32).tobytes()


def test_fedavg_is_the_mean_weighted_by_samples() -> None:
    found = fedavg(weights(1, 1), [(weights(1, 0), 1), (weights(0, 4), 3)])
    assert found["w"].tolist() == [1.25, 4.0]


def test_blocks_do_not_show_in_the_result() -> None:
    rng = np.random.default_rng(0)
    size = 2 * BLOCK + 17
    base = rng.normal(size=size).astype(np.float32)
    updates = [(rng.normal(size=size).astype(np.float32), n) for n in (600, 7, 41)]
    expected = np.zeros(size)
    for delta, n in updates:
        expected = expected + np.float64(n) * delta.astype(np.float64)
    found = fedavg({"w": base.reshape(1, -1)}, [({"w": delta.reshape(1, -1)}, n) for delta, n in updates])
    assert found["w"].tobytes() == (base.astype(np.float64) + expected / 648.0).astype(np.float32).tobytes()


def test_order_of_submission_is_the_order_of_addition() -> None:
    big, small = weights(1e30), weights(1e-5)
    minus = weights(-1e30)
    assert fedavg(weights(0), [(big, 1), (minus, 1), (small, 1)])["w"][0] == np.float32(np.float32(1e-5) / 3.0)
    assert fedavg(weights(0), [(big, 1), (small, 1), (minus, 1)])["w"][0] == 0


def test_only_the_updates_of_one_pass_are_in_memory() -> None:
    alive, most = 0, 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def updates() -> Iterator[tuple[Weights, int]]:
        nonlocal alive, most
        for _ in range(3 * PASS + 1):
            array = np.zeros(2, np.float32)
            weakref.finalize(array, gone)
            alive += 1
            most = max(most, alive)
            delta = {"w": array}
            del array
            yield delta, 1
            del delta

    fedavg(weights(0, 0), updates())
    assert most == PASS


def test_updates_are_left_unchanged() -> None:
    delta = weights(1, 2)
    delta["w"].flags.writeable = False
    found = fedavg(weights(0, 0), iter([(delta, 5)]))
    assert found["w"].tolist() == [1, 2]


def test_names_come_back_sorted() -> None:
    base = {"b": np.zeros(1, np.float32), "a": np.zeros((), np.float32)}
    assert list(fedavg(base, [(base, 1)])) == ["a", "b"]


def test_zero_samples_weigh_nothing_and_none_at_all_is_an_error() -> None:
    assert fedavg(weights(1), [(weights(5), 0), (weights(1), 2)])["w"].tolist() == [2]
    for updates in ([], [(weights(5), 0)]):
        with pytest.raises(InvalidContent, match="no samples"):
            fedavg(weights(1), updates)


def test_overflow_of_float32_is_an_error_and_no_warning() -> None:
    huge = float(np.finfo(np.float32).max)
    with pytest.raises(InvalidContent, match="not finite"):
        fedavg(weights(huge), [(weights(huge), 1)])


def test_update_of_another_architecture_is_refused() -> None:
    with pytest.raises(ModelMismatch, match="'w'"):
        fedavg(weights(1), [(weights(1, 2), 1)])


def test_rules_are_found_by_name() -> None:
    assert AGGREGATION_RULES["fedavg"] is fedavg


PROGRAM = """
import hashlib, numpy as np
from bcfl.aggregate import fedavg
from bcfl.weights import encode_model
rng = np.random.default_rng(5)
make = lambda: {name: rng.normal(size=(300, 300)).astype(np.float32) for name in "ab"}
print(hashlib.sha256(encode_model(fedavg(make(), [(make(), int(n)) for n in rng.integers(1, 9999, 7)]))).hexdigest())
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_gets_the_same_bytes_for_any_number_of_threads(threads: str) -> None:
    rng = np.random.default_rng(5)

    def make() -> Weights:
        return {name: rng.normal(size=(300, 300)).astype(np.float32) for name in "ab"}

    here = fedavg(make(), [(make(), int(n)) for n in rng.integers(1, 9999, 7)])
    variables = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    # Kernels for older processors must not matter either.
    variables["NPY_DISABLE_CPU_FEATURES"] = "AVX2" if threads == "2" else ""
    there = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == hashlib.sha256(encode_model(here)).hexdigest()
