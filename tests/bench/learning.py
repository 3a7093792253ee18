"""Retraining from sums that are kept, for all models at once, and by fitting each model anew to its window of cases."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from simlab.base.world import Feedback
from simlab.brains.ridge import Fit, Ridge
from simlab.lab.streams import Streams
from tests.bench import reference

REPLICATIONS, WINDOW = 32, 50
MODELS = reference.MODELS


def measure(rounds: int) -> dict[str, float]:
    """Microseconds to take in a new case and retrain one model, medians of `rounds`.

    A refit is least squares with the same penalty on the latest `WINDOW` cases, as `numpy.linalg.lstsq` or a ridge of
    scikit-learn do it. On the same cases all give the same weights, which is checked before anything is timed.
    """
    rng = np.random.Generator(np.random.SFC64(1))
    x = rng.standard_normal((WINDOW, REPLICATIONS, MODELS, 1, 2))
    y = x.sum(axis=-1) + rng.standard_normal(x.shape[:-1])
    brain, spec = Ridge(penalty=1.0, memory=1e12), reference.trial(1).world.spec
    everyone = tuple(each.ravel() for each in np.indices((REPLICATIONS, MODELS)))
    own = np.arange(MODELS)

    def fresh() -> Fit:
        return brain.start(REPLICATIONS, MODELS, MODELS, spec, Streams(1, range(REPLICATIONS)))

    def kept(mind: Fit, tick: int) -> None:
        brain.fade(mind)
        brain.witness(mind, x[tick], y[tick], Feedback(y[tick]), x[tick])
        brain.retrain(mind, everyone, own)

    def plain(cases: np.ndarray, answers: np.ndarray) -> np.ndarray:
        widened = np.concatenate([cases, np.eye(2)])  # the penalty, as cases that answer 0
        return np.linalg.lstsq(widened, np.concatenate([answers, np.zeros(2)]), rcond=None)[0]

    def sklearn(cases: np.ndarray, answers: np.ndarray) -> np.ndarray:
        from sklearn.linear_model import Ridge as Theirs

        return Theirs(alpha=1.0, fit_intercept=False).fit(cases, answers).coef_

    refits: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"lstsq": plain, "scikit-learn": sklearn}
    mind = fresh()
    for tick in range(WINDOW):
        kept(mind, tick)
    for fit in refits.values():
        np.testing.assert_allclose(fit(x[:, 0, 0, 0], y[:, 0, 0, 0]), mind.weights[0, 0], rtol=1e-9)
    found: dict[str, list[float]] = {what: [] for what in ("kept sums", *refits)}
    for _ in range(rounds):
        mind = fresh()
        began = time.perf_counter()
        for tick in range(WINDOW):
            kept(mind, tick)
        found["kept sums"].append((time.perf_counter() - began) / (WINDOW * REPLICATIONS * MODELS) * 1e6)
        for what, fit in refits.items():
            began = time.perf_counter()
            for model in range(MODELS):
                fit(x[:, 0, model, 0], y[:, 0, model, 0])
            found[what].append((time.perf_counter() - began) / MODELS * 1e6)
    return {what: median(each) for what, each in found.items()}
