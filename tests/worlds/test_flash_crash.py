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
from simlab.worlds.flash_crash import CALM, FlashCrash
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
    luck, m, errors = Streams(seed, [number]), world.traders, ("trend error", "flow error")
    dealt = {"wait": luck.uniform("wait", (1, m))[0].tolist()}
    dealt["start"] = np.stack([luck.normal(name, (1, m))[0] for name in errors], 1).tolist()
    dealt["first"] = [float(luck.normal(f"common {name}", (1,))[0]) for name in errors]
    dealt |= {"news": [], "noise": [], "errors": [], "common": []}
    for tick in range(ticks):
        luck.clock.row = tick
        for name in ("news", "noise"):
            dealt[name].append(float(luck.normal(name, (1,))[0]))
        pair = [luck.noise(name, (1, m))[0].copy() for name in errors]
        dealt["errors"].append(np.stack(pair, 1).tolist())
        dealt["common"].append([float(luck.normal(f"common {name}", (1,))[0]) for name in errors])
    return dealt


def twin_of(trial, seed, number, ticks):
    """The twin of one replication, ready to go."""
    brain, sells = trial.brains[0], trial.shocks[0]
    return Exchange(
        asdict(trial.world),
        noise_of(trial.world, seed, number, ticks),
        asdict(trial.topology),
        penalty=brain.penalty,
        memory=brain.memory,
        retrain=trial.ticks(trial.schedule.every),
        sell_from=trial.ticks(sells.start),
        pace=sells.values["seller"],
    )


@pytest.mark.parametrize(
    ("wiring", "more"),
    [
        ("isolated", {}),
        ("feature_store", {}),
        ("shared_brain", {"alike": 0.4}),
        ("shared", {"fast": 0.5, "limit": 700.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, more):
    """On equal noise, through a crash with pauses, to rounding (sums are taken in another order)."""
    set_up = trial(wiring, begins=60.0, horizon=500.0, **{"traders": 12, "limit": 250.0, "book": 25.0} | more)
    world, seed, number = set_up.world, 5, 3
    outcome, twin = play(set_up, seed, [number]), twin_of(set_up, seed, number, 1000)
    twin.run(1000)
    assert twin.pauses > 0
    assert len(twin.path) == 1001
    said = {name: float(outcome.measures[name][0]) for name in world.measures}
    worst = twin.worst
    for name, value in (
        ("price", 100 * math.exp(twin.price / 1e4)),
        ("drawdown", 1 - math.exp(-twin.drawdown / 1e4)),
        ("regained", (twin.price - twin.low) / twin.drawdown),
        ("loss", twin.loss),
        ("sold", twin.sold),
        ("pauses", twin.pauses),
        ("thinnest", twin.thinnest),
        ("volume", twin.volume),
        ("position", sum(twin.held)),
        ("plunge", 1 - math.exp(worst[0] / 1e4)),
        ("rush_volume", worst[1] / 15),
        ("rush_share", worst[2] / worst[1] / 2),
        ("rush_net", worst[3]),
    ):
        np.testing.assert_allclose(said[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
    path = 100 * np.exp(np.array([at[0] for at in twin.path])[::10] / 1e4)
    np.testing.assert_allclose(outcome.series["price"][:, 0], path, rtol=1e-6)


QUIET = {"buyers": 0.0, "news": 1e-9, "noise_volume": 1e-12, "quoted": 1e-9}


def auctions(world, *orders):
    """The states after auctions of these net orders, in contracts, one a tick, all from one trader."""
    luck = Streams(1, range(2))
    state, states = world.start(luck), []
    for tick, contracts in enumerate(orders):
        luck.clock.row = tick
        state, feedback = world.step(state, Action(np.full((2, world.traders), contracts / world.traders)), luck)
        states.append((state.price.copy(), feedback.outcome.copy()))
    return states


@pytest.mark.parametrize("distance", [2.2, 8.8, 22.0, 55.0, 121.0, 253.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_impact_of_one_order_follows_the_depth(distance, sign):
    """Toth et al. 2011: with density a + b y at distance y an order of a y + b y^2 / 2 moves the price by y: linear, then a square root."""
    world = FlashCrash(traders=3, **QUIET)
    steeper = 2 * (world.deep - world.book * 253) / 253**2
    contracts = world.book * distance + steeper * distance**2 / 2
    [(price, outcome)] = auctions(world, sign * contracts)
    np.testing.assert_allclose(price, sign * distance, rtol=1e-6)
    np.testing.assert_allclose(outcome, sign * distance / world.tick, rtol=1e-6)


def test_a_round_trip_in_small_orders_moves_the_price_by_nothing():
    """Huberman & Stanzl 2004: near the price impact is linear and permanent, so no trips pay; the book lost 0.1% a hundred contracts."""
    world = FlashCrash(traders=1, **QUIET)
    price, _ = auctions(world, 100.0, 60.0, -70.0, -90.0)[-1]
    np.testing.assert_allclose(price, 0.0, atol=0.003 * 160 / world.book)


def test_traders_catch_their_part_until_they_are_full():
    """Of small sells they buy `quoted` as long as there is room; room falls with what they hold, so never more than `limit` each."""
    world = FlashCrash(traders=4, limit=50.0, buyers=0.0, news=1e-9, noise_volume=1e-12, half_life=1e9)
    luck = Streams(1, range(2))
    state = world.start(luck)
    nothing = Action(np.zeros((2, 4)))
    sells = replace(world, seller=0.5)
    luck.clock.row = 0
    state = state._replace(pace=np.full(2, 40.0))  # 0.5 * 0.5 s * 40/s
    state, _ = sells.step(state, nothing, luck)
    np.testing.assert_allclose(state.held, 10 * world.quoted / 4, rtol=1e-6)
    for tick in range(1, 400):
        luck.clock.row = tick
        state, _ = sells.step(state._replace(pace=np.full(2, 400.0)), nothing, luck)
    np.testing.assert_allclose(state.held, 50.0, rtol=0.02)
    assert (state.held <= 50.0 + 1e-9).all()


def test_traders_without_a_limit_do_nothing():
    found = play(trial(limit=0.0, horizon=60.0, begins=10.0, traders=4), 1, range(4)).measures
    assert np.abs(found["share"]).max() < 1e-12
    assert (found["position"] == 0).all()


def test_orders_gather_in_the_pause_and_meet_at_its_end():
    """Value buyers who want 0.3 contracts/s for each bp put in 5 s' worth during a pause of 5 s; the next auction serves them all."""
    world = FlashCrash(traders=1, **QUIET | {"buyers": 0.3})
    luck = Streams(1, range(1))
    state = world.start(luck)
    state = state._replace(halt=state.halt + 5.0, value=state.value + 50.0)
    prices = []
    for tick in range(11):
        luck.clock.row = tick
        state, _ = world.step(state, Action(np.zeros((1, 1))), luck)
        prices.append(float(state.price[0]))
    assert max(prices[:10]) == 0.0
    assert prices[10] == pytest.approx(
        5.5 * 0.3 * 50 / (105.0 + 0.5 * 0), rel=0.15
    )  # density about `book` near the price
    assert state.queue[0, 0] == 0.0


@pytest.mark.parametrize(("error", "rho"), [(1.0, 0.5), (2.0, 0.2), (0.0, 1.0)])
def test_views_see_one_market_with_errors_of_their_own(error, rho):
    """Two views of a calm trend correlate by 1 / (1 + error^2): unit variance of the trend, independent errors."""
    world = FlashCrash(traders=2, error=error, news=CALM, buyers=0.0, noise_volume=1e-9, limit=0.0)
    r, luck = 2000, Streams(2, range(2000))
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


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
def test_errors_of_views_are_alike_with_the_same_law_each(alike):
    """Vasicek 2002: one common factor; correlation `alike`, and the stationary law of each view stays as it was."""
    world = FlashCrash(traders=2, alike=alike, limit=0.0)
    r, luck = 1500, Streams(2, range(1500))
    state, nothing = world.start(luck), Action(np.zeros((1500, 2)))
    for tick in range(-1, 20):
        if tick >= 0:
            luck.clock.row = tick
            state, _ = world.step(state, nothing, luck)
        if tick in (-1, 19):
            scale = math.sqrt(1 - math.exp(-2 * world.tick / world.horizon))
            errors = state.error[:, 0] * scale
            assert abs(np.corrcoef(errors.T)[0, 1] - alike) < 4 * (1 - alike**2) / math.sqrt(r) + 1e-9
            assert abs(errors.var() - 1) < 4 * math.sqrt(2 / r)


def hill(x, part=0.02):
    """Hill 1975: the tail index from the largest `part` of |x|."""
    largest = np.sort(np.abs(x).ravel())[::-1][: round(part * x.size) + 1]
    return 1 / np.log(largest[:-1] / largest[-1]).mean()


def memory(x, lag):
    """Autocorrelation along the first axis, over all columns."""
    x = x - x.mean()
    return (x[:-lag] * x[lag:]).mean() / x.var()


@pytest.fixture(scope="module")
def calm():
    """Returns of a minute, in bp, in 25 minutes of calm of 160 replications (auctions each second)."""
    each = {"traders": 8, "limit": 375.0, "step_time": 1.0, "brain": Ridge(memory=600.0)}
    quiet = replace(trial(pace=0.0, horizon=1800.0, **each), stride=60.0)
    return np.diff(1e4 * np.log(play(quiet, 3, range(160)).series["price"].astype(float) / 100)[5:], axis=0)


def test_calm_returns_have_fat_tails_that_cluster(calm):
    """Cont 2001: tails fatter than normal, and |returns| that stay alike for several lags. Nothing of that is fitted.

    Hill's tail index is 5 to 6, at the outer edge of the published 2 to 5 or beyond it (a normal sample of this size has 8): a near miss.
    """
    excess = (calm**4).mean() / (calm**2).mean() ** 2 - 3
    assert excess > 4 * math.sqrt(24 / calm.size)
    assert hill(calm) < 7
    assert all(memory(np.abs(calm), lag) > 3 / math.sqrt(calm.size) for lag in (1, 2, 3))


def test_calm_returns_have_no_linear_autocorrelation():
    """Cont 2001: none. So it is where nobody listens, for returns of 5 s."""
    quiet = replace(trial(pace=0.0, horizon=900.0, traders=4, limit=750.0), closed=False)
    returns = np.diff(np.log(play(quiet, 3, range(48)).series["price"].astype(float)), axis=0)
    assert abs(memory(returns, 1)) < 4 / math.sqrt(returns.size)


def test_a_miss_listeners_leave_a_trend_in_calm(calm):
    """Cont 2001 finds no linear autocorrelation beyond minutes. Forecasts that are followed make one here: a known miss."""
    assert 0.02 < memory(calm, 1) < 0.2


def test_a_miss_impact_is_not_concave_enough():
    """Published exponents of impact in size are 0.5 to 0.7 (Toth et al. 2011, Almgren et al. 2005); here it is nearly linear."""
    small = {"begins": 60.0, "horizon": 660.0, "traders": 4, "limit": 750.0}
    moved, sold = [], []
    for pace in (0.03, 0.0):
        found = play(trial(pace=pace, **small), 8, range(64)).series
        moved.append(np.log(found["price"].astype(float)))
        sold.append(found["sold"].astype(float).mean(axis=1))
    impact = (moved[1] - moved[0]).mean(axis=1)
    early, late = 12 + 12, 12 + 120  # after one minute and after ten
    exponent = math.log(impact[late] / impact[early]) / math.log(sold[0][late] / sold[0][early])
    assert 0.7 < exponent < 1.2


def test_inventories_halve_in_the_published_time():
    """Kirilenko et al. 2017: about 2 minutes. Traders without a forecast unwind by half in each half-life."""
    world = FlashCrash(traders=16, **QUIET)
    luck = Streams(4, range(2))
    state = world.start(luck)
    state.held[:], state.wait[:] = 100.0, 0.0
    for tick in range(round(2 * 120 / world.tick)):
        luck.clock.row = tick
        state, _ = world.step(state, Action(world.fallback(state, luck)), luck)
    np.testing.assert_allclose(state.held, 25.0, rtol=1e-6)


def test_the_seller_follows_volume_and_stops():
    """9% of the last minute's volume: of a constant volume v, v = noise + seller, so it sells noise * .09/.91 a second."""
    steady = {"buyers": 0.0, "news": 1e-6, "trade_size": 1e-12, "rush": 0.0, "traders": 1, "limit": 0.0, "flee": 1e9}
    world = FlashCrash(seller=0.09, program=12_000.0, **steady)
    luck = Streams(1, range(1))
    state = world.start(luck)
    sold = [0.0]
    for tick in range(1600):
        luck.clock.row = tick
        state, _ = world.step(state, Action(np.zeros((1, 1))), luck)
        sold.append(float(state.sold[0]))
    assert sold[1201] - sold[1200] == pytest.approx(world.noise_volume * world.tick * 0.09 / 0.91, rel=1e-3)
    assert sold[-1] <= 12_000.0
    assert all(b >= a for a, b in pairwise(sold))


def test_the_stop_pauses_trade_for_five_seconds():
    """A fall of over 6 points below the trend: no price, no fills and no cooldown for 5 s; 0 s disables it."""
    world = FlashCrash(traders=1, **QUIET)
    for on in (world, replace(world, stop_pause=0.0)):
        luck = Streams(1, range(1))
        state = on.start(luck)
        held = []
        for tick in range(12):
            luck.clock.row = tick
            order = -20_000.0 if tick == 0 else 1.0
            state, _ = on.step(state, Action(np.full((1, 1), order)), luck)
            held.append(float(state.held[0, 0]))
        waits = sum(b == a for a, b in pairwise(held))
        assert (waits, state.pauses[0]) == ((10, 1.0) if on.stop_pause else (0, 0.0))


def test_nothing_crashes_where_nobody_sells():
    calm = play(trial("shared", pace=0.0, horizon=900.0, traders=16, limit=188.0), 9, range(16)).measures
    assert calm["drawdown"].max() < 0.03
    assert calm["pauses"].sum() == 0


def test_half_the_tick_moves_no_claimed_measure():
    """Refinement: means at ticks of 0.5 s and 0.25 s agree within four standard errors (`memory` counts ticks, so it doubles)."""
    n, each = 40, {"begins": 120.0, "horizon": 840.0, "traders": 8, "limit": 375.0}
    whole = play(trial(**each), 21, range(n)).measures
    half = play(trial(step_time=0.25, brain=Ridge(memory=2400.0), **each), 22, range(n)).measures
    for name in ("drawdown", "plunge", "loss", "sold", "thinnest", "pauses", "rush_volume", "rush_share", "rush_net"):
        error = math.sqrt((whole[name].var() + half[name].var()) / n)
        assert abs(whole[name].mean() - half[name].mean()) < 4 * error, name


@pytest.mark.parametrize(
    ("what", "wrong"), [("flee", {"flee": 0.1}), ("deep", {"deep": 1000.0}), ("alike", {"alike": 1.1})]
)
def test_what_contradicts_is_refused(what, wrong):
    with pytest.raises(ParameterError, match=what):
        FlashCrash(**wrong)
