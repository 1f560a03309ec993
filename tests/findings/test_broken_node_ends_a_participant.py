"""Answers without what they must hold, and a WebSocket that broke, came out as exceptions that nobody caught."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bcfl import errors
from bcfl.chain import Chain
from bcfl.devnet import LocalNode, start_chain, stop_node
from bcfl.ipfs import Ipfs

ANSWERS: dict[str, Any] = {}


class Broken(BaseHTTPRequestHandler):
    """A node whose results are what the test says."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/":
            request = json.loads(asked)
            result = "0x7a69" if request["method"] == "eth_chainId" else ANSWERS["result"]
            body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        else:
            body = b"{}"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("result", [{}, {"number": None}, {"number": "0x1", "hash": "0x00"}, [], "0x1", 7])
def test_a_block_without_its_fields_is_a_node_that_does_not_answer(address: str, result: Any) -> None:
    ANSWERS["result"] = result
    with pytest.raises(errors.ChainError):
        Chain(address).head()


def test_an_ipfs_node_that_says_nothing_does_not_answer(address: str) -> None:
    with pytest.raises(errors.ContentError):
        Ipfs(address, cache=None, timeout=2).identity()
    with pytest.raises(errors.ContentError):
        Ipfs(address, cache=None, timeout=2).pin(b"something")


@pytest.mark.chain
def test_a_websocket_that_broke_is_a_chain_out_of_reach_until_it_is_back(tmp_path: Any) -> None:
    node: LocalNode = start_chain(tmp_path)
    chain = Chain(f"ws://127.0.0.1:{node.port}")
    stop_node(node)
    with pytest.raises(errors.ChainUnreachable):
        chain.head()
    again = start_chain(tmp_path, port=node.port)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                assert chain.head().number >= 0
                break
            except errors.ChainUnreachable:
                time.sleep(0.2)
        else:
            pytest.fail("the connection never came back")
    finally:
        stop_node(again)
