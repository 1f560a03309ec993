"""What Python says of the contracts is what the contracts say: names, orders and fields. No chain is needed."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from bcfl import errors, protocol
from tests.contracts.abi import RECORDS, entries

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
ERRORS_LIB = (CONTRACTS / "libraries" / "ErrorsLib.sol").read_text()
EVENTS_LIB = (CONTRACTS / "libraries" / "EventsLib.sol").read_text()
INTERFACES = "".join(path.read_text() for path in sorted((CONTRACTS / "interfaces").glob("*.sol")))
OUR_ERRORS = re.findall(r"^\s*error (\w+)\(", ERRORS_LIB, re.M)
OUR_EVENTS = re.findall(r"^\s*event (\w+)\(", EVENTS_LIB, re.M)
OPENZEPPELIN = re.compile(
    r"AccessControl|ECDSA|FailedDeployment|InsufficientBalance|InvalidShortString|StringTooLong|Clone"
)


def _error_classes() -> list[str]:
    return [
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, errors.ContractError) and each is not errors.ContractError
    ]


def test_every_error_of_the_contracts_has_a_class_in_their_order() -> None:
    assert _error_classes() == [*OUR_ERRORS, "ForeignContractError"]


def test_every_error_in_an_abi_is_ours_or_openzeppelins() -> None:
    foreign = set(entries("error")) - set(OUR_ERRORS)
    assert set(OUR_ERRORS) <= set(entries("error"))
    assert [name for name in sorted(foreign) if not OPENZEPPELIN.match(name)] == []


def test_every_error_carries_an_argument() -> None:
    assert [name for name in OUR_ERRORS if not entries("error")[name]["inputs"]] == []


def test_every_event_of_the_library_is_in_an_abi() -> None:
    assert set(OUR_EVENTS) <= set(entries("event"))


def test_every_event_of_a_round_has_the_round_first_and_indexed() -> None:
    federation = {each["name"]: each["inputs"] for each in RECORDS["Federation"]["abi"] if each["type"] == "event"}
    assert {name: (inputs[0]["name"], inputs[0]["indexed"]) for name, inputs in federation.items()} == dict.fromkeys(
        federation, ("round", True)
    )


@pytest.mark.parametrize("kind", [protocol.Phase, protocol.Election, protocol.Role])
def test_enumeration_has_the_values_of_the_contracts(kind: type[IntEnum]) -> None:
    found = re.search(rf"^enum {kind.__name__} {{(.*?)}}", INTERFACES, re.M | re.S)
    assert found
    names = [name.strip() for name in found[1].split(",")]
    assert [(_snake(name).upper(), value) for value, name in enumerate(names)] == [(m.name, m.value) for m in kind]


@pytest.mark.parametrize(
    ("kind", "contract", "function"),
    [
        (protocol.Configuration, "FederationFactory", "createFederation"),
        (protocol.Configuration, "Federation", "configuration"),
        (protocol.Round, "Federation", "currentRound"),
        (protocol.Member, "Federation", "memberOf"),
        (protocol.Update, "Federation", "finaliseRound"),
        (protocol.ScoreVector, "Federation", "finaliseRound"),
    ],
)
def test_record_has_the_fields_of_the_struct(kind: Any, contract: str, function: str) -> None:
    (entry,) = (each for each in RECORDS[contract]["abi"] if each.get("name") == function)
    structs = {
        each["internalType"].removeprefix("struct ").removesuffix("[]"): each["components"]
        for each in [*entry["inputs"], *entry["outputs"]]
        if "components" in each
    }
    components = structs[kind.__name__]
    assert [_snake(each["name"]) for each in components] == [each.name for each in fields(kind)]


def test_bounds_are_those_of_the_contracts() -> None:
    assert re.search(rf"MAX_SEATS = {protocol.MAX_SEATS};", INTERFACES)
    library = (CONTRACTS / "libraries" / "ConfigurationLib.sol").read_text()
    assert re.search(rf"DRAWS_PER_SEAT = {protocol.DRAWS_PER_SEAT};", library)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
