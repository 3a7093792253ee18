"""Learners, batched over (replication, brain), and how they are wired."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "Estimator":
        return import_module("simlab.brains.estimator").Estimator
    raise AttributeError(f"module `simlab.brains` has no attribute `{name}`; it has Estimator")
