"""Learnt limits against their slow twin, against the fixed points of what is censored, and against another library's regression."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from sklearn.linear_model import Ridge as Outside

from simlab.base.errors import ParameterError
from simlab.base.kernels import first_fit
from simlab.base.world import Action
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.holdout import Holdout
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.worlds.cluster import Cluster
from tests.twins.cluster import Fleet

DAY, WEEK = 86_400.0, 604_800.0


def trial(
    wiring="isolated",
    *,
    brain=None,
    every=7,
    ticks=60,
    warmup=0,
    grows=None,
    held=None,
    closed=True,
    stride=1,
    traces=(),
    **parameters,
):
    """Cells that learn limits; demand grows as (first tick, last, growth), and jobs are held out as (share, weight of the others)."""
    world = Cluster(**parameters)
    growing = ()
    if grows:
        first, last, growth = grows
        long = (last - first) * world.tick
        growing = (Shock("grows", "world", "set", start=first * world.tick, duration=long, values={"growth": growth}),)
    hands = (Hand("holdout", Holdout(share=held[0], others=held[1]), Trigger(at=0.0), None),) if held else ()
    return Trial(
        world,
        (brain or Ridge(penalty=0.001, memory=7.0),),
        wire(wiring, world.cells).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=stride * world.tick,
        warmup=warmup * world.tick,
        schedule=Schedule(every=every * world.tick),
        shocks=growing,
        hands=hands,
        closed=closed,
        traces=traces,
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, n, m = Streams(seed, [number]), world.slots, world.cells
    hand = luck.named("hand holdout")
    dealt = {name: [] for name in ("type", "hour", "jobs", "cell", "walk", "demand", "held")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["type"].append(luck.uniform("type", (1, n))[0].tolist())
        dealt["hour"].append(luck.uniform("hour", (1, n))[0].tolist())
        dealt["jobs"].append(float(luck.uniform("jobs", (1,))[0]))
        dealt["cell"].append(luck.normal("cell", (1, m))[0].tolist())
        dealt["walk"].append(float(luck.normal("walk", (1,))[0]) if tick >= 0 else 0.0)
        if tick >= 0:
            dealt["demand"].append(luck.noise("demand", (1, m, n))[0].tolist())
            dealt["held"].append(hand.uniform("held out", (1, m, n))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    shock = set_up.shocks[0] if set_up.shocks else None
    hand = set_up.hands[0].intervention if set_up.hands else None
    return Fleet(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        grows=(set_up.ticks(shock.start), set_up.ticks(shock.start + shock.duration), shock.values["growth"])
        if shock
        else (0, 0, 0.0),
        held=(hand.share, hand.others) if hand else None,
        closed=set_up.closed,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("isolated", {"closed": False, "step_time": DAY / 2}),
        ("shared", {"grows": (12, 24, 0.2), "sizes": (0.2, 0.1, 0.5), "rigid": 2}),
        ("shared", {"brain": Ridge(penalty=0.01, memory=5.0, bounds=1.2), "machines": 4}),
        ("bulkheads(2)", {"brain": Ridge(penalty=0.01, memory=5.0, bounds=0.0), "dip": 0.0}),
        ("shared", {"held": (0.3, 0.0), "level": 1.5, "margin": 0.3}),
        ("isolated", {"held": (0.2, 0.5), "rigid": 0}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, job by job, to rounding."""
    set_up = trial(wiring, ticks=30, **({"cells": 4, "arrivals": 9.0, "slots": 12, "machines": 6} | given))
    outcome, twin = play(set_up, 5, [2]), twin_of(set_up, 5, 2, 30)
    for tick in range(1, 31):
        twin.run(tick)
        for name, expected in twin.measures().items():
            found = outcome.series[name][tick, 0]
            assert found == pytest.approx(expected, rel=2e-6, abs=1e-6, nan_ok=True), (name, tick)
    for name, expected in twin.measures().items():
        assert outcome.measures[name][0] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), name


MANY = {"sizes": (0.1, 0.2), "arrivals": 60.0, "slots": 90, "differ": 0.0, "shake": 0.0, "machines": 26}
LONG = {"ticks": 126, "stride": 126, **MANY}


def below(limit, s=0.5):
    """E[D; D < limit] of a lognormal with mean 1, and P(D > limit)."""
    d = math.log(limit) / s + s / 2
    return ndtr(d - s), ndtr(-d)


def at_rest(margin, bounds=1.0, s=0.5):
    """L = (1 + margin) (E[D; D < L] + bounds L P(D > L))."""

    def excess(limit):
        part, over = below(limit, s)
        return (1 + margin) * (part + bounds * limit * over) - limit

    return brentq(excess, 1e-3, 1e2)


def off(said, limit, s=0.5):
    """E |said - U| of U = min(D, limit), by quadrature."""
    z = (np.arange(200_000) + 0.5) / 200_000
    demand = np.exp(s * ndtri(z) - s * s / 2)
    return np.abs(np.minimum(demand, limit) - said).mean()


def close(found, expected, more=0.0):
    """Four standard errors over replications, and what else is allowed."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


def test_the_figures_of_the_method():
    """A margin of 10% throttles 33% at first and 65% at rest; the gain there is .72 (algebra of the lognormal)."""
    assert below(1.1)[1] == pytest.approx(0.330, abs=5e-4)
    assert below(at_rest(0.1))[1] == pytest.approx(0.652, abs=5e-4)
    assert sum(np.array(below(at_rest(0.1))) * (1, at_rest(0.1))) / at_rest(0.1) == pytest.approx(1 / 1.1)
    assert below(at_rest(0.1, 1.2))[1] == pytest.approx(0.439, abs=5e-4)


@pytest.mark.parametrize(("margin", "bounds"), [(0.1, 1.0), (0.3, 1.0), (0.1, 1.2)])
def test_limits_come_to_rest_at_the_fixed_point(margin, bounds):
    """After 17 trainings, .72^17 of the way or less; 0.008 for weights learnt from some 3,000 jobs, which let limits scatter."""
    brain = Ridge(penalty=1e-6, memory=7.0, bounds=bounds)
    found = play(trial("shared", brain=brain, margin=margin, **LONG), 3, range(8)).measures
    limit = at_rest(margin, bounds)
    part, over = below(limit)
    close(found["throttled"], over, 0.008)
    close(found["slack"], 1 - (part + limit * over) / limit, 0.004)
    if bounds == 1:
        close(found["accuracy"], 1 - off(limit / (1 + margin), limit) / (part + limit * over), 0.008)
        close(found["foresight"], 1 - off(limit / (1 + margin), 1e9), 0.008)


def test_the_first_limits():
    """Learnt from limits of whole machines: .330 over them, accuracy .721 on the record (quadrature), .605 about demand."""
    part, over = below(1.1)
    found = play(trial("shared", ticks=14, manual=10.0, window=DAY, **MANY | {"machines": 90}), 4, range(24)).measures
    close(found["throttled"], over, 0.005)
    assert 1 - off(1.0, 1.1) / (part + 1.1 * over) == pytest.approx(0.721, abs=5e-4)
    close(found["accuracy"], 0.721, 0.008)
    close(found["foresight"], 1 - off(1.0, 1e9), 0.008)


def test_what_is_left_out_leaves_ever_less():
    """E[D | D < L] < L / 1.1 until P(D > L) is 1 in all digits that matter: brentq on the conditional mean."""
    rest = brentq(lambda limit: 1.1 * below(limit)[0] / (1 - below(limit)[1]) - limit, 0.05, 2.0)
    assert below(rest)[1] > 0.999
    found = play(trial("shared", brain=Ridge(penalty=1e-6, memory=7.0, bounds=0.0), **LONG), 3, range(4)).measures
    assert (found["throttled"] > 0.95).all()


def test_probes_alone_teach_what_their_own_limits_let_through():
    """L = 1.1 E min(D, F) with F the limit by hand, here the same at all hours; 4 standard errors and 0.02 for few probes."""
    still = {"swing": 0.0, "dip": 0.0, "manual": 1.65}
    part, over = below(1.65)
    expected = 0.8 * below(1.1 * (part + 1.65 * over))[1] + 0.2 * over
    found = play(trial("shared", held=(0.2, 0.0), **LONG | still), 5, range(12)).measures["throttled"]
    close(found, expected, 0.02)


@pytest.mark.parametrize("memory", [1.0, 7.0])
def test_a_training_takes_out_one_less_the_gain(memory):
    """A step of the level by 2% is in the limits as 1.02^(1 - c^n) after n trainings, c = a + (1 - a) g, on the same luck.

    g = (1 + margin) P(D > L) = .718, and a = e^(-7 / memory) of the evidence is kept from one to the next: next to nothing with a
    memory of a tick, and .37 with the shipped one. To 6% of the step, for the curvature and what is learnt from few jobs.
    """
    set_up = trial("shared", brain=Ridge(penalty=1e-9, memory=memory), ticks=126, swing=0.0, dip=0.0, **MANY)
    step = Shock("step", "world", "set", start=91 * DAY, values={"level": 1.02})
    limits = {}
    for which, shocks in (("calm", ()), ("stepped", (step,))):

        def tap(tick, stage, value, which=which):
            if stage == "act":
                limits[which, tick] = value.mean()

        play(replace(set_up, shocks=shocks), 6, range(24), tap)
    gain = 1.1 * below(at_rest(0.1))[1]
    assert gain == pytest.approx(0.718, abs=5e-4)
    for n in range(1, 5):
        moved = math.log(limits["stepped", 91 + 7 * n] / limits["calm", 91 + 7 * n]) / math.log(1.02)
        kept = math.exp(-7 / memory)
        assert moved == pytest.approx(1 - (kept + (1 - kept) * gain) ** n, abs=0.06)


def test_limits_by_hand_have_the_published_slack():
    """46%: Rzadca et al. 2020, abstract; fitted to two digits, so to 1%."""
    found = play(trial(closed=False, ticks=60, stride=60, machines=30), 7, range(32)).measures["slack"]
    close(found, 0.46, 0.01)


def test_weights_equal_another_librarys():
    """scikit-learn's ridge on the same jobs, weights fading by e^(-1/memory): to rounding. What did not come counts nothing."""
    world, brain = Cluster(cells=3), Ridge(penalty=0.02, memory=9.0)
    luck = Streams(8, [0])
    state, mind = world.start(luck), brain.start(1, 1, 1, world.spec, luck)
    rows, used, weight = [], [], []
    for tick in range(12):
        luck.clock.row = tick
        x = world.observe(state)
        action = Action(world.fallback(state, luck))
        state, answer = world.step(state, action, luck)
        seated = [None if a is None else a[:, None] for a in answer]
        brain.fade(mind)
        asked = np.broadcast_to(x, (1, 3, *x.shape[2:]))
        brain.witness(mind, asked[:, None], action.value[:, None], type(answer)(*seated), None)
        rows.append(asked.reshape(-1, 6).copy())
        used.append(answer.outcome.ravel().copy())
        weight.append(answer.weight.ravel() * math.exp((tick - 11) / 9.0))
    brain.retrain(mind, (np.array([0]), np.array([0])), np.array([0]))
    outside = Outside(alpha=0.02 * 3 * world.slots, fit_intercept=False)
    outside.fit(np.concatenate(rows), np.concatenate(used), sample_weight=np.concatenate(weight))
    np.testing.assert_allclose(mind.weights[0, 0], outside.coef_, rtol=1e-9)


def test_first_fit_equals_a_plain_loop():
    sizes = np.random.default_rng(1).uniform(0.05, 0.8, (3, 4, 20))
    sizes[0, 0, :5], sizes[1, 1] = np.inf, 1.0
    at, free = first_fit(sizes, 7)
    for row, machine, room in zip(sizes.reshape(-1, 20), at.reshape(-1, 20), free.reshape(-1, 7), strict=True):
        left, where = [1.0] * 7, []
        for size in row:
            there = next((i for i, r in enumerate(left) if r >= size), 7)
            where.append(there)
            if there < 7:
                left[there] -= size
        assert machine.tolist() == where
        assert room.tolist() == left


def test_half_a_tick():
    """Half as many jobs at a time, twice as often, with a memory of twice as many ticks: the same throttled share and slack.

    Four standard errors of the difference and 0.01. Packing is a tick's own (docstring).
    """
    whole = {"slots": 60, "arrivals": 40.0} | {k: v for k, v in LONG.items() if k not in ("arrivals", "slots")}
    half = whole | {"slots": 36, "step_time": DAY / 2, "ticks": 252, "stride": 252, "every": 14}
    found = [
        play(trial("shared", brain=Ridge(penalty=1e-6, memory=memory), **given), 9, range(8)).measures
        for memory, given in ((7.0, whole), (14.0, half))
    ]
    for name in ("throttled", "slack"):
        close(found[0][name] - found[1][name], 0.0, 0.01)


def test_a_record_drives_arrivals_and_level():
    """Jobs come and demand goes as recorded: half the jobs on half the machines, and twice the demand by hand on as many."""
    calm = {"closed": False, "ticks": 40, "stride": 20, "shake": 0.0, "window": 2 * DAY, "machines": 40}
    days = (0.0, 20 * DAY)
    fewer = play(trial(traces=(Trace("arrivals", days, (20.0, 10.0), math.inf),), **calm), 1, range(32)).series
    assert 0.5 < fewer["machines"][2].mean() / fewer["machines"][1].mean() < 0.65  # the last one is never full
    more = play(trial(traces=(Trace("level", days, (1.0, 2.0), math.inf),), **calm), 1, range(32)).series
    assert (more["throttled"][2] > 2 * more["throttled"][1]).all()
    np.testing.assert_allclose(more["machines"][2].mean(), more["machines"][1].mean(), rtol=0.15)


def test_no_job_no_room_and_no_word():
    """Nothing comes, and measures are 0 or undefined; one machine turns jobs away unseen; a model that says less than 0 has no say."""
    none = play(trial(arrivals=1e-9, ticks=10), 1, range(2)).measures
    assert all((none[name] == 0).all() for name in ("throttled", "slack", "machines", "killed", "unserved"))
    assert np.isnan(none["accuracy"]).all()
    world, luck = Cluster(cells=2, machines=1, sizes=(0.6, 0.9), rigid=0), Streams(2, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    action = world.act(state, np.full((3, 2, world.slots), -0.1), luck)
    np.testing.assert_array_equal(action.value, world.fallback(state, luck))
    assert action.value.max() == 1  # no limit is larger than a machine
    then, answer = world.step(state, action, luck)
    np.testing.assert_array_equal(answer.weight.sum(axis=2), 1)  # one job fills the machine
    assert not then.total.killed.any()
    assert (answer.outcome <= action.value).all()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"slots": 10}, "slots must be at least what comes in a tick"),
        ({"rigid": 3}, "rigid must be at most the number of types"),
        ({"swing": 0.6, "dip": 0.5}, "swing and dip must add up to less than 1"),
        ({"sizes": (0.1, 1.5)}, "must be at most 1"),
        ({"margin": -0.1}, "must be at least 0"),
    ],
)
def test_what_cannot_be(given, told):
    with pytest.raises(ParameterError, match=told):
        Cluster(**given)
