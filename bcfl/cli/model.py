"""``bcfl model``: global models as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcfl.cli.context import CONTENT, NODES, chain_of, federation_of, ipfs_of, origin_of, uses
from bcfl.cli.output import Json, print_fields, print_json
from bcfl.config import Settings
from bcfl.errors import ConfigurationError

if TYPE_CHECKING:
    from bcfl.cid import Digest
    from bcfl.contracts import FederationContract

app = typer.Typer(no_args_is_help=True, help="Global models.")


@app.callback()
def model() -> None:
    """Keeps `pull` a command of its own while it is the only one."""


@app.command()
@uses(*NODES, *CONTENT, "federation", "deployments")
def pull(
    settings: Settings,
    number: Annotated[
        int | None,
        typer.Argument(metavar="ROUND", min=0, help="Of which round; 0: the initial model; else the last one."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; model-<round>.safetensors if not named.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch the global model of a round, check it against the chain, and write it as safetensors."""
    from bcfl.cid import cid_of
    from bcfl.payloads import fetch_manifest
    from bcfl.weights import decode_model, max_update_bytes

    chain = chain_of(settings)
    federation = federation_of(settings, chain)
    chosen, digest = _model_of(federation, origin_of(settings, federation)[1], number)
    ipfs = ipfs_of(settings)
    architecture = fetch_manifest(ipfs, federation.config.manifest).model_architecture()
    data = ipfs.fetch(digest, max_bytes=max_update_bytes(architecture))
    decode_model(data, architecture)
    path = output or Path(f"model-{chosen}.safetensors")
    _write(path, data)
    if json:
        print_json({"round": chosen, "cid": cid_of(digest), "bytes": len(data), "file": str(path)})
    else:
        rows = [("round", chosen), ("model", cid_of(digest)), ("bytes", f"{len(data):,}"), ("file", path)]
        print_fields(rows)


def _model_of(federation: FederationContract, first_block: int, number: int | None) -> tuple[int, Digest]:
    """A round and the digest of its model, as the events tell them."""
    from bcfl.history import History

    models = {0: federation.config.initial_model}
    for record in History.of(federation.contract.events(first_block)).rounds:
        if record.model is not None:
            models[record.number] = record.model
    if number is None:
        number = max(models)
    if number not in models:
        raise ConfigurationError(f"round {number} gave no model; the last one that did is round {max(models)}")
    return number, models[number]


def _write(path: Path, data: bytes) -> None:
    from bcfl.files import write_durably

    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        with path.open("wb") as file:
            file.write(data)
    else:
        write_durably(path, data, mode=0o644)
