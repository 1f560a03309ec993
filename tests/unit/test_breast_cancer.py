import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from bcfl.errors import ConfigurationError
from bcfl.tasks.base import SupervisedTask


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "examples" / "breast_cancer.py"
    spec = importlib.util.spec_from_file_location("breast_cancer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_federated_model_serves_the_hospitals_better_than_their_own(example: ModuleType) -> None:
    report = example.compare(rounds=5)
    patients = [row[0] for row in report]
    assert patients == sorted(patients, reverse=True)
    assert min(federated for _, _, federated in report) >= 0.93
    assert sum(federated for _, _, federated in report) > sum(alone for _, alone, _ in report)
    assert report[-1][2] > report[-1][1], "the smallest hospital gains most"


def test_hospital_is_a_task_that_evaluates_on_patients_it_does_not_train_on(example: ModuleType) -> None:
    task: SupervisedTask = example.Hospital(hospital=3, scoring_samples=5)
    assert task.evaluate(task.model()).samples == 5


def test_unknown_hospital_is_a_configuration_error(example: ModuleType) -> None:
    with pytest.raises(ConfigurationError, match="0 to 3"):
        example.Hospital(hospital=4)
