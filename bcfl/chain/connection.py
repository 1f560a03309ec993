"""A connection to a node: reading, events, sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import requests
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from eth_utils.address import is_address, to_checksum_address
from eth_utils.conversions import to_bytes
from web3 import Web3
from web3._utils.events import get_event_data
from web3.contract.contract import Contract as Web3Contract
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception
from web3.middleware import AttributeDictMiddleware
from web3.types import Nonce, TxParams
from websockets.exceptions import WebSocketException

from bcfl import errors
from bcfl.chain.abi import artefact, event_abis
from bcfl.chain.refusals import contract_error, node_error
from bcfl.chain.transport import provider_of, shown
from bcfl.protocol import Address

GAS_MARGIN = 1.2  # state may change between estimate and execution: another's update makes ours the last one
LOG_BLOCKS = 5_000  # blocks asked for at once; many public nodes refuse more
STUCK_SECONDS = 30.0  # a transaction without a receipt for so long is sent again with higher fees
FEE_BUMP = 1.25  # nodes want at least 10 % more for a replacement; 12.5 % some
REPLACEMENTS = 5

_T = TypeVar("_T")


@dataclass(frozen=True)
class Block:
    """What we use of a block's header. ``timestamp`` in Unix seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    prevrandao: int


@dataclass(frozen=True)
class Event:
    """One decoded event; ``args`` under the Solidity names, bytes as ``bytes``, addresses checksummed."""

    name: str
    args: Mapping[str, Any]
    contract: Address
    block: int
    log_index: int
    transaction: str


@dataclass(frozen=True)
class Receipt:
    """A mined transaction. ``contract`` is the address of what it deployed, if it did."""

    transaction: str
    block: int
    gas: int
    contract: Address | None


def address_of(text: str) -> Address:
    """A checksummed address from any spelling.

    Raises:
        ConfigurationError: it is not an address.
    """
    if not is_address(text):
        raise errors.ConfigurationError(f"not an account or contract address: {text[:64]!r}")
    return Address(to_checksum_address(text))


class Contract:
    """One of our contracts at an address: encodes calls, decodes results and events."""

    def __init__(self, chain: Chain, name: str, address: Address) -> None:
        self.chain = chain
        self.address = address
        self._web3: Web3Contract = chain.web3.eth.contract(
            address=to_checksum_address(address), abi=artefact(name)["abi"]
        )

    def call(self, function: str, *args: Any, block: int | None = None) -> Any:
        """The result of a view function, at a block (None: the latest)."""
        bound = self._web3.get_function_by_name(function)(*args)
        return self.chain.ask(lambda: bound.call(block_identifier=block if block is not None else "latest"))

    def send(self, account: LocalAccount, function: str, *args: Any) -> Receipt:
        """Sends a transaction from an account and waits for it; errors as :meth:`Chain.send`."""
        data = self._web3.encode_abi(function, args)
        return self.chain.send(account, to_bytes(hexstr=data), self.address)

    def events(self, first: int, last: int | None = None, *, round: int | None = None) -> Iterator[Event]:
        """The contract's events of these blocks (None: to the latest), in order; of one round if it is named."""
        return self.chain.events(self.address, first, last, round=round)


class Chain:
    """A connection to a node.

    Args:
        url: http(s), ws(s), or the path of an IPC socket.
        chain_id: the chain that must be served there; None takes whatever is.
        confirmations: blocks that must follow a transaction's block before it counts.
        timeout: seconds for one request.

    Raises:
        ChainUnreachable: nothing answers.
        WrongChain: another chain is served.
    """

    def __init__(self, url: str, *, chain_id: int | None = None, confirmations: int = 0, timeout: float = 20.0) -> None:
        self.url = url
        self.confirmations = confirmations
        # Of web3's middleware only what gives results their attributes: its validation asks for the chain id again and
        # again, and refuses the headers of proof-of-authority chains.
        self.web3 = Web3(provider_of(url, timeout), middleware=[AttributeDictMiddleware])
        self.chain_id = self.ask(lambda: self.web3.eth.chain_id)
        if chain_id is not None and chain_id != self.chain_id:
            raise errors.WrongChain(f"{shown(url)} serves chain {self.chain_id}, not {chain_id}")
        self._blocks: dict[int, Block] = {}
        self._head: Block | None = None
        self._offset = 0.0
        self._sending = threading.Lock()

    # ------------------------------------------------------------------ reading

    def ask(self, request: Callable[[], _T]) -> _T:
        """Makes a request, with errors of ours in place of the libraries'."""
        try:
            return request()
        except (requests.ConnectionError, requests.Timeout, ConnectionError, FileNotFoundError, TimeoutError) as error:
            raise errors.ChainUnreachable(f"no chain answers at {shown(self.url)}; is the node running?") from error
        except requests.RequestException as error:
            raise errors.ChainUnreachable(f"{shown(self.url)} does not answer as a chain node does") from error
        except ContractLogicError as error:
            raise contract_error(error) from error
        except Web3Exception as error:
            raise node_error(error, self.url) from error
        except WebSocketException as error:  # the connection broke; the next request makes a new one
            raise errors.ChainUnreachable(f"{shown(self.url)} has closed the connection") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # no JSON, or not of the form it must have
            raise errors.ChainUnreachable(f"{shown(self.url)} does not answer as a chain node does") from error

    def contract(self, name: str, address: Address) -> Contract:
        """One of our contracts; nothing is asked yet."""
        return Contract(self, name, address)

    def code_at(self, address: Address) -> bytes:
        """The code of a contract; empty for any other address."""
        return bytes(self.ask(lambda: self.web3.eth.get_code(to_checksum_address(address))))

    def balance_of(self, address: Address) -> int:
        """An account's ether, in wei."""
        return int(self.ask(lambda: self.web3.eth.get_balance(to_checksum_address(address))))

    def gas_of(self, transaction: str) -> int:
        """Gas that a mined transaction used."""
        return self.ask(lambda: int(self.web3.eth.get_transaction_receipt(HexStr(transaction))["gasUsed"]))

    def head(self) -> Block:
        """The latest block."""
        found = self._block("latest")
        if self._head is None or found.hash != self._head.hash:
            # A chain whose clock runs ahead of ours (a test that jumps in time) goes on running ahead at the same pace.
            self._offset = max(0.0, found.timestamp - time.time())
            self._head = found
        return found

    def now(self) -> float:
        """The time by which a transaction sent now is judged, in Unix seconds: the next block's, not the last's."""
        return time.time() + self._offset

    def block(self, number: int) -> Block:
        """A block by number; kept, so ask only for blocks deep enough to stay, or through :meth:`events`' order."""
        if number not in self._blocks:
            self._blocks[number] = self._block(number)
        return self._blocks[number]

    def _block(self, which: Any) -> Block:
        def read() -> Block:
            found = self.web3.eth.get_block(which)
            return Block(
                number=int(found["number"]),
                hash=bytes(found["hash"]),
                parent_hash=bytes(found["parentHash"]),
                timestamp=int(found["timestamp"]),
                prevrandao=int.from_bytes(bytes(found.get("mixHash", b"") or b""), "big"),
            )

        return self.ask(read)

    def has(self, block: Block) -> bool:
        """Whether a block is still on the chain."""
        return block.number <= self.head().number and self._block(block.number).hash == block.hash

    def first_since(self, timestamp: int) -> Block | None:
        """The first block with at least this timestamp; None if there is none yet."""
        low, high = 0, self.head().number + 1
        found = None
        while low < high:
            middle = (low + high) // 2
            block = self._block(middle)
            if block.timestamp < timestamp:
                low = middle + 1
            else:
                high, found = middle, block
        return found

    def events(
        self, address: Address | Sequence[Address], first: int, last: int | None = None, *, round: int | None = None
    ) -> Iterator[Event]:
        """Decoded events of our contracts at the given addresses, in the order of the chain.

        Logs whose topic none of our contracts has are an error: the address is not what it seems.
        """
        end = self.head().number if last is None else last
        topics: list[Any] = [None, HexStr("0x" + round.to_bytes(32, "big").hex())] if round is not None else []
        for start in range(first, end + 1, LOG_BLOCKS):
            stop = min(end, start + LOG_BLOCKS - 1)
            criteria: Any = {"address": address, "fromBlock": start, "toBlock": stop, "topics": topics}
            for log in self.ask(partial(self.web3.eth.get_logs, criteria)):
                yield self._decode(log)

    def _decode(self, log: Any) -> Event:
        abi = event_abis().get(bytes(log["topics"][0])) if log["topics"] else None
        unknown = f"the contract at {log['address']} emits events that this version does not know"
        if abi is None:
            raise errors.WrongVersion(unknown)
        try:
            decoded = get_event_data(self.web3.codec, abi, log)
        except (Web3Exception, DecodingError, ValueError) as error:  # too few topics, or data of another form
            raise errors.WrongVersion(unknown) from error
        return Event(
            name=decoded["event"],
            args=dict(decoded["args"]),
            contract=Address(log["address"]),
            block=int(log["blockNumber"]),
            log_index=int(log["logIndex"]),
            transaction=Web3.to_hex(log["transactionHash"]),
        )

    # ------------------------------------------------------------------ sending

    def deploy(self, account: LocalAccount, name: str, *args: Any) -> Receipt:
        """Deploys one of our contracts."""
        made = artefact(name)
        constructor = self.web3.eth.contract(abi=made["abi"], bytecode=made["bytecode"]).constructor(*args)
        return self.send(account, to_bytes(hexstr=HexStr(str(constructor.data_in_transaction))), None)

    def send(self, account: LocalAccount, data: bytes, to: Address | None, value: int = 0) -> Receipt:
        """Sends a transaction and waits until it is mined, to the depth of ``confirmations``.

        Raises:
            ContractError: the contract refuses it, before sending (nothing was spent) or in the block.
            InsufficientFunds: the account cannot pay.
            TransactionFailed: it was not mined in spite of replacements, or reverted without a known reason.
            ChainUnreachable: the node does not answer; whether the transaction was sent is then for the chain to say.
        """
        transaction: TxParams = {"from": account.address, "data": data, "value": Web3.to_wei(value, "wei")}
        if to is not None:
            transaction["to"] = to_checksum_address(to)
        with self._sending:  # one transaction of a process at a time: its nonce is the next one
            nonce = self._settled_nonce(account)
            estimate = self.ask(lambda: self.web3.eth.estimate_gas(transaction))
            limit = int(estimate * GAS_MARGIN)
            fees = self._fees()
            self._require_funds(account, limit * int(fees.get("maxFeePerGas") or fees["gasPrice"]) + value)
            complete: TxParams = {**transaction, "chainId": self.chain_id, "gas": limit, "nonce": Nonce(nonce)}
            receipt = self._see_through(account, complete, fees)
        if receipt["status"] != 1:
            # Asked again the contract says why: before the block or, where another transaction was faster, after it.
            for number in (receipt["blockNumber"] - 1, receipt["blockNumber"]):
                self.ask(partial(self.web3.eth.call, transaction, number))
            raise errors.TransactionFailed(f"transaction {Web3.to_hex(receipt['transactionHash'])} reverted")
        deployed = receipt.get("contractAddress")
        return Receipt(
            transaction=Web3.to_hex(receipt["transactionHash"]),
            block=int(receipt["blockNumber"]),
            gas=int(receipt["gasUsed"]),
            contract=Address(deployed) if deployed else None,
        )

    def _settled_nonce(self, account: LocalAccount) -> int:
        """The account's next nonce, once what an earlier start of ours left pending is mined.

        What stays pending for too long is replaced: the same nonce is used again.
        """
        deadline = time.monotonic() + STUCK_SECONDS
        while True:
            mined = self.ask(lambda: self.web3.eth.get_transaction_count(account.address, "latest"))
            pending = self.ask(lambda: self.web3.eth.get_transaction_count(account.address, "pending"))
            if pending <= mined or time.monotonic() > deadline:
                return mined
            time.sleep(0.1)

    def _fees(self) -> dict[str, int]:
        """EIP-1559 fees that stay enough while the base fee doubles; a legacy price where the chain has no base fee."""
        base = self.ask(lambda: self.web3.eth.get_block("latest")).get("baseFeePerGas")
        if base is None:
            return {"gasPrice": int(self.ask(lambda: self.web3.eth.gas_price))}
        tip = int(self.ask(lambda: self.web3.eth.max_priority_fee))
        return {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * int(base) + tip}

    def _require_funds(self, account: LocalAccount, needed: int) -> None:
        balance = self.balance_of(Address(account.address))
        if balance < needed:
            raise errors.InsufficientFunds(
                f"{account.address} has {balance / 1e18:.6f} ether and may need {needed / 1e18:.6f} for gas"
            )

    def _see_through(self, account: LocalAccount, transaction: TxParams, fees: dict[str, int]) -> Any:
        sent: list[Any] = []
        for _ in range(REPLACEMENTS + 1):
            signed = account.sign_transaction(cast(Any, {**transaction, **fees, "value": transaction.get("value", 0)}))
            try:
                sent.append(self.ask(partial(self.web3.eth.send_raw_transaction, signed.raw_transaction)))
            except errors.TransactionFailed:
                # "nonce too low" and its like: an earlier try may have been mined meanwhile.
                if not sent:
                    raise
            while (receipt := self._await_receipt(sent, STUCK_SECONDS)) is not None:
                if self._is_settled(receipt):
                    return receipt
            fees = {name: int(value * FEE_BUMP) + 1 for name, value in fees.items()}
        raise errors.TransactionFailed(
            f"transaction {Web3.to_hex(sent[-1])} was not mined after {REPLACEMENTS} replacements"
        )

    def _await_receipt(self, hashes: Sequence[Any], seconds: float) -> Any | None:
        """The receipt of whichever of these transactions is mined; None if none is in time."""
        deadline = time.monotonic() + seconds
        pause = 0.01
        while time.monotonic() < deadline:
            for each in hashes:
                receipt = self._receipt_of(each)
                if receipt is not None:
                    return receipt
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return None

    def _receipt_of(self, transaction: Any) -> Any | None:
        try:
            return self.ask(lambda: self.web3.eth.get_transaction_receipt(transaction))
        except errors.TransactionFailed as error:
            if isinstance(error.__cause__, TransactionNotFound):
                return None
            raise

    def _is_settled(self, receipt: Any) -> bool:
        """Waits until a mined transaction is deep enough; False if a reorganisation took it back meanwhile."""
        while self.confirmations:
            current = self._receipt_of(receipt["transactionHash"])
            if current is None:
                return False
            if self.head().number >= current["blockNumber"] + self.confirmations:
                return True
            time.sleep(0.5)
        return True
