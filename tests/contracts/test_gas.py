"""The gas of every call is on record, and a change of it is a decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts import gas
from tests.contracts.nodes import running_node

EIP_7825_CAP = 16_777_216
EIP_170_BYTES = 24_576


@pytest.mark.chain
def test_gas_is_what_is_on_record(project: Any) -> None:
    with running_node("anvil", gas.ACCOUNTS) as node:
        moved = gas.drift(gas.read(), gas.measure(project, node))
    assert not moved, "gas moved; `make gas` puts the new figures on record:\n" + "\n".join(moved)


def test_every_contract_on_record_may_be_deployed() -> None:
    sizes = {sentence: figure for sentence, figure in gas.read().items() if sentence.startswith("bytes of")}
    assert len(sizes) == 3
    assert [sentence for sentence, size in sizes.items() if size > EIP_170_BYTES] == []


def test_every_call_on_record_fits_one_transaction() -> None:
    calls = {sentence: figure for sentence, figure in gas.read().items() if not sentence.startswith("a whole round")}
    assert [sentence for sentence, figure in calls.items() if figure > EIP_7825_CAP] == []


def test_drift_names_the_sentence_and_by_how_much_it_moved() -> None:
    moved = gas.drift({"vote": 50_000, "join": 9}, {"vote": 51_000, "open": 7})
    assert moved == [
        "join: 9 on record, not measured any more",
        "open: 7, not on record",
        "vote: 50,000 -> 51,000 (+1,000, +2.0 %)",
    ]
