"""How wrong models are and how alike they answer, against NumPy's own deviations and covariances."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.lab.score import Score

G = np.random.default_rng(61)
R, M, TICKS = 2, 3, 12


def scored(spec, said, feedback=None):
    """The scores of what was said, `(ticks, r, ...)`, and the answers to it."""
    score = Score(said.shape[1], spec)
    for i, now in enumerate(said):
        score.take(now.copy(), Feedback(np.zeros(now.shape)) if feedback is None else feedback[i])
    return score.measures()


def alike(said):
    """Mean covariance of two models over their mean variance, of `(ticks, m, a)`; covariances of all `a` answers are added up."""
    m = said.shape[1]
    of = [np.cov(said[:, :, a].T, ddof=0) for a in range(said.shape[2])]
    between = sum(c[i, j] for c in of for i, j in permutations(range(m), 2)) / (m * (m - 1))
    return between / (sum(np.trace(c) for c in of) / m)


def numbers(*case):
    return Spec(M, "number", M, case, features=1)


SAID = 1e6 + G.normal(size=(TICKS, R, M)) + G.normal(size=(TICKS, R, 1))


def test_error_is_the_root_of_the_mean_square_over_models_and_ticks():
    outcome = G.normal(size=SAID.shape)
    found = scored(numbers(), SAID - 1e6, [Feedback(each) for each in outcome])
    off = SAID - 1e6 - outcome
    np.testing.assert_allclose(found["prediction_error"], np.sqrt((off**2).mean(axis=(0, 2))), rtol=1e-12)


@pytest.mark.parametrize("case", [(), (4,), (2, 3)])
def test_what_was_not_seen_is_no_error(case):
    """Weights say what was seen, and not how much it counts; they may be told once for all cases, or for all replications."""
    said, outcome = (G.normal(size=(TICKS, R, M, *case)) for _ in "so")
    off = (said - outcome) ** 2
    each = (G.random(said.shape) < 0.6) * 2.5
    whole = (G.random((TICKS, R, M)) < 0.6) * 2.5
    whole = np.broadcast_to(whole.reshape(TICKS, R, M, *(1,) * len(case)), said.shape)
    sure = np.ones((TICKS, R, M))
    sure[:, :, 1] = 0.25
    sure = np.broadcast_to(sure.reshape(TICKS, R, M, *(1,) * len(case)), said.shape)
    common = np.broadcast_to((G.random((TICKS, 1, *whole.shape[2:])) < 0.6) * 1.0, said.shape)
    for weight in (each, whole, sure, common):
        found = scored(numbers(*case), said, [Feedback(o, w) for o, w in zip(outcome, weight, strict=True)])
        for r in range(R):
            seen = weight[:, r] > 0
            assert found["prediction_error"][r] == pytest.approx(np.sqrt(off[:, r][seen].mean()), rel=1e-12)


def test_what_is_answered_to_another_question_is_no_error():
    late = Feedback(np.ones((R, M)), x=np.zeros((R, M, 1)))
    pooled = Feedback(np.ones((R, M, 2)))
    for feedback in (late, pooled):
        assert np.isnan(scored(numbers(), SAID, [feedback] * TICKS)["prediction_error"]).all()
    assert np.isnan(Score(R, numbers()).measures()["prediction_error"]).all()


def test_agreement_is_the_mean_covariance_over_the_mean_variance():
    """Far from 0, where sums of squares would lose the digits: the first answer is taken off."""
    found = scored(numbers(), SAID)["agreement"]
    np.testing.assert_allclose(found, [alike(SAID[:, r, :, None]) for r in range(R)], rtol=1e-6)
    assert scored(numbers(), np.repeat(SAID[:, :, :1], M, axis=2))["agreement"] == pytest.approx(1, rel=1e-9)
    pair = Spec(2, "number", 2, features=1)
    assert scored(pair, np.stack([SAID[:, :, 0], -SAID[:, :, 0]], axis=2))["agreement"] == pytest.approx(-1, rel=1e-9)


@pytest.mark.parametrize("case", [(4,), (2, 3)])
def test_questions_with_cases_agree_by_their_means(case):
    said = G.normal(size=(TICKS, R, M, *case)) + G.normal(size=(TICKS, R, 1, *case))
    means = said.reshape(TICKS, R, M, -1).mean(axis=3)
    found = scored(numbers(*case), said)["agreement"]
    np.testing.assert_allclose(found, [alike(means[:, r, :, None]) for r in range(R)], rtol=1e-9)


@pytest.mark.parametrize("case", [(), (5,)])
def test_shares_agree_choice_by_choice(case):
    said = G.dirichlet(np.ones(4), size=(TICKS, R, M, *case))
    spec = Spec(M, "shares", M, case, choices=4)
    means = said.mean(axis=3) if case else said
    found = scored(spec, said, [Feedback(np.zeros(said[0].shape))] * TICKS)
    np.testing.assert_allclose(found["agreement"], [alike(means[:, r]) for r in range(R)], rtol=1e-9)
    assert np.isnan(found["prediction_error"]).all()


def test_choices_agree_by_pairs_of_questions():
    """Of nine pairs of a question to one and a question to the other two are the same, and in the next tick three of nine."""
    spec = Spec(2, "choice", 2, (3,), features=3, choices=3)
    said = np.array([[[[0, 0, 1], [0, 2, 2]]], [[[1, 1, 1], [0, 2, 1]]]])
    assert scored(spec, said[:1])["agreement"] == pytest.approx(2 / 9)
    assert scored(spec, said)["agreement"] == pytest.approx(5 / 18)
    third = np.concatenate(
        [said, said[:, :, :1]], axis=2
    )  # the third says what the first does: 2, 2 and 5 of 9; 3, 3 and 9
    assert scored(spec._replace(models=3), third)["agreement"] == pytest.approx((9 / 27 + 15 / 27) / 2)
    assert np.isnan(scored(spec, said)["prediction_error"]).all()


def test_one_model_one_tick_or_one_answer_tell_nothing():
    alone = Spec(1, "number", 1, features=1)
    assert np.isnan(scored(alone, SAID[:, :, :1])["agreement"]).all()
    assert np.isnan(scored(numbers(), SAID[:1])["agreement"]).all()
    assert not np.isnan(scored(numbers(), SAID[:2])["agreement"]).any()
    assert np.isnan(scored(numbers(), 0 * SAID + 3)["agreement"]).all()
    single = Spec(1, "choice", 1, (3,), features=3, choices=3)
    assert np.isnan(scored(single, np.zeros((TICKS, R, 1, 3), int))["agreement"]).all()
    assert np.isnan(Score(R, Spec(2, "choice", 2, choices=3)).measures()["agreement"]).all()


def test_in_one_replication_nothing_varies_and_in_the_other_it_does():
    said = SAID.copy()
    said[:, 0] = 3.0
    found = scored(numbers(), said)["agreement"]
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(alike(SAID[:, 1, :, None]), rel=1e-6)
