from __future__ import annotations

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bcfl.cid import CHUNK_BYTES, cid_of, digest_of, digest_of_bytes
from bcfl.devnet import LocalNode
from bcfl.errors import ConfigurationError, ContentMismatch, ContentNotFound, InvalidContent, IpfsUnreachable
from bcfl.ipfs import ContentCache, Ipfs, parse_address

from .conftest import IpfsStarter

pytestmark = pytest.mark.ipfs


def call(node: LocalNode, command: str) -> bytes:
    request = urllib.request.Request(f"{node.address}/api/v0/{command}", method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000, 174 * CHUNK_BYTES + 1]
)
def test_pinned_bytes_come_back_under_our_own_digest(ipfs: Ipfs, size: int) -> None:
    data = os.urandom(size)
    digest = ipfs.pin(data)
    assert digest == digest_of_bytes(data)
    assert ipfs.fetch(digest, max_bytes=size) == data


def test_pin_and_unpin_are_seen_by_has(ipfs: Ipfs) -> None:
    digest = ipfs.pin(b"pinned and unpinned")
    assert ipfs.has(digest)
    ipfs.unpin(digest)
    assert not ipfs.has(digest)
    ipfs.unpin(digest)


def test_fetch_of_the_unknown_ends_at_its_own_timeout(ipfs: Ipfs) -> None:
    began = time.monotonic()
    with pytest.raises(ContentNotFound, match=r"0\.3 s"):
        ipfs.fetch(digest_of_bytes(os.urandom(20)), max_bytes=100, timeout=0.3)
    assert 0.25 < time.monotonic() - began < 5


def test_fetch_of_more_than_allowed_is_invalid(ipfs: Ipfs) -> None:
    digest = ipfs.pin(bytes(1001))
    assert len(ipfs.fetch(digest, max_bytes=1001)) == 1001
    with pytest.raises(InvalidContent, match="larger than 1000 bytes"):
        ipfs.fetch(digest, max_bytes=1000)


def test_fetch_of_a_directory_is_invalid(ipfs: Ipfs) -> None:
    boundary = "b"
    body = (
        f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename=d%2Ff\r\n"
        f"Content-Type: application/octet-stream\r\n\r\nx\r\n--{boundary}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{ipfs.address}/api/v0/add", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        root = answer.read().decode().strip().splitlines()[-1].split('"Hash":"')[1][:46]
    with pytest.raises(InvalidContent, match="not a file"):
        ipfs.fetch(digest_of(root), max_bytes=100)


def test_identity_names_an_address_that_a_peer_can_connect_to(start_ipfs_node: IpfsStarter, tmp_path: Path) -> None:
    one, two = (Ipfs(start_ipfs_node(tmp_path / name).address, cache=None, timeout=20) for name in ("one", "two"))
    data = os.urandom(1_500_000)
    digest = one.pin(data)
    with pytest.raises(ContentNotFound):
        two.fetch(digest, max_bytes=len(data), timeout=0.5)
    two.connect(one.identity().addresses[0])
    assert two.fetch(digest, max_bytes=len(data)) == data
    assert not two.has(digest)
    assert one.identity().peer != two.identity().peer


def test_connect_to_nobody_is_unreachable(ipfs: Ipfs) -> None:
    with pytest.raises(IpfsUnreachable, match="cannot reach"):
        ipfs.connect("/ip4/127.0.0.1/tcp/1/p2p/12D3KooWMfwxnVm1s4v5qqoHRzZ8MuLyrLr3Q1vrD46YzBEdK5yq")
    with pytest.raises(IpfsUnreachable, match="cannot reach"):
        ipfs.connect("not an address")


def test_concurrent_pins_and_fetches_do_not_mix(shared_ipfs_node: LocalNode, tmp_path: Path) -> None:
    ipfs = Ipfs(shared_ipfs_node.address, cache=ContentCache(tmp_path, 2_000_000), timeout=20)
    payloads = [os.urandom(200_000) for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(ipfs.pin, payloads))
        assert list(pool.map(lambda digest: ipfs.fetch(digest, max_bytes=200_000), digests * 3)) == payloads * 3


def test_cached_content_needs_no_node(ipfs_node: LocalNode, tmp_path: Path) -> None:
    ipfs = Ipfs(ipfs_node.address, cache=ContentCache(tmp_path / "cache", 1000), timeout=20)
    digest = ipfs.pin(b"kept")
    assert ipfs_node.process is not None
    os.kill(ipfs_node.process.pid, signal.SIGKILL)
    assert ipfs.fetch(digest, max_bytes=100) == b"kept"
    with pytest.raises(InvalidContent):
        ipfs.fetch(digest, max_bytes=3)
    with pytest.raises(IpfsUnreachable, match="bcfl devnet up"):
        ipfs.fetch(digest_of_bytes(b"other"), max_bytes=100)


def test_damaged_cache_file_is_fetched_again(shared_ipfs_node: LocalNode, tmp_path: Path) -> None:
    ipfs = Ipfs(shared_ipfs_node.address, cache=ContentCache(tmp_path, 1000), timeout=20)
    digest = ipfs.pin(b"to be damaged")
    (tmp_path / cid_of(digest)).write_bytes(b"damaged")
    assert ipfs.fetch(digest, max_bytes=100) == b"to be damaged"
    assert (tmp_path / cid_of(digest)).read_bytes() == b"to be damaged"


def test_proxy_of_the_environment_is_not_asked(ipfs: Ipfs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    digest = ipfs.pin(b"no proxy")
    assert ipfs.fetch(digest, max_bytes=100) == b"no proxy"


class _LyingNode(BaseHTTPRequestHandler):
    """Answers every cat as told: other bytes, a trickle, or half."""

    answer: ClassVar[str] = "other"

    def do_POST(self) -> None:
        if not self.path.startswith("/api/v0/cat"):
            self.reply(b'{"ID": "x", "Addresses": [], "AgentVersion": "x", "Hash": "QmOther"}', "application/json")
        elif self.answer == "other":
            self.reply(b"something else", "text/plain")
        else:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(3 if self.answer == "half" else 1000):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

    def reply(self, body: bytes, kind: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that has heard enough is no news."""


@pytest.fixture
def lying_node() -> Iterator[Ipfs]:
    server = _QuietServer(("127.0.0.1", 0), _LyingNode)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Ipfs(f"http://127.0.0.1:{server.server_address[1]}", cache=None, timeout=5)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "error"), [("other", ContentMismatch), ("trickle", ContentNotFound), ("half", InvalidContent)]
)
def test_lying_node_is_not_believed(
    lying_node: Ipfs, answer: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_LyingNode, "answer", answer)
    began = time.monotonic()
    with pytest.raises(error):
        lying_node.fetch(digest_of_bytes(b"wanted"), max_bytes=10_000, timeout=0.6)
    assert time.monotonic() - began < 3


def test_node_that_gives_another_cid_is_not_believed(lying_node: Ipfs) -> None:
    with pytest.raises(ContentMismatch, match="QmOther"):
        lying_node.pin(b"wanted")


@pytest.mark.parametrize(
    ("text", "url", "multiaddr"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001", "/ip4/127.0.0.1/tcp/5001/http"),
        ("http://localhost:5001/", "http://localhost:5001", "/dns/localhost/tcp/5001/http"),
        ("https://ipfs.example", "https://ipfs.example:5001", "/dns/ipfs.example/tcp/5001/https"),
        ("/ip4/127.0.0.1/tcp/5002", "http://127.0.0.1:5002", "/ip4/127.0.0.1/tcp/5002/http"),
        ("/ip6/::1/tcp/5002/https", "https://[::1]:5002", "/ip6/::1/tcp/5002/https"),
        ("/dns4/node/tcp/80/http", "http://node:80", "/dns/node/tcp/80/http"),
    ],
)
def test_address_is_understood_in_both_forms(text: str, url: str, multiaddr: str) -> None:
    assert (parse_address(text).url, parse_address(text).multiaddr) == (url, multiaddr)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:5001",
        "ftp://x:1",
        "http://x:port",
        "http://x:1/path",
        "/ip4/127.0.0.1",
        "/ip4/x/udp/1",
        "/ip4/x/tcp/0",
    ],
)
def test_address_that_is_none_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not the address"):
        Ipfs(text, cache=None, timeout=1)


def test_pins_outlive_kill_and_restart(start_ipfs_node: IpfsStarter, tmp_path: Path) -> None:
    node = start_ipfs_node(tmp_path / "node")
    ipfs = Ipfs(node.address, cache=None, timeout=20)
    payloads = [os.urandom(300_000) for _ in range(5)]
    digests = [ipfs.pin(data) for data in payloads]
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    again = Ipfs(start_ipfs_node(tmp_path / "node").address, cache=None, timeout=20)
    assert all(map(again.has, digests))
    assert [again.fetch(digest, max_bytes=300_000) for digest in digests] == payloads


def test_garbage_collection_keeps_what_is_pinned(ipfs_node: LocalNode) -> None:
    ipfs = Ipfs(ipfs_node.address, cache=None, timeout=20)
    kept, dropped = ipfs.pin(b"kept"), ipfs.pin(b"dropped")
    ipfs.unpin(dropped)
    assert cid_of(dropped).encode() in call(ipfs_node, "repo/gc")
    assert ipfs.fetch(kept, max_bytes=10) == b"kept"
    with pytest.raises(ContentNotFound):
        ipfs.fetch(dropped, max_bytes=10, timeout=0.3)
