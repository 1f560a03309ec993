from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from bcfl import content_cache
from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.errors import DiskFull
from bcfl.ipfs import ContentCache


def put(cache: ContentCache, data: bytes, age: float = 0.0) -> Digest:
    digest = digest_of_bytes(data)
    cache.put(digest, data)
    used = time.time() - age
    os.utime(cache.folder / cid_of(digest), (used, used))
    return digest


def test_get_of_what_was_put_returns_it(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "new" / "folder", max_bytes=100)
    digest = put(cache, b"payload")
    assert cache.get(digest) == b"payload"
    assert ContentCache(cache.folder, max_bytes=100).get(digest) == b"payload"


def test_get_of_the_unknown_returns_none(tmp_path: Path) -> None:
    assert ContentCache(tmp_path, max_bytes=100).get(digest_of_bytes(b"x")) is None
    assert ContentCache(tmp_path / "missing", max_bytes=100).get(digest_of_bytes(b"x")) is None


@pytest.mark.parametrize("damage", [b"", b"payloaD", b"payload and more"])
def test_damaged_file_is_dropped(tmp_path: Path, damage: bytes) -> None:
    cache = ContentCache(tmp_path, max_bytes=100)
    digest = put(cache, b"payload")
    path = tmp_path / cid_of(digest)
    path.write_bytes(damage)
    assert cache.get(digest) is None
    assert not path.exists()


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, max_bytes=25)
    first, second = put(cache, b"a" * 10, age=20), put(cache, b"b" * 10, age=10)
    assert cache.get(first) is not None  # now the second is the older one
    third = put(cache, b"c" * 10)
    assert [cache.get(each) is not None for each in (first, second, third)] == [True, False, True]


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, max_bytes=10)
    small = put(cache, b"small")
    cache.put(digest_of_bytes(b"x" * 11), b"x" * 11)
    assert cache.get(small) == b"small"
    assert len(list(tmp_path.iterdir())) == 1


def test_cache_that_cannot_write_raises_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ContentCache(tmp_path / "file" / "folder", max_bytes=100)
    cache.put(digest_of_bytes(b"x"), b"x")
    assert cache.get(digest_of_bytes(b"x")) is None
    assert "going on without caching" in caplog.text


def test_full_disk_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise DiskFull("no space left")

    monkeypatch.setattr(content_cache, "write_durably", full)
    cache = ContentCache(tmp_path, max_bytes=100)
    cache.put(digest_of_bytes(b"x"), b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writers_left_is_removed_once_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".Qm-old", tmp_path / ".Qm-new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    put(ContentCache(tmp_path, max_bytes=100), b"payload")
    assert (old.exists(), new.exists()) == (False, True)


def test_many_threads_never_see_half_a_file(tmp_path: Path) -> None:
    payloads = [bytes([i]) * 50_000 for i in range(8)]
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        cache = ContentCache(tmp_path, max_bytes=200_000)
        for i in range(25):
            data = payloads[(seed * 7 + i) % len(payloads)]
            cache.put(digest_of_bytes(data), data)
            found = cache.get(digest_of_bytes(data))
            if found not in (None, data):
                wrong.append(data)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 200_000
