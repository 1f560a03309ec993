"""The chain: connections, calls, transactions, events. The only part that knows web3.

A :class:`Chain` is a connection to one node. A :class:`Contract` encodes calls and decodes events, errors and results
of one of our contracts. :meth:`Chain.send` sees a transaction through: gas with a margin, EIP-1559 fees, the nonce,
replacement when it is stuck, the receipt to a depth, and the contract's custom error as the exception of the same name.
"""

from __future__ import annotations

from bcfl.chain.abi import artefact
from bcfl.chain.connection import Block, Chain, Contract, Event, Receipt, address_of

__all__ = ["Block", "Chain", "Contract", "Event", "Receipt", "address_of", "artefact"]
