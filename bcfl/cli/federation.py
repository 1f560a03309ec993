"""``bcfl federation``: create, list and show learning tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcfl.cli.context import (
    CONTENT,
    NODES,
    SIGNING,
    Number,
    account_of,
    chain_of,
    deployment_of,
    federation_of,
    find_tasks_here,
    ipfs_of,
    names_of,
    parameters_of,
    remember_federation,
    takes_numbers,
    uses,
)
from bcfl.cli.output import Json, print_fields, print_json, print_table, say
from bcfl.config import Settings
from bcfl.errors import ConfigurationError, ContentError, ManifestError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from bcfl.contracts import FederationContract
    from bcfl.founding import Learning

app = typer.Typer(no_args_is_help=True, help="Federations: learning tasks on the chain.")

_MOST_16, _MOST_32 = 2**16 - 1, 2**32 - 1

# The defaults are those of bcfl.founding.Terms and bcfl.manifest.Training, which a test compares: importing either
# here would import torch or pydantic for every command.
TERMS = {
    "seats": Number(3, 1, 15, "Places of a committee."),
    "quorum": Number(0, 0, 15, "Seats that must agree; 0: two thirds, rounded up."),
    "min_updates": Number(1, 1, _MOST_16, "Updates without which a round stalls."),
    "max_updates": Number(100, 1, _MOST_16, "Updates that a round takes at most."),
    "max_qualified": Number(30, 1, _MOST_16, "Updates that enter the aggregate at most."),
    "min_score": Number(24_576, 1, _MOST_16, "Median score that an update needs to qualify."),
    "max_samples": Number(10_000, 1, _MOST_32, "Samples that one update may declare at most; its weight in the mean."),
    "rounds": Number(10, 1, _MOST_32, "Rounds to finalise before the federation is finished."),
    "train_seconds": Number(600, 1, _MOST_32, "Time to train and submit."),
    "commit_seconds": Number(120, 1, _MOST_32, "Time to commit to scores."),
    "reveal_seconds": Number(60, 1, _MOST_32, "Time to reveal them."),
    "vote_seconds": Number(120, 1, _MOST_32, "Time to aggregate and vote."),
}
TRAINING = {
    "epochs": Number(1, 1, 1000, "Passes over a participant's data in a round."),
    "batch_size": Number(32, 1, 2**20, "Samples in a batch."),
    "learning_rate": Number(0.1, 1e-9, 1000, "Of stochastic gradient descent."),
    "momentum": Number(0.0, 0, 0.9999, "Of stochastic gradient descent."),
    "weight_decay": Number(0.0, 0, 1, "Of stochastic gradient descent."),
}


class ElectionName(StrEnum):
    """How the next committee is chosen."""

    BY_SCORE = "by-score"
    BY_LOTTERY = "by-lottery"


class ScoringRule(StrEnum):
    """How seats score updates."""

    LOSS_IMPACT = "loss_impact"
    ACCURACY = "accuracy"


class AggregationRule(StrEnum):
    """How updates become the next model."""

    FEDAVG = "fedavg"


@app.command()
@uses(*SIGNING, *CONTENT, "deployments", "federation")
@takes_numbers("training", TRAINING, "Training")
@takes_numbers("terms", TERMS, "Terms of the federation")
def create(
    settings: Settings,
    terms: dict[str, Any],
    training: dict[str, Any],
    task: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="The task: its model, data and training.")],
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Parameter of the task that all share; repeatable.")
    ] = None,
    local: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Parameter that only this copy of the task needs, to make the model."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the initial model's weights.")] = 0,
    start_members: Annotated[
        int, typer.Option(min=0, max=_MOST_32, help="Members to wait for before the first round is opened.")
    ] = 0,
    scoring: Annotated[ScoringRule, typer.Option(help="How seats score.")] = ScoringRule.LOSS_IMPACT,
    scoring_samples: Annotated[
        int, typer.Option(min=1, max=2**20, help="Own samples that a seat scores on at most.")
    ] = 500,
    aggregation: Annotated[AggregationRule, typer.Option(help="How updates become a model.")] = AggregationRule.FEDAVG,
    election: Annotated[ElectionName, typer.Option(help="How a committee is chosen.")] = ElectionName.BY_SCORE,
    json: Json = False,
) -> None:
    """Pin an initial model and a manifest, and create a federation with them."""
    shared, own = parameters_of(parameter or []), parameters_of(local or [])
    for name in shared.keys() & own.keys():
        raise ConfigurationError(f"parameter {name!r} is either shared or local, not both")
    rules = {"scoring": (scoring.value, scoring_samples), "aggregation": aggregation.value}
    learning = {"task": task, "parameters": shared, "local": own, "seed": seed, "start_members": start_members}
    _create(settings, {**terms, "election": election}, training, rules, learning, json)


def _create(
    settings: Settings,
    terms: dict[str, Any],
    training: dict[str, Any],
    rules: dict[str, Any],
    learning: dict[str, Any],
    json: bool,
) -> None:
    chain = chain_of(settings)
    deployment = deployment_of(settings, chain)
    ipfs = ipfs_of(settings)
    ipfs.identity()  # before torch and the task are loaded
    account = account_of(settings)

    from pydantic import ValidationError

    from bcfl.cid import cid_of
    from bcfl.founding import Terms, found_federation
    from bcfl.protocol import Election

    find_tasks_here()
    election = Election[terms.pop("election").name]
    try:
        learnt = _learning(training, rules, learning)
        founded = found_federation(chain, ipfs, deployment, account, learnt, Terms(**terms, election=election), say)
    except ValidationError as error:
        raise ConfigurationError(f"the manifest cannot say that: {_first_of(error)}") from error
    if settings.federation is None:
        remember_federation(settings, chain.chain_id, founded.federation)
    record = {
        "federation": founded.federation,
        "manifest": cid_of(founded.manifest),
        "block": founded.block,
        "gas": founded.gas,
    }
    if json:
        print_json(record)
    else:
        print_fields(record.items())


def _first_of(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _learning(training: dict[str, Any], rules: dict[str, Any], learning: dict[str, Any]) -> Learning:
    from bcfl.founding import Learning
    from bcfl.manifest import Aggregation, Scoring, Training

    rule, samples = rules["scoring"]
    return Learning(
        **learning,
        training=Training(**training),
        scoring=Scoring(rule=rule, samples=samples),
        aggregation=Aggregation(rule=rules["aggregation"]),
    )


@app.command(name="list")
@uses(*NODES, "deployments")
def list_(settings: Settings, json: Json = False) -> None:
    """List the federations of this deployment."""
    from bcfl.chain import address_of
    from bcfl.contracts import FederationContract, federations_of

    chain = chain_of(settings)
    rows = []
    for event in federations_of(chain, deployment_of(settings, chain)):
        federation = FederationContract(chain, address_of(event.args["federation"]))
        rows.append({**_state(federation), "created by": event.args["creator"], "block": event.block})
    if json:
        print_json([{name.replace(" ", "_"): value for name, value in row.items()} for row in rows])
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows], ["members", "round", "finalised", "block"])
    else:
        say("no federation yet; bcfl federation create makes one")


def _state(federation: FederationContract) -> dict[str, Any]:
    from bcfl.protocol import phase_of
    from bcfl.tracker import NOBODY

    snapshot = federation.snapshot(NOBODY)
    return {
        "federation": federation.address,
        "members": snapshot.members,
        "round": snapshot.round.number,
        "phase": str(phase_of(snapshot.round, federation.config, int(federation.chain.now()))),
        "finalised": f"{snapshot.finalised}/{federation.config.rounds}",
    }


@app.command()
@uses(*NODES, *CONTENT, "federation", "keystore")
def show(settings: Settings, json: Json = False) -> None:
    """Show a federation: its terms, what its manifest says, and where it stands."""
    from dataclasses import asdict

    from bcfl.cid import cid_of
    from bcfl.tracker import NOBODY

    federation = federation_of(settings, chain_of(settings))
    config = asdict(federation.config)
    config["manifest"], config["initial_model"] = cid_of(config["manifest"]), cid_of(config["initial_model"])
    config["election"] = federation.config.election.name.lower().replace("_", "-")
    snapshot = federation.snapshot(NOBODY)
    names = names_of(settings)
    state = {
        **_state(federation),
        "global_model": cid_of(snapshot.global_model),
        "committee": list(snapshot.committee),
    }
    manifest = _manifest(settings, federation)
    if json:
        print_json({"state": state, "configuration": config, "manifest": manifest})
        return
    state["committee"] = ", ".join(names.get(each.lower(), each) for each in snapshot.committee) or "-"
    for title, values in (("state", state), ("configuration", config), ("manifest", _shortened(manifest))):
        print_fields(values.items(), title)


def _manifest(settings: Settings, federation: FederationContract) -> dict[str, Any]:
    """What the manifest says; why not, where it cannot be had: the rest is worth showing without it."""
    from bcfl.payloads import fetch_manifest

    try:
        return fetch_manifest(ipfs_of(settings), federation.config.manifest).model_dump(mode="json")
    except (ContentError, ManifestError) as error:
        return {"unavailable": error.message}


def _shortened(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with a line for each section."""
    shown = {name: _in_words(value) for name, value in manifest.items()}
    if "architecture" in manifest:
        tensors = [f"{each['name']} {tuple(each['shape'])}" for each in manifest["architecture"]]
        shown["architecture"] = "; ".join(tensors)
    return shown


def _in_words(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items()) or "-"
    return "-" if value is None else value
