from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcfl.errors import ConfigurationError
from bcfl.tasks.splits import SPLITS, counts, make_split, picture, table

LABELS = np.random.default_rng(3).integers(0, 10, 3000)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(SPLITS)),
    participants=st.integers(1, 30),
    seed=st.integers(0, 2**32),
    alpha=st.sampled_from([0.01, 0.5, 100.0]),
)
def test_split_is_disjoint_covering_and_leaves_nobody_empty(
    name: str, participants: int, seed: int, alpha: float
) -> None:
    split = make_split(name, LABELS, participants, seed, alpha)
    assert len(split) == participants
    assert min(len(part) for part in split) >= len(LABELS) // (10 * participants)
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(len(LABELS)))
    again = make_split(name, LABELS, participants, seed, alpha)
    assert all(np.array_equal(one, other) for one, other in zip(split, again, strict=True))


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_another_seed_gives_another_split(name: str) -> None:
    first, second = (make_split(name, LABELS, 5, seed) for seed in (1, 2))
    assert any(not np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_iid_parts_differ_by_at_most_one_sample() -> None:
    sizes = [len(part) for part in make_split("iid", LABELS, 7, 1)]
    assert max(sizes) - min(sizes) <= 1


def test_shards_show_each_participant_few_classes() -> None:
    held = counts(make_split("shards", np.sort(LABELS), 10, 1), np.sort(LABELS))
    assert (held > 0).sum(axis=1).max() <= 4
    assert set(held.sum(axis=1)) == {300}


def test_small_alpha_skews_and_large_alpha_does_not() -> None:
    def largest_share(alpha: float) -> float:
        held = counts(make_split("dirichlet", LABELS, 10, 1, alpha), LABELS)
        return float((held.max(axis=1) / held.sum(axis=1)).mean())

    assert largest_share(0.1) > 0.4
    assert largest_share(1000) < 0.15


@pytest.mark.parametrize(
    ("name", "participants", "alpha"),
    [("sorted", 10, 0.5), ("iid", 0, 0.5), ("iid", 3001, 0.5), ("dirichlet", 10, 0.0), ("dirichlet", 10, float("nan"))],
)
def test_unusable_parameters_are_a_configuration_error(name: str, participants: int, alpha: float) -> None:
    with pytest.raises(ConfigurationError):
        make_split(name, LABELS, participants, 1, alpha)


def test_table_says_who_holds_what() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    assert table([np.array([0, 1, 2]), np.array([3, 4])], labels).splitlines() == [
        "participant    0    1    2   all",
        "          0    3    ·    ·     3",
        "          1    ·    1    1     2",
    ]


def test_picture_is_a_png(tmp_path: Path) -> None:
    picture(make_split("dirichlet", LABELS, 10, 1), LABELS, tmp_path / "split.png", "Dirichlet(0.5)")
    assert (tmp_path / "split.png").read_bytes().startswith(b"\x89PNG")
