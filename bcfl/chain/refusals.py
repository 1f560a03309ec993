"""What nodes say when they refuse, as exceptions of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from eth_utils.conversions import to_bytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception

from bcfl import errors
from bcfl.chain.abi import error_abis
from bcfl.chain.transport import shown


def _revert_data(error: Web3Exception) -> bytes | None:
    """The bytes that a contract reverted with: each node hands them over in a place of its own."""
    data: Any = getattr(error, "data", None)
    if isinstance(data, Mapping):  # Ganache
        data = data.get("result") or data.get("data")
    if isinstance(data, str):
        hexadecimal = data[data.find("0x") :] if "0x" in data else ""
        try:
            return to_bytes(hexstr=HexStr(hexadecimal)) if hexadecimal else None
        except ValueError:
            return None
    return bytes(data) if isinstance(data, bytes) else None


def contract_error(error: ContractLogicError) -> errors.ChainError:
    """The exception of a custom error's name, with its arguments."""
    data = _revert_data(error)
    entry = error_abis().get(data[:4]) if data else None
    if data is None or entry is None:
        return errors.TransactionFailed(f"the contract refuses the call: {str(error.message)[:200]}")
    try:
        values = Web3().codec.decode([each["type"] for each in entry["inputs"]], data[4:])
    except (DecodingError, ValueError, OverflowError) as problem:
        raise errors.WrongVersion("the contract's error does not have the form that this version knows") from problem
    arguments = {each["name"]: value for each, value in zip(entry["inputs"], values, strict=True)}
    for each in entry["inputs"]:
        if each["type"] == "address":
            arguments[each["name"]] = to_checksum_address(arguments[each["name"]])
    found = getattr(errors, entry["name"], None)
    if isinstance(found, type) and issubclass(found, errors.ContractError):
        return found(arguments)
    return errors.ForeignContractError({"name": entry["name"], **arguments})


def node_error(error: Web3Exception, url: str) -> errors.ChainError:
    """Any other refusal of a node."""
    text = str(getattr(error, "message", None) or error)
    if "insufficient funds" in text.lower() or "doesn't have enough funds" in text.lower():
        return errors.InsufficientFunds("the account has not enough ether for the gas of this transaction")
    if isinstance(error, TransactionNotFound):
        return errors.TransactionFailed("transaction not found")
    return errors.TransactionFailed(f"the node at {shown(url)} refuses: {text[:200]}")
