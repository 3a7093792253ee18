"""A chain of models against its slow twin, and against the algebra of its errors."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.detectors.prediction_cascade import PredictionCascade, chain_gain
from simlab.interventions.firewall import Firewall
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Instrument, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.cascade import Cascade
from tests.twins.cascade import Chain

DAY = 86_400.0
OWN = 0.2  # variance of a model's own error with the usual view: error^2 / (1 + error^2)


def trial(
    wiring="chain", *, reads=True, brain=None, every=4, ticks=80, warmup=0, push=None, walls=(), stride=1, **parameters
):
    """A chain of stages, each model reading the one before, with a push of the first and walls as (model, limit)."""
    world = Cascade(**parameters)
    chained = {"reads": tuple((m - 1,) for m in range(world.models))} if reads else {}
    pushes = (Shock("push", "brain", "biased", start=push[0] * DAY, size=push[1], models=(0,)),) if push else ()
    hands = tuple(
        Hand(f"firewall {m}", Firewall(limit), Trigger(at=0.0), (m,)) for m, limit in walls
    )  # on from the first tick only without a warm-up
    return Trial(
        world,
        (brain or Ridge(penalty=0.01, memory=5.0),),
        wire(wiring, world.models, **chained).canonical(world.spec),
        horizon=ticks * DAY,
        stride=stride * DAY,
        warmup=warmup * DAY,
        schedule=Schedule(every=every * DAY),
        shocks=pushes,
        hands=hands,
    )


def settled(**given):
    """One long training on much evidence after another: the weights are those of unlimited evidence, nearly."""
    usual = {"brain": Ridge(penalty=1e-6, memory=20.0), "items": 200, "every": 5, "ticks": 40, "warmup": 60}
    return trial(**(usual | given))


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, shape = Streams(seed, [number]), (1, world.models, world.items)
    dealt = {name: [] for name in ("weather", "driver", "view error")}
    for tick in range(-1, ticks):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["weather"].append(luck.noise("weather", (1, world.items))[0].tolist())
        for name in ("driver", "view error"):
            dealt[name].append(luck.noise(name, shape)[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    pushes = set_up.shocks
    return Chain(
        asdict(set_up.world),
        noise_of(set_up.world, seed, number, ticks),
        asdict(set_up.topology),
        asdict(set_up.brains[0]),
        every=set_up.ticks(set_up.schedule.every),
        pushed=(set_up.ticks(pushes[0].start), pushes[0].size) if pushes else (10**9, 0.0),
        walls={hand.models[0]: hand.intervention.limit for hand in set_up.hands},
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("chain", {}),
        ("chain", {"push": (20, 3.0), "walls": ((2, 0.0),)}),
        ("chain", {"push": (20, 3.0), "walls": ((1, 0.5), (3, 1.0)), "alike": 0.4}),
        ("isolated", {"reads": False, "alike": 0.7}),
        ("shared_brain", {"gain": 0.7}),
        ("shared", {"alike": 1.0}),
        ("bulkheads(2)", {"alike": 0.6, "gain": -0.8, "push": (13, -2.0)}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, tick by tick, to rounding."""
    set_up = trial(wiring, ticks=40, models=4, items=6, line=1.5, **given)
    seed, number = 5, 2
    outcome = play(set_up, seed, [number])
    twin, path = twin_of(set_up, seed, number, 40), []
    for tick in range(1, 41):
        twin.run(tick)
        path.append((twin.wrong, twin.off[0], twin.off[-1], sum(twin.missed) / 4 / tick))
    for i, name in enumerate(("wrong", "first", "last", "loss")):
        expected = [row[i] for row in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=2e-6, atol=1e-6, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-7, abs=1e-9), name
    assert outcome.measures["growth"][0] == pytest.approx(math.sqrt(twin.missed[-1] / twin.missed[0]), rel=1e-7)
    assert outcome.measures["unexplained"][0] == pytest.approx(twin.missed[-1] / twin.size[-1], rel=1e-7)


def close(found, expected, more=0.0):
    """Four standard errors over replications, and what is left of limited evidence."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


@pytest.mark.parametrize("gain", [-1.1, 0.6, 1.0, 1.3])
def test_errors_add_up_along_the_chain(gain):
    """(g^2L - 1) / (g^2 - 1), of the learnt chain: Box & Jenkins 1970.

    Budget: four standard errors, and 4% for weights learnt from some 8,000 items: three weights at each of five stages.
    """
    found = play(settled(gain=gain), 3, range(12)).measures
    growth = chain_gain(gain, 5)
    close(found["growth"] ** 2, growth, 0.04 * growth)
    close(found["unexplained"], OWN, 0.04 * OWN)
    close(found["fading"], 0.0, 0.04 * OWN)


def test_below_one_it_is_bounded_however_long_the_chain():
    """1 / (1 - g^2), and at twice the length no more than that (as above)."""
    found = play(settled(gain=0.6, models=10, items=100, warmup=80, ticks=30), 4, range(12)).measures["growth"] ** 2
    close(found, 1 / (1 - 0.36), 0.06)
    assert chain_gain(0.6, 200) == pytest.approx(1 / (1 - 0.36))


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_a_push_arrives_as_a_power_of_the_gain(gain):
    """c g^4 at the fifth stage, on the same luck with and without: four standard errors of the learnt gains."""
    plain, pushed = (play(settled(gain=gain, push=push, ticks=40), 6, range(12)).measures for push in (None, (39, 2.0)))
    np.testing.assert_allclose(pushed["first"] - plain["first"], 2.0, rtol=1e-9)
    close(pushed["last"] - plain["last"], 2.0 * gain**4, 0.01)


@pytest.mark.parametrize(("lasting", "better"), [(0.99, True), (0.5, False)])
def test_a_firewall_resets_the_error_and_pays_where_reality_is_slow(lasting, better):
    """Behind it the variance is g^2 (1 - r^2) V + s^2 with V that of what it reads about; better than the model if 1 - r^2 < s^2.

    Walls at all stages: loss is the mean over stages of it. 4% for what is learnt from limited evidence.
    """
    gain, size = (
        1.2,
        [chain_gain(1.2, i) for i in range(6)],
    )  # size[i] is the variance of what stage i - 1 has to foresee
    usual = {"gain": gain, "lasting": lasting, "warmup": 0, "ticks": 250, "every": 25, "items": 40, "stride": 125}
    usual["brain"] = Ridge(penalty=1e-6, memory=60.0)
    walls = tuple((m, 0.0) for m in range(1, 5))
    free, walled = (_late_loss(trial(walls=w, **usual)) for w in ((), walls))
    expected = OWN + gain**2 * (1 - lasting**2) * sum(size[:5]) / 5
    close(walled, expected, 0.04 * expected)
    chained = OWN * sum(size) / 5
    close(free, chained, 0.04 * chained)
    assert (walled.mean() < free.mean()) == better == (1 - lasting**2 < OWN)


def _late_loss(set_up, n=5):
    """Mean square error of all stages over the second half, from the running means at half and at the end."""
    loss = play(set_up, 7, range(n)).series["loss"].astype(float)
    half = len(loss) // 2  # of three instants, the first at 0
    return 2 * loss[-1] - loss[half]


def test_one_view_adds_up_errors_and_own_views_average_them():
    """With one driver for all, k_L^2 / (1 + L / error^2) with own views (each model is the filter of all readings so far), and

    k_L^2 / (1 + 1 / error^2) with one view, k_L = (g^L - 1) / (g - 1): algebra of normals.
    """
    gain, k = 1.3, (1.3**5 - 1) / 0.3
    for wiring, readings in (("chain", 5), ("feature_store", 1)):
        found = play(settled(wiring=wiring, gain=gain, alike=1.0, lasting=0.0, warmup=80), 8, range(10))
        last = found.measures["unexplained"] * k * k
        expected = k * k / (1 + readings / 0.25)
        close(last, expected, 0.03 * expected)


@pytest.mark.parametrize(("gain", "stable"), [(0.7, True), (1.1, True), (1.3, False)])
def test_one_brain_that_reads_itself_swings_where_its_gain_is_too_large(gain, stable):
    """An offset c of the intercept is c k_i at stage i, k_i = (g^i - 1) / (g - 1), so one brain's next training takes out g times the mean
    of what it read: the intercept changes by q - (1 - q) g mean(k_0..k_4), with q of the evidence from before.

    A small lie in one cycle's evidence, on the same luck with and without, is followed from training to training, to 5%.
    """
    every, memory, size = 4, 5.0, 1e-4
    set_up = settled(wiring="shared_brain", gain=gain, brain=Ridge(penalty=1e-6, memory=memory), every=every, warmup=0)
    set_up = replace(set_up, horizon=64 * DAY)
    lie = Shock("lie", "evidence", "shifted", start=40 * DAY, duration=every * DAY, size=size)
    said = {}
    for which, shocks in (("plain", ()), ("lied", (lie,))):

        def tap(tick, stage, value, which=which):
            if stage == "predict":
                said[which, tick] = value[:, 0].mean(axis=1)

        play(replace(set_up, shocks=shocks), 9, range(3), tap)
    c = [(said["lied", 40 + n * every] - said["plain", 40 + n * every]).mean() for n in range(1, 5)]
    q = math.exp(-every / memory)
    kappa = gain * sum((gain**i - 1) / (gain - 1) for i in range(5)) / 5
    held, expected = 0.0, []
    for n in range(4):  # held: the fading mean of the lie and of the intercepts read
        expected.append((1 - q) * size * q**n - kappa * held)
        held = q * held + (1 - q) * expected[-1]
    if stable:
        np.testing.assert_allclose(c, expected, atol=0.05 * size)
    assert (abs(q - (1 - q) * kappa) < 1) == stable


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_the_detector_of_cascades_reads_the_chain(gain):
    """A path gain above 1 beyond noise where the gain is, within 40 looks; the popular rule counts 10 dependencies either way."""
    watch = Instrument("cascade", PredictionCascade(window=40, least=20))
    set_up = replace(settled(gain=gain, ticks=41), instruments=(watch,))
    found = play(set_up, 10, range(16)).measures
    alarms = (found["cascade"] > watch.detector.limit).mean()
    assert alarms > 0.6 if gain > 1 else alarms < 0.1
    np.testing.assert_array_equal(found["cascade_seed"], 1 + 2 + 3 + 4)


def test_nobody_uses_the_models():
    """With the loop open stages use yesterday's number: off by g^.. 2 (1 - r) V in the mean square at every stage."""
    found = play(replace(trial(ticks=200, push=(100, 5.0)), closed=False), 11, range(12)).measures
    expected = 2 * 0.2 * sum(chain_gain(1.3, i) for i in range(1, 6)) / 5
    close(found["loss"], expected, 0.01 * expected)
    close(found["last"], 0.0)


def test_the_shipped_claims_point_at_the_algebra():
    claimed = {
        (c.arm, c.measure, c.control): c.near for c in load("cascade").claims if c.near is not None and not c.versus
    }
    expected = {
        ("chain", "last", None): 6 * 1.3**4,
        ("damped", "last", None): 6 * 0.7**4,
        ("chain", "growth", "no_stressor"): math.sqrt(chain_gain(1.3, 5)),
        ("damped", "growth", "no_stressor"): math.sqrt(chain_gain(0.7, 5)),
        ("chain", "fading", "no_stressor"): 0.0,
        ("bounded", "last", None): 1.5 * 1.3**4,
        ("repaired", "last", None): -6 * 1.3**4,
    }
    assert claimed == pytest.approx(expected, abs=0.005)
