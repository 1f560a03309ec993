"""``bcfl split``: how a data set would be divided, before anyone trains on it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bcfl.cli.output import Json, print_json, say


class SplitName(StrEnum):
    """Ways to divide."""

    IID = "iid"
    DIRICHLET = "dirichlet"
    SHARDS = "shards"


def split(
    name: Annotated[SplitName, typer.Argument(help="How: alike, unequally, or two shards of the sorted digits each.")],
    participants: Annotated[int, typer.Option(min=1, max=10_000, help="Among how many.")] = 10,
    alpha: Annotated[float, typer.Option(min=1e-3, max=1e6, help="Of dirichlet: the smaller, the less equal.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of the division.")] = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A PNG file: who holds what.")] = None,
    json: Json = False,
) -> None:
    """Show how MNIST's 60,000 training images are divided among participants, as a table and as a picture."""
    from bcfl.tasks import splits
    from bcfl.tasks.mnist import labels

    digits = labels("train")
    divided = splits.make_split(name.value, digits, participants, seed, alpha)
    if output:
        words = f"Dirichlet({alpha})" if name is SplitName.DIRICHLET else name.value
        splits.picture(divided, digits, output, f"MNIST, {words}, {participants} participants")
        say(f"who holds what: {output}")
    if json:
        print_json(splits.counts(divided, digits).tolist())
    else:
        print(splits.table(divided, digits))
