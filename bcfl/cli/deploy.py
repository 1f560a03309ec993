"""``bcfl deploy``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bcfl.cli.context import SIGNING, account_of, chain_of, deployment_path, uses
from bcfl.cli.output import Json, print_fields, print_json, say
from bcfl.config import Settings
from bcfl.errors import ConfigurationError


@uses(*SIGNING, "deployments")
def deploy(
    settings: Settings,
    force: Annotated[bool, typer.Option("--force", help="Replace the record of an earlier deployment.")] = False,
    json: Json = False,
) -> None:
    """Deploy Registry and FederationFactory; the account becomes the consortium's administrator and certifier."""
    from bcfl.contracts import deploy as send

    chain = chain_of(settings)
    path = deployment_path(settings, chain.chain_id)
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists: this chain has a deployment already; --force makes another one")
    deployment = send(chain, account_of(settings), lambda name, receipt: say(f"{name}: {receipt.gas:,} gas"))
    deployment.save(path)
    if json:
        print_json(asdict(deployment))
    else:
        print_fields([*asdict(deployment).items(), ("record", path)])
