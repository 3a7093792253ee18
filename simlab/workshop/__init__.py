"""The workshop: predictions that are recorded before a run and scored after it, exercises that check themselves, and the explorer.

from simlab.workshop import Predictions, check, explore
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Checked": "checks",
    "PredictionError": "predictions",
    "Predictions": "predictions",
    "Recording": "recording",
    "check": "checks",
    "example": "checks",
    "explore": "explorer",
    "record": "recording",
    "scores": "predictions",
    "summary": "predictions",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"simlab.workshop.{_HOMES[name]}"), name)
    raise AttributeError(f"module `simlab.workshop` has no attribute `{name}`; it has {', '.join(_HOMES)}")


def __dir__() -> list[str]:
    return sorted(__all__)
