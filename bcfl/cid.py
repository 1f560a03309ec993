"""Digests and CIDs: the name of a payload, computed from its bytes without a node.

A payload's *digest* is the sha2-256 of the root block that Kubo's ``ipfs add`` makes with its defaults (CIDv0): chunks
of 262,144 bytes, dag-pb leaves that hold a UnixFS file, a balanced tree of at most 174 links a node. The digest is
what the contracts store; ``cid_of`` and ``digest_of`` convert without any other data.

Formats: UnixFS v1 and dag-pb specifications of the IPLD project; equality with Kubo is tested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NewType

from bcfl.errors import ConfigurationError

Digest = NewType("Digest", bytes)
"""32 bytes: the sha2-256 multihash digest of a CIDv0."""

CHUNK_BYTES = 262_144
LINKS_PER_NODE = 174
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SHA2_256 = b"\x12\x20"


class _Block(NamedTuple):
    digest: bytes
    file_bytes: int  # bytes of the file below this block
    tree_bytes: int  # bytes of this block and of all blocks below it


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _unixfs_file(data: bytes, size: int, block_sizes: Iterable[int]) -> bytes:
    parts = [b"\x08\x02", _field(2, data) if data else b"", b"\x18" + _varint(size)]
    parts += [b"\x20" + _varint(each) for each in block_sizes]
    return b"".join(parts)


def _leaf(chunk: bytes) -> _Block:
    block = _field(1, _unixfs_file(chunk, len(chunk), ()))
    return _Block(hashlib.sha256(block).digest(), len(chunk), len(block))


def _parent(children: list[_Block]) -> _Block:
    links = b"".join(
        _field(2, _field(1, _SHA2_256 + child.digest) + b"\x12\x00" + b"\x18" + _varint(child.tree_bytes))
        for child in children
    )
    size = sum(child.file_bytes for child in children)
    block = links + _field(1, _unixfs_file(b"", size, [child.file_bytes for child in children]))
    tree_bytes = len(block) + sum(child.tree_bytes for child in children)
    return _Block(hashlib.sha256(block).digest(), size, tree_bytes)


def _chunks(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), CHUNK_BYTES):
        yield bytes(view[start : start + CHUNK_BYTES])


def digest_of_bytes(data: bytes) -> Digest:
    """The digest under which IPFS stores these bytes."""
    level = [_leaf(chunk) for chunk in _chunks(data)] or [_leaf(b"")]
    while len(level) > 1:
        level = [_parent(level[i : i + LINKS_PER_NODE]) for i in range(0, len(level), LINKS_PER_NODE)]
    return Digest(level[0].digest)


def cid_of(digest: Digest) -> str:
    """The CIDv0 (``Qm…``) of a digest."""
    number = int.from_bytes(_SHA2_256 + digest, "big")
    out = ""
    while number:
        number, remainder = divmod(number, 58)
        out = _BASE58[remainder] + out
    return out


def digest_of(cid: str) -> Digest:
    """The digest that a CIDv0 names.

    Raises:
        ConfigurationError: the text is not a CIDv0.
    """
    number = 0
    for character in cid:
        value = _BASE58.find(character)
        if value < 0 or len(cid) != 46:
            raise ConfigurationError(f"not a CIDv0 (Qm…): {cid[:64]!r}")
        number = number * 58 + value
    raw = number.to_bytes(34, "big") if number < 1 << 272 else b""
    if raw[:2] != _SHA2_256:
        raise ConfigurationError(f"not a CIDv0 (Qm…): {cid[:64]!r}")
    return Digest(raw[2:])
