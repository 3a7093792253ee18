"""How wrong the models are where few answers are seen: by a mask or by weights, however predictions lie in memory."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.lab.score import Score


def told(said, outcome, weight):
    score = Score(said.shape[1], Spec(models=said.shape[2], case=said.shape[3:]))
    for each in zip(said, outcome, weight, strict=True):
        score.take(each[0], Feedback(*each[1:]))
    return score.measures()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_counts_as_weights_of_0_and_1_do(dtype):
    luck = np.random.default_rng(1)
    said = luck.random((6, 3, 4, 5)).astype(dtype)
    outcome, mask = luck.random(said.shape).astype(dtype), luck.random(said.shape) < 0.2
    mask[:, 2] = False  # nothing is ever seen in this replication
    found = told(said, outcome, mask)
    seen = mask[:, :2]
    miss = (outcome - said)[:, :2].astype(float) * seen
    error = np.sqrt((miss**2).sum((0, 2, 3)) / seen.sum((0, 2, 3)))
    np.testing.assert_allclose(found["prediction_error"][:2], error, rtol=1e-6)
    assert np.isnan(found["prediction_error"][2])
    weighed = told(said, outcome, mask.astype(float))
    for name, value in found.items():
        np.testing.assert_allclose(value, weighed[name], rtol=1e-6, err_msg=name)


def test_single_precision_moves_no_score_by_a_hundred_thousandth_however_predictions_lie():
    """Whose cases lie together, or whose models do, as where all are asked alike."""
    said = np.random.default_rng(2).random((20, 3, 4, 300))
    said += 0.5 * said[:, :, :1]
    outcome, mask = np.ones(said.shape), said > 1.2
    exact = told(said, outcome, mask)
    single = said.astype(np.float32)
    for laid in (single, np.moveaxis(np.moveaxis(single, 2, -1).copy(), -1, 2)):
        found = told(laid, outcome.astype(np.float32), mask)
        alone = told(laid[:, 1:2], outcome[:, 1:2].astype(np.float32), mask[:, 1:2])
        for name, value in exact.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
            np.testing.assert_array_equal(alone[name], found[name][1:2], err_msg=name)
