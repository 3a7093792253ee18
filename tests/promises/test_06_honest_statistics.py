"""Promise 6. Printed 95% intervals cover 93-97% on three known models, contrasts are paired, few replications give none, lost ones count.

Here the numbers are those of `summary.json`. Every interval on its own, for harder models and exactly where it can be:
tests/studies/test_coverage.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from simlab.lab.outcome import Event, Outcome
from simlab.results.record import Record
from simlab.studies.statistics import FEW
from simlab.studies.summary import exit_code, lost, summarise
from tests.views import fixture

N, TRIES = 200, 500
ARMS = ("isolated", "shared")

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def normal(g: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Means 3 and 3.5, correlated at 0.8."""
    common = g.normal(size=n)
    return 3 + common + 0.5 * g.normal(size=n), 3.5 + common + 0.5 * g.normal(size=n)


def skewed(g: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponentials, skewness 2, of means 3 and 3.5, on one luck."""
    common, own = g.exponential(size=n), g.exponential(size=(2, n))
    return 2 * common + own[0], 2 * common + 1.5 * own[1]


def harmed(g: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Harm in 20% and 30% of the replications, 20% in both."""
    u = g.random(n)
    return (u < 0.2).astype(float), (u < 0.3).astype(float)


def summary(*values: np.ndarray, lost: int = 0, **more: Any) -> dict[str, Any]:
    """The summary of as many arms with these values, of which the last `lost` of the second diverged; above 0.5 is harm."""
    names = tuple(fixture.WIRINGS)[: len(values)] if len(values) > len(ARMS) else ARMS
    made = fixture.scenario(names, controls=(), replications=len(values[0]), **more)
    cells = {arm: outcome(x, lost * (arm == names[1])) for arm, x in zip(names, values, strict=True)}
    return summarise(made, Record.of(cells, list(names), [], fixture.Market.measures))


def outcome(x: np.ndarray, lost: int) -> Outcome:
    n = len(x)
    diverged = np.where(np.arange(n) < n - lost, np.nan, 900.0)
    values = np.where(np.isnan(diverged), x, np.nan)
    events = [Event(i, 900.0, "harm", "drawdown", -1, 0.5) for i in range(n) if values[i] > 0.5]
    measures = dict.fromkeys(fixture.Market.measures, values)
    series = {name: values[None].astype(np.float32) for name in measures}
    alike = np.zeros((n, 8, 8), np.float32)
    return Outcome(np.arange(n), measures, np.array([1800.0]), series, events, diverged, {}, alike)


def of_mean(found: dict) -> list[float]:
    return found["arms"]["isolated"]["loss"]["ci95"]


def of_difference(found: dict) -> list[float]:
    return next(row for row in found["contrasts"] if row["measure"] == "loss")["ci95"]


def of_harm(found: dict) -> list[float]:
    return found["harm"]["arms"]["isolated"]["ci95"]


def of_more_harm(found: dict) -> list[float]:
    return found["harm"]["contrasts"][0]["ci95"]


@pytest.mark.nightly  # 10 s; tests/studies/test_coverage.py measures the same intervals at every commit
@pytest.mark.parametrize(
    ("draw", "printed"),
    [
        (normal, {of_mean: 3.0, of_difference: 0.5}),
        (skewed, {of_mean: 3.0, of_difference: 0.5}),
        (harmed, {of_harm: 0.2, of_more_harm: 0.1}),
    ],
)
def test_printed_intervals_cover_93_to_97(draw: Draw, printed: dict[Callable[[dict], list[float]], float]) -> None:
    g, hits = np.random.default_rng(6), dict.fromkeys(printed, 0)
    with threadpool_limits(1):
        for _ in range(TRIES):
            found = summary(*draw(g, N))
            for interval, truth in printed.items():
                low, high = interval(found)
                hits[interval] += low <= truth <= high
    for interval, count in hits.items():
        assert 0.93 <= count / TRIES <= 0.97, interval.__name__


@pytest.mark.nightly  # 10 s; tests/studies/test_coverage.py measures such families at every commit
@pytest.mark.parametrize(("harmful", "most"), [(False, 0.985), (True, 0.995)], ids=["means", "harm"])
def test_printed_joint_intervals_all_hold_in_95_percent_or_more(harmful: bool, most: float) -> None:
    """Three arms against the first. Means stand beside the chance of harm at half the level (97.5% and more); 400 tries, 3 s.e."""
    g, hits, tries = np.random.default_rng(7), 0, 400
    for _ in range(tries):
        shared = g.normal(size=N)
        arms = [0.8 * shared + 0.6 * g.normal(size=N) for _ in range(4)]
        with threadpool_limits(1):
            found = summary(*((x > 1.0).astype(float) if harmful else x for x in arms), claims=())
        rows = found["harm"]["contrasts"] if harmful else [r for r in found["contrasts"] if r["measure"] == "loss"]
        assert len(rows) == 3
        hits += all(row["ci95_joint"][0] <= 0 <= row["ci95_joint"][1] for row in rows)
    floor = 0.95 if harmful else 0.975
    assert floor - 3 * (floor * (1 - floor) / tries) ** 0.5 <= hits / tries <= most


def test_contrasts_are_paired() -> None:
    """An arm that is the other plus a constant differs by that constant, without any doubt; unpaired, its interval would be .55 wide."""
    x = np.random.default_rng(1).normal(3, 1, N)
    low, high = of_difference(summary(x, x + 0.5))
    assert (low, high) == pytest.approx((0.5, 0.5))


def test_rounding_is_no_difference() -> None:
    """Sums in another order differ in their last digits, and may do so to one side in all replications."""
    x = np.random.default_rng(4).normal(500, 1, N)
    for more, clear in ((1e-10, False), (1e-3, True)):
        found = summary(x, x + more * np.random.default_rng(5).random(N))
        row = next(row for row in found["contrasts"] if row["measure"] == "loss")
        assert row["clear"] == clear


def test_fewer_than_30_give_null_intervals() -> None:
    for n, there in ((FEW - 1, False), (FEW, True)):
        found = summary(*normal(np.random.default_rng(2), n))
        for interval in (of_mean, of_difference, of_harm, of_more_harm):
            assert (interval(found) is not None) == there
    assert FEW == 30
    assert '"ci95": null' in json.dumps(summary(*normal(np.random.default_rng(2), 29)))


def test_what_diverged_is_counted_and_in_no_mean() -> None:
    x, y = normal(np.random.default_rng(3), N)
    y[-10:] = 1e12
    found = summary(x, y, lost=10)
    assert found["diverged"] == {"isolated": 0, "shared": 10}
    assert lost(found) == (0, 10)
    told = found["arms"]["shared"]["loss"]
    assert (told["n"], told["mean"]) == (N - 10, pytest.approx(y[:-10].mean()))
    contrast = next(row for row in found["contrasts"] if row["measure"] == "loss")
    assert (contrast["n"], contrast["mean_difference"]) == (N - 10, pytest.approx((y - x)[:-10].mean()))
    made = fixture.scenario(ARMS)
    assert exit_code(made, found) == 3
    assert exit_code(replace(made, allow_diverged=10), found) in (0, 1)
