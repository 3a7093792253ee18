"""Goodhart's law against its slow twin, against the theory of best of n with light and heavy tails, and against the algebra of the loop."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, t

from simlab.base.errors import ParameterError
from simlab.brains.ridge import Ridge
from simlab.brains.topology import Schedule, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.worlds.goodhart import Goodhart
from tests.twins.goodhart import Platform


def trial(
    wiring="isolated", *, rounds=40, warmup=0, stakes=(0, 0.0), brain=None, stride=1, average=False, **parameters
):
    """Models that learn every round; from round `stakes[0]` on producers react."""
    world = Goodhart(**parameters)
    given = {"average_every": world.round} if average else {}
    react = Shock("react", "world", "set", start=stakes[0] * world.tick, values={"stakes": stakes[1]})
    return Trial(
        world,
        (brain or Ridge(penalty=1e-3, memory=8.0),),
        wire(wiring, world.models, **given).canonical(world.spec),
        horizon=rounds * world.tick,
        stride=stride * world.tick,
        warmup=warmup * world.tick,
        schedule=Schedule(every=world.tick),
        shocks=(react,),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a round."""
    luck, k = Streams(seed, [number]), world.metrics
    front = (1, world.candidates, world.slots)
    shapes = {"quality": front, "ability": (*front, k)}
    if world.freedom:
        shapes["tail"] = (*front, k, world.freedom)
    dealt = {name: [] for name in (*shapes, "misread")}
    for tick in range(-1, ticks - 1):  # what is offered in a round is drawn in the one before
        luck.clock.row = tick
        for name, shape in shapes.items():
            dealt[name].append(luck.normal(name, shape)[0].tolist())
        dealt["misread"].append(luck.noise("misread", (*front, world.models, 1 + k))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    (react,) = set_up.shocks
    return Platform(
        asdict(set_up.world),
        asdict(set_up.brains[0]),
        asdict(set_up.topology),
        noise_of(set_up.world, seed, number, ticks),
        stakes=(set_up.ticks(react.start), react.values["stakes"]),
        averaged=bool(set_up.topology.average_every),
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {}),
        ("feature_store", {"metrics": 2}),
        ("shared_data", {"metrics": 3, "freedom": 3}),
        ("shared_brain", {"metrics": 1}),
        ("bulkheads(2)", {"freedom": 4, "misread": 0.0}),
        ("federated", {}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, round by round, to rounding."""
    small = {"models": 3, "slots": 2, "candidates": 5, "metrics": 3} | given
    set_up = trial(wiring, rounds=30, stakes=(8, 1.5), average=wiring == "federated", **small)
    seed, number = 4, 2
    outcome = play(set_up, seed, [number])
    twin = twin_of(set_up, seed, number, 30)
    path = []
    for done in range(1, 31):
        twin.run(done)
        gains = (sum(twin.metric) / 3, sum(twin.users) / 3)
        path.append((*gains, sum(twin.effort) / len(twin.effort), twin.gamed, twin.lost / done))
    for i, name in enumerate(("metric_gain", "true_gain", "effort", "gamed", "loss")):
        expected = [row[i] for row in path]
        np.testing.assert_allclose(outcome.series[name][1:, 0], expected, rtol=2e-5, atol=1e-5, err_msg=name)
        assert outcome.measures[name][0] == pytest.approx(path[-1][i], rel=1e-6, abs=1e-7), name


def highest(n):
    """The expected highest of n standard normals, by its integral."""
    return quad(lambda x: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1), -12, 12)[0]


def best_of(n, freedom):
    """Expected V and U of the candidate with the highest U = V + E of n, by quadrature over V and U."""
    scale = math.sqrt((freedom - 2) / freedom) if freedom else 1.0
    law = t(freedom, scale=scale) if freedom else norm
    v = np.linspace(-7, 7, 351)
    y = np.linspace(-8, 8, 801)
    u = np.sinh(y)[:, None]
    p = norm.pdf(v) * (v[1] - v[0])
    density = p * law.pdf(u - v)
    weight = n * (p * law.cdf(u - v)).sum(axis=1) ** (n - 1) * np.cosh(y) * (y[1] - y[0])
    return float((density @ v) @ weight), float((density.sum(axis=1) * u[:, 0]) @ weight)


def gains(set_up, replications, seed=1):
    """Mean gain of the users and of the metric over the run after its warm-up, `(r,)` each."""
    series = play(set_up, seed, range(replications)).series
    return (series[name][1:].mean(axis=0, dtype=float) for name in ("true_gain", "metric_gain"))


def assert_near(found, expected, slack=0.0):
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + slack, (found.mean(), expected)


ALONE = {"models": 1, "metrics": 1, "misread": 0.0, "cost": 0.0, "recent": 1.0}  # gains of the round


@pytest.mark.parametrize("n", [2, 16, 128])
def test_users_gain_half_of_what_the_metric_gains(n):
    """Normal V and E of equal variance: E[V | U] = U / 2, and U is sqrt(2) times the highest of n (order statistics)."""
    true, metric = gains(trial(rounds=60, warmup=15, candidates=n, stride=1, **ALONE), 32)
    assert_near(metric, math.sqrt(2) * highest(n))
    assert_near(true, highest(n) / math.sqrt(2))
    assert_near(true - metric / 2, 0.0)


@pytest.mark.parametrize(("n", "freedom"), [(16, 3), (64, 3), (512, 3), (64, 5)])
def test_heavy_tails_bring_the_gain_back_to_nothing(n, freedom):
    """Kwa et al. 2024: with Student's t errors users gain the less the harder one chooses, while the metric gains more."""
    slots, replications = (1, 12) if n > 100 else (4, 24)
    set_up = trial(rounds=60, warmup=15, candidates=n, freedom=freedom, slots=slots, **ALONE)
    true, metric = gains(set_up, replications)
    expected = best_of(n, freedom)
    assert_near(true, expected[0])
    assert_near(metric, expected[1])


def test_theory_itself_turns():
    """The quadrature that the test above trusts: normal, it is the order statistic; heavy, up to n = 64 and down from there."""
    assert best_of(16, 0) == pytest.approx((highest(16) / math.sqrt(2), highest(16) * math.sqrt(2)), rel=1e-4)
    heavy = [best_of(n, 3) for n in (16, 64, 4096)]
    assert heavy[0][0] < heavy[1][0] > heavy[2][0]
    assert heavy[2][0] < 0.4
    assert heavy[0][1] < heavy[1][1] < heavy[2][1]


@pytest.mark.parametrize("n", [4, 16, 64])
def test_pressure_in_nats(n):
    """KL(best of n || one) = ln n - (n - 1)/n (Stiennon et al. 2020), measured on ranks: E ln(n F(U)^(n-1)) over what is chosen.

    F is the normal law of U, so F(U) of a random candidate is uniform and has KL 0.
    """
    shown = {}
    set_up = trial(rounds=40, candidates=n, slots=7, **ALONE)

    def tap(tick, stage, value):
        if tick >= 15 and stage in ("act", "react"):
            shown.setdefault(stage, []).append(np.array(value))

    play(set_up, 3, range(24), tap)
    act, react = (np.stack(shown[stage]) for stage in ("act", "react"))  # (ticks, r, m, s) and (ticks, r, m, s, n)
    u = np.take_along_axis(react, act[..., None], axis=-1)[..., 0]
    nats = math.log(n) + (n - 1) * norm.logcdf(u / math.sqrt(2))
    assert_near(nats.swapaxes(0, 1).reshape(24, -1).mean(axis=1), math.log(n) - (n - 1) / n)


def at_rest(*, n=16, models=4, metrics=4, averaged=False, misread=0.5, cost=0.25, stakes=2.0):
    """Gains and effort where effort = stakes x return, with the best linear model of the metric (of all metrics, averaged)."""
    k, g, most = (metrics if averaged else 1), 1.0, highest(n)
    for _ in range(4000):
        v, e = 1 / (1 + misread**2), g**2 / (g**2 + misread**2)  # weights of V and of E: what is true of what is read
        spread = math.sqrt(v + e * g**2 / k)
        returns = models * (1 if averaged else 1 / metrics) * (e / k) * most / spread
        g += 0.05 * (1 + stakes * returns - g)
    return most * (v - cost * e * g**2 / k) / spread, most * spread, g - 1


@pytest.mark.parametrize(
    ("wiring", "given"), [("isolated", {}), ("isolated", {"metrics": 1}), ("federated", {}), ("shared_brain", {})]
)
@pytest.mark.parametrize("rise", [False, True])
def test_the_loop_comes_to_rest_where_effort_pays_for_itself(wiring, given, rise):
    """Before and after producers react. Budget: four standard errors, and 6% for what their finite memory costs the models."""
    brain = Ridge(penalty=1e-4, memory=30.0)
    averaged = wiring in ("federated", "shared_brain")
    averages = wiring == "federated"
    set_up = trial(wiring, rounds=40, warmup=60, brain=brain, average=averages, recent=1.0, **given)
    set_up = replace(set_up, world=replace(set_up.world, stakes=2.0 * rise), shocks=())
    true, metric, effort = at_rest(metrics=given.get("metrics", 4), averaged=averaged, stakes=2.0 * rise)
    series = play(set_up, 5, range(16)).series
    found = {name: series[name][1:].mean(axis=0, dtype=float) for name in ("true_gain", "metric_gain", "effort")}
    assert_near(found["true_gain"], true, 0.06 * metric)
    assert_near(found["metric_gain"], metric, 0.06 * metric)
    assert_near(found["effort"], effort, 0.06 * (effort + 0.01))


def test_the_plain_rule_pays_nobody():
    """Any candidate, chosen at random: no gain of metric or users, and no effort, with the loop open or the models killed."""
    set_up = trial(rounds=60, stakes=(0, 2.0))
    killed = replace(set_up, hands=(Hand("kill_switch", KillSwitch(), Trigger(at=0.0)),))
    for which in (replace(set_up, closed=False), killed):
        found = play(which, 2, range(64)).measures
        for name in ("true_gain", "metric_gain", "loss", "effort"):
            assert_near(found[name], 0.0)
    kinds = [play(which, 2, range(4)).measures for which in (replace(set_up, closed=False), killed)]
    np.testing.assert_array_equal(kinds[0]["loss"], kinds[1]["loss"])


def test_few_candidates_are_the_first_of_many():
    """Arms that choose from 4 and from 16 meet the same first four."""
    few, many = (Goodhart(candidates=n).start(Streams(1, range(3))) for n in (4, 16))
    np.testing.assert_array_equal(few.quality, many.quality[..., :4])
    np.testing.assert_array_equal(few.ability, many.ability[..., :4])


def test_only_what_was_shown_is_seen():
    """Weights are 1 for the choice of each slot, else 0; its metric is the surface's own."""
    world, luck = Goodhart(metrics=2), Streams(1, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    action = world.act(state, state.quality[:, None] * np.ones((1, 4, 1, 1)), luck)
    np.testing.assert_array_equal(action.value[:, 2], state.quality.argmax(axis=2))
    _, answer = world.step(state, action, luck)
    np.testing.assert_array_equal(answer.weight.argmax(axis=3), action.value)
    np.testing.assert_array_equal(answer.weight.sum(axis=3), 1.0)
    np.testing.assert_allclose(answer.outcome[:, 3], state.quality + state.ability[:, 1])


@pytest.mark.parametrize(("given", "says"), [({"metrics": 5}, "at most models"), ({"freedom": 2}, "no variance")])
def test_parameters_are_held_against_each_other(given, says):
    with pytest.raises(ParameterError, match=says):
        Goodhart(**given)
