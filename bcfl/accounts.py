"""Accounts: keys in encrypted keystore files, the standard JSON that eth-account, geth and MetaMask write and read.

A file is readable by its owner alone. Its name without ``.json`` is the account's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcfl.errors import BadKeystore, ConfigurationError, WrongPassword
from bcfl.files import create_durably

if TYPE_CHECKING:  # eth_account takes a third of a second to import, and listing accounts needs none of it
    from eth_account.signers.local import LocalAccount

STRONG, LIGHT = 262_144, 4_096
"""Cost of scrypt, its parameter n. The strong one is that of eth-account and geth: 0.8 s and 256 MiB for each guess of
the password. The light one, geth's too, takes 10 ms and 4 MiB: for devnets, where ten participants start at once.
"""

MAX_KEYSTORE_BYTES = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class StoredAccount:
    """An account in a keystore. ``address`` is ``0x`` and 40 digits in lower case."""

    name: str
    address: str
    path: Path


class Keystore:
    """A folder of keystore files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def accounts(self) -> list[StoredAccount]:
        """All accounts by name.

        Raises:
            BadKeystore: a file is none, or may be read by others.
        """
        return list(self._accounts())

    def _accounts(self) -> Iterator[StoredAccount]:
        for path in sorted(self.folder.glob("*.json")):
            yield StoredAccount(path.stem, _address_in(_read(path), path), path)

    def new(self, password: str, name: str | None = None, *, light: bool = False) -> StoredAccount:
        """Makes an account.

        Raises:
            ConfigurationError: the name is taken, or is no name.
        """
        from eth_account import Account

        return self._add(bytes(Account.create().key), password, name, light)

    def import_key(self, key: str, password: str, name: str | None = None, *, light: bool = False) -> StoredAccount:
        """Stores a private key, 64 hexadecimal digits with or without ``0x``.

        Raises:
            ConfigurationError: it is no private key; or as :meth:`new`.
        """
        digits = key.strip().removeprefix("0x")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
            raise ConfigurationError("a private key is 64 hexadecimal digits")  # and is never shown
        return self._add(bytes.fromhex(digits), password, name, light)

    def import_file(self, path: Path, name: str | None = None) -> StoredAccount:
        """Copies a keystore file as it is, with its password.

        Raises:
            BadKeystore: it is none, or may be read by others.
            ConfigurationError: the name is taken, or is no name.
        """
        document = _read(path)
        return self._write(document, _address_in(document, path), name)

    def find(self, who: str) -> StoredAccount:
        """The account of a name or an address, or of a keystore file anywhere.

        Raises:
            ConfigurationError: there is none.
            BadKeystore: a file on the way is none, or may be read by others.
        """
        path = Path(who)
        if path.suffix == ".json" and path.is_file():
            return StoredAccount(path.stem, _address_in(_read(path), path), path)
        for each in self._accounts():
            if who == each.name or who.lower() == each.address:
                return each
        raise ConfigurationError(f"no account {who!r} in {self.folder}; bcfl account list shows those that there are")

    def unlock(self, stored: StoredAccount, password: str) -> LocalAccount:
        """The account, able to sign.

        Raises:
            WrongPassword: the password does not open the file.
            BadKeystore: the file is damaged, or may be read by others.
        """
        from eth_account import Account

        document = _read(stored.path)
        try:
            key = Account.decrypt(document, password)
        except ValueError as error:
            if "MAC mismatch" in str(error):
                raise WrongPassword(f"the password does not open {stored.path}") from None
            raise BadKeystore(f"{stored.path} is damaged or of a kind that this version cannot read") from error
        except (TypeError, KeyError, AttributeError, NotImplementedError) as error:
            raise BadKeystore(f"{stored.path} is damaged or of a kind that this version cannot read") from error
        account: LocalAccount = Account.from_key(key)
        if account.address.lower() != stored.address:
            raise BadKeystore(f"{stored.path} holds the key of another address than it says")
        return account

    def _add(self, key: bytes, password: str, name: str | None, light: bool) -> StoredAccount:
        from eth_account import Account

        try:
            address = str(Account.from_key(key).address).lower()
        except ValueError:  # zero, or not below the order of the curve
            raise ConfigurationError("the number is not a private key") from None
        self._path(name or address)  # before the cost of encrypting
        document = Account.encrypt(key, password, kdf="scrypt", iterations=LIGHT if light else STRONG)
        return self._write(document, address, name)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"not a name for an account: {name[:64]!r}; use letters, digits, '.', '_' and '-', up to 64"
            )
        path = self.folder / f"{name}.json"
        if path.exists():
            raise _taken(path)
        return path

    def _write(self, document: dict[str, Any], address: str, name: str | None) -> StoredAccount:
        path = self._path(name or address)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not create_durably(path, (json.dumps(document) + "\n").encode(), mode=0o600):
            raise _taken(path)  # since it was looked for: another process was faster
        return StoredAccount(path.stem, address, path)


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(f"there is an account {path.stem!r} already, at {path}")


def _read(path: Path) -> dict[str, Any]:
    """A keystore file's JSON."""
    try:
        status = path.stat()
        if status.st_mode & 0o077:
            raise BadKeystore(f"{path} can be read by others; run: chmod 600 {path}")
        document = json.loads(path.read_bytes()) if status.st_size <= MAX_KEYSTORE_BYTES else None
    except OSError as error:
        raise BadKeystore(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadKeystore(f"{path} is not a keystore file") from error
    if not isinstance(document, dict) or "crypto" not in {str(key).lower() for key in document}:
        raise BadKeystore(f"{path} is not a keystore file")
    return document


def _address_in(document: dict[str, Any], path: Path) -> str:
    """The address that a keystore file names, ``0x`` and 40 digits in lower case."""
    digits = str(document.get("address", "")).lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{40}", digits):
        raise BadKeystore(f"{path} does not say which address it is for")
    return f"0x{digits}"


def devnet_account() -> LocalAccount:
    """The first account of every devnet: it holds ether, and everybody knows its key."""
    from eth_account import Account

    from bcfl.devnet import MNEMONIC

    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(MNEMONIC)
    return account
