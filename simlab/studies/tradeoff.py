"""The blast-radius trade-off: models split over more brains fail more often in part, and more seldom all together.

With B brains that fail independently, each with probability p and with it 1/B of the models: P(any) = 1 - (1 - p)^B, P(all) = p^B, the mean
share is p whatever B is, and the mean of its square, which weighs what fails together, is p^2 + p (1 - p) / B.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError
from simlab.scenario.scenario import Scenario, Study
from simlab.studies.statistics import Estimate, bounded_mean, mean_share, share, share_difference

NEAR = 1e-6  # how near a share must be to a whole number of models
CHANCES = ("any", "half", "all")
MEANS = ("mean", "square")


class Split(NamedTuple):
    """What is asked: `measure`, the share of `models` that failed in `arm`, over so many `brains`."""

    measure: str
    arm: str
    models: int
    brains: tuple[int, ...]

    @classmethod
    def of(cls, base: Scenario, study: Study) -> Split:
        """The question of a study with `brains`; `base` are its arms before anything varies."""
        return cls(study.measure or "", base.arms[0].name, base.arms[0].trial.world.spec.models, study.brains)

    def refuse(self, x: Floats) -> None:
        """Raise InputError where a value of `x` `(r,)` is no number of models as a share of all; undefined ones are passed over."""
        seen = x[np.isfinite(x)]
        counts = seen * self.models
        wrong = (np.abs(counts - np.round(counts)) > NEAR * self.models) | (seen < -NEAR) | (seen > 1 + NEAR)
        if wrong.any():
            raise InputError(
                f"`{self.measure}` was {float(seen[wrong][0]):.6g} in `{self.arm}`, which is no share of its {self.models} models; "
                "a study with `brains` needs a measure that counts models (0, 1, 2, ...) and divides by all of them"
            )


def tradeoff(asked: Split, said: list[Floats]) -> dict[str, Any]:
    """How often any, at least half and all of the models failed, and the means of their share and of its square, as plain data.

    `said` is the share in each replication, `(r,)`, for each number of brains, on the same luck. `first_to_last` is what the most brains
    make of it, minus the fewest, paired; `clear` holds for all five together (Bonferroni).
    """
    level = 1 - 0.05 / len(CHANCES + MEANS)
    first, last = _read(said[0]), _read(said[-1])
    apart = {}
    for name in CHANCES + MEANS:
        found, wide = (_difference(name, last[name], first[name], at) for at in (0.95, level))
        apart[name] = {
            "difference": _known(found.value),
            "ci95": found.interval,
            "joint95": wide.interval,
            "clear": bool(wide.low > 0 or wide.high < 0),
        }
    return {
        "measure": asked.measure,
        "arm": asked.arm,
        "models": asked.models,
        "points": [{"brains": b, **_point(x)} for b, x in zip(asked.brains, said, strict=True)],
        "first_to_last": apart,
    }


def _read(x: Floats) -> dict[str, Floats]:
    """What each replication says to each of the five, `(r,)`; NaN where undefined."""
    known = np.isfinite(x)
    hits = {"any": x > NEAR, "half": x >= 0.5 - NEAR, "all": x >= 1 - NEAR}
    return {name: np.where(known, hit.astype(float), np.nan) for name, hit in hits.items()} | {
        "mean": x,
        "square": x**2,
    }


def _point(x: Floats) -> dict[str, Any]:
    found = {name: (share if name in CHANCES else mean_share)(each) for name, each in _read(x).items()}
    return {"n": found["any"].n} | {
        name: {"value": _known(each.value), "ci95": each.interval} for name, each in found.items()
    }


def _difference(name: str, x: Floats, y: Floats, level: float) -> Estimate:
    return share_difference(x, y, level) if name in CHANCES else bounded_mean(x - y, 1.0, level)


def _known(x: float) -> float | None:
    return None if np.isnan(x) else float(x)
