"""Claims are tri-state: they hold, are contradicted, or are undecided."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.scenario.scenario import Claim, Control, Vanish
from simlab.studies.claims import (
    MOST_TOLD,
    Steps,
    _needed,
    describe,
    judge,
    monotone,
    place,
    region,
    say,
    statistic,
    told,
    vanished,
)
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


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((1e-18, -6e-18, 9e-18, 256), "0 but for rounding (n = 256)"),
        ((0.0, 0.0, 0.0, 256), "0, 95% interval 0 to 0 (n = 256)"),
        ((1e-18, -6e-18, 9e-15, 256), "1e-18, 95% interval -6e-18 to 9e-15 (n = 256)"),
        ((1e-18, math.nan, math.nan, 2), "1e-18 (n = 2: too few replications for an interval)"),
    ],
)
def test_what_is_0_but_for_rounding_is_called_so_where_it_was_to_be_near_0(found, words):
    assert describe(Estimate(*found), 0.003) == words


def test_only_a_difference_that_was_to_be_0_and_what_was_to_vanish_are_0_but_for_rounding():
    arms = {"a": {"x": NOISE}, "b": {"x": NOISE + 1e-16 * np.sign(NOISE)}, "c": {"x": 1e-18 * NOISE}}
    claim = Claim("x", "mean", "b", "", versus="a", near=0, within=0.003)
    assert judge(claim, arms).evidence == f"0 but for rounding (n = {len(NOISE)})"
    for other in (
        claim._replace(arm="c", versus=""),
        claim._replace(near=0.001),
        claim._replace(within=None, near=None, above=-1),
    ):
        assert "rounding" not in judge(other, arms).evidence
    gone = Control("feedback_off", "", (), ())
    small = {"c": {"x": 1e-18 * NOISE}}
    assert vanished(gone, Vanish("x", within=0.003), small).evidence.startswith("largest in c: 0 but for rounding")
    assert "rounding" not in vanished(gone, Vanish("x"), small).evidence


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


def claim(**given):
    return Claim(**({"measure": "loss", "stat": "mean", "arm": "shared", "because": ""} | given))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"above": 0.25}, "mean loss, shared: above 0.25"),
        ({"below": 1e6, "above": 0}, "mean loss, shared: above 0 and below 1e+06"),
        ({"below": 2, "versus": "isolated"}, "mean loss, shared minus isolated: below 2"),
        ({"below": 2, "versus": "isolated", "ratio": True}, "mean loss, shared over isolated: below 2"),
        ({"stat": "p95", "above": 1, "control": "off"}, "p95 loss, shared under off: above 1"),
        ({"stat": "exceeds", "exceeds": 0.03, "above": 0.5}, "P(loss > 0.03), shared: above 0.5"),
        ({"near": 0.5, "within": 0.1}, "mean loss, shared: within 0.1 of 0.5"),
        ({"near": 0, "within": 0.1}, "mean loss, shared: within 0.1 of 0"),  # not beside another arm
        ({"near": 0, "within": 0.1, "versus": "a"}, "mean loss, shared minus a: equivalent, to within 0.1 of 0"),
        ({"near": 1, "within": 0.1, "versus": "a"}, "mean loss, shared minus a: within 0.1 of 1"),
        ({"near": 1, "versus": "a", "ratio": True}, "mean loss, shared over a: equivalent, to within 0 of 1"),
        ({"near": 0, "versus": "a", "ratio": True}, "mean loss, shared over a: within 0 of 0"),
        ({"order": ("a", "b"), "control": "off"}, "mean loss under off rises in this order: a, b"),
        ({"over": "load", "rises": True, "stat": "median"}, "median loss, shared: rises from point to point of load"),
        ({"over": "load", "rises": False}, "mean loss, shared: falls from point to point of load"),
    ],
)
def test_a_claim_in_words(given, words):
    assert say(claim(**given)) == words


@pytest.mark.parametrize(
    ("count", "shown"), [(1, [0]), (2, [0, 1]), (MOST_TOLD, range(MOST_TOLD)), (MOST_TOLD + 1, [2])]
)
def test_steps_in_words(count, shown):
    """Up to six one by one, then only the weakest; and what holds for all steps is said where there are several."""
    found = tuple(Estimate(float(i), i - 0.5, i + 0.5, 64) for i in range(count))
    names = "abcdefgh"
    each = [f"{names[i]} to {names[i + 1]} {i}, 95% interval {i - 0.5:g} to {i + 0.5:g} (n = 64)" for i in shown]
    before = f"{count} steps, the weakest " if count > MOST_TOLD else ""
    after = "; the intervals hold for all steps together" if count > 1 else ""
    assert told(Steps("holds", found, 2, None), names) == before + "; ".join(each) + after


def test_the_values_for_which_a_claim_is_true():
    assert region(claim(near=0.5, within=0.125)) == (0.375, 0.625)
    assert region(claim(near=0.5)) == (0.5, 0.5)
    assert region(claim(above=2.0)) == (2, math.inf)
    assert region(claim(below=2.0)) == (-math.inf, 2)
    assert region(claim(above=0.0, below=2.0)) == (0, 2)


@pytest.mark.parametrize(
    ("interval", "low", "high", "expected"),
    [
        ((1.0, 2.0), 0.0, 3.0, "holds"),
        ((1.0, 2.0), 1.0, 3.0, "undecided"),  # an end on the edge is on neither side
        ((1.0, 2.0), 0.0, 2.0, "undecided"),
        ((1.0, 2.0), 2.0, 3.0, "contradicted"),  # the claim is that it lies beyond the edge
        ((1.0, 2.0), 0.0, 1.0, "contradicted"),
        ((1.0, 2.0), 1.5, math.inf, "undecided"),
        ((1.0, 2.0), -math.inf, 1.5, "undecided"),
        ((1.0, math.inf), 0.5, math.inf, "holds"),
        ((1.0, math.inf), 0.5, 9.0, "undecided"),
        ((-math.inf, 1.0), -math.inf, 2.0, "holds"),
        ((-math.inf, 1.0), -5.0, 2.0, "undecided"),
        ((-math.inf, math.inf), -math.inf, math.inf, "undecided"),
        ((math.nan, math.nan), -math.inf, math.inf, "undecided"),
        ((1.5, 1.5), 1.0, 2.0, "holds"),
        ((1.5, 1.5), 1.5, math.inf, "contradicted"),  # what never varied is not above itself, nor below
        ((1.5, 1.5), -math.inf, 1.5, "contradicted"),
        ((1.5, 1.5), 1.5, 2.0, "contradicted"),  # nor by being below something else, too
        ((1.5, 1.5), 1.0, 1.5, "contradicted"),
        ((1.5, 1.5), 1.6, 2.0, "contradicted"),
        ((1.5, 1.5), 1.0, 1.4, "contradicted"),
    ],
)
def test_where_an_interval_lies(interval, low, high, expected):
    assert place(Estimate(1.5, *interval, 64), low, high) == expected


@pytest.mark.parametrize(
    ("value", "near", "within", "expected"),
    [
        (1.5, 1.5, 0.0, "holds"),
        (1.5, 1.0, 0.5, "holds"),  # as far as may be
        (1.5, 2.0, 0.5, "holds"),
        (0.7, 0.8, 0.1, "holds"),  # 0.8 - 0.1 is a little more than 0.7
        (1.5, 2.0, 0.4, "contradicted"),
        (1.5, 1.0, 0.499, "contradicted"),
    ],
)
def test_what_never_varied_may_lie_at_the_ends_of_what_is_near(value, near, within, expected):
    low, high = near - within, near + within
    assert place(Estimate(value, value, value, 64), low, high, ends=True) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [({"near": 1.0, "within": 0.5}, "holds"), ({"above": 1.5, "below": 2}, "contradicted")]
)
def test_only_what_is_near_may_be_as_far_as_its_ends(given, expected):
    assert judge(Claim("x", "mean", "a", "", **given), {"a": {"x": np.full(64, 1.5)}}).verdict == expected


@pytest.mark.parametrize("rises", [True, False])
def test_the_weakest_step_is_the_one_that_speaks_most_against_the_order(rises):
    """Steps of 3, 1 and 2 (all down, if it falls); one over nothing known is weaker than all."""
    turn = 1 if rises else -1
    samples = [turn * (level + 0.1 * EVEN) for level in (0.0, 3.0, 4.0, 6.0)]
    found = monotone(samples, rises=rises)
    assert (found.verdict, found.weakest, found.needed) == ("holds", 1, None)
    assert [round(one.value, 9) for one in found.differences] == [3 * turn, 1 * turn, 2 * turn]
    assert monotone([*samples, np.full(256, math.nan)], rises=rises).weakest == 3
    assert monotone([samples[0], samples[2], samples[1], samples[3]], rises=rises)[::2] == ("contradicted", 1)


def test_open_steps_need_what_the_one_that_needs_most_does():
    """Gaps of two and three quarters of an interval's half; beside one that nobody can tell, nobody can tell."""
    half = {level: mean(EVEN, level).high for level in (1 - 0.05 / 2, 1 - 0.05 / 3)}

    def steps(level, *parts):
        x = [np.zeros(256)]
        for part in parts:
            x.append(x[-1] + (part * half[level] + EVEN if abs(part) < 5 else part))
        return monotone(x)

    two, three = half
    found = steps(two, 0.5, 9.0)
    assert (found.verdict, found.needed) == ("undecided", pytest.approx(4 * 256, rel=0.1))
    assert steps(two, 0.5, 0.75).needed == pytest.approx(4 * 256, rel=0.1)
    assert steps(three, 0.75, 9.0, 0.5).needed == pytest.approx(4 * 256, rel=0.1)
    assert steps(two, 0.5, 0.1).needed is None  # a tenth: nobody can tell
    reversed_ = steps(two, 0.5, -9.0)
    assert (reversed_.verdict, reversed_.needed) == ("contradicted", None)


def test_the_statistics_a_claim_may_speak_of():
    """Each is the one of its name, of one arm, of a difference, and of a ratio."""
    x, y = np.abs(EVEN) + 2, np.abs(NOISE_256) * 20 + 1
    hit, other = exceeds(x, 2.5), exceeds(y, 2.5)
    for level in (0.8, 0.95):
        of = partial(statistic, level=level)
        assert of("mean", x) == mean(x, level)
        assert of("mean", x, y) == mean(x - y, level)
        assert of("mean", x, y, ratio=True) == mean_ratio(x, y, level)
        for stat, q in (("median", 0.5), ("p95", 0.95)):
            assert of(stat, x) == quantile(x, q, level)
            assert of(stat, x, y) == quantile_difference(x, y, q, level)
            assert of(stat, x, y, ratio=True) == quantile_ratio(x, y, q, level)
        assert of("exceeds", x, line=2.5) == share(hit, level)
        assert of("exceeds", x, y, line=2.5) == share_difference(hit, other, level)
        assert of("exceeds", x, y, line=2.5, ratio=True) == share_ratio(hit, other, level)
    assert statistic("mean", x, y) == mean(x - y, 0.95)


def test_a_control_says_where_most_of_a_measure_is_left():
    """The largest mean of all arms, to either side; exactly nothing is nothing even where few replications were played."""
    control = Control("feedback_off", "", (), ())
    arms = {"a": {"x": 0.5 + 0.001 * NOISE}, "b": {"x": -2 + 0.001 * NOISE}, "c": {"x": 1 + 0.001 * NOISE}}
    found = vanished(control, Vanish("x"), arms)
    assert (found.text, found.verdict) == ("x vanishes under feedback_off", "contradicted")
    assert found.evidence == f"largest in b: {describe(found.estimate)}"
    assert found.estimate == mean(arms["b"]["x"])
    assert vanished(control, Vanish("x", within=3.0), arms).text == "x vanishes under feedback_off (to within 3)"
    assert vanished(control, Vanish("x", within=3.0), arms).verdict == "holds"
    assert vanished(control, Vanish("x", within=0.75), arms).verdict == "contradicted"
    few = vanished(control, Vanish("x"), {"a": {"x": np.zeros(5)}})
    assert (few.verdict, few.evidence) == ("holds", "largest in a: 0 (n = 5: too few replications for an interval)")
    assert vanished(control, Vanish("x"), {"a": {"x": np.zeros(5)}, "b": {"x": np.ones(5)}}).verdict == "undecided"
    assert (
        vanished(control, Vanish("x"), {"a": {"x": np.append(NOISE, 0.0)}}).verdict == "undecided"
    )  # 0 in one is no proof


@pytest.mark.parametrize(
    ("found", "low", "high", "needed"),
    [
        ((10.0, 9.0, 11.0, 50), 9.5, math.inf, 200),  # half the gap takes four times as many
        ((10.0, 9.0, 11.0, 50), -math.inf, 10.5, 200),
        ((10.0, 9.0, 11.0, 50), 9.75, math.inf, 800),  # the nearest edge about which anything can be said
        ((10.0, 9.0, 11.0, 50), 9.76, math.inf, None),
        ((10.0, 9.0, 11.0, 50), 8.0, math.inf, 50),  # never fewer than there were
        (
            (10.0, 9.0, 14.0, 50),
            8.5,
            12.0,
            50 * 4,
        ),  # to lie within, both edges have to be cleared, not only the nearest
        ((10.0, 9.0, 14.0, 50), 8.5, 10.5, None),
        ((10.0, 8.0, 14.0, 50), 9.0, 13.0, 50 * 4),
        ((10.0, 9.0, 14.0, 50), 12.0, 13.0, 50 * 4),  # to lie outside, the nearest
        ((10.0, 9.0, 14.0, 50), 8.0, 9.5, 50 * 4),
        ((0.0, 0.0, 0.5, 30), -math.inf, 0.25, 60),  # nothing was seen: an interval of 3.8/n
        ((1.0, 0.5, 1.0, 30), 0.75, math.inf, 60),
        ((10.0, 9.0, math.inf, 50), -math.inf, 12.0, None),
        ((10.0, math.nan, math.nan, 5), 9.0, math.inf, None),
        ((math.inf, 3.0, math.inf, 50), 4.0, math.inf, None),
    ],
)
def test_how_many_replications_would_decide(found, low, high, needed):
    assert _needed(Estimate(*found), low, high) == needed
