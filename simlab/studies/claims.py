"""Claims: statements in a scenario, held against its replications. Each holds, is contradicted, or is undecided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.scenario.scenario import Claim, Control, Vanish
from simlab.studies.statistics import (
    FEW,
    Estimate,
    exceeds,
    mean,
    quantile,
    quantile_difference,
    share,
    share_difference,
)

Verdict = Literal["holds", "contradicted", "undecided"]


class Finding(NamedTuple):
    """What became of a claim. `needed` is how many replications would decide it, where it is undecided."""

    text: str
    verdict: Verdict
    estimate: Estimate
    evidence: str
    needed: int | None = None

    @property
    def holds(self) -> bool | None:
        """True, False, or None while undecided."""
        return {"holds": True, "contradicted": False, "undecided": None}[self.verdict]


def judge(claim: Claim, arms: Mapping[str, Mapping[str, Floats]]) -> Finding:
    """Hold a claim against the measures of its arms, `arms[arm][measure]` `(n,)`, paired by replication.

    It holds when the 95% interval lies wholly on the claimed side, fails when wholly on the other, and is undecided
    when it straddles, or when there are too few replications for an interval.
    """
    found = estimate(claim, arms)
    low, high = region(claim)
    verdict = place(found, low, high)
    return Finding(
        say(claim), verdict, found, describe(found), _needed(found, low, high) if verdict == "undecided" else None
    )


def vanished(control: Control, vanish: Vanish, arms: Mapping[str, Mapping[str, Floats]]) -> Finding:
    """Whether a measure vanished in every arm of a control.

    It did when its interval lies within `within` of zero, or, without `within`, when it is exactly zero in every
    replication; it did not when the interval leaves that out. A noisy measure that straddles is undecided.
    """
    worst, at = Estimate(0.0, 0.0, 0.0, 0), ""
    verdicts: list[Verdict] = []
    for arm, measures in arms.items():
        found = mean(measures[vanish.measure])
        exact = bool((measures[vanish.measure] == 0).all())
        verdicts.append("holds" if exact else place(found, -vanish.within, vanish.within))
        if not at or abs(found.value) > abs(worst.value):
            worst, at = found, arm
    verdict: Verdict = (
        "contradicted" if "contradicted" in verdicts else "undecided" if "undecided" in verdicts else "holds"
    )
    return Finding(
        f"{vanish.measure} vanishes under {control.name}"
        + (f" (to within {vanish.within:g})" if vanish.within else ""),
        verdict,
        worst,
        f"largest in {at}: {describe(worst)}",
    )


def estimate(claim: Claim, arms: Mapping[str, Mapping[str, Floats]]) -> Estimate:
    """The statistic a claim speaks of."""
    x = arms[claim.arm][claim.measure]
    y = arms[claim.versus][claim.measure] if claim.versus else None
    if claim.stat == "exceeds":
        line = math.nan if claim.exceeds is None else claim.exceeds
        hit = exceeds(x, line)
        return share(hit) if y is None else share_difference(hit, exceeds(y, line))
    if claim.stat == "mean":
        return mean(x if y is None else x - y)
    q = {"median": 0.5, "p95": 0.95}[claim.stat]
    return quantile(x, q) if y is None else quantile_difference(x, y, q)


def region(claim: Claim) -> tuple[float, float]:
    """The values for which the claim is true."""
    if claim.near is not None:
        within = claim.within or 0.0
        return claim.near - within, claim.near + within
    return (-math.inf if claim.above is None else claim.above), (math.inf if claim.below is None else claim.below)


def place(found: Estimate, low: float, high: float) -> Verdict:
    """Where an interval lies relative to the region from `low` to `high`."""
    if math.isnan(found.low):
        return "undecided"
    if found.low > low and found.high < high:
        return "holds"
    if found.high <= low or found.low >= high:
        return "contradicted"
    if found.low == found.high:
        return "holds" if low <= found.value <= high else "contradicted"
    return "undecided"


def say(claim: Claim) -> str:
    """The claim in words."""
    what = f"P({claim.measure} > {claim.exceeds:g})" if claim.stat == "exceeds" else f"{claim.stat} {claim.measure}"
    where = (
        claim.arm
        + (f" minus {claim.versus}" if claim.versus else "")
        + (f" under {claim.control}" if claim.control else "")
    )
    if claim.near is not None:
        return f"{what}, {where}: within {claim.within or 0:g} of {claim.near:g}"
    sides = [
        f"{word} {value:g}" for word, value in (("above", claim.above), ("below", claim.below)) if value is not None
    ]
    return f"{what}, {where}: {' and '.join(sides)}"


def describe(found: Estimate) -> str:
    """An estimate in words."""
    if np.isnan(found.value):
        return "undefined"
    if math.isnan(found.low):
        return f"{found.value:.4g} (n = {found.n}: too few {'replications' if found.n < FEW else 'unusual ones'} for an interval)"
    return f"{found.value:.4g}, 95% interval {found.low:.4g} to {found.high:.4g} (n = {found.n})"


def _needed(found: Estimate, low: float, high: float) -> int | None:
    """Replications at which an interval of the same spread would clear the nearest edge."""
    gap, towards = min((abs(found.value - edge), edge) for edge in (low, high) if math.isfinite(edge))
    if math.isnan(found.low) or gap == 0 or not math.isfinite(gap):
        return None
    ratio = ((found.high - found.value) if towards > found.value else (found.value - found.low)) / gap
    return min(math.ceil(found.n * max(ratio, 1.0) ** 2), 10**9)
