"""Commands that run inside Brownie."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from bcfl.cli import embedded

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the command line was asked to run; it answers 0."""
    calls: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(embedded, "run", run)
    return calls


def connect_brownie(monkeypatch: pytest.MonkeyPatch, connected: bool) -> None:
    provider = SimpleNamespace(endpoint_uri="http://127.0.0.1:7")
    web3 = SimpleNamespace(provider=provider)
    brownie = SimpleNamespace(network=SimpleNamespace(is_connected=lambda: connected, web3=web3))
    monkeypatch.setitem(sys.modules, "brownie", brownie)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "command"), [("deploy", "deploy"), ("participant", "participate")])
def test_a_script_runs_its_command_on_brownies_chain(
    monkeypatch: pytest.MonkeyPatch, asked: list[list[str]], name: str, command: str
) -> None:
    connect_brownie(monkeypatch, connected=True)
    script(name).main()
    assert asked == [[command, "--rpc", "http://127.0.0.1:7"]]


def test_a_script_without_brownie_takes_its_options_and_settings(
    monkeypatch: pytest.MonkeyPatch, asked: list[list[str]]
) -> None:
    monkeypatch.delitem(sys.modules, "brownie", raising=False)
    script("deploy").main("--force")
    connect_brownie(monkeypatch, connected=False)
    script("deploy").main()
    assert asked == [["deploy", "--force"], ["deploy"]]


def test_a_script_fails_with_the_commands_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "brownie", raising=False)
    monkeypatch.setattr(embedded, "run", lambda _: 14)
    with pytest.raises(SystemExit) as caught:
        script("participant").main()
    assert caught.value.code == 14
