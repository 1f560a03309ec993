"""The pure rules: phases, medians, ranking, lotteries, elections, hashes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from bcfl import protocol
from bcfl.cid import Digest
from bcfl.protocol import Address, Lottery, Phase, Round, Update
from tests.unit.sample import SAMPLE

OPENED = Round(number=1, opened_at=1000, capacity=4, seats=3)
TRAINED = replace(OPENED, updates=2)
COMMITTED = replace(TRAINED, committed=0b011)
REVEALED = replace(COMMITTED, revealed=0b011)


def account(number: int) -> Address:
    return Address(to_checksum_address(keccak(number.to_bytes(4, "big"))[-20:]))


# ---------------------------------------------------------------------- phases


@pytest.mark.parametrize(
    ("facts", "time", "phase", "ends_at"),
    [
        (Round(), 5, Phase.NONE, None),
        (OPENED, 1000, Phase.TRAIN, 1010),
        (OPENED, 1009, Phase.TRAIN, 1010),
        (OPENED, 1010, Phase.STALLED, None),
        (TRAINED, 1010, Phase.COMMIT, 1030),
        (TRAINED, 1030, Phase.STALLED, None),
        (COMMITTED, 1029, Phase.COMMIT, 1030),
        (COMMITTED, 1030, Phase.REVEAL, 1060),
        (COMMITTED, 1060, Phase.STALLED, None),
        (REVEALED, 1060, Phase.VOTE, 1100),
        (REVEALED, 1100, Phase.STALLED, None),
        (replace(REVEALED, winner=1), 9999, Phase.VOTE, None),
        (protocol.closed(REVEALED), 1060, Phase.FINISHED, None),
    ],
)
def test_phase_follows_from_facts_and_clock(facts: Round, time: int, phase: Phase, ends_at: int | None) -> None:
    moment = protocol.moment_of(facts, SAMPLE, time)
    assert (moment.phase, moment.ends_at) == (phase, ends_at)
    assert protocol.phase_of(facts, SAMPLE, time) == phase


def test_step_that_ends_early_moves_later_deadlines_forward() -> None:
    early = replace(REVEALED, trained_at=1001, committed_at=1002, revealed_at=1003)
    assert protocol.moment_of(replace(early, committed_at=0, revealed_at=0, committed=0), SAMPLE, 1001).ends_at == 1021
    assert protocol.moment_of(replace(early, revealed_at=0, revealed=0), SAMPLE, 1002).ends_at == 1032
    assert protocol.moment_of(early, SAMPLE, 1003) == protocol.Moment(Phase.VOTE, 1043)


@given(
    times=st.lists(st.integers(1000, 1200), min_size=2, max_size=2),
    updates=st.integers(0, 4),
    committed=st.integers(0, 7),
    revealed=st.integers(0, 7),
)
def test_phase_never_runs_back(times: list[int], updates: int, committed: int, revealed: int) -> None:
    facts = replace(OPENED, updates=updates, committed=committed, revealed=revealed)
    earlier, later = (protocol.phase_of(facts, SAMPLE, time) for time in sorted(times))
    assert earlier <= later


# ---------------------------------------------------------------------- scores


def test_median_of_odd_number_is_the_middle() -> None:
    assert protocol.medians_of([[5, 0], [1, 9], [3, 9]], 2) == [3, 9]


def test_median_of_even_number_is_the_lower_middle() -> None:
    assert protocol.medians_of([[5], [1], [3], [2]], 1) == [2]
    assert protocol.medians_of([[7], [2]], 1) == [2]


@given(st.lists(st.integers(0, 65_535), max_size=20))
def test_packed_scores_come_back(values: list[int]) -> None:
    packed = protocol.pack(values)
    assert len(packed) == 2 * len(values)
    assert protocol.unpack(packed) == values


def test_ranking_is_by_median_and_leaves_out_what_is_below_the_least() -> None:
    trainers = [account(i) for i in range(5)]
    assert protocol.rank([3, 0, 9, 2, 5], trainers, 1, 3, 10) == [2, 4, 0]
    assert protocol.rank([3, 0, 9, 2, 5], trainers, 1, 3, 2) == [2, 4]


@given(st.permutations(list(range(6))), st.integers(1, 2**32 - 1))
def test_ties_break_by_trainer_and_round_alone(order: list[int], round: int) -> None:
    trainers = [account(i) for i in order]
    ranked = [trainers[i] for i in protocol.rank([7] * 6, trainers, round, 1, 6)]
    by_hash = sorted(trainers, key=lambda each: keccak(bytes.fromhex(each[2:]) + round.to_bytes(4, "big")))
    assert ranked == by_hash


def test_ties_fall_differently_in_different_rounds() -> None:
    trainers = [account(i) for i in range(6)]
    assert len({tuple(protocol.rank([7] * 6, trainers, round, 1, 6)) for round in range(1, 20)}) > 10


# ---------------------------------------------------------------------- lotteries and elections


@given(st.binary(min_size=32, max_size=32), st.integers(1, 60))
def test_lottery_draws_every_number_once(seed: bytes, size: int) -> None:
    lottery = Lottery(seed, size)
    assert sorted(lottery.draw() for _ in range(size)) == list(range(size))


def test_lottery_favours_nobody() -> None:
    counts = [0] * 5
    for seed in range(2000):
        counts[Lottery(seed.to_bytes(32, "big"), 5).draw()] += 1
    assert all(330 < count < 470 for count in counts)


def test_candidates_are_seated_before_the_lottery() -> None:
    members = [account(i) for i in range(10)]
    seated = protocol.elect(3, [members[7], members[2]], members, bytes(32), lambda _: True)
    assert seated[:2] == [members[7], members[2]]
    assert len(set(seated)) == 3


def test_ineligible_candidates_are_passed_over() -> None:
    members = [account(i) for i in range(10)]
    barred = {members[7], members[0]}
    seated = protocol.elect(3, [members[7], members[2]], members, bytes(32), lambda each: each not in barred)
    assert seated[0] == members[2]
    assert not barred & set(seated)


def test_election_gives_up_after_its_draws() -> None:
    members = [account(i) for i in range(100)]
    asked: list[Address] = []

    def eligible(each: Address) -> bool:
        asked.append(each)
        return False

    assert protocol.elect(3, [], members, bytes(32), eligible) == []
    assert len(asked) == protocol.DRAWS_PER_SEAT * 3
    assert len(set(asked)) == len(asked)


def test_election_seats_everybody_eligible_when_all_are_drawn() -> None:
    members = [account(i) for i in range(4)]
    assert set(protocol.elect(5, [], members, bytes(32), lambda _: True)) == set(members)


# ---------------------------------------------------------------------- hashes


def test_submissions_depend_on_order_and_on_every_field() -> None:
    first, second = (Update(account(i), Digest(bytes([i]) * 32), 1 + i) for i in range(2))
    others = [
        [second, first],
        [first],
        [replace(first, samples=9), second],
        [replace(first, digest=second.digest), second],
        [replace(first, trainer=second.trainer), second],
    ]
    whole = protocol.submissions_of(1, [first, second])
    assert whole == protocol.append_submission(protocol.submissions_of(1, [first]), second)
    assert whole not in [protocol.submissions_of(1, each) for each in others]
    assert whole != protocol.submissions_of(2, [first, second])


def test_commitment_binds_round_seat_salt_and_scores() -> None:
    made = {
        protocol.commitment_of(*each)
        for each in [
            (1, 0, bytes(32), b"ab"),
            (2, 0, bytes(32), b"ab"),
            (1, 1, bytes(32), b"ab"),
            (1, 0, b"\x01" * 32, b"ab"),
            (1, 0, bytes(32), b"ac"),
        ]
    }
    assert len(made) == 5


def test_seed_depends_on_every_salt_and_on_the_block() -> None:
    salts = [b"\x01" * 32, b"\x02" * 32]
    seeds = {
        protocol.seed_of_finalising(salts, 5, 2),
        protocol.seed_of_finalising(salts[::-1], 5, 2),
        protocol.seed_of_finalising(salts[:1], 5, 2),
        protocol.seed_of_finalising(salts, 6, 2),
        protocol.seed_of_finalising(salts, 5, 3),
        protocol.seed_of_opening(5, bytes(32), 2),
        protocol.seed_of_opening(5, b"\x01" * 32, 2),
    }
    assert len(seeds) == 7


# ---------------------------------------------------------------------- the rest


def test_seats_of_a_set_are_in_order() -> None:
    assert protocol.seats_of(0b1000_0000_0010_1001 & 0x7FFF) == [0, 3, 5]


@pytest.mark.parametrize(("seats", "updates", "needed"), [(3, 2, 6), (3, 5, 8), (1, 1, 2)])
def test_members_needed_are_a_committee_and_its_successors_or_enough_trainers(
    seats: int, updates: int, needed: int
) -> None:
    assert protocol.members_needed(replace(SAMPLE, seats=seats, min_updates=updates)) == needed


@pytest.mark.parametrize(("members", "capacity"), [(5, 2), (50, 4)])
def test_capacity_is_what_can_come_at_most(members: int, capacity: int) -> None:
    assert protocol.opened(7, 1000, SAMPLE, members, 3).capacity == capacity


def test_phase_is_written_as_in_the_contracts() -> None:
    assert [str(phase) for phase in Phase] == ["None", "Train", "Commit", "Reveal", "Vote", "Stalled", "Finished"]
