"""A federation as a terminal shows it: every round in a line, the present one organisation by organisation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bcfl.chain import Event
from bcfl.cid import Digest, cid_of
from bcfl.history import RoundRecord
from bcfl.protocol import Address
from bcfl.tracker import Tracker


@dataclass
class View:
    """Draws a tracker.

    Args:
        tracker: what is known.
        title: of the page.
        names: accounts to what they are called; others by the beginning of their address.
        marked: accounts that are shown in red, such as a demonstration's cheaters, and what is said of them.
    """

    tracker: Tracker
    title: str
    names: Mapping[Address, str] = field(default_factory=dict)
    marked: Mapping[Address, str] = field(default_factory=dict)

    def name(self, account: Address) -> Text:
        """What an account is called."""
        text = Text(self.names.get(account, f"{account[:8]}…"))
        if account in self.marked:
            text.stylize("red")
        return text

    def all_names(self, accounts: Iterable[Address]) -> Text:
        """Several accounts in one cell."""
        return Text(", ").join(self.name(account) for account in accounts)

    def page(self, width: int = 120, height: int = 50) -> RenderableType:
        """The whole view, as much of it as a terminal of that many columns and rows can show."""
        rounds = self.tracker.history.rounds
        parts: list[RenderableType] = [Panel(Text(self.title, justify="center"), style="bold")] if height > 30 else []
        if rounds:
            # What is under way is at the bottom: earlier rounds give way to it.
            room = (height - len(self.tracker.history.members) - 14) // 2
            parts.append(self._rounds(rounds[-max(1, room) :], width >= 110))
            # A round that has just been finalised is worth more to look at than the beginning of the next.
            shown = rounds[-2] if len(rounds) > 1 and not rounds[-1].updates else rounds[-1]
            parts.append(self._organisations(shown))
        else:
            joined = len(self.tracker.history.members)
            parts.append(Text(f"waiting for organisations to join: {joined} so far", style="dim"))
        return Group(*parts)

    def _rounds(self, rounds: list[RoundRecord], wide: bool) -> Table:
        table = Table(expand=True, title_justify="left", pad_edge=False)
        headings = ["round", "phase", "updates", "qualified", "refused", "committee", "votes", "accuracy", "gas"]
        if not wide:
            headings = ["round", "phase", "updates", "votes", "accuracy", "gas"]
        for heading in headings:
            numeric = heading in ("round", "updates", "votes", "accuracy", "gas")
            table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
        for record in rounds:
            accuracy = self.tracker.accuracy(record.number)
            cells: dict[str, str | Text] = {
                "round": str(record.number),
                "phase": self._phase(record),
                "updates": f"{len(record.updates)}/{record.capacity}",
                "qualified": self.all_names(record.updates[index].trainer for index in sorted(record.qualified)),
                "refused": self.all_names(record.refusals(self.tracker.federation.config)),
                "committee": self.all_names(record.committee),
                "votes": f"{len(record.votes)}/{len(record.committee)}",
                "accuracy": "" if accuracy is None else f"{accuracy:.2%}",
                "gas": f"{self.tracker.gas.get(record.number, 0):,}",
            }
            table.add_row(*(cells[heading] for heading in headings))
        return table

    def _phase(self, record: RoundRecord) -> Text:
        phase = self.tracker.phase_of(record)
        style = {"finalised": "green", "Stalled": "red"}.get(phase, "bold yellow")
        left = self.tracker.seconds_left() if record.number == self.tracker.round.number else None
        return Text(phase if left is None or record.finalised else f"{phase} {left:.0f} s", style=style)

    def _organisations(self, record: RoundRecord) -> Table:
        table = Table(title=f"Round {record.number}", expand=True, title_justify="left", pad_edge=False)
        table.add_column("organisation")
        table.add_column("does")
        table.add_column("update")
        table.add_column("median", justify="right")
        table.add_column("outcome", ratio=1)
        followers = self.tracker.history.next_committee(record.number)
        known = list(self.names)
        members = self.tracker.history.members
        for account in sorted(members, key=lambda each: known.index(each) if each in self.names else len(known)):
            name = self.name(account)
            if account in self.marked:
                name.append(f" ({self.marked[account]})")
            does, update, median, outcome = self._row(record, account)
            if account in followers:
                outcome.append(", seated next" if outcome else "seated next", style="cyan")
            table.add_row(name, does, update, median, outcome)
        return table

    def _row(self, record: RoundRecord, account: Address) -> tuple[Text, Text, str, Text]:
        if account in record.committee:
            return Text("scores", style="cyan"), Text(), "", self._seat(record, record.committee.index(account))
        index = next((i for i, update in enumerate(record.updates) if update.trainer == account), None)
        if index is None:
            return Text("trains"), Text("…", style="dim"), "", Text()
        update = Text(f"{record.updates[index].samples:,} samples, {_short(record.updates[index].digest)}")
        median = str(record.medians[index]) if record.medians else ""
        refused = record.refusals(self.tracker.federation.config).get(account)
        if refused:
            return Text("trains"), update, median, Text(f"refused: {refused}", style="red")
        return Text("trains"), update, median, Text("qualified", style="green") if record.finalised else Text()

    def _seat(self, record: RoundRecord, seat: int) -> Text:
        steps = []
        if seat in record.commitments:
            steps.append("committed")
        if seat in record.vectors:
            steps.append("revealed")
        if seat in record.votes:
            steps.append(f"votes {_short(record.votes[seat])}")
        return Text(", ".join(steps))

    def line(self, event: Event) -> Text | None:
        """An event as a line, for terminals that cannot be drawn over; None for those that say nothing new."""
        args = event.args
        what: Text | str
        match event.name:
            case "ParticipantJoined":
                what = Text("joined  ") + self.name(args["participant"])
            case "CommitteeElected":
                what = Text("committee  ") + self.all_names(Address(each) for each in args["seats"])
            case "UpdateSubmitted":
                update = f"  {args['samples']:,} samples  {cid_of(Digest(args['digest']))}"
                what = Text("submitted  ") + self.name(args["trainer"]) + Text(update)
            case "ScoresCommitted":
                what = Text("committed  ") + self.name(args["member"])
            case "ScoresRevealed":
                what = Text("revealed  ") + self.name(args["member"])
            case "VoteSubmitted":
                what = Text("voted  ") + self.name(args["member"]) + Text(f"  {cid_of(Digest(args['model']))}")
            case "RoundFinalised":
                what = self._finalised(self.tracker.history.rounds[args["round"] - 1])
            case _:
                return None
        return Text(f"round {args['round']}  ", style="bold") + what

    def _finalised(self, record: RoundRecord) -> Text:
        text = Text("finalised  qualified: ")
        text.append(self.all_names(record.updates[index].trainer for index in sorted(record.qualified)))
        for account, reason in record.refusals(self.tracker.federation.config).items():
            text.append("\n          refused: ").append(self.name(account)).append(f": {reason}")
        return text


def _short(digest: Digest) -> str:
    cid = cid_of(digest)
    return f"{cid[:6]}…{cid[-4:]}"
