"""Malicious trainers, for demonstrations, tests and benchmarks. Each definition is stated, because publications differ.

An attack may poison the delta, corrupt the payload, or withhold it; a participant that plays one calls all three hooks.
``attack_of("sign_flip:3")`` makes one from a name and its parameter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bcfl.errors import ConfigurationError
from bcfl.weights import Weights

Poison = Callable[[Weights, np.random.Generator], Weights]
"""From the honest delta to the one that is sent."""

Corrupt = Callable[[bytes, bytes], bytes]
"""From the own payload and another trainer's (empty if there is none) to the bytes that are sent."""


def _honest(delta: Weights, rng: np.random.Generator) -> Weights:
    del rng
    return delta


def _own(payload: bytes, another: bytes) -> bytes:
    del another
    return payload


@dataclass(frozen=True)
class Attack:
    """How a malicious trainer differs from an honest one."""

    name: str
    poison: Poison = _honest
    corrupt: Corrupt = _own
    pins: bool = True
    """Whether the payload is put on IPFS; its digest is submitted either way."""


def sign_flip(scale: float = 1.0) -> Attack:
    """Send ``-scale * delta``: scale 1 in Karimireddy, He, Jaggi (ICLR 2022) and FLPoison, 10 in EIFFeL."""

    def poison(delta: Weights, rng: np.random.Generator) -> Weights:
        del rng
        return {name: np.float32(-scale) * value for name, value in delta.items()}

    return Attack("sign_flip", poison)


def noise(sigma: float = 1.0) -> Attack:
    """Send ``delta + N(0, sigma^2)``, independently per weight: VBFL (arXiv 2101.03300) with sigma 1.

    FLPoison sends N(0, 1) instead of the delta; Fang et al. (USENIX Security 2020) draw from a fit to honest models.
    """

    def poison(delta: Weights, rng: np.random.Generator) -> Weights:
        return {
            name: value + np.float32(sigma) * rng.standard_normal(value.shape, dtype=np.float32)
            for name, value in delta.items()
        }

    return Attack("noise", poison)


def nan() -> Attack:
    """Overwrite the payload's last value with NaN."""
    return Attack("nan", corrupt=lambda payload, _: payload[:-4] + np.float32(math.nan).astype("<f4").tobytes())


def wrong_shapes() -> Attack:
    """Declare the payload's first tensor with one more dimension, of length 1."""

    def corrupt(payload: bytes, another: bytes) -> bytes:
        del another
        end = 8 + int.from_bytes(payload[:8], "little")
        entries = json.loads(payload[8:end])
        first = next(name for name in entries if name != "__metadata__")
        entries[first]["shape"].append(1)
        header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-len(header) % 8)
        return len(header).to_bytes(8, "little") + header + payload[end:]

    return Attack("wrong_shapes", corrupt=corrupt)


def truncated() -> Attack:
    """Send the first half of the payload."""
    return Attack("truncated", corrupt=lambda payload, _: payload[: len(payload) // 2])


def missing() -> Attack:
    """Submit the digest of a payload that nobody can fetch."""
    return Attack("missing", pins=False)


def copier() -> Attack:
    """Submit another trainer's payload as one's own; the own one while there is none to copy."""
    return Attack("copier", corrupt=lambda payload, another: another or payload)


ATTACKS: dict[str, Callable[..., Attack]] = {
    "sign_flip": sign_flip,
    "noise": noise,
    "nan": nan,
    "wrong_shapes": wrong_shapes,
    "truncated": truncated,
    "missing": missing,
    "copier": copier,
}
"""By name; ``sign_flip`` and ``noise`` take a number."""

_WITH_NUMBER = ("sign_flip", "noise")


def attack_of(text: str) -> Attack:
    """The attack of a name, or of ``name:number``.

    Raises:
        ConfigurationError: no such attack, or not a finite number where one belongs.
    """
    name, colon, number = text.partition(":")
    if name not in ATTACKS:
        raise ConfigurationError(f"unknown attack {name!r}: one of {', '.join(ATTACKS)}")
    if not colon:
        return ATTACKS[name]()
    if name not in _WITH_NUMBER:
        raise ConfigurationError(f"attack {name} takes no number")
    try:
        parameter = float(number)
    except ValueError:
        parameter = math.nan
    if not math.isfinite(parameter):
        raise ConfigurationError(f"attack {name} takes a number, as in {name}:3, not {number!r}")
    return ATTACKS[name](parameter)
