"""What a study asks, and when a difference is clear for all points and arms together."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import simlab
from simlab.scenario.scenario import Study
from simlab.studies.question import Question, question, told

RNG = np.random.default_rng(11)
MEAN, HARM, MEDIAN = Question("x", "mean"), Question("x", "harm"), Question("x", "median")


def study(**more):
    return Study("s", "s", "", (), ("isolated",), **more)


def test_the_headline_is_asked_by_default():
    scenario = simlab.load("flash_crash")
    assert question(scenario, study()) == Question("drawdown", "harm")
    assert question(scenario, study(measure="drawdown")) == Question("drawdown", "mean")
    assert question(scenario, study(measure="loss", stat="p95")) == Question("loss", "p95")
    assert question(scenario, study(stat="exceeds", exceeds=0.5)) == Question("drawdown", "exceeds", 0.5)
    assert question(replace(scenario, harm=None), study()) == Question("drawdown", "mean")
    assert told(scenario, Question("drawdown", "harm"))["harm"] == {"above": 0.03}
    assert told(scenario, Question("agreement", "mean"))["worse"] == "neither"


def test_what_a_brain_tells_may_be_asked_for():
    facts = told(simlab.load("pricing_collusion_baseline"), Question("settled", "mean", None))
    assert facts["about"].startswith("ticks until no greedy strategy had changed")


def test_a_mean_is_clear_by_the_t_test_at_the_joint_level():
    """Bonferroni by hand: the p value of the paired t test against 0.05 / k."""
    x = RNG.normal(size=200)
    for shift in np.linspace(0.05, 0.5, 12):
        y = x + shift + 0.8 * RNG.normal(size=200)
        p = stats.ttest_rel(y, x).pvalue
        for k in (1, 10, 1000):
            if abs(np.log(p / (0.05 / k))) > 0.7:  # near the edge the bootstrap may say otherwise
                assert MEAN.clear(y, x, k) is bool(p < 0.05 / k)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mean_that_is_hundreds_of_standard_errors_away_is_clear_whatever_the_skewness(sign):
    """Where a correction by a parabola (Johnson 1978) turns back."""
    x = RNG.normal(size=40)
    far = 0.55 + sign * 0.002 * RNG.exponential(size=40) ** 2
    assert MEAN.clear(x + far, x, 21)
    assert MEAN.clear(x - far, x, 21)


def test_skewed_differences_are_seldom_clear_by_chance():
    """Lognormal differences of log-deviation 1 at 64 replications, for 100 comparisons: at most 6 times as often as stated, within
    4 standard errors (Student's test alone: 27 times; 4 were counted in 200,000 of them)."""
    wrong, n = 0, 12_000
    edge = stats.t.ppf(1 - 0.05 / 200, 63)
    for _ in range(n):
        apart = np.exp(RNG.standard_normal(64)) - np.exp(0.5)
        if abs(apart.mean()) * 8 > 0.7 * edge * apart.std():  # the rest is not clear by Student's test
            wrong += MEAN.clear(apart, np.zeros(64), 100)
    stated = n * 0.05 / 100
    assert wrong <= 6 * stated + 4 * np.sqrt(6 * stated)


def test_a_share_is_clear_by_the_discordant_pairs_at_the_joint_level():
    """McNemar's exact test, which Agresti & Min's interval goes with, but where the two are nearly on the edge."""
    n = 200
    for extra in range(4, 60, 4):
        x, y = np.zeros(n), np.zeros(n)
        x[:4], y[4 : 4 + 4 + extra] = 1, 1
        p = stats.binomtest(4, 8 + extra).pvalue
        for k in (1, 10, 1000):
            if abs(np.log(p / (0.05 / k))) > 1.6:
                assert HARM.clear(y, x, k) is bool(p < 0.05 / k)


def test_more_comparisons_never_make_a_difference_clearer():
    x, y = RNG.normal(size=100), RNG.normal(0.4, size=100)
    for asked, a, b in ((MEAN, x, y), (MEDIAN, x, y), (HARM, (x > 0) * 1.0, (y > 0) * 1.0)):
        clear = [asked.clear(b, a, k) for k in (1, 10, 100, 10**4, 10**9)]
        assert clear == sorted(clear, reverse=True)
        assert clear[-1] is False


def test_what_cannot_be_known_is_not_clear():
    few = RNG.normal(5, 1, size=20)
    same = np.zeros(100)
    for asked in (MEAN, MEDIAN, HARM):
        assert not asked.clear(few, np.zeros(20), 1)  # too few for an interval
        assert not asked.clear(same, same, 1)
        assert not asked.clear(np.full(100, np.nan), same, 1)
    assert MEAN.clear(same + 0.5, same, 10**9)  # the same difference in every replication


def test_under_no_difference_hardly_anything_is_clear():
    """40 arms and points without any difference: P(at least one is clear) is at most 5% of 200 studies, within 4 standard errors."""
    wrong, studies, k, n = 0, 200, 40, 64
    for _ in range(studies):
        x = RNG.normal(size=n)
        wrong += any(MEAN.clear(x + RNG.normal(size=n), x, k) for _ in range(k))
    assert wrong / studies <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(("asked", "expected"), [(MEAN, 2.0), (MEDIAN, 2.0), (Question("x", "exceeds", 1.5), 0.5)])
def test_levels_and_differences(asked, expected):
    outcome = type("O", (), {"measures": {"x": np.r_[np.full(50, 1.0), np.full(50, 3.0)]}})()
    values = asked.values(outcome)
    assert asked.level(values).value == expected
    assert asked.difference(values, values).value == 0


def test_a_skewed_mean_of_nothing_is_seldom_clear():
    """Lognormal differences of mean 0 at n = 64 and k = 100: Student alone is wrong 27 times as often as stated, this at most 8 times."""
    g = np.random.default_rng(5)
    tries, k = 4000, 100
    wrong = sum(MEAN.clear(np.exp(g.normal(size=64)) - np.exp(0.5), np.zeros(64), k) for _ in range(tries))
    assert wrong / tries < 8 * 0.05 / k
