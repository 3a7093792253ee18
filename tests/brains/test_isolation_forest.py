"""Ranks by isolation: the scores are scikit-learn's, and the threshold is its contamination."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as Theirs

from simlab.base.world import Spec
from simlab.brains import isolation_forest
from simlab.brains.isolation_forest import IsolationForest
from simlab.lab.streams import Streams
from tests.brains.stage import everyone, see

SPEC = Spec(models=1, case=(1,), features=3)
SMALL = IsolationForest(trees=10, sample=32, memory=100)


def cases(n, seed=1, **shape):
    return np.random.default_rng(seed).normal(size=(shape.get("r", 1), shape.get("p", 1), 1, n, 3))


def trained(brain, x, weight=None, r=1):
    luck = Streams(7, range(r))
    mind = brain.start(r, 1, 1, SPEC, luck)
    see(brain, mind, np.zeros(x.shape[:-1]), weight, x)
    brain.retrain(mind, everyone(r, 1), np.zeros(1, dtype=int))
    return mind


def test_scores_are_those_of_the_library_and_so_is_the_rule():
    """Ours are theirs, case for case, with the same seed; 1 - q is the threshold that they call contamination q."""
    x, new = cases(100), cases(60, seed=2)
    mind = trained(SMALL, x)
    theirs = Theirs(n_estimators=10, max_samples=32, contamination=0.1, random_state=int(mind.seed[0, 0])).fit(
        x[0, 0, 0]
    )
    fitted = mind.fitted[0, 0]
    np.testing.assert_array_equal(fitted.forest.score_samples(new[0, 0, 0]), theirs.score_samples(new[0, 0, 0]))
    np.testing.assert_array_equal(fitted.scores, np.sort(-theirs.score_samples(x[0, 0, 0])))
    said = SMALL.predict(mind, new, Streams(7, [0]))[0, 0, 0]
    lower = (-theirs.score_samples(x[0, 0, 0]) < -theirs.score_samples(new[0, 0, 0])[:, None]).mean(axis=1)
    np.testing.assert_allclose(said, lower)
    outliers = theirs.predict(new[0, 0, 0]) == -1
    clear = np.abs(said - 0.9) > 0.011  # at the threshold itself they interpolate between two cases
    np.testing.assert_array_equal((said >= 0.9)[clear], outliers[clear])
    assert 0 < outliers.sum() < 60


def test_what_counts_twice_is_there_twice():
    """Weights 2 on half of the cases and 0 on the others: as if only those had come."""
    x = cases(40)
    weight = np.repeat([2.0, 0.0], 20).reshape(1, 1, 1, -1)
    mind, alone = trained(SMALL, x, weight), trained(SMALL, x[..., :20, :])
    np.testing.assert_array_equal(mind.fitted[0, 0].scores, alone.fitted[0, 0].scores)
    np.testing.assert_array_equal(mind.fitted[0, 0].upto, 2 * alone.fitted[0, 0].upto)
    heavy = trained(SMALL, x, np.where(np.arange(40) == 7, 1e6, 1.0).reshape(1, 1, 1, -1))
    assert SMALL.predict(heavy, x, Streams(7, [0]))[0, 0, 0, 7] == 0  # nearly all that it was trained on


def test_it_learns_of_the_last_cases_that_came():
    first, second = cases(70), cases(70, seed=2)
    mind = trained(SMALL, first)
    see(SMALL, mind, np.zeros(second.shape[:-1]), None, second)
    kept = {tuple(case) for case in mind.cases[0, 0]}
    assert kept == {tuple(case) for case in np.concatenate([first[0, 0, 0], second[0, 0, 0]])[-100:]}
    assert mind.came[0, 0] == 140
    flood = cases(250, seed=3)
    see(SMALL, mind, np.zeros(flood.shape[:-1]), None, flood)
    assert {tuple(case) for case in mind.cases[0, 0]} == {tuple(case) for case in flood[0, 0, 0, -100:]}


def test_nothing_is_unusual_before_a_training_and_one_case_is_none():
    luck = Streams(7, [0])
    mind = SMALL.start(1, 1, 1, SPEC, luck)
    assert (SMALL.predict(mind, cases(5), luck) == 0).all()
    see(SMALL, mind, np.zeros((1, 1, 1, 1)), None, cases(1))
    SMALL.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    assert (SMALL.predict(mind, cases(5), luck) == 0).all()


def test_a_replication_is_dealt_its_own_cuts_whoever_is_batched_with_it():
    x = cases(60, r=3)
    whole, alone = trained(SMALL, x, r=3), IsolationForest(trees=10, sample=32, memory=100)
    luck = Streams(7, [1])
    mind = alone.start(1, 1, 1, SPEC, luck)
    see(alone, mind, np.zeros((1, 1, 1, 60)), None, x[1:2])
    alone.retrain(mind, everyone(1, 1), np.zeros(1, dtype=int))
    np.testing.assert_array_equal(mind.fitted[0, 0].scores, whole.fitted[1, 0].scores)
    assert len(set(whole.seed[:, 0].tolist())) == 3


@pytest.mark.parametrize("spec", [Spec(models=1, states=2), Spec(models=1, asks="choice", choices=2, features=2)])
def test_says_what_it_cannot_serve(spec, monkeypatch):
    assert IsolationForest().why_not(spec)
    assert IsolationForest().why_not(SPEC) is None
    monkeypatch.setattr(isolation_forest, "find_spec", lambda name: None)
    assert "pip install 'simlab[ml]'" in IsolationForest().why_not(SPEC)
