"""Brownie's project on a chain node that Brownie starts, and everything that reads or sets the node's clock and state.

Brownie compiles, starts the node and encodes calls. Transactions go to the node directly: Brownie takes a snapshot
after each of its own, in a thread, which is slow and lets no test choose the time of a block.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import solcx

from bcfl.errors import ContractError, NodeFailed
from bcfl.protocol import Address
from tests.contracts.abi import Event, decode_error, decode_event

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SOLC = "0.8.30"
MNEMONIC = "test test test test test test test test test test test junk"
CALL_GAS = 16_777_216
"""What one transaction may use (EIP-7825): every call of the protocol has to fit."""


def _compiler_environment() -> dict[str, str]:
    """Where py-solc-x finds the compiler: the npm one under a native one's name, unless a native one is installed."""
    if any(str(version) == SOLC for version in solcx.get_installed_solc_versions()):
        return {}
    folder = BUILD / "solc"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / f"solc-v{SOLC}"
    if not link.is_symlink():
        link.symlink_to(ROOT / "devnet" / "solc.cjs")
    return {"SOLCX_BINARY_PATH": str(folder)}


def import_brownie() -> Any:
    """Brownie, its user files below ``build/``: the packages of a user's own home would change the remappings."""
    home = BUILD / "home"
    home.mkdir(parents=True, exist_ok=True)
    if "brownie" in sys.modules:
        return sys.modules["brownie"]
    hypothesis.settings.register_profile("before-brownie", hypothesis.settings.default)
    with mock.patch.dict(os.environ, {"HOME": str(home)}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside Brownie and what it imports
        brownie = importlib.import_module("brownie")
    hypothesis.settings.load_profile("before-brownie")  # Brownie makes one of its own the current one
    return brownie


@contextmanager
def loaded_project() -> Iterator[Any]:
    """The Brownie project of this repository, compiled where its sources changed."""
    brownie = import_brownie()
    before = Path.cwd()
    os.chdir(ROOT)  # the compiler looks for node_modules/ in the working directory
    try:
        # Brownie puts the project's folder first on the path; our tests are found without.
        with mock.patch.dict(os.environ, _compiler_environment()), mock.patch.object(sys, "path", list(sys.path)):
            project = brownie.project.load(ROOT, name="BcflProject")
    finally:
        os.chdir(before)
    try:
        yield project
    finally:
        project.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tools_path() -> str:
    # Brownie takes `anvil` with a folder before it for Ganache, and npm's wrapper would outlive a kill of Brownie's.
    folders = [ROOT / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin", ROOT / "node_modules" / ".bin"]
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])


@contextmanager
def running_node(kind: str, accounts: int = 40) -> Iterator[Node]:
    """A node that Brownie starts and is connected to. Kind is ``anvil`` or ``ganache``."""
    brownie = import_brownie()
    config = importlib.import_module("brownie._config").CONFIG
    settings: dict[str, Any] = {"port": _free_port(), "accounts": accounts, "mnemonic": MNEMONIC}
    settings["evm_version"] = "shanghai"  # gas must not move with the node's default
    settings["gas_limit"] = 30_000_000
    # Quiet: nobody reads the pipe that Ganache would write its log to.
    command = {"anvil": "anvil", "ganache": "ganache-cli --logging.quiet"}[kind]
    name = f"bcfl-{kind}"
    config.networks[name] = {
        "id": name, "name": name, "cmd": command, "host": "http://127.0.0.1", "timeout": 60, "cmd_settings": settings,
    }  # fmt: skip
    config.argv["silent"] = True
    with mock.patch.dict(os.environ, {"PATH": _tools_path()}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Brownie warns of its own calls, and leaves a pipe open
        brownie.network.connect(name)
    process = brownie.rpc.process
    # Brownie's default of zero is refused by Ganache, and Brownie then waits for the transaction for ever.
    brownie.network.gas_price("auto")
    try:
        yield Node(kind, brownie.web3, [Address(each.address) for each in brownie.accounts])
    finally:
        brownie.network.disconnect()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


@dataclass(frozen=True)
class Receipt:
    """What became of a transaction: the block's time (Unix), randomness and parent, and the events or the failure."""

    time: int
    prevrandao: int
    parent_hash: bytes
    gas: int
    events: tuple[Event, ...]
    failure: ContractError | None
    contract: Address | None

    def event(self, name: str) -> dict[str, Any]:
        """The arguments of the one event of a name."""
        (found,) = (event.arguments for event in self.events if event.name == name)
        return found


@dataclass(frozen=True)
class Node:
    """A chain node that mines a block for each transaction."""

    kind: str
    web3: Any
    accounts: list[Address]

    def request(self, method: str, *parameters: Any) -> Any:
        """The result of an RPC call; :class:`NodeFailed` carries an error's text."""
        response = self.web3.provider.make_request(method, list(parameters))
        if "error" in response:
            raise NodeFailed(f"{method}: {response['error']}")
        return response["result"]

    @property
    def now(self) -> int:
        """Unix time of the latest block."""
        return int(self.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def attempt(self, sender: Address, to: Address | None, data: str, at: int | None = None) -> Receipt:
        """Sends a transaction and returns its receipt, failed or not; ``at`` is the block's time, on Anvil only."""
        transaction = {"from": sender, "data": data, "gas": hex(CALL_GAS)} | ({"to": to} if to else {})
        if at is not None:
            self.request("evm_setNextBlockTimestamp", at)
        response = self.web3.provider.make_request("eth_sendTransaction", [transaction])
        if "error" in response:  # Ganache, of a transaction that it mined and that reverted
            response = response["error"]["data"]
        receipt = self._receipt_of(response["result"])
        block = self.request("eth_getBlockByHash", receipt["blockHash"], False)
        failed = int(receipt["status"], 16) == 0
        return Receipt(
            time=int(block["timestamp"], 16),
            prevrandao=int(block["mixHash"], 16),
            parent_hash=bytes.fromhex(block["parentHash"][2:]),
            gas=int(receipt["gasUsed"], 16),
            events=tuple(_event_of(log) for log in receipt["logs"]),
            failure=self._failure_of(transaction, block["number"]) if failed else None,
            contract=self.web3.to_checksum_address(receipt["contractAddress"]) if not to else None,
        )

    def send(self, sender: Address, to: Address | None, data: str, at: int | None = None) -> Receipt:
        """As :meth:`attempt`, and raises the failure."""
        receipt = self.attempt(sender, to, data, at)
        if receipt.failure is not None:
            raise receipt.failure
        return receipt

    def _receipt_of(self, transaction: str) -> dict[str, Any]:
        for _ in range(5000):
            if receipt := self.request("eth_getTransactionReceipt", transaction):
                return dict(receipt)
            time.sleep(0.001)  # Anvil answers before it has mined
        raise NodeFailed(f"{self.kind} has not mined {transaction}")

    def _failure_of(self, transaction: dict[str, str], block: str) -> ContractError:
        # Again, as a call on the block that holds it: what failed changed nothing, and the clock is that block's.
        error = self.web3.provider.make_request("eth_call", [transaction, block])["error"]
        return decode_error(bytes.fromhex(error["data"].removeprefix("0x")))

    def call_all(self, calls: Sequence[tuple[Address, str]]) -> list[str]:
        """The results of many calls on the latest block, asked in one request."""
        asked = [("eth_call", [{"to": to, "data": data}, "latest"]) for to, data in calls]
        return [response["result"] for response in self.web3.provider.make_batch_request(asked)]

    def logs(self, *addresses: Address) -> list[tuple[Event, dict[str, Any]]]:
        """All events of some contracts, each with its log."""
        query = {"fromBlock": "0x0", "toBlock": "latest", "address": list(addresses)}
        return [(_event_of(log), log) for log in self.request("eth_getLogs", query)]

    def move_to(self, time: int) -> None:
        """Mines an empty block at a Unix time; later ones follow from there."""
        if self.kind == "ganache":
            self.request("evm_setTime", time * 1000)
        else:
            self.request("evm_setNextBlockTimestamp", time)
        self.request("evm_mine")

    def snapshot(self) -> str:
        """Keeps the chain's state, for one :meth:`revert`."""
        return str(self.request("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Takes the chain back to a snapshot."""
        assert self.request("evm_revert", snapshot)


def _event_of(log: dict[str, Any]) -> Event:
    return decode_event([bytes.fromhex(topic[2:]) for topic in log["topics"]], bytes.fromhex(log["data"][2:]))
