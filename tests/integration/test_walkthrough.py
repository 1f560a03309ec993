"""The README's steps on a devnet, each as its user types it: four hospitals learn together, nobody runs a server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

ROOT = Path(__file__).resolve().parents[2]
TASK = "examples.breast_cancer:Hospital"
HOSPITALS = [f"hospital-{number}" for number in range(4)]
ROUNDS = 2


class Terminal:
    """Runs the program in a folder, as one organisation's terminal would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BCFL_")}
        self.environment = {**kept, "PYTHONPATH": str(ROOT), "BCFL_PASSWORD": "secret"}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "bcfl", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> Any:
        """The command's result; it must succeed."""
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"bcfl {' '.join(arguments)}: {err}"
        return json.loads(out)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.run("devnet", "down")


def admit(terminal: Terminal, hospital: str) -> str:
    """Key and certificate of one hospital. Its address."""
    account = terminal.run("account", "new", hospital, "--light")
    certificate = terminal.run("certify", hospital, "--account", "certifier", "--days", "30")
    assert certificate["participant"] == account["address"]
    return str(account["address"])


def prepare(terminal: Terminal) -> list[str]:
    """Devnet, contracts and four members. Their addresses."""
    assert terminal.run("devnet", "up")["running"]
    terminal.run("account", "new", "certifier", "--light")
    terminal.run("devnet", "fund", "certifier")
    terminal.run("deploy", "--account", "certifier")
    with ThreadPoolExecutor(2) as pool:
        addresses = list(pool.map(lambda hospital: admit(terminal, hospital), HOSPITALS))
    terminal.run("devnet", "fund", *HOSPITALS)
    with ThreadPoolExecutor(2) as pool:
        registered = list(pool.map(lambda each: terminal.run("register", f"{each}.certificate.json"), HOSPITALS))
    assert [each["registered"] for each in registered] == addresses
    return addresses


def found(terminal: Terminal) -> None:
    """The federation, created and shown."""
    created = terminal.run(
        "federation", "create", "--account", "certifier", "--task", TASK, "--local", "hospital=0", "--seats", "1",
        "--min-updates", "2", "--rounds", str(ROUNDS), "--start-members", "4", "--epochs", "5", "--batch-size", "8",
        "--learning-rate", "0.05", "--train-seconds", "60",
    )  # fmt: skip
    shown = terminal.run("federation", "show")
    assert shown["state"]["federation"] == created["federation"]
    assert shown["configuration"]["manifest"] == created["manifest"]
    assert shown["manifest"]["task"] == {"name": TASK, "parameters": {}}
    assert shown["manifest"]["training"]["learning_rate"] == 0.05
    assert terminal.run("rounds") == []


def learn(terminal: Terminal) -> None:
    """One process for each hospital, until the federation is finished."""
    participants = [
        terminal.start("participate", "--account", each, "--task", TASK, "--parameter", f"hospital={number}", "--json")
        for number, each in enumerate(HOSPITALS)
    ]
    for process in participants:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["finalised"] == ROUNDS
        assert "round 0: join" in err


def test_four_hospitals_learn_together_step_by_step(terminal: Terminal) -> None:
    addresses = prepare(terminal)
    found(terminal)
    learn(terminal)
    rounds = terminal.run("rounds")
    assert [each["round"] for each in rounds] == [1, 2]
    for each in rounds:
        trainers = {update["trainer"] for update in each["updates"]}
        assert each["state"] == "finalised"
        assert trainers | set(each["committee"]) == set(addresses)
        assert set(each["qualified"]) | set(each["refused"]) == trainers
        assert len(each["medians"]) == 3
        assert all(gas > 40_000 for step in each["gas_by_step"].values() for gas in step)
        assert each["gas"] >= sum(sum(step) for step in each["gas_by_step"].values())
    assert rounds[1]["base"] == rounds[0]["model"]
    assert rounds[0]["next_committee"] == rounds[1]["committee"]
    assert terminal.run("rounds", "2") == rounds[1]
    (listed,) = terminal.run("federation", "list")
    assert (listed["phase"], listed["finalised"]) == ("Finished", f"{ROUNDS}/{ROUNDS}")
    pulled = terminal.run("model", "pull", "2", "-o", "model.safetensors")
    assert pulled["cid"] == rounds[1]["model"]
    assert (terminal.folder / "model.safetensors").stat().st_size == pulled["bytes"]
    assert terminal.run("audit")["ok"]
