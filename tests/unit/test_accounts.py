"""Keystores: what is written, what is refused, and that nothing secret is said."""

import json
import multiprocessing
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest.mock import patch

import pytest
from eth_account import Account

from bcfl import accounts
from bcfl.accounts import LIGHT, STRONG, Keystore, devnet_account
from bcfl.errors import BadKeystore, ConfigurationError, WrongPassword
from bcfl.files import create_durably

KEY = "0x" + "1234567890abcdef" * 4
ADDRESS = Account.from_key(KEY).address


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "keystore")


def test_a_new_account_signs_after_it_was_unlocked(keystore: Keystore) -> None:
    stored = keystore.new("secret", "alice", light=True)
    account = keystore.unlock(stored, "secret")
    assert account.address.lower() == stored.address
    assert keystore.accounts() == [stored]


def test_a_file_is_for_its_owner_alone(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", light=True)
    assert stat.S_IMODE(stored.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keystore.folder.stat().st_mode) == 0o700
    assert stored.path.name == f"{ADDRESS.lower()}.json"


def test_a_file_is_the_standard_json(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    document = json.loads(stored.path.read_text())
    assert document["version"] == 3
    assert document["crypto"]["kdfparams"]["n"] == LIGHT
    assert bytes(Account.decrypt(document, "secret")).hex() == KEY[2:]
    assert KEY[2:] not in stored.path.read_text()


def test_the_default_is_the_strong_cost(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a")
    assert json.loads(stored.path.read_text())["crypto"]["kdfparams"]["n"] == STRONG


def test_a_wrong_password_is_said_without_the_password(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    with pytest.raises(WrongPassword) as caught:
        keystore.unlock(stored, "sesame")
    assert "sesame" not in caught.value.message
    assert str(stored.path) in caught.value.message


@pytest.mark.parametrize("who", ["a", ADDRESS, ADDRESS.lower()])
def test_an_account_is_found_by_name_and_address(keystore: Keystore, who: str) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    assert keystore.find(who) == stored


def test_an_account_is_found_by_its_file(keystore: Keystore, tmp_path: Path) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    assert Keystore(tmp_path / "elsewhere").find(str(stored.path)) == stored


def test_an_unknown_account_is_refused(keystore: Keystore) -> None:
    with pytest.raises(ConfigurationError, match="no account 'bob'"):
        keystore.find("bob")


def test_a_name_is_taken_once(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    before = stored.path.read_bytes()
    with pytest.raises(ConfigurationError, match="already"):
        keystore.new("other", "a", light=True)
    assert stored.path.read_bytes() == before


def make_at_once(folder: Path, key: str, together: Barrier, found: "multiprocessing.Queue[str]") -> None:
    """In a process of its own: nobody writes before everybody has seen that the name is free."""

    def when_all_are_here(path: Path, data: bytes, mode: int = 0o600) -> bool:
        together.wait(60)
        return create_durably(path, data, mode)

    with patch.object(accounts, "create_durably", when_all_are_here):
        try:
            found.put(Keystore(folder).import_key(key, "secret", "alice", light=True).address)
        except ConfigurationError as error:
            found.put(error.message)


def test_of_processes_that_make_the_same_account_at_once_one_does(keystore: Keystore) -> None:
    context = multiprocessing.get_context("spawn")
    together, found = context.Barrier(4), context.Queue()
    keys = [f"{number:064x}" for number in range(1, 5)]
    processes = [context.Process(target=make_at_once, args=(keystore.folder, key, together, found)) for key in keys]
    for process in processes:
        process.start()
    said = [found.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    (stored,) = keystore.accounts()
    assert sorted(each for each in said if each.startswith("0x")) == [stored.address]
    assert sum("already" in each for each in said) == 3
    assert keystore.unlock(stored, "secret").address.lower() == stored.address
    assert [path.name for path in keystore.folder.iterdir()] == ["alice.json"]


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".a", "a" * 65, "a\nb"])
def test_a_name_that_is_none_is_refused(keystore: Keystore, name: str) -> None:
    with pytest.raises(ConfigurationError):
        keystore.import_key(KEY, "secret", name or " ", light=True)
    assert not keystore.folder.exists()


@pytest.mark.parametrize("key", ["", "0x12", "0x" + "0" * 64, "f" * 64, "x" * 64, KEY + "00"])
def test_a_private_key_that_is_none_is_refused_and_not_shown(keystore: Keystore, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        keystore.import_key(key, "secret", "a", light=True)
    assert not key or key not in caught.value.message


def test_a_file_that_others_may_read_is_refused_with_the_remedy(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    stored.path.chmod(0o640)
    with pytest.raises(BadKeystore, match=f"chmod 600 {stored.path}"):
        keystore.unlock(stored, "secret")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "\xff", '{"crypto": {}}', '{"address": "12", "crypto": {}}', "[" * 9999]
)
def test_a_file_that_is_no_keystore_is_refused(keystore: Keystore, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadKeystore):
        keystore.import_file(path)


@pytest.mark.parametrize("field", ["kdf", "mac", "kdfparams"])
def test_a_damaged_keystore_is_refused(keystore: Keystore, field: str) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    document = json.loads(stored.path.read_text())
    document["crypto"][field] = None
    stored.path.write_text(json.dumps(document))
    with pytest.raises(BadKeystore, match="damaged"):
        keystore.unlock(stored, "secret")


def test_a_keystore_that_says_another_address_is_refused(keystore: Keystore) -> None:
    stored = keystore.import_key(KEY, "secret", "a", light=True)
    document = json.loads(stored.path.read_text())
    document["address"] = "00" * 20
    stored.path.write_text(json.dumps(document))
    with pytest.raises(BadKeystore, match="another address"):
        keystore.unlock(keystore.find("a"), "secret")


def test_an_enormous_file_is_refused_unread(keystore: Keystore, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"0" * (accounts.MAX_KEYSTORE_BYTES + 1))
    path.chmod(0o600)
    with pytest.raises(BadKeystore, match="not a keystore"):
        keystore.import_file(path)


def test_another_programs_keystore_is_taken_as_it_is(keystore: Keystore, tmp_path: Path) -> None:
    path = tmp_path / "UTC--2026"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "geth", kdf="pbkdf2", iterations=10)))
    path.chmod(0o600)
    stored = keystore.import_file(path, "old")
    assert keystore.unlock(stored, "geth").address == ADDRESS


def test_the_devnet_account_is_the_one_that_everybody_knows() -> None:
    assert devnet_account().address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
