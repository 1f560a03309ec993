"""Settings: each declared once, with its name, default and help.

A value comes from the first of: the command's option, the environment (``BCFL_`` and the name in capitals),
``bcfl.toml`` in the working directory, a running devnet of the folder, the default.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bcfl.errors import ConfigurationError

FILE = Path("bcfl.toml")

ENVIRONMENT_ONLY = {
    "BCFL_PASSWORD": "the password of the account's keystore file",
    "BCFL_DATA": "folder of data sets, such as the MNIST files",
    "BCFL_TOOLS": "checkout of bcfl whose node packages a devnet uses",
    "BCFL_DEBUG": "1: errors come with a traceback, as with --debug",
}
"""What is read from the environment alone, and what it is. A password is no option: a list of processes shows those."""


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


_KINDS: Mapping[Callable[[str], Any], str] = {
    str: "TEXT",
    Path: "PATH",
    _whole: "WHOLE NUMBER",
    _seconds: "SECONDS",
}


def _about(help: str, parse: Callable[[str], Any] = str) -> Mapping[str, Any]:
    return {"help": help, "parse": parse}


@dataclass(frozen=True)
class Settings:
    """All settings. ``origins`` says of each where its value comes from."""

    folder: Path = field(default=Path(".bcfl"), metadata=_about("folder for keys, caches and local nodes", Path))
    keystore: Path | None = field(
        default=None, metadata=_about("folder of the encrypted keys; keystore/ in the folder if not named", Path)
    )
    deployments: Path = field(default=Path("deployments"), metadata=_about("folder of the deployment records", Path))
    rpc: str = field(
        default="http://127.0.0.1:8545", metadata=_about("the chain node: http, ws, or the path of a socket")
    )
    chain_id: int | None = field(
        default=None, metadata=_about("chain that the node must serve; any if not named", _whole)
    )
    confirmations: int = field(
        default=0, metadata=_about("blocks that must follow a transaction before it counts", _whole)
    )
    ipfs: str = field(
        default="http://127.0.0.1:5001", metadata=_about("the IPFS node's RPC API: a URL or a multiaddress")
    )
    fetch_seconds: float = field(
        default=20.0, metadata=_about("seconds after which content counts as not found", _seconds)
    )
    cache_bytes: int = field(default=1 << 30, metadata=_about("size of the cache of content", _whole))
    federation: str | None = field(
        default=None, metadata=_about("address of the federation; the one created last if not named")
    )
    account: str | None = field(
        default=None,
        metadata=_about("name, address or keystore file of the account; the only one there is if not named"),
    )
    password_file: Path | None = field(
        default=None, metadata=_about("file whose first line is the account's password", Path)
    )
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def keystore_folder(self) -> Path:
        """Where the keys are."""
        return self.keystore or self.folder / "keystore"


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting. ``kind`` is what a user may write, in a word."""

    name: str
    default: Any
    help: str
    parse: Callable[[str], Any]

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def environment(self) -> str:
        """Its name in the environment."""
        return f"BCFL_{self.name.upper()}"

    @property
    def kind(self) -> str:
        """What its value is."""
        return _KINDS[self.parse]


SETTINGS: Mapping[str, Setting] = {
    each.name: Setting(each.name, each.default, each.metadata["help"], each.metadata["parse"])
    for each in fields(Settings)
    if each.metadata
}
"""Every setting by name."""


def load_settings(
    options: Mapping[str, str | None],
    *,
    environment: Mapping[str, str] = os.environ,
    file: Path = FILE,
    devnet: Callable[[Path], Mapping[str, str]] = lambda _: {},
) -> Settings:
    """The settings of one run.

    Args:
        options: by name, as the command line gave them; None where it did not.
        environment: by ``BCFL_`` names.
        file: TOML with the names as keys; need not exist.
        devnet: gives the addresses of the nodes that run for a folder, by the names of the settings.

    Raises:
        ConfigurationError: a value is not of its kind, or the file has a key that is no setting.
    """
    layers = [
        ("option", {name: value for name, value in options.items() if value is not None}),
        ("environment", {name: environment.get(each.environment, "") for name, each in SETTINGS.items()}),
        (str(file), _from_file(file)),
    ]
    folder = _first("folder", layers)
    layers.append(("devnet", dict(devnet(Path(folder[1]) if folder else Settings.folder))))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, setting in SETTINGS.items():
        found = _first(name, layers)
        origins[name] = found[0] if found else "default"
        if found:
            values[name] = _parsed(setting, *found)
    return Settings(**values, origins=origins)


def _first(name: str, layers: list[tuple[str, dict[str, str]]]) -> tuple[str, str] | None:
    """The first layer that says something of a setting, and what; what is empty says nothing."""
    return next(((origin, values[name]) for origin, values in layers if values.get(name)), None)


def _parsed(setting: Setting, origin: str, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError:
        where = {"option": setting.option, "environment": setting.environment}.get(
            origin, f"{setting.name} in {origin}"
        )
        raise ConfigurationError(f"{where}: {text[:64]!r} is not {_article(setting.kind.lower())}") from None


def _article(kind: str) -> str:
    return "a number of seconds above zero" if kind == "seconds" else f"a {kind}"


def _from_file(file: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigurationError(f"{file} is not TOML: {str(error).splitlines()[0]}") from error
    for name, value in found.items():
        if name not in SETTINGS:
            raise ConfigurationError(f"{file} has the unknown key {name!r}; bcfl settings lists those that there are")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigurationError(f"{name} in {file} must be {_article(SETTINGS[name].kind.lower())}")
    return {name: str(value) for name, value in found.items()}
