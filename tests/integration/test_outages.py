"""Participants wait quietly, and go on when their IPFS node or their chain's node was away."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from eth_account import Account

from bcfl import devnet
from bcfl.audit import audit
from bcfl.chain import Chain
from bcfl.ipfs import Ipfs
from bcfl.protocol import Phase
from tests.integration.driver import Nodes
from tests.integration.processes import Consortium

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

AWAY_SECONDS = 3
IDLE_SECONDS = 5


class Restartable:
    """A chain and an IPFS node that can be ended and started again where they were."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chain = devnet.start_chain(folder / "chain")
        self.ipfs = devnet.start_ipfs(folder / "ipfs")
        Account.enable_unaudited_hdwallet_features()
        rich = Account.from_mnemonic(devnet.MNEMONIC)
        self.nodes = Nodes(Chain(self.chain.address), Ipfs(self.ipfs.address, cache=None, timeout=10), rich)

    def kill_chain(self) -> None:
        """kill -9: the blocks of about the last second are lost."""
        assert self.chain.process is not None
        os.kill(self.chain.process.pid, signal.SIGKILL)
        devnet.stop_node(self.chain)

    def start_chain(self) -> None:
        self.chain = devnet.start_chain(self.folder / "chain", port=self.chain.port)

    def stop_ipfs(self) -> None:
        devnet.stop_node(self.ipfs)

    def start_ipfs(self) -> None:
        self.ipfs = devnet.start_ipfs(self.folder / "ipfs", port=self.ipfs.port)


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[Restartable]:
    made = Restartable(tmp_path / "nodes")
    yield made
    devnet.stop_node(made.chain)
    devnet.stop_node(made.ipfs)


class Counting(BaseHTTPRequestHandler):
    """Hands JSON-RPC on to a node, and counts."""

    upstream = ""
    requests = 0

    def do_POST(self) -> None:
        type(self).requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            data = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def counting(upstream: str) -> Iterator[tuple[str, type[Counting]]]:
    handler = type("Handler", (Counting,), {"upstream": upstream})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


def test_an_idle_participant_asks_a_few_times_a_second(restartable: Restartable, tmp_path: Path) -> None:
    consortium = Consortium(restartable.nodes, tmp_path, members=6)
    waiting = consortium.organisations[0]
    with counting(restartable.chain.address) as (url, counted):
        waiting.arguments[waiting.arguments.index("--rpc") + 1] = url
        waiting.start()
        try:
            consortium.wait_until(lambda: consortium.federation.snapshot(waiting.address).member.joined)
            time.sleep(1)
            before = counted.requests
            time.sleep(IDLE_SECONDS)
            asked = (counted.requests - before) / IDLE_SECONDS
        finally:
            waiting.kill()
    assert 1 <= asked <= 6


def test_a_federation_goes_on_when_its_nodes_come_back(restartable: Restartable, tmp_path: Path) -> None:
    consortium = Consortium(restartable.nodes, tmp_path, members=6, task="tests.integration.slow:Slow")
    with consortium.running():
        consortium.wait_until(partial(is_training, consortium, 1), 180)
        restartable.stop_ipfs()
        time.sleep(AWAY_SECONDS)
        restartable.start_ipfs()
        consortium.wait_until(partial(is_training, consortium, 2))
        restartable.kill_chain()
        time.sleep(AWAY_SECONDS)
        restartable.start_chain()
        history = consortium.wait_finished()
    assert [record.finalised for record in history.rounds] == [True, True]
    for record in history.rounds:
        assert (len(record.updates), len(record.vectors)) == (3, 3)
        assert record.refusals(consortium.federation.config) == {}
    report = audit(consortium.federation, consortium.nodes.ipfs, deployment=consortium.deployment)
    assert report.ok, report.difference


def is_training(consortium: Consortium, number: int) -> bool:
    return consortium.phase() == (number, Phase.TRAIN)
