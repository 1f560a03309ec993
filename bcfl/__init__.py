"""Federated learning without a server to trust: Solidity contracts, IPFS and torch."""

__version__ = "0.1.0"
__all__ = ["__version__"]
