"""Programs that run on after the command that started them, found again by id and never mistaken for a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bcfl.errors import NodeFailed

_LOG_TAIL_BYTES = 8192
# A child that is stopped by the process that started it must be waited for, or it stays as a zombie.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A process id with the moment of its start: the id alone may be given to another program later."""

    pid: int
    started: str

    @property
    def running(self) -> bool:
        """Whether it is still this process that has the id."""
        child = _CHILDREN.get(self.pid)
        if child is not None and child.poll() is not None:
            del _CHILDREN[self.pid]
        return _started(self.pid) == self.started


def start(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Run a program in a session of its own, its output appended to ``log``.

    Raises:
        NodeFailed: it cannot be run.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**_without_secrets(os.environ), **(environment or {})},
            )
    except OSError as error:
        raise NodeFailed(f"cannot run {command[0]}: {error.strerror}") from error
    _CHILDREN[child.pid] = child
    return Process(child.pid, _started(child.pid) or "gone")


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """A node runs long and is no part of us: the password of a keystore is none of its business."""
    return {name: value for name, value in environment.items() if name != "BCFL_PASSWORD"}


def stop(process: Process, seconds: float) -> None:
    """Ask a process to end, and after ``seconds`` make it. Nothing happens if it has ended."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        if not process.running:
            return
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while process.running and time.monotonic() < deadline:
            time.sleep(0.02)


def last_line(log: Path) -> str:
    """The last line of a log that says something; at most 300 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _started(pid: int) -> str | None:
    """When the process started; None if there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return None if fields[0] == "Z" else f"{_boot()} {fields[19]}"


def _boot() -> str:
    # Linux counts the start from the boot: after the next one the same number is somebody else's.
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
