"""Claims are tri-state: they hold, are contradicted, or are undecided."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.scenario.scenario import Claim, Control, Vanish
from simlab.studies.claims import judge, vanished

G = np.random.default_rng(5)
NOISE = G.normal(size=100)
NOISE -= NOISE.mean()
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
    found = judge(Claim("drawdown", "mean", "shared", "", above=2.005), ARMS)
    gap, half = abs(found.estimate.value - 2.005), found.estimate.value - found.estimate.low
    assert found.needed == pytest.approx(100 * (half / gap) ** 2, rel=0.02)


def test_controls():
    control = Control("feedback_off", "", (), ())
    zero = {"a": {"x": np.zeros(50)}, "b": {"x": 0.001 * NOISE}}
    assert vanished(control, Vanish("x"), {"a": zero["a"]}).verdict == "holds"
    assert vanished(control, Vanish("x"), zero).verdict == "undecided"  # noise around zero proves nothing
    assert vanished(control, Vanish("x", within=0.01), zero).verdict == "holds"
    assert vanished(control, Vanish("x"), zero | {"c": {"x": NOISE + 1}}).verdict == "contradicted"
    assert vanished(control, Vanish("x", within=1.5), {"c": {"x": 0.1 * NOISE + 1}}).verdict == "holds"
