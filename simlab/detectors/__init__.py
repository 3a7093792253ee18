"""The four horsemen, as instruments.

from simlab.detectors import FeedbackSpiral, watch
watched = watch(FeedbackSpiral(), times, predictions, reality)
"""

from __future__ import annotations

from typing import Any

from simlab.base.lazy import fetch

_HOMES = {
    "Detector": "detector",
    "DriftAcceleration": "drift_acceleration",
    "FeedbackSpiral": "feedback_spiral",
    "Frame": "detector",
    "ModelCorrelation": "model_correlation",
    "PredictionCascade": "prediction_cascade",
    "Reading": "detector",
    "Subject": "detector",
    "Watched": "detector",
    "chain_gain": "prediction_cascade",
    "cusum_limit": "drift_acceleration",
    "depth": "prediction_cascade",
    "distances": "drift_acceleration",
    "effective_number": "model_correlation",
    "joint_failure": "model_correlation",
    "loop_gain": "feedback_spiral",
    "moving": "drift_acceleration",
    "probe_samples": "feedback_spiral",
    "run_length": "drift_acceleration",
    "slowing": "feedback_spiral",
    "upstream": "prediction_cascade",
    "watch": "detector",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    return fetch(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
