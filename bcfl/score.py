"""Scores: what a seat thinks of each update of a round, as 16-bit integers.

0 says that a payload is unavailable or invalid, which anybody can check. A valid update scores 1 to 65,535, higher is
better. Losses are quantised before they are compared, so that a difference in the last bit between two machines seldom
shows; the median of the seats on chain absorbs the rest. A model that overflows on the member's data (NaN or infinite
loss) is judged the worst there is, and scores 1: its payload is valid, and worthless.

``accuracy`` (BFLC: Li et al., "A Blockchain-Based Decentralized Federated Learning Framework with Committee
Consensus", IEEE Network 35(1), 2021; our reconstruction): the hits of the base model moved by this update alone, on
the member's own data::

    score = 1 + floor(65,534 * hits / samples)

``loss_impact`` (ours, after the loss-based rejection of Fang et al., USENIX Security 2020) has two stages, because
either alone is fooled: an update judged by itself tells little of what it does to a mean, and the impact on a mean
that is full of loud attackers tells nothing. With ``L(w)`` the mean loss on the member's own data plus ``LOSS_FLOOR``:

1.  As it arrives, each update is tried alone: ``L_i = L(base + delta_i)``. With
    ``bound = max(L(base), LOUD * median of all L_i)``, an update with ``L_i > bound`` is *loud*, takes no part in
    stage 2, and scores 1 to 16,383::

        score = max(1, floor(16,383 * bound / L_i))

2.  The rest are averaged as ``fedavg`` would, with all and without each:
    ``impact_i = ln(L(mean without i) / L(mean))``, positive when the update helps. Scores are centred on ``NEUTRAL``::

        score = clamp(NEUTRAL + round(32,768 * impact_i), 16,384, 65,535)

A contract that asks for ``minScore = NEUTRAL - slack`` therefore refuses the loud always, and others when the
aggregate's loss without them is lower by the factor ``exp(-slack / 32,768)``. A slack is needed: the data of an honest
participant may differ so much from a seat's own that its update hurts there a little.

The bound follows the other updates of the round and not the base model alone: once the model is good, every update
trained on skewed data is by itself worse than the base (five times the loss is common), and still helps the mean.
Norms are not clipped for scoring, because the aggregate does not clip them either.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median_low
from typing import Protocol

import numpy as np

from bcfl.errors import ConfigurationError
from bcfl.tasks.base import Metrics, Task
from bcfl.weights import Weights, load_weights

log = logging.getLogger("bcfl.score")

UNAVAILABLE = 0
WORST, BEST = 1, 65_535
LOWEST_QUIET = 16_384
"""Stage 2 of ``loss_impact`` starts here; loud updates score below."""
NEUTRAL = 32_768
LOUD = 2.0
"""Simulated with the demonstration's settings (MNIST, Dirichlet(0.5), ten participants, five rounds, eight seeds): the
seats' median put four of some two hundred honest updates out of the aggregate; sign flips of scale 3 were at least five
times over the bound, and noise of deviation 1 (of 0.3, three seeds) at least twenty times. Noise of 0.1 hides below the
bound in some rounds, and what gets in costs no accuracy that shows.
"""
LOSS_QUANTUM = 2.0**-16
LOSS_FLOOR = 2.0**-6
"""Keeps the ratio of two losses near zero from meaning anything."""
DEFAULT_MIN_SCORE = NEUTRAL - 8_192
"""For ``loss_impact``: refuses an update without which the mean's loss is lower by 22 % or more, ``1 - exp(-1/4)``."""


class Evaluator:
    """The base model and the member's own data: what any update is tried on."""

    def __init__(self, task: Task, base: Weights) -> None:
        self._task = task
        self._model = task.model()
        self.base = base
        self.base_metrics = self._metrics(base)  # unguarded: an error here is the task's own

    def _metrics(self, weights: Weights) -> Metrics:
        load_weights(self._model, weights)
        return self._task.evaluate(self._model)

    def try_moved(self, delta: Weights) -> Metrics:
        """Metrics of ``base + delta``; of a model on which evaluation breaks down, the worst."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved = {name: value + delta[name] for name, value in self.base.items()}
        try:
            return self._metrics(moved)
        except Exception:  # a user's metric meets another's weights here; whatever it raises ends no seat
            log.warning("the task's evaluation failed on an update", exc_info=True)
            return Metrics(0.0, math.inf, self.base_metrics.samples)


class ScoringRule(Protocol):
    """Scores the valid updates of one round. ``add`` is called as each arrives, in any order; ``scores`` once all are
    in.
    """

    def add(self, index: int, delta: Weights, samples: int) -> None:
        """Take the update of that place in the order of submission, with its declared number of samples."""

    def scores(self) -> dict[int, int]:
        """Scores of 1 to 65,535 by index; does not depend on the order of arrival."""


class Accuracy:
    """The rule ``accuracy``: each update alone, nothing kept."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._scores: dict[int, int] = {}

    def add(self, index: int, delta: Weights, samples: int) -> None:
        """Score the update at once."""
        del samples
        metrics = self._evaluator.try_moved(delta)
        hits = round(metrics.accuracy * metrics.samples) if 0 <= metrics.accuracy <= 1 else 0
        self._scores[index] = WORST + (BEST - WORST) * hits // max(1, metrics.samples)

    def scores(self) -> dict[int, int]:
        """Scores by index."""
        return dict(self._scores)


@dataclass(frozen=True)
class _Tried:
    delta: Weights
    samples: int
    loss: float


class LossImpact:
    """The rule ``loss_impact``; keeps the updates of the round until ``scores``."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._base_loss = _quantised(evaluator.base_metrics.loss)
        self._tried: dict[int, _Tried] = {}

    def add(self, index: int, delta: Weights, samples: int) -> None:
        """Stage 1: try the update alone."""
        self._tried[index] = _Tried(delta, samples, _quantised(self._evaluator.try_moved(delta).loss))

    def scores(self) -> dict[int, int]:
        """Scores by index."""
        tried = dict(sorted(self._tried.items()))
        if not tried:
            return {}
        bound = max(self._base_loss, LOUD * median_low(each.loss for each in tried.values()))
        quiet = {index: each for index, each in tried.items() if each.loss <= bound and math.isfinite(each.loss)}
        scores = {index: _loud_score(each.loss, bound) for index, each in tried.items() if index not in quiet}
        return scores | self._quiet_scores(quiet)

    def _quiet_scores(self, quiet: dict[int, _Tried]) -> dict[int, int]:
        """Stage 2: what each does to the mean of all."""
        total = sum(each.samples for each in quiet.values())
        sums = {name: np.zeros(value.shape, np.float64) for name, value in self._evaluator.base.items()}
        for each in quiet.values():
            for name, value in sums.items():
                value += np.float64(each.samples) * each.delta[name]
        with_all = self._loss_of_mean({name: value / max(1, total) for name, value in sums.items()})
        scores = {}
        for index, each in quiet.items():
            rest, share = max(1, total - each.samples), np.float64(each.samples)
            others = {name: (value - share * each.delta[name]) / rest for name, value in sums.items()}
            impact = _log_ratio(self._loss_of_mean(others), with_all)
            scores[index] = min(BEST, max(LOWEST_QUIET, NEUTRAL + round(NEUTRAL * impact)))
        return scores

    def _loss_of_mean(self, mean: dict[str, np.ndarray]) -> float:
        with np.errstate(over="ignore"):
            delta = {name: value.astype(np.float32) for name, value in mean.items()}
        return _quantised(self._evaluator.try_moved(delta).loss)


def _quantised(loss: float) -> float:
    """A loss on the grid, plus the floor; infinite if it is not a number. Losses below zero count as zero."""
    if not math.isfinite(loss):
        return math.inf
    return round(max(0.0, loss) / LOSS_QUANTUM) * LOSS_QUANTUM + LOSS_FLOOR


def _loud_score(loss: float, bound: float) -> int:
    return max(WORST, math.floor((LOWEST_QUIET - 1) * (bound / loss))) if math.isfinite(loss) else WORST


def _log_ratio(without: float, with_all: float) -> float:
    if math.isinf(without) or math.isinf(with_all):
        return float(math.isinf(without)) - float(math.isinf(with_all))
    return math.log(without / with_all)


SCORING_RULES: dict[str, Callable[[Evaluator], ScoringRule]] = {"accuracy": Accuracy, "loss_impact": LossImpact}
"""By the name that the manifest uses."""


class Scorer:
    """Scores one round for one seat.

    Args:
        rule: a name of ``SCORING_RULES``.
        task: the seat's own task, whose evaluation data it scores by.
        base: the round's base model.

    Raises:
        ConfigurationError: unknown rule.
        ModelMismatch: the base model does not fit the task's.
    """

    def __init__(self, rule: str, task: Task, base: Weights) -> None:
        if rule not in SCORING_RULES:
            raise ConfigurationError(f"unknown scoring rule {rule!r}: one of {', '.join(SCORING_RULES)}")
        self._rule = SCORING_RULES[rule](Evaluator(task, base))
        self._reasons: dict[int, str] = {}

    @property
    def reasons(self) -> dict[int, str]:
        """Why updates score 0, by index."""
        return dict(self._reasons)

    def add(self, index: int, delta: Weights, samples: int) -> None:
        """Take a decoded update: its place in the order of submission, its delta, its declared number of samples."""
        self._rule.add(index, delta, samples)

    def invalid(self, index: int, reason: str) -> None:
        """Note that an update is unavailable or invalid."""
        self._reasons[index] = reason

    def vector(self, updates: int) -> list[int]:
        """The scores of the round's updates in the order of submission; 0 for those never added."""
        scores = self._rule.scores()
        return [scores.get(index, UNAVAILABLE) for index in range(updates)]
