"""The manifest: what a federation learns and how, pinned on IPFS, its digest in the contract's configuration.

A participant reads it before anything else and refuses what it cannot honour. It names a task, it never carries code.
The encoding is canonical (sorted keys, no spaces), so a manifest has one digest. Its JSON Schema is
``docs/manifest.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from bcfl.errors import ConfigurationError, ManifestUnsupported, ModelMismatch
from bcfl.weights import Architecture, TensorSpec, architecture_of, first_difference

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_PARAMETERS = 1 << 30
"""Of a model, 4 GiB of them: a stranger's manifest must not make anyone fetch without end."""

Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(max_length=1000)]
Integer = Annotated[int, Field(ge=-(2**53), le=2**53)]
Scalar = Text | bool | Integer | FiniteFloat | None


class Section(BaseModel):
    """A part of the manifest: immutable, strict about types, and without room for fields that this version does not
    know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TaskSection(Section):
    """Which task, and the parameters that all participants share; a participant adds its own (such as an index)."""

    name: Name
    parameters: dict[Name, Scalar] = Field(default_factory=dict, max_length=100)


class Tensor(Section):
    """Name, shape and dtype of one tensor of the model."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=8)
    dtype: Literal["float32"]


class Training(Section):
    """How a trainer trains: the settings that ``SupervisedTask`` follows."""

    epochs: int = Field(default=1, ge=1, le=1000)
    batch_size: int = Field(default=32, ge=1, le=2**20)
    optimiser: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.1, gt=0, le=1000)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)


class Scoring(Section):
    """How a seat scores: a rule of ``bcfl.score``, on at most so many samples of its own."""

    rule: Literal["accuracy", "loss_impact"] = "loss_impact"
    samples: int = Field(default=500, ge=1, le=2**20)


class Aggregation(Section):
    """How updates become the next model: a rule of ``bcfl.aggregate``."""

    rule: Literal["fedavg"] = "fedavg"


class Manifest(Section):
    """Everything that the participants of one federation agree on besides the contract's configuration."""

    format: Literal[1] = 1
    bcfl: Name
    task: TaskSection
    architecture: tuple[Tensor, ...] = Field(min_length=1, max_length=10_000)
    initial_model: Annotated[str, Field(pattern=r"^Qm[1-9A-HJ-NP-Za-km-z]{44}$")]
    training: Training = Training()
    codec: Literal["fp32"] = "fp32"
    scoring: Scoring = Scoring()
    aggregation: Aggregation = Aggregation()
    privacy: None = None
    start_members: int = Field(default=0, ge=0, le=2**32)
    """Members to wait for before the first round is opened; the contract's own minimum holds in any case."""

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """The manifest in a payload.

        Raises:
            ManifestUnsupported: the payload is not a manifest in canonical form, or asks for what this version cannot
            do.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestUnsupported(f"the manifest is longer than {MAX_MANIFEST_BYTES} bytes")
        try:
            document = json.loads(data.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ManifestUnsupported("the manifest is not JSON") from error
        _check_format(document)
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            raise ManifestUnsupported(_first_error(error)) from error
        if sum(prod(each.shape) for each in manifest.architecture) > MAX_PARAMETERS:
            raise ManifestUnsupported(f"the manifest's model has more than {MAX_PARAMETERS:,} parameters")
        if manifest.encode() != data:
            raise ManifestUnsupported("the manifest is not in canonical form (sorted keys, no spaces, each key once)")
        return manifest

    def model_architecture(self) -> Architecture:
        """The architecture that updates and models are decoded against.

        Raises:
            ModelMismatch: its names are not sorted and unique.
        """
        return Architecture(tuple(TensorSpec(each.name, each.shape, each.dtype) for each in self.architecture))

    def check_model(self, model: nn.Module) -> None:
        """Check that a task's model is what the manifest describes.

        Raises:
            ModelMismatch: it is not; names the first difference.
        """
        difference = first_difference(self.model_architecture(), architecture_of(model))
        if difference:
            raise ModelMismatch(f"the task's model does not match the manifest: {difference}")

    def task_parameters(self, local: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments for the task's class: shared parameters, the participant's own, training settings, scoring
        samples.

        Raises:
            ConfigurationError: a local parameter would override a shared one.
        """
        shared = {**self.task.parameters, "training": self.training, "scoring_samples": self.scoring.samples}
        for name in local:
            if name in shared:
                raise ConfigurationError(f"task parameter {name!r} is set by the manifest and cannot be set locally")
        return {**shared, **local}


def described_architecture(architecture: Architecture) -> tuple[Tensor, ...]:
    """An architecture as the manifest writes it."""
    return tuple(
        Tensor.model_validate({"name": each.name, "shape": each.shape, "dtype": each.dtype})
        for each in architecture.tensors
    )


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _check_format(document: object) -> None:
    asked = document.get("format") if isinstance(document, dict) else None
    if type(asked) is not int or asked != FORMAT:
        shown = asked if type(asked) is int and abs(asked) < 10**6 else "unknown"
        raise ManifestUnsupported(f"the manifest has format {shown}, this version of bcfl reads format {FORMAT}")


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=True)[0]
    where = ".".join(str(part)[:50] for part in first["loc"][:6])
    if first["type"] == "literal_error":
        asked = str(first["input"])[:50]
        return f"the manifest asks for {where} {asked!r}, this version of bcfl can do {first['ctx']['expected']}"
    return f"the manifest's {where}: {first['msg']}"
