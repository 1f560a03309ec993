"""What is due for one account, decided from one look at the chain.

The chain is the journal: nothing here remembers what was done before, so a restart decides as the first start would.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from eth_utils.crypto import keccak

from bcfl.protocol import Address, Configuration, Member, Phase, Round, moment_of

TURNS = 8
"""Groups into which accounts fall that could all send the same transaction, so that few do and the others see it."""

LATE_VOTE_TURNS = 2
"""How long a round that has its quorum waits for the votes that are missing, before anyone finalises."""


class Step(Enum):
    """What a participant does next."""

    JOIN = "join"
    OPEN = "open"
    TRAIN = "train"
    SCORE = "score"
    COMMIT = "commit"
    REVEAL = "reveal"
    VOTE = "vote"
    FINALISE = "finalise"
    WAIT = "wait"
    END = "end"


@dataclass(frozen=True)
class Due:
    """A step; after how many seconds to take it, if it is still due then; when the phase ends (None: no deadline)."""

    step: Step
    phase: Phase
    after: float = 0.0
    ends_at: int | None = None


def due(
    account: Address,
    member: Member,
    round: Round,
    config: Configuration,
    members: int,
    now: float,
    start_members: int,
    pace: float,
) -> Due:
    """The one thing that is due for this account.

    Args:
        account: whose step is asked for.
        member: what the federation knows of it.
        round: the current round.
        config: the federation's.
        members: how many have joined.
        now: Unix time by which a transaction would be judged.
        start_members: members to wait for before the first round is opened.
        pace: seconds between the turns of those who could all send the same: enough to see it in a block.
    """
    moment = moment_of(round, config, int(now))
    seated = member.seated_round == round.number
    bit = 1 << member.seat
    step, after = Step.WAIT, 0.0
    match moment.phase:
        case Phase.FINISHED:
            step = Step.END
        case _ if not member.joined:
            step = Step.JOIN
        case Phase.NONE if members >= start_members:
            step, after = Step.OPEN, _turn(account, 1) * pace
        case Phase.STALLED:
            step, after = Step.OPEN, _turn(account, round.number + 1) * pace
        case Phase.TRAIN if seated:
            step = Step.SCORE
        case Phase.TRAIN if member.joined_round < round.number and member.submitted_round != round.number:
            step = Step.TRAIN
        case Phase.COMMIT if seated and not round.committed & bit:
            step = Step.COMMIT
        case Phase.REVEAL if seated and round.committed & bit and not round.revealed & bit:
            step = Step.REVEAL
        case Phase.VOTE if seated and not round.voted & bit:
            step = Step.VOTE
        case Phase.VOTE if round.winner:
            step, after = Step.FINALISE, _turn_to_finalise(account, member, round) * pace
    return Due(step, moment.phase, after, moment.ends_at)


def _turn(account: Address, round: int) -> int:
    """Turns that an account leaves to others, another number in each round."""
    return keccak(bytes.fromhex(account[2:]) + round.to_bytes(4, "big"))[0] % TURNS


def _turn_to_finalise(account: Address, member: Member, round: Round) -> int:
    """Seats first, in their order; then the rest, in case no seat does."""
    wait = 0 if round.voted.bit_count() == round.seats else LATE_VOTE_TURNS
    if member.seated_round == round.number:
        return wait + member.seat
    return wait + round.seats + _turn(account, round.number)
