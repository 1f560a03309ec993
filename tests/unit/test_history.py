"""A history is the fold of a federation's events."""

from dataclasses import replace

import pytest

from bcfl import errors
from bcfl.history import History
from tests.unit.recorded import CHEATER, CONFIG, MEMBERS, MODEL, events


def test_the_history_tells_members_committees_and_outcomes() -> None:
    history = History.of(events())
    first, second = history.rounds
    assert history.members == MEMBERS
    assert (first.committee, first.capacity, first.finalised, first.model) == (MEMBERS[:3], 4, True, MODEL)
    assert [update.samples for update in first.updates] == [1000, 1001, 1002, 1003]
    assert first.medians == [500, 3, 700, 600]
    assert first.qualified == [2, 3, 0]
    assert first.scores() == {seat: [500, 3, 700, 600] for seat in range(3)}
    assert history.next_committee(1) == second.committee
    assert history.next_committee(2) == []
    assert not second.finalised


def test_the_transactions_of_a_round_are_listed_by_step() -> None:
    found = History.of(events()).rounds[0].transactions()
    assert {step: len(hashes) for step, hashes in found.items()} == {
        "submit": 4,
        "commit": 3,
        "reveal": 3,
        "vote": 3,
        "finalise": 1,
    }


@pytest.mark.parametrize(
    ("medians", "qualified", "reason"),
    [
        ([500, 0, 700, 600], [2, 3, 0], "unavailable or invalid (median 0)"),
        ([500, 3, 700, 600], [2, 3, 0], "median 3 is below the 100 that qualifies"),
        ([500, 400, 700, 600], [2, 3, 0], "median 400 is not among the best 3"),
    ],
)
def test_a_refusal_says_why(medians: list[int], qualified: list[int], reason: str) -> None:
    record = History.of(events()).rounds[0]
    record.medians, record.qualified = medians, qualified
    assert record.refusals(replace(CONFIG, max_qualified=3)) == {CHEATER: reason}


def test_events_that_begin_in_the_middle_are_refused() -> None:
    later = [event for event in events() if event.name == "RoundFinalised"]
    with pytest.raises(errors.WrongVersion, match="the events of round 1 begin in the middle"):
        History.of(later)
