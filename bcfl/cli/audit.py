"""``bcfl audit``: everything again, from events and IPFS; the first difference is the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bcfl.cli.context import (
    CONTENT,
    NODES,
    chain_of,
    federation_of,
    ipfs_of,
    origin_of,
    uses,
)
from bcfl.cli.output import Json, console, harmless, print_json, say
from bcfl.config import Settings
from bcfl.errors import AuditFailed

if TYPE_CHECKING:
    from bcfl.audit import AuditReport, RoundReport


@uses(*NODES, *CONTENT, "federation", "deployments")
def audit(
    settings: Settings,
    first: Annotated[int, typer.Option(min=1, help="First round whose model is recomputed.")] = 1,
    last: Annotated[int | None, typer.Option(min=1, help="Last round whose model is recomputed; else all.")] = None,
    json: Json = False,
) -> None:
    """Replay a federation's whole history and recompute every model, bit for bit. Trusts no participant.

    Every event is held against the rules and against its transaction, and what the contracts say now against the
    outcome. The first difference is printed and the exit code is 1. Scores cannot be recomputed: they depend on data
    that only the committee has.
    """
    from bcfl.audit import audit as replay

    federation = federation_of(settings, chain_of(settings))
    report = replay(
        federation,
        ipfs_of(settings),
        deployment=origin_of(settings, federation)[0],
        first=first,
        last=last,
        tell=(lambda _: None) if json else _show_round,
    )
    if json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.difference is not None:
        raise AuditFailed(f"the history does not replay; the first difference is in {report.difference}")


def _show_round(report: RoundReport) -> None:
    if report.model is None:
        console().print(f"round {report.round:>4}  stalled after {report.updates} updates", soft_wrap=True)
        return
    how = "recomputed, bit for bit" if report.recomputed else "not recomputed"
    counts = f"{report.qualified} of {report.updates} updates qualified"
    line = f"round {report.round:>4}  {counts}, model {report.model}, {how}  [dim]{report.seconds:.1f} s[/]"
    console().print(line, soft_wrap=True)
    for trainer, condition in report.refused.items():
        console().print(
            f"            update of {trainer} did not qualify; its payload: {harmless(condition)}", markup=False
        )
    for member in report.dissenters:
        console().print(f"            {member} voted another model")


def _show(report: AuditReport) -> None:
    for note in report.notes:
        say(f"note: {note}")
    if report.ok:
        counts = f"{report.rounds} rounds, {report.models} models and {report.events:,} events"
        line = f"[bold]confirmed[/]: {counts} up to block {report.block} in {report.seconds:.1f} s"
        console().print(line, soft_wrap=True)
