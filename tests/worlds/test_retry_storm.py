"""Retry storms against their slow twin, a plain SimPy queue, queueing theory and the fluid limit."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import simpy

from simlab.base.errors import ParameterError
from simlab.brains.moving_average import MovingAverage
from simlab.brains.topology import Schedule, wire
from simlab.interventions.limits import Limits
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds import retry_storm
from simlab.worlds.retry_storm import RetryStorm
from tests.twins.retry_storm import Averaging, Site


def trial(
    world=None, brain=None, wiring="isolated", *, every=0.0, outage=None, budget=None, on=None, horizon=60.0, **given
):
    """Gateways that let everything through unless they retrain; `outage` is (start, length, capacity), `budget` a limit on retries."""
    world = world or RetryStorm()
    shocks = ()
    if outage:
        shocks = (Shock("outage", "world", "set", outage[0], outage[1], values={"capacity": outage[2]}),)
    hands = (Hand("budget", Limits(high=budget), Trigger(at=0.0), on),) if budget is not None else ()
    return Trial(
        world,
        (brain or MovingAverage(window=20, prior=1.0),),
        wire(wiring, world.gateways).canonical(world.spec),
        schedule=Schedule(every=every),
        horizon=horizon,
        shocks=shocks,
        hands=hands,
        **({"stride": world.tick} | given),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, (new, again) = Streams(seed, [number]), world.slots
    kinds = {
        "gaps": ("exponential", new),
        "gateway": ("uniform", new),
        "work": ("exponential", new + again),
        "fate": ("uniform", new + again),
    }
    dealt = {name: [] for name in kinds}
    for tick in range(ticks):
        luck.clock.row = tick
        for name, (kind, slots) in kinds.items():
            dealt[name].append(getattr(luck, kind)(name, (1, slots))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    world, wiring, brain = set_up.world, set_up.topology, set_up.brains[0]
    every = round(set_up.schedule.every / world.tick)
    minds = [Averaging(brain.window, brain.prior, every) for _ in range(wiring.brains)] if set_up.closed else []
    limit = set_up.hands[0].intervention.high if set_up.hands else math.inf
    outage = (1 << 60, 0, 1.0)
    for shock in set_up.shocks:
        outage = set_up.ticks(shock.start), set_up.ticks(shock.duration), shock.values["capacity"]
    return Site(asdict(world), noise_of(world, seed, number, ticks), minds, wiring.brain_of, limit, outage)


SMALL = RetryStorm(gateways=4, arrivals=30.0, most=40.0, rate=50.0, lost=0.02, memory=12.0, timeout=1.5)
OUT = (10.0, 3.0, 0.0)


@pytest.mark.parametrize(
    "set_up",
    [
        trial(SMALL, outage=OUT),
        trial(SMALL, outage=OUT, budget=0.1),
        trial(SMALL, outage=(10.0, 5.0, 0.2), every=0.5),
        trial(SMALL, wiring="shared", outage=OUT, every=1.0),
        trial(SMALL, MovingAverage(window=40, prior=0.5), "bulkheads(2)", outage=OUT, every=2.0),
        trial(replace(SMALL, jitter=0.0, growth=1.0, retries=1), outage=(10.0, 8.0, 0.0)),
        trial(replace(SMALL, retries=0, step_time=0.25), outage=OUT, budget=1.0),
        replace(trial(SMALL, outage=OUT), closed=False),
    ],
    ids=["blind", "budget", "own", "shared", "halves", "in step", "no retries", "nobody listens"],
)
def test_kernel_equals_its_twin(set_up):
    """On equal noise, through an outage, attempt by attempt: the same answers, to rounding."""
    seed, number, world = 5, 3, set_up.world
    outcome = play(set_up, seed, [number])
    assert not outcome.failed, outcome.failed
    ticks = set_up.ticks(set_up.horizon)
    twin = twin_of(set_up, seed, number, ticks)
    for tick in (*range(8, ticks, 8), ticks):
        twin.run(tick)
        said = {name: float(outcome.series[name][tick, 0]) for name in world.measures}
        came, answers, attempts = twin.recent
        assert said["goodput"] == pytest.approx(answers / came, rel=1e-6)
        assert said["amplification"] == pytest.approx(attempts / came, rel=1e-6)
        assert said["given_up"] == pytest.approx(twin.failed)
        assert said["stuck"] == pytest.approx(twin.worst)
        assert said["backlog"] == pytest.approx(twin.backlog, rel=1e-5, abs=1e-6)  # recorded in single precision
    assert twin.answered > 250
    assert said["failed"] == pytest.approx(twin.failed / (twin.failed + twin.answered), rel=1e-6)
    assert said["wasted"] == pytest.approx(1 - twin.answered / twin.seen, rel=1e-6)
    for name, level in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert said[name] == pytest.approx(np.percentile(twin.latencies, level), rel=0.1), name


def test_a_plain_simpy_server_serves_the_same_attempts_at_the_same_times(monkeypatch):
    """What comes in a storm, replayed through a SimPy resource: every attempt leaves when the kernel said, to 1e-9 s."""
    kernel, seen = retry_storm.fifo, []

    def spy(comes, server, work, free):
        served = kernel(comes, server, work, free)
        here = server[0] == 0
        seen.append((comes[0, here], work[0, here], served.leaves[0, here]))
        return served

    monkeypatch.setattr(retry_storm, "fifo", spy)
    crowd = Trace("arrivals", (0.0, 5.0, 8.0), (60.0, 200.0, 60.0))  # a trigger that leaves the server's speed alone
    world = RetryStorm(most=210.0)
    outcome = play(trial(world, traces=(crowd,)), 3, [0])
    assert outcome.measures["goodput"] < 0.1
    env, found = simpy.Environment(), []
    server = simpy.Resource(env)

    def attempt(comes, work):
        yield env.timeout(comes)
        with server.request() as turn:
            yield turn
            yield env.timeout(work)
        found.append(env.now)

    for tick, (comes, work, _) in enumerate(seen):
        for at, takes in zip(comes + tick * world.tick, work, strict=True):
            env.process(attempt(at, takes))
    env.run()
    said = np.concatenate([leaves + tick * world.tick for tick, (_, _, leaves) in enumerate(seen)])
    assert len(said) > 8000
    np.testing.assert_allclose(found, said, rtol=0, atol=1e-9)


def near(found, expected, within=0.0):
    """Within four standard errors of the replications' mean, and what is known to be off."""
    error = 4 * found.std(ddof=1) / math.sqrt(len(found)) + within
    assert abs(found.mean() - expected) < error, (found.mean(), expected, error)


def test_without_retries_it_is_an_m_m_1_queue():
    """Kendall: the time in the system is exponential with mean 1 / (mu - lambda), here 1/4 s; late is exp(-2)."""
    world = RetryStorm(arrivals=6.0, most=7.0, rate=10.0, timeout=0.5, retries=0, lost=0.0)
    seen = play(trial(world, horizon=200.0, warmup=20.0, stride=20.0), 2, range(48)).measures
    near(seen["failed"], math.exp(-2))
    near(seen["wasted"], math.exp(-2))
    for name, level in (("p50", 0.5), ("p95", 0.95)):
        exact = -0.25 * math.log(1 - level * (1 - math.exp(-2)))  # of those in time
        near(seen[name], exact, 0.01 * exact)


def test_retries_are_for_answers_that_get_lost():
    """Each attempt of R + 1 is lost with chance q: 1 + q + q^2 of them, and q^3 of the requests are given up."""
    world = RetryStorm(rate=1000.0, lost=0.2, retries=2)
    seen = play(trial(world, warmup=10.0, horizon=50.0, stride=10.0), 3, range(48)).measures
    near(seen["failed"], 0.008)
    near(seen["amplification"], 1.24)


@pytest.mark.parametrize(("arrivals", "retries"), [(25.0, 2), (60.0, 0), (40.0, 1), (40.0, 2), (60.0, 1), (30.0, 3)])
def test_a_storm_stays_if_and_only_if_all_attempts_are_more_than_the_server_serves(arrivals, retries):
    """lambda (R + 1) against mu = 100, after an outage of 10 s: what is left grows by lambda (R + 1) / mu - 1, or goes."""
    world = RetryStorm(arrivals=arrivals, retries=retries, lost=0.0)
    set_up = trial(world, outage=(10.0, 10.0, 0.0), horizon=90.0, stride=10.0)
    outcome = play(set_up, 4, range(12))
    growth = arrivals * (retries + 1) / 100 - 1
    if growth < 0:
        assert (outcome.measures["goodput"] > 0.7).all()
        return
    assert (outcome.measures["goodput"] < 0.05).all()
    backlog = outcome.series["backlog"]
    near((backlog[-1] - backlog[-5]) / 40, growth)


@pytest.mark.parametrize(("budget", "stays"), [(0.1, False), (0.3, False), (0.9, True)])
def test_a_budget_below_the_spare_capacity_ends_the_storm(budget, stays):
    """lambda (1 + b) against mu: b = mu / lambda - 1 = 2/3 is the edge."""
    seen = play(trial(outage=(10.0, 10.0, 0.0), budget=budget, horizon=120.0, stride=10.0), 5, range(8)).measures
    assert ((seen["goodput"] < 0.1) == stays).all()
    if stays:
        near(seen["amplification"], 1 + budget, 0.02)


@pytest.mark.parametrize(("blind", "stays"), [(1, False), (3, True)])
def test_how_many_gateways_without_a_budget_keep_a_storm_alive(blind, stays):
    """lambda (1 + f R) against mu, if the others retry nothing: f = (mu / lambda - 1) / R = .22 is the edge."""
    others = tuple(range(blind, 10))
    seen = play(trial(outage=(10.0, 10.0, 0.0), budget=0.0, on=others, horizon=120.0, stride=10.0), 6, range(8))
    assert ((seen.measures["goodput"] < 0.1) == stays).all()


def test_the_storm_ends_where_load_falls_far_enough_and_not_where_it_began():
    """Hysteresis: 60/s were fine before the outage and are not after it, until for a while 10/s come, with 40 attempts a second at most."""
    down = Trace("arrivals", (0.0, 25.0, 65.0), (60.0, 10.0, 60.0))
    goodput = play(trial(outage=(10.0, 2.0, 0.0), horizon=90.0, stride=5.0, traces=(down,)), 7, range(8)).series[
        "goodput"
    ]
    assert (goodput[2] > 0.7).all()
    assert (goodput[5] < 0.1).all()
    assert (goodput[-1] > 0.7).all()


def fluid(world, length, horizon, budget=math.inf, window=0, h=0.01):
    """The fluid limit: backlog, s, at the end of each tick, and the longest time stuck. Capacity is 0 for `length` s from 20 s on.

    dB/dt = (attempts a second) / mu - capacity. An attempt is late if the work before it takes longer than the timeout; its retry
    comes after timeout + wait, spread evenly over the jitter's range, if there is a token. What is let through is limited by a budget
    and by the share of good answers in the last `window` s.
    """
    r, steps, patience, per = world.retries, round(horizon / h), round(world.timeout / h), round(world.tick / h)
    first, last = round(20 / h), round((20 + length) / h)
    flow = np.zeros((r + 1, steps + round(60 / h)))
    flow[0] = world.arrivals
    capacity = np.ones(steps + patience)
    capacity[first:last] = 0
    done = np.concatenate([[0.0], np.cumsum(capacity) * h])
    bad, good, seen = (np.zeros(steps + patience + 1) for _ in range(3))  # of attempts whose time is up then
    backlog = tokens = answers = requests = stuck = longest = 0.0
    said, found = 1.0, []
    for i in range(steps):
        up = i + patience
        bad[up] = 1.0 if backlog > done[up] - done[i] + 1e-9 else world.lost
        seen[up] = flow[:, i].sum()
        good[up] = seen[up] * (1 - world.lost) * (bad[up] < 1)
        if i % per == 0:
            if window and i:
                since = max(i - round(window / h), 0)
                said = good[since:i].sum() / max(seen[since:i].sum(), 1e-9)
            let = min(r * said, budget)
            tokens = min(tokens + let * world.arrivals * world.tick, let * world.arrivals * (world.memory + world.tick))
        if i >= patience:
            asked = flow[:r, i - patience] * bad[i] * h
            share = min(1.0, tokens / max(asked.sum(), 1e-300))
            tokens -= share * asked.sum()
            for k in range(r):
                wait = world.backoff * world.growth**k
                begin, end = (i + round(w / h) for w in (wait * (1 - world.jitter), wait))
                flow[k + 1, begin : max(end, begin + 1)] += share * asked[k] / h / max(end - begin, 1)
        backlog = max(backlog + h * (flow[:, i].sum() / world.rate - capacity[i]), 0.0)
        if (i + 1) % per == 0:
            found.append(backlog)
            keep = math.exp(-world.tick / world.window)
            answers = answers * keep + good[i + 1 - per : i + 1].sum() * h
            requests = requests * keep + world.arrivals * world.tick
            stuck = (stuck + world.tick) * (capacity[i] > 0 and i > first and 2 * answers < requests)
            longest = max(longest, stuck)
    return np.array(found), longest


def test_the_pause_of_the_scenario_is_the_shortest_of_half_seconds_that_tips_the_fluid_limit():
    pause = load("retry_storm").arms[0].trial.shocks[0].duration
    assert pause == 1.5
    for length, tips in ((1.0, False), (1.5, True)):
        assert (fluid(RetryStorm(), length, 40.0)[1] > 10) == tips


@pytest.mark.parametrize(
    ("length", "given", "longest"),
    [(1.5, {}, 18.5), (1.5, {"budget": 0.1}, 2.5), (1.5, {"window": 10.0}, 33.5)],
    ids=["every retry", "budget", "learnt"],
)
def test_the_fluid_trajectory(length, given, longest):
    """With 3,000 requests a second noise is small: queues are those that the scenario's claims were written from."""
    world, window = RetryStorm(arrivals=3000.0, most=3000.0, rate=5000.0), given.get("window", 0.0)
    horizon = 60.0 if window else 40.0
    exact, stuck = fluid(world, length, horizon, **given)
    assert stuck == pytest.approx(longest, abs=1.0)
    every, budget = world.tick * (window > 0), given.get("budget")
    outcome = play(trial(world, every=every, budget=budget, outage=(20.0, length, 0.0), horizon=horizon), 8, range(2))
    backlog = outcome.series["backlog"][1:].mean(axis=1)
    np.testing.assert_allclose(backlog, exact, atol=0.1 + 0.03 * exact.max())
    np.testing.assert_allclose(outcome.measures["stuck"], stuck, atol=1.5)


def test_gateways_that_let_everything_through_are_never_short_of_a_token():
    """Tokens that can be used for longer, or at once, change nothing then."""
    base = trial(outage=(10.0, 3.0, 0.0))
    longer = replace(base, world=RetryStorm(memory=40.0))
    a, b = play(base, 9, range(4)).measures, play(longer, 9, range(4)).measures
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_half_the_tick_moves_nothing_where_no_model_is_listened_to():
    """Gateways look twice as often; what is let through blindly, or within a budget, has the same law."""
    for budget in (None, 0.1):
        whole, half = (
            play(
                trial(RetryStorm(step_time=dt), outage=(5.0, 2.0, 0.0), budget=budget, horizon=20.0, stride=1.0),
                seed,
                range(24),
            ).measures
            for dt, seed in ((0.5, 21), (0.25, 22))
        )
        for name in ("failed", "backlog", "wasted"):
            error = math.sqrt((whole[name].var() + half[name].var()) / 24)
            assert abs(whole[name].mean() - half[name].mean()) < 4 * error + 1e-3, name


def test_parameters_that_contradict_each_other_are_refused():
    with pytest.raises(ParameterError, match=r"whole ticks of 0\.5 s, not 0\.7 s"):
        RetryStorm(timeout=0.7)
    with pytest.raises(ParameterError, match="must be whole ticks"):
        RetryStorm(timeout=0.25)
    with pytest.raises(ParameterError, match=r"at least the 6\.5 s of a request, not 5 s"):
        RetryStorm(memory=5.0)
    with pytest.raises(ParameterError, match=r"at most `most` \(60\), not 80"):
        RetryStorm(arrivals=80.0)
    with pytest.raises(ParameterError, match="over 100,000 attempts"):
        RetryStorm(most=1e6)
