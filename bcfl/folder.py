"""What a participant keeps in its folder beside what it must have: files of past rounds, and a line for every step."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("bcfl.participant")


def note_step(folder: Path, line: Mapping[str, Any]) -> None:
    """Adds a line to ``steps.jsonl``, for programs that watch; losing it loses nothing."""
    try:
        with open(folder / "steps.jsonl", "a", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        log.warning("cannot write %s: %s", folder / "steps.jsonl", error.strerror)


def forget_rounds(folder: Path, prefix: str, before: int) -> None:
    """Removes the files ``<prefix><round>-...`` of rounds before one."""
    for file in folder.glob(f"{prefix}*"):
        if int(file.name.split("-")[1]) < before:
            file.unlink(missing_ok=True)
