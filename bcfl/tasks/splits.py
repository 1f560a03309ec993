"""Who holds what: ways to divide a labelled data set among participants.

A split is a list of index arrays, one a participant: disjoint, covering all samples, nobody empty, and a pure function
of the labels, the number of participants and a seed, so that every participant computes the same one for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bcfl.errors import ConfigurationError

Labels = NDArray[np.int64]
Split = list[NDArray[np.int64]]
"""For each participant the sorted indices of its samples."""

SHARDS_EACH = 2


def iid(labels: Labels, participants: int, seed: int) -> Split:
    """Shuffled and dealt out evenly: sizes differ by at most one."""
    _require(labels, participants, 1)
    order = np.random.default_rng(seed).permutation(len(labels))
    return [np.sort(part) for part in np.array_split(order, participants)]


def dirichlet(labels: Labels, participants: int, seed: int, alpha: float = 0.5) -> Split:
    """Each class is divided in proportions drawn from Dirichlet(``alpha``): small ``alpha``, skewed labels and sizes.

    Nobody gets less than a tenth of an even share: a participant below it is given samples of the largest ones.
    Source: Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution" (2019), in the form that divides
    each class.
    """
    if not alpha > 0:
        raise ConfigurationError(f"alpha must be above 0, not {alpha}")
    _require(labels, participants, 1)
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(participants)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(participants, alpha))
        cuts = (np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    split = [rng.permutation(np.concatenate(part)) for part in parts]
    _fill(split, minimum=max(1, len(labels) // (10 * participants)))
    return [np.sort(part) for part in split]


def shards(labels: Labels, participants: int, seed: int) -> Split:
    """Sorted by label, cut into two shards for each participant, dealt out at random: most see two digits.

    Source: McMahan et al. (AISTATS 2017), section 3, "pathological non-IID".
    """
    _require(labels, participants, SHARDS_EACH)
    pieces = np.array_split(np.argsort(labels, kind="stable"), SHARDS_EACH * participants)
    dealt = np.random.default_rng(seed).permutation(len(pieces)).reshape(participants, SHARDS_EACH)
    return [np.sort(np.concatenate([pieces[piece] for piece in mine])) for mine in dealt]


SPLITS: dict[str, Callable[..., Split]] = {"iid": iid, "dirichlet": dirichlet, "shards": shards}
"""By the name that the manifest uses."""


def make_split(name: str, labels: Labels, participants: int, seed: int, alpha: float = 0.5) -> Split:
    """The split of a name; ``alpha`` matters to ``dirichlet`` only.

    Raises:
        ConfigurationError: unknown name, unusable ``alpha``, or too few samples for so many participants.
    """
    if name not in SPLITS:
        raise ConfigurationError(f"unknown split {name!r}: one of {', '.join(SPLITS)}")
    extra = {"alpha": alpha} if name == "dirichlet" else {}
    return SPLITS[name](labels, participants, seed, **extra)


def _require(labels: Labels, participants: int, each: int) -> None:
    if participants < 1 or len(labels) < each * participants:
        raise ConfigurationError(f"{len(labels)} samples cannot be divided among {participants} participants")


def _fill(split: Split, minimum: int) -> None:
    """Move samples from the largest participants to those below the minimum."""
    for poor in range(len(split)):
        while len(split[poor]) < minimum:
            rich = max(range(len(split)), key=lambda each: len(split[each]))
            moved = min(minimum - len(split[poor]), (len(split[rich]) - minimum + 1) // 2)
            split[poor] = np.concatenate([split[poor], split[rich][:moved]])
            split[rich] = split[rich][moved:]


def counts(split: Split, labels: Labels) -> NDArray[np.int64]:
    """Samples per participant (rows) and class (columns)."""
    classes = int(labels.max()) + 1
    return np.stack([np.bincount(labels[part], minlength=classes) for part in split])


def table(split: Split, labels: Labels) -> str:
    """Who holds what, as text for a terminal."""
    held = counts(split, labels)
    width = max(5, len(str(held.sum(axis=1).max())) + 1)
    head = "participant" + "".join(f"{label:>{width}}" for label in range(held.shape[1])) + f"{'all':>{width + 1}}"
    rows = [
        f"{index:>11}" + "".join(f"{count or '·':>{width}}" for count in row) + f"{row.sum():>{width + 1}}"
        for index, row in enumerate(held)
    ]
    return "\n".join([head, *rows])


def picture(
    split: Split, labels: Labels, path: Path, title: str = "Who holds what", names: Sequence[str] | None = None
) -> None:
    """Draw who holds what as a PNG: one bar a participant, one colour a class; names beside them, or numbers."""
    # Imported here: no participant draws, and the import costs it a second.
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    held = counts(split, labels)
    figure = Figure(figsize=(9, 1.6 + 0.34 * len(split)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = colormaps["tab10" if held.shape[1] <= 10 else "tab20"]
    left = np.zeros(len(split), np.int64)
    for label in range(held.shape[1]):
        axes.barh(
            range(len(split)),
            held[:, label],
            left=left,
            color=colours(label % colours.N),
            edgecolor="white",
            linewidth=0.5,
            height=0.78,
            label=str(label),
        )
        left += held[:, label]
    for row, total in enumerate(left):
        axes.text(int(total), row, f" {total:,}", va="center", fontsize=8, color="#444444")
    axes.set(xlabel="samples", ylabel="participant", xlim=(0, left.max() * 1.1))
    axes.set_yticks(range(len(split)), names)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(title="class", ncols=1, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path)
