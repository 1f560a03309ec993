"""``bcfl certify``, ``register`` and ``revoke``: who may take part."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcfl.cli.context import (
    SIGNING,
    account_of,
    address_or_account,
    chain_of,
    deployment_of,
    deployment_path,
    uses,
)
from bcfl.cli.output import Json, print_fields, print_json
from bcfl.config import Settings
from bcfl.errors import ConfigurationError

if TYPE_CHECKING:
    from bcfl.chain import Receipt
    from bcfl.protocol import Address

DAY_SECONDS = 86_400


class RoleName(StrEnum):
    """What a certificate allows its holder to be."""

    PARTICIPANT = "participant"
    RELAY = "relay"


def _utc(timestamp: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(timestamp))


@uses(*SIGNING, "deployments")
def certify(
    settings: Settings,
    participant: Annotated[str, typer.Argument(help="Whom to certify: an address, or the name of an account.")],
    role: Annotated[RoleName, typer.Option(help="What it may be.")] = RoleName.PARTICIPANT,
    days: Annotated[float, typer.Option(min=0.001, max=36_500, help="How long the certificate lasts.")] = 365.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; <participant>.certificate.json if not named."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a certificate file that is there.")] = False,
    json: Json = False,
) -> None:
    """Sign a certificate, as the certifier, and write it to a file.

    With --chain-id no chain is needed; without, the registry is asked whether the account is a certifier.
    """
    from bcfl.chain import address_of
    from bcfl.contracts import Certificate, Deployment, RegistryContract, SignedCertificate
    from bcfl.files import write_durably
    from bcfl.protocol import Role

    path = output or Path(f"{participant}.certificate.json")
    if path.exists() and not force:
        raise ConfigurationError(f"{path} is there already; --force replaces it")
    chain = None if settings.chain_id else chain_of(settings)
    chain_id = chain.chain_id if chain else settings.chain_id or 0
    registry = Deployment.load(deployment_path(settings, chain_id)).registry
    address = address_or_account(settings, participant)
    content = Certificate(address, Role[role.name], int(time.time() + days * DAY_SECONDS))
    certifier = account_of(settings)
    if chain and not RegistryContract(chain, registry).is_certifier(address_of(certifier.address)):
        raise ConfigurationError(f"{certifier.address} is not a certifier of the registry {registry}")
    signed = SignedCertificate.sign(content, certifier, chain_id, registry)
    write_durably(path, signed.to_json().encode(), mode=0o644)
    if json:
        print_json({"participant": address, "role": role.value, "expires_at": content.expires_at, "file": str(path)})
    else:
        rows = [("participant", address), ("role", role.value), ("ends", _utc(content.expires_at)), ("file", path)]
        print_fields(rows)


@uses(*SIGNING, "deployments")
def register(
    settings: Settings,
    certificate: Annotated[Path, typer.Argument(help="The file that the certifier wrote.")],
    json: Json = False,
) -> None:
    """Register the account with its certificate. Without --account, the account that the certificate is for."""
    from dataclasses import replace

    from bcfl.contracts import RegistryContract, SignedCertificate

    try:
        text = certificate.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read a certificate from {certificate}") from error
    signed = SignedCertificate.from_json(text)
    if settings.account is None:
        settings = replace(settings, account=signed.certificate.participant)
    chain = chain_of(settings)
    registry = RegistryContract(chain, deployment_of(settings, chain).registry)
    receipt = registry.register(account_of(settings), signed)
    _report("registered", signed.certificate.participant, receipt, json)


@uses(*SIGNING, "deployments")
def revoke(
    settings: Settings,
    participant: Annotated[str, typer.Argument(help="Whom to revoke: an address, or the name of an account.")],
    json: Json = False,
) -> None:
    """End an account's membership, as the certifier, at once and for good."""
    from bcfl.contracts import RegistryContract

    chain = chain_of(settings)
    registry = RegistryContract(chain, deployment_of(settings, chain).registry)
    address = address_or_account(settings, participant)
    _report("revoked", address, registry.revoke(account_of(settings), address), json)


def _report(done: str, address: Address, receipt: Receipt, json: bool) -> None:
    if json:
        print_json({done: address, "transaction": receipt.transaction, "gas": receipt.gas})
    else:
        print_fields([(done, address), ("transaction", receipt.transaction), ("gas", f"{receipt.gas:,}")])
