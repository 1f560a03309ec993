"""The rules held against the events: each event is replayed as the call that must have caused it.

:class:`Replay` feeds the state machine of :mod:`bcfl.reference` with what the events of a registry and a federation
say, in the order of the chain, and compares everything that the contracts computed with what the rules give. It asks no
node: blocks and events come in as arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from bcfl import reference
from bcfl.chain import Block, Event
from bcfl.cid import Digest, cid_of
from bcfl.contracts import configuration_from
from bcfl.errors import AuditFailed, ConfigurationError, ContractError
from bcfl.history import STEPS, RoundRecord
from bcfl.protocol import Address, Configuration, Role, pack, seed_of_finalising, unpack

ADMIN_ROLE = bytes(32)
CERTIFIER_ROLE = keccak(b"CERTIFIER_ROLE")

_STEPS = {
    **STEPS,
    "RoleGranted": "grant",
    "RoleRevoked": "withdraw",
    "ParticipantRegistered": "register",
    "ParticipantRevoked": "revoke",
    "FederationCreated": "create",
    "ParticipantJoined": "join",
    "CommitteeElected": "open",
    "RoundOpened": "open",
}
_CIDS = {"digest", "model", "base", "manifest", "initialModel", "initial_model", "global model"}
_VECTORS = {"scores", "medians", "qualified"}


@dataclass(frozen=True)
class Difference:
    """Where what is there departs from what must be. ``round`` is 0 before the first one."""

    round: int
    step: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"round {self.round}, {self.step}: {self.what}: expected {self.expected}, found {self.found}"


class Differs(AuditFailed):
    """Ends a replay at its first difference."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


@dataclass(frozen=True)
class Call:
    """A call that events show to have been made. ``sender`` is None where anyone may call and no event says who;
    ``function`` is empty where it was the contract's creation.
    """

    contract: Address
    sender: Address | None
    function: str
    arguments: tuple[Any, ...]


Emission = tuple[str, Mapping[str, Any]]
"""An event that a call must emit: name and arguments."""

Arguments = Mapping[str, Any]
_Replayed = tuple[Call, list[Emission]]  # without emissions: the event as it is, for the call has no other outcome


def shown(name: str, value: Any) -> str:
    """A value as a finding tells it: digests as CIDs, vectors as numbers."""
    if isinstance(value, bytes):
        if name in _CIDS and len(value) == 32:
            return cid_of(Digest(value))
        if name in _VECTORS and len(value) % 2 == 0:
            return str(unpack(value))
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(name, each) for each in value) + "]"
    return str(value)


def require_equal(
    round: int, step: str, of: str, expected: Mapping[str, Any], found: Mapping[str, Any] | Sequence[Any]
) -> None:
    """Compares named values one by one; ``found`` may come without names, in the same order."""
    others = found if isinstance(found, Mapping) else dict(zip(expected, found, strict=True))
    for name, value in expected.items():
        other = others[name]
        if not _same(value, other):
            raise Differs(Difference(round, step, f"{name} of {of}", shown(name, value), shown(name, other)))


def _same(value: Any, other: Any) -> bool:
    return list(value) == list(other) if isinstance(value, list | tuple) else bool(value == other)


class Replay:
    """One federation and its registry, replayed.

    Args:
        config: of the federation.
        federation: its address.

    ``record`` is the round that the last event belongs to; ``federation``, ``registry`` and ``holders`` (accounts by
    role of the registry) are the state after it.
    """

    def __init__(self, config: Configuration, federation: Address) -> None:
        self.config = config
        self.address = federation
        self.registry = reference.Registry()
        self.federation = reference.Federation(config, self.registry)
        self.holders: dict[bytes, set[Address]] = {}
        self.record = RoundRecord(0)
        self._owed: deque[Emission] = deque()
        self._within = (0, "", "")  # round, step and transaction of the last call
        self._last = (-1, -1)

    def take(self, event: Event, block: Block) -> Call | None:
        """Replays the next event. Returns the call that it begins; None for the later events of a call.

        Raises:
            Differs: the rules do not give this event here.
        """
        self._require_order(event)
        call = None
        if not self._owed:
            self._block = block
            call = self._call(event)
        name, args = self._owed.popleft()
        round, step, transaction = self._within
        if (event.name, event.contract, event.transaction) != (name, self._contract, transaction):
            raise Differs(Difference(round, step, "event", name, f"{event.name} in transaction {event.transaction}"))
        require_equal(round, step, name, args, event.args)
        if event.name == "CommitteeElected":
            self.record = RoundRecord(event.args["round"])
        if event.contract == self.address and event.name != "ParticipantJoined":
            self.record.add(event)
        return call

    def end(self) -> None:
        """Checks that no event is missing at the end.

        Raises:
            Differs: the last call emitted more.
        """
        if self._owed:
            round, step, _ = self._within
            raise Differs(Difference(round, step, "event", self._owed[0][0], "none"))

    @property
    def within(self) -> tuple[int, str]:
        """Round and step of the last call."""
        return self._within[:2]

    def _require_order(self, event: Event) -> None:
        place = (event.block, event.log_index)
        if place <= self._last:
            where = "events in the order of the chain, each once"
            found = f"{event.name} of block {event.block}, log {event.log_index} after {self._last}"
            raise Differs(Difference(self.federation.round.number, self._step(event), "order", where, found))
        self._last = place

    def _step(self, event: Event) -> str:
        return _STEPS.get(event.name, event.name)

    def _call(self, event: Event) -> Call:
        round, step = self.federation.round.number, self._step(event)
        self._within = (round, step, event.transaction)
        self._contract = event.contract
        source = {self.config.registry: "registry", self.address: "federation"}.get(event.contract, "factory")
        replay = self._replays(source).get(event.name)
        if replay is None:
            raise Differs(Difference(round, step, "event", f"one of the {source}'s", event.name))
        try:
            call, emissions = replay(event.args)
        except ContractError as error:
            allowed = f"no {event.name}: the rules refuse it with {error.message}"
            raise Differs(Difference(round, step, "event", allowed, _described(event))) from error
        self._owed.extend(emissions or [(event.name, event.args)])
        return call

    def _replays(self, source: str) -> Mapping[str, Callable[[Arguments], _Replayed]]:
        if source == "factory":
            return {"FederationCreated": self._create}
        if source == "registry":
            return {
                "RoleGranted": self._grant,
                "RoleRevoked": self._withdraw,
                "ParticipantRegistered": self._register,
                "ParticipantRevoked": self._revoke,
            }
        return {
            "ParticipantJoined": self._join,
            "CommitteeElected": lambda _: self._open(),
            "UpdateSubmitted": self._submit,
            "ScoresCommitted": self._commit,
            "ScoresRevealed": self._reveal,
            "VoteSubmitted": self._vote,
            "RoundFinalised": self._finalise,
        }

    # ------------------------------------------------------------------ factory and registry

    def _create(self, args: Arguments) -> _Replayed:
        try:
            config = configuration_from(tuple(args["config"].values()))
        except (ValueError, ConfigurationError):
            config = None
        if args["federation"] == self.address and config != self.config:
            raise self._differs("configuration", str(self.config), str(config))
        call = Call(self._contract, args["creator"], "createFederation", (tuple(args["config"].values()),))
        return call, []

    def _grant(self, args: Arguments) -> _Replayed:
        role, account, sender = (args[name] for name in ("role", "account", "sender"))
        call = Call(self._contract, sender, "grantRole", (role, account))
        emissions: list[Emission] = []
        if not self.holders:  # the constructor's two grants
            call = Call(self._contract, sender, "", ())
            first = {"role": ADMIN_ROLE, "account": account, "sender": sender}
            emissions = [("RoleGranted", first), ("RoleGranted", {**first, "role": CERTIFIER_ROLE})]
            self.holders = {ADMIN_ROLE: {account}, CERTIFIER_ROLE: {account}}
        elif sender not in self.holders[ADMIN_ROLE]:
            raise self._differs("sender", "an administrator of the registry", sender)
        elif account in self.holders.get(role, ()):
            raise self._differs("event", f"none: {account} has the role", "RoleGranted")
        self.holders.setdefault(role, set()).add(account)
        return call, emissions

    def _withdraw(self, args: Arguments) -> _Replayed:
        role, account, sender = (args[name] for name in ("role", "account", "sender"))
        if account not in self.holders.get(role, ()):
            raise self._differs("event", f"none: {account} has not the role", "RoleRevoked")
        own = sender == account
        if not own and sender not in self.holders[ADMIN_ROLE]:
            raise self._differs("sender", "an administrator of the registry", sender)
        self.holders[role].remove(account)
        # An administrator may take a role of its own in either way; the transaction's input is held against this one.
        call = Call(self._contract, sender, "renounceRole" if own else "revokeRole", (role, account))
        return call, []

    def _register(self, args: Arguments) -> _Replayed:
        self._require_certifier(args["certifier"])
        if args["role"] not in list(Role):
            raise self._differs("role", "a role", str(args["role"]))
        participant = Address(args["participant"])
        self.registry.register(participant, Role(args["role"]), args["expiresAt"], self._block.timestamp)
        certificate = (participant, args["role"], args["encryptionKey"], args["profile"], args["expiresAt"])
        return Call(self._contract, participant, "register", (certificate,)), []

    def _revoke(self, args: Arguments) -> _Replayed:
        self._require_certifier(args["certifier"])
        self.registry.revoke(Address(args["participant"]))
        return Call(self._contract, args["certifier"], "revoke", (args["participant"],)), []

    def _require_certifier(self, account: str) -> None:
        if account not in self.holders.get(CERTIFIER_ROLE, ()):
            raise self._differs("certifier", "a certifier of the registry", account)

    # ------------------------------------------------------------------ federation

    def _join(self, args: Arguments) -> _Replayed:
        sender, number = Address(args["participant"]), self.federation.round.number
        self.federation.join(sender, self._block.timestamp)
        emission = ("ParticipantJoined", {"round": number, "participant": sender})
        return self._called(sender, "join"), [emission]

    def _open(self) -> _Replayed:
        seed = self.federation.open_round(self._block.timestamp, self._block.prevrandao, self._block.parent_hash)
        self._within = (self.federation.round.number, *self._within[1:])
        return self._called(None, "openRound"), self._opening(seed)

    def _opening(self, seed: bytes) -> list[Emission]:
        state = self.federation
        number = state.round.number
        return [
            ("CommitteeElected", {"round": number, "seed": seed, "seats": state.committee}),
            ("RoundOpened", {"round": number, "base": state.global_model, "capacity": state.round.capacity}),
        ]

    def _submit(self, args: Arguments) -> _Replayed:
        base = self.federation.global_model
        sender, digest = Address(args["trainer"]), Digest(args["digest"])
        self.federation.submit_update(sender, args["round"], base, digest, args["samples"], self._block.timestamp)
        call = self._called(sender, "submitUpdate", args["round"], base, digest, args["samples"])
        return call, []

    def _commit(self, args: Arguments) -> _Replayed:
        sender = Address(args["member"])
        self.federation.commit_scores(sender, args["round"], args["commitment"], self._block.timestamp)
        call = self._called(sender, "commitScores", args["round"], args["commitment"])
        return call, [self._seated("ScoresCommitted", args, sender)]

    def _reveal(self, args: Arguments) -> _Replayed:
        sender = Address(args["member"])
        self.federation.reveal_scores(sender, args["round"], args["salt"], args["scores"], self._block.timestamp)
        call = self._called(sender, "revealScores", args["round"], args["salt"], args["scores"])
        return call, [self._seated("ScoresRevealed", args, sender)]

    def _vote(self, args: Arguments) -> _Replayed:
        sender = Address(args["member"])
        self.federation.submit_vote(sender, args["round"], Digest(args["model"]), self._block.timestamp)
        call = self._called(sender, "submitVote", args["round"], args["model"])
        return call, [self._seated("VoteSubmitted", args, sender)]

    def _finalise(self, args: Arguments) -> _Replayed:
        number, state = args["round"], self.federation
        updates = self.record.updates
        vectors = [self.record.vectors[seat] for seat in sorted(self.record.vectors)]
        done = state.finalise_round(number, updates, vectors, self._block.timestamp, self._block.prevrandao)
        medians, qualified = pack(done.medians), pack(done.qualified)
        decided = {"round": number, "model": done.model, "medians": medians, "qualified": qualified}
        emissions: list[Emission] = [("RoundFinalised", decided)]
        if state.finalised < self.config.rounds:
            seed = seed_of_finalising([vector.salt for vector in vectors], self._block.prevrandao, number + 1)
            emissions += self._opening(seed)
        given = tuple((each.trainer, each.digest, each.samples) for each in updates)
        shown_vectors = tuple((each.salt, each.scores) for each in vectors)
        return self._called(None, "finaliseRound", number, given, shown_vectors), emissions

    def _seated(self, name: str, args: Arguments, sender: Address) -> Emission:
        return name, {**args, "seat": self.federation.member_of[sender].seat}

    def _called(self, sender: Address | None, function: str, *arguments: Any) -> Call:
        return Call(self.address, sender, function, arguments)

    def _differs(self, what: str, expected: str, found: str) -> Differs:
        round, step = self.within
        return Differs(Difference(round, step, what, expected, found))


def _described(event: Event) -> str:
    args = ", ".join(f"{name}={shown(name, value)}" for name, value in event.args.items())
    return f"{event.name}({args})"
