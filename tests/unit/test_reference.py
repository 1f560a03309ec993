"""The reference state machine without a chain: whole rounds, and every error that it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from bcfl import errors
from bcfl.cid import Digest
from bcfl.protocol import (
    Address,
    Phase,
    Role,
    ScoreVector,
    Update,
    commitment_of,
    pack,
    phase_of,
    submissions_of,
)
from bcfl.reference import Federation, Registry
from tests.unit.sample import SAMPLE

NOW = 1000
LATER = 10**9
BASE = SAMPLE.initial_model
MODEL = Digest(b"\x22" * 32)
OTHER = Digest(b"\x33" * 32)
PARENT = b"\x44" * 32


def account(number: int) -> Address:
    return Address(f"0x{number + 1:040x}")


MEMBERS = [account(i) for i in range(7)]


@contextmanager
def raises(kind: type[errors.ContractError], *arguments: Any) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    assert tuple(caught.value.arguments.values()) == arguments


def joined(**changes: Any) -> Federation:
    federation = Federation(replace(SAMPLE, **changes), Registry())
    for member in MEMBERS:
        federation.registry.register(member, Role.PARTICIPANT, LATER, NOW)
        federation.join(member, NOW)
    return federation


@pytest.fixture
def federation() -> Federation:
    opened = joined()
    opened.open_round(NOW, 1, PARENT)
    return opened


def trainers_of(federation: Federation) -> list[Address]:
    return [each for each in federation.members if each not in federation.committee]


def train(federation: Federation, count: int = 4) -> list[Update]:
    number = federation.round.number
    updates = [Update(each, Digest(each.encode()[:32]), 10) for each in trainers_of(federation)[:count]]
    for each in updates:
        federation.submit_update(each.trainer, number, federation.global_model, each.digest, each.samples, NOW)
    return updates


def score(federation: Federation, scores: list[list[int]]) -> list[ScoreVector]:
    number = federation.round.number
    vectors = [ScoreVector(bytes([seat + 1]) * 32, pack(each)) for seat, each in enumerate(scores)]
    for seat, vector in enumerate(vectors):
        commitment = commitment_of(number, seat, vector.salt, vector.scores)
        federation.commit_scores(federation.committee[seat], number, commitment, NOW)
    for seat, vector in enumerate(vectors):
        federation.reveal_scores(federation.committee[seat], number, vector.salt, vector.scores, NOW)
    return vectors


def vote(federation: Federation, *models: Digest) -> None:
    for member, model in zip(federation.committee, models, strict=False):
        federation.submit_vote(member, federation.round.number, model, NOW)


# ---------------------------------------------------------------------- rounds


def test_round_elects_the_best_trainers_and_takes_the_model_with_the_quorum(federation: Federation) -> None:
    updates = train(federation)
    vectors = score(federation, [[1, 5, 3, 0], [2, 5, 9, 0], [3, 4, 6, 1]])
    vote(federation, OTHER, MODEL, MODEL)
    done = federation.finalise_round(1, updates, vectors, NOW, 1)
    assert done.medians == (2, 5, 6, 0)
    assert done.qualified == (2, 1)
    assert done.model == federation.global_model == MODEL
    assert federation.committee[:2] == [updates[2].trainer, updates[1].trainer]
    assert (federation.round.number, federation.round.opened_at) == (2, NOW)


def test_last_round_finishes_the_federation(federation: Federation) -> None:
    for _ in range(2):
        updates = train(federation)
        vectors = score(federation, [[1] * len(updates)] * 3)
        vote(federation, MODEL, MODEL)
        federation.finalise_round(federation.round.number, updates, vectors, NOW, 1)
    assert federation.finalised == 2
    assert phase_of(federation.round, federation.config, LATER) == Phase.FINISHED
    with raises(errors.UnexpectedPhase, 2, Phase.FINISHED, Phase.STALLED):
        federation.open_round(LATER - 1, 1, PARENT)


def test_stalled_round_is_followed_by_one_with_a_fresh_committee(federation: Federation) -> None:
    before = set(federation.committee)
    stalled_at = NOW + SAMPLE.train_seconds
    federation.open_round(stalled_at, 2, PARENT)
    assert federation.round.number == 2
    assert federation.global_model == BASE
    assert not before & set(federation.committee)


def test_revoked_trainer_is_not_elected(federation: Federation) -> None:
    updates = train(federation)
    vectors = score(federation, [[9, 1, 1, 1]] * 3)
    vote(federation, MODEL, MODEL)
    federation.registry.revoke(updates[0].trainer)
    done = federation.finalise_round(1, updates, vectors, NOW, 1)
    assert done.qualified[0] == 0
    assert updates[0].trainer not in federation.committee


def test_fewer_seats_than_the_quorum_never_complete_a_phase() -> None:
    federation = joined()
    for member in MEMBERS[:6]:
        federation.registry.revoke(member)
    federation.open_round(NOW, 1, PARENT)
    assert federation.committee in ([], [MEMBERS[6]])
    assert federation.round.committed_at == 0


# ---------------------------------------------------------------------- errors, in the order of the contracts


def test_registry_refuses_what_the_contract_refuses() -> None:
    registry = Registry()
    alice = MEMBERS[0]
    with raises(errors.CertificateWithoutRole, alice):
        registry.register(alice, Role.NONE, LATER, NOW)
    with raises(errors.CertificateExpired, alice, NOW):
        registry.register(alice, Role.PARTICIPANT, NOW, NOW)
    registry.register(alice, Role.PARTICIPANT, LATER, NOW)
    assert registry.expiry_of(alice) == LATER
    registry.revoke(alice)
    assert registry.expiry_of(alice) == 0
    with raises(errors.AlreadyRevoked, alice):
        registry.revoke(alice)
    with raises(errors.AlreadyRevoked, alice):
        registry.register(alice, Role.PARTICIPANT, LATER, NOW)


def test_registry_lets_nobody_change_its_role() -> None:
    registry = Registry()
    alice, relay = MEMBERS[:2]
    for account, role, other in ((alice, Role.PARTICIPANT, Role.RELAY), (relay, Role.RELAY, Role.PARTICIPANT)):
        registry.register(account, role, LATER, NOW)
        with raises(errors.UnexpectedRole, account, other, role):
            registry.register(account, other, LATER + 1, NOW)
        with raises(errors.CertificateExpired, account, NOW):
            registry.register(account, other, NOW, NOW)
        assert registry.expiry_of(account) == LATER
        registry.register(account, role, LATER + 1, NOW)
        assert (registry.expiry_of(account), registry.roles[account]) == (LATER + 1, role)
    registry.revoke(alice)
    with raises(errors.AlreadyRevoked, alice):
        registry.register(alice, Role.RELAY, LATER, NOW)


def test_only_active_participants_join_and_once(federation: Federation) -> None:
    stranger, relay = account(50), account(51)
    with raises(errors.ParticipantNotActive, stranger, 0):
        federation.join(stranger, NOW)
    federation.registry.register(relay, Role.RELAY, LATER, NOW)
    with raises(errors.UnexpectedRole, relay, Role.RELAY, Role.PARTICIPANT):
        federation.join(relay, NOW)
    with raises(errors.AlreadyJoined, MEMBERS[0]):
        federation.join(MEMBERS[0], NOW)


def test_round_does_not_open_before_time_nor_without_members(federation: Federation) -> None:
    with raises(errors.UnexpectedPhase, 1, Phase.TRAIN, Phase.STALLED):
        federation.open_round(NOW, 1, PARENT)
    with raises(errors.TooFewMembers, 7, 30):
        joined(seats=15).open_round(NOW, 1, PARENT)


def test_update_is_refused_for_each_of_its_faults(federation: Federation) -> None:
    trainer, late, seated = trainers_of(federation)[0], account(60), federation.committee[0]
    federation.registry.register(late, Role.PARTICIPANT, LATER, NOW)
    federation.join(late, NOW)
    with raises(errors.UnexpectedPhase, 2, Phase.NONE, Phase.TRAIN):
        federation.submit_update(trainer, 2, BASE, MODEL, 1, NOW)
    federation.registry.register(trainer, Role.PARTICIPANT, NOW + 1, NOW)
    with raises(errors.ParticipantNotActive, trainer, NOW + 1):
        federation.submit_update(trainer, 1, BASE, MODEL, 1, NOW + 1)
    with raises(errors.NotAMember, 1, late):
        federation.submit_update(late, 1, BASE, MODEL, 1, NOW)
    with raises(errors.SeatedInRound, 1, seated):
        federation.submit_update(seated, 1, BASE, MODEL, 1, NOW)
    with raises(errors.WrongBase, 1, OTHER, BASE):
        federation.submit_update(trainer, 1, OTHER, MODEL, 1, NOW)
    for samples in (0, 101):
        with raises(errors.SamplesOutOfRange, 1, samples, 100):
            federation.submit_update(trainer, 1, BASE, MODEL, samples, NOW)
    federation.submit_update(trainer, 1, BASE, MODEL, 100, NOW)
    with raises(errors.AlreadySubmitted, 1, trainer):
        federation.submit_update(trainer, 1, BASE, MODEL, 1, NOW)


def test_seat_commits_once_and_nobody_else(federation: Federation) -> None:
    train(federation)
    stranger = trainers_of(federation)[0]
    with raises(errors.NotSeated, 1, stranger):
        federation.commit_scores(stranger, 1, bytes(32), NOW)
    federation.commit_scores(federation.committee[1], 1, bytes(32), NOW)
    with raises(errors.AlreadyCommitted, 1, 1):
        federation.commit_scores(federation.committee[1], 1, bytes(32), NOW)


def test_seat_reveals_what_it_committed_and_once(federation: Federation) -> None:
    train(federation)
    first, second, third = federation.committee
    vector = ScoreVector(b"\x01" * 32, pack([1, 2, 3, 4]))
    for seat, member in enumerate((first, second)):
        federation.commit_scores(member, 1, commitment_of(1, seat, vector.salt, vector.scores), NOW)
    then = NOW + SAMPLE.commit_seconds
    with raises(errors.NotCommitted, 1, 2):
        federation.reveal_scores(third, 1, vector.salt, vector.scores, then)
    with raises(errors.WrongVectorLength, 1, 6, 8):
        federation.reveal_scores(first, 1, vector.salt, vector.scores[:6], then)
    with raises(errors.CommitmentMismatch, 1, 0):
        federation.reveal_scores(first, 1, b"\x02" * 32, vector.scores, then)
    federation.reveal_scores(first, 1, vector.salt, vector.scores, then)
    with raises(errors.AlreadyRevealed, 1, 0):
        federation.reveal_scores(first, 1, vector.salt, vector.scores, then)


def test_finalising_needs_a_quorum_and_true_data(federation: Federation) -> None:
    updates = train(federation)
    vectors = score(federation, [[1, 2, 3, 4]] * 3)
    vote(federation, MODEL)
    with raises(errors.AlreadyVoted, 1, 0):
        vote(federation, OTHER)
    with raises(errors.QuorumNotReached, 1):
        federation.finalise_round(1, updates, vectors, NOW, 1)
    federation.submit_vote(federation.committee[1], 1, MODEL, NOW)
    before = replace(federation.round)
    turned = updates[::-1]
    with raises(errors.WrongUpdates, 1, submissions_of(1, turned), federation.submissions):
        federation.finalise_round(1, turned, vectors, NOW, 1)
    with raises(errors.WrongVectorCount, 1, 2, 3):
        federation.finalise_round(1, updates, vectors[:2], NOW, 1)
    with raises(errors.CommitmentMismatch, 1, 0):
        federation.finalise_round(1, updates, vectors[::-1], NOW, 1)
    assert federation.round == before
    assert federation.global_model == BASE
