"""A mined transaction that was only not deep enough yet was replaced again and again, and the send failed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from eth_account import Account

from bcfl.chain import Chain, connection
from bcfl.protocol import Address
from tests.integration.driver import running_nodes

pytestmark = pytest.mark.chain


def test_depth_is_waited_for_however_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STUCK_SECONDS", 0.2)
    with running_nodes(tmp_path, "anvil") as nodes:
        deep = Chain(nodes.chain.url, confirmations=2)
        later = [threading.Timer(seconds, nodes.request, ("evm_mine",)) for seconds in (1.5, 3.0)]
        for timer in later:
            timer.start()
        before = nodes.chain.web3.eth.get_transaction_count(nodes.rich.address)
        receipt = deep.send(nodes.rich, b"", Address(Account.create().address), value=1)
        for timer in later:
            timer.join()
        assert nodes.chain.web3.eth.get_transaction_count(nodes.rich.address, "pending") == before + 1
        assert nodes.chain.head().number >= receipt.block + 2
