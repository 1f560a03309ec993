"""The chain's clock where it stands still: nodes judge what they are asked by the time of the last block."""

from __future__ import annotations

import threading
from itertools import pairwise
from statistics import median

from eth_account.signers.local import LocalAccount

from bcfl.chain import Block, Chain, Receipt
from bcfl.protocol import Address

BLOCKS = 5
"""Whose intervals say whether a chain mines by itself."""

LEAST_TURN_SECONDS, MOST_TURN_SECONDS = 1.0, 30.0
"""A chain that mines on demand has long pauses that say nothing of how fast it mines."""


def await_block(
    chain: Chain, account: LocalAccount, seen: Block, stop: threading.Event, look_seconds: float
) -> Receipt | None:
    """Until a block follows the one seen, or ``stop`` is set.

    A chain that mines on demand may have none for ever: when it is later than a chain that mines by itself would be,
    the account sends nothing to itself, and the block of that comes. Returns the receipt, if it did.

    Raises:
        ChainUnreachable, InsufficientFunds, TransactionFailed: what their names say.
    """
    latest = seen.timestamp + usual_wait(chain, seen.number)
    while not stop.is_set() and chain.head().hash == seen.hash:
        if chain.now() > latest:
            return chain.send(account, b"", Address(account.address))
        stop.wait(look_seconds)
    return None


def turn_seconds(chain: Chain, head: int) -> float:
    """Seconds after which a transaction sent now is in a block that everyone has seen."""
    return min(MOST_TURN_SECONDS, max(LEAST_TURN_SECONDS, 1.5 * median(_intervals(chain, head))))


def usual_wait(chain: Chain, head: int) -> float:
    """Seconds within which a chain that mines by itself has its next block, by the shortest of its last intervals."""
    return 1.0 + 2 * min(_intervals(chain, head))


def _intervals(chain: Chain, head: int) -> list[int]:
    """Seconds between the last blocks; one zero before there are two."""
    times = [chain.block(number).timestamp for number in range(max(0, head - BLOCKS), head + 1)]
    return [after - before for before, after in pairwise(times)] or [0]
