"""Keeps the last whole copy of the state that Anvil dumps: ``anvil_keeper.py STATE KEPT PID``.

Anvil rewrites its state file in place, so a kill in the middle of a dump leaves half a file, and the chain would be
gone. This runs beside Anvil until Anvil ends. It is run as a file and imports nothing of the package, to stay small.
"""

import os
import sys
import time
from pathlib import Path

_INTERVAL_SECONDS = 0.25


def keep(state: Path, kept: Path) -> bool:
    """Make ``kept`` a copy of the state; False if the state is not whole now."""
    try:
        before = state.stat()
        data = state.read_bytes()
        after = state.stat()
    except FileNotFoundError:
        return False
    at_rest = time.time() - before.st_mtime > _INTERVAL_SECONDS / 2 and before.st_mtime_ns == after.st_mtime_ns
    if not at_rest or not data.rstrip().endswith(b"}"):
        return False
    if not kept.exists() or kept.read_bytes() != data:
        temporary = kept.with_name(f".{kept.name}.tmp")
        temporary.write_bytes(data)
        os.replace(temporary, kept)
    return True


def main(state: str, kept: str, pid: str) -> None:
    """Keep copies until the process with that id is gone."""
    seen = 0
    while _exists(int(pid)):
        time.sleep(_INTERVAL_SECONDS)
        written = Path(state).stat().st_mtime_ns if Path(state).exists() else 0
        if written != seen and keep(Path(state), Path(kept)):
            seen = written


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
