"""The compiled contracts, as the package ships them."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, cast

from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector

CONTRACTS = ("Registry", "Federation", "FederationFactory")


@cache
def artefact(name: str) -> dict[str, Any]:
    """The compiled contract ``name``: ``abi``, ``bytecode`` and the rest of its file in ``bcfl/abi``."""
    text = resources.files("bcfl").joinpath("abi", f"{name}.json").read_text()
    return cast(dict[str, Any], json.loads(text))


@cache
def error_abis() -> dict[bytes, dict[str, Any]]:
    """Selector to ABI entry of every custom error."""
    entries = [entry for name in CONTRACTS for entry in artefact(name)["abi"] if entry["type"] == "error"]
    return {function_abi_to_4byte_selector(cast(Any, {**entry, "type": "function"})): entry for entry in entries}


@cache
def event_abis() -> dict[bytes, Any]:
    """Topic to ABI entry of every event."""
    entries = [entry for name in CONTRACTS for entry in artefact(name)["abi"] if entry["type"] == "event"]
    return {event_abi_to_log_topic(entry): entry for entry in entries}
