"""A small federation's configuration, for tests that need one; what a test is about it replaces."""

from bcfl.cid import Digest
from bcfl.protocol import Address, Configuration, Election

SAMPLE = Configuration(
    registry=Address("0x" + "11" * 20),
    manifest=Digest(bytes(32)),
    initial_model=Digest(b"\x11" * 32),
    election=Election.BY_SCORE,
    seats=3,
    quorum=2,
    min_updates=2,
    max_updates=4,
    max_qualified=2,
    min_score=1,
    max_samples=100,
    rounds=2,
    train_seconds=10,
    commit_seconds=20,
    reveal_seconds=30,
    vote_seconds=40,
)
"""Each phase has a length of its own, so that a mix-up shows."""
