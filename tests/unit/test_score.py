import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bcfl.attacks import attack_of
from bcfl.errors import ConfigurationError, ModelMismatch
from bcfl.protocol import Round
from bcfl.score import DEFAULT_MIN_SCORE, LOWEST_QUIET, NEUTRAL, SCORING_RULES, WORST, Scorer
from bcfl.tasks import Metrics, RngSuite, SupervisedTask, Training
from bcfl.tasks.base import TrainResult
from bcfl.weights import Weights, load_weights, weights_of


def blobs(seed: int, count: int = 300, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(0).normal(0, 1.5, (classes, 10))
    inputs = centres[labels] + rng.normal(0, 1, (count, 10))
    return torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(labels)


def member(seed: int) -> SupervisedTask:
    return SupervisedTask(lambda: nn.Linear(10, 4), blobs(seed), blobs(100 + seed), Training(batch_size=10), 200)


SEAT = member(0)
BASE: Weights = {"bias": np.zeros(4, np.float32), "weight": np.zeros((4, 10), np.float32)}


def honest(seed: int) -> Weights:
    task = member(seed)
    model = task.model()
    load_weights(model, BASE)
    task.train(model, Round(number=1), RngSuite.from_seed(seed))
    return {name: value - BASE[name] for name, value in weights_of(model).items()}


HONEST = [honest(seed) for seed in range(1, 6)]
FLIPPED = attack_of("sign_flip:3").poison(honest(7), np.random.default_rng(0))
NOISY = attack_of("noise:10").poison(honest(8), np.random.default_rng(0))


def vector(rule: str, updates: list[Weights], samples: int = 300) -> list[int]:
    scorer = Scorer(rule, SEAT, BASE)
    for index, delta in enumerate(updates):
        scorer.add(index, delta, samples)
    return scorer.vector(len(updates))


class Fixed:
    """A task whose loss is a function of its one weight."""

    def __init__(self, loss: Callable[[float], float], accuracy: float = 0.5) -> None:
        self._loss, self._accuracy = loss, accuracy

    def model(self) -> nn.Module:
        return nn.Linear(1, 1, bias=False)

    def train(self, model: nn.Module, round: Round, rng: RngSuite) -> TrainResult:
        raise NotImplementedError

    def evaluate(self, model: nn.Module) -> Metrics:
        return Metrics(self._accuracy, self._loss(next(model.parameters()).item()), 200)


def scalar(value: float) -> Weights:
    return {"weight": np.array([[value]], np.float32)}


def fixed_vector(rule: str, task: Fixed, deltas: list[float], samples: list[int] | None = None) -> list[int]:
    scorer = Scorer(rule, task, scalar(0))
    for index, delta in enumerate(deltas):
        scorer.add(index, scalar(delta), samples[index] if samples else 1)
    return scorer.vector(len(deltas))


def test_accuracy_is_the_share_of_hits_as_an_exact_integer() -> None:
    assert fixed_vector("accuracy", Fixed(lambda _: 1.0, 0.0), [1]) == [1]
    assert fixed_vector("accuracy", Fixed(lambda _: 1.0, 0.5), [1]) == [1 + 32767]
    assert fixed_vector("accuracy", Fixed(lambda _: 1.0, 1.0), [1]) == [65535]
    assert fixed_vector("accuracy", Fixed(lambda _: 1.0, 3 / 200), [1]) == [1 + 65534 * 3 // 200]


def test_accuracy_puts_the_honest_above_the_loud() -> None:
    scores = vector("accuracy", [*HONEST, FLIPPED])
    assert min(scores[:5]) > scores[5]


def test_loss_impact_separates_honest_updates_from_loud_ones() -> None:
    scores = vector("loss_impact", [*HONEST, FLIPPED, NOISY])
    assert all(score >= DEFAULT_MIN_SCORE for score in scores[:5])
    assert all(WORST <= score < LOWEST_QUIET for score in scores[5:])


def test_impact_on_the_mean_is_the_log_ratio_of_the_losses() -> None:
    # Deltas 1 and 3 with one and three samples: mean 2.5, without the first 3, without the second 1.
    task = Fixed(lambda weight: 10 - weight)
    first, second = fixed_vector("loss_impact", task, [1, 3], [1, 3])
    with_all = 7.5 + 1 / 64
    assert first == NEUTRAL + round(NEUTRAL * math.log((7 + 1 / 64) / with_all))
    assert second == NEUTRAL + round(NEUTRAL * math.log((9 + 1 / 64) / with_all))
    assert first < NEUTRAL < second


def test_impact_is_clamped_to_its_range() -> None:
    losses = {0.0: 20.0, 2.0: 0.0, -1.0: 10.0, 0.5: 1.0}  # the base, each alone, and their mean
    assert fixed_vector("loss_impact", Fixed(losses.__getitem__), [2, -1]) == [65535, LOWEST_QUIET]


def test_loud_update_scores_in_proportion_to_its_loss() -> None:
    task = Fixed(lambda weight: weight - 1 / 64 if weight > 1 else 1 - 1 / 64)
    assert fixed_vector("loss_impact", task, [1, 1, 1, 8, 1e6])[3:] == [math.floor(16383 * 2 / 8), WORST]


def test_bound_follows_the_other_updates_when_all_are_worse_than_the_base() -> None:
    task = Fixed(lambda weight: 0.1 + abs(weight))
    scores = fixed_vector("loss_impact", task, [1, -1, 1.1, -1.2, 9])
    assert all(score >= LOWEST_QUIET for score in scores[:4])
    assert scores[4] < LOWEST_QUIET


def test_an_update_without_effect_is_neutral() -> None:
    assert fixed_vector("loss_impact", Fixed(lambda _: 1.0), [1, 2, 3]) == [NEUTRAL] * 3


@pytest.mark.parametrize("rule", sorted(SCORING_RULES))
@pytest.mark.parametrize("value", [3e38, -3e38, 1e30])
def test_huge_weights_score_low_and_crash_nothing(rule: str, value: float) -> None:
    wild = {name: np.full(array.shape, value, np.float32) for name, array in BASE.items()}
    wild["weight"][::2] *= -1
    scores = vector(rule, [*HONEST, wild])
    assert WORST <= scores[5] < min(scores[:5])


def test_evaluation_that_breaks_down_on_an_update_scores_it_worst() -> None:
    def loss(weight: float) -> float:
        if weight > 5:
            raise ValueError("this metric refuses such numbers")
        return 1.0 if weight < 4 else math.nan

    assert fixed_vector("loss_impact", Fixed(loss), [1, 9, 4.5]) == [NEUTRAL, WORST, WORST]


def test_base_model_that_is_broken_itself_still_gives_valid_scores() -> None:
    scores = fixed_vector("loss_impact", Fixed(lambda weight: math.inf if weight == 0 else 1.0), [1, 0, -1])
    assert all(WORST <= score <= 65535 for score in scores)
    assert scores[1] == WORST


def test_order_of_arrival_does_not_matter() -> None:
    updates = [*HONEST, FLIPPED]
    scorer = Scorer("loss_impact", SEAT, BASE)
    for index in (4, 0, 5, 2, 1, 3):
        scorer.add(index, updates[index], 300)
    assert scorer.vector(6) == vector("loss_impact", updates)


def test_invalid_and_missing_updates_score_zero_with_the_reason_kept() -> None:
    scorer = Scorer("loss_impact", SEAT, BASE)
    scorer.add(2, HONEST[0], 300)
    scorer.invalid(0, "not finite (NaN or infinity)")
    scores = scorer.vector(4)
    assert [score == 0 for score in scores] == [True, True, False, True]
    assert scorer.reasons == {0: "not finite (NaN or infinity)"}


@pytest.mark.parametrize("rule", sorted(SCORING_RULES))
def test_round_without_valid_updates_has_a_vector_of_zeros(rule: str) -> None:
    assert Scorer(rule, SEAT, BASE).vector(3) == [0, 0, 0]


def test_declared_samples_of_zero_are_harmless() -> None:
    assert all(WORST <= score <= 65535 for score in vector("loss_impact", HONEST[:2], samples=0))


def test_unknown_rule_and_foreign_base_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="shapley"):
        Scorer("shapley", SEAT, BASE)
    with pytest.raises(ModelMismatch):
        Scorer("accuracy", SEAT, {"weight": np.zeros((4, 10), np.float32)})
