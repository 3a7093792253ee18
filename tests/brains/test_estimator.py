"""Objects with fit and predict as a brain: against simlab's own ridge, and what it promises about memory, weights and order."""

from __future__ import annotations

import numpy as np
import pytest

import simlab
from simlab.base.errors import InputError
from simlab.base.world import Feedback, Spec
from simlab.brains.estimator import Estimator
from simlab.brains.ridge import Ridge
from simlab.lab.cohort import join, play
from simlab.lab.streams import Streams
from simlab.scenario.registry import HOUSE
from tests.brains.stage import LeastSquares, everyone

SPEC = Spec(models=3, features=2, views=3)


def taught(brain, x, y, weight=None, at=None):
    """The mind after the answers `y` `(t, r, p, g)` to `x` `(t, r, p, g, f)`, all brains or those `at` retrained."""
    r, p = x.shape[1:3]
    mind = brain.start(r, p, p, SPEC, Streams(0, range(r)))
    for t in range(len(x)):
        brain.fade(mind)
        brain.witness(mind, x[t], y[t], Feedback(y[t], None if weight is None else weight[t]), x[t])
    brain.retrain(mind, at or everyone(r, p), np.arange(p))
    return mind


def cases(t=40, r=2, p=3, g=1, seed=1):
    g_ = np.random.default_rng(seed)
    x = g_.normal(size=(t, r, p, g, 2))
    return x, x @ [1.0, -2.0] + g_.normal(size=(t, r, p, g))


@pytest.mark.parametrize("g", [1, 4])
def test_the_same_fit_as_the_ridge_where_memory_covers_everything(g):
    """The ridge averages over the `g` seats of a tick, so its penalty stands for `g` times as much."""
    x, y = cases(g=g)
    ours = Ridge(penalty=3.0, memory=1e12)
    theirs = Estimator(lambda: LeastSquares(3.0 * g))(memory=10**6)
    a, b = taught(ours, x, y), taught(theirs, x, y)
    asked = np.random.default_rng(2).normal(size=(2, 3, 5, 2))
    luck = Streams(0, range(2))
    np.testing.assert_allclose(theirs.predict(b, asked, luck), ours.predict(a, asked, luck), rtol=1e-9)


def test_scikit_learns_ridge_is_the_ridge():
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = cases()
    theirs = Estimator(lambda: linear.Ridge(alpha=3.0, fit_intercept=False))(memory=10**6)
    mind, own = taught(theirs, x, y), taught(Ridge(penalty=3.0, memory=1e12), x, y)
    fitted = np.array([[mind.fitted[i, j].coef_ for j in range(3)] for i in range(2)])
    np.testing.assert_allclose(fitted, own.weights, rtol=1e-9)


def test_only_the_last_ticks_are_remembered():
    x, y = cases(t=30)
    brain = Estimator(LeastSquares)
    late = taught(brain(memory=10), x, y)
    assert len(late.past) == 10
    same = taught(brain(memory=100), x[-10:], y[-10:])
    assert (late.fitted[1, 2].weights == same.fitted[1, 2].weights).all()


def test_a_weight_of_two_is_two_cases_and_unseen_or_undefined_is_none():
    x, y = cases(t=20, g=3)
    weight = np.ones_like(y)
    weight[..., 0], weight[..., 2] = 2.0, 0.0
    y[..., 2] = np.nan
    brain = Estimator(LeastSquares)()
    weighted = taught(brain, x, y, weight)
    doubled = taught(brain, x[..., [0, 0, 1], :], y[..., [0, 0, 1]])
    np.testing.assert_allclose(weighted.fitted[0, 0].weights, doubled.fitted[0, 0].weights, rtol=1e-12)


def test_one_that_was_not_retrained_says_what_it_said_and_0_before_anything():
    x, y = cases()
    brain = Estimator(LeastSquares)()
    mind = taught(brain, x, y, at=(np.array([1]), np.array([2])))
    said = brain.predict(mind, x[0], Streams(0, range(2)))
    assert (said[1, 2] != 0).all()
    assert said[0].any() == said[1, :2].any() == False  # noqa: E712
    few = taught(Estimator(LeastSquares)(least=1000), x, y)
    assert not few.fitted.any()


def test_what_draws_numbers_of_its_own_is_repeatable_and_differs_between_replications():
    forests = pytest.importorskip("sklearn.ensemble")
    x, y = cases(t=25)
    x[:, 1], y[:, 1] = x[:, 0], y[:, 0]
    brain = Estimator(lambda: forests.RandomForestRegressor(n_estimators=2))()
    luck = Streams(0, range(2))
    a, b = (brain.predict(taught(brain, x, y), x[0], luck) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (a[0] != a[1]).any()


def trials(brain, own):
    arms = {"isolated": {"topology": "isolated"}, "shared": {"topology": "shared"}}
    more = {"harm": None, "claims": [], "scoreboard": [], "studies": {}, "detectors": None, "arms": arms}
    scenario = simlab.load(
        "performative",
        using=own,
        run__horizon="20 min",
        run__stride="10 s",
        world__performative__agents=10,
        brain=brain,
        **more,
    )
    return [arm.trial for arm in scenario.arms]


def test_a_whole_run_is_that_of_the_ridge():
    """Two of the eight models' worlds: the same numbers to rounding, tick by tick, through retrainings in the loop."""
    ours = trials({"ridge": {"penalty": 10, "memory": 1e12}}, ())
    for i, penalty in enumerate((10, 80)):  # eight models share the one brain
        own = {"plain": Estimator(lambda penalty=penalty: LeastSquares(penalty))}
        theirs = trials({"plain": {"memory": 10**6}}, own)
        a, b = (play(pair[i], 3, range(2)) for pair in (ours, theirs))
        assert not b.failed
        for name in ("moved", "said", "loss"):
            np.testing.assert_allclose(b.series[name], a.series[name], rtol=1e-4, atol=1e-5)


def test_the_same_bits_in_any_company():
    (trial, _) = trials({"plain": {}}, {"plain": Estimator(LeastSquares)})
    whole, apart = play(trial, 3, range(3)), join([play(trial, 3, [i]) for i in range(3)])
    for name, series in whole.series.items():
        np.testing.assert_array_equal(apart.series[name], series)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        (LeastSquares(), r"e\.g\. `Estimator\(lambda: LeastSquares\(\.\.\.\)\)`"),
        (dict, "dict has no `fit` and no `predict`"),
    ],
)
def test_what_is_no_factory_is_refused(factory, says):
    with pytest.raises(InputError, match=says):
        Estimator(factory)


def test_it_has_no_name_in_yaml_but_the_one_it_is_given():
    assert "estimator" not in HOUSE.brains.names()
    assert simlab.brains.Estimator is Estimator
    assert "Slow" in Estimator(LeastSquares).__doc__
