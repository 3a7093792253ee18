"""Pricing algorithms against their slow twin, and against the algebra of logit competition."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.brains.q_table import QTable
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load, shipped
from simlab.worlds.pricing_collusion import PricingCollusion, benchmarks
from tests.twins.pricing_collusion import Shops


def trial(wiring="isolated", *, brain=None, ticks=100, warmup=0, stride=1, shocks=(), closed=True, **parameters):
    """Sellers of one market; shocks as (start, duration, values), in periods."""
    world = PricingCollusion(**({"prices": 5, "window": 20} | parameters))
    return Trial(
        world,
        (brain or QTable(decay=0.01, initial=(5.0,)),),
        wire(wiring, world.sellers).canonical(world.spec),
        horizon=float(ticks),
        stride=float(stride),
        warmup=float(warmup),
        shocks=tuple(Shock(f"change {i}", "world", "set", a, d, values=v) for i, (a, d, v) in enumerate(shocks)),
        closed=closed,
    )


def noise_of(world, seed, number, ticks, *, spread=0.0):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m, spec = Streams(seed, [number]), world.sellers, world.spec
    own = luck.named("brain")
    shape = (1, m, spec.states, spec.choices)
    return {
        "first prices": luck.uniform("first prices", (1, m))[0].tolist(),
        "initial": (own.uniform("initial", shape) if spread else np.zeros(shape))[0].tolist(),
        "explore": [_at(own, tick).uniform("explore", (1, m))[0].tolist() for tick in range(ticks)],
    }


def _at(luck, tick):
    luck.clock.row = tick
    return luck


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go; ticks count from the warm-up on."""
    warm, brain = set_up.ticks(set_up.warmup), set_up.brains[0]
    return Shops(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks, spread=brain.spread),
        asdict(set_up.topology),
        asdict(brain),
        changes=[(warm + int(s.start), warm + int(s.start + min(s.duration, 1e9)), s.values) for s in set_up.shocks],
        begins=warm,
    )


QUICK = QTable(rate=0.3, decay=0.05, initial=(5.0,), patience=15)


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"brain": QUICK, "warmup": 60, "shocks": ((5, 1, {"deviates": 1.0}),)}),
        ("shared_brain", {"brain": QUICK, "shocks": ((30, 20, {"cap": 1.7}), (60, 1e9, {"cost": 1.1}))}),
        ("shared", {"brain": replace(QUICK, spread=0.5, initial=(5.0, 5.2, 5.4, 5.3, 5.1))}),
        ("feature_store", {"brain": replace(QUICK, discount=0.5, initial=(0.5,))}),
        ("isolated", {"memory": 0, "prices": 15, "brain": replace(QUICK, spread=0.1)}),
        ("bulkheads(2)", {"sellers": 3, "prices": 3, "outside": 0.5, "brain": replace(QUICK, spread=0.2)}),
        ("shared_brain", {"sellers": 3, "prices": 3, "brain": replace(QUICK, spread=0.2)}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, period by period, to rounding."""
    set_up = trial(wiring, **given)
    seed, number, ticks, warm = 7, 3, 100, int(set_up.warmup)
    outcome = play(set_up, seed, [number])
    twin, path = twin_of(set_up, seed, number, ticks + warm), []
    for tick in range(warm + 1, warm + ticks + 1):
        twin.run(tick)
        now = twin.list[twin.charged[0]], twin.list[twin.charged[1]]
        away = now[0] - twin.usually[0], now[1] - twin.usually[1], twin.lowest - twin.usually[1]
        path.append((twin.gain, twin.price, twin.lost / (tick - warm), *now, *away))
    for i, name in enumerate(
        ("gain", "price", "loss", "first_price", "second_price", "first_away", "second_away", "dip")
    ):
        expected = [row[i] for row in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=2e-6, atol=1e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-9, abs=1e-9, nan_ok=True), name
    assert outcome.measures["settled"][0] == pytest.approx(twin.settled, nan_ok=True)


def profits(prices, *, quality=2.0, outside=0.0, mu=0.25, cost=1.0):
    """Logit profits, straight from the paper."""
    pull = [math.exp((quality - p) / mu) for p in prices]
    return [(p - cost) * one / (sum(pull) + math.exp(outside / mu)) for p, one in zip(prices, pull, strict=True)]


def test_the_published_benchmarks():
    """About 1.473 and 1.925 (Calvano 2020), to the last digit told."""
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    assert nash == pytest.approx(1.473, abs=5e-4)
    assert monopoly == pytest.approx(1.925, abs=5e-4)


@pytest.mark.parametrize("sellers", [2, 3, 4])
@pytest.mark.parametrize(("mu", "cost", "outside"), [(0.25, 1.0, 0.0), (0.1, 0.5, -1.0), (1.0, 1.5, 1.0)])
def test_nobody_gains_by_moving_alone_from_one_benchmark_or_together_from_the_other(sellers, mu, cost, outside):
    """The best of a fine grid about each is the benchmark itself."""
    nash, monopoly = benchmarks(sellers, 2.0, outside, mu, cost)
    steps = np.linspace(-0.2, 0.2, 401) * mu
    rest = {"mu": mu, "cost": cost, "outside": outside}
    alone = [profits([nash + s, *[nash] * (sellers - 1)], **rest)[0] for s in steps]
    together = [profits([monopoly + s] * sellers, **rest)[0] for s in steps]
    assert steps[np.argmax(alone)] == pytest.approx(0, abs=1e-12)
    assert steps[np.argmax(together)] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("prices", [7, 15])
def test_best_one_shot_replies_end_in_equilibria_of_the_list(prices):
    """Nobody listens, so each charges what is best against what the other charged: soon only prices that are best against themselves."""
    found = play(trial(ticks=40, prices=prices, closed=False), 1, range(60)).series
    world = PricingCollusion(prices=prices)
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    listed = np.linspace(nash - 0.1 * (monopoly - nash), monopoly + 0.1 * (monopoly - nash), world.prices)
    reply = [int(np.argmax([profits([p, q])[0] for p in listed])) for q in listed]
    still = [i for i in range(prices) if reply[i] == i]
    for name in ("first_price", "second_price"):
        last = np.abs(found[name][-1][:, None] - listed).argmin(axis=1)
        assert set(last) <= set(still), name
        np.testing.assert_allclose(found[name][-1], found[name][-3])


@pytest.mark.parametrize(("cap", "index"), [(1.43, 0), (1.5, 0), (1.55, 1)])
def test_where_the_law_leaves_one_price_its_profit_is_the_gain(cap, index):
    """With the lowest alone, (profit - profit_N) / (profit_M - profit_N) at that price, to rounding, whatever is learnt."""
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    low = nash - 0.1 * (monopoly - nash)
    step = 1.2 * (monopoly - nash) / 6
    found = play(trial(prices=7, cap=cap, window=1, ticks=60), 3, range(8))
    top = low + index * step
    assert (found.series["first_price"] <= top + 1e-6)[1:].all()
    if index == 0:
        at, n, m = (profits([p, p])[0] for p in (low, nash, monopoly))
        np.testing.assert_allclose(found.measures["gain"], (at - n) / (m - n), rtol=1e-9)


def test_what_consumers_lose_is_the_fall_of_their_surplus():
    """mu ln(sum exp((a - p)/mu) + 1) at p_N less at the prices charged, with one price left; its slope is demand (Small & Rosen 1981)."""
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    low = nash - 0.1 * (monopoly - nash)
    found = play(trial(prices=7, cap=1.43, ticks=20), 3, range(3)).measures["loss"]
    grid = np.linspace(nash, low, 20_001)
    demand = 2 / (2 + np.exp((grid - 2) / 0.25))
    area = ((demand[1:] + demand[:-1]) / 2 * np.diff(grid)).sum()
    np.testing.assert_allclose(found, area, rtol=1e-6)


def test_a_table_of_ones_own_does_not_care_how_states_are_named():
    """One view for both renames the second seller's states one to one, so with tables of their own nothing changes, to the bit."""
    brain = QTable(decay=0.005, initial=(5.0,))
    own, one = (
        play(trial(wiring, brain=brain, ticks=400, prices=7, stride=4), 5, range(4))
        for wiring in ("isolated", "feature_store")
    )
    for name in ("gain", "first_price", "second_price", "settled"):
        np.testing.assert_array_equal(own.series[name], one.series[name], err_msg=name)


def test_sellers_are_alike():
    """Neither is favoured: the mean of first less second over sessions is 0, within four standard errors."""
    found = play(trial(brain=QTable(decay=0.002, initial=(5.5,)), ticks=900, prices=7, stride=50), 6, range(150)).series
    gap = (found["first_price"] - found["second_price"])[4:].mean(axis=0)
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap))


def test_prices_at_random_bring_what_they_should():
    """While all is tried, each pair of prices is as likely: mean gain and price are plain averages, within 4 standard errors."""
    found = play(
        trial(brain=QTable(decay=0.0, initial=(5.0,)), ticks=400, window=400, prices=15), 8, range(100)
    ).measures
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    listed = np.linspace(nash - 0.1 * (monopoly - nash), monopoly + 0.1 * (monopoly - nash), 15)
    n, m = (profits([p, p])[0] for p in (nash, monopoly))
    expected = (np.mean([profits([p, q])[0] for p in listed for q in listed]) - n) / (m - n)
    for name, value in (("gain", expected), ("price", listed.mean())):
        error = found[name].std() / math.sqrt(100)
        assert abs(found[name].mean() - value) < 4 * error, name


def test_who_is_made_to_undercut_charges_the_best_one_shot_reply():
    found = play(trial(prices=7, ticks=12, shocks=((6, 1, {"deviates": 1.0}),)), 9, range(30)).series
    plain = play(trial(prices=7, ticks=12), 9, range(30)).series
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    listed = np.linspace(nash - 0.1 * (monopoly - nash), monopoly + 0.1 * (monopoly - nash), 7)
    for rival, charged in zip(found["second_price"][6], found["first_price"][7], strict=True):
        best = listed[int(np.argmax([profits([p, rival])[0] for p in listed]))]
        assert charged == pytest.approx(best, abs=1e-5)
    np.testing.assert_array_equal(found["first_price"][:7], plain["first_price"][:7])
    np.testing.assert_array_equal(found["second_price"][:8], plain["second_price"][:8])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"sellers": 1}, "at least 2"),
        ({"sellers": 4, "prices": 30}, "situations"),
        ({"cap": 1.2}, "at least the lowest price"),
        ({"mu": 0.0}, "above 0"),
        ({"memory": 2}, "at most 1"),
        ({"quality": -20.0}, "nobody buys"),
    ],
)
def test_refuses_what_makes_no_market(given, match):
    with pytest.raises(ParameterError, match=match):
        PricingCollusion(**given)


@pytest.mark.parametrize("name", [name for name in shipped() if name.startswith("pricing_collusion")])
def test_shipped_tables_begin_where_the_paper_says(name):
    """sum_j profit(i, j) / k / (1 - discount), in every arm, to the digits written down."""
    for arm in load(name).arms:
        world, brain = arm.trial.world, arm.trial.brains[0]
        if brain.spread:
            continue
        nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
        listed = np.linspace(nash - 0.1 * (monopoly - nash), monopoly + 0.1 * (monopoly - nash), world.prices)
        expected = [np.mean([profits([p, q])[0] for q in listed]) / (1 - brain.discount) for p in listed]
        np.testing.assert_allclose(brain.initial, expected, atol=6e-5)


def test_the_shipped_claims_point_at_the_algebra():
    """The list of seven: equilibria of one period at gains of -.17 and .16, at most .987, and .707 at the cap."""
    nash, monopoly = benchmarks(2, 2.0, 0.0, 0.25, 1.0)
    listed = np.linspace(nash - 0.1 * (monopoly - nash), monopoly + 0.1 * (monopoly - nash), 7)
    n, m = (profits([p, p])[0] for p in (nash, monopoly))
    gains = [(profits([p, p])[0] - n) / (m - n) for p in listed]
    assert [round(g, 2) for g in gains[:2]] == [-0.17, 0.16]
    assert max(gains) == pytest.approx(0.987, abs=5e-4)
    assert gains[3] == pytest.approx(0.707, abs=5e-4)
    assert listed[3] < 1.7 < listed[4]
    assert [int(np.argmax([profits([p, q])[0] for p in listed])) for q in listed[:2]] == [0, 1]
