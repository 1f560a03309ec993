"""Following a federation: nothing is read twice, gas and time belong to the round that took them."""

import threading
from typing import cast

from bcfl.cid import Digest
from bcfl.contracts import FederationContract
from bcfl.tracker import Tracker
from tests.unit.recorded import MODEL, START, FakeFederation, events


def tracker(fake: FakeFederation) -> Tracker:
    return Tracker(cast(FederationContract, fake), 0)


def test_every_event_is_read_once() -> None:
    fake = FakeFederation(head=5)
    following = tracker(fake)
    assert [event.name for event in following.look()] == ["ParticipantJoined"] * 6
    assert following.look() == []
    fake.head = len(events())
    assert len(following.look()) == len(events()) - 6
    assert fake.asked == [(0, 5), (6, len(events()))]


def test_a_finalisation_is_paid_by_the_round_that_it_ends() -> None:
    following = tracker(FakeFederation())
    following.look()
    # Opened in two transactions, then four updates, three seats with three steps each, and one that finalises.
    assert following.gas == {0: 700_000, 1: 1_600_000}


def test_a_round_lasts_from_its_first_event_to_its_last() -> None:
    following = tracker(FakeFederation())
    following.look()
    began, ended = following.times[1]
    assert (began, ended) == (START + 7, START + 22)


def test_phase_and_time_left_are_those_of_the_present_round() -> None:
    following = tracker(FakeFederation())
    following.look()
    first, second = following.history.rounds
    assert (following.phase_of(first), following.phase_of(second)) == ("finalised", "Train")
    assert following.seconds_left() == 50


def test_accuracy_is_known_once_it_was_judged() -> None:
    judged, may = [], threading.Event()

    def accuracy_of(digest: Digest) -> float:
        may.wait(5)
        judged.append(digest)
        return 0.93

    following = Tracker(cast(FederationContract, FakeFederation()), 0, accuracy_of)
    following.look()
    assert following.accuracy(1) is None
    assert following.accuracy(2, wait=True) is None
    may.set()
    assert following.accuracy(1, wait=True) == 0.93
    assert judged == [MODEL]
