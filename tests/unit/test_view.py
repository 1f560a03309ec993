"""The live view, drawn from a recorded history."""

import io

import pytest
from rich.console import Console, RenderableType

from bcfl.tracker import Tracker
from bcfl.view import View
from tests.unit.recorded import CHEATER, NAMES, events, fake_federation


@pytest.fixture
def view() -> View:
    made = View(
        Tracker(fake_federation(), 0, lambda _: 0.93), "a federation", names=NAMES, marked={CHEATER: "sign flip"}
    )
    made.tracker.look()
    made.tracker.accuracy(1, wait=True)
    return made


def drawn(what: RenderableType, width: int = 160) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(what)
    return console.export_text()


def rows(text: str, beginning: str) -> list[list[str]]:
    """The cells of the table lines whose first cell is this."""
    lines = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in text.splitlines() if "│" in line]
    return [cells for cells in lines if cells[0] == beginning]


def test_the_page_has_a_line_for_every_round(view: View) -> None:
    text = drawn(view.page(), 200)
    assert "a federation" in text
    first = ["1", "finalised", "4/4", "org 4, org 6, org 7", "org 5", "org 1, org 2, org 3", "3/3", "93.00%"]
    assert rows(text, "1") == [[*first, "1,600,000"]]
    assert rows(text, "2") == [["2", "Train 50 s", "0/4", "", "", "org 4, org 6, org 7", "0/3", "", "0"]]


def test_the_page_shows_what_became_of_each_organisation(view: View) -> None:
    text = drawn(view.page())
    assert rows(text, "org 1")[0][1] == "scores"
    assert rows(text, "org 1")[0][-1].startswith("committed, revealed, votes Qm")
    assert rows(text, "org 4")[0][-2:] == ["500", "qualified, seated next"]
    assert rows(text, "org 5 (sign flip)")[0][-2:] == ["3", "refused: median 3 is below the 100 that qualifies"]


def test_a_narrow_terminal_loses_no_name(view: View) -> None:
    text = drawn(view.page(), 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert all(name in text for name in NAMES.values())


def test_before_the_first_round_the_page_says_how_many_joined() -> None:
    view = View(Tracker(fake_federation(), 10_000), "a federation")
    assert "waiting for organisations to join: 0 so far" in drawn(view.page())


def test_a_stranger_is_called_by_the_beginning_of_its_address(view: View) -> None:
    assert View(view.tracker, "").name(CHEATER).plain == f"{CHEATER[:8]}…"


def test_events_become_lines(view: View) -> None:
    lines = [line.plain for line in map(view.line, events()) if line]
    assert lines[0] == "round 0  joined  org 1"
    assert lines[7] == "round 1  committee  org 1, org 2, org 3"
    assert lines[8].startswith("round 1  submitted  org 4  1,000 samples  Qm")
    assert lines[12] == "round 1  committed  org 1"
    assert lines[13] == "round 1  revealed  org 1"
    assert lines[14].startswith("round 1  voted  org 1  Qm")
    assert lines[21:23] == [
        "round 1  finalised  qualified: org 4, org 6, org 7\n"
        "          refused: org 5: median 3 is below the 100 that qualifies",
        "round 2  committee  org 4, org 6, org 7",
    ]


def test_the_opening_of_a_round_is_no_line_of_its_own(view: View) -> None:
    assert [event.name for event in events() if view.line(event) is None] == ["RoundOpened"] * 2
