"""A supply chain against its slow twin, and against the algebra of the bullwhip effect (Chen et al. 2000)."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.brains.moving_average import MovingAverage
from simlab.brains.topology import Schedule, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.throttle import Throttle
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.supply_chain import SupplyChain
from tests.twins.supply_chain import Network

DAY = 86_400.0


def trial(
    wiring="isolated", *, central=False, p=5, brain=None, every=1, periods=30, warmup=0, events=(), hands=(), **given
):
    """A chain of stages whose models average over p periods; with `central` all learn from customers' demand."""
    world = SupplyChain(**given)
    m = world.stages
    taught = {"taught_by": (0,) * m} if central else {}
    shocks = tuple(
        Shock(f"{name} {i}", "world", "set", start=tick * DAY, values={name: value})
        for i, (tick, name, value) in enumerate(events)
    )
    return Trial(
        world,
        (brain or MovingAverage(window=p * m, prior=100.0),),
        wire(wiring, m, **taught).canonical(world.spec),
        horizon=periods * m * DAY,
        stride=m * DAY,
        warmup=warmup * m * DAY,
        schedule=Schedule(every=every * DAY),
        shocks=shocks,
        hands=tuple(Hand(f"hand {i}", hand, Trigger(at=0.0)) for i, hand in enumerate(hands)),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, shape, n = Streams(seed, [number]), (1, world.stages, world.items), world.items
    luck.clock.row = -1
    dealt = {name: luck.uniform(name, shape)[0].tolist() for name in ("record", "direction")}
    dealt["mood"], dealt["demand"] = luck.normal("mood", (1, n))[0].tolist(), []
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["demand"].append(luck.noise("demand", (1, n))[0].tolist() if (tick + 1) % world.stages == 0 else [])
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    return Network(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        events=[(set_up.ticks(s.start), name, value) for s in set_up.shocks for name, value in s.values.items()],
    )


ROUGH = {"returns": False, "sd": 40.0, "accuracy": 0.4}


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"central": True, "lead": 2, "safety": 0.0, "lasting": 0.6, "events": [(40, "mean", 130.0)]}),
        ("isolated", {"lead": 3, "safety": 0.5, "stages": 4, **ROUGH}),
        ("feature_store", {"central": True, "events": [(30, "accuracy", 0.9), (60, "sd", 5.0)], **ROUGH}),
        ("shared", {"brain": MovingAverage(window=7, prior=90.0, bounds=False), "safety": 0.2, **ROUGH}),
        ("bulkheads(2)", {"every": 5, "lead": 2, "lasting": -0.5, **ROUGH}),
        ("isolated", {"stages": 1, "lead": 2, "brain": MovingAverage(window=6, bounds=False), **ROUGH}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, period by period, to rounding."""
    set_up = trial(wiring, items=4, **({"stages": 3} | given))
    seed, number, m, periods = 5, 2, set_up.world.stages, 30
    outcome = play(set_up, seed, [number])
    twin, path = twin_of(set_up, seed, number, periods * m), []
    for period in range(1, periods + 1):
        twin.run(period * m)
        n = twin.p.items
        unmet = [max(d - max(had, 0.0), 0.0) for d, had in zip(twin.demand, twin_stock(twin), strict=True)]
        path.append(
            {
                "factory": sum(twin.made) / n,
                "bought": sum(twin.demand) / n,
                "peak": twin.peak,
                "swing": twin.swings / period,
                "short": sum(u > 0 for u in unmet) / n,
                "gone": sum(u > d / 2 for u, d in zip(unmet, twin.demand, strict=True)) / n,
                "lost": twin.lost / twin.wanted,
                "stock": sum(map(sum, (s.stock for s in twin.stages))) / m / sum(twin.demand),
            }
        )
    for name in path[0]:
        expected = [row[name] for row in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=2e-6, atol=1e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(expected[-1], rel=1e-7, abs=1e-9), name
    ratios = {"first": 1, "second": min(2, m), "third": min(3, m), "last": m}
    for name, stage in ratios.items():
        assert outcome.measures[name][0] == pytest.approx(twin.ratio(stage), rel=1e-7), name


def twin_stock(twin):
    """What was in the shop when customers came."""
    return [left + sold for left, sold in zip(twin.stages[0].stock, twin.sold, strict=True)]


def close(found, expected, more=0.0):
    """Four standard errors over replications, and what is said to be left."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


PERIODS = 120


def finite(ratio, periods=PERIODS):
    """What is expected of two sample variances about their own means: the mean of orders is that of demand, with variance 1/n of it.

    Over a finite time the ends of both differ, which is of the order of the filter's length over n squared: ignored.
    """
    return (ratio - 1 / periods) / (1 - 1 / periods)


def forecasting(periods=PERIODS, **given):
    """Long after the start; the linear chain forgets its start altogether."""
    return play(trial(**({"periods": periods, "warmup": 26, "items": 20} | given)), 3, range(24)).measures


def applied(a, stages):
    """The filter (1 + a) - a z, so often: sum of its squared weights."""
    return sum((math.comb(stages, j) * (1 + a) ** (stages - j) * a**j) ** 2 for j in range(stages + 1))


@pytest.mark.parametrize(("stages", "published"), [(1, 2.12), (2, 3.88), (3, 6.28), (4, 9.32)])
def test_with_customers_demand_known_to_all_the_lead_times_add_up(stages, published):
    """Chen et al. 2000: 1 + 2 kL/p + 2 (kL)^2/p^2 with L = 2 and p = 5."""
    a = stages * 2 / 5
    assert 1 + 2 * a + 2 * a * a == pytest.approx(published)
    close(forecasting(central=True, stages=stages)["last"], finite(published), 0.01 * published)


@pytest.mark.parametrize(("stages", "exact"), [(1, 2.12), (2, 5.12), (3, 13.5), (4, 37.7)])
def test_with_orders_alone_the_ratios_more_than_multiply(stages, exact):
    """Chen et al. 2000: at least 2.12^k; the binomial sum is exact."""
    assert applied(0.4, stages) == pytest.approx(exact, rel=2e-3)
    assert applied(0.4, stages) >= 2.12**stages - 1e-9
    found = forecasting(stages=stages)
    close(found["last"], finite(applied(0.4, stages)), 0.01 * exact)
    close(found["added"], finite(applied(0.4, stages)) - 1, 0.01 * exact)


@pytest.mark.parametrize(("rho", "p"), [(0.8, 5), (-0.5, 5), (0.6, 3)])
def test_lasting_demand_is_swung_less(rho, p):
    """Chen et al. 2000: 1 + (2L/p + 2L^2/p^2)(1 - rho^p), here with two periods of lead time and a half of safety."""
    a = 2.5 / p
    expected = 1 + (2 * a + 2 * a * a) * (1 - rho**p)
    found = forecasting(stages=1, lasting=rho, p=p, lead=2, safety=0.5, periods=400)["first"]
    close(found, expected, 0.02 * expected)  # the mean of 400 correlated periods is uncertain: (1 + rho)/(1 - rho)/400


def test_without_a_forecast_orders_are_demand():
    """With the plan in the place of models the chain passes demand on; with half of it the filter has half the L/p."""
    started = {"warmup": 0, "periods": 600, "items": 10}  # hands are on from the start; the first window weighs little
    close(forecasting(hands=(KillSwitch(),), **started)["last"], 1.0, 1e-9)
    found = forecasting(hands=(Throttle(passes=0.5),), **started)["last"]
    close(found, applied(0.2, 4), 0.01 * applied(0.2, 4))
    opened = play(replace(trial(periods=60), closed=False), 3, range(4)).measures
    np.testing.assert_allclose(opened["added"], 0.0, atol=1e-9)


@pytest.mark.parametrize(("central", "peak"), [(False, 1.4**4), (True, 1 + 4 * 0.4)])
def test_a_step_of_demand_arrives_enlarged(central, peak):
    """The first weight of the filter, (1 + L/p)^k or 1 + k L/p, for p periods; then the step itself when the window is past."""
    set_up = trial(central=central, sd=0.0, periods=80, warmup=26, events=[(20 * 4 - 1, "mean", 120.0)])
    factory = play(set_up, 1, [0]).series["factory"][:, 0]
    np.testing.assert_allclose(factory[:21], 100, rtol=1e-6)
    np.testing.assert_allclose(factory[21:26], 100 + 20 * peak, rtol=1e-6)
    np.testing.assert_allclose(factory[42:], 120, rtol=1e-6)
    assert factory.max() == pytest.approx(100 + 20 * peak, rel=1e-6)


@pytest.mark.parametrize(("wiring", "common"), [("isolated", False), ("feature_store", True)])
def test_wrong_records_swing_more_and_most_where_they_are_common(wiring, common):
    """1 + 2a E[F] + 2 a^2 E[F^2] with F the sum of the stages' conversions: own errors average out, common ones do not."""
    wrong, f, m, a = 0.7, 2.0, 4, 0.4
    mean = 1 - wrong + wrong * (f + 1 / f) / 2
    spread = 1 - wrong + wrong * (f**2 + f**-2) / 2 - mean**2
    square = (m * mean) ** 2 + (m * m if common else m) * spread
    expected = 1 + 2 * a * m * mean + 2 * a * a * square
    found = forecasting(wiring=wiring, central=True, accuracy=0.3, factor=f, items=100)["last"]
    close(found, finite(expected), 0.01 * expected)


def root(c, p=5):
    """z > 0 with z^p = (c/p) (z^(p-1) + ... + 1)."""
    z = np.roots([1.0, *([-c / p] * p)])
    return float(z[np.isreal(z)].real.max())


@pytest.mark.parametrize(("safety", "factor"), [(1.0, 2.54), (0.5, 2.54), (1.0, 1.9), (0.25, 1.2)])
def test_a_shop_whose_record_is_too_low_sells_out_for_good(safety, factor):
    """If and only if (lead + safety) / factor is below lead, and then by the root of the equation, without noise.

    All records are wrong, and alike at all stages; those that are too high lose nothing.
    """
    set_up = trial(
        "feature_store",
        central=True,
        returns=False,
        sd=0.0,
        accuracy=0.0,
        safety=safety,
        factor=factor,
        periods=60,
        items=12,
    )
    said, c = [], (1 + safety) / factor

    def tap(tick, stage, value):
        if stage == "act" and tick % 4 == 0:
            said.append(value[:, 0].copy())

    gone = play(set_up, 4, range(8), tap).measures["gone"]
    low = np.array([noise_of(set_up.world, 4, i, 0)["direction"][0] for i in range(8)]) >= 0.5
    shrinks = (said[-1] / said[-2])[low]
    if c < 1:
        np.testing.assert_allclose(shrinks, root(c), rtol=1e-5)
        np.testing.assert_array_equal(gone, low.mean(axis=1))
    else:
        np.testing.assert_allclose(said[-1][low] * factor, 100.0, rtol=1e-9)
        np.testing.assert_array_equal(gone, 0.0)


def test_records_put_right_take_time_to_be_believed():
    """Forecasts that have shrunk for n periods by root(c) grow by root(2): it takes n |ln root(c)| / ln root(2), and a window more."""
    wrong, c = 30, 2 / 2.54
    set_up = trial(
        "feature_store",
        central=True,
        returns=False,
        sd=0.0,
        accuracy=0.0,
        periods=60,
        events=[(wrong * 4, "accuracy", 1.0)],
    )
    gone = play(set_up, 5, range(8)).series["gone"]
    back = wrong * abs(math.log(root(c))) / math.log(root(2.0))
    np.testing.assert_array_equal(gone[wrong + round(0.5 * back)], gone[wrong])
    assert (gone[wrong] > 0).all()
    assert (gone[wrong + math.ceil(back) + 5] == 0).all()


def test_every_item_is_counted_once():
    """Whatever happens: what was made is in a stage, on its way, or sold, and nobody ships what he does not have."""
    set_up = trial(items=6, lead=2, safety=0.3, periods=50, **ROUGH)
    twin = twin_of(set_up, 1, 0, 200)
    held = sum(sum(s.stock) + sum(map(sum, s.coming)) for s in twin.stages)
    twin.run(200)
    made = sum(map(sum, twin.history[-1]))
    now = sum(sum(s.stock) + sum(map(sum, s.coming)) for s in twin.stages)
    sold = (twin.wanted - twin.lost) * 6
    assert held + made == pytest.approx(now + sold, rel=1e-9)
    assert min(min(s.stock) for s in twin.stages) >= -1e-9


def test_says_what_is_out_of_bounds():
    with pytest.raises(ParameterError, match="accuracy must be at most 1"):
        SupplyChain(accuracy=30)
    with pytest.raises(ParameterError, match="lead must be a whole number"):
        SupplyChain(lead=1.5)


def echo(cover, p, m):
    """By how much a model grows per period that learns from all orders of a chain it made itself: the largest root.

    An order of stage j contains cover x the changes of the forecasts of stages 0..j, and a sum of changes over p periods is a difference:
    F at stage k's turn is cover / (m p) x the sum over j below the last and i up to j of F_i less F_i p periods ago, as of j's last order.
    """
    size = (p + 2) * m  # forecasts turn by turn, newest first
    state = np.eye(size)
    for k in range(m):
        now = np.zeros(size)
        for j in range(m - 1):
            for i in range(j + 1):
                turns = k - i - 1 + (0 if j < k else m)
                now += cover / (m * p) * (state[turns] - state[turns + p * m])
        state = np.vstack([now, state[:-1]])
    return float(np.abs(np.linalg.eigvals(state)).max())


@pytest.mark.parametrize(("safety", "p"), [(1.0, 5), (1.0, 4), (0.6, 5)])
def test_one_model_on_all_orders_hears_itself(safety, p):
    """Amplitudes grow by the largest root; where (stages - 1) L / p is below 1 it is a contraction, whatever the turns.

    Read from two windows of 20 periods, 80 apart, of 16 replications, before orders are out of all bounds; 0.4% a period is their
    uncertainty.
    """
    set_up = trial("shared", safety=safety, p=p, periods=200, items=4)
    root = echo(1 + safety, p, 4)
    off = play(set_up, 7, range(16)).series["factory"].astype(float) - 100
    late, later = (np.sqrt((off[part] ** 2).mean()) for part in (slice(80, 100), slice(160, 180)))
    if root > 1:
        assert (later / late) ** (1 / 80) == pytest.approx(root, abs=4e-3)
    else:
        assert 3 * (1 + safety) / p < 1
        assert later < 2 * late < 200


def test_the_shipped_claims_point_at_the_algebra():
    """Figures of claims are those of filters, read over 100 periods where they are ratios, and of the largest of n normals."""
    claimed = {
        (c.arm, c.measure, c.control): c.near
        for c in load("supply_chain").claims
        if c.near is not None and not c.versus
    }
    largest = {
        2: 1 / math.sqrt(math.pi),
        5: 1.16296,
    }  # means of the largest of n standard normals (David & Nagaraja 2003, Order Statistics)
    spread = {name: 10 * math.sqrt(ratio / 20) for name, ratio in (("decentral", applied(0.4, 4)), ("central", 9.32))}
    half = applied(0.2, 4)
    step, n = [5, 5, 5, 39], 100  # periods at each level after a step, by the sums of the filter's weights
    levels = np.cumsum([math.comb(4, j) * 1.2 ** (4 - j) * (-0.2) ** j for j in range(5)])[[0, 1, 2, 4]]
    mean, square = (np.dot(step, levels**power) / n for power in (1, 2))
    expected = {
        ("decentral", "last", "no_stressor"): finite(applied(0.4, 4), 100),
        ("central", "last", "no_stressor"): finite(9.32, 100),
        ("damped", "last", "no_stressor"): finite(half, 100),
        ("slow", "last", "no_stressor"): finite(applied(0.1, 4), 100),
        ("decentral", "peak", None): 100 + 20 * 1.4**4 + largest[5] * spread["decentral"],
        ("central", "peak", None): 100 + 20 * 2.6 + largest[5] * spread["central"],
        ("frozen_late", "peak", None): 100 + 20 * 1.4**4 + largest[2] * spread["decentral"],
        ("decentral", "swing", "no_stressor"): math.sqrt(2 / math.pi * 2 * applied(0.4, 4)) * 10,
        ("decentral", "last", "less_cover"): (half * 100 + 400 * (square - mean**2)) / (100 + 400 * 0.25),
    }
    assert claimed == pytest.approx(expected, rel=0.015)
    rows = {(row.arm, row.measure): float(row.published) for row in load("supply_chain").scoreboard if row.measure}
    published = {
        ("central", name): 1 + 0.8 * k + 0.32 * k * k for k, name in ((2, "second"), (3, "third"), (4, "last"))
    }
    published |= {
        ("decentral", name): applied(0.4, k) for k, name in enumerate(("first", "second", "third", "last"), 1)
    }
    assert rows == pytest.approx(published, abs=0.05)
