"""The workshop: predictions recorded before a run and scored after it, exercises that check themselves, the explorer, the 3 AM drill.

from simlab.workshop import Predictions, check, explore
from simlab.workshop import Drill, write_debrief
"""

from __future__ import annotations

from typing import Any

from simlab.base.lazy import fetch

_HOMES = {
    "Checked": "checks",
    "Drill": "drill",
    "PredictionError": "predictions",
    "Predictions": "predictions",
    "Recording": "recording",
    "check": "checks",
    "example": "checks",
    "explore": "explorer",
    "record": "recording",
    "scores": "predictions",
    "summary": "predictions",
    "write_debrief": "debrief",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    return fetch(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
