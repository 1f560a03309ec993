from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bcfl import devnet
from bcfl.devnet import Chain, LocalNode
from bcfl.errors import ConfigurationError, NodeFailed, PortTaken
from bcfl.ipfs import Ipfs

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

FIRST_ACCOUNT = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
NOBODY = "0x" + "00" * 19 + "ff"
CHAINS = ["anvil", pytest.param("ganache", marks=pytest.mark.ganache)]


def rpc(url: str, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return json.load(answer)["result"]


def send(url: str) -> str:
    before = int(rpc(url, "eth_blockNumber"), 16)
    transaction = rpc(url, "eth_sendTransaction", {"from": FIRST_ACCOUNT, "to": NOBODY, "value": "0x1"})
    while int(rpc(url, "eth_blockNumber"), 16) == before:
        time.sleep(0.01)
    return str(transaction)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    devnet.down(tmp_path / "state")


@pytest.fixture
def chain_alone(shared_ipfs_node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what concerns the chain only: the IPFS node is one that runs already."""
    monkeypatch.setenv("BCFL_IPFS", shared_ipfs_node.address)


@pytest.mark.parametrize("chain", CHAINS)
def test_up_down_up_keeps_blocks_and_pins(folder: Path, chain: Chain) -> None:
    first = devnet.up(folder, chain=chain)
    transaction = send(first.rpc)
    digest = Ipfs(first.ipfs_address, cache=None, timeout=20).pin(b"kept over a restart")
    assert int(rpc(first.rpc, "eth_chainId"), 16) == first.chain_id == 31337
    accounts = rpc(first.rpc, "eth_accounts")
    assert (accounts[0].lower(), len(accounts)) == (FIRST_ACCOUNT, first.accounts)

    stopped = devnet.down(folder)
    assert stopped is not None
    assert not stopped.running
    assert stopped.pids == {}

    second = devnet.up(folder, chain=chain)
    assert (second.rpc, second.ipfs_address) == (first.rpc, first.ipfs_address)
    assert set(second.pids.values()).isdisjoint(first.pids.values())
    assert int(rpc(second.rpc, "eth_getTransactionReceipt", transaction)["blockNumber"], 16) == 1
    assert int(rpc(second.rpc, "eth_getBalance", NOBODY, "latest"), 16) == 1
    assert Ipfs(second.ipfs_address, cache=None, timeout=20).has(digest)


def test_second_up_changes_nothing_and_contradictions_are_told(folder: Path) -> None:
    first = devnet.up(folder)
    assert devnet.up(folder) == first == devnet.status(folder)
    with pytest.raises(ConfigurationError, match="anvil runs"):
        devnet.up(folder, chain="ganache")
    with pytest.raises(ConfigurationError, match="on port"):
        devnet.up(folder, chain_port=first.chain.port + 1)
    assert devnet.up(folder, chain_port=first.chain.port) == first


@pytest.mark.usefixtures("chain_alone")
@pytest.mark.parametrize("chain", CHAINS)
def test_chain_killed_comes_back_with_its_blocks(folder: Path, chain: Chain) -> None:
    first = devnet.up(folder, chain=chain)
    transaction = send(first.rpc)
    time.sleep(1.8)  # Anvil writes its state every second
    os.kill(first.pids[chain], signal.SIGKILL)
    again = devnet.up(folder, chain=chain)
    assert again.rpc == first.rpc
    assert again.ipfs == first.ipfs
    assert rpc(again.rpc, "eth_getTransactionReceipt", transaction)["blockNumber"] == "0x1"


@pytest.mark.usefixtures("chain_alone")
def test_anvil_killed_while_it_writes_comes_back_with_the_kept_state(folder: Path) -> None:
    first = devnet.up(folder)
    transaction = send(first.rpc)
    kept = folder / "anvil" / "state.kept.json"
    deadline = time.monotonic() + 20
    while not (kept.exists() and transaction[2:] in kept.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(first.pids["anvil"], signal.SIGKILL)
    state = folder / "anvil" / "state.json"
    state.write_bytes(state.read_bytes()[:-100])
    again = devnet.up(folder)
    assert rpc(again.rpc, "eth_getTransactionReceipt", transaction)["blockNumber"] == "0x1"


def test_dead_ipfs_node_is_started_beside_a_running_chain(folder: Path) -> None:
    first = devnet.up(folder)
    killed = first.pids["helia"]
    os.kill(killed, signal.SIGKILL)
    again = devnet.up(folder)
    assert again.chain == first.chain
    assert again.pids["helia"] != killed


def test_taken_port_is_avoided_or_told(tmp_path: Path, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            devnet.up(folder, chain_port=port)
        with pytest.raises(PortTaken, match=str(port)):
            devnet.up(folder, ipfs_port=port)
        assert devnet.status(folder) is None
        one = devnet.up(folder)
        two = devnet.up(tmp_path / "other")
        devnet.down(tmp_path / "other")
    assert len({one.chain.port, one.ipfs.port, two.chain.port, two.ipfs.port, port}) == 5


@pytest.mark.usefixtures("chain_alone")
def test_node_that_cannot_start_is_told_and_leaves_nothing(folder: Path) -> None:
    (folder / "anvil").mkdir(parents=True)
    (folder / "anvil" / "state.json").write_text('{"not": "a state"}')
    with pytest.raises(NodeFailed, match="anvil"):
        devnet.up(folder)
    assert devnet.status(folder) is None


def test_named_ipfs_node_is_used_and_never_stopped(
    folder: Path, ipfs_node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCFL_IPFS", ipfs_node.address)
    found = devnet.up(folder)
    assert found.ipfs_address == ipfs_node.address
    assert list(found.pids) == ["anvil"]
    devnet.down(folder)
    assert ipfs_node.running
    monkeypatch.delenv("BCFL_IPFS")
    assert "helia" in devnet.up(folder).pids


@pytest.mark.usefixtures("chain_alone")
def test_blocks_come_in_time_when_asked_for(folder: Path) -> None:
    found = devnet.up(folder, block_time=1)
    time.sleep(2.5)
    assert int(rpc(found.rpc, "eth_blockNumber"), 16) >= 1
