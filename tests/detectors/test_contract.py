"""What holds of every detector: shapes, the same bits at any cohort size, no alarm from nothing, no exception from anything."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import simlab.detectors
from simlab.base.errors import ParameterError
from simlab.detectors import DriftAcceleration, FeedbackSpiral, ModelCorrelation, PredictionCascade
from simlab.detectors.detector import held, rest, slide, sliding
from tests.detectors.recordings import frames, played

EVERY = [
    FeedbackSpiral(window=12, least=6),
    FeedbackSpiral(window=12, least=6, method="probe"),
    FeedbackSpiral(window=12, least=6, method="passive"),
    ModelCorrelation(window=12, least=5),
    ModelCorrelation(window=12, least=5, of="errors"),
    DriftAcceleration(window=12, recent=6),
    DriftAcceleration(window=12, recent=6, method="psi", bins=4),
    DriftAcceleration(window=12, recent=6, method="ks", bins=4),
    DriftAcceleration(window=12, recent=6, method="adwin"),
    PredictionCascade(window=12, least=5),
]
CHAIN = ((), (0,), (1,), (0, 2))


def world(r=5, t=63, m=4, a=1, f=2, s=9, seed=0):
    """Something of everything: a probe in some replications, unknown answers, a runaway, infinities, a constant model."""
    g = np.random.default_rng(seed)
    p, y = np.cumsum(g.normal(size=(2, t, r, m, a)), axis=1)
    v = np.where(g.uniform(size=(t, r, m)) < 0.5, g.normal(size=(t, r, m)), 0.0)
    v[:, 1::2] = 0.0
    v[:40, 2] = 0.0
    p[..., 0] += v
    y[g.uniform(size=y.shape) < 0.1] = np.nan
    y[10:20, 0] = np.nan
    p[:, 1, min(2, m - 1)] = 7.0
    p[50:60, 2, min(1, m - 1)] *= 10.0 ** np.arange(0, 200, 20)[:, None]
    p[30, 3] = np.inf
    p[33, 3, 0] = np.nan
    p[55:, 4] = 1e300
    x = g.normal(size=(t, r, s, f))
    x[40:, :, :, :1] += 3.0
    x[20, 0], x[21, 1, 3] = np.inf, np.nan
    x[:, 2] = 4.0
    x[:, 4] *= 1e200
    return p, y, x, v


@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize(("m", "a", "f"), [(4, 1, 2), (4, 3, 0), (11, 1, 1), (1, 1, 0)])
@pytest.mark.parametrize(
    "detector", EVERY, ids=lambda d: f"{type(d).__name__}-{getattr(d, 'method', getattr(d, 'of', ''))}"
)
def test_the_bits_do_not_depend_on_the_cohort(detector, m, a, f, rows):
    p, y, x, v = world(t=63 if rows == 1 else 189, m=m, a=a, f=f)
    reads = CHAIN + ((3,),) * (m - 4) if m >= 4 else ()
    value, seed, _ = played(detector, frames(p, y, x, v, rows), reads)
    assert value.shape == seed.shape == (len(p) // rows, p.shape[1])
    assert np.isfinite(value).any() or m == 1 or (a, getattr(detector, "of", "")) == (1, "errors")
    for some in ([0], [2], [4, 3, 1]):
        again = played(detector, frames(*(z[:, some] for z in (p, y, x, v)), rows), reads)
        np.testing.assert_array_equal(again[0], value[:, some])
        np.testing.assert_array_equal(again[1], seed[:, some])


@pytest.mark.parametrize("detector", EVERY, ids=repr)
def test_nothing_known_is_no_alarm(detector):
    """Neither where all is NaN nor before there are enough samples, nor where nothing ever changes."""
    for fill in (np.nan, 3.0):
        p, y, x = np.full((60, 2, 4), fill), np.full((60, 2, 4), fill), np.full((60, 2, 5, 1), fill)
        value, seed, _ = played(detector, frames(p, y, x), CHAIN)
        assert not (value > detector.limit).any()
        if not isinstance(detector, PredictionCascade):
            assert not (seed > detector.seed_threshold).any()
    value, _, _ = played(detector, frames(*world()[:3])[:4], CHAIN)
    assert np.isnan(value).all()


def test_sums_slide_without_a_trace():
    """Against adding up the last scrapes; what was infinite, or large enough to swallow the rest, is gone when it has left."""
    g = np.random.default_rng(1)
    x = g.normal(size=(200, 3, 2))
    x[50], x[90, 1] = 1e300, np.inf
    sums = sliding(17, 3, 2)
    for t in range(200):
        total = slide(sums, x[t])
        np.testing.assert_allclose(total, x[max(t - 16, 0) : t + 1].sum(axis=0), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(held(sums), total, rtol=1e-12, atol=1e-14)


def test_resting_is_sliding_with_nothing():
    slid, rested = sliding(5, 1), sliding(5, 1)
    quiet = 0
    for t in range(60):
        if t % 23 < 4:
            quiet = 0
            slide(slid, np.array([float(t)])), slide(rested, np.array([float(t)]))
        else:
            quiet += 1
            slide(slid, 0.0), rest(rested, quiet)
        assert held(slid) == held(rested)
        assert slid.at == rested.at


def test_every_public_name_resolves_and_the_import_is_light():
    for name in simlab.detectors.__all__:
        assert getattr(simlab.detectors, name) is not None
    with pytest.raises(AttributeError, match="it has Detector, DriftAcceleration"):
        simlab.detectors.FeedbackSpirals  # noqa: B018
    code = "import sys; from simlab.detectors import *; print({'river', 'scipy.stats', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_parameters_are_checked():
    with pytest.raises(ParameterError, match="did you mean `probe`"):
        FeedbackSpiral(method="prob")
    with pytest.raises(ParameterError, match="window must be at least 3"):
        ModelCorrelation(window=2)
