"""``bcfl split``: the table, the numbers and the picture."""

import json
from pathlib import Path

import pytest

from bcfl.cli import run


@pytest.mark.parametrize("name", ["iid", "dirichlet", "shards"])
def test_a_split_is_shown_and_drawn(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "who.png"
    assert run(["split", name, "--participants", "7", "-o", str(picture), "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert len(held) == 7
    assert sum(map(sum, held)) == 60_000 if name != "shards" else sum(map(sum, held)) > 59_000
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(["split", name, "--participants", "7"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 8
