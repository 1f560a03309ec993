"""What a command prints: tables for people, JSON for programs, and nothing of a stranger's text as it came."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
"""The option of every command that reports."""


def harmless(text: object, most: int = 500) -> str:
    """A text without control characters, which could rewrite a terminal, and not longer than ``most``."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text)[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}…"


def one_line(text: str) -> str:
    """A message on one line."""
    return harmless(" ".join(text.split()), 2_000)


def print_json(value: Any) -> None:
    """Prints a document."""
    print(json.dumps(value, indent=2))


def say(text: str) -> None:
    """A line that tells a person what was done or what comes next; on stderr, so that stdout holds results alone."""
    print(text, file=sys.stderr, flush=True)


def console() -> Console:
    """Where tables go. Without a terminal they are as wide as they need: nothing is cut in a file or a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def print_fields(rows: Iterable[tuple[str, object]], title: str = "") -> None:
    """Names and values, one a line, below a title if there is one."""
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    if title:
        print(f"\n{title}")
    for name, value in listed:
        print(f"{'  ' if title else ''}{name:<{width}}  {harmless(value, 2_000)}")


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[str] = (), whole: str = ""
) -> None:
    """A table; the columns named in ``numeric`` are aligned to the right, the one named ``whole`` is never broken."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        justify: Literal["right", "left"] = "right" if heading in numeric else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=heading == whole)
    for row in rows:
        table.add_row(*(Text(harmless(value)) for value in row))
    console().print(table)


def duration(seconds: float) -> str:
    """A time span as people read it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def ether(wei: int) -> str:
    """An amount with as many digits as one looks at."""
    return f"{wei / 10**18:,.4f} ether"
