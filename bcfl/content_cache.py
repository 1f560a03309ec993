"""Payloads on disk, so that nothing is downloaded twice."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import NamedTuple

from bcfl.cid import Digest, cid_of, digest_of_bytes
from bcfl.errors import BcflError
from bcfl.files import write_durably

log = logging.getLogger(__name__)

_STALE_SECONDS = 3600.0  # a temporary file of this age belongs to nobody


class ContentCache:
    """Payloads by digest in a folder that any number of threads and processes may share.

    A file is written whole or not at all, and checked against its digest whenever it is read; a damaged one is
    dropped. When the files pass ``max_bytes`` the least recently used go first. A cache that cannot write is only
    less of a cache: nothing is raised.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def get(self, digest: Digest) -> bytes | None:
        """The payload, or None if it is not here."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if digest_of_bytes(data) != digest:
            log.warning("%s is damaged: dropped from the cache", path)
            _remove(path)
            return None
        try:
            os.utime(path)
        except OSError as error:
            log.debug("cannot mark %s as used: %s", path, error)
        return data

    def put(self, digest: Digest, data: bytes) -> None:
        """Keep a payload, if there is room for it. The caller has checked that it hashes to the digest."""
        if len(data) > self.max_bytes:
            return
        try:
            write_durably(self._path(digest), data)
        except BcflError as error:
            log.warning("going on without caching %s: %s", cid_of(digest), error)
        self._evict(keep=self._path(digest))

    def _path(self, digest: Digest) -> Path:
        return self.folder / cid_of(digest)

    def _evict(self, keep: Path) -> None:
        files = sorted(self._files(), key=lambda file: (file.path == str(keep), file.used))
        excess = sum(file.size for file in files) - self.max_bytes
        for file in files:
            if excess <= 0:
                break
            _remove(Path(file.path))
            excess -= file.size

    def _files(self) -> list[_CachedFile]:
        """The payloads in the folder; on the way, what killed writers left is removed."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    try:
                        stat = entry.stat()
                    except FileNotFoundError:
                        continue  # another process evicted it
                    if not entry.name.startswith("."):
                        found.append(_CachedFile(entry.path, stat.st_size, stat.st_mtime_ns))
                    elif time.time() - stat.st_mtime > _STALE_SECONDS:
                        _remove(Path(entry.path))
        except OSError as error:
            log.debug("cannot list %s: %s", self.folder, error)
        return found


class _CachedFile(NamedTuple):
    path: str
    size: int
    used: int


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.debug("cannot remove %s: %s", path, error)
