"""Files that must survive a kill at any moment."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bcfl.errors import ConfigurationError, DiskFull


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Writes a whole file or nothing: to a temporary one beside it, flushed to the disk, then renamed.

    Raises:
        DiskFull: no space is left.
        ConfigurationError: the folder cannot be written to.
    """
    with _said(path), _written(path, data, mode) as temporary:
        os.replace(temporary, path)


def create_durably(path: Path, data: bytes, mode: int = 0o600) -> bool:
    """As :func:`write_durably`, and never over another file: of several that make it at once, one does.

    Returns:
        Whether it was made; False if the name is taken.

    Raises:
        DiskFull, ConfigurationError: as :func:`write_durably`; or the file system has no hard links.
    """
    with _said(path), _written(path, data, mode) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, it fails where there is a file
        except FileExistsError:
            return False
    return True


@contextmanager
def _written(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A temporary file beside ``path`` that is whole and on the disk; it is gone afterwards, under this name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left to write {path}") from error
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _flush_folder(folder: Path) -> None:
    """Puts the new name itself on the disk: a power failure must not bring the old one back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
