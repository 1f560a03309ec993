"""``bcfl participate``: one participant, until the federation is finished."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcfl.cli.context import (
    CONTENT,
    SIGNING,
    account_of,
    chain_of,
    federation_of,
    find_tasks_here,
    ipfs_of,
    parameters_of,
    uses,
)
from bcfl.cli.output import Json, harmless, one_line, print_json, say
from bcfl.config import Settings
from bcfl.errors import ConfigurationError, InsufficientFunds

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from bcfl.contracts import FederationContract
    from bcfl.participant import Outcome, Participant

log = logging.getLogger("bcfl.cli")

OWN_TASKS = ("bcfl.tasks.mnist:Mnist",)
"""Tasks that come with bcfl, and run without being named."""


@uses(*SIGNING, *CONTENT, "federation")
def participate(
    settings: Settings,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CLASS",
            envvar="BCFL_TASK",
            help="Your own task: its model, data and training. Needed unless bcfl has it.",
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "--local",
            metavar="NAME=VALUE",
            envvar="BCFL_PARAMETERS",
            help="Parameter of your task alone; repeatable.",
        ),
    ] = None,
    attack: Annotated[
        str | None, typer.Option(help="Cheat, to demonstrate: sign_flip, noise:2, nan, missing, copier and others.")
    ] = None,
    json: Json = False,
) -> None:
    """Take part in a federation: join, train, score, vote, until it is finished.

    It may be killed at any moment and started again: the chain says what is due. On SIGTERM it finishes the step in
    hand and ends with exit code 0.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log_steps()
    participant = prepare(settings, task, parameter or [], attack)
    participant.stop = stop
    _report(participant.run(), stopped=stop.is_set(), json=json)


def _report(outcome: Outcome, *, stopped: bool, json: bool) -> None:
    if json:
        print_json({"finalised": outcome.finalised, "transactions": outcome.transactions, "gas": outcome.gas})
    else:
        ended = "stopped" if stopped else "the federation is finished"
        say(f"{ended}: {outcome.finalised} rounds finalised; {outcome.transactions} transactions, {outcome.gas:,} gas")


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def log_steps() -> None:
    """Has every step said on stderr, one a line, with the time; warnings say that they are."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("bcfl")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def participant_folder(settings: Settings, federation: FederationContract, account: str) -> Path:
    """Where an account keeps what it needs for one federation."""
    chain_id = federation.chain.chain_id
    return settings.folder.resolve() / "participants" / str(chain_id) / federation.address / account


def prepare(settings: Settings, task: str | None, parameters: list[str], attack: str | None) -> Participant:
    """A participant, ready to run. What needs no torch is looked at first: most errors are said within a second."""
    from bcfl.attacks import attack_of
    from bcfl.payloads import Payloads, fetch_manifest

    local, plays = parameters_of(parameters), attack_of(attack) if attack else None
    federation = federation_of(settings, chain_of(settings))
    account = account_of(settings)
    _require_admission(federation, account)
    ipfs = ipfs_of(settings)
    manifest = fetch_manifest(ipfs, federation.config.manifest)
    log.info("federation %s on chain %s, account %s", federation.address, federation.chain.chain_id, account.address)
    arguments = manifest.task_parameters(local)
    task = task or _own_task(manifest.task.name)

    import torch

    from bcfl.participant import Participant
    from bcfl.tasks import load_task

    torch.set_num_threads(1)  # a machine may run many participants, and small models are faster with one
    find_tasks_here()
    return Participant(
        federation,
        Payloads(federation, manifest, ipfs),
        account,
        load_task(task, **arguments),
        participant_folder(settings, federation, account.address),
        attack=plays,
        fetch_seconds=settings.fetch_seconds,
    )


def _own_task(name: str) -> str:
    """The task that the manifest names, if it comes with bcfl: no other code runs because a stranger names it."""
    if name in OWN_TASKS:
        return name
    raise ConfigurationError(
        f"name your task with --task module:Class; the federation calls it {harmless(name, 100)!r}"
    )


def _require_admission(federation: FederationContract, account: LocalAccount) -> None:
    from bcfl.chain import address_of

    address = address_of(account.address)
    federation.chain.head()  # whose time may be ahead of ours
    federation.registry.require_active(address)
    if not federation.chain.balance_of(address):
        raise InsufficientFunds(f"{address} has no ether; it pays gas for what it sends")
