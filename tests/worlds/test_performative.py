"""Performative prediction against its slow twin, against the theory of repeated risk minimisation, and against itself at half the tick."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

import simlab
from simlab.brains.mean import Mean
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, schedule, wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds import performative
from simlab.worlds.performative import Performative
from tests.twins.performative import Town

EXACT = {"spread": 0.0, "context": 0.0, "noise": 0.0, "bound": 1e12}  # no luck in it
Q = 0.5 * 0.8  # weight of a prediction in the mean act of a market: trust times listening


@pytest.fixture
def double(monkeypatch):
    """Beliefs and acts in double precision, for what the algebra says to the last digits."""
    monkeypatch.setattr(performative, "SINGLE", np.dtype(np.float64))


def trial(
    wiring="isolated", brain=None, *, ticks=200, cycle=10, how="synchronised", shift=(0, 2.0), stride=None, **parameters
):
    """A base that shifts, and brains that learn every `cycle` ticks."""
    world = Performative(**parameters)
    shifts = Shock("shift", "world", "set", start=shift[0] * world.tick, values={"base": shift[1]})
    return Trial(
        world,
        (brain or Mean(),),
        wire(wiring, world.models).canonical(world.spec),
        horizon=ticks * world.tick,
        stride=(stride or cycle) * world.tick,
        schedule=schedule(how, Schedule(every=cycle * world.tick)),
        shocks=(shifts,),
    )


def with_shocks(set_up, *shocks):
    return replace(set_up, shocks=(*set_up.shocks, *shocks))


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, m = Streams(seed, [number]), world.models
    dealt = {name: [] for name in ("weather", "conditions", "view error", "belief", "noise")}
    for tick in range(-1, ticks - 1):  # what is met at a tick is drawn at the one before
        luck.clock.row = tick
        dealt["weather"].append(float(luck.normal("weather", (1,))[0]))
        for name in ("conditions", "view error"):
            dealt[name].append(luck.normal(name, (1, m))[0].tolist())
        dealt["belief"].append(luck.noise("belief", (1, m, world.agents))[0].tolist())
        luck.clock.row = tick + 1
        dealt["noise"].append(luck.normal("noise", (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    brain, world, (shift, *_) = set_up.brains[0], set_up.world, set_up.shocks
    return Town(
        asdict(world),
        noise_of(world, seed, number, ticks),
        asdict(set_up.topology),
        type(brain).__name__.lower(),
        asdict(brain),
        every=set_up.schedule.every,
        cohort=set_up.schedule.size if set_up.schedule.how == "staggered" else set_up.topology.brains,
        shift=(set_up.ticks(shift.start), shift.values["base"]),
    )


LEARNERS = {"ridge": Ridge(penalty=0.3, memory=15.0), "latest": Mean(), "half": Mean(keep=0.5)}
HARSH = {"spread": 3.0, "bound": 2.0}  # most acts hit a bound


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared_data", "shared_brain", "bulkheads(2)"])
@pytest.mark.parametrize(
    ("learner", "how", "parameters"),
    [
        ("ridge", "synchronised", {}),
        ("ridge", "staggered(1)", HARSH),
        ("latest", "staggered(2)", {"cross": -1.5}),
        ("half", "synchronised", {"alike": 0.3, **HARSH}),
    ],
)
def test_kernel_equals_its_twin(wiring, learner, how, parameters, monkeypatch):
    """On equal noise, instant by instant, to rounding: in double precision, and then in single, as shipped."""
    given = {"alike": 0.6, "models": 4, "agents": 15} | parameters
    set_up = trial(wiring, LEARNERS[learner], ticks=120, cycle=12, how=how, shift=(30, 2.0), **given)
    seed, number = 6, 3
    shipped = play(set_up, seed, [number])
    monkeypatch.setattr(performative, "SINGLE", np.dtype(np.float64))
    outcome = play(set_up, seed, [number])
    twin = twin_of(set_up, seed, number, 120)
    path = []
    for tick in range(12, 121, 12):
        twin.run(tick)
        path.append((twin.moved, twin.act, twin.theta, twin.gap, sum(twin.said) / 4, twin.loss / tick))
    for i, name in enumerate(("moved", "act", "theta", "gap", "said", "loss")):
        np.testing.assert_allclose(
            outcome.series[name][1:, 0], [row[i] for row in path], rtol=2e-6, atol=1e-6, err_msg=name
        )
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-9, abs=1e-12), name
        assert shipped.measures[name][0] == pytest.approx(path[-1][i], rel=3e-7, abs=3e-7), name
    assert outcome.measures["self_made"][0] == pytest.approx(twin.crossed / twin.squared, rel=1e-9)


@pytest.mark.parametrize("eps", [-1.2, -0.6, 0.0, 0.9, 1.2])
@pytest.mark.parametrize("own", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("wiring", ["isolated", "shared"])
def test_the_error_changes_by_the_loop_gain_with_every_training(eps, own, wiring):
    """Perdomo 2020, Theorem 3.5 for a location family: rate exactly eps, whoever moves whose outcome (gains add: Narang 2023)."""
    response, cross = own * eps / Q, (1 - own) * eps / Q
    set_up = trial(wiring, response=response, cross=cross, models=4, agents=5, **EXACT)
    assert sum(set_up.world.gain) == pytest.approx(eps)
    gap = play(set_up, 1, [0]).series["gap"][1:, 0]
    np.testing.assert_allclose(gap, 2.0 * abs(eps) ** np.arange(20), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("eps", [-0.9, 0.3, 0.9])
def test_with_luck_too_it_settles_at_the_stable_point(eps):
    """m / (1 - eps), whatever N and noise are: four standard errors."""
    set_up = trial(response=eps / Q, cross=0.0, agents=25, ticks=600, context=0.3, bound=100.0)
    found = play(set_up, 2, range(64)).measures
    said = 2 * (1 - eps**59) / (1 - eps)  # after 59 trainings
    for name, expected in (("said", said), ("moved", eps * said)):
        assert abs(found[name].mean() - expected) < 4 * found[name].std() / math.sqrt(64), name


@pytest.mark.parametrize(("eps", "models"), [(0.45, 1), (0.3, 4), (-0.8, 4)])
def test_the_optimum_depends_on_the_loss_and_the_stable_point_does_not(eps, models):
    """Performative risk of constant predictions v, seen in public runs: a parabola in v, so three of them give its lowest point.

    Squared error: m / (1 - eps), the stable point. Loss v^2/2 - v z: m / (1 - 2 eps). Four standard errors over replications,
    which meet the same luck at each v.
    """
    set_up = trial(response=eps / Q, cross=0.0, models=models, agents=25, ticks=120, stride=1, context=0.0, bound=100.0)
    set_up = replace(set_up, schedule=Schedule())
    says = np.array([-4.0, 1.0, 6.0])
    squared, linear = [], []
    for v in says:
        biased = Shock("says", "brain", "biased", size=v)
        found = play(with_shocks(set_up, biased), 3, range(40))
        squared.append(found.measures["prediction_error"] ** 2)
        linear.append(v * v / 2 - v * found.series["theta"][1:].astype(float).mean(axis=0))
    for risk, optimum in ((squared, 2 / (1 - eps)), (linear, 2 / (1 - 2 * eps))):
        a, b, _ = np.polyfit(says, np.array(risk), 2)
        lowest = -b / (2 * a)
        assert abs(lowest.mean() - optimum) < 4 * lowest.std() / math.sqrt(40) + 1e-6


@pytest.mark.parametrize("eps", [-1.5, 1.5])
def test_above_one_it_diverges_when_the_algebra_says(eps):
    """|theta| first passes 10^6 where |m (eps^(n+1) - 1) / (eps - 1)| does, n trainings after the shift; recorded as diverged."""
    set_up = trial(response=eps / Q, cross=0.0, agents=5, ticks=600, **EXACT)
    found = play(set_up, 1, range(3))
    n = next(n for n in range(100) if abs(2 * (eps ** (n + 1) - 1) / (eps - 1)) > 1e6)
    np.testing.assert_array_equal(found.diverged, (n + 1) * 10 * set_up.world.tick)
    assert np.isnan(found.measures["moved"]).all()
    near = play(trial(response=0.99 * np.sign(eps) / Q, cross=0.0, agents=5, ticks=600, **EXACT), 1, range(3))
    assert np.isnan(near.diverged).all()


def test_bounds_stop_a_runaway():
    """At a gain of 1.2 all listeners end at their bound: m + response x listening x bound."""
    set_up = trial(response=3.0, cross=0.0, agents=5, ticks=600, **(EXACT | {"bound": 10.0}))
    found = play(set_up, 1, [0]).measures
    assert found["theta"][0] == pytest.approx(2 + 3.0 * 0.8 * 10.0)
    assert found["gap"][0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("eps", "settles"), [(-2.5, True), (-3.5, False), (0.6, True), (1.4, False)])
def test_older_data_tame_negative_gains_alone(eps, settles):
    """Half of the evidence kept: the factor is (1 + eps) / 2, below 1 in size for -3 < eps < 1."""
    set_up = trial(brain=Mean(keep=0.5), response=eps / Q, cross=0.0, agents=5, ticks=200, cycle=2, **EXACT)
    found = play(set_up, 1, [0])
    assert np.isnan(found.diverged[0]) == settles
    if settles:
        assert found.measures["said"][0] == pytest.approx(2 / (1 - eps), abs=1e-6)


@pytest.mark.parametrize(
    ("eps", "how", "settles"),
    [
        (-1.5, "synchronised", False),
        (-1.5, "staggered(1)", True),
        (1.2, "synchronised", False),
        (1.2, "staggered(1)", False),
        (0.9, "staggered(1)", True),
    ],
)
def test_one_after_the_other_helps_where_models_crowd_each_other_out(eps, how, settles):
    """Jacobi against Gauss-Seidel for gains from the others alone: the latter converges where identity minus gains is positive definite
    (eps < 1, and for eps < 0 always), and where no gain is negative both do or neither (Stein & Rosenberg 1948)."""
    set_up = trial(response=0.0, cross=eps / Q, models=4, agents=5, ticks=600, cycle=4, how=how, **EXACT)
    found = play(set_up, 1, [0])
    assert np.isnan(found.diverged[0]) == settles
    if settles:
        assert found.measures["said"][0] == pytest.approx(2 / (1 - eps), rel=1e-6)


@pytest.mark.usefixtures("double")
def test_models_that_differ_come_together_at_a_rate_of_their_own():
    """Gains g of one's own prediction and H of all others': together the error changes by g + H, apart by g - H / (M-1).

    One model's evidence is false in the first cycle; what it sets apart then is followed.
    """
    set_up = trial(response=0.5 / Q, cross=-0.6 / Q, models=4, agents=5, ticks=100, shift=(0, 0.0), **EXACT)
    lie = Shock("lie", "evidence", "shifted", duration=10 * set_up.world.tick, size=8.0, models=(0,))
    heard = {}

    def tap(tick, stage, value):
        if stage == "predict":
            heard[tick] = np.array(value[0])

    play(with_shocks(set_up, lie), 1, [0], tap)
    said = np.array([heard[10 * n + 5] for n in range(1, 10)])
    np.testing.assert_allclose(said.mean(axis=1), 2.0 * (0.5 - 0.6) ** np.arange(9), atol=1e-12)
    np.testing.assert_allclose(said[:, 0] - said[:, 1], 8.0 * (0.5 + 0.2) ** np.arange(9), rtol=1e-9)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("together", [True, False])
def test_what_a_nudge_brings_back_is_the_gain_made_of_trust_listeners_and_response(together):
    """The same luck with and without a shift of served predictions: outcomes move by eps for all together, by g for one alone."""
    world = {"models": 4, "agents": 20, "listening": 0.35, "trust": 0.5, "response": 1.2, "cross": 2.0}
    set_up = replace(trial(ticks=50, **world), schedule=Schedule())
    heard = Shock("nudge", "brain", "biased", size=0.1, models=None if together else (2,))
    seen = {}
    for which, shocks in (("plain", ()), ("nudged", (heard,))):

        def tap(tick, stage, value, which=which):
            if stage == "react":
                seen[which, tick] = np.array(value)

        play(with_shocks(set_up, *shocks), 4, range(3), tap)
    moved = np.array([seen["nudged", t] - seen["plain", t] for t in range(50)]) / 0.1
    g, h = 1.2 * 0.5 * 0.35, 2.0 * 0.5 * 0.35
    np.testing.assert_allclose(moved[:, :, 2], g + h if together else g, rtol=1e-9)
    np.testing.assert_allclose(moved[:, :, 0], g + h if together else h / 3, rtol=1e-9)
    assert set_up.world.gain == pytest.approx((g, h))


@pytest.mark.parametrize(("wiring", "alike"), [("shared_brain", 1.0), ("shared_brain", 0.4), ("shared", 1.0)])
def test_sharing_a_view_raises_the_gain_of_what_only_views_show(wiring, alike):
    """The slope on conditions settles at c L / (1 - g - a L H) with views of one's own, and c L / (1 - g - H) with one for all,

    where L = 1 / (1 + error^2) is a view's reliability and a the correlation of two markets' conditions: the errors of the others'
    views do not come back. Four standard errors, and what is left of the start: evidence that fades over n ticks closes the distance
    as exp(-(1 - gain) t / n).
    """
    g, h, c, err, ticks, memory = 0.3, 0.4, 0.8, 0.7, 1800, 100.0
    ridge = Ridge(penalty=1e-6, memory=memory)
    set_up = trial(
        wiring, ridge, ticks=ticks, cycle=20, shift=(0, 0.0), models=4, agents=1, listening=1.0,
        response=g / 0.5, cross=h / 0.5, context=c, alike=alike, error=err, spread=0.0, noise=0.3, bound=1e6,
    )  # fmt: skip
    last = {}

    def tap(tick, stage, value):
        if stage in ("observe", "predict") and tick >= ticks - 20:
            last.setdefault(stage, []).append(np.array(value))

    play(set_up, 5, range(24), tap)
    x = np.stack(last["observe"])[:, :, -1, 1]
    said = np.stack(last["predict"])[:, :, -1]
    slope = ((x - x.mean(axis=0)) * said).mean(axis=0) / x.var(axis=0)  # of one brain that stands still: exact
    reliable = 1 / (1 + err**2)
    gain = g + (h if wiring == "shared" else alike * reliable * h)
    expected = c * reliable / (1 - gain)
    left = expected * math.exp(-(1 - gain) * ticks / memory)
    assert abs(slope.mean() - expected) < 4 * slope.std() / math.sqrt(24) + left


@pytest.mark.parametrize(("said", "spread", "bound"), [(0.0, 1.0, 10.0), (3.0, 2.0, 1.5), (-20.0, 1.0, 10.0)])
def test_bounded_acts_have_the_mean_of_a_clipped_normal(said, spread, bound):
    """E clip(X, -b, b) = b - integral of the distribution function over the bounds; and E of its square likewise, in the loss.

    For X normal with mean m and deviation s. Four standard errors over replications.
    """
    set_up = trial(ticks=40, shift=(0, 0.0), models=2, agents=250, context=0.0, spread=spread, bound=bound)
    biased = Shock("says", "brain", "biased", size=said)
    found = play(with_shocks(replace(set_up, schedule=Schedule()), biased), 7, range(96)).measures
    x = np.linspace(-bound, bound, 200_001)

    def moments(m, s):
        below = np.array([0.5 * (1 + math.erf((v - m) / s / math.sqrt(2))) for v in x[::50]])
        return bound - np.trapezoid(below, x[::50]), bound**2 - np.trapezoid(2 * x[::50] * below, x[::50])

    listens, other = moments(0.5 * said, 0.5 * spread), moments(0.0, spread)
    for name, i in (("act", 0), ("loss", 1)):
        expected = 0.8 * listens[i] + 0.2 * other[i]
        assert abs(found[name].mean() - expected) < 4 * found[name].std() / math.sqrt(96) + 1e-4, name


def test_many_agents_average_out_their_beliefs_and_not_the_loop():
    """The spread of what acts add falls as 1 / sqrt(N); what they add in mean has no N in it.

    Relative error of a standard deviation: 1 / sqrt(2 n), and so of a ratio 1 / sqrt(n).
    """
    n = 200
    few, many = (play(trial(agents=size, context=0.0, noise=0.0), 8, range(n)).measures for size in (5, 80))
    for found in (few, many):
        expected = 3.0 * (1 - 0.6**19)  # after 19 trainings
        assert abs(found["moved"].mean() - expected) < 4 * found["moved"].std() / math.sqrt(n)
    assert math.log(few["moved"].std() / many["moved"].std()) == pytest.approx(math.log(4), abs=4 / math.sqrt(n))


def test_the_bits_do_not_depend_on_what_fits_the_cache():
    """With 300,000 agents a replication is a block of its own, with 250 agents hundreds are one block."""
    for size, ticks in ((150_000, 3), (125, 30)):
        set_up = trial(models=2, agents=size, ticks=ticks, cycle=2, stride=1, bound=2.0)
        whole, alone = play(set_up, 1, range(3)), play(set_up, 1, [1])
        for name in set_up.world.measures:
            np.testing.assert_array_equal(whole.series[name][:, 1:2], alone.series[name], err_msg=name)


def assert_near(single, double, size):
    """No measure `(r,)` differs by a thousandth of its standard error, or by half a millionth of its size."""
    error = np.nanstd(double) / math.sqrt(len(double))
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-3 * error + 5e-7 * size)


def test_single_precision_moves_no_measure(monkeypatch):
    """540 ticks and 27 trainings of the shipped markets, and of some in which most acts hit a bound."""
    given = load("performative").arms[0].trial
    for set_up in (given, replace(given, world=replace(given.world, agents=40, bound=1.5))):
        monkeypatch.setattr(performative, "SINGLE", np.dtype(np.float32))
        single = play(set_up, 1, range(16))
        monkeypatch.setattr(performative, "SINGLE", np.dtype(np.float64))
        double = play(set_up, 1, range(16))
        for name in (*Performative.measures, "prediction_error"):
            size = np.nanmax(np.abs(double.series[name]))
            assert_near(single.measures[name], double.measures[name], size)
        assert (single.measures["theta"] != double.measures["theta"]).all()  # they were two precisions indeed


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["performative", "performative_sweep", "performative_ready", "performative_gain"])
def test_single_precision_moves_no_verdict(name, tmp_path, monkeypatch):
    """Whole shipped runs in both precisions, with all arms, detectors, controls and claims."""

    def played(where):
        return simlab.run(simlab.load(name), replications=32, jobs=1, out=tmp_path / where, progress=lambda _: None)

    single = played("single")
    monkeypatch.setattr(performative, "SINGLE", np.dtype(np.float64))
    double = played("double")
    assert list(single.claims["verdict"]) == list(double.claims["verdict"])
    for measure in Performative.measures:
        for a, b in zip(single.measures[measure].values, double.measures[measure].values, strict=True):
            assert_near(a, b, np.nanmax(np.abs(b)) if np.isfinite(b).any() else 0.0)
    assert not single.measures["theta"].equals(double.measures["theta"])


def test_nobody_listens():
    """With the loop open acts are beliefs: they add nothing in mean, nobody is told anything, and brains still learn."""
    found = play(replace(trial(ticks=200), closed=False), 9, range(64)).measures
    assert abs(found["moved"].mean()) < 4 * found["moved"].std() / 8
    assert np.isnan(found["said"]).all()
    assert np.isnan(found["gap"]).all()
    assert abs(found["theta"].mean() - 2.0) < 4 * found["theta"].std() / 8
    assert (found["prediction_error"] < 2.0).all()


def test_half_the_tick_moves_no_claimed_measure():
    """Refinement: twice as many rounds between trainings agree within four standard errors (`memory` counts ticks, so it doubles)."""
    n, ridge = 96, {"penalty": 0.2, "memory": 20.0}
    whole = play(trial(brain=Ridge(**ridge), ticks=360, cycle=20, shift=(60, 2.0), agents=25), 21, range(n)).measures
    finer = Ridge(penalty=0.4, memory=40.0)
    half = trial(brain=finer, ticks=720, cycle=40, shift=(120, 2.0), agents=25, step_time=5.0)
    found = play(half, 22, range(n)).measures
    for name in ("moved", "act", "theta", "said", "loss", "self_made"):
        error = math.sqrt((whole[name].var() + found[name].var()) / n)
        assert abs(whole[name].mean() - found[name].mean()) < 4 * error, name


def test_the_shipped_gains_are_what_the_scenarios_say():
    gains = {
        name: {arm.name: round(sum(arm.trial.world.gain), 12) for arm in load(name).arms}
        for name in ("performative", "performative_sweep", "performative_ready")
    }
    assert set(gains["performative"].values()) == {0.6}
    assert gains["performative_ready"] == {"careful": 0.3, "reckless": 0.9, "unheard": 0.3}
    said = {"gain_03": 0.3, "gain_06": 0.6, "gain_09": 0.9, "gain_12": 1.2, "gain_12_kept": 1.2, "minus_06": -0.6}
    said |= {"minus_12": -1.2, "minus_12_kept": -1.2}
    said |= {"crowd": -1.2, "crowd_staggered": -1.2, "fulfil": 1.2, "fulfil_staggered": 1.2}
    assert gains["performative_sweep"] == said
