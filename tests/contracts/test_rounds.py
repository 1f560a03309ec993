"""Whole rounds, on Anvil and on Ganache: what happens when all act, and when some do not or do wrong."""

from __future__ import annotations

import pytest

from bcfl.protocol import Address, Election, Phase, Role, ScoreVector, Update, pack, submissions_of, unpack
from tests.contracts.conftest import Actors
from tests.contracts.driver import BASE, MODEL, OTHER_MODEL, Consortium, reverts_with

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module", params=["anvil", pytest.param("ganache", marks=pytest.mark.ganache)])
def node_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(consortium: Consortium, actors: Actors) -> Consortium:
    """Seven members, three of them with a seat, in the first round."""
    consortium.join(*actors[1:8])
    consortium.open()
    return consortium


@pytest.fixture
def scored(opened: Consortium) -> Consortium:
    """Four updates and three revealed vectors; the round is in Vote."""
    for trainer in opened.trainers():
        opened.submit(trainer)
    for member in opened.committee():
        opened.commit(member, [30, 10, 40, 20])
    for member in opened.committee():
        opened.reveal(member)
    return opened


@pytest.fixture
def voted(scored: Consortium) -> Consortium:
    """All seats have voted for the same model."""
    for member in scored.committee():
        scored.vote(member)
    return scored


# ---------------------------------------------------------------------- everybody acts


def test_round_in_which_all_act_ends_without_a_deadline(opened: Consortium) -> None:
    trainers = opened.trainers()
    receipt = opened.play([30, 10, 40, 20])
    assert opened.round().number == 2
    assert opened.phase() == Phase.TRAIN
    assert opened.global_model() == MODEL
    finalised = receipt.event("RoundFinalised")
    assert unpack(finalised["medians"]) == [30, 10, 40, 20]
    assert unpack(finalised["qualified"]) == [2, 0, 3, 1]
    assert opened.committee() == [trainers[2], trainers[0], trainers[3]]


def test_committee_is_never_elected_again_for_the_next_round(opened: Consortium) -> None:
    before = set(opened.committee())
    for model in (MODEL, OTHER_MODEL):
        opened.play([1] * len(opened.trainers()), model)
        assert opened.phase() in (Phase.TRAIN, Phase.FINISHED)
        after = set(opened.committee())
        assert len(after) == 3
        assert not before & after
        before = after


def test_last_round_finishes_the_federation(opened: Consortium, actors: Actors) -> None:
    models = [MODEL, OTHER_MODEL, MODEL]
    for model in models:
        opened.play([5] * len(opened.trainers()), model)
    assert opened.phase() == Phase.FINISHED
    assert opened.global_model() == models[-1]
    assert opened.read((opened.federation.finalisedRounds,)) == [3]
    with reverts_with("UnexpectedPhase", 3, Phase.FINISHED, Phase.STALLED):
        opened.open()
    with reverts_with("UnexpectedPhase", 3, Phase.FINISHED, Phase.TRAIN):
        opened.submit(actors.alice)


def test_lottery_ignores_scores(consortium: Consortium, actors: Actors) -> None:
    consortium.create_federation(election=Election.BY_LOTTERY)
    consortium.join(*actors[1:9])
    consortium.open()
    before = set(consortium.committee())
    receipt = consortium.play([50, 40, 30, 20, 10])
    after = consortium.committee()
    assert len(set(after)) == 3
    assert not before & set(after)
    assert receipt.event("CommitteeElected")["seats"] == after


def test_late_joiner_waits_for_the_next_round(opened: Consortium, actors: Actors) -> None:
    opened.join(actors.heidi)
    with reverts_with("NotAMember", 1, actors.heidi):
        opened.submit(actors.heidi)
    opened.play([4, 3, 2, 1])
    assert actors.heidi in opened.trainers()
    opened.submit(actors.heidi)
    assert opened.round().updates == 1


# ---------------------------------------------------------------------- silence


def test_silent_trainers_end_train_at_its_deadline(opened: Consortium) -> None:
    for trainer in opened.trainers()[:2]:
        opened.submit(trainer)
    assert opened.phase() == Phase.TRAIN
    opened.wait_for(Phase.COMMIT)
    assert opened.round().updates == 2


def test_silent_seat_in_commit_is_waited_for_until_the_deadline(opened: Consortium) -> None:
    for trainer in opened.trainers():
        opened.submit(trainer)
    present = opened.committee()[1:]
    for member in present:
        opened.commit(member, [1, 2, 3, 4])
    assert opened.phase() == Phase.COMMIT
    opened.wait_for(Phase.REVEAL)
    with reverts_with("NotCommitted", 1, 0):
        opened.send(opened.committee()[0], opened.federation.revealScores, 1, b"\x01" * 32, pack([1, 2, 3, 4]))
    for member in present:
        opened.reveal(member)
    assert opened.phase() == Phase.VOTE
    for member in present:
        opened.vote(member)
    opened.finalise()
    assert opened.global_model() == MODEL


def test_silent_seat_in_reveal_is_waited_for_until_the_deadline(opened: Consortium) -> None:
    for trainer in opened.trainers():
        opened.submit(trainer)
    committee = opened.committee()
    scores = [[9, 9, 9, 9], [4, 1, 7, 3], [2, 5, 6, 3]]
    for member, vector in zip(committee, scores, strict=True):
        opened.commit(member, vector)
    for member in committee[1:]:
        opened.reveal(member)
    assert opened.phase() == Phase.REVEAL
    opened.wait_for(Phase.VOTE)
    for member in committee:
        opened.vote(member)
    receipt = opened.finalise()
    # Of two vectors the lower counts; the one not revealed does not.
    assert unpack(receipt.event("RoundFinalised")["medians"]) == [2, 1, 6, 3]


def test_silent_seat_in_vote_is_not_waited_for(scored: Consortium) -> None:
    first, second, _ = scored.committee()
    scored.vote(first)
    with reverts_with("QuorumNotReached", 1):
        scored.finalise()
    scored.vote(second)
    scored.finalise()
    assert scored.round().number == 2


def test_too_few_updates_stall_the_round(opened: Consortium) -> None:
    opened.submit(opened.trainers()[0])
    opened.wait_for(Phase.STALLED)
    before = set(opened.committee())
    opened.open()
    assert opened.round().number == 2
    assert opened.global_model() == BASE
    assert not before & set(opened.committee())


def test_one_commitment_stalls_the_round(opened: Consortium) -> None:
    for trainer in opened.trainers():
        opened.submit(trainer)
    opened.commit(opened.committee()[0], [1, 2, 3, 4])
    opened.wait_for(Phase.STALLED)
    opened.open()
    assert opened.round().number == 2


def test_one_revealed_vector_stalls_the_round(opened: Consortium) -> None:
    for trainer in opened.trainers():
        opened.submit(trainer)
    for member in opened.committee():
        opened.commit(member, [1, 2, 3, 4])
    opened.reveal(opened.committee()[0])
    opened.wait_for(Phase.STALLED)


def test_votes_for_different_models_stall_the_round(scored: Consortium) -> None:
    first, second, third = scored.committee()
    for member, model in ((first, MODEL), (second, OTHER_MODEL), (third, BASE)):
        scored.vote(member, model)
    with reverts_with("QuorumNotReached", 1):
        scored.finalise()
    scored.wait_for(Phase.STALLED)
    scored.open()
    assert scored.global_model() == BASE


def test_anyone_opens_after_a_stall_and_nobody_before(opened: Consortium, actors: Actors) -> None:
    with reverts_with("UnexpectedPhase", 1, Phase.TRAIN, Phase.STALLED):
        opened.open(actors.mallory)
    opened.wait_for(Phase.STALLED)
    opened.open(actors.mallory)
    assert opened.round().number == 2


def test_model_with_its_quorum_waits_for_whoever_finalises(voted: Consortium, actors: Actors) -> None:
    voted.node.move_to(voted.node.now + 100_000)
    assert voted.phase() == Phase.VOTE
    voted.finalise(actors.mallory)
    assert voted.global_model() == MODEL


# ---------------------------------------------------------------------- false data


def test_majority_vote_wins_over_another_model(scored: Consortium) -> None:
    for member, model in zip(scored.committee(), (OTHER_MODEL, MODEL, MODEL), strict=True):
        scored.vote(member, model)
    scored.finalise()
    assert scored.global_model() == MODEL


def test_seat_votes_once(scored: Consortium) -> None:
    first = scored.committee()[0]
    scored.vote(first)
    with reverts_with("AlreadyVoted", 1, 0):
        scored.vote(first, OTHER_MODEL)


def test_finalising_with_other_updates_reverts(voted: Consortium) -> None:
    true = list(voted.updates)
    lie = Update(true[0].trainer, true[0].digest, true[0].samples + 1)
    for false in (true[:-1], true[::-1], [lie, *true[1:]], [*true, lie], []):
        with reverts_with("WrongUpdates", 1, submissions_of(1, false), submissions_of(1, true)):
            voted.finalise(updates=false)
    voted.finalise()


def test_finalising_with_other_vectors_reverts(voted: Consortium) -> None:
    true = [voted.vectors[seat] for seat in range(3)]
    with reverts_with("WrongVectorCount", 1, 2, 3):
        voted.finalise(vectors=true[:2])
    with reverts_with("WrongVectorCount", 1, 4, 3):
        voted.finalise(vectors=[*true, true[0]])
    with reverts_with("CommitmentMismatch", 1, 0):
        voted.finalise(vectors=true[::-1])
    with reverts_with("CommitmentMismatch", 1, 2):
        voted.finalise(vectors=[*true[:2], ScoreVector(true[2].salt, pack([65535, 0, 0, 0]))])
    with reverts_with("CommitmentMismatch", 1, 2):
        voted.finalise(vectors=[*true[:2], ScoreVector(true[2].salt, true[2].scores[:-2])])
    voted.finalise()


def test_commitment_of_another_seat_cannot_be_revealed(opened: Consortium) -> None:
    for trainer in opened.trainers():
        opened.submit(trainer)
    first, copier, third = opened.committee()
    opened.commit(first, [1, 2, 3, 4])
    commitment = opened.node.logs(opened.federation.address)[-1][0].arguments["commitment"]
    opened.send(copier, opened.federation.commitScores, 1, commitment)
    opened.commit(third, [1, 2, 3, 4])
    opened.reveal(first)
    stolen = opened.vectors[0]
    with reverts_with("CommitmentMismatch", 1, 1):
        opened.send(copier, opened.federation.revealScores, 1, stolen.salt, stolen.scores)


def test_ties_break_alike_whatever_the_order_of_submission(opened: Consortium, actors: Actors) -> None:
    qualified: list[set[Address]] = []
    trainers = opened.trainers()
    for order in (trainers, trainers[::-1]):
        snapshot = opened.node.snapshot()
        for trainer in order:
            opened.submit(trainer)
        updates = list(opened.updates)
        for member in opened.committee():
            opened.commit(member, [7, 7, 7, 7])
        for act in (opened.reveal, opened.vote):
            for member in opened.committee():
                act(member)
        numbers = unpack(opened.finalise().event("RoundFinalised")["qualified"])
        qualified.append({updates[number].trainer for number in numbers[:2]})
        opened.node.revert(snapshot)
    assert qualified[0] == qualified[1]


def test_score_of_zero_never_qualifies(opened: Consortium) -> None:
    receipt = opened.play([0, 0, 5, 0])
    assert unpack(receipt.event("RoundFinalised")["qualified"]) == [2]
    assert len(opened.committee()) == 3


# ---------------------------------------------------------------------- membership ends in mid-round


def test_revoked_trainer_submits_no_more(opened: Consortium) -> None:
    trainer = opened.trainers()[0]
    opened.revoke(trainer)
    with reverts_with("ParticipantNotActive", trainer, 0):
        opened.submit(trainer)


def test_revoked_seat_counts_as_absent(scored: Consortium) -> None:
    revoked, *others = scored.committee()
    scored.revoke(revoked)
    with reverts_with("ParticipantNotActive", revoked, 0):
        scored.vote(revoked)
    for member in others:
        scored.vote(member)
    scored.finalise()
    assert scored.global_model() == MODEL


def test_revoked_trainer_is_not_elected_although_best(opened: Consortium) -> None:
    best, *others = opened.trainers()
    for trainer in (best, *others):
        opened.submit(trainer)
    opened.revoke(best)
    opened.score([90, 1, 1, 1])
    receipt = opened.finalise()
    assert unpack(receipt.event("RoundFinalised")["qualified"])[0] == 0
    assert best not in opened.committee()


def test_expired_participant_acts_again_with_a_later_certificate(opened: Consortium) -> None:
    trainer = opened.trainers()[0]
    ends = opened.node.now + 500
    opened.register(trainer, expires_at=ends)
    opened.node.move_to(ends)
    with reverts_with("ParticipantNotActive", trainer, ends):
        opened.submit(trainer)
    opened.register(trainer)
    opened.submit(trainer)
    assert opened.round().updates == 1


def test_relay_does_not_join(consortium: Consortium, actors: Actors) -> None:
    consortium.register(actors.mallory, Role.RELAY)
    with reverts_with("UnexpectedRole", actors.mallory, Role.RELAY, Role.PARTICIPANT):
        consortium.join(actors.mallory)


def test_later_certificate_keeps_the_role(consortium: Consortium, actors: Actors) -> None:
    consortium.register(actors.mallory, Role.RELAY)
    for account, known, other in (
        (actors.alice, Role.PARTICIPANT, Role.RELAY),
        (actors.mallory, Role.RELAY, Role.PARTICIPANT),
    ):
        with reverts_with("UnexpectedRole", account, other, known):
            consortium.register(account, other)
        consortium.register(account, known)
    consortium.revoke(actors.mallory)
    with reverts_with("AlreadyRevoked", actors.mallory):
        consortium.register(actors.mallory, Role.PARTICIPANT)


def test_certificate_by_a_stranger_is_refused(consortium: Consortium, actors: Actors) -> None:
    stranger = consortium.node.accounts.index(actors.mallory)
    certificate = consortium.certify(actors.mallory, Role.PARTICIPANT, consortium.node.now + 1000, stranger)
    with reverts_with("NotCertifier", actors.mallory):
        consortium.send(actors.mallory, consortium.registry.register, *certificate)


def test_stranger_revokes_nobody(consortium: Consortium, actors: Actors) -> None:
    (role,) = consortium.read((consortium.registry.CERTIFIER_ROLE,))
    with reverts_with("ForeignContractError", "AccessControlUnauthorizedAccount", actors.mallory, bytes(role)):
        consortium.send(actors.mallory, consortium.registry.revoke, actors.alice)


def test_round_needs_two_committees_of_members(consortium: Consortium, actors: Actors) -> None:
    consortium.join(*actors[1:6])
    with reverts_with("TooFewMembers", 5, 6):
        consortium.open()
    consortium.join(actors.frank)
    consortium.open()
    assert consortium.phase() == Phase.TRAIN


def test_full_committee_of_fifteen_finalises(consortium: Consortium) -> None:
    consortium.create_federation(seats=15, quorum=10, max_updates=16, max_qualified=10, rounds=2)
    consortium.join(*consortium.node.accounts[1:32])
    consortium.open()
    scores = [1 + 7 * number % 16 for number in range(16)]
    receipt = consortium.play(scores)
    assert unpack(receipt.event("RoundFinalised")["medians"]) == scores
    assert len(set(consortium.committee())) == 15
