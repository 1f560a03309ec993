"""``bcfl account``: encrypted keystores."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcfl.cli.context import keystore_of, password_of, uses
from bcfl.cli.output import Json, print_fields, print_json, print_table
from bcfl.config import Settings
from bcfl.errors import ConfigurationError

if TYPE_CHECKING:
    from bcfl.accounts import StoredAccount

app = typer.Typer(no_args_is_help=True, help="Accounts, in encrypted keystore files.")

Name = Annotated[str | None, typer.Argument(help="What to call it: the file's name; the address if left out.")]
Light = Annotated[
    bool,
    typer.Option("--light", help="Encrypt lightly: opens in 10 ms, not 1 s; for devnets only, it is easy to guess."),
]


@app.command()
@uses("folder", "keystore", "password_file")
def new(settings: Settings, name: Name = None, light: Light = False, json: Json = False) -> None:
    """Make an account and keep its key in a keystore file."""
    password = password_of(settings, "Password for the new account: ", confirm=True)
    _report([keystore_of(settings).new(password, name, light=light)], json)


@app.command(name="list")
@uses("folder", "keystore")
def list_(settings: Settings, json: Json = False) -> None:
    """List the accounts of the keystore."""
    _report(keystore_of(settings).accounts(), json, as_list=True)


@app.command(name="import")
@uses("folder", "keystore", "password_file")
def import_(
    settings: Settings,
    name: Name = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds the private key; else it is asked for.")
    ] = None,
    keystore_file: Annotated[
        Path | None, typer.Option(help="Keystore file to copy instead, as it is, with its own password.")
    ] = None,
    light: Light = False,
    json: Json = False,
) -> None:
    """Take in a private key, from a prompt or a file (never an argument), or another program's keystore file."""
    keystore = keystore_of(settings)
    if keystore_file:
        if key_file or light:
            raise ConfigurationError("--keystore-file copies a file as it is: --key-file and --light do not go with it")
        _report([keystore.import_file(keystore_file, name)], json)
        return
    key = _private_key(key_file)
    password = password_of(settings, "Password for the account: ", confirm=True)
    _report([keystore.import_key(key, password, name, light=light)], json)


def _private_key(file: Path | None) -> str:
    if file:
        try:
            return file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read a private key from {file}") from error
    if not sys.stdin.isatty():
        raise ConfigurationError("no private key: use --key-file, or a terminal to type it")
    return getpass.getpass("Private key: ")


def _report(accounts: list[StoredAccount], json: bool, *, as_list: bool = False) -> None:
    from eth_utils.address import to_checksum_address

    records = [
        {"name": each.name, "address": to_checksum_address(each.address), "file": str(each.path)} for each in accounts
    ]
    if json:
        print_json(records if as_list else records[0])
    elif as_list:
        print_table(["name", "address", "file"], [tuple(record.values()) for record in records])
    else:
        print_fields(records[0].items())
