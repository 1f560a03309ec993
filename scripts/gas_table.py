"""Writes README's gas table from tests/contracts/gas.json; with ``--check``, fails if it is not fresh."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RECORD = ROOT / "tests" / "contracts" / "gas.json"
BEGIN, END = "<!-- gas: written by make gas -->", "<!-- end of gas -->"


def table() -> str:
    figures = json.loads(RECORD.read_text())
    rows = [f"| {what} | {gas:,} |" for what, gas in figures.items() if not what.startswith(("bytes", "deploy"))]
    return "\n".join(["| call | gas |", "|---|---:|", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the table is not fresh")
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    fresh = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if parser.parse_args().check:
        if fresh != text:
            print("not fresh: the gas table of README.md; run make gas", file=sys.stderr)
        return int(fresh != text)
    README.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
