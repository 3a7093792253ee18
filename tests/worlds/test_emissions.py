"""Emissions against its slow twin, and against the calculations of who complies, when a cheat is found, and what that costs."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.world import Action
from simlab.brains.epsilon_greedy import EpsilonGreedy
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.emissions import MONTH, Emissions
from tests.twins.emissions import Country

UNDETERRED = {"control": 350.0, "fine": 0.0, "screened": False}  # a maker cheats as long as it chooses
MEASURES = ("road", "passed", "cheating", "emitted", "found", "unfound", "saved")


def trial(wiring="isolated", *, months=240, stride=12, brain=None, **parameters):
    world = Emissions(**parameters)
    return Trial(
        world,
        (brain or EpsilonGreedy(explore=0.02, rate=0.01, penalty=0.0, unbiased=True),),
        wire(wiring, world.makers).canonical(world.spec),
        horizon=months * MONTH,
        stride=stride * MONTH,
    )


def noise_of(world, seed, number, months):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m = Streams(seed, [number]), world.makers
    own = luck.named("brain")
    dealt = {"ties": own.uniform("ties", (1, m, world.tricks + 2))[0].tolist(), "explore": [], "test": [], "audit": []}
    for month in range(months):
        luck.clock.row = month
        dealt["explore"].append(own.uniform("explore", (1, m))[0].tolist())
        for name in ("test", "audit"):
            dealt[name].append(luck.uniform(name, (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, months):
    """The twin of one replication, ready to go."""
    law = [(set_up.ticks(s.start), s.values["control"]) for s in set_up.shocks if "control" in s.values]
    noise = noise_of(set_up.world, seed, number, months)
    return Country(asdict(set_up.world), noise, asdict(set_up.brains[0]), set_up.topology.brain_of, *law)


@pytest.mark.parametrize("wiring", ["isolated", "shared", "bulkheads(2)", "bulkheads(3)"])
@pytest.mark.parametrize(
    ("parameters", "brain"),
    [
        ({"audits": 0.1}, {}),
        ({"audits": 0.3, "cycle": 0.5, "recognised": 0.7, "back": 5}, {"unbiased": True, "penalty": 30.0}),
        ({"audits": 0.1, "screened": False, "back": 24, "fine": 900.0}, {"rate": 0.3}),
        ({"audits": 0.06, "insured": 0.6, "back": 3}, {"unbiased": True}),
    ],
)
def test_kernel_equals_its_twin(wiring, parameters, brain):
    """On equal noise, through a change of the law, month by month: the same choices and finds, the same sums to rounding."""
    learner = EpsilonGreedy(**({"explore": 0.1, "rate": 0.05} | brain))
    law = Shock("law", "world", "set", start=24 * MONTH, values={"control": 350.0})
    set_up = replace(trial(wiring, months=150, stride=10, brain=learner, makers=7, **parameters), shocks=(law,))
    outcome, twin = play(set_up, 3, [2]), twin_of(set_up, 3, 2, 150)
    path = []
    for month in range(10, 151, 10):
        twin.run(month)
        now = {"found": np.mean(twin.found), "unfound": np.mean(twin.unfound), "saved": twin.saved / month}
        path.append({name: now[name] if name in now else getattr(twin, name) for name in MEASURES})
    assert 0 < sum(point["cheating"] for point in path) < len(path)
    for name in MEASURES:
        expected = [point[name] for point in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=1e-6, atol=1e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(expected[-1], rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("back", [1, 10**6])
@pytest.mark.parametrize("edge", [0.9, 1.1])
def test_who_knows_the_price_complies_as_calculated(edge, back):
    """Becker 1968: chance x fine against what a trick saves, from both sides; what is left is what is explored, 4 of 6 designs.

    Fined for all months since the last fine, a price grows until it passes any saving. Four standard errors of a share.
    """
    h, explore = 0.02, 0.02
    given = {"audits": h, "detects": 1.0, "fine": edge * 345 / h, "insured": 1.0, "screened": False, "back": back}
    learner = EpsilonGreedy(explore=explore, rate=0.1, penalty=0.0, unbiased=True)
    found = play(trial(months=300, brain=learner, control=350.0, **given), 1, range(100)).measures["cheating"]
    expected = explore * 4 / 6 + (0 if edge > 1 or back > 1 else 1 - explore)
    assert abs(found.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / (100 * 10))


@pytest.mark.parametrize("edge", [0.9, 1.1])
def test_one_calibration_for_all_is_deterred_by_a_tenth_of_the_audits(edge):
    """Ten engines with one trick are each found with 1 - (1-h)^10; that, times the fine, has its edge at the same saving, exactly."""
    h = 0.02
    fine = edge * 345 / (1 - (1 - h) ** 10)
    learner = EpsilonGreedy(explore=0.0, rate=0.1, penalty=0.0, unbiased=True)
    given = {"control": 350.0, "audits": h, "detects": 1.0, "fine": fine, "insured": 1.0}
    for wiring, cheats in (("shared", edge < 1), ("isolated", True)):
        found = play(trial(wiring, brain=learner, tricks=10, **given), 1, range(20)).measures["cheating"]
        if wiring == "shared":
            np.testing.assert_array_equal(found, float(cheats))
        else:  # a trick of one's own is ten times harder to find
            assert found.min() > 0.5


@pytest.mark.parametrize(
    ("audits", "detects", "cycle", "recognised"), [(0.1, 1, 0, 1), (0.3, 0.2, 0, 1), (0.4, 0.5, 0.6, 0.5)]
)
def test_months_to_the_find_are_geometric(audits, detects, cycle, recognised):
    """Mean 1 / (f pi), as months of cheating over finds whatever the makers choose; with mean 1 and shape of a geometric law.

    The relative error of a geometric mean from n finds is sqrt(1-h) / sqrt(n): four of them.
    """
    given = {"audits": audits, "detects": detects, "cycle": cycle, "recognised": recognised} | UNDETERRED
    found = play(trial(months=200, **given), 2, range(60)).measures
    h, n = audits * detects * (1 - cycle * recognised), found["found"].sum() * 10
    mean = found["unfound"].sum() * 10 / n
    assert n > 100
    assert mean == pytest.approx(1 / h, rel=4 * math.sqrt((1 - h) / n))


def test_audits_on_the_cycle_find_nobody():
    found = play(trial(months=100, audits=1.0, cycle=1.0, **UNDETERRED), 2, range(20)).measures
    assert (found["found"] == 0).all()
    assert found["cheating"].mean() > 0.9


def test_one_find_uncovers_all_with_that_calibration():
    """Shared: all ten at once, after 1 / (1 - (1-h)^10) months. Own: one by one, the last after the longest of ten geometric times.

    E max = sum over t of 1 - (1 - (1-h)^t)^10. Four standard errors; nobody explores, and the months before a trick is chosen do not count.
    """
    h, n, r = 0.05, 10, 100
    learner = EpsilonGreedy(explore=0.0, penalty=0.0)
    given = {"audits": h, "detects": 1.0, "months": 200, "stride": 1, "brain": learner} | UNDETERRED
    shared = play(trial("shared", **(given | {"screened": True})), 3, range(r))
    assert set(np.unique(shared.series["found"])) == {0.0, 1.0}
    months = shared.measures["unfound"]
    assert abs(months.mean() - 1 / (1 - (1 - h) ** n)) < 4 * months.std() / math.sqrt(r)
    own = play(trial(**given), 3, range(r))
    assert (own.measures["found"] == 1).all()
    last = (own.series["found"] < 1).sum(axis=0)
    expected = sum(1 - (1 - (1 - h) ** t) ** n for t in range(2000))
    idle = 6  # at most so many months are spent on the other designs, each tried once
    assert -4 * last.std() / math.sqrt(r) < last.mean() - expected < 4 * last.std() / math.sqrt(r) + idle
    assert expected > 5 / (1 - (1 - h) ** n)


@pytest.mark.parametrize("back", [1, 12, 1000])
def test_what_a_cheat_pays_for_the_months_before(back):
    """fine x (1 - (1-h)^L) a month, by renewal; makers who save far more than that cheat all the time. Four standard errors."""
    h, fine, control = 0.03, 700.0, 1e6
    learner = EpsilonGreedy(explore=0.0, penalty=0.0)
    given = {
        "audits": h,
        "detects": 1.0,
        "fine": fine,
        "control": control,
        "margin": control,
        "trick": 1.0,
        "screened": False,
        "back": back,
    }
    set_up = replace(trial(months=400, stride=400, brain=learner, **given), warmup=200 * MONTH)
    found = play(set_up, 4, range(60)).measures
    pays = control - found["saved"] - 1.0
    assert abs(pays.mean() - fine * (1 - (1 - h) ** back)) < 4 * pays.std() / math.sqrt(60)


def test_a_test_like_the_road_lets_no_dirty_car_through():
    """And one that is told from the road in six of ten cases lets so many through."""
    never = play(trial(recognised=0.0, **UNDETERRED), 5, range(30)).series
    assert (never["cheating"] == 0).all()
    assert never["road"] == pytest.approx(0.8)
    world, luck = Emissions(makers=3000, recognised=0.6), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    then, answer = world.step(state, Action(np.full((2, 3000), 2)), luck)
    assert abs(then.cheating.mean() - 0.6) < 4 * math.sqrt(0.24 / 6000)
    np.testing.assert_array_equal(then.cheating, then.passed)
    np.testing.assert_allclose(then.road, 0.8 + (20 - 0.8) / 12)
    np.testing.assert_array_equal(answer.censored, answer.outcome == 1005)


def test_what_each_design_costs():
    """Full control its price, a trick $5 and, when found, the fine, no control the margin of a car that is not sold."""
    world, luck = Emissions(makers=4, control=350.0, audits=1.0, detects=1.0), Streams(1, range(2))
    state = world.start(luck)
    luck.clock.row = 0
    then, answer = world.step(state, Action(np.tile([0, 1, 4, 5], (2, 1))), luck)
    np.testing.assert_array_equal(answer.outcome, [[350, 7205, 7205, 1000]] * 2)
    np.testing.assert_array_equal(answer.censored, [[False, True, True, True]] * 2)
    np.testing.assert_allclose(world.measure(then)["emitted"], 2 / 3 * 19 * 0.0435 * 1.8)  # two of three cars sold


def test_nobody_listens():
    """With the loop open every car has full control, and nothing is emitted above the limit."""
    found = play(replace(trial(control=350.0), closed=False), 1, range(10)).measures
    for name in ("cheating", "emitted", "found", "unfound"):
        np.testing.assert_array_equal(found[name], 0)


def test_the_shipped_claims_point_at_the_algebra():
    explored = 0.02 * 4 / 6
    months = {name: load(name) for name in ("emissions", "emissions_audits")}
    near = {n: {(c.arm, c.measure): c.near for c in found.claims if c.near is not None} for n, found in months.items()}
    assert near["emissions"]["own", "cheating"] == pytest.approx(0.98 + explored, abs=1e-4)
    too_much = 19 * 0.0435 * 1.8 / (1 - 0.02 / 6)  # kg a month where all cheat, for each car that is sold
    assert near["emissions"]["own", "emitted"] == pytest.approx(
        too_much * (119 * (0.98 + explored) + 25 * explored), abs=0.1
    )
    assert near["emissions"]["shared_audited", "unfound"] == pytest.approx(1 / (1 - 0.991**10), abs=0.05)
    audits = near["emissions_audits"]
    assert audits["priced_below", "cheating"] == pytest.approx(0.98 + explored, abs=1e-4)
    assert audits["priced_above", "cheating"] == pytest.approx(explored, abs=1e-4)
    assert audits["below", "unfound"] == pytest.approx((1 - 0.973**119.5) / 0.027, abs=0.05)
    assert audits["rare", "unfound"] == pytest.approx((1 - 0.991**119.5) / 0.009, abs=0.05)
