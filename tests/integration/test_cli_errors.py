"""Every error that a user can cause: the real program, real nodes, one line, a number of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bcfl import devnet, errors
from bcfl.accounts import Keystore, devnet_account
from bcfl.chain import Chain, address_of
from bcfl.cid import Digest
from bcfl.contracts import (
    Certificate,
    Deployment,
    RegistryContract,
    SignedCertificate,
    create_federation,
    deploy,
)
from bcfl.devnet import Devnet
from bcfl.founding import Learning, Terms, found_federation
from bcfl.ipfs import Ipfs
from bcfl.manifest import Manifest
from bcfl.payloads import fetch_manifest
from bcfl.protocol import Address, Role

pytestmark = [pytest.mark.chain, pytest.mark.ipfs]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "secret"
ACCOUNTS = ("alice", "stranger", "expired", "revoked", "poor", "penniless")
YEAR = 365 * 24 * 3600

TASK = """
import torch
from bcfl.tasks import SupervisedTask

class Small(SupervisedTask):
    outputs = 2
    def __init__(self, **settings):
        data = (torch.randn(20, 3), torch.zeros(20, dtype=torch.int64))
        super().__init__(lambda: torch.nn.Linear(3, self.outputs), data, data, **settings)

class Larger(Small):
    outputs = 4
"""

# A contract that answers everything with sixteen words of which the first is 999: VERSION() of a later protocol.
# MSTORE(0, 999), RETURN(0, 512); in front of it the code that deploys these ten bytes.
VERSION_999 = bytes.fromhex("600a600c600039600a6000f3" + "6103e75f526102005ff3")


@dataclass
class World:
    """A devnet with a consortium, and a folder to run the program in. ``names`` fill the braces of the cases."""

    folder: Path
    nodes: Devnet
    chain: Chain
    names: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> tuple[list[str], dict[str, Any]]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BCFL_")}
        environment = {**kept, "PYTHONPATH": str(ROOT), "BCFL_PASSWORD": PASSWORD}
        words = [each.format(**self.names) for each in arguments]
        while words and "=" in words[0]:  # as in a shell: NAME=value before the command
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        options: dict[str, Any] = {"cwd": self.folder, "env": environment, "stdin": subprocess.DEVNULL, "text": True}
        return [sys.executable, "-m", "bcfl", *words], options

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command, options = self.command(*arguments)
        return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("errors")
    nodes = devnet.up(folder / ".bcfl", chain_port=free_port(), ipfs_port=free_port())
    try:
        made = World(folder, nodes, Chain(nodes.rpc, chain_id=nodes.chain_id))
        _found(made)
        with socket.socket() as silent:  # it never listens: nobody answers there, and nobody else gets the port
            silent.bind(("127.0.0.1", 0))
            made.names["closed"] = str(silent.getsockname()[1])
            yield made
    finally:
        devnet.down(folder / ".bcfl")


def _found(world: World) -> None:
    """A consortium, members of all kinds, and federations of all kinds."""
    founder = devnet_account()
    deployment = deploy(world.chain, founder)
    deployment.save(world.folder / "deployments" / f"{world.chain.chain_id}.json")
    (world.folder / "small.py").write_text(TASK)
    _admit(world, deployment)
    ipfs = Ipfs(world.nodes.ipfs_address, cache=None, timeout=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(world.folder))
        learning = Learning(task="small:Small", start_members=100)
        founded = found_federation(world.chain, ipfs, deployment, founder, learning, Terms(seats=1))
    manifest = fetch_manifest(ipfs, founded.manifest)

    def federation(digest: Digest) -> str:
        config = Terms(seats=1).configuration(deployment.registry, digest, Digest(bytes(32)))
        return create_federation(world.chain, deployment.factory, founder, config)[0]

    version = world.chain.send(founder, VERSION_999, None).contract
    world.names |= {
        "good": founded.federation,
        "registry": deployment.registry,
        "later": str(version),
        "unpinned": federation(Digest(bytes(range(32)))),
        "unsupported": federation(ipfs.pin(_asking_for(manifest, "codec", "int8"))),
        "rubbish": federation(ipfs.pin(b"\x00rubbish")),
        "ipfs": world.nodes.ipfs_address,
    }


def _asking_for(manifest: Manifest, name: str, value: str) -> bytes:
    return manifest.encode().replace(f'"{name}":"fp32"'.encode(), f'"{name}":"{value}"'.encode())


def _admit(world: World, deployment: Deployment) -> None:
    chain, founder = world.chain, devnet_account()
    registry = RegistryContract(chain, deployment.registry)
    keystore = Keystore(world.folder / ".bcfl" / "keystore")

    def certificate(address: Address, seconds: int) -> SignedCertificate:
        content = Certificate(address, Role.PARTICIPANT, int(chain.now()) + seconds)
        return SignedCertificate.sign(content, founder, chain.chain_id, registry.address)

    for name in ACCOUNTS:
        account = keystore.unlock(keystore.new(PASSWORD, name, light=True), PASSWORD)
        address = address_of(account.address)
        signed = certificate(address, 100 if name == "expired" else YEAR)
        (world.folder / f"{name}.json").write_text(signed.to_json())
        if name != "penniless":
            chain.send(founder, b"", address, value=10**18)
        if name not in ("stranger", "penniless"):
            registry.register(account, signed)
    registry.revoke(founder, address_of(keystore.find("revoked").address))
    request = chain.web3.provider.make_request
    request("anvil_setBalance", [keystore.find("poor").address, "0x0"])  # type: ignore[arg-type]
    request("evm_increaseTime", [200])  # type: ignore[arg-type]
    request("evm_mine", [])  # type: ignore[arg-type]


def participate(*options: str) -> tuple[str, ...]:
    return ("participate", "--task", "small:Small", *options)


ALICE = ("--federation", "{good}", "--account", "alice")

CASES = {
    "no chain": (("rounds", "--rpc", "http://127.0.0.1:{closed}"), errors.ChainUnreachable, "no chain answers"),
    "not a chain": (("rounds", "--rpc", "{ipfs}"), errors.ChainUnreachable, "does not answer as a chain node"),
    "wrong chain id": (("rounds", "--chain-id", "1"), errors.WrongChain, "serves chain 31337, not 1"),
    "no federation at an account": (
        ("rounds", "--federation", "0x" + "11" * 20),
        errors.NoSuchFederation,
        "no federation at",
    ),
    "no federation at another contract": (
        ("rounds", "--federation", "{registry}"),
        errors.NoSuchFederation,
        "is not a federation",
    ),
    "another version": (
        participate("--federation", "{later}", "--account", "alice"),
        errors.WrongVersion,
        "is of version 999; this package speaks 1",
    ),
    "no federation named": (("rounds",), errors.ConfigurationError, "name one with --federation"),
    "not certified": (
        participate("--federation", "{good}", "--account", "stranger"),
        errors.NotCertified,
        "has not registered with a certificate",
    ),
    "certificate ended": (
        participate("--federation", "{good}", "--account", "expired"),
        errors.CertificateEnded,
        "ask the certifier for a new one",
    ),
    "revoked": (
        participate("--federation", "{good}", "--account", "revoked"),
        errors.CertificateRevoked,
        "revocation is final",
    ),
    "no ether": (participate("--federation", "{good}", "--account", "poor"), errors.InsufficientFunds, "has no ether"),
    "no ether for a transaction": (("register", "penniless.json"), errors.InsufficientFunds, "0.000000 ether"),
    "wrong password": (("BCFL_PASSWORD=sesame", *participate(*ALICE)), errors.WrongPassword, "does not open"),
    "no account": (
        participate("--federation", "{good}", "--account", "bob"),
        errors.ConfigurationError,
        "no account 'bob'",
    ),
    "no IPFS": (
        participate(*ALICE, "--ipfs", "http://127.0.0.1:{closed}"),
        errors.IpfsUnreachable,
        "no IPFS node answers",
    ),
    "not an IPFS address": (participate(*ALICE, "--ipfs", "nowhere"), errors.ConfigurationError, "'nowhere'"),
    "content not found": (
        participate("--federation", "{unpinned}", "--account", "alice", "--fetch-seconds", "1"),
        errors.ContentNotFound,
        "was not found within 1 s",
    ),
    "manifest unsupported": (
        participate("--federation", "{unsupported}", "--account", "alice"),
        errors.ManifestUnsupported,
        "asks for codec 'int8'",
    ),
    "manifest is none": (
        participate("--federation", "{rubbish}", "--account", "alice"),
        errors.ManifestUnsupported,
        "is not JSON",
    ),
    "another model": (
        ("participate", "--task", "small:Larger", *ALICE),
        errors.ModelMismatch,
        "does not match the manifest",
    ),
    "no such task": (("participate", "--task", "small:None", *ALICE), errors.ConfigurationError, "has no class None"),
    "task not named": (("participate", *ALICE), errors.ConfigurationError, "calls it 'small:Small'"),
    "certificate of another": (
        ("register", "stranger.json", "--account", "alice"),
        errors.ContractError,
        "NotCertificateHolder",
    ),
    "revoked for good": (("register", "revoked.json"), errors.ContractError, "AlreadyRevoked"),
    "not a certificate": (("register", "small.py"), errors.ConfigurationError, "not a certificate file"),
    "deployed already": (("deploy", "--account", "alice"), errors.ConfigurationError, "--force"),
    "terms out of range": (
        ("federation", "create", "--account", "alice", "--task", "small:Small", "--seats", "3", "--quorum", "1"),
        errors.ContractError,
        "ConfigurationOutOfRange(field=quorum, value=1, least=2, most=3)",
    ),
    "no such round": (("rounds", "7", "--federation", "{good}"), errors.ConfigurationError, "there is no round 7"),
    "no model": (("model", "pull", "7", "--federation", "{good}"), errors.ConfigurationError, "round 7 gave no model"),
    # Linux' own full disk: a real ENOSPC, for which nobody needs to be root.
    "disk full": (
        ("model", "pull", "0", "--federation", "{good}", "-o", "/dev/full"),
        errors.DiskFull,
        "no space left",
    ),
    "folder of no folder": (
        ("model", "pull", "0", "--federation", "{good}", "-o", "small.py/x"),
        errors.ConfigurationError,
        "cannot write",
    ),
    "no tools": (("BCFL_TOOLS=/nowhere", "devnet", "up", "--folder", "other"), errors.ToolMissing, "anvil is missing"),
}


@pytest.mark.parametrize(("arguments", "error", "says"), CASES.values(), ids=CASES)
def test_a_mistake_is_one_line_and_its_exit_code(
    world: World, arguments: tuple[str, ...], error: type[errors.BcflError], says: str
) -> None:
    done = world.run(*arguments)
    assert (done.returncode, done.stdout) == (error.exit_code, ""), done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("bcfl: ")
    assert says in last
    assert not any("Traceback" in line or line.startswith(("bcfl:", " ")) for line in before)


def test_a_port_that_is_taken_is_named(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = world.run("devnet", "up", "--folder", "other", "--chain-port", str(port))
    assert done.returncode == errors.PortTaken.exit_code
    assert done.stderr == f"bcfl: port {port} is in use: name another one, or none\n"


def test_a_keystore_that_others_may_read_comes_with_the_remedy(world: World) -> None:
    path = world.folder / "open.json"
    path.write_bytes((world.folder / ".bcfl" / "keystore" / "alice.json").read_bytes())
    path.chmod(0o644)
    done = world.run(*participate("--federation", "{good}", "--account", "open.json"))
    assert done.returncode == errors.BadKeystore.exit_code
    assert done.stderr == "bcfl: open.json can be read by others; run: chmod 600 open.json\n"


def test_a_chain_made_anew_is_told_from_a_deployment(world: World) -> None:
    record = Deployment.load(world.folder / "deployments" / "31337.json")
    elsewhere = Deployment(**{**vars(record), "factory": address_of(Account.create().address)})
    elsewhere.save(world.folder / "stale" / "31337.json")
    done = world.run("federation", "list", "--deployments", "stale")
    assert done.returncode == errors.ConfigurationError.exit_code
    assert "was it made anew?" in done.stderr


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_waiting_participant_ends_when_it_is_told(world: World, sent: signal.Signals, code: int) -> None:
    command, options = world.command(*participate(*ALICE))
    joined = world.folder / ".bcfl" / "participants"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    deadline = time.monotonic() + 60
    while not list(joined.rglob("steps.jsonl")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    if sent is signal.SIGINT:
        time.sleep(4)  # it has joined before, and now says nothing; torch takes its time to be imported
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
