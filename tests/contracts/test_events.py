"""Events alone rebuild the state (R9): random histories, replayed from their logs, end where the contracts are."""

from __future__ import annotations

import os

import pytest

from tests.contracts.driver import Consortium
from tests.contracts.replay import Replay
from tests.contracts.test_stateful import PROFILES, FederationMachine, run

pytestmark = pytest.mark.chain


class ReplayedMachine(FederationMachine):
    """Histories as in the stateful test; what is compared is the state rebuilt at the end of each."""

    def compare(self) -> None:
        """Not after each step."""

    def teardown(self) -> None:
        try:
            if self.snapshot:
                self.rebuild()
        finally:
            super().teardown()

    def rebuild(self) -> None:
        contracts = (self.chain.factory, self.chain.registry, self.chain.federation)
        rebuilt = Replay(self.node).run(*(contract.address for contract in contracts))
        assert rebuilt == self.model
        self.model = rebuilt
        super().compare()


def test_state_is_rebuilt_from_events_alone(deployed: Consortium) -> None:
    examples, steps = PROFILES[os.environ.get("BCFL_HYPOTHESIS", "dev")]
    run(ReplayedMachine, deployed, examples // 2, steps)


def test_replay_of_finished_federation_gives_every_fact(consortium: Consortium) -> None:
    consortium.join(*consortium.node.accounts[1:9])
    consortium.open()
    for scores in ([3, 1, 2, 5, 4], [1, 1, 1, 1, 1], [0, 0, 7, 0, 9]):
        consortium.play(scores)
    replay = Replay(consortium.node)
    contracts = (consortium.factory, consortium.registry, consortium.federation)
    rebuilt = replay.run(*(contract.address for contract in contracts))
    assert rebuilt.round == consortium.round()
    assert rebuilt.global_model == consortium.global_model()
    assert rebuilt.committee == consortium.committee()
    assert {each: consortium.member(each) for each in rebuilt.members} == rebuilt.member_of
    # 1 creation, 8 registrations, 8 joins; a round opens with 2 events, takes 5 updates, 3 times 3 acts of the
    # committee, and ends with 1.
    assert replay.events == 1 + 8 + 8 + 3 * (2 + 5 + 9 + 1)
