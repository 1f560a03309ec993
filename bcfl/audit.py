"""The audit: a federation's whole history replayed from events and IPFS, every model recomputed bit for bit.

No participant is trusted, and no IPFS node. The contracts' code must be this version's; every event must be what the
rules give for the events before it (:mod:`bcfl.replay`), and what its transaction asked for (:mod:`bcfl.evidence`);
every finalised model must be what its qualified updates aggregate to; and what the contracts say of their state must be
what the replay ended with. The first difference is the answer.

Two things stay outside. Scores depend on data that only the seats have, so a score can be checked against its
commitment and not against its data. And what the chain is, the node says: one that leaves out an event from which
nothing followed, such as a losing vote, or alters such an event and its transaction alike, is believed. Ask a node of
one's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from eth_abi.exceptions import DecodingError

from bcfl.chain import Block, Event
from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.contracts import Deployment, FederationContract
from bcfl.errors import ChainError, ContentError, ContentNotFound, InvalidContent, IpfsUnreachable, WrongVersion
from bcfl.evidence import Transactions, clone_of, require_code
from bcfl.history import RoundRecord
from bcfl.ipfs import Ipfs
from bcfl.manifest import MAX_MANIFEST_BYTES, Manifest
from bcfl.payloads import Payloads
from bcfl.protocol import Address, Configuration, Phase, Update, phase_of
from bcfl.replay import Difference, Differs, Replay, require_equal
from bcfl.weights import max_update_bytes

REFUSED_SECONDS = 5.0
"""How long to look for an update that did not qualify: nothing depends on it, and it may be gone for good."""

FETCHERS = 4
"""Threads that wait for IPFS, so at most so many updates that did not qualify are in memory at once."""

SCORES_NOTE = "scores cannot be recomputed: they depend on the seats' own data; each was checked against its commitment"
NODE_NOTE = "which blocks are the chain, and what in them had no consequences, is the chain node's word"


@dataclass(frozen=True)
class RoundReport:
    """One confirmed round. ``model`` is a CID, None if the round stalled; ``recomputed`` says whether it was aggregated
    anew.

    ``refused`` says of each trainer whose update did not qualify whether it could be had: ``valid``, ``unavailable`` or
    what is wrong with it. ``dissenters`` voted another digest than the finalised one.
    """

    round: int
    outcome: str
    updates: int
    qualified: int = 0
    model: str | None = None
    recomputed: bool = False
    refused: Mapping[Address, str] = field(default_factory=dict)
    dissenters: tuple[Address, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class AuditReport:
    """What an audit found. ``rounds`` were confirmed, of which ``models`` gave a model that was recomputed;
    ``block`` is the last one that was looked at.
    """

    ok: bool
    federation: Address
    chain_id: int
    block: int
    rounds: int
    models: int
    events: int
    difference: Difference | None
    details: tuple[RoundReport, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The report as JSON's types."""
        return asdict(self)


@dataclass(frozen=True)
class _State:
    """What the contracts say at one block; by the names of the findings."""

    federation: Mapping[str, Any]
    members: Mapping[Address, tuple[Any, ...]]
    expiries: Mapping[Address, int]


def audit(
    federation: FederationContract,
    ipfs: Ipfs,
    *,
    deployment: Deployment | None = None,
    first: int = 1,
    last: int | None = None,
    refused_seconds: float = REFUSED_SECONDS,
    tell: Callable[[RoundReport], None] = lambda _: None,
) -> AuditReport:
    """Replays a federation up to the latest block.

    Args:
        federation: on chain.
        ipfs: any node; it is not trusted.
        deployment: where factory and implementation are said to be, and from which block on; without it every block of
            the chain is read, and the federation's creation is not checked.
        first, last: rounds whose models are recomputed; the events of all rounds are replayed in any case.
        refused_seconds: how long to look for an update that did not qualify.
        tell: is given every round as soon as it is confirmed.

    Raises:
        ChainUnreachable, IpfsUnreachable: a node does not answer, so that nothing can be said.
        ManifestUnsupported: the manifest asks for what this version cannot do.
        ChainError: the chain was reorganised meanwhile.
    """
    wanted = range(first, last + 1 if last is not None else 1 << 32)
    return _Audit(federation, ipfs, deployment, wanted, refused_seconds, tell).run()


class _Audit:
    def __init__(
        self,
        federation: FederationContract,
        ipfs: Ipfs,
        deployment: Deployment | None,
        wanted: range,
        refused_seconds: float,
        tell: Callable[[RoundReport], None],
    ) -> None:
        self.federation = federation
        self.chain = federation.chain
        self.ipfs = ipfs
        self.deployment = deployment
        self.wanted = wanted
        self.refused_seconds = refused_seconds
        self.tell = tell
        self.transactions = Transactions(self.chain)
        self.details: list[RoundReport] = []
        self.notes = [SCORES_NOTE, NODE_NOTE]
        self.events = 0
        self._mark = 0.0

    def run(self) -> AuditReport:
        start = self._mark = time.perf_counter()
        head = self.chain.head()
        difference = None
        try:
            self._replay(head)
        except Differs as found:
            difference = found.difference
        if self.transactions.indirect:
            through = f"{self.transactions.indirect} calls came through other contracts"
            self.notes.append(f"{through}: what they asked for was not held against their transaction")
        return AuditReport(
            ok=difference is None,
            federation=self.federation.address,
            chain_id=self.chain.chain_id,
            block=head.number,
            rounds=len(self.details),
            models=sum(each.recomputed for each in self.details),
            events=self.events,
            difference=difference,
            details=tuple(self.details),
            notes=tuple(self.notes),
            seconds=time.perf_counter() - start,
        )

    def _replay(self, head: Block) -> None:
        # First, because nodes forget the state of older blocks.
        state = self._state_at(head.number)
        config = self._check_contracts()
        payloads = self._payloads(config)
        replay = Replay(config, self.federation.address)
        for event in self._events(config, head, replay):
            number, stalled = replay.record.number, replay.record
            call = replay.take(event, self.chain.block(event.block))
            if call is not None:
                self.transactions.check(event, call, replay.within)
            if replay.record.number != number and number and not stalled.finalised:
                self._confirm(RoundReport(number, "stalled", len(stalled.updates)))
            if event.name == "RoundFinalised" and event.contract == self.federation.address:
                self._finalised(replay.record, payloads)
            self.events += event.contract in (config.registry, self.federation.address)
        replay.end()
        if self.transactions.block_hash(head.number) != head.hash:
            raise ChainError("the chain was reorganised during the audit; run it again")
        self._compare(state, replay)
        phase = phase_of(replay.federation.round, config, head.timestamp)
        if phase not in (Phase.NONE, Phase.FINISHED):
            self.notes.append(f"round {replay.record.number} is not finalised ({phase}); its events were replayed")

    # ------------------------------------------------------------------ contracts

    def _check_contracts(self) -> Configuration:
        """Checks all code. Returns the configuration that is part of the federation's."""
        implementation, config = clone_of(self.chain, self.federation.address)
        require_equal(0, "create", "the contract's view", asdict(config), asdict(self.federation.config))
        require_code(self.chain, "Federation", implementation)
        require_code(self.chain, "Registry", config.registry)
        if self.deployment is None:
            self.notes.append(
                "no deployment record names this federation: who created it was not looked at, only its code"
            )
        else:
            require_code(self.chain, "FederationFactory", self.deployment.factory)
            made_by = self.chain.contract("FederationFactory", self.deployment.factory).call("IMPLEMENTATION")
            require_equal(0, "create", "the federation", {"implementation": made_by}, [implementation])
        return config

    def _events(self, config: Configuration, head: Block, replay: Replay) -> Iterator[Event]:
        addresses = [config.registry, self.federation.address]
        if self.deployment is not None:
            addresses.append(self.deployment.factory)
        events = self.chain.events(addresses, self.deployment.block if self.deployment else 0, head.number)
        created = self.deployment is None
        while True:
            round, step = replay.federation.round.number, replay.within[1] or "create"
            try:
                event = next(events)
            except StopIteration:
                return
            except (WrongVersion, DecodingError) as error:
                what = f"the event after the last one that was replayed ({step})"
                raise Differs(Difference(round, "read", what, "one of the contracts'", str(error))) from error
            if event.contract not in addresses:
                raise Differs(Difference(round, "read", "contract of an event", ", ".join(addresses), event.contract))
            created = created or event.args.get("federation") == self.federation.address
            if event.contract == self.federation.address and not created:
                raise Differs(Difference(0, "create", "first event", "FederationCreated by the factory", event.name))
            yield event

    def _state_at(self, block: int) -> _State:
        def ask(function: str, *args: Any) -> Any:
            return self.federation.contract.call(function, *args, block=block)

        count = ask("memberCount")
        members = [Address(ask("memberAt", index)) for index in range(count)]
        registry = self.federation.registry.contract
        return _State(
            {
                "current round": tuple(ask("currentRound")),
                "global model": bytes(ask("globalModel")),
                "finalised rounds": ask("finalisedRounds"),
                "committee": list(ask("committee")),
                "members": members,
            },
            {each: tuple(ask("memberOf", each)) for each in members},
            {each: int(registry.call("expiryOf", each, block=block)) for each in members},
        )

    def _compare(self, state: _State, replay: Replay) -> None:
        """The state that the contracts show, held against the replayed one."""
        mine, number = replay.federation, replay.federation.round.number
        expected = {
            "current round": astuple(mine.round),
            "global model": mine.global_model,
            "finalised rounds": mine.finalised,
            "committee": mine.committee,
            "members": mine.members,
        }
        require_equal(number, "state", "the contract", expected, state.federation)
        for account, member in mine.member_of.items():
            require_equal(number, "state", account, {"membership": astuple(member)}, [state.members[account]])
            expiry = {"expiry": replay.registry.expiry_of(account)}
            require_equal(number, "state", account, expiry, [state.expiries[account]])

    # ------------------------------------------------------------------ content

    def _payloads(self, config: Configuration) -> Payloads:
        data = self._fetched(0, "manifest", config.manifest, MAX_MANIFEST_BYTES)
        manifest = Manifest.decode(data)
        named = {"initial model": manifest.initial_model}
        require_equal(0, "create", "the manifest", {"initial model": cid_of(config.initial_model)}, named)
        return Payloads(self.federation, manifest, self.ipfs)

    def _fetched(self, round: int, what: str, digest: Digest, max_bytes: int) -> bytes:
        try:
            return self.ipfs.fetch(digest, max_bytes=max_bytes)
        except IpfsUnreachable:
            raise
        except ContentError as error:
            raise Differs(Difference(round, "pin", what, cid_of(digest), error.message)) from error

    def _finalised(self, record: RoundRecord, payloads: Payloads) -> None:
        """Recomputes a round's model; the rules have been held against everything else of it by now."""
        model, recompute = record.model, record.number in self.wanted
        if model is not None and recompute:
            self._recompute(record, model, payloads)
        votes = {record.committee[seat]: vote for seat, vote in sorted(record.votes.items())}
        self._confirm(
            RoundReport(
                record.number,
                "finalised",
                len(record.updates),
                len(record.qualified),
                cid_of(model) if model else None,
                recompute,
                self._refused(record, payloads) if recompute else {},
                tuple(member for member, vote in votes.items() if vote != model),
            )
        )

    def _recompute(self, record: RoundRecord, model: Digest, payloads: Payloads) -> None:
        try:
            data = payloads.aggregate(record.updates, record.qualified, record.number, record.base)
        except IpfsUnreachable:
            raise
        except ContentError as error:
            raise self._culprit(record, payloads, error) from error
        if digest_of_bytes(data) != model:
            expected = f"{cid_of(digest_of_bytes(data))}, recomputed from {len(record.qualified)} updates"
            raise Differs(Difference(record.number, "aggregate", "global model", expected, cid_of(model)))
        self._fetched(record.number, "global model", model, max_update_bytes(payloads.architecture))

    def _culprit(self, record: RoundRecord, payloads: Payloads, error: ContentError) -> Differs:
        """Which payload it was that could not be aggregated."""
        number = record.number
        for index in sorted(record.qualified):
            update = record.updates[index]
            try:
                payloads.update(update, number, record.base)
            except ContentError as reason:
                what = f"update {index} of {update.trainer}, which qualified"
                return Differs(Difference(number, "pin", what, cid_of(update.digest), reason.message))
        try:
            payloads.model(record.base)
        except ContentError as reason:
            return Differs(Difference(number, "pin", "base model", cid_of(record.base), reason.message))
        found = cid_of(record.model) if record.model else "none"
        return Differs(Difference(number, "aggregate", "global model", f"none ({error.message})", found))

    def _refused(self, record: RoundRecord, payloads: Payloads) -> dict[Address, str]:
        """What became of the updates that did not qualify."""

        def condition(update: Update) -> str:
            try:
                payloads.update(update, record.number, record.base, self.refused_seconds)
            except IpfsUnreachable:
                raise
            except ContentNotFound:
                return "unavailable"
            except InvalidContent as error:
                return error.reason
            except ContentError as error:
                return error.message
            return "valid"

        others = [update for index, update in enumerate(record.updates) if index not in record.qualified]
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="refused") as pool:
            return dict(zip((each.trainer for each in others), pool.map(condition, others), strict=True))

    def _confirm(self, report: RoundReport) -> None:
        now = time.perf_counter()
        complete = RoundReport(**{**vars(report), "seconds": now - self._mark})
        self._mark = now
        self.details.append(complete)
        self.tell(complete)
