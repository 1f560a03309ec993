"""Randomness that is passed in: one seed, one suite of generators, no global state touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch


def seed_of(*parts: str | int) -> int:
    """A seed of 63 bits from anything that names a situation, for example ``(federation, account, round)``."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class RngSuite:
    """The generators for one piece of work, all from one seed."""

    seed: int
    numpy: np.random.Generator
    torch: torch.Generator

    @classmethod
    def from_seed(cls, seed: int) -> RngSuite:
        """A suite from a seed of 0 to 2^63 - 1."""
        return cls(seed, np.random.default_rng(seed), torch.Generator().manual_seed(seed))


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Seed torch's own CPU generator, which layers use for initial weights and dropout, and give its state back
    afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
