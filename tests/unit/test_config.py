"""Settings: which layer wins, and what is refused."""

from pathlib import Path

import pytest

from bcfl.config import ENVIRONMENT_ONLY, SETTINGS, Settings, load_settings
from bcfl.errors import ConfigurationError


def toml(folder: Path, text: str) -> Path:
    file = folder / "bcfl.toml"
    file.write_text(text)
    return file


def test_nothing_said_gives_the_defaults(tmp_path: Path) -> None:
    found = load_settings({}, environment={}, file=tmp_path / "bcfl.toml")
    assert found == Settings()
    assert set(found.origins.values()) == {"default"}


def test_the_first_layer_that_speaks_wins(tmp_path: Path) -> None:
    file = toml(tmp_path, 'rpc = "file"\nipfs = "file"\naccount = "file"\nconfirmations = 3\n')

    def devnet(_: Path) -> dict[str, str]:
        return {"rpc": "devnet", "ipfs": "devnet"}

    environment = {"BCFL_RPC": "environment", "BCFL_IPFS": "environment"}
    found = load_settings({"rpc": "option", "ipfs": None}, environment=environment, file=file, devnet=devnet)
    assert (found.rpc, found.ipfs, found.account, found.confirmations) == ("option", "environment", "file", 3)
    assert [found.origins[name] for name in ("rpc", "ipfs", "account", "folder")] == [
        "option", "environment", str(file), "default",
    ]  # fmt: skip


def test_a_devnet_of_the_folder_comes_before_the_default_and_after_the_file(tmp_path: Path) -> None:
    asked: list[Path] = []

    def devnet(folder: Path) -> dict[str, str]:
        asked.append(folder)
        return {"rpc": "devnet", "ipfs": "devnet"}

    found = load_settings({}, environment={}, file=toml(tmp_path, 'folder = "here"\nipfs = "file"'), devnet=devnet)
    assert asked == [Path("here")]
    assert (found.rpc, found.ipfs) == ("devnet", "file")
    assert found.origins["rpc"] == "devnet"


def test_an_empty_environment_variable_says_nothing(tmp_path: Path) -> None:
    found = load_settings({}, environment={"BCFL_RPC": ""}, file=tmp_path / "none")
    assert found.rpc == Settings.rpc


def test_values_have_the_type_of_their_setting(tmp_path: Path) -> None:
    environment = {"BCFL_CHAIN_ID": "31337", "BCFL_FETCH_SECONDS": "2.5", "BCFL_FOLDER": "x", "BCFL_KEYSTORE": "k"}
    found = load_settings({}, environment=environment, file=tmp_path / "none")
    assert (found.chain_id, found.fetch_seconds, found.folder) == (31337, 2.5, Path("x"))
    assert found.keystore_folder == Path("k")
    assert Settings(folder=Path("x")).keystore_folder == Path("x/keystore")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('rcp = "x"', "unknown key 'rcp'"),
        ("confirmations = -1", "not a whole number"),
        ("confirmations = 1.5", "not a whole number"),
        ("fetch_seconds = 0", "seconds above zero"),
        ("fetch_seconds = inf", "seconds above zero"),
        ("rpc = true", "rpc in"),
        ("[rpc]\na = 1", "rpc in"),
        ("rpc = ", "is not TOML"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"bcfl\.toml") as caught:
        load_settings({}, environment={}, file=toml(tmp_path, text))
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bcfl.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_settings({}, environment={}, file=tmp_path / "bcfl.toml")


def test_a_bad_option_is_named_as_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--chain-id: 'x' is not a whole number"):
        load_settings({"chain_id": "x"}, environment={}, file=tmp_path / "none")
    with pytest.raises(ConfigurationError, match="BCFL_CHAIN_ID: 'y'"):
        load_settings({}, environment={"BCFL_CHAIN_ID": "y"}, file=tmp_path / "none")


def test_every_setting_says_what_it_is() -> None:
    for name, setting in SETTINGS.items():
        assert setting.help
        assert setting.option == f"--{name.replace('_', '-')}"
        assert setting.environment not in ENVIRONMENT_ONLY
