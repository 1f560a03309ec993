"""A chain and an IPFS node on this machine, for development: started, stopped and found again by a state folder.

What they know survives: blocks and pins are in the folder, and so is where each node listens.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bcfl import anvil_keeper
from bcfl.errors import ConfigurationError, IpfsUnreachable, NodeFailed
from bcfl.files import write_durably
from bcfl.ipfs import Ipfs
from bcfl.kubo import prepare_kubo
from bcfl.local_node import LocalNode, free_port, ready, serves, stop_node
from bcfl.processes import Process, start
from bcfl.tools import find_anvil, find_ganache, find_ipfs_node, find_node

__all__ = [
    "ACCOUNTS",
    "CHAIN_ID",
    "CHAIN_PORT",
    "IPFS_PORT",
    "MNEMONIC",
    "Chain",
    "Devnet",
    "LocalNode",
    "down",
    "start_chain",
    "start_ipfs",
    "status",
    "stop_node",
    "up",
]

Chain = Literal["anvil", "ganache"]

CHAIN_ID = 31337
CHAIN_PORT = 8545
IPFS_PORT = 5001
ACCOUNTS = 10
MNEMONIC = "test test test test test test test test test test test junk"
"""Anvil's usual mnemonic, for both chains. Its keys are known to everybody."""

# Anvil holds, and dumps every second, the states of this many blocks. With those of all blocks the dump would grow with
# the square of the chain: 50 MB and stalls of 0.4 s after 600 blocks, against 7 MB and 0.03 s.
_HISTORICAL_STATES = 32


@dataclass(frozen=True)
class Devnet:
    """What runs for a state folder. The first ``accounts`` accounts of ``MNEMONIC`` hold ether on the chain."""

    folder: Path
    chain: LocalNode
    ipfs: LocalNode
    chain_id: int = CHAIN_ID
    accounts: int = ACCOUNTS

    @property
    def rpc(self) -> str:
        """The URL of the chain's JSON-RPC."""
        return self.chain.address

    @property
    def ipfs_address(self) -> str:
        """The URL of the IPFS node's RPC."""
        return self.ipfs.address

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the nodes that are ours and run, by name."""
        ours = [node for node in (self.chain, self.ipfs) if node.process is not None and node.running]
        return {node.name: node.process.pid for node in ours if node.process is not None}

    @property
    def running(self) -> bool:
        """Whether both nodes run."""
        return self.chain.running and self.ipfs.running


def up(
    folder: Path,
    *,
    chain: Chain = "anvil",
    chain_port: int | None = None,
    ipfs_port: int | None = None,
    block_time: int | None = None,
) -> Devnet:
    """Start what does not run yet, and wait until it answers.

    Args:
        folder: where everything is kept; another folder is another devnet.
        chain: which chain.
        chain_port: None for the last one, the usual 8545, or any that is free.
        ipfs_port: the same, the usual one being 5001.
        block_time: seconds between blocks; None mines each transaction at once.

    Raises:
        ConfigurationError: another chain runs in this folder, or the same one on another port.
        PortTaken: a port that was named is in use.
        ToolMissing, NodeFailed, IpfsUnreachable, DiskFull: a node cannot be started, or does not answer.
    """
    folder = Path(folder).resolve()
    _make(folder)
    with _one_at_a_time(), contextlib.ExitStack() as undo:
        before = status(folder)
        _check_same(before, chain, chain_port, ipfs_port)
        chain_node = _chain(folder, chain, before.chain if before is not None else None, chain_port, block_time, undo)
        ipfs_node = _ipfs(folder, before.ipfs if before is not None else None, ipfs_port, undo)
        devnet = Devnet(folder, chain_node, ipfs_node)
        _save(devnet)
        undo.pop_all()
    return devnet


def down(folder: Path) -> Devnet | None:
    """Stop what ``up`` started; the state stays. Returns what had been up, or None if nothing ever was."""
    with _one_at_a_time():
        devnet = status(folder)
        if devnet is not None:
            stop_node(devnet.ipfs)
            stop_node(devnet.chain)
    return devnet


def status(folder: Path) -> Devnet | None:
    """The devnet of a folder, running or not; None if none has been up.

    Raises:
        ConfigurationError: the folder's record cannot be read.
    """
    path = _record(Path(folder).resolve())
    try:
        kept = json.loads(path.read_text())
        return Devnet(
            path.parent, _node(kept["chain"]), _node(kept["ipfs"]), int(kept["chain_id"]), int(kept["accounts"])
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read: end the nodes by hand and remove it") from error


def start_chain(
    folder: Path, chain: Chain = "anvil", *, port: int | None = None, block_time: int | None = None
) -> LocalNode:
    """Start a chain by itself and wait until it answers; on any free port, unless one is named. See ``up``."""
    folder = Path(folder).resolve()
    _make(folder)
    with _one_at_a_time():
        return _start_chain(folder, chain, free_port(port, None, None), block_time)


def start_ipfs(folder: Path, *, port: int | None = None) -> LocalNode:
    """Start an IPFS node by itself and wait until it answers; on any free port, unless one is named. See ``up``."""
    folder = Path(folder).resolve()
    _make(folder)
    with _one_at_a_time():
        return _start_ipfs(folder, free_port(port, None, None))


def _record(folder: Path) -> Path:
    return folder / "devnet.json"


def _node(kept: dict[str, Any]) -> LocalNode:
    folder, log = (Path(kept[name]) if kept[name] else None for name in ("folder", "log"))
    process, helper = (Process(**kept[name]) if kept[name] else None for name in ("process", "helper"))
    return LocalNode(str(kept["name"]), str(kept["address"]), folder, log, process, helper)


def _save(devnet: Devnet) -> None:
    record = {**asdict(devnet), "folder": str(devnet.folder)}
    write_durably(_record(devnet.folder), json.dumps(record, indent=2, default=str).encode())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {folder}: {error.strerror}") from error


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold off other starts and stops of this user: two of them could choose the same port, or the same folder."""
    path = Path(tempfile.gettempdir()) / f"bcfl-devnet-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_same(before: Devnet | None, chain: Chain, chain_port: int | None, ipfs_port: int | None) -> None:
    if before is None:
        return
    if before.chain.running and before.chain.name != chain:
        raise ConfigurationError(f"{before.chain.name} runs in {before.folder}: bcfl devnet down, before {chain}")
    for node, port in ((before.chain, chain_port), (before.ipfs, ipfs_port)):
        if node.process is not None and node.running and port is not None and port != node.port:
            raise ConfigurationError(f"{node.name} runs on port {node.port} already: bcfl devnet down, before {port}")


def _chain(
    folder: Path,
    chain: Chain,
    before: LocalNode | None,
    port: int | None,
    block_time: int | None,
    undo: contextlib.ExitStack,
) -> LocalNode:
    if before is not None and serves(before, lambda: _answers(before.address)):
        return before
    last = before.port if before is not None else None
    if before is not None:
        stop_node(before)  # its helper, where the node itself was killed
    node = _start_chain(folder, chain, free_port(port, last, CHAIN_PORT), block_time)
    undo.callback(stop_node, node)
    return node


def _start_chain(folder: Path, chain: Chain, port: int, block_time: int | None) -> LocalNode:
    home, log = folder / chain, folder / f"{chain}.log"
    home.mkdir(exist_ok=True)
    address = f"http://127.0.0.1:{port}"
    if chain == "ganache":
        node = LocalNode(chain, address, home, log, start(_ganache(home, port, block_time), log))
    else:
        state, kept = home / "state.json", home / "state.kept.json"
        _mend(state, kept)
        process = start(_anvil(state, port, block_time), log)
        keeper = [sys.executable, "-I", anvil_keeper.__file__, str(state), str(kept), str(process.pid)]
        node = LocalNode(chain, address, home, log, process, start(keeper, log))
    return ready(node, lambda: _answers(address))


def _anvil(state: Path, port: int, block_time: int | None) -> list[str]:
    command = [find_anvil(), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet"]
    command += ["--mnemonic", MNEMONIC, "--accounts", str(ACCOUNTS), "--state", str(state), "--state-interval", "1"]
    command += ["--preserve-historical-states", "--prune-history", str(_HISTORICAL_STATES)]
    return command if block_time is None else [*command, "--block-time", str(block_time)]


def _ganache(home: Path, port: int, block_time: int | None) -> list[str]:
    command = [find_node(), find_ganache(), "--server.host", "127.0.0.1", "--server.port", str(port)]
    command += ["--chain.chainId", str(CHAIN_ID), "--chain.networkId", str(CHAIN_ID), "--chain.hardfork", "shanghai"]
    command += ["--wallet.mnemonic", MNEMONIC, "--wallet.totalAccounts", str(ACCOUNTS)]
    command += ["--wallet.defaultBalance", "10000", "--database.dbPath", str(home), "--logging.quiet"]
    return command if block_time is None else [*command, "--miner.blockTime", str(block_time)]


def _mend(state: Path, kept: Path) -> None:
    """Put the last whole copy in the place of a state that was cut short by a kill."""
    if not state.exists() or _is_json(state):
        return
    if not _is_json(kept):
        raise NodeFailed(f"{state} is damaged: remove it, and with it the chain")
    shutil.copyfile(kept, state)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _ipfs(folder: Path, before: LocalNode | None, port: int | None, undo: contextlib.ExitStack) -> LocalNode:
    named = os.environ.get("BCFL_IPFS")
    if named:
        node = LocalNode("external", Ipfs(named, cache=None, timeout=10).address)
        Ipfs(node.address, cache=None, timeout=10).identity()
        return node
    if before is not None and before.process is not None and serves(before, lambda: _is_reachable(before.address)):
        return before
    last = before.port if before is not None and before.process is not None else None
    node = _start_ipfs(folder, free_port(port, last, IPFS_PORT))
    undo.callback(stop_node, node)
    return node


def _start_ipfs(folder: Path, port: int) -> LocalNode:
    address = f"http://127.0.0.1:{port}"
    kubo = shutil.which("ipfs")
    if kubo is not None:
        home, log = folder / "ipfs-kubo", folder / "ipfs-kubo.log"
        prepare_kubo(kubo, home, port)
        node = LocalNode("kubo", address, home, log, start([kubo, "daemon"], log, {"IPFS_PATH": str(home)}))
    else:
        home, log = folder / "ipfs", folder / "ipfs.log"
        command = [find_node(), find_ipfs_node(), "--repo", str(home), "--api-port", str(port)]
        node = LocalNode("helia", address, home, log, start(command, log))
    return ready(node, lambda: _is_reachable(address))


def _answers(address: str) -> bool:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    # A proxy of the environment is for the world, not for this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return bool(int(json.load(answer)["result"], 16) == CHAIN_ID)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False


def _is_reachable(address: str) -> bool:
    try:
        Ipfs(address, cache=None, timeout=5).identity()
    except IpfsUnreachable:
        return False
    return True
