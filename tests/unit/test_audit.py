"""The replay of events without a chain: what the rules allow, and what is named where they do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, fields, replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from bcfl.chain import Block, Event
from bcfl.cid import Digest, cid_of
from bcfl.protocol import Address, Configuration, Election, Role, commitment_of, elect, pack, seed_of_opening
from bcfl.replay import ADMIN_ROLE, CERTIFIER_ROLE, Difference, Differs, Replay, require_equal, shown


def address(number: int) -> Address:
    return Address(to_checksum_address(f"0x{number:040x}"))


REGISTRY, FEDERATION, FACTORY, ADMIN, STRANGER = (address(0xA0 + i) for i in range(5))
MEMBERS = [address(0x100 + i) for i in range(4)]
MODEL, NEXT = Digest(b"\x01" * 32), Digest(b"\x02" * 32)
START = 1_000_000
CONFIG = Configuration(
    registry=REGISTRY,
    manifest=Digest(b"\x09" * 32),
    initial_model=MODEL,
    election=Election.BY_SCORE,
    seats=1,
    quorum=1,
    min_updates=1,
    max_updates=3,
    max_qualified=1,
    min_score=1,
    max_samples=100,
    rounds=2,
    train_seconds=100,
    commit_seconds=100,
    reveal_seconds=100,
    vote_seconds=100,
)


class Ledger:
    """Hands a replay events as a chain would: one more block, one second later, a transaction of its own."""

    def __init__(self, config: Configuration = CONFIG) -> None:
        self.replay = Replay(config, FEDERATION)
        self.number = 0
        self.time = START

    def block(self) -> Block:
        return Block(self.number, b"", bytes([self.number % 256]) * 32, self.time, 1000 + self.number)

    def mine(self, seconds: int = 1) -> None:
        self.number += 1
        self.time += seconds
        self.logs = 0

    def emit(self, contract: Address, name: str, **args: Any) -> Any:
        """An event of the current transaction."""
        self.logs += 1
        event = Event(name, args, contract, self.number, self.logs, f"0x{self.number:064x}")
        return self.replay.take(event, self.block())

    def send(self, contract: Address, name: str, **args: Any) -> Any:
        """An event that is the only one of its transaction."""
        self.mine()
        return self.emit(contract, name, **args)

    def found_registry(self) -> None:
        self.mine()
        for role in (ADMIN_ROLE, CERTIFIER_ROLE):
            self.emit(REGISTRY, "RoleGranted", role=role, account=ADMIN, sender=STRANGER)

    def register(self, account: Address, **changes: Any) -> Any:
        args = {
            "participant": account,
            "certifier": ADMIN,
            "role": int(Role.PARTICIPANT),
            "encryptionKey": bytes(32),
            "profile": bytes(32),
            "expiresAt": START + 10_000,
        }
        return self.send(REGISTRY, "ParticipantRegistered", **{**args, **changes})

    def join(self, account: Address, round: int = 0) -> Any:
        return self.send(FEDERATION, "ParticipantJoined", round=round, participant=account)

    def open(self, number: int = 1) -> None:
        self.mine()
        seed = seed_of_opening(self.block().prevrandao, self.block().parent_hash, number)
        self.emit(FEDERATION, "CommitteeElected", round=number, seed=seed, seats=self.elected(seed))
        self.emit(FEDERATION, "RoundOpened", round=number, base=self.replay.federation.global_model, capacity=3)

    def elected(self, seed: bytes) -> list[Address]:
        state = self.replay.federation
        free = [each for each in state.members if state.member_of[each].seated_round == 0]
        return elect(CONFIG.seats, [], state.members, seed, lambda account: account in free)


@pytest.fixture
def ledger() -> Ledger:
    """A registry with four participants, who have joined."""
    made = Ledger()
    made.found_registry()
    for member in MEMBERS:
        made.register(member)
        made.join(member)
    return made


def difference_of(action: Callable[[], object]) -> Difference:
    with pytest.raises(Differs) as caught:
        action()
    assert caught.value.exit_code == 1
    assert caught.value.message == str(caught.value.difference)
    return caught.value.difference


# ---------------------------------------------------------------------- registry


def test_first_grants_are_the_constructors() -> None:
    ledger = Ledger()
    ledger.found_registry()
    assert ledger.replay.holders == {ADMIN_ROLE: {ADMIN}, CERTIFIER_ROLE: {ADMIN}}


def test_registry_that_starts_otherwise_differs() -> None:
    ledger = Ledger()
    found = difference_of(
        lambda: ledger.send(REGISTRY, "RoleGranted", role=CERTIFIER_ROLE, account=ADMIN, sender=ADMIN)
    )
    assert (found.step, found.what) == ("grant", "role of RoleGranted")


@pytest.mark.parametrize("event", ["RoleGranted", "RoleRevoked"])
def test_role_changed_by_a_stranger_differs(ledger: Ledger, event: str) -> None:
    account = ADMIN if event == "RoleRevoked" else STRANGER
    found = difference_of(lambda: ledger.send(REGISTRY, event, role=CERTIFIER_ROLE, account=account, sender=MEMBERS[0]))
    assert (found.what, found.found) == ("sender", MEMBERS[0])


def test_role_granted_twice_differs(ledger: Ledger) -> None:
    grant = {"role": CERTIFIER_ROLE, "account": STRANGER, "sender": ADMIN}
    ledger.send(REGISTRY, "RoleGranted", **grant)
    assert "has the role" in difference_of(lambda: ledger.send(REGISTRY, "RoleGranted", **grant)).expected


def test_former_certifier_certifies_nobody(ledger: Ledger) -> None:
    call = ledger.send(REGISTRY, "RoleRevoked", role=CERTIFIER_ROLE, account=ADMIN, sender=ADMIN)
    assert call.function == "renounceRole"
    found = difference_of(lambda: ledger.register(STRANGER))
    assert (found.step, found.what, found.found) == ("register", "certifier", ADMIN)
    assert (
        difference_of(lambda: ledger.send(REGISTRY, "ParticipantRevoked", participant=STRANGER, certifier=ADMIN)).step
        == "revoke"
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"expiresAt": START}, "CertificateExpired"), ({"role": 0}, "CertificateWithoutRole"), ({"role": 7}, "a role")],
)
def test_certificate_that_the_rules_refuse_differs(ledger: Ledger, changes: dict[str, int], error: str) -> None:
    assert error in difference_of(lambda: ledger.register(STRANGER, **changes)).expected


def test_revoked_participant_does_nothing_more(ledger: Ledger) -> None:
    ledger.register(STRANGER)
    ledger.send(REGISTRY, "ParticipantRevoked", participant=STRANGER, certifier=ADMIN)
    found = difference_of(lambda: ledger.join(STRANGER))
    assert (found.round, found.step) == (0, "join")
    assert "ParticipantNotActive" in found.expected
    assert found.found.startswith("ParticipantJoined(round=0")


def test_relay_does_not_join(ledger: Ledger) -> None:
    ledger.register(STRANGER, role=int(Role.RELAY))
    assert "UnexpectedRole" in difference_of(lambda: ledger.join(STRANGER)).expected


# ---------------------------------------------------------------------- factory


def test_other_configuration_at_creation_differs() -> None:
    ledger = Ledger()
    names = [each.name for each in fields(Configuration)]

    def create(config: Configuration) -> object:
        values = dict(zip(names, astuple(config), strict=True))
        args = {"federation": FEDERATION, "registry": REGISTRY, "creator": STRANGER, "config": values}
        return ledger.send(FACTORY, "FederationCreated", **args)

    create(CONFIG)
    assert difference_of(lambda: create(replace(CONFIG, quorum=2))).what == "configuration"


# ---------------------------------------------------------------------- rounds


def test_round_is_replayed_to_its_model(ledger: Ledger) -> None:
    ledger.open()
    state, record = ledger.replay.federation, ledger.replay.record
    seat = state.committee[0]
    trainers = [each for each in MEMBERS if each != seat]
    for index, trainer in enumerate(trainers):
        digest = Digest(bytes([50 + index]) * 32)
        ledger.send(FEDERATION, "UpdateSubmitted", round=1, trainer=trainer, digest=digest, samples=10)
    salt, scores = b"s" * 32, pack([5, 9, 7])
    commitment = commitment_of(1, 0, salt, scores)
    ledger.send(FEDERATION, "ScoresCommitted", round=1, member=seat, seat=0, commitment=commitment)
    ledger.send(FEDERATION, "ScoresRevealed", round=1, member=seat, seat=0, salt=salt, scores=scores)
    call = ledger.send(FEDERATION, "VoteSubmitted", round=1, member=seat, seat=0, model=NEXT)
    assert (call.sender, call.function, call.arguments) == (seat, "submitVote", (1, NEXT))
    call = ledger.send(FEDERATION, "RoundFinalised", round=1, model=NEXT, medians=scores, qualified=pack([1]))
    assert (call.sender, call.function) == (None, "finaliseRound")
    assert call.arguments[2] == ((salt, scores),)
    assert (record.model, record.medians, record.qualified) == (NEXT, [5, 9, 7], [1])
    assert (state.round.number, state.committee) == (2, [trainers[1]])
    missing = difference_of(ledger.replay.end)
    assert (missing.round, missing.step, missing.expected, missing.found) == (1, "finalise", "CommitteeElected", "none")


def test_event_of_another_transaction_within_a_call_differs(ledger: Ledger) -> None:
    ledger.mine()
    seed = seed_of_opening(ledger.block().prevrandao, ledger.block().parent_hash, 1)
    ledger.emit(FEDERATION, "CommitteeElected", round=1, seed=seed, seats=ledger.elected(seed))
    found = difference_of(lambda: ledger.send(FEDERATION, "RoundOpened", round=1, base=MODEL, capacity=3))
    assert (found.round, found.step, found.what, found.expected) == (1, "open", "event", "RoundOpened")


def test_round_opened_before_the_last_one_stalled_differs(ledger: Ledger) -> None:
    ledger.open()
    found = difference_of(lambda: ledger.open(2))
    assert (found.round, found.step) == (1, "open")
    assert "UnexpectedPhase" in found.expected


def test_round_after_a_stall_is_replayed(ledger: Ledger) -> None:
    ledger.open()
    ledger.mine(CONFIG.train_seconds)
    ledger.open(2)
    assert ledger.replay.record.number == 2
    assert ledger.replay.federation.finalised == 0


def test_update_of_a_seat_differs(ledger: Ledger) -> None:
    ledger.open()
    seat = ledger.replay.federation.committee[0]
    found = difference_of(
        lambda: ledger.send(FEDERATION, "UpdateSubmitted", round=1, trainer=seat, digest=NEXT, samples=10)
    )
    assert "SeatedInRound" in found.expected
    assert cid_of(NEXT) in found.found


def test_update_of_another_round_differs(ledger: Ledger) -> None:
    ledger.open()
    found = difference_of(
        lambda: ledger.send(FEDERATION, "UpdateSubmitted", round=7, trainer=MEMBERS[0], digest=NEXT, samples=10)
    )
    assert found.round == 1
    assert "UnexpectedPhase(round=7, current=None, expected=Train)" in found.expected


@pytest.mark.parametrize(
    ("contract", "name"),
    [(REGISTRY, "VoteSubmitted"), (FEDERATION, "RoleGranted"), (FACTORY, "RoundOpened"), (FEDERATION, "RoundOpened")],
)
def test_event_that_begins_no_call_of_its_contract_differs(ledger: Ledger, contract: Address, name: str) -> None:
    found = difference_of(lambda: ledger.send(contract, name))
    assert (found.what, found.found) == ("event", name)


def test_event_out_of_order_differs(ledger: Ledger) -> None:
    ledger.number -= 3
    assert difference_of(lambda: ledger.join(STRANGER)).what == "order"


# ---------------------------------------------------------------------- how findings are told


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("model", MODEL, cid_of(MODEL)),
        ("scores", pack([3, 700]), "[3, 700]"),
        ("scores", b"\x01", "0x01"),
        ("seed", b"\xab\xcd", "0xabcd"),
        ("seats", (MEMBERS[0], MEMBERS[1]), f"[{MEMBERS[0]}, {MEMBERS[1]}]"),
        ("capacity", 7, "7"),
    ],
)
def test_value_is_shown_as_what_it_is(name: str, value: object, text: str) -> None:
    assert shown(name, value) == text


def test_equal_values_pass_whatever_sequence_they_come_in() -> None:
    require_equal(1, "open", "it", {"seats": [1, 2], "round": 3}, {"seats": (1, 2), "round": 3, "more": 4})


def test_first_unequal_value_is_named() -> None:
    found = difference_of(lambda: require_equal(4, "vote", "it", {"a": 1, "b": 2, "c": 3}, (1, 5, 6)))
    assert found == Difference(4, "vote", "b of it", "2", "5")
    assert str(found) == "round 4, vote: b of it: expected 2, found 5"
