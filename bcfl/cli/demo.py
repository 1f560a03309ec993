"""``bcfl demo``: the whole of it, on this machine."""

from __future__ import annotations

import json as json_library
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcfl.cli.context import remember_federation, uses
from bcfl.cli.devnet import ChainKind
from bcfl.cli.output import Json
from bcfl.config import Settings
from bcfl.errors import AuditFailed

if TYPE_CHECKING:
    from rich.console import Console

    from bcfl.audit import AuditReport
    from bcfl.chain import Event
    from bcfl.demo import Demo, Plan
    from bcfl.tracker import Tracker
    from bcfl.view import View

    Draw = Callable[[list[Event]], None]


@uses("folder")
def demo(
    settings: Settings,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds to finalise.")] = 5,
    chain: Annotated[ChainKind, typer.Option(help="Which chain.")] = ChainKind.ANVIL,
    seed: Annotated[int, typer.Option(min=0, help="Of the data's division and the initial model.")] = 1,
    cheat: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER=ATTACK", help="Who cheats how, such as 4=sign_flip:3; repeatable; two do if none."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ten organisations train one model on MNIST without a server, two of them cheating; then all of it is audited.

    Starts the devnet, deploys the contracts, makes keys and certificates, and runs ten participants as ten processes.
    What happened is left in demo/ in the folder: summary.json, the logs, a picture of who holds what.
    """
    from rich.console import Console

    from bcfl.audit import audit
    from bcfl.demo import Plan

    console = Console(quiet=json, highlight=False)
    plan = Plan(rounds=rounds, seed=seed)
    if cheat:
        plan = replace(plan, cheaters=_cheaters(cheat))
    run = _prepared(console, settings, plan, chain)
    tracker = _followed(console, run)
    console.print("\n[bold]audit[/]: all of it again, from events and IPFS alone")
    report = audit(run.federation, run.ipfs, deployment=run.deployment)
    summary = run.summary(tracker, {"ok": report.ok, "rounds": report.rounds})
    (run.folder / "summary.json").write_text(json_library.dumps(summary, indent=2) + "\n")
    if json:
        print(json_library.dumps(summary))
    _close(console, summary, report, run)
    if report.difference is not None:
        raise AuditFailed(f"the history does not replay; the first difference is in {report.difference}")


def _prepared(console: Console, settings: Settings, plan: Plan, chain: ChainKind) -> Demo:
    """The nodes run, the contracts are deployed, the organisations have keys and certificates."""
    from bcfl import devnet
    from bcfl.accounts import devnet_account
    from bcfl.demo import Demo

    console.print("[bold]bcfl demo[/]: ten organisations, one model, no server\n")
    console.print("starting    a chain and an IPFS node")
    nodes = devnet.up(settings.folder, chain=chain.value)
    console.print(f"devnet      {nodes.chain.name} at {nodes.rpc}, IPFS node at {nodes.ipfs_address}")
    run = Demo(plan, settings.folder / "demo", nodes.rpc, nodes.ipfs_address, devnet_account(), console.print)
    run.prepare()
    remember_federation(settings, run.chain.chain_id, run.founded.federation)
    return run


def _followed(console: Console, run: Demo) -> Tracker:
    """All rounds run, on the screen as they do; what was seen of them."""
    from bcfl.view import View

    count = run.plan.organisations
    console.print(f"processes   {count} times bcfl participate, logging to {run.folder}/org-*/log.txt\n")
    tracker = run.tracker()
    view = View(tracker, f"federation {run.founded.federation}", run.names(), run.cheaters())
    with run.processes(), _screen(console, view) as draw:
        run.follow(tracker, draw)
    return tracker


def _cheaters(texts: list[str]) -> dict[int, str]:
    from bcfl.attacks import attack_of

    found = {}
    for text in texts:
        number, _, attack = text.partition("=")
        if not number.isdigit() or not 1 <= int(number) <= 10:
            raise typer.BadParameter(f"{text[:64]!r} is not NUMBER=ATTACK, with a number from 1 to 10")
        attack_of(attack)  # says what attacks there are
        found[int(number) - 1] = attack
    return found


@contextmanager
def _screen(console: Console, view: View) -> Iterator[Draw]:
    """A page that is drawn over and over; where the output is no terminal, a line an event."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    if not console.is_terminal:

        def lines(events: list[Event]) -> None:
            for line in map(view.line, events):
                if line:
                    console.print(Text(time.strftime("%H:%M:%S  ")) + line, soft_wrap=True)

        yield lines
        return

    latest: list[Text] = []
    with Live(console=console, refresh_per_second=4, vertical_overflow="crop") as live:

        def page(events: list[Event]) -> None:
            latest.extend(line for line in map(view.line, events) if line)
            del latest[:-4]
            size = console.size
            live.update(Group(view.page(size.width, size.height), *latest[-4 if size.height > 30 else -1 :]))

        yield page


def _close(console: Console, summary: Mapping[str, Any], report: AuditReport, run: Demo) -> None:
    names = run.names()
    if report.ok:
        console.print(
            f"confirmed: {report.rounds} rounds, {report.models} models recomputed bit for bit, "
            f"{report.events} events replayed, in {report.seconds:.1f} s\n"
        )
    accepted = {account for each in summary["rounds"] for account in each["qualified"]}
    finalised = [each for each in summary["rounds"] if each["accuracy"] is not None]
    console.print("[bold]summary[/]")
    for each in finalised:
        console.print(
            f"  round {each['round']}  accuracy {each['accuracy']:.2%}, {len(each['qualified'])} updates qualified, "
            f"{len(each['refused'])} refused, {each['gas']:,} gas, {each['seconds']['round']} s"
        )
    for cheater, attack in run.cheaters().items():
        fate = "in an aggregate" if cheater in accepted else "never in an aggregate"
        console.print(f"  {names[cheater]} ({attack}): {fate}")
    console.print(f"  {summary['seconds']} s in all; written to {run.folder}/summary.json\n")
    last = finalised[-1]["round"] if finalised else 1
    folder = "" if str(run.folder.parent) == ".bcfl" else f" --folder {run.folder.parent}"
    console.print("[bold]next[/]")
    steps = {
        "rounds": "every round in a line",
        f"rounds {last}": "one round in all detail",
        "audit": "the audit again; change a byte anywhere and it says where",
        f"model pull {last} -o model.safetensors": "the model",
        "devnet down": "stop the chain and the IPFS node; what they know stays",
    }
    commands = {f"{_program()} {command}{folder}": words for command, words in steps.items()}
    width = max(map(len, commands))
    for command, words in commands.items():
        console.print(f"  {command:<{width}}  {words}", soft_wrap=True)


def _program() -> str:
    """How the program is called from here: make's virtual environment is not on the path."""
    import shutil

    return "bcfl" if shutil.which("bcfl") else ".venv/bin/bcfl"
