"""Desks of a model and a person against their slow twin, and against the algebra of use and disuse."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import ndtr

from simlab.base.errors import ParameterError
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.oversight import DAY, Oversight
from tests.twins.oversight import LONG, Office

FORGET, RELEARN = math.log(2) / 198, math.log(2) / 20  # a day


def trial(
    wiring="isolated", *, ticks=80, every=7, failing=None, moves=None, killed=None, down=(), held=0.0, stride=1, **given
):
    """Desks with views that go dark at (tick, rate), items that move at (tick, shift), models switched off at a tick or down."""
    world = Oversight(**{"automation": 0.9} | given)
    day = world.tick
    shocks = [
        Shock(name, "world", "set", start=what[0] * day, values={name: what[1]})
        for name, what in (("failing", failing), ("shift", moves))
        if what
    ]
    if down:
        shocks.append(Shock("down", "brain", "down", models=down))
    hands = []
    if killed is not None:
        hands.append(Hand("kill", KillSwitch(), Trigger(at=killed * day)))
    if held:
        hands.append(Hand("drill", Holdout(share=held), Trigger(at=0.0)))
    return Trial(
        world,
        (Ridge(penalty=0.01, memory=90.0),),
        wire(wiring, world.desks).canonical(world.spec),
        horizon=ticks * day,
        stride=stride * day,
        schedule=Schedule(every=every * day),
        shocks=tuple(shocks),
        hands=tuple(hands),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck = Streams(seed, [number])
    m, n = world.desks, world.cases
    dealt = {name: [] for name in ("item", "reading", "slip", "reached", "outage")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["item"].append(luck.noise("item", (1, n))[0].tolist())
        for name in ("reading", "slip"):
            dealt[name].append(luck.noise(name, (1, m, n))[0].tolist())
        if tick >= 0:
            dealt["reached"].append(luck.uniform("reached", (1, m, n))[0].tolist())
            dealt["outage"].append(luck.uniform("outage", (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    given = {}
    for shock in set_up.shocks:
        for parameter, value in shock.values.items():
            given["moves" if parameter == "shift" else parameter] = (set_up.ticks(shock.start), value)
        if shock.effect == "down":
            given["down"] = shock.models
    kill = [hand.trigger.at for hand in set_up.hands if isinstance(hand.intervention, KillSwitch)]
    return Office(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        killed=set_up.ticks(kill[0]) if kill else LONG,
        **given,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"failing": (15, 0.1), "outage": 5 * DAY, "turnover": 10 * DAY}),
        ("shared", {"failing": (20, 0.05), "outage": 6 * DAY, "turnover": 10 * DAY, "reserve": 1.2}),
        ("feature_store", {"failing": (20, 0.05), "automation": 0.6, "turnover": 5 * DAY}),
        ("shared_data", {"moves": (30, 0.8), "forgetting": 20 * DAY}),
        ("bulkheads(2)", {"killed": 25, "turnover": 8 * DAY, "step_time": DAY / 2}),
        ("shared_brain", {"down": (1, 2), "failing": (10, 0.1), "automation": 1.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, tick by tick, to rounding."""
    set_up = trial(wiring, ticks=50, desks=4, cases=5, **given)
    seed, number = 5, 2
    outcome = play(set_up, seed, [number])
    twin, path = twin_of(set_up, seed, number, 50), []
    for tick in range(1, 51):
        twin.run(tick)
        skill = sum(twin.skill) / 4
        handover, unreached = (
            a / b if b else math.nan for a, b in ((twin.failed, twin.over), (twin.missed, twin.left))
        )
        path.append(
            (twin.failing_now, twin.worst, twin.wrong / tick, handover, unreached, skill, twin.staff, twin.load)
        )
    assert list(outcome.measures)[:8] == list(set_up.world.measures)
    for i, name in enumerate(set_up.world.measures):
        expected = [row[i] for row in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=2e-6, atol=1e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-9, abs=1e-12, nan_ok=True), name


def rest(u):
    """K* = g u / (g u + l (1 - u))."""
    return RELEARN * u / (RELEARN * u + FORGET * (1 - u))


def after(days, u, k=1.0):
    """K after so many days of the share u by hand: the equation's solution."""
    return rest(u) + (k - rest(u)) * math.exp(-(RELEARN * u + FORGET * (1 - u)) * days)


def fails(k):
    """2 Phi(-tolerance / s(K))."""
    return 2 * ndtr(-0.6 / (0.3 * k + 1.0 * (1 - k)))


BEST = 2 * ndtr(-0.6 / math.sqrt(0.04 / 1.04))  # of a model's cases, whatever it has learnt from


def close(found, expected, more=0.0):
    """Four standard errors over replications."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more, (found.mean(), expected)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("tick", [DAY, DAY / 3])
def test_skill_follows_its_equation(share, tick):
    """The exact solution from day to day, whatever the tick; untrained models leave everything to people for the first 10 days."""
    per = round(DAY / tick)
    set_up = trial(
        ticks=200 * per,
        every=10 * per,
        desks=2,
        cases=4,
        automation=share,
        step_time=tick,
        stride=10 * per,
        turnover=1e12,
    )
    found = play(set_up, 1, range(2)).series["skill"]
    days = np.arange(0, 201, 10)
    expected = [after(max(day - 10, 0), 1 - share) for day in days]
    np.testing.assert_allclose(found, np.repeat(np.array(expected)[:, None], 2, axis=1), rtol=1e-6)


def test_half_lives():
    """Half is lost in `forgetting` without any case, half of what is missing is back in `relearning` with all cases."""
    assert after(198, 0.0) == pytest.approx(0.5)
    assert after(20, 1.0, k=0.5) == pytest.approx(0.75)
    assert rest(0.1) == pytest.approx(1 / (1 + 9 * 20 / 198))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_failure_at_a_handover_against_the_share_that_is_automated(share):
    """Before a kill u h + (1 - u) b, h = 2 Phi(-tolerance / s(K)), averaged along K; b likewise, with s^2 = error^2 / (1 + error^2).

    On the day of the kill 1 - a + a h, where hands a have gone towards reserve u since models began on day 100. 0.002 for what
    is learnt from few cases.
    """
    u, days = 1 - share, 400
    set_up = trial(ticks=days + 1, every=100, automation=share, killed=days, desks=5)
    wrong = play(set_up, 2, range(16)).series["wrong"].astype(float) * np.arange(days + 2)[:, None]
    path = [u * fails(after(day, u)) + share * BEST for day in range(days - 100)]
    close((wrong[days] - wrong[100]) / (days - 100), np.mean(path), 0.002)
    wanted = min(1.0, 2 * u)
    hands, h = wanted + (1 - wanted) * math.exp(-(days - 100) / 120), fails(after(days - 100, u))
    close(wrong[days + 1] - wrong[days], 1 - hands + hands * h, 0.002)


def test_where_a_single_handover_ends_up():
    """K* = 1 / (1 + (1 - u) / u * relearning / forgetting), reached from full skill in 900 days to half a hundredth."""
    for u, k in ((0.5, 1 / (1 + 20 / 198)), (0.2, 1 / (1 + 4 * 20 / 198)), (0.1, 1 / (1 + 9 * 20 / 198))):
        assert rest(u) == pytest.approx(k)
        found = play(trial(ticks=900, every=10, automation=1 - u, desks=2, cases=10, stride=900), 3, range(1))
        assert found.measures["skill"][0] == pytest.approx(k, abs=0.005)


def test_a_kill_is_worse_the_longer_people_did_not_practise():
    """fails(K(t)) on the day of the kill, with hands for all; relearning is left out by reading the first day."""
    found = []
    for day in (30, 180, 720):
        set_up = trial(ticks=day + 1, every=10, killed=day, reserve=10.0, desks=10)
        wrong = play(set_up, 4, range(16)).series["wrong"].astype(float)
        last = wrong[day + 1] * (day + 1) - wrong[day] * day
        close(last, fails(after(day - 10, 0.1)))
        found.append(last.mean())
    assert found == sorted(found)


def test_drills_count_as_practice():
    """A share d of the models' cases held out: u = 1 - share (1 - d), the fixed point follows, to half a point of chance."""
    set_up = trial(ticks=500, every=10, held=0.2, stride=500, desks=4)
    found = play(set_up, 5, range(8)).measures["skill"]
    assert abs(found.mean() - rest(1 - 0.9 * 0.8)) < 0.005


def test_views_go_dark_together_only_if_they_are_one():
    """Of a day's rate f, and outages of D days: a view was dark by day t with chance 1 - exp(-f t); one view is dark for all desks."""
    for wiring, alike in (("isolated", False), ("feature_store", True)):
        set_up = trial(wiring, ticks=80, failing=(30, 0.02), automation=1.0, desks=6, turnover=1e12, line=0.99)
        struck = []
        play(
            set_up,
            6,
            range(64),
            lambda tick, stage, x, struck=struck: struck.append(x[..., 0] == 0) if stage == "observe" else None,
        )
        dark = np.broadcast_to(np.array([d[:, :, 0] for d in struck]).any(axis=0), (64, 1 if alike else 6))
        share = dark.mean(axis=1)
        close(share, 1 - math.exp(-0.02 * 49))
        assert np.isin(share, (0.0, 1.0)).all() == alike


def test_half_the_tick_changes_nothing_but_luck():
    """Twice as many ticks of half the cases: errors of people and models, hands and skill within four standard errors of both."""
    usual = trial("shared", ticks=240, every=28, failing=(60, 0.02), stride=60, cases=20)
    halved = trial("shared", ticks=480, every=56, failing=(120, 0.02), stride=120, cases=10, step_time=DAY / 2)
    halved = replace(halved, brains=(Ridge(penalty=0.02, memory=180.0),))
    a, b = (play(one, 7, range(100)).measures for one in (usual, halved))
    for name in ("wrong", "skill", "staff", "failing"):
        gap = a[name].mean() - b[name].mean()
        assert abs(gap) < 4 * math.hypot(a[name].std(), b[name].std()) / math.sqrt(100), name


def test_nobody_listens():
    """With the loop open everything is done by hand: nobody forgets, nobody leaves."""
    found = play(replace(trial(ticks=60, failing=(10, 0.1)), closed=False), 8, range(8)).measures
    np.testing.assert_array_equal(found["skill"], 1.0)
    np.testing.assert_array_equal(found["staff"], 1.0)
    close(found["wrong"], fails(1.0))


def test_edges():
    """One desk, one case; all or nothing automated; no tolerance to speak of."""
    for given in ({"desks": 1, "cases": 1}, {"automation": 0.0}, {"automation": 1.0, "reserve": 1.0}, {"error": 0.0}):
        found = play(trial(ticks=30, failing=(10, 0.3), **given), 9, range(3)).measures
        assert all(np.isfinite(found[name]).all() for name in ("wrong", "skill", "staff", "handover"))
    with pytest.raises(ParameterError, match="must err at least as much"):
        Oversight(expert=0.5, novice=0.4)
    with pytest.raises(ParameterError, match=r"Oversight.automation must be at most 1"):
        Oversight(automation=1.1)


def test_the_shipped_claims_point_at_the_algebra():
    """Figures of skill, of a fortnight by hand after a year, and of an outage that comes in time, worked out anew from the equations."""
    claimed = {
        (name, c.arm, c.measure): c.near
        for name in ("oversight", "oversight_drills", "oversight_kill")
        for c in load(name).claims
        if c.near is not None
    }
    skill, staff, wrong = after(360, 0.05), 0.1 + 0.9 * math.exp(-3), []
    for _ in range(14):
        wrong.append(1 - staff + staff * fails(skill))
        skill, staff = after(1, staff, skill), 1 - (1 - staff) * math.exp(-1 / 120)
    turns = []
    for group in range(5):
        k = 1.0
        for day in range(420):
            k = after(1, 1.0 if day < 400 and day % 100 // 20 == group else 0.05, k)
        turns.append(k)
    expected = {
        ("oversight", "own", "skill"): after(450, 0.05),
        ("oversight", "own_drills", "skill"): after(450, 0.24),
        ("oversight", "own", "wrong"): fails(1.0),
        ("oversight", "shared", "worst"): 1 - math.exp(-0.87),
        ("oversight_drills", "in_turn", "skill"): np.mean(turns) - after(420, 0.24),
        ("oversight_drills", "unsure", "skill"): rest(0.205),
        ("oversight_kill", "fortnight", "handover"): np.mean(wrong),
        ("oversight_kill", "half", "handover"): fails(after(90, 0.5)),
    }
    assert claimed == pytest.approx(expected, abs=0.001)
