"""The command line without any node: errors, JSON, secrets, and what it costs to start."""

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer
from eth_account import Account

from bcfl import errors
from bcfl.accounts import Keystore
from bcfl.chain import address_of
from bcfl.cli import BUG, app, run
from bcfl.cli.context import parameters_of
from bcfl.cli.federation import TERMS, TRAINING
from bcfl.cli.output import duration, harmless, one_line
from bcfl.config import Settings
from bcfl.contracts import Deployment, SignedCertificate
from bcfl.founding import Terms
from bcfl.manifest import Aggregation, Scoring, Training
from bcfl.protocol import Role

HEAVY = ("torch", "web3", "numpy", "pydantic", "eth_account", "requests", "rich")


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BCFL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.stdin", io.StringIO())


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, bcfl.cli; print([each for each in {HEAVY} if each in sys.modules])"
    root = str(Path(errors.__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_the_defaults_of_create_are_those_of_the_terms() -> None:
    terms, training = asdict(Terms()), Training().model_dump()
    assert {name: number.default for name, number in TERMS.items()} == {name: terms[name] for name in TERMS}
    assert {name: number.default for name, number in TRAINING.items()} == {name: training[name] for name in TRAINING}
    assert set(terms) - set(TERMS) == {"election"}
    assert set(training) - set(TRAINING) == {"optimiser"}


def test_the_rules_of_create_are_those_of_the_manifest() -> None:
    from bcfl.cli.federation import AggregationRule, ScoringRule

    assert {Scoring(rule=each.value).rule for each in ScoringRule} == {"loss_impact", "accuracy"}
    assert {Aggregation(rule=each.value).rule for each in AggregationRule} == {"fedavg"}


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def settings(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("bcfl.cli.context.load_settings", settings)


def test_an_error_of_ours_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, errors.WrongChain("first\nsecond \x1b[31m"))
    assert run(["settings"]) == errors.WrongChain.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "bcfl: first second \N{REPLACEMENT CHARACTER}[31m\n"


def test_an_error_of_the_contract_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(monkeypatch, errors.NotCertifier({"certifier": "0xabc"}))
    assert run(["settings"]) == errors.ContractError.exit_code
    assert capsys.readouterr().err == (
        "bcfl: the contract refuses: NotCertifier(certifier=0xabc). "
        "A certificate is not signed by a certifier of the registry.\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(28, "No space left on device", "a/b"), errors.DiskFull.exit_code, "a/b: no space left"),
        (PermissionError(13, "Permission denied", "a/b"), 3, "a/b: Permission denied"),
        (KeyError("x"), BUG, "this is a bug in bcfl (KeyError: 'x'); bcfl --debug shows where"),
        (KeyboardInterrupt(), 130, None),
    ],
)
def test_any_other_exception_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    says: str | None,
) -> None:
    fail_with(monkeypatch, error)
    assert run(["settings"]) == code
    err = capsys.readouterr().err
    assert err == (f"bcfl: {says}\n" if says else "")


def test_debug_shows_the_traceback_as_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bcfl.cli._debug", False)
    fail_with(monkeypatch, errors.WrongChain("no"))
    assert run(["--debug", "settings"]) == errors.WrongChain.exit_code
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("bcfl: no\n")


def test_wrong_usage_is_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rounds", "x"]) == 2
    assert run(["nonsense"]) == 2
    assert capsys.readouterr().out == ""


def commands(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found = getattr(command, "commands", None)
    if found is None:
        return {path: command}
    return {k: v for name, each in found.items() for k, v in commands(each, (*path, name)).items()}


ALL = commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    assert "Usage: bcfl" in capsys.readouterr().out
    assert ALL[path].help
    for parameter in ALL[path].params:
        assert parameter.help or parameter.name == "help", parameter.name


def test_every_command_has_json() -> None:
    without = {path for path, command in ALL.items() if not any("--json" in each.opts for each in command.params)}
    assert without == set()


def test_no_option_takes_a_secret() -> None:
    for command in ALL.values():
        names = {name for each in command.params for name in each.opts}
        assert not names & {"--password", "--key", "--private-key", "--mnemonic"}


def test_settings_tell_where_a_value_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bcfl.toml").write_text('ipfs = "http://from-file:5001"\n')
    monkeypatch.setenv("BCFL_ACCOUNT", "alice")
    monkeypatch.setenv("BCFL_PASSWORD", "do-not-show")
    assert run(["settings", "--json", "--chain-id", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ipfs"] == {"value": "http://from-file:5001", "from": "bcfl.toml"}
    assert found["account"] == {"value": "alice", "from": "environment"}
    assert found["chain_id"] == {"value": 5, "from": "option"}
    assert found["confirmations"] == {"value": 0, "from": "default"}
    assert run(["settings"]) == 0
    assert "do-not-show" not in capsys.readouterr().out


def test_accounts_are_made_listed_and_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BCFL_PASSWORD", "secret")
    (tmp_path / "key").write_text("0x" + "12" * 32 + "\n")
    assert run(["account", "new", "alice", "--light", "--json"]) == 0
    alice = json.loads(capsys.readouterr().out)
    assert run(["account", "import", "bob", "--key-file", "key", "--light", "--json"]) == 0
    bob = json.loads(capsys.readouterr().out)
    assert run(["account", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [alice, bob]
    keystore = Keystore(tmp_path / ".bcfl" / "keystore")
    assert bytes(keystore.unlock(keystore.find("bob"), "secret").key) == b"\x12" * 32


def test_a_password_file_named_as_an_option_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BCFL_PASSWORD", "from environment")
    (tmp_path / "password").write_text("from file\r\nsecond line\n")
    assert run(["account", "new", "alice", "--light", "--password-file", "password"]) == 0
    keystore = Keystore(tmp_path / ".bcfl" / "keystore")
    assert keystore.unlock(keystore.find("alice"), "from file").address.startswith("0x")
    monkeypatch.setenv("BCFL_PASSWORD_FILE", "password")
    assert run(["account", "new", "bob", "--light"]) == 0
    assert keystore.unlock(keystore.find("bob"), "from environment").address.startswith("0x")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["account", "new"], 3, "no password"),
        (["account", "new", "--password-file", "nowhere"], 3, "cannot read the password"),
        (["account", "import"], 3, "no private key"),
        (["account", "import", "--key-file", "nowhere"], 3, "cannot read a private key"),
        (["account", "import", "--keystore-file", "nowhere"], errors.BadKeystore.exit_code, "cannot read nowhere"),
        (["account", "import", "--keystore-file", "a", "--light"], 3, "do not go with it"),
        (["certify", "0x" + "00" * 20, "--chain-id", "1"], 3, "no deployment record"),
        (["devnet", "fund", "0x" + "00" * 20], 3, "no devnet in this folder"),
        (["rounds", "--chain-id", "x"], 3, "--chain-id: 'x' is not a whole number"),
        (["participate", "--parameter", "x"], 3, "a parameter is name=value"),
        (["participate", "--attack", "x"], 3, "unknown attack 'x'"),
        (["federation", "create", "--task", "a:B", "--parameter", "x=1", "--local", "x=2"], 3, "not both"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("bcfl: ")
    assert err.count("\n") == 1


def test_a_devnet_that_never_ran_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devnet", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert run(["devnet", "down"]) == 0
    assert "nothing to stop" in capsys.readouterr().err


def test_parameters_read_as_json_where_they_are() -> None:
    texts = ["a=1", "b=0.5", "c=true", "d=null", "e=text", "f=a=b", "g=[1]", 'h="1"']
    assert parameters_of(texts) == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": "text", "f": "a=b", "g": "[1]", "h": "1",
    }  # fmt: skip


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a b=1"], ["a=1", "a=2"], ["a=NaN"], ["a=1e999"]])
def test_a_parameter_that_is_none_is_refused(texts: list[str]) -> None:
    with pytest.raises(errors.ConfigurationError):
        parameters_of(texts)


def test_what_strangers_write_cannot_rewrite_the_terminal() -> None:
    assert harmless("a\x1b[2Jb\r\n\u202ec") == "a\ufffd[2Jb\ufffd\ufffd\ufffdc"
    assert len(harmless("x" * 10_000)) == 501
    assert one_line("a\n\tb  c") == "a b c"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7800, "2 h 10 min")]
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_certificate_is_signed_without_any_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BCFL_PASSWORD", "secret")
    assert run(["account", "new", "certifier", "--light", "--json"]) == 0
    certifier = json.loads(capsys.readouterr().out)["address"]
    registry, participant = address_of("0x" + "22" * 20), address_of("0x" + "33" * 20)
    Deployment(7, registry, registry, registry, 1, 1).save(tmp_path / "deployments" / "7.json")
    assert run(["certify", participant, "--chain-id", "7", "--days", "2", "--role", "relay", "-o", "c.json"]) == 0
    signed = SignedCertificate.from_json((tmp_path / "c.json").read_text())
    message = signed.certificate.message(7, registry)
    assert Account.recover_message(message, signature=signed.signature) == certifier
    assert (signed.certificate.participant, signed.certificate.role) == (participant, Role.RELAY)
    assert 172_700 < signed.certificate.expires_at - time.time() <= 172_800


def test_task_and_parameters_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def prepare(settings: Settings, task: str | None, parameters: list[str], attack: str | None) -> None:
        asked.append((task, parameters, attack))
        raise errors.WrongChain("far enough")

    monkeypatch.setattr("bcfl.cli.participate.prepare", prepare)
    monkeypatch.setattr("bcfl.cli.participate.log_steps", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("BCFL_TASK", "module:Class")
    monkeypatch.setenv("BCFL_PARAMETERS", "a=1 b=x")
    assert run(["participate"]) == errors.WrongChain.exit_code
    assert run(["participate", "--task", "other:Class", "--local", "c=2"]) == errors.WrongChain.exit_code
    assert asked == [("module:Class", ["a=1", "b=x"], None), ("other:Class", ["c=2"], None)]
