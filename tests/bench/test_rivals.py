"""Nobody is compared with a rival that plays another world: dealt the kernel's numbers, each ends where the kernel does."""

from __future__ import annotations

import importlib
import shutil

import numpy as np
import pytest

from tests.bench import auction, engine, learning, queues, reference

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.mark.parametrize("name", [pytest.param("C", marks=needs_cc), "numba", "Mesa", "AgentPy", "mesa-frames"])
def test_the_reference_world_is_the_same(name):
    library = {"Mesa": "mesa", "AgentPy": "agentpy", "mesa-frames": "mesa_frames", "numba": "numba"}.get(name)
    if library:
        pytest.importorskip(library)
    town = importlib.import_module(f"tests.bench.rivals.{reference.MODULES[name]}").Town
    reference.check(name, town)
    other = reference.parameters(reference.trial(1))._replace(markets=3, agents=10, response=0.5)
    with pytest.raises(AssertionError, match="another world"):
        reference.check(name, lambda _, dealt: town(other, dealt))


@needs_cc
def test_normals_of_the_limit_are_normal():
    """Mean, variance and fourth moment of what the C limit draws, seen through its loss: acts on beliefs alone."""
    plain = reference.parameters(reference.trial(1))._replace(
        trust=0.0, base=0.0, context=0.0, response=1.0, cross=0.0, noise=0.0, agents=1000, markets=16
    )
    town = importlib.import_module("tests.bench.rivals.with_c").Town(plain, None, 4)
    theta = np.array(town.play(500))  # mean act, over 4 x 16,000 agents
    draws = 4 * 16_000
    assert abs(theta.mean()) < 4 / np.sqrt(draws * 500)
    assert abs(theta.std() * np.sqrt(draws) - 1) < 4 / np.sqrt(2 * 500)
    assert abs(town.loss / (4 * 500) - 1) < 4 * np.sqrt(2 / (draws * 500))


@pytest.mark.parametrize("one_queue", [False, True])
def test_customers_leave_when_they_leave_in_simpy(monkeypatch, one_queue):
    monkeypatch.setattr(queues, "ROWS", 2)
    monkeypatch.setattr(queues, "CUSTOMERS", 200)
    day = queues.day(4, one_queue=one_queue)
    leaves = queues.kernel(day)
    np.testing.assert_allclose(queues.in_simpy(day), leaves[0], rtol=1e-9)
    if shutil.which("cc"):
        np.testing.assert_allclose(queues.in_c(day), leaves, rtol=1e-9)


@pytest.mark.parametrize("whole", [False, True])
def test_every_book_trades_what_the_auction_trades(whole):
    pytest.importorskip("sortedcontainers")
    o = auction.orders(3, 150)
    volume = (auction.pieces if whole else auction.sized)(o)
    if shutil.which("cc"):
        np.testing.assert_allclose(auction.in_c(o, whole=whole), volume, rtol=1e-12)
    told = auction.messages(o, whole=whole)
    called = [work(told) for work in (auction.in_heaps, auction.in_sorted_dicts, auction.in_simpy)]
    np.testing.assert_allclose(called, volume[0], rtol=1e-9)
    continuous = [work(told, continuous=True) for work in (auction.in_heaps, auction.in_sorted_dicts)]
    assert continuous[0] == pytest.approx(continuous[1], rel=1e-9)
    assert (
        continuous[0] > 1.1 * volume[0]
    )  # another market: who comes first trades at once, and is in nobody's way later


def test_every_refit_learns_what_the_kept_sums_know():
    x, y = learning.cases(3, 2)
    weights = learning.kept(x, y)()
    np.testing.assert_allclose(learning.batched(x, y)(), weights, rtol=1e-6)
    for i, model in np.ndindex(weights.shape[:2]):
        for fit in learning.REFITS.values():
            np.testing.assert_allclose(fit(x[:, i, model, 0], y[:, i, model, 0]), weights[i, model], rtol=1e-6)


def test_conducting_changes_no_bit():
    trial, rows = reference.trial(12, models=4, agents=10), range(5)
    expected = engine.conducted(trial, rows)
    np.testing.assert_array_equal(engine.bare(trial, rows), expected)
    np.testing.assert_array_equal(engine.apart(trial, rows), expected)


@needs_cc
def test_the_limit_leaves_the_arithmetic_of_the_process_alone():
    importlib.import_module("tests.bench.rivals.with_c").library("limit")
    assert np.nextafter(0.0, 1.0) * 1.0 > 0  # denormal numbers are still numbers
