"""On a chain that mines on demand a stalled round stood still: nodes judge what is asked by the time of the last block.

Every participant asked again several times a second, was refused as too early, and none sent what would have made a
block.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import cast

import pytest

from bcfl import errors
from bcfl.clock import await_block
from bcfl.devnet import Chain as Kind
from tests.integration.driver import Driver, running_nodes


@pytest.mark.chain
@pytest.mark.ipfs
@pytest.mark.parametrize("kind", ["anvil", pytest.param("ganache", marks=pytest.mark.ganache)])
def test_a_participant_makes_the_block_by_which_the_round_is_over(kind: str, tmp_path: Path) -> None:
    with running_nodes(tmp_path, cast(Kind, kind)) as nodes:
        driver = Driver(nodes, members=6, train_seconds=1)
        driver.open()
        account = next(iter(driver.accounts.values()))
        time.sleep(1.5)
        seen = nodes.chain.head()
        with pytest.raises(errors.UnexpectedPhase):
            driver.federation.open_round(account)
        assert nodes.chain.head() == seen
        made = await_block(nodes.chain, account, seen, threading.Event(), 0.1)
        assert made is not None
        assert made.gas == 21_000
        driver.federation.open_round(account)
        assert driver.round.number == 2


@pytest.mark.chain
@pytest.mark.ipfs
def test_nothing_is_sent_on_a_chain_that_mines_by_itself(tmp_path: Path) -> None:
    with running_nodes(tmp_path, "anvil", block_time=1) as nodes:
        time.sleep(2)  # for blocks whose intervals tell
        seen = nodes.chain.head()
        assert await_block(nodes.chain, nodes.rich, seen, threading.Event(), 0.1) is None
        assert nodes.chain.head().number == seen.number + 1
