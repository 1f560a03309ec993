import numpy as np
import pytest

from bcfl.attacks import ATTACKS, attack_of
from bcfl.cid import digest_of_bytes
from bcfl.errors import ConfigurationError, InvalidContent
from bcfl.weights import UpdateHeader, architecture_of_weights, decode_update, encode_update

DELTA = {"a": np.linspace(-1, 1, 1000, dtype=np.float32), "b": np.ones((2, 3), np.float32)}
BASE = digest_of_bytes(b"base")
MINE = UpdateHeader("0x" + "aa" * 20, 1, "0x" + "ff" * 20, 2, BASE)
ANOTHERS = UpdateHeader("0x" + "bb" * 20, 1, "0x" + "ff" * 20, 2, BASE)


def reason_of(attack: str, another: bytes = b"") -> str:
    payload = attack_of(attack).corrupt(encode_update(DELTA, MINE), another)
    with pytest.raises(InvalidContent) as caught:
        decode_update(payload, architecture_of_weights(DELTA), MINE)
    return caught.value.reason


def test_sign_flip_sends_the_scaled_opposite() -> None:
    poisoned = attack_of("sign_flip:3").poison(DELTA, np.random.default_rng(0))
    assert np.array_equal(poisoned["a"], -3 * DELTA["a"])
    assert poisoned["a"].dtype == np.float32


def test_noise_has_the_stated_deviation_and_comes_from_the_generator() -> None:
    first, second = (attack_of("noise:0.5").poison(DELTA, np.random.default_rng(0)) for _ in range(2))
    added = first["a"] - DELTA["a"]
    assert 0.45 < added.std() < 0.55
    assert abs(added.mean()) < 0.05
    assert np.array_equal(first["a"], second["a"])
    assert first["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("attack", "reason"),
    [("nan", "not finite (NaN or infinity)"), ("wrong_shapes", "wrong shapes"), ("truncated", "truncated")],
)
def test_corrupt_payload_is_refused_for_what_it_is(attack: str, reason: str) -> None:
    assert reason_of(attack) == reason


def test_copier_is_found_by_the_author_in_the_payload() -> None:
    assert reason_of("copier", encode_update(DELTA, ANOTHERS)) == "names another author"
    payload = encode_update(DELTA, MINE)
    assert attack_of("copier").corrupt(payload, b"") == payload


def test_missing_differs_from_honest_only_in_not_pinning() -> None:
    attack = attack_of("missing")
    assert not attack.pins
    assert attack.corrupt(b"payload", b"another") == b"payload"
    assert attack.poison(DELTA, np.random.default_rng(0)) is DELTA


def test_every_attack_is_made_by_its_name() -> None:
    assert [attack_of(name).name for name in ATTACKS] == list(ATTACKS)


@pytest.mark.parametrize("text", ["", "label_flop", "nan:1", "sign_flip:", "sign_flip:nan", "noise:1e999", "noise:x"])
def test_unusable_name_or_number_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        attack_of(text)
