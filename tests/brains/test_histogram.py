"""Ranks by histograms, against NumPy's and scikit-learn's bins, a score added up case by case, and the exact ladder of
a quantile rule.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer

from simlab.base.errors import ParameterError
from simlab.base.world import Spec
from simlab.brains.brain import average, leaves
from simlab.brains.histogram import MOST_CELLS, STEP, Histogram
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

LUCK = Streams(0, range(3))


def spec(features=3):
    return Spec(models=1, case=(1,), features=features)


def cases(n, features=3, seed=1):
    return np.random.default_rng(seed).normal(size=(1, 1, 1, n, features)) * 2


def trained(brain, x, weight=None):
    mind = brain.start(1, 1, 1, spec(x.shape[-1]), LUCK)
    see(brain, mind, np.zeros(x.shape[:-1]), weight, x)
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    return mind


def scores(brain, train, x, weight=None):
    """Goldstein & Dengel's score, feature by feature, from NumPy's histograms; what is outside counts in the end bins."""
    edges = np.linspace(brain.low, brain.high, brain.bins + 1)
    total = np.zeros(len(x))
    for f in range(x.shape[1]):
        inside = np.clip(train[:, f], brain.low, brain.high)
        height = np.histogram(inside, edges, weights=weight)[0] + brain.prior
        at = np.clip(np.searchsorted(edges, x[:, f], side="right") - 1, 0, brain.bins - 1)
        total -= np.log(height[at])
    return total


@pytest.mark.parametrize("weighted", [False, True])
def test_it_says_the_share_of_the_training_cases_with_a_lower_score(weighted):
    """Scores within a step of each other may tie: the rank lies between what is surely lower and what is surely not
    higher.
    """
    brain, train, new = Histogram(bins=9), cases(400), cases(150, seed=2)
    weight = np.random.default_rng(3).integers(0, 4, size=400).astype(float) if weighted else np.ones(400)
    mind = trained(brain, train, weight.reshape(1, 1, 1, -1) if weighted else None)
    said = brain.predict(mind, new, LUCK)[0, 0, 0]
    old, mine = (scores(brain, train[0, 0, 0], x[0, 0, 0], weight) for x in (train, new))
    surely = np.array([weight[old < s - STEP].sum() for s in mine]) / weight.sum()
    maybe = np.array([weight[old < s].sum() for s in mine]) / weight.sum()
    assert (said >= surely - 1e-12).all()
    assert (said <= maybe + 1e-12).all()


def test_its_bins_are_those_of_another_library():
    """KBinsDiscretizer with uniform bins, fitted on the range, puts 500 cases in the same joint cells."""
    brain, x = Histogram(bins=7), cases(500)
    other = KBinsDiscretizer(7, encode="ordinal", strategy="uniform", subsample=None).fit(
        [[brain.low] * 3, [brain.high] * 3]
    )
    cell = other.transform(x[0, 0, 0]).astype(int) @ [49, 7, 1]
    mind = trained(brain, x)
    np.testing.assert_array_equal(mind.total[0, 0], np.bincount(cell, minlength=343))


def test_a_rule_trained_on_what_it_let_in_blocks_one_minus_one_minus_q_to_the_k():
    """Exactly, to a bin's worth a training. One feature, whose heights fall by 2% from bin to bin, so that no two tie
    and their order stays whatever was cut off.
    """
    bins, q = 400, 0.1
    heights = 1e6 * 1.02 ** -np.arange(bins)
    x = (np.arange(bins) + 0.5).reshape(1, 1, 1, bins, 1)
    brain = Histogram(bins=bins, low=0.0, high=float(bins))
    mind = brain.start(1, 1, 1, spec(1), LUCK)
    at = everyone(1, 1), np.zeros(1, dtype=int)
    let_in = np.ones(bins)
    for k in range(1, 8):
        see(brain, mind, np.zeros(x.shape[:-1]), (heights * let_in).reshape(1, 1, 1, -1), x)
        brain.retrain(mind, *at)
        let_in = brain.predict(mind, x, LUCK)[0, 0, 0] < 1 - q
        blocked = 1 - (heights * let_in).sum() / heights.sum()
        assert blocked == pytest.approx(1 - (1 - q) ** k, abs=k * heights[let_in].min() / heights.sum()), k


def test_it_blocks_at_most_the_quota_of_what_it_was_trained_on():
    for q in (0.01, 0.05, 0.3):
        train = cases(700, seed=5)
        said = Histogram().predict(trained(Histogram(), train), train, LUCK)
        assert (said >= 1 - q).mean() <= q


def test_kept_evidence_counts_as_much_as_it_is_kept():
    brain, first, second = Histogram(bins=4, keep=0.25), cases(50), cases(60, seed=2)
    mind = trained(brain, first)
    see(brain, mind, np.zeros(second.shape[:-1]), None, second)
    brain.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    fresh = trained(
        Histogram(bins=4), np.concatenate([first, second], axis=3), np.repeat([0.25, 1.0], [50, 60])[None, None, None]
    )
    np.testing.assert_allclose(mind.rank, fresh.rank)


def test_brains_of_one_pool_train_at_times_of_their_own_and_without_news_say_what_they_said():
    brain = Histogram(bins=4)
    mind = brain.start(1, 2, 1, spec(), LUCK)
    one, other = ((np.zeros(1, dtype=int), np.array([b])) for b in range(2))
    parts = [cases(40, seed=s) for s in range(2)]
    for part in parts:
        see(brain, mind, np.zeros(part.shape[:-1]), None, part)
        brain.retrain(mind, one, np.zeros(2, dtype=int))
    brain.retrain(mind, other, np.zeros(2, dtype=int))
    np.testing.assert_array_equal(mind.rank[0, 0], trained(brain, parts[1]).rank[0, 0])
    np.testing.assert_array_equal(mind.rank[0, 1], trained(brain, np.concatenate(parts, axis=3)).rank[0, 0])
    before = mind.rank.copy()
    brain.retrain(mind, everyone(1, 2), np.zeros(2, dtype=int))
    np.testing.assert_array_equal(mind.rank[0, 1], before[0, 1])


def test_every_seat_is_told_of_its_own_case_also_where_all_see_the_same():
    brain, x = Histogram(bins=5), np.random.default_rng(1).normal(size=(3, 2, 2, 30, 2))
    mind = brain.start(3, 2, 2, spec(2), LUCK)
    see(brain, mind, np.zeros(x.shape[:-1]), None, x)
    brain.retrain(mind, everyone(3, 2), np.arange(2))
    said = brain.predict(mind, x, LUCK)
    for at in np.ndindex(3, 2, 2):
        alone = brain.predict(
            type(mind)(*(a[at[0] : at[0] + 1, at[1] : at[1] + 1] for a in mind)), x[at][None, None, None], LUCK
        )
        np.testing.assert_array_equal(said[at], alone[0, 0, 0])
    same = np.broadcast_to(x[:, :1, :1], x.shape)
    np.testing.assert_array_equal(brain.predict(mind, same, LUCK), brain.predict(mind, same.copy(), LUCK))


def test_what_averaging_averages_are_its_ranks():
    brain = Histogram(bins=2)
    mind = brain.start(1, 2, 2, spec(1), LUCK)
    globe = [leaf.mean(axis=1) for leaf in leaves(brain, mind)]
    mind.rank[:] = [[[0.0, 0.4], [0.2, 0.8]]]
    average(brain, mind, globe, np.ones((1, 2)), "mean")
    np.testing.assert_allclose(mind.rank, [[[0.1, 0.6]] * 2])


def test_the_bits_do_not_depend_on_how_many_are_batched():
    came, found = np.random.default_rng(1).normal(size=(3, 9, 2, 2, 50, 3)), []
    weight = np.random.default_rng(2).random((3, 9, 2, 2, 50))
    for rows in (slice(None), slice(4, 5)):
        brain = Histogram(keep=0.3)
        x = came[:, rows]
        mind = brain.start(x.shape[1], 2, 2, spec(), LUCK)
        for each, counts in zip(x, weight[:, rows], strict=True):
            see(brain, mind, np.zeros(each.shape[:-1]), counts, each)
            brain.retrain(mind, everyone(x.shape[1], 2), np.arange(2))
        found.append(mind.rank)
    np.testing.assert_array_equal(found[0][4:5], found[1])


def test_says_what_it_cannot_serve():
    assert Histogram().why_not(spec()) is None
    assert "offers none" in Histogram().why_not(Spec(models=1, states=2))
    assert "answers number" in Histogram().why_not(Spec(models=1, asks="choice", choices=2, features=1))
    assert f"10^5 are more than {MOST_CELLS}; use fewer bins" in Histogram().why_not(spec(5))
    with pytest.raises(ParameterError, match=r"high must be above low \(2\), not 1"):
        Histogram(low=2.0, high=1.0)
