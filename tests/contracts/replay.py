"""The state of a federation from its events alone, through the plain-Python reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bcfl import reference
from bcfl.cid import Digest
from bcfl.protocol import Address, Configuration, Role, ScoreVector, Update, unpack
from tests.contracts.nodes import Node


@dataclass
class Replay:
    """Feeds events to the reference in the order of the chain; whatever an event says twice is compared."""

    node: Node
    federation: reference.Federation | None = None
    registry: reference.Registry = field(default_factory=reference.Registry)
    updates: list[Update] = field(default_factory=list)
    vectors: dict[int, ScoreVector] = field(default_factory=dict)
    events: int = 0
    _finalised_in: str = ""

    def run(self, factory: Address, registry: Address, federation: Address) -> reference.Federation:
        """The reference after all events of a federation, its registry, and its creation."""
        for event, log in self.node.logs(factory, registry, federation):
            handle: Callable[..., None] | None = getattr(self, f"_on_{event.name}", None)
            of_another = event.name == "FederationCreated" and event.arguments["federation"] != federation
            if handle and not of_another:
                block = self.node.request("eth_getBlockByHash", log["blockHash"], False)
                handle(event.arguments, log, block, int(block["timestamp"], 16))
                self.events += 1
        assert self.federation
        return self.federation

    @property
    def _it(self) -> reference.Federation:
        assert self.federation
        return self.federation

    def _on_FederationCreated(self, event: dict[str, Any], *_: Any) -> None:
        self.federation = reference.Federation(Configuration(*event["config"]), self.registry)

    def _on_ParticipantRegistered(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        self.registry.register(event["participant"], Role(event["role"]), event["expiresAt"], time)

    def _on_ParticipantRevoked(self, event: dict[str, Any], *_: Any) -> None:
        self.registry.revoke(event["participant"])

    def _on_ParticipantJoined(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        assert event["round"] == self._it.round.number
        self._it.join(event["participant"], time)

    def _on_CommitteeElected(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        if log["transactionHash"] != self._finalised_in:
            seed = self._it.open_round(time, int(block["mixHash"], 16), bytes.fromhex(block["parentHash"][2:]))
            assert event["seed"] == seed
        assert (event["round"], event["seats"]) == (self._it.round.number, self._it.committee)
        self.updates, self.vectors = [], {}

    def _on_RoundOpened(self, event: dict[str, Any], *_: Any) -> None:
        facts = self._it.round
        found = (event["round"], event["base"], event["capacity"])
        assert found == (facts.number, self._it.global_model, facts.capacity)

    def _on_UpdateSubmitted(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        update = Update(event["trainer"], Digest(event["digest"]), event["samples"])
        base = self._it.global_model
        self._it.submit_update(update.trainer, event["round"], base, update.digest, update.samples, time)
        self.updates.append(update)

    def _on_ScoresCommitted(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        assert self._it.member_of[event["member"]].seat == event["seat"]
        self._it.commit_scores(event["member"], event["round"], event["commitment"], time)

    def _on_ScoresRevealed(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        self._it.reveal_scores(event["member"], event["round"], event["salt"], event["scores"], time)
        self.vectors[event["seat"]] = ScoreVector(event["salt"], event["scores"])

    def _on_VoteSubmitted(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        self._it.submit_vote(event["member"], event["round"], Digest(event["model"]), time)

    def _on_RoundFinalised(self, event: dict[str, Any], log: Any, block: Any, time: int) -> None:
        vectors = [self.vectors[seat] for seat in sorted(self.vectors)]
        done = self._it.finalise_round(event["round"], self.updates, vectors, time, int(block["mixHash"], 16))
        assert event["model"] == done.model
        assert unpack(event["medians"]) == list(done.medians)
        assert unpack(event["qualified"]) == list(done.qualified)
        self._finalised_in = log["transactionHash"]
