"""The ``Task`` protocol and ``SupervisedTask``."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from bcfl.errors import BcflError, ConfigurationError
from bcfl.manifest import Training
from bcfl.rng import RngSuite, torch_seeded

if TYPE_CHECKING:
    from bcfl.protocol import Round

Samples = tuple[Tensor, Tensor]
"""Inputs, float32, first dimension the sample; and labels, int64, one a sample."""

Progress = Callable[[float], None]
"""Called now and then with the part of the training that is done, 0 to 1."""

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class TrainResult:
    """What local training did: samples of the training set, mean loss of the last epoch, seconds of wall time."""

    samples: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Metrics:
    """Accuracy (0 to 1) and mean loss (at least 0, or not finite if the model is wild) over so many samples."""

    accuracy: float
    loss: float
    samples: int


class Task(Protocol):
    """What a user writes: a model, how to train it on the participant's own data, how to evaluate it on the same.

    The class is constructed with keyword arguments: the manifest's task parameters, the participant's own ones, and
    ``training`` and ``scoring_samples`` (``Settings``).
    """

    def model(self) -> nn.Module:
        """A new model; its weights do not matter, they are replaced by the round's."""

    def train(self, model: nn.Module, round: Round, rng: RngSuite) -> TrainResult:
        """Train in place, starting from the round's global model, with no other randomness than ``rng``."""

    def evaluate(self, model: nn.Module) -> Metrics:
        """Evaluate on the participant's own data: the same samples every time, at most ``scoring_samples``."""


class Settings(TypedDict, total=False):
    """What the manifest prescribes to every task: ``**settings: Unpack[Settings]`` passes it on."""

    training: Training
    scoring_samples: int


class SupervisedTask:
    """Classification with a model, a training set and a set to evaluate on.

    Args:
        model: makes a new module that maps inputs to logits, shape (batch, classes).
        train_on: the participant's training samples.
        evaluate_on: samples of the participant that are not trained on, by which it scores others; the first
            ``scoring_samples`` are used.

    Raises:
        ConfigurationError: a set is empty, or inputs and labels differ in number.
    """

    def __init__(
        self,
        model: Callable[[], nn.Module],
        train_on: Samples,
        evaluate_on: Samples,
        training: Training | None = None,
        scoring_samples: int = 500,
    ) -> None:
        for name, (inputs, labels) in (("training", train_on), ("evaluation", evaluate_on)):
            if len(inputs) == 0 or len(inputs) != len(labels):
                raise ConfigurationError(f"the {name} set has {len(inputs)} inputs and {len(labels)} labels")
        self.training = training or Training()
        self.on_progress: Progress = lambda _: None
        self._model = model
        self._train_on = train_on
        self._evaluate_on = (evaluate_on[0][:scoring_samples], evaluate_on[1][:scoring_samples])

    def model(self) -> nn.Module:
        """A new model."""
        return self._model()

    def train(self, model: nn.Module, round: Round, rng: RngSuite) -> TrainResult:
        """Train in place by minibatch SGD on the cross entropy, a new order of the samples every epoch."""
        del round  # the usual case trains alike in every round
        inputs, labels = self._train_on
        settings, start, loss = self.training, time.perf_counter(), 0.0
        step = _sgd(list(model.parameters()), settings)
        model.train()
        with torch_seeded(rng.seed):
            for epoch in range(settings.epochs):
                order = torch.randperm(len(inputs), generator=rng.torch)
                loss = 0.0
                for first in range(0, len(inputs), settings.batch_size):
                    batch = order[first : first + settings.batch_size]
                    batch_loss = step(functional.cross_entropy(model(inputs[batch]), labels[batch]))
                    loss += batch_loss * len(batch) / len(inputs)
                self.on_progress((epoch + 1) / settings.epochs)
        return TrainResult(len(inputs), loss, time.perf_counter() - start)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Accuracy and mean cross entropy on the participant's own evaluation samples."""
        return evaluate_on(model, self._evaluate_on)


def evaluate_on(model: nn.Module, samples: Samples) -> Metrics:
    """Accuracy and mean cross entropy of a model on samples."""
    inputs, labels = samples
    hits, loss = 0, 0.0
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(inputs), EVALUATION_BATCH):
            target = labels[start : start + EVALUATION_BATCH]
            logits = model(inputs[start : start + EVALUATION_BATCH])
            hits += int((logits.argmax(1) == target).sum())
            loss += float(functional.cross_entropy(logits, target, reduction="sum"))
    return Metrics(hits / len(inputs), loss / len(inputs), len(inputs))


def _sgd(parameters: list[nn.Parameter], settings: Training) -> Callable[[Tensor], float]:
    """A function that takes one step of SGD down a loss and returns the loss; arithmetic as in ``torch.optim.SGD``.

    Written out because the first use of ``torch.optim`` imports torch's compiler: two seconds of processor time a
    process.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    velocities: list[Tensor] = []

    def step(loss: Tensor) -> float:
        gradients = list(torch.autograd.grad(loss, trained))
        with torch.no_grad():
            if settings.weight_decay:
                gradients = [g.add(p, alpha=settings.weight_decay) for g, p in zip(gradients, trained, strict=True)]
            if settings.momentum:
                velocities.extend(torch.zeros_like(g) for g in gradients[len(velocities) :])
                gradients = [v.mul_(settings.momentum).add_(g) for v, g in zip(velocities, gradients, strict=True)]
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.add_(gradient, alpha=-settings.learning_rate)
        return float(loss.detach())

    return step


def load_task(path: str, **parameters: Any) -> Task:
    """The task that a participant names, constructed.

    Args:
        path: ``package.module:Class``.
        parameters: keyword arguments of the class; ``Manifest.task_parameters`` makes them.

    Raises:
        ConfigurationError: the class cannot be found, lacks a method, or refuses the parameters; says which.
    """
    module_name, _, class_name = path.partition(":")
    if not module_name or not class_name.isidentifier():
        raise ConfigurationError(f"a task is named package.module:Class, not {path!r}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(f"task {path}: cannot import {module_name}: {error}") from error
    factory = getattr(module, class_name, None)
    if not callable(factory):
        raise ConfigurationError(f"task {path}: {module_name} has no class {class_name}")
    for method in ("model", "train", "evaluate"):
        if not callable(getattr(factory, method, None)):
            raise ConfigurationError(f"task {path}: the class has no method {method}()")
    try:
        task: Task = factory(**parameters)
    except BcflError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"task {path}: the class refuses its parameters: {error}") from error
    return task
