"""``bcfl devnet``: a chain and an IPFS node on this machine."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcfl.cli.context import address_or_account, uses
from bcfl.cli.output import Json, ether, print_fields, print_json, say
from bcfl.config import Settings
from bcfl.errors import ChainUnreachable, ConfigurationError

if TYPE_CHECKING:
    from bcfl.devnet import Devnet

app = typer.Typer(no_args_is_help=True, help="A chain and an IPFS node on this machine, for development.")


class ChainKind(StrEnum):
    """Chains that a devnet can run."""

    ANVIL = "anvil"
    GANACHE = "ganache"


@app.command()
@uses("folder")
def up(
    settings: Settings,
    chain: Annotated[ChainKind, typer.Option(help="Which chain.")] = ChainKind.ANVIL,
    chain_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the chain; the last one, 8545, or any that is free.")
    ] = None,
    ipfs_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the IPFS node; the last one, 5001, or any that is free."),
    ] = None,
    block_time: Annotated[
        int | None, typer.Option(min=1, help="Seconds between blocks; without it each transaction has its own at once.")
    ] = None,
    json: Json = False,
) -> None:
    """Start the nodes that do not run yet. Their state is kept in the folder and survives restarts."""
    from bcfl.devnet import up as start

    devnet = start(
        settings.folder, chain=chain.value, chain_port=chain_port, ipfs_port=ipfs_port, block_time=block_time
    )
    _report(devnet, json)


@app.command()
@uses("folder")
def down(settings: Settings, json: Json = False) -> None:
    """Stop the nodes that `up` started. Their state stays."""
    from bcfl.devnet import down as end

    devnet = end(settings.folder)
    if json:
        print_json({"stopped": devnet is not None})
    else:
        say("nothing to stop: no devnet in this folder" if devnet is None else f"stopped; state is in {devnet.folder}")


@app.command()
@uses("folder")
def status(settings: Settings, json: Json = False) -> None:
    """Show what runs, where it listens, and where it keeps its state."""
    from bcfl.devnet import status as look

    _report(look(settings.folder), json)


def _report(devnet: Devnet | None, json: bool) -> None:
    if json:
        print_json(_record(devnet) if devnet else {"running": False})
    elif devnet is None:
        say("no devnet in this folder; bcfl devnet up starts one")
    else:
        print_fields(
            [
                ("chain", _words(devnet.chain.name, devnet.rpc, devnet.chain.running)),
                ("chain id", devnet.chain_id),
                ("IPFS", _words(devnet.ipfs.name, devnet.ipfs_address, devnet.ipfs.running)),
                ("state", devnet.folder),
            ]
        )


def _words(name: str, address: str, running: bool) -> str:
    return f"{name} at {address}" if running else f"{name}, stopped (was at {address})"


def _record(devnet: Devnet) -> dict[str, Any]:
    return {
        "running": devnet.running,
        "chain": {
            "kind": devnet.chain.name,
            "rpc": devnet.rpc,
            "chain_id": devnet.chain_id,
            "running": devnet.chain.running,
        },
        "ipfs": {"kind": devnet.ipfs.name, "address": devnet.ipfs_address, "running": devnet.ipfs.running},
        "folder": str(devnet.folder),
        "pids": devnet.pids,
    }


@app.command()
@uses("folder", "keystore")
def fund(
    settings: Settings,
    accounts: Annotated[list[str], typer.Argument(metavar="ACCOUNT...", help="Addresses, or names of accounts.")],
    amount: Annotated[float, typer.Option("--ether", min=0, max=1000, help="Ether for each.")] = 10.0,
    json: Json = False,
) -> None:
    """Give accounts ether on the devnet, from its first account, whose key is known to everybody."""
    from bcfl.accounts import devnet_account
    from bcfl.chain import Chain
    from bcfl.devnet import status as look

    devnet = look(settings.folder)
    if devnet is None:
        raise ConfigurationError("no devnet in this folder; bcfl devnet up starts one")
    if not devnet.chain.running:
        raise ChainUnreachable("the devnet's chain does not run; bcfl devnet up starts it")
    addresses = [address_or_account(settings, each) for each in accounts]
    # The devnet's own node and no other: what the settings say of --rpc does not matter here.
    chain = Chain(devnet.rpc, chain_id=devnet.chain_id)
    rich_one = devnet_account()
    for address in addresses:
        chain.send(rich_one, b"", address, value=int(amount * 10**18))
    balances = {address: chain.balance_of(address) for address in addresses}
    if json:
        print_json([{"address": address, "wei": str(balance)} for address, balance in balances.items()])
    else:
        print_fields((address, ether(balance)) for address, balance in balances.items())
