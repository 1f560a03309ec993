import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from bcfl.aggregate import AGGREGATION_RULES
from bcfl.cid import cid_of, digest_of_bytes
from bcfl.errors import ConfigurationError, ManifestError, ManifestUnsupported, ModelMismatch
from bcfl.manifest import (
    MAX_MANIFEST_BYTES,
    Aggregation,
    Manifest,
    Scoring,
    TaskSection,
    Training,
    described_architecture,
)
from bcfl.score import SCORING_RULES
from bcfl.weights import architecture_of

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = Manifest(
    bcfl="0.1.0",
    task=TaskSection(name="mnist", parameters={"split": "dirichlet", "alpha": 0.5, "participants": 10, "flag": True}),
    architecture=described_architecture(architecture_of(nn.Linear(3, 2))),
    initial_model=cid_of(digest_of_bytes(b"model")),
    training=Training(epochs=5, batch_size=32, learning_rate=0.1),
)


def changed(path: str, value: Any) -> bytes:
    """The manifest's canonical bytes with one field set, valid or not."""
    document = json.loads(MANIFEST.encode())
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    place[last] = value
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(ManifestUnsupported) as caught:
        Manifest.decode(data)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300
    return caught.value.message


def test_manifest_survives_the_round_trip_in_canonical_form() -> None:
    data = MANIFEST.encode()
    assert Manifest.decode(data) == MANIFEST
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(data)["architecture"][0] == {"dtype": "float32", "name": "bias", "shape": [2]}


def test_manifest_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MANIFEST.codec = "fp32"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "scoring.rule",
            "shapley",
            "asks for scoring.rule 'shapley', this version of bcfl can do 'accuracy' or 'loss_imp",
        ),
        ("aggregation.rule", "krum", "asks for aggregation.rule 'krum', this version of bcfl can do 'fedavg'"),
        ("codec", "int8", "asks for codec 'int8', this version of bcfl can do 'fp32'"),
        ("training.optimiser", "adam", "asks for training.optimiser 'adam', this version of bcfl can do 'sgd'"),
        ("format", 2, "has format 2, this version of bcfl reads format 1"),
        ("format", "1", "has format unknown"),
        ("format", True, "has format unknown"),
        ("privacy", {"epsilon": 1}, "privacy"),
        ("secure_aggregation", True, "secure_aggregation: Extra inputs are not permitted"),
        ("training.epochs", 0, "training.epochs"),
        ("training.epochs", 10**9, "training.epochs"),
        ("training.epochs", "5", "training.epochs"),
        ("training.learning_rate", 0, "training.learning_rate"),
        ("initial_model", "bafy", "initial_model"),
        ("architecture", [], "architecture"),
        ("architecture.0.shape", [-1], "architecture.0.shape.0"),
        ("architecture.0.shape", [1] * 9, "architecture.0.shape"),
        ("task.parameters", {"list": [1]}, "task.parameters.list"),
        ("task.parameters", {"huge": 10**30}, "canonical"),
        ("task.name", "", "task.name"),
    ],
)
def test_unsupported_manifest_is_refused_with_what_is_asked(path: str, value: Any, expected: str) -> None:
    assert expected in refusal(changed(path, value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b'{"format":' + b"1" * 5000 + b"}",
        b'{"format":NaN}',
        changed("task.parameters", {"alpha": float("nan")}),
        b" " * (MAX_MANIFEST_BYTES + 1),
        MANIFEST.encode() + b"\n",
        MANIFEST.encode().replace(b'"codec":"fp32"', b'"codec":"fp32","codec":"fp32"'),
        MANIFEST.encode().replace(b'"epochs":5', b'"epochs":5.0'),
    ],
)
def test_bytes_that_are_no_canonical_manifest_are_refused(data: bytes) -> None:
    refusal(data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_manifest_is_refused_or_is_another_manifest(data: st.DataObject) -> None:
    damaged = bytearray(MANIFEST.encode())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = Manifest.decode(bytes(damaged))
    except ManifestUnsupported:
        return
    assert found.encode() == bytes(damaged)


def test_model_that_matches_is_accepted_and_another_is_named() -> None:
    MANIFEST.check_model(nn.Linear(3, 2))
    with pytest.raises(ModelMismatch, match=r"'weight' is float32 \[2, 4\], expected float32 \[2, 3\]"):
        MANIFEST.check_model(nn.Linear(4, 2))


def test_unsorted_architecture_is_a_mismatch() -> None:
    turned = MANIFEST.model_copy(update={"architecture": MANIFEST.architecture[::-1]})
    with pytest.raises(ManifestError, match="sorted"):
        Manifest.decode(turned.encode()).model_architecture()


def test_task_parameters_join_shared_and_local_and_never_override() -> None:
    found = MANIFEST.task_parameters({"index": 3})
    assert found["index"] == 3
    assert found["alpha"] == 0.5
    assert found["training"] == MANIFEST.training
    assert found["scoring_samples"] == 500
    for name in ("alpha", "training"):
        with pytest.raises(ConfigurationError, match=name):
            MANIFEST.task_parameters({name: 1})


def test_every_rule_of_the_code_can_be_asked_for_and_no_other() -> None:
    assert Scoring.model_json_schema()["properties"]["rule"]["enum"] == list(SCORING_RULES)
    assert [Aggregation.model_json_schema()["properties"]["rule"]["const"]] == list(AGGREGATION_RULES)


def test_published_schema_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("manifest_schema", ROOT / "scripts" / "manifest_schema.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PATH.read_text(encoding="utf-8") == script.schema(), "run scripts/manifest_schema.py"
