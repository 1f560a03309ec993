"""``bcfl demo`` as a user runs it, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

ROUNDS = 2
ROUND_FIELDS = {
    "round", "accuracy", "medians", "qualified", "refused", "committee", "next_committee", "model", "gas", "seconds",
}  # fmt: skip


def bcfl(folder: Path, *arguments: str) -> Any:
    """What the command says with ``--json``; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "bcfl", *arguments, "--json", "--folder", str(folder)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"bcfl {arguments}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("state")
    yield made
    bcfl(made, "devnet", "down")


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, Any]:
    """What the demonstration printed."""
    printed: dict[str, Any] = bcfl(folder, "demo", "--rounds", str(ROUNDS))
    return printed


@pytest.fixture
def summary(said: dict[str, Any], folder: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((folder / "demo" / "summary.json").read_text())
    assert written == said
    return written


def test_the_summary_has_the_documented_fields(summary: dict[str, Any]) -> None:
    assert set(summary) == {"federation", "organisations", "rounds", "cheaters", "audit", "seconds"}
    assert summary["audit"] == {"ok": True, "rounds": ROUNDS}
    assert len(summary["organisations"]) == 10
    assert len(summary["cheaters"]) == 2
    assert [each["round"] for each in summary["rounds"]] == [1, 2]
    for each in summary["rounds"]:
        assert set(each) == ROUND_FIELDS
        assert set(each["seconds"]) >= {"submit", "commit", "reveal", "aggregate", "vote", "finalise", "round"}
        assert each["gas"] > 500_000
        assert set(each["medians"]) == set(each["qualified"]) | set(each["refused"])
        assert len(each["committee"]) == 3
    assert summary["rounds"][0]["next_committee"] == summary["rounds"][1]["committee"]
    assert summary["rounds"][-1]["next_committee"] == []


def test_the_model_gets_good_without_the_cheaters(summary: dict[str, Any]) -> None:
    cheaters = set(summary["cheaters"])
    for each in summary["rounds"]:
        assert not cheaters & set(each["qualified"])
        assert not cheaters & set(each["next_committee"])
        assert cheaters - set(each["committee"]) <= set(each["refused"])
    assert summary["rounds"][-1]["accuracy"] > 0.9


def test_the_history_can_be_read_and_replayed_afterwards(summary: dict[str, Any], folder: Path) -> None:
    rounds = bcfl(folder, "rounds")
    assert [each["round"] for each in rounds] == [1, 2]
    assert [each["committee"] for each in rounds] == [each["committee"] for each in summary["rounds"]]
    report = bcfl(folder, "audit")
    assert (report["ok"], report["rounds"]) == (True, ROUNDS)


def test_no_participant_is_left(summary: dict[str, Any], folder: Path) -> None:
    left = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = process.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # ended meanwhile
        if "participate" in arguments and any(str(folder) in each for each in arguments):
            left.append(arguments)
    assert left == []
    logs = sorted((folder / "demo").glob("org-*/log.txt"))
    assert len(logs) == 10
    assert all("the federation is finished: 2 rounds finalised" in log.read_text() for log in logs)
