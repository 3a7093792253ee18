"""Depth, and how errors grow along chains of models."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.detectors import PredictionCascade, chain_gain, depth, upstream
from simlab.detectors.prediction_cascade import ordered_edges
from tests.detectors.recordings import frames, played

CHAIN = ((), (0,), (1,), (2,))


def chain(g, t, r, m=4, seed=0):
    """e_1 = n_1, e_i = g e_(i-1) + n_i, as errors of predictions about a reality of 10."""
    noise = np.random.default_rng(seed).normal(size=(t, r, m))
    error = [noise[..., 0]]
    for i in range(1, m):
        error.append(g * error[-1] + noise[..., i])
    error = np.stack(error, axis=-1)
    return 10.0 - error, np.full(error.shape, 10.0), error


@pytest.mark.parametrize("g", [0.5, 1.0, 1.3])
def test_the_variance_at_the_end_of_a_chain(g):
    """(g^2L - 1) / (g^2 - 1), against 20,000 chains of 6."""
    error = chain(g, 200, 100, m=6)[2][..., -1]
    assert abs(error.var() / chain_gain(g, 6) - 1) < 4 * np.sqrt(2 / 20_000)
    if g != 1:
        assert chain_gain(g, 6) == pytest.approx((g**12 - 1) / (g**2 - 1))
    assert chain_gain([1.0, -1.0], 6).tolist() == [6, 6]


@pytest.mark.parametrize("g", [0.5, 1.3])
def test_it_finds_the_gain_of_each_edge_and_of_the_path(g):
    """Slopes of 200 windows within four standard errors; those are 1 / sqrt(n var u) by algebra. The path's gain is g^3 or g."""
    p, y, _ = chain(g, 60, 200)
    detector = PredictionCascade(sigmas=0)
    value, seed, state = played(detector, frames(p, y), CHAIN)
    gains = detector.gains(state)
    assert gains.slope.shape == (200, 3)
    for i in range(3):
        spread = 1 / np.sqrt(60 * chain_gain(g, i + 1))
        assert abs(gains.slope[:, i].mean() - g) < 4 * spread / np.sqrt(200)
        assert abs(gains.error[:, i].mean() / spread - 1) < 0.1
    path = np.abs(gains.slope)
    best = np.max([path[:, i : j + 1].prod(axis=1) for i in range(3) for j in range(i, 3)], axis=0)
    np.testing.assert_allclose(value[-1], best, rtol=1e-12)
    assert (seed == 6).all()  # 0 + 1 + 2 + 3 upstream models


def test_an_alarm_is_a_gain_above_one_beyond_noise():
    """A chain of three gains of 1.3 alarms in nine of ten windows, one of 1 in next to none, though half of its slopes are above 1."""
    detector = PredictionCascade()
    for g, low, high in ((1.3, 0.9, 1.0), (1.0, 0.0, 0.01), (0.5, 0.0, 0.0)):
        p, y, _ = chain(g, 60, 500, seed=1)
        share = (played(detector, frames(p, y), CHAIN)[0][-1] > detector.limit).mean()
        assert low <= share <= high


def test_the_largest_path_of_a_graph():
    """Against all paths, one by one, in a graph with branches: the product of the slopes, with its standard error."""
    reads = ((), (), (0, 1), (2,), (2, 0), (3, 4))
    g = np.random.default_rng(2)
    error = g.normal(size=(80, 4, 6))
    for i, up in enumerate(reads):
        for u in up:
            error[..., i] += g.normal(1.0, 0.4) * error[..., u]
    detector = PredictionCascade(window=80, sigmas=2)
    value, seed, _ = played(detector, frames(-error, np.zeros_like(error)), reads)
    for r in range(4):
        e = error[:, r]
        slope, noise = {}, {}
        for i, up in enumerate(reads):
            for u in up:
                x = np.column_stack([e[:, u], np.ones(80)])
                (b, _), rest, _, _ = np.linalg.lstsq(x, e[:, i])
                slope[u, i] = abs(b)
                noise[u, i] = rest[0] / 78 * np.linalg.inv(x.T @ x)[0, 0] / b**2

        def paths(model, reads=reads):
            for u in reads[model]:
                yield [(u, model)]
                yield from ([*path, (u, model)] for path in paths(u))

        every = [path for model in range(6) for path in paths(model)]
        bound = {
            tuple(path): np.prod([slope[k] for k in path]) * (1 - 2 * np.sqrt(sum(noise[k] for k in path)))
            for path in every
        }
        steepest = max(every, key=lambda path: np.prod([slope[k] for k in path]))
        assert bound[tuple(steepest)] * (1 - 1e-9) <= value[-1, r] <= max(bound.values()) * (1 + 1e-9)
    assert (seed == 0 + 0 + 2 + 3 + 3 + 5).all()


def test_depth_and_upstream():
    assert depth(CHAIN) == 3
    assert depth(((), (), ())) == 0
    assert depth(((), (0,), (0, 1), (0,))) == 2
    assert upstream(CHAIN, 3) == {0, 1, 2}
    assert upstream(CHAIN, 0) == set()


def test_circles_are_left_out_of_paths():
    """0 <- 2 <- 1 <- 0: one edge less is a chain; who stands in a circle depends on itself too."""
    circle = ((2,), (0,), (1,))
    assert len(ordered_edges(circle)) == 2
    assert depth(circle) == 2
    assert upstream(circle, 0) == {0, 1, 2}
    p, y, _ = chain(1.0, 60, 2, m=3)
    value, seed, _ = played(PredictionCascade(), frames(p, y), circle)
    assert np.isfinite(value[-1]).all()
    assert (seed == 9).all()
    assert ordered_edges(((0,),)) == []


def test_a_thousand_models_in_a_row():
    """No recursion: the depth of a long chain is its length less one."""
    assert depth(((), *((i,) for i in range(2999)))) == 2999


def test_without_reads_there_is_nothing_to_tell():
    p, y, _ = chain(1.3, 60, 2)
    value, seed, _ = played(PredictionCascade(), frames(p, y))
    assert np.isnan(value).all()
    assert (seed == 0).all()
    value, seed, _ = played(PredictionCascade(), frames(p, y), ((), (-1,), (-1,), (0,)))
    assert (seed == 1).all()


def test_reads_that_do_not_fit_are_refused():
    p, y, _ = chain(1.3, 1, 1)
    with pytest.raises(InputError, match="for each of the 4 models, models from 0 to 3"):
        played(PredictionCascade(), frames(p, y), ((), (0,), (1,), (4,)))
