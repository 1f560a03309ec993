"""What is due for an account, in every phase."""

from dataclasses import replace

import pytest

from bcfl.due import LATE_VOTE_TURNS, TURNS, Due, Step, due
from bcfl.protocol import Address, Member, Phase, Round
from tests.unit.sample import SAMPLE

ALICE = Address("0x" + "A1" * 20)
CONFIG = replace(
    SAMPLE, max_updates=7, max_qualified=5, train_seconds=100, commit_seconds=10, reveal_seconds=10, vote_seconds=10
)
PACE = 2.5
TRAINER = Member(joined=True)
SEAT = Member(joined=True, seated_round=4, seat=1)
OPEN = Round(number=4, opened_at=1000, capacity=7, seats=3)
COMMIT = replace(OPEN, trained_at=1050, updates=7)
REVEAL = replace(COMMIT, committed=0b111, committed_at=1055)
VOTE = replace(REVEAL, revealed=0b111, revealed_at=1058)


def what(member: Member, round: Round, now: float = 1059, members: int = 10) -> Due:
    return due(ALICE, member, round, CONFIG, members, now, start_members=10, pace=PACE)


@pytest.mark.parametrize(
    ("member", "round", "now", "expected"),
    [
        (Member(), Round(), 1000, Step.JOIN),
        (Member(), OPEN, 1000, Step.JOIN),
        (Member(), replace(OPEN, opened_at=0), 1000, Step.END),
        (TRAINER, replace(OPEN, opened_at=0), 1000, Step.END),
        (TRAINER, Round(), 1000, Step.OPEN),
        (TRAINER, OPEN, 1000, Step.TRAIN),
        (replace(TRAINER, submitted_round=3), OPEN, 1000, Step.TRAIN),
        (replace(TRAINER, submitted_round=4), OPEN, 1000, Step.WAIT),
        (replace(TRAINER, joined_round=4), OPEN, 1000, Step.WAIT),
        (replace(TRAINER, seated_round=3), OPEN, 1000, Step.TRAIN),
        (SEAT, OPEN, 1000, Step.SCORE),
        (SEAT, COMMIT, 1051, Step.COMMIT),
        (TRAINER, COMMIT, 1051, Step.WAIT),
        (SEAT, replace(COMMIT, committed=0b010), 1051, Step.WAIT),
        (SEAT, replace(COMMIT, committed=0b101), 1051, Step.COMMIT),
        (SEAT, REVEAL, 1056, Step.REVEAL),
        (SEAT, replace(REVEAL, committed=0b101, committed_at=0), 1061, Step.WAIT),
        (SEAT, replace(REVEAL, revealed=0b010), 1056, Step.WAIT),
        (SEAT, VOTE, 1059, Step.VOTE),
        (SEAT, replace(VOTE, voted=0b010), 1059, Step.WAIT),
        (TRAINER, VOTE, 1059, Step.WAIT),
        (SEAT, replace(VOTE, voted=0b111, winner=1), 1059, Step.FINALISE),
        (TRAINER, replace(VOTE, voted=0b111, winner=1), 9999, Step.FINALISE),
    ],
)
def test_each_situation_has_its_step(member: Member, round: Round, now: float, expected: Step) -> None:
    assert what(member, round, now).step is expected


def test_first_round_waits_for_the_members_that_the_manifest_asks_for() -> None:
    assert what(TRAINER, Round(), members=9).step is Step.WAIT
    assert what(TRAINER, Round(), members=10).step is Step.OPEN


def test_stalled_round_is_opened_by_anyone_but_not_by_all_at_once() -> None:
    stalled = replace(OPEN, updates=1)
    accounts = [Address(f"0x{number:040x}") for number in range(40)]
    turns = {due(each, TRAINER, stalled, CONFIG, 40, 1100, 10, PACE).after for each in accounts}
    assert len(turns) == TURNS
    assert min(turns) == 0
    assert all(due(each, TRAINER, stalled, CONFIG, 40, 1100, 10, PACE).step is Step.OPEN for each in accounts)


def test_deadline_belongs_to_the_next_phase() -> None:
    short = replace(OPEN, updates=3)
    assert what(SEAT, short, 1099.9).phase is Phase.TRAIN
    assert what(SEAT, short, 1100).phase is Phase.COMMIT
    assert what(SEAT, short, 1100).ends_at == 1110


def test_missing_votes_are_waited_for_before_a_round_is_finalised() -> None:
    early = replace(VOTE, voted=0b011, winner=1)
    assert what(SEAT, early).after == (LATE_VOTE_TURNS + 1) * PACE
    assert what(SEAT, replace(early, voted=0b111)).after == PACE
    assert what(replace(SEAT, seat=0), replace(early, voted=0b111)).after == 0.0
    assert what(TRAINER, replace(early, voted=0b111)).after >= 3 * PACE
