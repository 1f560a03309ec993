"""Measures the gas of every call on a fresh Anvil, prints it as a table, and puts it on record in tests/contracts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    sys.path.insert(0, str(ROOT))  # the measuring is shared with the test, which is not installed
    gas = importlib.import_module("tests.contracts.gas")
    nodes = importlib.import_module("tests.contracts.nodes")
    with nodes.loaded_project() as project, nodes.running_node("anvil", gas.ACCOUNTS) as node:
        figures = gas.measure(project, node)
    before = gas.read() if gas.FILE.is_file() else {}
    table = Table("what", "gas", "before", title="Gas, third round of a federation")
    for sentence, figure in figures.items():
        old = before.get(sentence)
        table.add_row(sentence, f"{figure:,}", "" if old == figure else f"{old:,}" if old else "new")
    Console().print(table)
    gas.write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
