"""A node on this machine's loopback: a port for it, the wait until it answers, and its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bcfl.errors import BcflError, DiskFull, NodeFailed, PortTaken
from bcfl.processes import Process, last_line, stop

_READY_SECONDS = 60.0
_RELEASE_SECONDS = 2.0
_STOP_SECONDS = 20.0  # a long chain takes its time to be dumped


@dataclass(frozen=True)
class LocalNode:
    """A node that listens on loopback.

    ``process`` is None for a node that was there before us, which is never stopped; so are ``folder`` and ``log`` then.
    ``helper`` is a process that lives and ends with the node.
    """

    name: str
    address: str
    folder: Path | None = None
    log: Path | None = None
    process: Process | None = None
    helper: Process | None = None

    @property
    def running(self) -> bool:
        """Whether our process still runs; a node that is not ours is taken to."""
        return self.process is None or self.process.running

    @property
    def port(self) -> int:
        """The port of its RPC."""
        return int(self.address.rpartition(":")[2])


def free_port(named: int | None, last: int | None, usual: int | None) -> int:
    """A port: the one that is named, else the last one, else the usual one, else any that is free.

    Raises:
        PortTaken: the one that is named is in use.
    """
    if named is not None:
        if not _is_free(named):
            raise PortTaken(f"port {named} is in use: name another one, or none")
        return named
    if last is not None and _becomes_free(last):
        return last
    if usual is not None and _is_free(usual):
        return usual
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _becomes_free(port: int) -> bool:
    """Whether a port is free, or will be at once: the threads of a killed node hold it for a moment after its death."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while not _is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def serves(node: LocalNode, answers: Callable[[], bool]) -> bool:
    """Whether a node that was started before still answers; one that is just dying is waited for.

    Raises:
        NodeFailed: it runs and does not answer.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while node.running:
        if answers():
            return True
        if time.monotonic() > deadline:
            raise NodeFailed(f"{node.name} runs and does not answer at {node.address}: bcfl devnet down")
        time.sleep(0.05)
    return False


def ready(node: LocalNode, answers: Callable[[], bool]) -> LocalNode:
    """The node, once it answers; it is stopped if it does not.

    Raises:
        NodeFailed, DiskFull: it ended, or took too long.
    """
    try:
        _await(node, answers)
    except BaseException:
        stop_node(node)
        raise
    return node


def _await(node: LocalNode, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not answers():
        said = last_line(node.log) if node.log is not None else ""
        if not node.running:
            raise _failure(node, said)
        if time.monotonic() > deadline:
            raise NodeFailed(f"{node.name} does not answer at {node.address} after {_READY_SECONDS:g} s: {said}")
        time.sleep(0.05)


def _failure(node: LocalNode, said: str) -> BcflError:
    if "no space left" in said.lower() or "ENOSPC" in said:
        return DiskFull(f"no space left for {node.name} in {node.folder}")
    return NodeFailed(f"{node.name} did not start (log: {node.log}): {said or 'it says nothing'}")


def stop_node(node: LocalNode) -> None:
    """Stop a node that is ours, with its helper; it has time to write its state."""
    for process in (node.process, node.helper):
        if process is not None:
            stop(process, _STOP_SECONDS)
