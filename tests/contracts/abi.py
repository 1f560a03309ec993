"""Custom errors and events as the contracts' committed ABIs describe them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bcfl import errors

FOLDER = Path(__file__).resolve().parents[2] / "bcfl" / "abi"
RECORDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class Event(NamedTuple):
    """One decoded log."""

    name: str
    arguments: dict[str, Any]


def entries(kind: str) -> dict[str, dict[str, Any]]:
    """All entries of a kind (``event``, ``error``) in all contracts, by name."""
    return {each["name"]: each for record in RECORDS.values() for each in record["abi"] if each["type"] == kind}


def types_of(inputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The types of parameters, tuples written out."""
    return [collapse_if_tuple(dict(each)) for each in inputs]


def _hash_of(entry: Mapping[str, Any]) -> bytes:
    return keccak(text=f"{entry['name']}({','.join(types_of(entry['inputs']))})")


_ERRORS = {_hash_of(entry)[:4]: entry for entry in entries("error").values()}
_EVENTS = {_hash_of(entry): entry for entry in entries("event").values()}


def _value(entry: Mapping[str, Any], value: Any) -> Any:
    if entry["type"] == "address":
        return to_checksum_address(value)
    if entry["type"] == "address[]":
        return [to_checksum_address(each) for each in value]
    if entry["type"] == "tuple":
        return tuple(_value(each, part) for each, part in zip(entry["components"], value, strict=True))
    return value


def _values(inputs: list[dict[str, Any]], data: bytes) -> dict[str, Any]:
    values = decode(types_of(inputs), data)
    return {each["name"]: _value(each, value) for each, value in zip(inputs, values, strict=True)}


def decode_error(data: bytes) -> errors.ContractError:
    """The exception of a revert's data."""
    entry = _ERRORS.get(data[:4])
    if entry is None:
        return errors.ForeignContractError({"name": f"0x{data.hex()}"})
    arguments = _values(entry["inputs"], data[4:])
    kind = getattr(errors, entry["name"], None)
    if kind is None:
        return errors.ForeignContractError({"name": entry["name"], **arguments})
    made: errors.ContractError = kind(arguments)
    return made


def decode_event(topics: list[bytes], data: bytes) -> Event:
    """A log's event. A log of none of our events is an error of the test."""
    entry = _EVENTS[bytes(topics[0])]
    indexed = [each for each in entry["inputs"] if each["indexed"]]
    plain = [each for each in entry["inputs"] if not each["indexed"]]
    return Event(entry["name"], _values(indexed, b"".join(topics[1:])) | _values(plain, data))
