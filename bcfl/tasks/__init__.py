"""Tasks: what a federation learns, seen from one participant.

A task is a class with three methods (``Task``). ``SupervisedTask`` covers the usual case of a model, a training set
and a set to evaluate on. Code never comes from the chain: a participant names its own class, ``package.module:Class``.
"""

from __future__ import annotations

from bcfl.manifest import Training
from bcfl.rng import RngSuite
from bcfl.tasks.base import Metrics, Samples, Settings, SupervisedTask, Task, TrainResult, evaluate_on, load_task

__all__ = [
    "Metrics",
    "RngSuite",
    "Samples",
    "Settings",
    "SupervisedTask",
    "Task",
    "TrainResult",
    "Training",
    "evaluate_on",
    "load_task",
]
