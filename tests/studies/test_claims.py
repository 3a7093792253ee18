"""Claims are tri-state: they hold, are contradicted, or are undecided."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.scenario.scenario import Claim, Control, Vanish
from simlab.studies.claims import _needed, describe, judge, monotone, vanished
from simlab.studies.statistics import FEW, Estimate, share

G = np.random.default_rng(5)
NOISE = G.normal(size=100)
NOISE -= NOISE.mean()
NOISE_256 = 0.05 * G.normal(size=256)
EVEN = G.normal(size=256)
EVEN = (EVEN - EVEN.mean()) / EVEN.std(ddof=1)
ARMS = {
    "isolated": {"drawdown": 1 + 0.1 * NOISE},
    "shared": {"drawdown": 2 + 0.1 * NOISE + 0.01 * G.normal(size=100)},
}


def verdict(**given):
    return judge(
        Claim(**({"measure": "drawdown", "stat": "mean", "arm": "shared", "because": ""} | given)), ARMS
    ).verdict


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"above": 1.5}, "holds"),
        ({"above": 2.5}, "contradicted"),
        ({"above": 2.005}, "undecided"),
        ({"below": 1.5}, "contradicted"),
        ({"above": 1.5, "below": 2.5}, "holds"),
        ({"near": 2.0, "within": 0.1}, "holds"),
        ({"near": 3.0, "within": 0.1}, "contradicted"),
        ({"versus": "isolated", "above": 0.9}, "holds"),
        ({"versus": "isolated", "near": 1.0, "within": 0.01}, "holds"),
        ({"stat": "median", "above": 1.5}, "holds"),
        ({"stat": "median", "versus": "isolated", "above": 0.5}, "holds"),
        ({"stat": "p95", "versus": "isolated", "above": 0.5}, "undecided"),  # five replications beyond it tell nothing
        ({"stat": "exceeds", "exceeds": 1.5, "above": 0.9}, "holds"),
        ({"stat": "exceeds", "exceeds": 1.5, "versus": "isolated", "above": 0.9}, "holds"),
        ({"stat": "exceeds", "exceeds": 2.0, "above": 0.5}, "undecided"),
    ],
)
def test_verdicts(given, expected):
    assert verdict(**given) == expected


LEVELS = {
    name: {"drawdown": level + 0.1 * G.normal(size=256) + NOISE_256} for name, level in (("a", 1), ("b", 2), ("c", 4))
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"arm": "b", "versus": "a", "ratio": True, "above": 1.9, "below": 2.1}, "holds"),
        ({"arm": "b", "versus": "a", "ratio": True, "above": 2.5}, "contradicted"),
        ({"arm": "b", "versus": "a", "ratio": True, "above": 2.0}, "undecided"),
        ({"arm": "c", "versus": "b", "ratio": True, "stat": "median", "near": 2, "within": 0.2}, "holds"),
        (
            {"arm": "c", "versus": "a", "ratio": True, "stat": "exceeds", "exceeds": 3, "above": 10},
            "holds",
        ),  # over none
        (
            {"arm": "a", "versus": "b", "ratio": True, "stat": "exceeds", "exceeds": 9, "above": 1},
            "undecided",
        ),  # none over none
        ({"arm": "a", "order": ("a", "b", "c")}, "holds"),
        ({"arm": "a", "order": ("a", "c", "b")}, "contradicted"),
        ({"arm": "a", "order": ("a", "a2", "b")}, "undecided"),
        ({"arm": "a", "order": ("a", "same")}, "contradicted"),
        ({"arm": "a", "order": ("a", "c"), "stat": "exceeds", "exceeds": 3}, "holds"),
        ({"arm": "a", "order": ("a", "b"), "stat": "exceeds", "exceeds": 3}, "undecided"),  # neither ever exceeds it
        ({"arm": "a", "order": ("a", "b", "c"), "stat": "p95"}, "holds"),
    ],
)
def test_ratios_and_orders(given, expected):
    arms = LEVELS | {"a2": {"drawdown": LEVELS["a"]["drawdown"] + 0.1 * EVEN}, "same": LEVELS["a"]}
    claim = Claim(**({"measure": "drawdown", "stat": "mean", "because": ""} | given))
    assert judge(claim, arms).verdict == expected


def test_the_steps_of_an_order_hold_together():
    """Bonferroni: with two steps each interval is at 97.5%, so a difference 2.1 standard errors from 0 decides nothing."""
    shift = 2.1 / np.sqrt(256)
    arms = {name: {"x": level + np.zeros(256)} for name, level in (("a", 0.0), ("c", 9.0))}
    arms["b"] = {"x": shift + EVEN}
    alone = judge(Claim("x", "mean", "b", "", versus="a", above=0), arms)
    both = judge(Claim("x", "mean", "a", "", order=("a", "b", "c")), arms)
    assert (alone.verdict, both.verdict) == ("holds", "undecided")
    assert both.estimate.value == pytest.approx(shift)  # the weakest step
    assert "b to c" in both.evidence
    assert both.needed == pytest.approx(256 * (both.estimate.value - both.estimate.low) ** 2 / shift**2, rel=0.02)


def test_monotone_over_points():
    rising = [level + 0.1 * EVEN for level in (0.0, 1.0, 2.0, 3.0)]
    noisy = [level + 0.1 * G.normal(size=256) for level in (0.0, 1.0, 1.001, 2.0)]
    assert monotone(rising).verdict == "holds"
    assert monotone(rising, rises=False).verdict == "contradicted"
    assert monotone(rising[::-1], rises=False).verdict == "holds"
    assert monotone(noisy).verdict == "undecided"
    assert monotone(noisy).weakest == 1
    assert monotone([rising[0], rising[0], rising[1]]).verdict == "contradicted"  # a step that changes nothing
    with pytest.raises(InputError, match="at least two samples"):
        monotone(rising[:1])


def test_a_claim_over_a_study_waits_for_the_study():
    claim = Claim("drawdown", "median", "a", "", over="load", rises=True)
    points = [LEVELS[name]["drawdown"] for name in "abc"]
    waiting, found = judge(claim, LEVELS), judge(claim, LEVELS, points)
    assert (waiting.verdict, found.verdict) == ("undecided", "holds")
    assert "`load` has not been played" in waiting.evidence
    assert found.text == "median drawdown, a: rises from point to point of load"
    assert judge(claim._replace(rises=False), LEVELS, points).verdict == "contradicted"


def test_equivalence_is_two_one_sided_tests():
    """Schuirmann (1987), each at 2.5%: the interval must lie within the margin; that no difference is seen is not enough."""
    claim = Claim("x", "mean", "b", "", versus="a", near=0, within=0.2)
    arms = {"a": {"x": np.zeros(256)}, "b": {"x": EVEN}}
    found = judge(claim, arms)
    assert (found.verdict, found.text) == ("holds", "mean x, b minus a: equivalent, to within 0.2 of 0")
    assert judge(claim._replace(within=0.1), arms).verdict == "undecided"  # half-width 1.96 / 16 = 0.12
    assert judge(claim._replace(near=0.5, within=0.2), arms).verdict == "contradicted"


def test_swapping_the_arms_reverses_the_verdict():
    assert verdict(versus="isolated", above=0.0) == "holds"
    assert verdict(arm="isolated", versus="shared", above=0.0) == "contradicted"


def test_too_few_replications_decide_nothing():
    few = {arm: {"drawdown": x["drawdown"][:10]} for arm, x in ARMS.items()}
    found = judge(Claim("drawdown", "mean", "shared", "", above=1.5), few)
    assert found.verdict == "undecided"
    assert "too few" in found.evidence


def test_an_undecided_claim_says_how_many_replications_it_needs():
    """A gap of half the interval's half-width needs four times as many."""
    known = judge(Claim("drawdown", "mean", "shared", "", above=2.005), ARMS).estimate
    found = judge(Claim("drawdown", "mean", "shared", "", above=(known.value + known.high) / 2), ARMS)
    assert found.needed == pytest.approx(4 * known.n, rel=0.02)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((math.nan, math.nan, math.nan, 0), "undefined"),
        ((1.5, math.nan, math.nan, FEW - 1), "1.5 (n = 29: too few replications for an interval)"),
        ((1.5, math.nan, math.nan, FEW), "1.5 (n = 30: too few unusual ones for an interval)"),
        (
            (1.5, -math.inf, math.inf, 64),
            "1.5, which may be anything: what it is divided by is not clear of 0 (n = 64)",
        ),
        ((1.5, 1.25, math.inf, 64), "1.5, 95% interval 1.25 and more (n = 64)"),
        ((1.5, 1.25, 2.0, 64), "1.5, 95% interval 1.25 to 2 (n = 64)"),
    ],
)
def test_an_estimate_in_words(found, words):
    assert describe(Estimate(*found)) == words


def test_the_side_that_faces_the_edge_counts():
    """Of a skewed interval the long arm counts below an edge and the short one above it; a gap of a quarter needs 16 times as many.

    With a gap of less nobody can tell. Where nothing was seen the interval shrinks as fast as n grows: of Wilson's, 3.84 / (n + 3.84).
    """
    skewed = Estimate(10.0, 9.0, 14.0, 50)
    assert _needed(skewed, -math.inf, 11.0) == 50 * 4**2
    assert _needed(skewed, 9.75, math.inf) == 50 * 4**2
    assert _needed(skewed, -math.inf, 10.5) is None
    assert _needed(share(np.zeros(32)), -math.inf, 0.05) == pytest.approx(3.84 / 0.05, rel=0.2)
    assert _needed(skewed, 10.0, math.inf) is None
    fewest = _needed(Estimate(10.0, 9.0, 11.0, 50), 9.3, math.inf)  # 102.04
    assert 50 / fewest <= 0.7**2 < 50 / (fewest - 1)


def test_controls():
    control = Control("feedback_off", "", (), ())
    zero = {"a": {"x": np.zeros(50)}, "b": {"x": 0.001 * NOISE}}
    assert vanished(control, Vanish("x"), {"a": zero["a"]}).verdict == "holds"
    assert vanished(control, Vanish("x"), zero).verdict == "undecided"  # noise around zero proves nothing
    assert vanished(control, Vanish("x", within=0.01), zero).verdict == "holds"
    assert vanished(control, Vanish("x"), zero | {"c": {"x": NOISE + 1}}).verdict == "contradicted"
    assert vanished(control, Vanish("x", within=1.5), {"c": {"x": 0.1 * NOISE + 1}}).verdict == "holds"
