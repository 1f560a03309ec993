"""What commands share: settings as options, and connections made from them."""

from __future__ import annotations

import functools
import getpass
import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcfl.config import SETTINGS, Setting, Settings, load_settings
from bcfl.errors import ConfigurationError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from bcfl.accounts import Keystore, StoredAccount
    from bcfl.chain import Chain
    from bcfl.contracts import Deployment, FederationContract
    from bcfl.ipfs import Ipfs
    from bcfl.protocol import Address

NODES = ("rpc", "chain_id", "folder")
"""Settings of a command that reads the chain."""

SIGNING = (*NODES, "account", "keystore", "password_file", "confirmations")
"""Settings of a command that sends transactions."""

CONTENT = ("ipfs", "fetch_seconds", "cache_bytes")
"""Settings of a command that uses IPFS."""


Command = Callable[..., None]


def gathers(
    argument: str, options: Sequence[inspect.Parameter], make: Callable[[dict[str, Any]], Any]
) -> Callable[[Command], Command]:
    """Gives a command more options and hands it what ``make`` makes of their values, by name, as one argument."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapper(**arguments: Any) -> None:
            values = {each.name: arguments.pop(each.name) for each in options}
            command(**{argument: make(values)}, **arguments)

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != argument]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *options)]
        wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
        return wrapper

    return decorate


def uses(*names: str) -> Callable[[Command], Command]:
    """Gives a command an option for each named setting, and hands it the settings as its argument ``settings``."""
    options = [_setting_option(SETTINGS[name]) for name in names]
    return gathers("settings", options, lambda values: load_settings(values, devnet=devnet_addresses))


def _setting_option(setting: Setting) -> inspect.Parameter:
    default = "" if setting.default is None else f"; default {setting.default}"
    declared = typer.Option(
        setting.option,
        metavar=setting.kind,
        help=f"{setting.help[0].upper()}{setting.help[1:]} ({setting.environment}{default}).",
        rich_help_panel="Settings",
        show_default=False,
    )
    return option(setting.name, str | None, None, declared)


def option(name: str, kind: Any, default: Any, declared: Any) -> inspect.Parameter:
    """An option as a parameter of a function."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, declared]
    )


@dataclass(frozen=True)
class Number:
    """A number that a command takes as an option. Whole unless ``default`` has a fraction."""

    default: int | float
    least: int | float
    most: int | float
    help: str

    def option(self, name: str, panel: str) -> inspect.Parameter:
        """Its option."""
        declared = typer.Option(min=self.least, max=self.most, help=self.help, rich_help_panel=panel)
        return option(name, type(self.default), self.default, declared)


def takes_numbers(argument: str, numbers: Mapping[str, Number], panel: str) -> Callable[[Command], Command]:
    """Gives a command an option for each number, and hands it their values by name."""
    return gathers(argument, [each.option(name, panel) for name, each in numbers.items()], dict)


def devnet_addresses(folder: Path) -> Mapping[str, str]:
    """The addresses of a devnet that runs for this folder, as settings."""
    if not (folder / "devnet.json").is_file():
        return {}
    from bcfl.devnet import status

    devnet = status(folder)
    return {"rpc": devnet.rpc, "ipfs": devnet.ipfs_address} if devnet and devnet.running else {}


# ---------------------------------------------------------------------- chain and content


def chain_of(settings: Settings) -> Chain:
    """The chain."""
    from bcfl.chain import Chain

    return Chain(settings.rpc, chain_id=settings.chain_id, confirmations=settings.confirmations)


def deployment_path(settings: Settings, chain_id: int) -> Path:
    """Where the record of a chain's deployment is."""
    return settings.deployments / f"{chain_id}.json"


def deployment_of(settings: Settings, chain: Chain) -> Deployment:
    """The deployment on a chain, which must be there.

    Raises:
        ConfigurationError: no record, or the chain does not have the contracts that it names.
    """
    from bcfl.contracts import Deployment

    path = deployment_path(settings, chain.chain_id)
    deployment = Deployment.load(path)
    if not chain.code_at(deployment.factory):
        raise ConfigurationError(
            f"{path} names contracts that the chain does not have: was it made anew? bcfl deploy --force deploys again"
        )
    return deployment


def origin_of(settings: Settings, federation: FederationContract) -> tuple[Deployment | None, int]:
    """The recorded deployment if its factory made the federation, and the block from which its events are to be read.

    A federation of other contracts than the recorded ones, such as the demo's, is read from the first block on.
    """
    from bcfl.contracts import Deployment, federations_of

    path = deployment_path(settings, federation.chain.chain_id)
    if path.is_file():
        deployment = Deployment.load(path)
        for event in federations_of(federation.chain, deployment):
            if event.args["federation"] == federation.address:
                return deployment, event.block
    return None, 0


def ipfs_of(settings: Settings) -> Ipfs:
    """The IPFS node, behind the folder's cache."""
    from bcfl.content_cache import ContentCache
    from bcfl.ipfs import Ipfs

    cache = ContentCache(settings.folder / "cache", settings.cache_bytes)
    return Ipfs(settings.ipfs, cache=cache, timeout=settings.fetch_seconds)


def _remembered_path(settings: Settings) -> Path:
    return settings.folder / "federations.json"


def _remembered(settings: Settings) -> dict[str, str]:
    try:
        found = json.loads(_remembered_path(settings).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember_federation(settings: Settings, chain_id: int, address: Address) -> None:
    """Makes a federation the one that commands take when none is named."""
    from bcfl.files import write_durably

    known = {**_remembered(settings), str(chain_id): address}
    write_durably(_remembered_path(settings), json.dumps(known, indent=2).encode())


def federation_of(settings: Settings, chain: Chain) -> FederationContract:
    """The federation that the settings name, or else the one created last from this folder."""
    from bcfl.chain import address_of
    from bcfl.contracts import FederationContract

    named = settings.federation or _remembered(settings).get(str(chain.chain_id))
    if not named:
        raise ConfigurationError("which federation? name one with --federation; bcfl federation list shows them")
    return FederationContract(chain, address_of(str(named)))


# ---------------------------------------------------------------------- accounts


def keystore_of(settings: Settings) -> Keystore:
    """The keystore."""
    from bcfl.accounts import Keystore

    return Keystore(settings.keystore_folder)


def stored_account(settings: Settings) -> StoredAccount:
    """The account that the settings name, or else the only one."""
    keystore = keystore_of(settings)
    if settings.account:
        return keystore.find(settings.account)
    accounts = keystore.accounts()
    if len(accounts) == 1:
        return accounts[0]
    if accounts:
        raise ConfigurationError("which account? name one with --account; bcfl account list shows them")
    raise ConfigurationError(f"no account in {keystore.folder}; bcfl account new makes one")


def account_of(settings: Settings) -> LocalAccount:
    """The account, unlocked."""
    stored = stored_account(settings)
    return keystore_of(settings).unlock(stored, password_of(settings, f"Password of {stored.name}: "))


def password_of(settings: Settings, prompt: str, *, confirm: bool = False) -> str:
    """The password: from --password-file, BCFL_PASSWORD, the file of another setting, or typed.

    Raises:
        ConfigurationError: there is none, or it was typed differently a second time.
    """
    named = settings.password_file
    from_environment = os.environ.get("BCFL_PASSWORD")
    if named and (settings.origins.get("password_file") == "option" or from_environment is None):
        try:
            return named.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the password from {named}") from error
    if from_environment is not None:
        return from_environment
    if not sys.stdin.isatty():
        raise ConfigurationError("no password: use --password-file or BCFL_PASSWORD, or a terminal to type it")
    typed = getpass.getpass(prompt)
    if confirm and getpass.getpass("Once more: ") != typed:
        raise ConfigurationError("the two passwords differ")
    return typed


def address_or_account(settings: Settings, who: str) -> Address:
    """An address, written out or as the name of an account in the keystore."""
    from bcfl.chain import address_of

    text = who if who.startswith("0x") else keystore_of(settings).find(who).address
    return address_of(text)


def names_of(settings: Settings) -> dict[str, str]:
    """Addresses in lower case to names: those of this keystore, and those of the demo's organisations."""
    from bcfl.accounts import Keystore
    from bcfl.errors import KeystoreError

    folders = [settings.keystore_folder, *sorted((settings.folder / "demo").glob("*/keystore"))]
    try:
        return {each.address: each.name for folder in folders for each in Keystore(folder).accounts()}
    except KeystoreError:
        return {}  # names are a convenience: a bad file is the business of the command that needs it


# ---------------------------------------------------------------------- values on the command line


def parameters_of(texts: list[str]) -> dict[str, Any]:
    """``name=value`` texts as a mapping; a value is JSON where it reads as a JSON scalar, and otherwise text.

    Raises:
        ConfigurationError: a text has no ``=``, or a name comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError(f"a parameter is name=value, not {text[:64]!r}")
        if name in found:
            raise ConfigurationError(f"parameter {name!r} is given twice")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        if isinstance(parsed, float) and not math.isfinite(parsed):
            raise ConfigurationError(f"parameter {name!r} is not a finite number")
        found[name] = value if isinstance(parsed, dict | list) else parsed
    return found


def find_tasks_here() -> None:
    """Lets ``--task package.module:Class`` name a module below the working directory, as with ``python -m``."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
