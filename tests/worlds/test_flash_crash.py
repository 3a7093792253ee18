"""The flash crash against its slow twin, against theory, and against itself at half the tick."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.worlds.flash_crash import FlashCrash
from tests.twins.flash_crash import Exchange


def trial(wiring="isolated", *, pace=0.09, begins=300.0, horizon=1800.0, brain=None, **parameters):
    """The shipped set-up; `pace` 0 leaves the seller out."""
    world = FlashCrash(**parameters)
    sells = Shock("sell_program", "world", "set", start=begins, values={"seller": pace})
    return Trial(
        world,
        (brain or Ridge(),),
        wire(wiring, world.traders),
        horizon=horizon,
        stride=5.0,
        schedule=Schedule(every=60.0),
        shocks=(sells,) if pace else (),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m = Streams(seed, [number]), world.traders
    dealt = {"wait": luck.uniform("wait", (1, m))[0].tolist()}
    dealt["start"] = np.stack([luck.normal(name, (1, m))[0] for name in ("trend error", "flow error")], 1).tolist()
    dealt |= {"news": [], "noise": [], "errors": []}
    for tick in range(ticks):
        luck.clock.row = tick
        for name in ("news", "noise"):
            dealt[name].append(float(luck.normal(name, (1,))[0]))
        pair = [luck.noise(name, (1, m))[0].copy() for name in ("trend error", "flow error")]
        dealt["errors"].append(np.stack(pair, 1).tolist())
    return dealt


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared_brain", "shared"])
def test_kernel_equals_its_twin(wiring):
    """On equal noise, through a crash with pauses, to rounding (sums are taken in another order)."""
    set_up = trial(wiring, begins=60.0, horizon=600.0, traders=12, limit=700.0, book=300.0)
    world, brain, seed, number = set_up.world, set_up.brains[0], 5, 3
    outcome = play(set_up, seed, [number])
    twin = Exchange(
        asdict(world),
        noise_of(world, seed, number, set_up.ticks(600.0)),
        asdict(set_up.topology),
        penalty=brain.penalty,
        memory=brain.memory,
        retrain=set_up.ticks(60.0),
        sell_from=set_up.ticks(60.0),
        pace=0.09,
    )
    twin.run(set_up.ticks(600.0))
    assert twin.pauses > 0
    assert len(twin.prices) == 1200
    said = {name: float(outcome.measures[name][0]) for name in world.measures}
    np.testing.assert_allclose(said["price"], 100 * math.exp(twin.price / 1e4), rtol=1e-7)
    for name, value in (
        ("drawdown", twin.drawdown),
        ("loss", twin.loss),
        ("push", twin.pushed),
        ("sold", twin.sold),
        ("pauses", twin.pauses),
        ("depth", twin.depth / world.book),
        ("volume", twin.volume),
        ("position", sum(twin.held)),
    ):
        np.testing.assert_allclose(said[name], value, rtol=1e-6, err_msg=name)
    path = 100 * np.exp(np.array([0.0, *twin.prices])[::10] / 1e4)
    np.testing.assert_allclose(outcome.series["price"][:, 0], path, rtol=1e-6)


@pytest.mark.parametrize("contracts", [-900.0, -90.0, 0.0, 450.0])
def test_impact_is_linear_in_net_orders(contracts):
    """Kyle 1985: the price moves by net orders over depth. Without noise and news, one auction by algebra."""
    world = FlashCrash(traders=3, buyers=0.0, news=1e-12, noise_volume=1e-12, book=450.0)
    luck = Streams(1, range(4))
    state = world.start(luck)
    luck.clock.row = 0
    orders = np.zeros((4, 3))
    orders[:, 0], orders[:, 2] = contracts + 200, -200
    then, feedback = world.step(state, Action(orders), luck)
    np.testing.assert_allclose(then.price, contracts / 450.0, atol=1e-7)
    np.testing.assert_allclose(feedback.outcome, contracts / 450.0 / world.tick * np.ones((4, 3)), atol=1e-6)


def test_no_price_manipulation():
    """Huberman & Stanzl 2004: with linear permanent impact a round trip in an undisturbed book moves the price by nothing."""
    world = FlashCrash(traders=1, buyers=0.0, news=1e-9, noise_volume=1e-12, floor=1.0)  # depth cannot leave
    luck = Streams(1, range(2))
    state = world.start(luck)
    for tick, contracts in enumerate((300.0, 100.0, -150.0, -250.0)):
        luck.clock.row = tick
        state, _ = world.step(state, Action(np.full((2, 1), contracts)), luck)
    np.testing.assert_allclose(state.price, 0.0, atol=1e-6)


@pytest.mark.parametrize(("error", "rho"), [(1.0, 0.5), (2.0, 0.2), (0.0, 1.0)])
def test_views_see_one_market_with_errors_of_their_own(error, rho):
    """Two views of a calm trend correlate by 1 / (1 + error^2): unit variance of the trend, independent errors."""
    world = FlashCrash(traders=2, error=error, buyers=0.0, noise_volume=1e-9, limit=0.0)
    r, luck = 4000, Streams(2, range(4000))
    state = world.start(luck)
    nothing = Action(np.zeros((r, 2)))
    for tick in range(120):  # six memories of the trend
        luck.clock.row = tick
        state, _ = world.step(state, nothing, luck)
    x = world.observe(state)[..., 0]
    found = np.corrcoef(x[:, 0], x[:, 1])[0, 1]
    assert abs(found - rho) < 4 * (1 - rho**2) / math.sqrt(r) + 1e-9
    # an average with memory h lags a random walk by an Ornstein-Uhlenbeck gap of variance h/2; sampled each tick, (1-k)^2 / (1-(1-k)^2)
    keep = math.exp(-world.tick / world.horizon)
    gap = keep**2 * world.tick / (1 - keep**2) / (world.horizon / 2)
    assert abs(x[:, 0].var() - (gap + error**2)) < 4 * (gap + error**2) * math.sqrt(2 / r)


def test_calm_returns_have_no_linear_autocorrelation():
    """A stylised fact (Cont 2001): in calm, without listeners, returns of 5 s are not autocorrelated."""
    quiet = replace(trial(pace=0.0, horizon=900.0, traders=4), closed=False)
    prices = np.log(play(quiet, 3, range(48)).series["price"].astype(float))
    returns = np.diff(prices, axis=0)
    first, second = returns[:-1].ravel(), returns[1:].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / math.sqrt(first.size)


def test_inventories_halve_in_the_published_time():
    """Kirilenko et al. 2017: about 2 minutes. Traders without a forecast unwind by half in each half-life."""
    world = FlashCrash(traders=16)
    luck = Streams(4, range(2))
    state = world.start(luck)
    state.held[:], state.wait[:], state.due[:] = 100.0, 0.0, 1.0
    for tick in range(round(2 * 120 / world.tick)):
        luck.clock.row = tick
        state, _ = world.step(state, Action(world.fallback(state, luck)), luck)
    np.testing.assert_allclose(state.held, 25.0, rtol=1e-9)


def test_the_seller_follows_volume_and_stops():
    """9% of the last minute's volume: of a constant volume v, v = noise + seller, so it sells noise * .09/.91 a second."""
    steady = {"buyers": 0.0, "news": 1e-6, "trade_size": 1e-12, "floor": 1.0, "traders": 1, "limit": 0.0}
    world = FlashCrash(seller=0.09, program=12_000.0, **steady)
    luck = Streams(1, range(1))
    state = world.start(luck)
    sold = [0.0]
    for tick in range(1600):
        luck.clock.row = tick
        state, _ = world.step(state, Action(np.zeros((1, 1))), luck)
        sold.append(float(state.total.sold[0]))
    assert sold[1201] - sold[1200] == pytest.approx(world.noise_volume * world.tick * 0.09 / 0.91, rel=1e-3)
    assert sold[-1] <= 12_000.0
    assert all(b >= a for a, b in pairwise(sold))


def test_the_stop_pauses_trade_for_five_seconds():
    """A fall of over 6 points below the trend: no price, no fills and no cooldown for 5 s; 0 s disables it."""
    world = FlashCrash(traders=1, news=1e-9, noise_volume=1e-12, buyers=0.0, floor=1.0)
    for on in (world, replace(world, stop_pause=0.0)):
        luck = Streams(1, range(1))
        state = on.start(luck)
        held = []
        for tick in range(12):
            luck.clock.row = tick
            order = -60.0 * on.book if tick == 0 else 1.0
            state, _ = on.step(state, Action(np.full((1, 1), order)), luck)
            held.append(float(state.held[0, 0]))
        waits = sum(b == a for a, b in pairwise(held))
        assert (waits, state.total.pauses[0]) == ((10, 1.0) if on.stop_pause else (0, 0.0))


def test_nothing_crashes_where_nobody_sells():
    calm = play(trial("shared", pace=0.0, horizon=900.0), 9, range(16)).measures
    assert calm["drawdown"].max() < 0.03
    assert calm["pauses"].sum() == 0


def test_half_the_tick_moves_no_claimed_measure():
    """Refinement: means at ticks of 0.5 s and 0.25 s agree within four standard errors (`memory` counts ticks, so it doubles)."""
    n = 48
    whole = play(trial(traders=16, limit=560.0), 21, range(n)).measures
    half = play(trial(traders=16, limit=560.0, step_time=0.25, brain=Ridge(memory=2400.0)), 22, range(n)).measures
    for name in ("drawdown", "loss", "sold", "thinnest", "pauses"):
        error = math.sqrt((whole[name].var() + half[name].var()) / n)
        assert abs(whole[name].mean() - half[name].mean()) < 4 * error, name


def test_a_tick_too_long_is_refused():
    with pytest.raises(ParameterError, match="flee"):
        FlashCrash(flee=0.1)
