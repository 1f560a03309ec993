"""Weights and their canonical bytes: safetensors with nothing left to chance.

An *update* is the delta ``local - global`` per named tensor; a *model* is the weights themselves. Both travel as
safetensors: eight bytes with the length of the header (little endian), a JSON header, the tensors' raw little-endian
values. Here the header is exact: compact JSON, ``__metadata__`` first, names sorted, padded with spaces to a multiple
of eight. Names, shapes, dtypes and metadata of a payload are known before it is fetched, so there is exactly one
acceptable header, and decoding compares it byte for byte. Only a header that differs is parsed, to say what is wrong
with it. Nothing is ever unpickled.

Format: https://github.com/huggingface/safetensors ("Format" in its README); the library reads these bytes, which is
tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bcfl.cid import Digest, cid_of
from bcfl.errors import InvalidContent, ModelMismatch

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only audits needs none of it
    from torch import nn

Weights = Mapping[str, NDArray[np.float32]]
"""Tensors by name, float32; names sorted where it comes from this module."""

BLOCK = 65_536
"""Elements handled at a time, so that temporaries stay in the cache."""

FLOAT32 = "float32"
MODEL_METADATA = {"bcfl": "model/1"}
_METADATA = "__metadata__"
_SAFETENSORS_DTYPE = {FLOAT32: "F32"}
_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and dtype of one tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str = FLOAT32

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Architecture:
    """The tensors of a model, sorted by name.

    Raises:
        ModelMismatch: names are not sorted and unique, one is reserved, or a dtype is not float32.
    """

    tensors: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.tensors]
        if names != sorted(set(names)):
            raise ModelMismatch("tensor names must be unique and in sorted order")
        if _METADATA in names:
            raise ModelMismatch(f"no tensor may be called {_METADATA}: the wire format uses that name")
        for tensor in self.tensors:
            if tensor.dtype not in _SAFETENSORS_DTYPE:
                raise ModelMismatch(f"tensor {tensor.name!r} is {tensor.dtype}: only float32 can be federated so far")

    @property
    def parameters(self) -> int:
        """Number of elements of all tensors."""
        return sum(tensor.size for tensor in self.tensors)


@dataclass(frozen=True)
class UpdateHeader:
    """What an update says about itself, so that its bytes are of no use to another author, round or federation.

    ``author`` and ``federation`` are addresses (``0x…``, any case), ``base`` is the digest of the round's base model.
    """

    author: str
    chain_id: int
    federation: str
    round: int
    base: Digest

    def metadata(self) -> dict[str, str]:
        """The payload's ``__metadata__``."""
        return {
            "author": self.author.lower(),
            "base": cid_of(self.base),
            "bcfl": "update/1",
            "chain": str(self.chain_id),
            "federation": self.federation.lower(),
            "round": str(self.round),
        }


# What a differing entry of the metadata means, in the order in which it is looked for.
_METADATA_REASONS = {
    "bcfl": "not a payload of this kind or version",
    "chain": "names another chain",
    "federation": "names another federation",
    "author": "names another author",
    "round": "names another round",
    "base": "wrong base model",
}


def architecture_of(model: nn.Module) -> Architecture:
    """The architecture of a module: every entry of its ``state_dict``.

    Raises:
        ModelMismatch: an entry is not float32 (batch normalisation counts its batches in an integer, for instance).
    """
    state = sorted(model.state_dict().items())
    return Architecture(
        tuple(TensorSpec(name, tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in state)
    )


def architecture_of_weights(weights: Weights) -> Architecture:
    """The architecture of weights.

    Raises:
        ModelMismatch: an array is not float32.
    """
    arrays = sorted(weights.items())
    return Architecture(tuple(TensorSpec(name, value.shape, str(value.dtype)) for name, value in arrays))


def weights_of(model: nn.Module) -> Weights:
    """A copy of a module's weights.

    Raises:
        ModelMismatch: an entry of the ``state_dict`` is not float32.
    """
    architecture_of(model)
    return {name: value.cpu().numpy().copy() for name, value in sorted(model.state_dict().items())}


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Copy weights into a module.

    Raises:
        ModelMismatch: names, shapes or dtypes differ.
    """
    require_architecture(weights, architecture_of(model))
    for name, tensor in model.state_dict().items():
        tensor.copy_(tensor.new_tensor(weights[name]))  # on whatever device the module is


def require_architecture(weights: Weights, architecture: Architecture) -> None:
    """Check that weights are of an architecture.

    Raises:
        ModelMismatch: they are not; names the first difference.
    """
    difference = first_difference(architecture, architecture_of_weights(weights))
    if difference:
        raise ModelMismatch(difference)


def first_difference(expected: Architecture, found: Architecture) -> str:
    """One line on the first tensor in which two architectures differ; empty if they do not."""
    theirs = {tensor.name: tensor for tensor in found.tensors}
    for tensor in expected.tensors:
        other = theirs.pop(tensor.name, None)
        if other is None:
            return f"tensor {tensor.name!r} is missing"
        if other != tensor:
            return f"tensor {tensor.name!r} is {_described(other)}, expected {_described(tensor)}"
    return f"tensor {next(iter(theirs))!r} is not expected" if theirs else ""


def _described(tensor: TensorSpec) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


def encode_update(delta: Weights, header: UpdateHeader) -> bytes:
    """The payload of an update.

    Raises:
        ModelMismatch: an array is not float32.
        InvalidContent: a value is NaN or infinite (local training diverged).
    """
    return _encode(delta, header.metadata())


def decode_update(data: bytes, architecture: Architecture, header: UpdateHeader) -> Weights:
    """The delta in the payload of an update: read-only views of ``data``, names sorted.

    Raises:
        InvalidContent: anything but the one canonical encoding of finite values of ``architecture`` under ``header``.
    """
    return _decode(data, architecture, header.metadata())


def encode_model(weights: Weights) -> bytes:
    """The payload of a global model; raises as ``encode_update`` does."""
    return _encode(weights, MODEL_METADATA)


def decode_model(data: bytes, architecture: Architecture) -> Weights:
    """The weights in the payload of a model: read-only views of ``data``; raises as ``decode_update`` does."""
    return _decode(data, architecture, MODEL_METADATA)


def max_update_bytes(architecture: Architecture) -> int:
    """Length of the longest valid update of an architecture, for whoever must bound a download."""
    longest = UpdateHeader(f"0x{0:040}", 2**256 - 1, f"0x{0:040}", 2**64 - 1, Digest(bytes(32)))
    return len(_header_bytes(architecture, longest.metadata())) + architecture.parameters * _FLOAT32_BYTES


def _header_bytes(architecture: Architecture, metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    start = 0
    for tensor in architecture.tensors:
        end = start + tensor.size * _FLOAT32_BYTES
        dtype = _SAFETENSORS_DTYPE[tensor.dtype]
        entries[tensor.name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _blocks(array: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    flat = array.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        yield flat[start : start + BLOCK]


def is_finite(array: NDArray[np.float32]) -> bool:
    """Whether no element is NaN or infinite; one block in memory at a time."""
    return all(bool(np.isfinite(block).all()) for block in _blocks(array))


def _encode(weights: Weights, metadata: Mapping[str, str]) -> bytes:
    architecture = architecture_of_weights(weights)
    parts = [_header_bytes(architecture, metadata)]
    for tensor in architecture.tensors:
        if not is_finite(weights[tensor.name]):
            raise InvalidContent("not finite (NaN or infinity)")
        parts.append(weights[tensor.name].astype("<f4", copy=False).tobytes())
    return b"".join(parts)


def _decode(data: bytes, architecture: Architecture, metadata: Mapping[str, str]) -> Weights:
    header = _header_bytes(architecture, metadata)
    if data[: len(header)] != header:
        raise InvalidContent(_reason(data, header))
    if len(data) != len(header) + architecture.parameters * _FLOAT32_BYTES:
        too_short = len(data) < len(header) + architecture.parameters * _FLOAT32_BYTES
        raise InvalidContent("truncated" if too_short else "not canonical")
    weights: dict[str, NDArray[np.float32]] = {}
    offset = len(header)
    for tensor in architecture.tensors:
        values = np.frombuffer(data, "<f4", tensor.size, offset).reshape(tensor.shape)
        if not is_finite(values):
            raise InvalidContent("not finite (NaN or infinity)")
        values.flags.writeable = False
        weights[tensor.name] = values
        offset += tensor.size * _FLOAT32_BYTES
    return weights


class _Malformed(Exception):
    """A header that is not JSON of the expected outline."""


def _reason(data: bytes, expected: bytes) -> str:
    """Why a header is not the expected one, in words that repeat nothing of it."""
    if len(data) < 8:
        return "truncated"
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > 2 * len(expected) + 4096:
        return "not safetensors"
    if length > len(data) - 8:
        return "truncated"
    try:
        found = _parsed(data[8 : 8 + length])
    except _Malformed:
        return "not safetensors"
    return _header_difference(found, json.loads(expected[8:]))


def _parsed(text: bytes) -> dict[str, dict[str, Any]]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise _Malformed
        return dict(pairs)

    try:
        found = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _Malformed from error
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise _Malformed
    return found


def _header_difference(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> str:
    metadata = found.get(_METADATA, {})
    for key, reason in _METADATA_REASONS.items():
        if metadata.get(key) != expected[_METADATA].get(key):
            return reason
    if found.keys() != expected.keys():
        return "wrong tensors"
    for field, reason in (("dtype", "wrong dtype"), ("shape", "wrong shapes")):
        if any(found[name].get(field) != expected[name].get(field) for name in expected):
            return reason
    return "not canonical"
