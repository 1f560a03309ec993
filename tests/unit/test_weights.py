import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load as safetensors_load
from safetensors.numpy import save as safetensors_save
from torch import nn

from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.errors import InvalidContent, ModelMismatch
from bcfl.weights import (
    Architecture,
    TensorSpec,
    UpdateHeader,
    Weights,
    architecture_of,
    architecture_of_weights,
    decode_model,
    decode_update,
    encode_model,
    encode_update,
    load_weights,
    max_update_bytes,
    weights_of,
)

BASE = digest_of_bytes(b"base")
HEADER = UpdateHeader("0x" + "Ab" * 20, 31337, "0x" + "cD" * 20, 3, BASE)
DELTA: Weights = {
    "b": np.array([[1.5, -2.0, 0.25]], np.float32),
    "a": np.arange(4, dtype=np.float32),
    "zero-dimensional": np.array(7, np.float32),
}
ARCHITECTURE = architecture_of_weights(DELTA)


def header_of(payload: bytes) -> dict[str, dict[str, object]]:
    parsed: dict[str, dict[str, object]] = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
    return parsed


def with_header(payload: bytes, text: bytes) -> bytes:
    body = payload[8 + int.from_bytes(payload[:8], "little") :]
    return len(text).to_bytes(8, "little") + text + body


def edited(payload: bytes, edit: Callable[[dict[str, dict[str, object]]], None]) -> bytes:
    entries = header_of(payload)
    edit(entries)
    return with_header(payload, json.dumps(entries).encode())


def reason_of(payload: bytes, header: UpdateHeader = HEADER) -> str:
    with pytest.raises(InvalidContent) as caught:
        decode_update(payload, ARCHITECTURE, header)
    return caught.value.reason


def test_update_survives_the_round_trip_and_is_read_only() -> None:
    found = decode_update(encode_update(DELTA, HEADER), ARCHITECTURE, HEADER)
    assert list(found) == ["a", "b", "zero-dimensional"]
    for name, value in DELTA.items():
        assert found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes()
        assert not found[name].flags.writeable


def test_update_header_is_exact() -> None:
    payload = encode_update({"w": np.array([1.0], np.float32)}, HEADER)
    length = int.from_bytes(payload[:8], "little")
    assert length % 8 == 0
    assert payload[8 : 8 + length].rstrip(b" ").decode() == (
        '{"__metadata__":{"author":"0x' + "ab" * 20 + '","base":"' + cid_of(BASE) + '","bcfl":"update/1",'
        '"chain":"31337","federation":"0x' + "cd" * 20 + '","round":"3"},'
        '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    assert payload[8 + length :] == np.array([1.0], "<f4").tobytes()


def test_update_is_read_by_the_safetensors_library() -> None:
    found = safetensors_load(encode_update(DELTA, HEADER))
    assert found.keys() == DELTA.keys()
    assert all(found[name].tobytes() == value.tobytes() for name, value in DELTA.items())


def test_model_equals_the_bytes_of_the_safetensors_library() -> None:
    assert encode_model(DELTA) == safetensors_save(dict(DELTA), metadata={"bcfl": "model/1"})
    assert decode_model(encode_model(DELTA), ARCHITECTURE)["b"].tolist() == [[1.5, -2.0, 0.25]]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=8).filter(
            lambda n: n != "__metadata__"
        ),
        hnp.arrays(
            np.float32,
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
            elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_finite_weights_have_one_canonical_payload(weights: Weights) -> None:
    payload = encode_model(weights)
    found = decode_model(payload, architecture_of_weights(weights))
    assert encode_model(dict(reversed(list(found.items())))) == payload
    assert all(safetensors_load(payload)[name].tobytes() == value.tobytes() for name, value in found.items())


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("author", "names another author"),
        ("chain_id", "names another chain"),
        ("federation", "names another federation"),
        ("round", "names another round"),
        ("base", "wrong base model"),
    ],
)
def test_update_made_for_something_else_is_refused_by_name(field: str, reason: str) -> None:
    others: dict[str, Any] = {"author": "0x" + "11" * 20, "chain_id": 1, "federation": "0x" + "22" * 20, "round": 4}
    other = replace(HEADER, **{field: others.get(field, Digest(bytes(32)))})
    assert reason_of(encode_update(DELTA, other)) == reason


def test_address_case_does_not_matter() -> None:
    shouted = UpdateHeader(HEADER.author.upper().replace("X", "x"), 31337, HEADER.federation, 3, BASE)
    assert encode_update(DELTA, shouted) == encode_update(DELTA, HEADER)


def _of(name: str, **changes: object) -> Callable[[dict[str, dict[str, object]]], None]:
    return lambda entries: entries[name].update(changes)


PAYLOAD = encode_update(DELTA, HEADER)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "truncated"),
        (b"\x80\x02}", "truncated"),
        (PAYLOAD[:60], "truncated"),
        (PAYLOAD[:-1], "truncated"),
        (PAYLOAD + b"\0", "not canonical"),
        (b"\xff" * 8 + b"{" + PAYLOAD[9:], "not safetensors"),
        (b"\x00" * 64, "not safetensors"),
        (with_header(PAYLOAD, b"{" + b"\xff" * 20), "not safetensors"),
        (with_header(PAYLOAD, b'{"a":' + b"[" * 4000 + b"]" * 4000 + b"}"), "not safetensors"),
        (with_header(PAYLOAD, b'{"a":{"b":' + b"9" * 4500 + b"}}"), "not safetensors"),
        (with_header(PAYLOAD, b'{"a":[1]}'), "not safetensors"),
        (with_header(PAYLOAD, b'{"a":{},"a":{}}'), "not safetensors"),
        (with_header(PAYLOAD, b"{}"), "not a payload of this kind or version"),
        (encode_model(DELTA), "not a payload of this kind or version"),
        (encode_update({**DELTA, "c": np.zeros(1, np.float32)}, HEADER), "wrong tensors"),
        (encode_update({**DELTA, "a": np.zeros((2, 2), np.float32)}, HEADER), "wrong shapes"),
        (edited(PAYLOAD, _of("a", dtype="F64")), "wrong dtype"),
        (edited(PAYLOAD, _of("a", data_offsets=[4, 20])), "not canonical"),
        (edited(PAYLOAD, lambda _: None), "not canonical"),
        (PAYLOAD[:-4] + np.array([np.nan], "<f4").tobytes(), "not finite (NaN or infinity)"),
        (PAYLOAD[:-4] + np.array([np.inf], "<f4").tobytes(), "not finite (NaN or infinity)"),
    ],
)
def test_hostile_payload_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_no_flipped_byte_passes_as_the_same_update(position: int, flip: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[position] ^= flip
    in_values = position >= 8 + int.from_bytes(PAYLOAD[:8], "little")
    if in_values and np.isfinite(np.frombuffer(payload[-4 * ARCHITECTURE.parameters :], "<f4")).all():
        found = decode_update(bytes(payload), ARCHITECTURE, HEADER)
        assert encode_update(found, HEADER) == bytes(payload)
    else:
        assert len(reason_of(bytes(payload))) < 60


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert reason_of(data) in ("truncated", "not safetensors", "not a payload of this kind or version")


def test_diverged_training_is_not_encoded() -> None:
    with pytest.raises(InvalidContent, match="not finite"):
        encode_update({"w": np.array([np.nan], np.float32)}, HEADER)


def test_longest_update_is_within_the_bound() -> None:
    longest = UpdateHeader(HEADER.author, 2**256 - 1, HEADER.federation, 2**64 - 1, BASE)
    assert len(encode_update(DELTA, longest)) == max_update_bytes(ARCHITECTURE)
    assert len(PAYLOAD) < max_update_bytes(ARCHITECTURE)


def test_module_takes_and_gives_back_weights() -> None:
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    payload = encode_model(weights_of(first))
    load_weights(second, decode_model(payload, architecture_of(second)))
    assert encode_model(weights_of(second)) == payload
    assert second.weight.requires_grad


def test_weights_of_a_module_are_a_copy() -> None:
    module = nn.Linear(3, 2)
    weights = weights_of(module)
    before = weights["bias"].copy()
    with torch.no_grad():
        module.bias.add_(1)
    assert weights["bias"].tolist() == before.tolist()


def test_integer_buffer_is_refused_by_name() -> None:
    with pytest.raises(ModelMismatch, match=r"num_batches_tracked.*int64"):
        architecture_of(nn.BatchNorm1d(2))


def test_loading_names_the_first_difference() -> None:
    with pytest.raises(ModelMismatch, match=r"'weight' is float32 \[2, 4\], expected float32 \[2, 3\]"):
        load_weights(nn.Linear(3, 2), weights_of(nn.Linear(4, 2)))
    with pytest.raises(ModelMismatch, match="'bias' is missing"):
        load_weights(nn.Linear(3, 2), weights_of(nn.Linear(3, 2, bias=False)))
    with pytest.raises(ModelMismatch, match="'bias' is not expected"):
        load_weights(nn.Linear(3, 2, bias=False), weights_of(nn.Linear(3, 2)))


@pytest.mark.parametrize(
    "tensors",
    [
        (TensorSpec("b", (1,)), TensorSpec("a", (1,))),
        (TensorSpec("a", (1,)), TensorSpec("a", (1,))),
        (TensorSpec("__metadata__", (1,)),),
        (TensorSpec("a", (1,), "float64"),),
    ],
)
def test_architecture_refuses_what_cannot_be_encoded(tensors: tuple[TensorSpec, ...]) -> None:
    with pytest.raises(ModelMismatch):
        Architecture(tensors)
