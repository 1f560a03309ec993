"""What a chain shows beside events: the code of the contracts, and what the transactions that emitted events asked for.

An event says what a contract did. That the contract is ours, its code says; that the event is what an account asked
for, the input of its transaction says, where an account called the contract directly. Both come from the same node, and
the transaction's signature is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from eth_account import Account
from eth_keys.exceptions import BadSignature
from eth_typing import HexStr
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from eth_utils.crypto import keccak

from bcfl.chain import Chain, Event, artefact
from bcfl.contracts import Certificate, configuration_from
from bcfl.errors import ConfigurationError, TransactionFailed
from bcfl.protocol import Address, Configuration, Role
from bcfl.replay import Call, Difference, Differs, shown

_IMMUTABLE = b"\x7f" + bytes(32)  # PUSH32 of a value that the constructor puts in its place
_CLONE = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")  # ERC-1167


def word(value: int | str) -> bytes:
    """A number or an address as an EVM word."""
    return (int(value, 16) if isinstance(value, str) else value).to_bytes(32, "big")


def clone_of(chain: Chain, address: Address) -> tuple[Address, Configuration]:
    """The implementation and the configuration that a federation's code carries.

    Raises:
        Differs: the code is not that of a clone with a configuration, and nothing else.
    """
    code = chain.code_at(address)
    head, tail = _CLONE
    cut = len(head) + 20
    types = _types(artefact("Federation"), "configuration", "outputs")
    try:
        (values,) = chain.web3.codec.decode(types, code[cut + len(tail) :])
        config = configuration_from(values)
        clean = chain.web3.codec.encode(types, [values])
    except (ValueError, OverflowError, ConfigurationError) as error:
        raise _other_code("federation", address, "a clone that carries a configuration", code) from error
    implementation = code[len(head) : cut]
    if code != head + implementation + tail + clean:
        raise _other_code("federation", address, "a clone that carries a configuration", code)
    return Address(chain.web3.to_checksum_address("0x" + implementation.hex())), config


def require_code(chain: Chain, name: str, address: Address) -> None:
    """Checks that a contract's code is what this version compiles to, with values that its constructor sets.

    Raises:
        Differs: it is not.
    """
    found = chain.code_at(address)
    expected = bytearray.fromhex(artefact(name)["deployedBytecode"].removeprefix("0x"))
    allowed = _immutables(chain, name, address)
    place = expected.find(_IMMUTABLE)
    while place >= 0:
        value = found[place + 1 : place + 33]
        if value in allowed:
            expected[place + 1 : place + 33] = value
        place = expected.find(_IMMUTABLE, place + 33)
    if found != expected:
        raise _other_code(name, address, f"the code of this version of {artefact(name)['contractName']}.sol", found)


def _immutables(chain: Chain, name: str, address: Address) -> set[bytes]:
    if name == "Registry":
        message = Certificate(address, Role.PARTICIPANT, 0).message(chain.chain_id, address)
        # OpenZeppelin's ShortString has the length in its last byte.
        texts = {text.ljust(31, b"\0") + bytes([len(text)]) for text in (b"bcfl Registry", b"1")}
        hashes = {message.header, keccak(b"bcfl Registry"), keccak(b"1")}
        return {word(chain.chain_id), word(address)} | texts | hashes
    if name == "FederationFactory":
        return {word(chain.contract(name, address).call("IMPLEMENTATION"))}
    return {word(address)}


def _other_code(name: str, address: Address, expected: str, code: bytes) -> Differs:
    found = f"{len(code)} bytes of hash 0x{keccak(code).hex()}" if code else "no code"
    return Differs(Difference(0, "deploy", f"code of {name} at {address}", expected, found))


def _types(compiled: Mapping[str, Any], function: str, part: str) -> list[str]:
    (entry,) = (each for each in compiled["abi"] if each["type"] == "function" and each["name"] == function)
    return get_abi_input_types(cast(Any, {**entry, "inputs": entry[part]}))


class Transactions:
    """Holds events against the transactions that emitted them.

    ``indirect`` counts calls that came through another contract: what they asked for is not in their transaction.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.indirect = 0
        self._functions = {
            function_abi_to_4byte_selector(entry): (entry["name"], entry)
            for name in ("Registry", "Federation", "FederationFactory")
            for entry in artefact(name)["abi"]
            if entry["type"] == "function"
        }

    def block_hash(self, number: int) -> bytes:
        """The hash of a block as it is now, whatever it was before."""
        return bytes(self.chain.ask(lambda: self.chain.web3.eth.get_block(number))["hash"])

    def check(self, event: Event, call: Call, within: tuple[int, str]) -> None:
        """Checks that the event's transaction made the call that the event shows, or came through another contract.

        Raises:
            Differs: it made another call.
        """
        round, step = within
        try:
            found: Any = self.chain.ask(lambda: self.chain.web3.eth.get_transaction(HexStr(event.transaction)))
        except TransactionFailed as error:
            what = f"transaction {event.transaction} of {event.name}"
            raise Differs(Difference(round, step, what, f"in block {event.block}", "none")) from error
        if found["blockNumber"] != event.block:
            what = f"block of transaction {event.transaction}"
            raise Differs(Difference(round, step, what, str(found["blockNumber"]), str(event.block)))
        if not call.function and found.get("to") is None:
            return
        if found.get("to") != call.contract:
            self.indirect += 1
            return
        if call.sender is not None and found["from"] != call.sender:
            raise Differs(Difference(round, step, f"sender of {call.function}", str(found["from"]), call.sender))
        self._check_input(bytes(found["input"]), event, call, within)

    def _check_input(self, data: bytes, event: Event, call: Call, within: tuple[int, str]) -> None:
        round, step = within
        name, entry = self._functions.get(data[:4], ("another function", None))
        if name != call.function or entry is None:
            if {name, call.function} == {"renounceRole", "revokeRole"}:
                return  # an administrator gave up a role of its own by taking it from itself
            what = f"call of transaction {event.transaction}"
            raise Differs(Difference(round, step, what, name, f"{event.name}, which {call.function} emits"))
        # Not strict: what a sender pads its input with, the contract does not read.
        arguments = self.chain.web3.codec.decode(get_abi_input_types(entry), data[4:], strict=False)
        for parameter, said, asked in zip(entry["inputs"], call.arguments, arguments, strict=False):
            difference = _first(parameter["name"], parameter, _plain(asked), _plain(said))
            if difference:
                where, expected, found = difference
                raise Differs(Difference(round, step, f"{where} of {call.function}", expected, found))
        if call.function == "register":
            self._check_signature(event, arguments[1], within)

    def _check_signature(self, event: Event, signature: bytes, within: tuple[int, str]) -> None:
        args = event.args
        certificate = Certificate(
            args["participant"], Role(args["role"]), args["expiresAt"], args["encryptionKey"], args["profile"]
        )
        try:
            message = certificate.message(self.chain.chain_id, event.contract)
            signer = str(Account.recover_message(message, signature=signature))
        except (ValueError, BadSignature):
            signer = "no signature"
        if signer != args["certifier"]:
            raise Differs(Difference(*within, "signature of the certificate", args["certifier"], signer))


def _plain(value: Any) -> Any:
    """Decoded values made comparable: sequences as tuples, addresses in lower case."""
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return value.lower() if isinstance(value, str) else value


def _first(name: str, abi: Mapping[str, Any], expected: Any, found: Any) -> tuple[str, str, str] | None:
    """The first place in which two decoded values differ, with what is there."""
    if expected == found:
        return None
    if not isinstance(expected, tuple) or not isinstance(found, tuple):
        last = abi["name"] or name
        return name, shown(last, expected), shown(last, found)
    if len(expected) != len(found):
        return f"number of {name}", str(len(expected)), str(len(found))
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        is_array = abi["type"].endswith("[]")
        inner = {**abi, "type": abi["type"][:-2]} if is_array else abi["components"][index]
        place = f"{name}[{index}]" if is_array else f"{name}.{inner['name']}"
        difference = _first(place, inner, one, other)
        if difference:
            return difference
    return None
