"""The state machine of the contracts in plain Python, call for call.

``Registry`` and ``Federation`` hold the state that the contracts hold, and every method makes the checks of the
contract function of the same name, in the same order, and raises the same error. The audit replays events through it;
the stateful test compares it with the chain after every step. Time, randomness and signatures come in as arguments:
the machine itself reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bcfl import errors
from bcfl.cid import Digest
from bcfl.protocol import (
    Address,
    Configuration,
    Election,
    Member,
    Phase,
    Role,
    Round,
    ScoreVector,
    Update,
    append_submission,
    closed,
    commitment_of,
    elect,
    medians_of,
    members_needed,
    opened,
    phase_of,
    rank,
    seats_of,
    seed_of_finalising,
    seed_of_opening,
    submissions_of,
    unpack,
)


@dataclass
class Registry:
    """Who may take part: expiry and role of each account, and who was revoked."""

    expiries: dict[Address, int] = field(default_factory=dict)
    roles: dict[Address, Role] = field(default_factory=dict)
    revoked: set[Address] = field(default_factory=set)

    def register(self, participant: Address, role: Role, expires_at: int, time: int) -> None:
        """Registers an account whose certificate's signature was checked by the caller."""
        if role == Role.NONE:
            raise errors.CertificateWithoutRole({"participant": participant})
        if expires_at <= time:
            raise errors.CertificateExpired({"participant": participant, "expiresAt": expires_at})
        if participant in self.revoked:
            raise errors.AlreadyRevoked({"participant": participant})
        known = self.roles.get(participant, role)
        if known != role:
            raise errors.UnexpectedRole({"account": participant, "role": role, "expected": known})
        self.expiries[participant] = expires_at
        self.roles[participant] = role

    def revoke(self, participant: Address) -> None:
        """Ends an account's membership for good."""
        if participant in self.revoked:
            raise errors.AlreadyRevoked({"participant": participant})
        self.revoked.add(participant)

    def expiry_of(self, participant: Address) -> int:
        """When an account's certificate ends; zero if it has none or was revoked."""
        return 0 if participant in self.revoked else self.expiries.get(participant, 0)


@dataclass(frozen=True)
class Finalised:
    """What ``finaliseRound`` decided; ``qualified`` are numbers of updates, best first."""

    round: int
    model: Digest
    medians: tuple[int, ...]
    qualified: tuple[int, ...]


@dataclass
class Federation:
    """One learning task. Attributes mirror the contract's storage."""

    config: Configuration
    registry: Registry
    round: Round = field(default_factory=Round)
    global_model: Digest = field(init=False)
    submissions: bytes = b""
    finalised: int = 0
    members: list[Address] = field(default_factory=list)
    member_of: dict[Address, Member] = field(default_factory=dict)
    committee: list[Address] = field(default_factory=list)
    commitments: dict[int, bytes] = field(default_factory=dict)
    ballots: dict[int, Digest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.global_model = self.config.initial_model

    # ------------------------------------------------------------------ steps

    def join(self, sender: Address, time: int) -> None:
        """Makes the sender a member, from the next round on."""
        if sender in self.member_of:
            raise errors.AlreadyJoined({"account": sender})
        self._require_active(sender, time)
        role = self.registry.roles[sender]
        if role != Role.PARTICIPANT:
            raise errors.UnexpectedRole({"account": sender, "role": role, "expected": Role.PARTICIPANT})
        self.member_of[sender] = Member(joined=True, joined_round=self.round.number)
        self.members.append(sender)

    def open_round(self, time: int, prevrandao: int, parent_hash: bytes) -> bytes:
        """Opens the first round, or the next one after a stall. Returns the seed of its lottery."""
        phase = phase_of(self.round, self.config, time)
        if phase not in (Phase.NONE, Phase.STALLED):
            raise errors.UnexpectedPhase({"round": self.round.number, "current": phase, "expected": Phase.STALLED})
        needed = members_needed(self.config)
        if len(self.members) < needed:
            raise errors.TooFewMembers({"members": len(self.members), "needed": needed})
        number = self.round.number + 1
        seed = seed_of_opening(prevrandao, parent_hash, number)
        self._open(number, time, seed, [])
        return seed

    def submit_update(self, sender: Address, round: int, base: Digest, digest: Digest, samples: int, time: int) -> None:
        """Submits an update of the sender."""
        self._enter(round, Phase.TRAIN, time)
        member = self._require_member(round, sender, time)
        if member.seated_round == round:
            raise errors.SeatedInRound({"round": round, "account": sender})
        if member.submitted_round == round:
            raise errors.AlreadySubmitted({"round": round, "trainer": sender})
        if base != self.global_model:
            raise errors.WrongBase({"round": round, "base": base, "expected": self.global_model})
        if not 1 <= samples <= self.config.max_samples:
            raise errors.SamplesOutOfRange({"round": round, "samples": samples, "most": self.config.max_samples})
        self.member_of[sender] = replace(member, submitted_round=round)
        before = self.submissions if self.round.updates else submissions_of(round, ())
        self.submissions = append_submission(before, Update(sender, digest, samples))
        count = self.round.updates + 1
        complete = count == self.round.capacity and count >= self.config.min_updates
        self.round = replace(self.round, updates=count, trained_at=time if complete else 0)

    def commit_scores(self, sender: Address, round: int, commitment: bytes, time: int) -> None:
        """Commits the sender's seat to a score vector."""
        self._enter(round, Phase.COMMIT, time)
        seat = self._require_seat(round, sender, time)
        if self.round.committed >> seat & 1:
            raise errors.AlreadyCommitted({"round": round, "seat": seat})
        self.commitments[seat] = commitment
        committed = self.round.committed | 1 << seat
        complete = committed == (1 << self.round.seats) - 1 and self.round.seats >= self.config.quorum
        self.round = replace(self.round, committed=committed, committed_at=time if complete else 0)

    def reveal_scores(self, sender: Address, round: int, salt: bytes, scores: bytes, time: int) -> None:
        """Shows the score vector that the sender's seat committed to."""
        self._enter(round, Phase.REVEAL, time)
        seat = self._require_seat(round, sender, time)
        if not self.round.committed >> seat & 1:
            raise errors.NotCommitted({"round": round, "seat": seat})
        if self.round.revealed >> seat & 1:
            raise errors.AlreadyRevealed({"round": round, "seat": seat})
        if len(scores) != 2 * self.round.updates:
            raise errors.WrongVectorLength({"round": round, "length": len(scores), "expected": 2 * self.round.updates})
        self._require_commitment(round, seat, ScoreVector(salt, scores))
        revealed = self.round.revealed | 1 << seat
        complete = revealed == self.round.committed
        self.round = replace(self.round, revealed=revealed, revealed_at=time if complete else 0)

    def submit_vote(self, sender: Address, round: int, model: Digest, time: int) -> None:
        """Votes the digest of the aggregate."""
        self._enter(round, Phase.VOTE, time)
        seat = self._require_seat(round, sender, time)
        if self.round.voted >> seat & 1:
            raise errors.AlreadyVoted({"round": round, "seat": seat})
        votes = 1 + sum(self.ballots[other] == model for other in seats_of(self.round.voted))
        self.ballots[seat] = model
        won = votes >= self.config.quorum and not self.round.winner
        winner = seat + 1 if won else self.round.winner
        self.round = replace(self.round, voted=self.round.voted | 1 << seat, winner=winner)

    def finalise_round(
        self, round: int, updates: Sequence[Update], vectors: Sequence[ScoreVector], time: int, prevrandao: int
    ) -> Finalised:
        """Ends a round whose model has its quorum, and opens the next one if there is one."""
        self._enter(round, Phase.VOTE, time)
        if not self.round.winner:
            raise errors.QuorumNotReached({"round": round})
        given = submissions_of(round, updates)
        if given != self.submissions:
            raise errors.WrongUpdates({"round": round, "submissions": given, "expected": self.submissions})
        revealed = seats_of(self.round.revealed)
        if len(vectors) != len(revealed):
            raise errors.WrongVectorCount({"round": round, "count": len(vectors), "expected": len(revealed)})
        for seat, vector in zip(revealed, vectors, strict=True):
            self._require_commitment(round, seat, vector)
        medians = medians_of([unpack(vector.scores) for vector in vectors], len(updates))
        trainers = [update.trainer for update in updates]
        qualified = rank(medians, trainers, round, self.config.min_score, self.config.max_qualified)
        self.global_model = self.ballots[self.round.winner - 1]
        self.finalised += 1
        if self.finalised == self.config.rounds:
            self.round = closed(self.round)
        else:
            by_score = self.config.election == Election.BY_SCORE
            candidates = [trainers[i] for i in qualified] if by_score else []
            seed = seed_of_finalising([vector.salt for vector in vectors], prevrandao, round + 1)
            self._open(round + 1, time, seed, candidates)
        return Finalised(round, self.global_model, tuple(medians), tuple(qualified))

    # ------------------------------------------------------------------ guards

    def _enter(self, round: int, expected: Phase, time: int) -> None:
        phase = phase_of(self.round, self.config, time) if self.round.number == round else Phase.NONE
        if phase != expected:
            raise errors.UnexpectedPhase({"round": round, "current": phase, "expected": expected})

    def _require_active(self, account: Address, time: int) -> None:
        expires_at = self.registry.expiry_of(account)
        if expires_at <= time:
            raise errors.ParticipantNotActive({"account": account, "expiresAt": expires_at})

    def _require_member(self, round: int, account: Address, time: int) -> Member:
        self._require_active(account, time)
        member = self.member_of.get(account, Member())
        if not member.joined or member.joined_round >= round:
            raise errors.NotAMember({"round": round, "account": account})
        return member

    def _require_seat(self, round: int, account: Address, time: int) -> int:
        self._require_active(account, time)
        member = self.member_of.get(account, Member())
        if member.seated_round != round:
            raise errors.NotSeated({"round": round, "account": account})
        return member.seat

    def _require_commitment(self, round: int, seat: int, vector: ScoreVector) -> None:
        if commitment_of(round, seat, vector.salt, vector.scores) != self.commitments[seat]:
            raise errors.CommitmentMismatch({"round": round, "seat": seat})

    # ------------------------------------------------------------------ election

    def _open(self, number: int, time: int, seed: bytes, candidates: list[Address]) -> None:
        def eligible(account: Address) -> bool:
            seated = self.member_of[account].seated_round
            return (seated == 0 or seated + 1 < number) and self.registry.expiry_of(account) > time

        self.committee = elect(self.config.seats, candidates, self.members, seed, eligible)
        for seat, account in enumerate(self.committee):
            self.member_of[account] = replace(self.member_of[account], seated_round=number, seat=seat)
        self.round = opened(number, time, self.config, len(self.members), len(self.committee))
