"""Detectors on plain arrays, without a scenario."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.detectors import DriftAcceleration, FeedbackSpiral, ModelCorrelation, PredictionCascade, watch
from simlab.detectors.detector import SCRAPES
from tests.detectors.recordings import frames, played


def recording(t=900, m=3, seed=0):
    g = np.random.default_rng(seed)
    return np.arange(t) * 10.0, g.normal(size=(t, m)), g.normal(size=t), g.normal(size=(t, 2))


def test_it_reads_as_in_a_simulation():
    """With a row a scrape: the same frames, one replication."""
    t, p, y, x = recording(300)
    for detector in (FeedbackSpiral(), ModelCorrelation(), DriftAcceleration(), PredictionCascade()):
        reads = ((), (0,), (1,)) if isinstance(detector, PredictionCascade) else ()
        found = watch(detector, t, p, y, x, reads=reads)
        given = frames(p[:, None], np.repeat(y[:, None, None], 3, axis=2), x[:, None, None])
        value, seed, _ = played(detector, given, reads)
        np.testing.assert_array_equal(found.values, value[:, 0])
        np.testing.assert_array_equal(found.seeds, seed[:, 0])
        np.testing.assert_array_equal(found.times, t)


def test_alarms_are_the_times_above_each_threshold():
    t, p, y, _ = recording()
    p[500:] = p[500:, :1] + 0.1 * p[500:]
    detector = ModelCorrelation()
    found = watch(detector, t, p, y)
    np.testing.assert_array_equal(found.alarms, t[found.values > detector.limit])
    np.testing.assert_array_equal(found.seed_alarms, t[found.seeds > 0.8])
    assert 5000 < found.alarms[0] < 5600  # before the window is all alike
    assert found.alarms[0] < found.seed_alarms[0]


def test_rows_are_taken_by_time_or_so_that_scrapes_are_few():
    t, p, y, _ = recording(900)
    every = watch(ModelCorrelation(), t, p, y, every=60.0)
    np.testing.assert_array_equal(every.times, t[5::6])
    gap = np.delete(np.arange(900), slice(100, 400))
    np.testing.assert_array_equal(
        watch(ModelCorrelation(), t[gap], p[gap], every=50.0).times, np.delete(t[4::5], slice(20, 80))
    )
    n = 3 * SCRAPES - 1
    many = watch(ModelCorrelation(), np.arange(n), np.zeros((n, 2)))
    assert len(many.times) == SCRAPES
    assert many.times[-1] == n - 1


def test_one_column_serves_all_models_and_series_may_be_flat():
    t, p, y, x = recording(200)
    a = watch(FeedbackSpiral(), t, p, y[:, None])
    b = watch(FeedbackSpiral(), t, p, np.repeat(y[:, None], 3, axis=1))
    np.testing.assert_array_equal(a.values, b.values)
    flat, column = watch(FeedbackSpiral(), t, p[:, 0], y), watch(FeedbackSpiral(), t, p[:, :1], y)
    np.testing.assert_array_equal(flat.seeds, column.seeds)
    flat = watch(DriftAcceleration(), t, p, features=x[:, 0]), watch(DriftAcceleration(), t, p, features=x[:, :1])
    np.testing.assert_array_equal(flat[0].values, flat[1].values)


def test_a_probe_in_a_recording_is_used():
    g = np.random.default_rng(1)
    v = g.normal(size=(400, 2))
    p = g.normal(size=(400, 2)) + v
    t = np.arange(400.0)
    loud = watch(FeedbackSpiral(method="probe"), t, p, 1.6 * v + 0.5 * g.normal(size=p.shape), nudges=v)
    assert len(loud.alarms) > 300
    assert len(watch(FeedbackSpiral(method="probe"), t, p, g.normal(size=p.shape), nudges=v).alarms) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"times": [3.0, 1.0, 2.0]}, "times go back at row 1, from 3 to 1; sort"),
        ({"times": [0.0, np.nan, 2.0]}, r"times\[1\] is not a finite"),
        ({"times": []}, "times is empty"),
        ({"times": [[0.0, 1.0, 2.0]]}, "one column"),
        ({"times": ["a", "b", "c"]}, "times must be numbers"),
        (
            {"predictions": np.zeros((4, 2))},
            r"predictions must have one row for each of the 3 times, not the shape \(4, 2\)",
        ),
        ({"predictions": np.zeros((3, 0))}, "predictions has no column"),
        ({"predictions": [["x", "y"]] * 3}, "predictions must be numbers"),
        ({"reality": np.zeros((3, 3))}, "reality must have 1 column, or 2 like predictions, not 3"),
        ({"features": np.zeros((2, 1))}, "features must have one row"),
        ({"nudges": np.zeros((3, 5))}, "nudges must have 1 column, or 2"),
        ({"every": 0.0}, "every must be a positive"),
        ({"every": np.nan}, "every must be a positive"),
        ({"reads": ((), (2,))}, "models from 0 to 1"),
        ({"reads": ((),)}, "for each of the 2 models"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    given = {"times": [0.0, 1.0, 2.0], "predictions": np.zeros((3, 2)), "reality": np.zeros(3)} | change
    with pytest.raises(InputError, match=says):
        watch(PredictionCascade(), **given)
