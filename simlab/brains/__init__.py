"""Learners, batched over (replication, brain), and how they are wired."""

from typing import Any

from simlab.base.lazy import fetch


def __getattr__(name: str) -> Any:
    return fetch(__name__, {"Estimator": "estimator"}, name)
