"""Claims: statements in a scenario, held against its replications. Each holds, is contradicted, or is undecided.

A claim holds when its 95% interval lies wholly on the claimed side, fails when wholly on the other, and is undecided when it
straddles. So `near` with `within` is an equivalence test: it holds when both one-sided tests reject at 2.5%
(two one-sided tests, Schuirmann 1987; the usual ones at 5% would read a 90% interval and are easier to pass), and
a difference that is merely not seen never holds. Orders and rises are judged step by step, at a level that holds for all steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError
from simlab.scenario.scenario import Claim, Control, Vanish
from simlab.studies.ratios import mean_ratio, quantile_ratio, share_ratio
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
MOST_TOLD = 6  # steps that are told one by one
UNTOLD = 4  # halves of an interval per distance to the edge, from which on the side of the edge is anybody's guess
ROUNDING = 1e-12  # of what counts as no difference


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


class Steps(NamedTuple):
    """A statistic from step to step: each paired difference to the one before, with an interval that holds for all together.

    `weakest` is the step that speaks most against the order, or least for it.
    """

    verdict: Verdict
    differences: tuple[Estimate, ...]
    weakest: int
    needed: int | None


def judge(claim: Claim, arms: Mapping[str, Mapping[str, Floats]], points: Sequence[Floats] | None = None) -> Finding:
    """Hold a claim against the measures of its arms, `arms[arm][measure]` `(n,)`, paired by replication.

    `points` are the claim's measure in its arm at each point of the study it is `over`, `(n,)` each, where that study was played.
    There are claims without an interval, from too few replications or a ratio over nothing: they are undecided.
    """
    if claim.over is not None and points is None:
        nothing = Estimate(math.nan, math.nan, math.nan, 0)
        return Finding(say(claim), "undecided", nothing, f"the study `{claim.over}` has not been played")
    if claim.order is not None or claim.over is not None:
        names = claim.order or tuple(f"point {i + 1}" for i in range(len(points or ())))
        samples = points or [arms[arm][claim.measure] for arm in names]
        steps = monotone(samples, stat=claim.stat, line=claim.exceeds, rises=claim.rises is not False)
        return Finding(say(claim), steps.verdict, steps.differences[steps.weakest], told(steps, names), steps.needed)
    found = estimate(claim, arms)
    low, high = region(claim)
    verdict = place(found, low, high, ends=claim.near is not None)
    return Finding(
        say(claim),
        verdict,
        found,
        describe(found, (claim.within or 0.0) if claim.versus and not claim.ratio and claim.near == 0 else 0.0),
        _needed(found, low, high) if verdict == "undecided" else None,
    )


def monotone(samples: Sequence[Floats], *, stat: str = "mean", line: float | None = None, rises: bool = True) -> Steps:
    """Whether a statistic of `samples`, `(n,)` each and paired by replication, rises (or falls) from each to the next.

    Every difference must be on its side at a level that holds for all of them together (Bonferroni); one that is clearly reversed, or
    a step that changes nothing at all, contradicts it. `stat` and `line` are a claim's `stat` and `exceeds`. Raises
    InputError for fewer than two samples.
    """
    if len(samples) < 2:
        raise InputError(f"an order needs at least two samples, not {len(samples)}")
    level = 1 - 0.05 / (len(samples) - 1)
    found = [statistic(stat, b, a, line=line, level=level) for a, b in pairwise(samples)]
    side = (0.0, math.inf) if rises else (-math.inf, 0.0)
    verdicts = [place(one, *side) for one in found]
    verdict = _all(verdicts)
    open_ = [_needed(one, *side) for one, v in zip(found, verdicts, strict=True) if v == "undecided"]
    known = [n for n in open_ if n is not None]
    weakest = min(range(len(found)), key=lambda i: _or_worst(found[i].value if rises else -found[i].value))
    return Steps(
        verdict,
        tuple(found),
        weakest,
        max(known) if verdict == "undecided" and len(known) == len(open_) else None,
    )


def statistic(
    stat: str,
    x: Floats,
    y: Floats | None = None,
    *,
    line: float | None = None,
    ratio: bool = False,
    level: float = 0.95,
) -> Estimate:
    """A claim's statistic of `x` `(n,)`; minus, or over, that of `y`, paired by replication. `line` is what "exceeds" exceeds."""
    if stat == "exceeds":
        hit = exceeds(x, math.nan if line is None else line)
        if y is None:
            return share(hit, level)
        other = exceeds(y, math.nan if line is None else line)
        return share_ratio(hit, other, level) if ratio else share_difference(hit, other, level)
    if stat == "mean":
        return mean_ratio(x, y, level) if ratio and y is not None else mean(x if y is None else x - y, level)
    q = {"median": 0.5, "p95": 0.95}[stat]
    if y is None:
        return quantile(x, q, level)
    return quantile_ratio(x, y, q, level) if ratio else quantile_difference(x, y, q, level)


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
        verdicts.append("holds" if exact else place(found, -vanish.within, vanish.within, ends=True))
        if not at or abs(found.value) > abs(worst.value):
            worst, at = found, arm
    verdict = _all(verdicts)
    return Finding(
        f"{vanish.measure} vanishes under {control.name}"
        + (f" (to within {vanish.within:g})" if vanish.within else ""),
        verdict,
        worst,
        f"largest in {at}: {describe(worst, vanish.within)}",
    )


def estimate(claim: Claim, arms: Mapping[str, Mapping[str, Floats]]) -> Estimate:
    """The statistic a claim with a side speaks of."""
    x = arms[claim.arm][claim.measure]
    y = arms[claim.versus][claim.measure] if claim.versus else None
    return statistic(claim.stat, x, y, line=claim.exceeds, ratio=bool(claim.ratio))


def region(claim: Claim) -> tuple[float, float]:
    """The values for which the claim is true."""
    if claim.near is not None:
        within = claim.within or 0.0
        return claim.near - within, claim.near + within
    return (-math.inf if claim.above is None else claim.above), (math.inf if claim.below is None else claim.below)


def place(found: Estimate, low: float, high: float, *, ends: bool = False) -> Verdict:
    """Where an interval lies relative to the region from `low` to `high`; what never varied may, with `ends`, lie at one of them."""
    if math.isnan(found.low) or (math.isinf(found.low) and math.isinf(found.high)):
        return "undecided"
    if ends and found.low == found.high:
        slack = 1e-12 * max(abs(low), abs(high))  # ends are sums, such as .8 - .1
        return "holds" if low - slack <= found.value <= high + slack else "contradicted"
    if (found.low > low or low == -math.inf) and (found.high < high or high == math.inf):
        return "holds"
    if found.high <= low or found.low >= high:
        return "contradicted"
    return "undecided"


def say(claim: Claim) -> str:
    """The claim in words."""
    what = f"P({claim.measure} > {claim.exceeds:g})" if claim.stat == "exceeds" else f"{claim.stat} {claim.measure}"
    under = f" under {claim.control}" if claim.control else ""
    if claim.order is not None:
        return f"{what}{under} rises in this order: {', '.join(claim.order)}"
    if claim.over is not None:
        return f"{what}, {claim.arm}: {'rises' if claim.rises else 'falls'} from point to point of {claim.over}"
    other = f" {'over' if claim.ratio else 'minus'} {claim.versus}" if claim.versus else ""
    where = claim.arm + other + under
    if claim.near is not None:
        if claim.versus and claim.near == (1 if claim.ratio else 0):
            return f"{what}, {where}: equivalent, to within {claim.within or 0:g} of {claim.near:g}"
        return f"{what}, {where}: within {claim.within or 0:g} of {claim.near:g}"
    sides = [
        f"{word} {value:g}" for word, value in (("above", claim.above), ("below", claim.below)) if value is not None
    ]
    return f"{what}, {where}: {' and '.join(sides)}"


def told(steps: Steps, names: Sequence[str]) -> str:
    """The steps in words; of many only the weakest."""
    count = len(steps.differences)
    shown = range(count) if count <= MOST_TOLD else [steps.weakest]
    said = [f"{names[i]} to {names[i + 1]} {describe(steps.differences[i])}" for i in shown]
    return f"{'' if count <= MOST_TOLD else f'{count} steps, the weakest '}{'; '.join(said)}" + (
        "; the intervals hold for all steps together" if count > 1 else ""
    )


def describe(found: Estimate, within: float = 0.0) -> str:
    """An estimate in words; one that is to lie `within` so much of 0 is not told to the last digit of its rounding."""
    if np.isnan(found.value):
        return "undefined"
    if math.isnan(found.low):
        return f"{found.value:.4g} (n = {found.n}: too few {'replications' if found.n < FEW else 'unusual ones'} for an interval)"
    if math.isinf(found.low):
        return f"{found.value:.4g}, which may be anything: what it is divided by is not clear of 0 (n = {found.n})"
    if math.isinf(found.high):
        return f"{found.value:.4g}, 95% interval {found.low:.4g} and more (n = {found.n})"
    if 0 < max(abs(found.value), abs(found.low), abs(found.high)) < ROUNDING * within:
        return f"0 but for rounding (n = {found.n})"
    return f"{found.value:.4g}, 95% interval {found.low:.4g} to {found.high:.4g} (n = {found.n})"


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    """What holds only if all of it does."""
    return "contradicted" if "contradicted" in verdicts else "undecided" if "undecided" in verdicts else "holds"


def _or_worst(x: float) -> float:
    return -math.inf if math.isnan(x) else x


def _needed(found: Estimate, low: float, high: float) -> int | None:
    """Replications at which an interval of the same spread would clear the edges that it has to; None where nobody can tell.

    From inside it has to clear both, from outside the nearest. Nobody can tell where an edge is nearer than a quarter of the interval's
    half: on which side the truth lies is then open.
    """
    edges = [edge for edge in (low, high) if math.isfinite(edge)]
    if not low < found.value < high:
        edges = [min(edges, key=lambda edge: abs(found.value - edge))]
    clear = [_to_clear(found, edge) for edge in edges]
    known = [n for n in clear if n is not None]
    return max(known) if len(known) == len(clear) else None


def _to_clear(found: Estimate, edge: float) -> int | None:
    """The same of one edge.

    An interval shrinks with the root of n, but where nothing (or all) was seen, and it begins at the estimate, with n itself.
    """
    gap = abs(found.value - edge)
    if math.isnan(found.low) or gap == 0 or not math.isfinite(gap):
        return None
    ratio = ((found.high - found.value) if edge > found.value else (found.value - found.low)) / gap
    if not ratio <= UNTOLD:
        return None
    power = 1 if found.value in (found.low, found.high) else 2
    return math.ceil(found.n * max(ratio, 1.0) ** power)
