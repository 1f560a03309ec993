"""``bcfl rounds``: what happened, round by round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcfl.cli.context import NODES, chain_of, federation_of, names_of, origin_of, uses
from bcfl.cli.output import Json, console, duration, print_fields, print_json, print_table, say
from bcfl.config import Settings
from bcfl.errors import ConfigurationError

if TYPE_CHECKING:
    from bcfl.history import RoundRecord
    from bcfl.tracker import Tracker

ROOMY = 150
"""Columns of a terminal in which a line for each round has room for whole CIDs."""


@uses(*NODES, "federation", "deployments", "keystore")
def rounds(
    settings: Settings,
    number: Annotated[int | None, typer.Argument(min=1, help="One round, in all detail.")] = None,
    json: Json = False,
) -> None:
    """Show the rounds of a federation: phases, scores, who qualified, committees, votes and models."""
    from bcfl.tracker import Tracker

    chain = chain_of(settings)
    federation = federation_of(settings, chain)
    tracker = Tracker(federation, origin_of(settings, federation)[1])
    tracker.look()
    records = tracker.history.rounds
    if number is not None:
        if number > len(records):
            raise ConfigurationError(f"there is no round {number}; the last one is {len(records)}")
        _print_round(tracker, records[number - 1], names_of(settings), json)
    elif json:
        print_json([_record(tracker, each) for each in records])
    elif records:
        _print_rounds(tracker, names_of(settings))
    else:
        say(f"no round yet; {len(tracker.history.members)} members have joined")


def _record(tracker: Tracker, record: RoundRecord) -> dict[str, Any]:
    """A round for programs. Lists of numbers are in the order of submission, or by seat where they are keyed."""
    from bcfl.cid import cid_of

    left = tracker.seconds_left() if record.number == tracker.round.number else None
    return {
        "round": record.number,
        "state": tracker.phase_of(record).lower(),
        "seconds_left": None if left is None or record.finalised else round(left, 1),
        "base": cid_of(record.base),
        "capacity": record.capacity,
        "committee": record.committee,
        "updates": [
            {"trainer": each.trainer, "cid": cid_of(each.digest), "samples": each.samples} for each in record.updates
        ],
        "scores": record.scores(),
        "medians": record.medians,
        "qualified": [record.updates[index].trainer for index in record.qualified],
        "refused": record.refusals(tracker.federation.config),
        "votes": {seat: cid_of(digest) for seat, digest in sorted(record.votes.items())},
        "model": cid_of(record.model) if record.model else None,
        "next_committee": tracker.history.next_committee(record.number),
        "gas": tracker.gas.get(record.number, 0),
        "gas_by_step": _gas_by_step(tracker, record),
    }


def _gas_by_step(tracker: Tracker, record: RoundRecord) -> dict[str, list[int]]:
    """Step to the gas of its transactions, from their receipts."""
    chain = tracker.federation.chain
    return {step: [chain.gas_of(each) for each in sent] for step, sent in record.transactions().items()}


def _state(tracker: Tracker, record: RoundRecord) -> str:
    state = tracker.phase_of(record).lower()
    left = tracker.seconds_left() if record.number == tracker.round.number else None
    return state if left is None or record.finalised else f"{state}, {duration(left)} left"


def _print_rounds(tracker: Tracker, names: dict[str, str]) -> None:
    from bcfl.cid import cid_of

    rows = []
    for record in tracker.history.rounds:
        rows.append(
            (
                record.number,
                _state(tracker, record),
                f"{len(record.updates)}/{record.capacity}",
                " ".join(map(str, record.medians)) or "-",
                f"{len(record.qualified)}/{len(record.updates)}" if record.finalised else "-",
                " ".join(_called(names, each) for each in record.committee),
                f"{len(record.votes)}/{len(record.committee)}",
                _shortened(cid_of(record.model)) if record.model else "-",
            )
        )
    headings = ["round", "state", "updates", "medians", "qualified", "committee", "votes", "model"]
    print_table(headings, rows, ["round", "updates", "qualified", "votes"])


def _print_round(tracker: Tracker, record: RoundRecord, names: dict[str, str], json: bool) -> None:
    if json:
        print_json(_record(tracker, record))
        return
    shown = _record(tracker, record)
    seats = [_called(names, each) for each in record.committee]
    print_fields(
        [
            ("round", record.number),
            ("state", _state(tracker, record)),
            ("base model", shown["base"]),
            ("model", shown["model"] or "-"),
            ("next committee", ", ".join(_called(names, each) for each in shown["next_committee"]) or "-"),
        ]
    )
    _print_updates(record, shown, names)
    _print_committee(record, seats)
    steps = [(step, len(gas), f"{sum(gas):,}", f"{max(gas):,}") for step, gas in shown["gas_by_step"].items() if gas]
    if steps:
        print_table(["step", "transactions", "gas", "most for one"], steps, ["transactions", "gas", "most for one"])


def _print_updates(record: RoundRecord, shown: dict[str, Any], names: dict[str, str]) -> None:
    vectors = record.scores()
    rows = []
    for index, update in enumerate(shown["updates"]):
        refused = shown["refused"].get(update["trainer"])
        outcome = f"refused: {refused}" if refused else "qualified" if record.finalised else "-"
        median = record.medians[index] if record.medians else "-"
        scores = " ".join(str(vector[index]) for vector in vectors.values()) or "-"
        rows.append(
            (
                _called(names, update["trainer"]),
                f"{update['samples']:,}",
                scores,
                median,
                outcome,
                _shortened(update["cid"]),
            )
        )
    if rows:
        by = f"scores of seats {' '.join(map(str, vectors))}" if vectors else "scores"
        print_table(
            ["trainer", "samples", by, "median", "outcome", "update"], rows, ["samples", "median"], whole="update"
        )


def _print_committee(record: RoundRecord, seats: list[str]) -> None:
    from bcfl.cid import cid_of

    def mark(done: bool) -> str:
        return "yes" if done else "-"

    rows = [
        (
            seat,
            name,
            mark(seat in record.commitments),
            mark(seat in record.vectors),
            cid_of(record.votes[seat]) if seat in record.votes else "-",
        )
        for seat, name in enumerate(seats)
    ]
    print_table(["seat", "member", "committed", "revealed", "vote"], rows, ["seat"], whole="vote")


def _shortened(cid: str) -> str:
    """A CID as far as a line has room for it; ``bcfl rounds N`` and ``--json`` have all of it."""
    return cid if console().width >= ROOMY else f"{cid[:6]}…{cid[-4:]}"


def _called(names: dict[str, str], address: str) -> str:
    """An account by the name that the own keystore has for it, or the beginning of its address."""
    name = names.get(address.lower())
    return f"{address[:8]}…" if name is None or name == address.lower() else name
