"""What a study asks of every arm at every point: one statistic of one measure, and its paired difference to the first arm."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.lab.outcome import Outcome
from simlab.scenario.scenario import Scenario, Study
from simlab.studies.harms import harmed
from simlab.studies.statistics import Estimate, exceeds, mean, quantile, quantile_difference, share, share_difference

QUANTILES = {"median": 0.5, "p95": 0.95}


class Question(NamedTuple):
    """A statistic of a measure: "harm" is the probability of harm, "exceeds" that of exceeding `exceeds`."""

    measure: str
    stat: Literal["harm", "mean", "median", "p95", "exceeds"]
    exceeds: float | None = None

    @property
    def is_share(self) -> bool:
        """Whether it is a probability."""
        return self.stat in ("harm", "exceeds")

    def values(self, outcome: Outcome) -> Floats:
        """What each replication says, `(r,)`: 0 or 1 for a probability; NaN where undefined."""
        if self.stat == "harm":
            return harmed(outcome)
        x = outcome.measures[self.measure]
        return exceeds(x, math.nan if self.exceeds is None else self.exceeds) if self.stat == "exceeds" else x

    def level(self, x: Floats) -> Estimate:
        """The statistic of what the replications say, `(r,)`."""
        if self.is_share:
            return share(x)
        return mean(x) if self.stat == "mean" else quantile(x, QUANTILES[self.stat])

    def difference(self, x: Floats, y: Floats, level: float = 0.95) -> Estimate:
        """The statistic of `x` minus that of `y`, both `(r,)`, paired by replication, with its interval at `level`."""
        if self.is_share:
            return share_difference(x, y, level)
        return mean(x - y, level) if self.stat == "mean" else quantile_difference(x, y, QUANTILES[self.stat], level)

    def clear(self, x: Floats, y: Floats, among: int) -> bool:
        """Whether that difference is clear of 0 for all of `among` differences together (Bonferroni).

        Its 95% interval must leave 0 out, and so must a test at the joint level: Bonett & Price's for probabilities; for means Student's,
        and his with Hall's monotone correction for skewness (1992, J. R. Stat. Soc. B 54); for quantiles the 95% interval widened as
        a normal one would be. (So far out in the tails 2,000 resamples say nothing.) Lognormal differences of log-deviation 1 are then
        falsely clear 4 times as often as stated at 64 replications and 100 comparisons, where Student's test alone gives 27 times.
        """
        from scipy.special import ndtri, stdtrit

        found = self.difference(x, y)
        level = 0.05 / max(among, 1)
        if not (found.low > 0 or found.high < 0):
            return False
        if self.is_share:
            wide = share_difference(x, y, 1 - level)
            return wide.low > 0 or wide.high < 0
        if self.stat == "mean":
            apart = (x - y)[np.isfinite(x - y)]
            spread, edge = float(apart.std(ddof=1)), float(stdtrit(found.n - 1, 1 - level / 2))
            if not spread > 0:
                return True
            skew, one = float(((apart - found.value) ** 3).mean()) / spread**3, found.value / spread
            cubed = one + skew * one**2 / 3 + skew**2 * one**3 / 27 + skew / (6 * found.n)
            return min(abs(one), abs(cubed)) * math.sqrt(found.n) > edge and one * cubed > 0
        half = found.value - found.low if found.value > 0 else found.high - found.value
        return abs(found.value) > half * float(ndtri(1 - level / 2) / ndtri(0.975))


def question(scenario: Scenario, study: Study) -> Question:
    """What a study asks: by default for the probability of harm where harm is declared, else for the mean of the headline measure."""
    stat: Any = study.stat or ("harm" if study.measure is None and scenario.harm else "mean")
    measure = scenario.harm.measure if stat == "harm" and scenario.harm else study.measure or scenario.headline
    return Question(measure, stat, study.exceeds)


def told(scenario: Scenario, asked: Question) -> dict[str, Any]:
    """The question and what is known of its measure, as plain data."""
    measures = [arm.trial.measures for arm in scenario.arms]  # what a brain tells may be known in some arms only
    known = next(here[asked.measure] for here in measures if asked.measure in here)
    facts: dict[str, Any] = {
        **asked._asdict(),
        "unit": known.unit,
        "about": known.about,
        "worse": known.worse,
        "harm": None,
    }
    if asked.stat == "harm" and scenario.harm:
        above = math.isfinite(scenario.harm.above)
        facts |= {
            "harm": {"above": scenario.harm.above} if above else {"below": scenario.harm.below},
            "worse": "higher",
        }
    return facts
