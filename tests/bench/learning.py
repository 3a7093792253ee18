"""Retraining from sums that are kept, for all models at once, and by fitting each model anew to its window of cases.

A line through the latest `WINDOW` cases, for 16 models in each of a cohort's replications, retrained with every new case. What programs
usually do is a `fit` for each model, by scikit-learn or, closer to NumPy, by `polyfit` or `lstsq`. The batched refit keeps
a window, too: the normal equations of all models from their cases, and one stacked solve.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from simlab.base.world import Feedback, Spec
from simlab.brains.ridge import Fit, Ridge
from simlab.lab.streams import Streams
from simlab.studies.runner import COHORT

REPLICATIONS, MODELS, WINDOW = COHORT, 16, 50
PENALTY = 1e-9  # as good as none, which `polyfit` has


def cases(replications: int = REPLICATIONS, models: int = MODELS) -> tuple[np.ndarray, np.ndarray]:
    """Questions `(window, r, m, 1, 2)`, a constant and a number, and their answers."""
    rng = np.random.Generator(np.random.SFC64(1))
    x = np.ones((WINDOW, replications, models, 1, 2))
    x[..., 1] = rng.standard_normal(x.shape[:-1])
    return x, x.sum(axis=-1) + rng.standard_normal(x.shape[:-1])


def kept(x: np.ndarray, y: np.ndarray) -> Callable[[], np.ndarray]:
    """Takes in a case after the other, retrains all after each, and returns their weights `(r, m, 2)`."""
    r, m = x.shape[1:3]
    brain, spec = Ridge(penalty=PENALTY, memory=1e12), Spec(models=m, features=2)
    everyone = tuple(each.ravel() for each in np.indices((r, m)))
    own = np.arange(m)

    def play() -> np.ndarray:
        mind: Fit = brain.start(r, m, m, spec, Streams(1, range(r)))
        for asked, answer in zip(x, y, strict=True):
            brain.fade(mind)
            brain.witness(mind, asked, answer, Feedback(answer), asked)
            brain.retrain(mind, everyone, own)
        return mind.weights

    return play


def batched(x: np.ndarray, y: np.ndarray) -> Callable[[], np.ndarray]:
    """Refits all models at once; their windows are kept a feature at a time, `(window, r * m)`, as suits the sums."""
    one, z = (np.ascontiguousarray(x[..., 0, i].reshape(WINDOW, -1)) for i in range(2))
    answer = y.reshape(WINDOW, -1)

    def play() -> np.ndarray:
        whole, known = np.empty((one.shape[1], 2, 2)), np.empty((one.shape[1], 2, 1))
        for i, a in enumerate((one, z)):
            known[:, i, 0] = np.einsum("wn,wn->n", a, answer)
            for j, b in enumerate((one, z)[: i + 1]):
                whole[:, i, j] = whole[:, j, i] = np.einsum("wn,wn->n", a, b)
        whole += PENALTY * np.eye(2)
        return np.linalg.solve(whole, known).reshape(*x.shape[1:3], 2)

    return play


def polyfit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.polyfit(x[:, 1], y, 1)[::-1]


def lstsq(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(x, y, rcond=None)[0]


def sklearn(x: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.linear_model import Ridge as Theirs

    return Theirs(alpha=PENALTY, fit_intercept=False).fit(x, y).coef_


REFITS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "lstsq": lstsq,
    "polyfit": polyfit,
    "scikit-learn": sklearn,
}


def measure(rounds: int) -> dict[str, float]:
    """Microseconds of CPU to retrain one model once, medians of `rounds`; kept sums take in the new case within it.

    After the same cases all have the same weights, which is checked before anything is timed.
    """
    x, y = cases()
    by_sums, at_once = kept(x, y), batched(x, y)
    weights, count = by_sums(), REPLICATIONS * MODELS
    np.testing.assert_allclose(at_once(), weights, rtol=1e-6)
    mine = [(x[:, 0, model, 0].copy(), y[:, 0, model, 0].copy()) for model in range(MODELS)]
    for fit in REFITS.values():
        np.testing.assert_allclose([fit(*one) for one in mine], weights[0], rtol=1e-6)
    works: dict[str, tuple[Callable[[], Any], int]] = {
        "kept sums": (by_sums, WINDOW * count),
        "batched refit": (at_once, count),
        **{what: (lambda fit=fit: [fit(*one) for one in mine], MODELS) for what, fit in REFITS.items()},
    }
    found: dict[str, list[float]] = {what: [] for what in works}
    for _ in range(rounds):
        for what, (work, fits) in works.items():
            began = time.process_time()
            work()
            found[what].append((time.process_time() - began) / fits * 1e6)
    return {what: median(each) for what, each in found.items()}
