"""Sending and reading through a real node: custom errors, nonces, stuck transactions, depth, transports."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from bcfl import errors
from bcfl.chain import Chain, connection
from bcfl.contracts import Certificate, RegistryContract, SignedCertificate, deploy
from bcfl.devnet import LocalNode
from bcfl.protocol import Address, Role
from tests.integration.driver import Nodes, running_nodes

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module", params=["anvil", pytest.param("ganache", marks=pytest.mark.ganache)])
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes(tmp_path_factory.mktemp("nodes"), request.param) as found:
        yield found


@pytest.fixture
def automine_off(shared_anvil: LocalNode) -> Iterator[Nodes]:
    """A chain that makes a block only when it is told to."""
    chain = Chain(shared_anvil.address)
    Account.enable_unaudited_hdwallet_features()
    nodes = Nodes(chain, None, Account.from_mnemonic("test test test test test test test test test test test junk"))  # type: ignore[arg-type]
    nodes.request("evm_setAutomine", False)
    yield nodes
    nodes.request("evm_setAutomine", True)
    nodes.request("evm_mine")


def somebody(nodes: Nodes, wei: int) -> LocalAccount:
    account: LocalAccount = Account.create()
    if wei:
        nodes.chain.send(nodes.rich, b"", Address(account.address), value=wei)
    return account


def test_a_custom_error_is_the_exception_of_its_name_with_its_arguments(nodes: Nodes) -> None:
    deployment = deploy(nodes.chain, nodes.rich)
    registry = RegistryContract(nodes.chain, deployment.registry)
    stranger = somebody(nodes, 10**18)
    address = Address(stranger.address)
    certificate = Certificate(address, Role.PARTICIPANT, nodes.chain.head().timestamp + 1000)
    forged = SignedCertificate.sign(certificate, stranger, nodes.chain.chain_id, registry.address)
    with pytest.raises(errors.NotCertifier) as refused:
        registry.register(stranger, forged)
    assert refused.value.arguments == {"signer": stranger.address}
    with pytest.raises(errors.ForeignContractError) as foreign:
        registry.revoke(stranger, Address(nodes.rich.address))
    assert foreign.value.arguments["name"] == "AccessControlUnauthorizedAccount"
    assert nodes.chain.web3.eth.get_transaction_count(stranger.address) == 0, "a refusal costs nothing"


def test_an_account_without_ether_is_told_so_before_anything_is_sent(nodes: Nodes) -> None:
    poor = somebody(nodes, 0)
    with pytest.raises(errors.InsufficientFunds):
        nodes.chain.send(poor, b"", Address(nodes.rich.address))
    poor = somebody(nodes, 10**9)
    with pytest.raises(errors.InsufficientFunds):
        nodes.chain.send(poor, b"", Address(nodes.rich.address), value=10**9)


def test_another_chain_and_no_chain_are_refused(nodes: Nodes) -> None:
    with pytest.raises(errors.WrongChain):
        Chain(nodes.chain.url, chain_id=1)
    with pytest.raises(errors.ChainUnreachable):
        Chain("http://127.0.0.1:9", timeout=1)
    with pytest.raises(errors.ConfigurationError):
        Chain("ftp://127.0.0.1")


def test_many_threads_of_one_account_use_every_nonce_once(nodes: Nodes) -> None:
    account = somebody(nodes, 10**18)
    threads = [
        threading.Thread(target=nodes.chain.send, args=(account, b"", Address(nodes.rich.address))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert nodes.chain.web3.eth.get_transaction_count(account.address) == 5


def test_a_stuck_transaction_is_replaced_with_higher_fees(automine_off: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STUCK_SECONDS", 0.5)
    chain, rich = automine_off.chain, automine_off.rich
    before = chain.web3.eth.get_transaction_count(rich.address)
    timer = threading.Timer(1.2, automine_off.request, ("evm_mine",))
    timer.start()
    receipt = chain.send(rich, b"", Address(Account.create().address), value=1)
    timer.join()
    assert chain.web3.eth.get_transaction_count(rich.address) == before + 1
    assert receipt.block == chain.head().number


def test_what_an_earlier_start_left_pending_is_awaited_not_repeated(automine_off: Nodes) -> None:
    chain, rich = automine_off.chain, automine_off.rich
    left = rich.sign_transaction(
        {
            "to": Account.create().address,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
            "nonce": chain.web3.eth.get_transaction_count(rich.address),
            "chainId": chain.chain_id,
        }
    )
    chain.web3.eth.send_raw_transaction(left.raw_transaction)
    miner = threading.Timer(
        0.5, lambda: (automine_off.request("evm_mine"), automine_off.request("evm_setAutomine", True))
    )
    miner.start()
    before = chain.web3.eth.get_transaction_count(rich.address)
    chain.send(rich, b"", Address(Account.create().address), value=1)
    miner.join()
    assert chain.web3.eth.get_transaction_count(rich.address) == before + 2


def test_a_transaction_counts_only_at_its_depth(automine_off: Nodes) -> None:
    automine_off.request("evm_setAutomine", True)
    deep = Chain(automine_off.chain.url, confirmations=2)
    done = threading.Event()

    def send() -> None:
        deep.send(automine_off.rich, b"", Address(Account.create().address), value=1)
        done.set()

    thread = threading.Thread(target=send)
    thread.start()
    assert not done.wait(1.0)
    automine_off.request("evm_mine")
    automine_off.request("evm_mine")
    assert done.wait(10.0)
    thread.join()


def test_websocket_and_socket_serve_like_http(shared_anvil: LocalNode, tmp_path: Path) -> None:
    port = shared_anvil.port
    over_http, over_websocket = Chain(f"http://127.0.0.1:{port}"), Chain(f"ws://127.0.0.1:{port}")
    assert over_websocket.head() == over_http.head()
    with pytest.raises(errors.ChainUnreachable):
        Chain(str(tmp_path / "no-such.ipc"), timeout=1)


def test_the_first_block_since_a_time_is_found(nodes: Nodes) -> None:
    head = nodes.chain.head()
    assert nodes.chain.first_since(0) == nodes.chain.block(0)
    assert nodes.chain.first_since(head.timestamp + 1) is None
    found = nodes.chain.first_since(head.timestamp)
    assert found is not None
    assert found.timestamp == head.timestamp
    assert found.number == 0 or nodes.chain.block(found.number - 1).timestamp < head.timestamp


def test_a_block_that_a_reorganisation_replaced_is_no_longer_there(automine_off: Nodes) -> None:
    chain = automine_off.chain
    automine_off.request("evm_mine")
    automine_off.request("evm_mine")
    replaced = chain.head()
    kept = chain.block(replaced.number - 1)
    assert chain.has(replaced)
    automine_off.request("anvil_reorg", 1, [])
    assert not chain.has(replaced)
    assert chain.has(kept)
