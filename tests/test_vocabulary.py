"""One verb per step, the same word in the contract, its event, Python, and what participants log."""

import ast
import json
from pathlib import Path

import pytest

from bcfl import errors, reference
from bcfl.chain import artefact
from bcfl.contracts import FederationContract
from bcfl.due import Step
from bcfl.history import STEPS

ROOT = Path(__file__).resolve().parent.parent

# step, function on chain, event, method in Python
VOCABULARY = [
    ("join", "join", "ParticipantJoined", "join"),
    ("open", "openRound", "RoundOpened", "open_round"),
    ("submit", "submitUpdate", "UpdateSubmitted", "submit_update"),
    ("commit", "commitScores", "ScoresCommitted", "commit_scores"),
    ("reveal", "revealScores", "ScoresRevealed", "reveal_scores"),
    ("vote", "submitVote", "VoteSubmitted", "submit_vote"),
    ("finalise", "finaliseRound", "RoundFinalised", "finalise_round"),
]


def names(kind: str) -> set[str]:
    return {entry["name"] for entry in artefact("Federation")["abi"] if entry["type"] == kind}


@pytest.mark.parametrize(("step", "function", "event", "method"), VOCABULARY)
def test_a_step_has_one_word_everywhere(step: str, function: str, event: str, method: str) -> None:
    assert function in names("function")
    assert event in names("event")
    assert callable(getattr(FederationContract, method))
    assert callable(getattr(reference.Federation, method))
    assert step in (ROOT / "bcfl" / "participant.py").read_text()
    # What a trainer does before it submits is its own step; the transaction is called submit.
    assert step in {each.value for each in Step} | {"submit"}
    assert STEPS.get(event, step) == step


def test_every_function_that_changes_the_state_is_in_the_vocabulary() -> None:
    changing = {
        entry["name"]
        for entry in artefact("Federation")["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert changing == {function for _, function, _, _ in VOCABULARY}


def test_every_error_of_the_contracts_has_an_exception_of_its_name() -> None:
    ours = (ROOT / "contracts" / "libraries" / "ErrorsLib.sol").read_text()
    for name in ("Registry", "Federation", "FederationFactory"):
        for entry in artefact(name)["abi"]:
            if entry["type"] == "error" and f"error {entry['name']}(" in ours:
                assert issubclass(getattr(errors, entry["name"]), errors.ContractError)


def test_every_exception_has_an_exit_code_of_the_table() -> None:
    table = errors.__doc__ or ""
    pending, seen = [errors.BcflError], []
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        seen.append(cls)
    for cls in seen:
        assert cls.__doc__
        own = cls.__module__ == "bcfl.errors" and cls is not errors.BcflError
        if own and not issubclass(cls, errors.ContractError):
            assert cls.__name__ in table, cls
        assert cls is errors.BcflError or 1 <= cls.exit_code < 60


# Which modules may know which worlds. A module that is not named may import only what is pure.
PURE = {"protocol", "errors", "config", "cid"}
LEARNING = {"weights", "aggregate", "kernels", "score", "attacks", "rng", "manifest", "tasks"}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


def ours(imports: set[str]) -> set[str]:
    return {name.split(".")[1] for name in imports if name.startswith("bcfl.")}


def modules() -> list[Path]:
    return sorted((ROOT / "bcfl").rglob("*.py"))


def test_only_one_part_knows_each_outside_world() -> None:
    for path in modules():
        tops = {name.split(".")[0] for name in imports_of(path)}
        assert "web3" not in tops or path.parent.name == "chain", path
        assert "ipfshttpclient" not in tops or path.name == "ipfs.py", path
        assert not tops & {"brownie", "pytest", "solcx"}, path


def test_the_protocol_imports_nothing_of_ours_but_what_is_pure() -> None:
    for name in PURE:
        assert ours(imports_of(ROOT / "bcfl" / f"{name}.py")) <= PURE, name


def test_learning_knows_neither_chain_nor_ipfs() -> None:
    worlds = {"chain", "ipfs", "contracts", "payloads", "participant", "devnet"}
    for path in modules():
        top = path.relative_to(ROOT / "bcfl").parts[0].removesuffix(".py")
        if top in LEARNING:
            assert not ours(imports_of(path)) & worlds, path


def test_nothing_unpickles() -> None:
    for path in modules():
        imports = imports_of(path)
        assert not imports & {"pickle", "torch.load", "joblib", "dill", "marshal", "shelve"}, path
        assert "torch.load(" not in path.read_text(), path
        assert "allow_pickle=True" not in path.read_text(), path


def test_no_lock_file_names_a_registry() -> None:
    for name in ("package-lock.json", "devnet/package-lock.json"):
        assert "resolved" not in json.dumps(json.loads((ROOT / name).read_text())["packages"]), name
