"""A task of one's own: four hospitals learn to tell malignant from benign tumours, and none shows a patient to another.

``python examples/breast_cancer.py`` tries it without a chain. With one, each hospital runs ``bcfl participate`` with
``--task examples.breast_cancer:Hospital`` and its own ``hospital``, 0 to 3.
"""

from typing import Unpack

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

from bcfl.aggregate import fedavg
from bcfl.errors import ConfigurationError
from bcfl.protocol import Round
from bcfl.rng import torch_seeded
from bcfl.tasks import Metrics, RngSuite, Settings, SupervisedTask, Training, evaluate_on
from bcfl.weights import Weights, load_weights, weights_of

TEST_PATIENTS = 200  # seen by no hospital
SHARES = (0.45, 0.30, 0.15, 0.10)  # of the other patients: one big hospital, two smaller ones, a very small one
TRAINING = Training(epochs=5, batch_size=8, learning_rate=0.05)


def network() -> nn.Module:
    """30 features to two logits, malignant and benign."""
    return nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))


class Hospital(SupervisedTask):
    """One hospital's patients; a fifth of them are kept to score the others' updates by."""

    def __init__(self, *, hospital: int, **settings: Unpack[Settings]) -> None:
        if not 0 <= hospital < len(SHARES):
            raise ConfigurationError(f"hospital must be from 0 to {len(SHARES) - 1}, not {hospital}")
        data = load_breast_cancer()
        order = np.random.default_rng(0).permutation(len(data.target))
        cuts = np.cumsum((0, *SHARES)) * (len(order) - TEST_PATIENTS)
        mine = order[TEST_PATIENTS:][round(cuts[hospital]) : round(cuts[hospital + 1])]
        held_out, trained = np.split(mine, [len(mine) // 5])
        # Statistics of the own training patients alone: neither the held-out nor another hospital's patients leak in.
        mean, deviation = data.data[trained].mean(axis=0), data.data[trained].std(axis=0)
        features = torch.from_numpy(((data.data - mean) / deviation).astype(np.float32))
        labels = torch.from_numpy(data.target.astype(np.int64))
        super().__init__(
            network, (features[trained], labels[trained]), (features[held_out], labels[held_out]), **settings
        )
        self._test = (features[order[:TEST_PATIENTS]], labels[order[:TEST_PATIENTS]])

    def test(self, model: nn.Module) -> Metrics:
        """Evaluate on the test patients, as this hospital's scaling shows them."""
        return evaluate_on(model, self._test)


def trained(task: Hospital, start: Weights, round: int) -> tuple[nn.Module, int]:
    """A model after one round of a hospital's training, and the number of its patients."""
    model = task.model()
    load_weights(model, start)
    result = task.train(model, Round(number=round), RngSuite.from_seed(round))
    return model, result.samples


def compare(rounds: int = 5) -> list[tuple[int, float, float]]:
    """For each hospital: its patients, test accuracy when it trains alone, test accuracy of the federated model."""
    hospitals = [Hospital(hospital=index, training=TRAINING) for index in range(len(SHARES))]
    with torch_seeded(0):
        model = network()
    federated = weights_of(model)
    alone = [federated for _ in hospitals]
    for round in range(1, rounds + 1):
        alone = [weights_of(trained(task, own, round)[0]) for task, own in zip(hospitals, alone, strict=True)]
        updates = []
        for task in hospitals:
            local, patients = trained(task, federated, round)
            updates.append(({name: value - federated[name] for name, value in weights_of(local).items()}, patients))
        federated = fedavg(federated, updates)
    report = []
    for task, own, (_, patients) in zip(hospitals, alone, updates, strict=True):
        load_weights(model, own)
        by_itself = task.test(model).accuracy
        load_weights(model, federated)
        report.append((patients, by_itself, task.test(model).accuracy))
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("hospital  patients  alone    federated")
    for index, (patients, alone, together) in enumerate(compare()):
        print(f"{index:>8}  {patients:>8}  {alone:6.1%}   {together:6.1%}")
