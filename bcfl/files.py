"""Files that must survive a kill at any moment."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from bcfl.errors import ConfigurationError, DiskFull


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Writes a whole file or nothing: to a temporary one beside it, flushed to the disk, then renamed.

    Raises:
        DiskFull: no space is left.
        ConfigurationError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
            _flush_folder(path.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
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
