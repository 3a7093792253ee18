"""The load balancer against its slow twin and against queueing theory."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.world import Action
from simlab.brains.epsilon_greedy import EpsilonGreedy
from simlab.brains.fill_up import FillUp
from simlab.brains.least_loaded import LeastLoaded
from simlab.brains.power_of_two import PowerOfTwo
from simlab.brains.thompson import Thompson
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.worlds.load_balancer import LoadBalancer
from tests.twins.load_balancer import Fill, Greedy, Least, Site, Two
from tests.twins.load_balancer import Thompson as Believer

DECIDE = {
    EpsilonGreedy: {"explore": "uniform"},
    Thompson: {"draw": "noise"},
    LeastLoaded: {"ties": "uniform"},
    FillUp: {"which": "uniform"},
    PowerOfTwo: {"look 0": "uniform", "look 1": "uniform"},
}


def trial(world=None, brain=None, wiring="isolated", *, horizon=60.0, **given):
    world = world or LoadBalancer()
    topology = wire(wiring, world.balancers).canonical(world.spec)
    fields = {"stride": world.tick * max(round(horizon / world.tick / 60), 1)} | given
    return Trial(world, (brain or EpsilonGreedy(),), topology, horizon=horizon, **fields)


def noise_of(world, brain, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m, n, k = Streams(seed, [number]), world.balancers, world.slots, len(world.rates)
    own = luck.named("brain")
    dealt = {name: luck.uniform(name, (1, m))[0].tolist() for name in ("phase", "turn")}
    dealt["start"] = own.uniform("ties", (1, m, k))[0].tolist()
    dealt |= {
        "gaps": [],
        "work": [],
        "errors": [],
        "fallback": [],
        "decide": {name: [] for name in DECIDE[type(brain)]},
    }
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["gaps"].append(luck.exponential("gaps", (1, m, n)).ravel().tolist())
        dealt["work"].append(luck.exponential("work", (1, m, n)).ravel().tolist())
        dealt["errors"].append(luck.uniform("errors", (1, m, n)).ravel().tolist())
        dealt["fallback"].append(luck.uniform("fallback", (1, m, n))[0].tolist())
        for name, kind in DECIDE[type(brain)].items():
            shape = (1, m, n, 2, k) if kind == "noise" else (1, m, n)
            dealt["decide"][name].append(getattr(own, kind)(name, shape)[0].tolist())
    return dealt


def decider(brain, dice, k):
    if isinstance(brain, EpsilonGreedy):
        return Greedy(k, dice, **asdict(brain))
    if isinstance(brain, Thompson):
        return Believer(k, brain.forget)
    if isinstance(brain, FillUp):
        return Fill(brain.expected)
    return Least() if isinstance(brain, LeastLoaded) else Two()


def twin_of(set_up, seed, number, ticks, brownout=(1 << 60, 1.0)):
    """The twin of one replication, ready to go."""
    world, brain, wiring = set_up.world, set_up.brains[0], set_up.topology
    noise = noise_of(world, brain, seed, number, ticks)
    firsts = [wiring.brain_of.index(b) for b in range(wiring.brains)] if set_up.closed else []
    deciders = [decider(brain, noise["start"][first], len(world.rates)) for first in firsts]
    return Site(asdict(world), noise, deciders, wiring.brain_of, wiring.view_of, brownout)


SMALL = LoadBalancer(
    balancers=6, rates=(40.0, 20.0, 20.0, 10.0), load=0.7, refresh=1.5, lag=0.2, error=0.02, faulty=0.05
)


@pytest.mark.parametrize("wiring", ["isolated", "feature_store", "shared"])
@pytest.mark.parametrize(
    "brain",
    [EpsilonGreedy(), EpsilonGreedy(unbiased=True), Thompson(forget=0.05), LeastLoaded(), PowerOfTwo(), FillUp(95.0)],
    ids=lambda b: type(b).__name__,
)
def test_kernel_equals_its_twin(brain, wiring):
    """On equal noise, through a brownout, request by request: the same choices, so the same queues, to rounding."""
    against_twin(
        trial(SMALL, brain, wiring, shocks=(Shock("brownout", "world", "set", start=20.0, values={"brownout": 0.5}),))
    )


@pytest.mark.parametrize("rule", ["random", "weighted", "round_robin", "soonest"])
def test_plain_rules_equal_the_twins(rule):
    against_twin(trial(replace(SMALL, fallback_rule=rule), closed=False))


def test_a_brownout_that_creeps_in_equals_the_twins():
    shock = Shock("brownout", "world", "set", start=20.0, values={"brownout": 0.5})
    against_twin(trial(replace(SMALL, onset=8.0, recent=1.5, arriving=50.0), shocks=(shock,)))


def against_twin(set_up):
    seed, number, ticks, world = 5, 3, set_up.ticks(60.0), set_up.world
    outcome = play(set_up, seed, [number])
    assert not outcome.failed, outcome.failed
    twin = twin_of(set_up, seed, number, ticks, (set_up.ticks(20.0), 0.5) if set_up.shocks else (1 << 60, 1.0))
    twin.run(ticks)
    served, present = twin.served, sum(twin.present)
    said = {name: float(outcome.measures[name][0]) for name in world.measures}
    assert served > 2000
    assert said["throughput"] * 60 == pytest.approx(served, abs=1e-6)
    assert said["crowd"] * (served + present) == pytest.approx(twin.crowd, abs=1e-6)
    twin.drain()  # the kernel books a request when it is sent
    np.testing.assert_allclose(said["latency"], np.mean(twin.latencies), rtol=1e-9)
    assert said["timeouts"] * len(twin.latencies) == pytest.approx(twin.timeouts, abs=1e-6)
    assert said["lost"] == pytest.approx(twin.timeouts + twin.errors, abs=1e-6)
    for name, level in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert said[name] == pytest.approx(np.percentile(twin.latencies, level), rel=0.07), name
        assert said[f"{name}_lately"] == np.float32(twin.lately(level / 100)), (
            name
        )  # the very request, as it is recorded


class Dyadic(Luck):
    """Numbers on a grid of 2^-12, so that sums are exact in whatever order they are taken."""

    replications = 1

    def __init__(self):
        self.rng = np.random.default_rng(17)
        self.dealt = {name: [] for name in ("gaps", "work", "errors", "fallback", "phase", "turn")}

    def uniform(self, purpose, shape):
        self.dealt[purpose].append(np.floor(self.rng.random(shape) * 4096) / 4096)
        return self.dealt[purpose][-1]

    def exponential(self, purpose, shape):
        self.dealt[purpose].append(np.ceil(self.rng.exponential(size=shape) * 4096) / 4096)
        return self.dealt[purpose][-1]

    normal = noise = cells = uniform


@pytest.mark.parametrize("rule", ["round_robin", "soonest"])
def test_simpy_serves_the_same_arrivals_with_no_difference_at_all(rule):
    """1,300 requests on a grid that floats hold exactly: the scan and SimPy's resources give every latency to the last bit."""
    world = LoadBalancer(
        balancers=4, rates=(64.0, 32.0, 16.0), arriving=64.0, load=0.6, fallback_rule=rule, recent=20.0, lag=0.25
    )
    luck, ticks = Dyadic(), 40
    state = world.start(luck)
    for _ in range(ticks):
        state, _ = world.step(state, Action(world.fallback(state, luck)), luck)
    dealt = {name: [a[0].ravel().tolist() for a in arrays] for name, arrays in luck.dealt.items()}
    once = {name: dealt[name][0] for name in ("phase", "turn")}
    twin = Site(asdict(world), dealt | once, [], range(4), range(4))
    twin.run(ticks)
    assert world.measure(state)["throughput"][0] * 20 == twin.served
    twin.drain()
    assert 1200 < len(twin.latencies) < 1400
    assert state.total.waited[0] == sum(twin.latencies)
    there = np.sort(state.lately[np.isfinite(state.lately)])
    np.testing.assert_array_equal(there, np.sort(np.array(twin.latencies, np.float32)))


def near(found, expected, within=0.0):
    """Within four standard errors of the replications' mean, and what is known to be off."""
    error = 4 * found.std(ddof=1) / math.sqrt(len(found)) + within
    assert abs(found.mean() - expected) < error, (found.mean(), expected, error)


def test_one_backend_is_an_m_m_1_queue():
    """Kendall: time in the system is exponential with mean 1 / (mu - arrivals). Bins are 6% wide, quantiles within 1%."""
    world = LoadBalancer(balancers=4, rates=(100.0,), load=0.8, error=0.01)
    seen = play(
        trial(world, closed=False, horizon=200.0, warmup=5.0), 2, range(40)
    ).measures  # 90 service times = 0.9 s
    near(seen["latency"], 0.05)
    for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = -0.05 * math.log(1 - level)
        near(seen[name], exact, 0.01 * exact)
    near(seen["timeouts"], math.exp(-1 / 0.05), 1e-6)
    near(seen["failed"], 0.01, 1e-6)
    near(seen["throughput"], 80.0)
    assert (seen["crowd"] == 1).all()


@pytest.mark.parametrize("step_time", [0.5, 0.25])
def test_a_blind_split_makes_independent_queues_at_any_tick(step_time):
    """Poisson splitting gives M/M/1 queues; in proportion to rates, the mean time is K / (sum(mu) (1 - load)) = 8 / (720 x 0.4)."""
    set_up = trial(LoadBalancer(step_time=step_time), closed=False, horizon=80.0, warmup=5.0, stride=1.0)
    seen = play(set_up, 3, range(24)).measures
    near(seen["latency"], 8 / (720 * 0.4))
    near(seen["herding"], 0.0)  # two requests of one tick are no likelier to meet than any two


@pytest.mark.parametrize("c", [2, 8])
def test_one_queue_for_all_is_m_m_c(c):
    """Sent where the backlog is least, known on arrival, equal servers are one queue (Kiefer & Wolfowitz 1955): Erlang's C formula."""
    world = LoadBalancer(rates=(1.0,) * c, load=0.75, step_time=4.0, deadline=50.0, recent=4.0, fallback_rule="soonest")
    seen = play(trial(world, closed=False, horizon=400.0, warmup=80.0), 6, range(24)).measures
    a = 0.75 * c
    terms = [a**i / math.factorial(i) for i in range(c + 1)]
    waits = terms[c] / 0.25 / (sum(terms[:c]) + terms[c] / 0.25)  # the probability of having to
    near(seen["latency"], 1 + waits / (c - a))


def test_arrivals_follow_a_log():
    """100, 400, then 50 a second for 20 s each, from a record: as many are served; and the second third's percentiles are M/M/1's."""
    world = LoadBalancer(rates=(500.0,), load=0.2, peak=4.0, step_time=0.25, recent=20.0, error=0.0)
    log = Trace("arriving", (0.0, 20.0, 40.0), (100.0, 400.0, 50.0))
    outcome = play(trial(world, closed=False, stride=20.0, traces=(log,)), 10, range(40))
    served = np.diff(outcome.series["throughput"].astype(float) * outcome.times[:, None], axis=0)
    for third, rate in zip(served, (100.0, 400.0, 50.0), strict=True):
        near(third, rate * 20)
    for name, level in (("p50", 0.5), ("p95", 0.95)):  # 2%: it begins nearly empty
        exact = -math.log(1 - level) / (500 - 400)
        near(outcome.series[f"{name}_lately"][2].astype(float), exact, 0.02 * exact)


def test_a_backend_that_degrades_slowly():
    """An M/M/1 whose speed tends to a half with a time constant of 10 s: work that comes at t takes 1 / (0.5 + 0.5 exp(-t/10)) as long."""
    shock = Shock("brownout", "world", "set", start=10.0, values={"brownout": 0.5})
    world = LoadBalancer(rates=(100.0,), load=0.01, onset=10.0, step_time=0.05, error=0.0)
    seen = play(trial(world, closed=False, horizon=40.0, stride=1.0, shocks=(shock,)), 11, range(48))
    total = seen.series["latency"].astype(float)[-1]
    t = np.arange(0.025, 30, 0.05)
    slow = 1 / (0.5 + 0.5 * np.exp(-t / 10))
    near(total, (10 + slow.mean() * 30) / 40 / 100, 0.015 / 100)  # waiting adds a load of 1% to 2%


def test_a_plain_rule_can_be_worse_than_the_failure():
    """A random eighth of 432/s is 54/s: more than a slow backend's 40/s, whose backlog then grows by 54/40 - 1 seconds a second."""
    plain = play(trial(LoadBalancer(fallback_rule="random", error=0.0), closed=False, horizon=100.0), 4, range(24))
    backlog = np.diff(plain.series["imbalance"].astype(float) * plain.times[:, None], axis=0)[-20:].mean(axis=0)
    grown = (
        (54 / 40 - 1) * 90 * (1 - 2 / 8) * (plain.times[1] - plain.times[0])
    )  # two of eight grow; at 90 s on average
    near(backlog, grown, 0.15 * grown)  # the longest of two exceeds the mean
    assert plain.measures["timeouts"].mean() > 0.2  # nearly all of the two slow ones' quarter


def fluid(load, d, period, levels=25, h=0.05):
    """Mean time of the power of d choices with a board read every `period`, for n to infinity.

    Mitzenmacher 2000, section 3 (periodic update): within a period a server whose board shows i is an M/M/1 queue with constant
    arrivals load (s_i^d - s_{i+1}^d) / p_i. Periods are iterated to their fixed cycle; by Little's law W = mean number / load.
    """
    p, number = np.eye(levels)[0], np.arange(levels)
    steps = max(round(period / h), 1)
    h = period / steps
    while True:
        tail = np.append(np.cumsum(p[::-1])[::-1], 0.0)
        come = np.where(p > 1e-300, load * (tail[:-1] ** d - tail[1:] ** d) / np.maximum(p, 1e-300), 0.0)[:, None]

        def flow(state, come=come):
            up, down = come * state, state.copy()
            up[:, -1], down[:, 0] = 0.0, 0.0
            change = -up - down
            change[:, 1:] += up[:, :-1]
            change[:, :-1] += down[:, 1:]
            return change

        state, area = np.diag(p), 0.0
        for _ in range(steps):
            k1 = flow(state)
            k2 = flow(state + h / 2 * k1)
            k3 = flow(state + h / 2 * k2)
            then = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + flow(state + h * k3))
            area += h * ((state + then) @ number).sum() / 2
            state = then
        moved, p = np.abs(state.sum(axis=0) - p).sum(), state.sum(axis=0)
        if moved < 1e-7 * period:
            return area / period / load


@pytest.mark.parametrize(("refresh", "expected"), [(0.1, 2.70), (5.0, 4.04)])
def test_the_power_of_two_choices(refresh, expected):
    """100 servers at load 0.9. With fresh numbers W is 2.66: the fluid limit sum of 0.9^(2^i - 2) = 2.61 (Mitzenmacher 2001) misses 2%.

    A board that is a tick or a period old costs what the fluid limit of Mitzenmacher 2000 says (1.3% at a tick of 0.1 service
    times), with the same 2% for 100 servers. Budget: 1% for that product, besides four standard errors.
    """
    world = LoadBalancer(
        balancers=4, rates=(1.0,) * 100, load=0.9, step_time=min(0.5, refresh), refresh=refresh, error=0.0
    )
    old = fluid(0.9, 2, refresh)
    fresh = sum(0.9 ** (2**i - 2) for i in range(1, 12))
    assert fresh == pytest.approx(2.614, abs=1e-3)
    assert 2.66 * old / fresh == pytest.approx(expected, abs=0.01)
    seen = play(trial(world, PowerOfTwo(), "feature_store", horizon=100.0, warmup=50.0), 7, range(16)).measures
    near(seen["latency"], expected, 0.01 * expected)


def test_least_loaded_on_a_stale_board_is_worse_than_chance():
    """Fresh, it beats two choices; stale, all rush to one server and chance, 1 / (1 - load), is better (Mitzenmacher 2000).

    What reads an old board as old beats chance, and two choices where it is very old (Dahlin 2000).
    """
    world = LoadBalancer(balancers=4, rates=(1.0,) * 16, load=0.8, error=0.0)

    def mean(refresh, brain, wiring="feature_store", **given):
        now = replace(world, refresh=refresh, step_time=0.5 if refresh else 0.25)
        set_up = trial(now, brain, wiring, horizon=90.0, warmup=30.0, **given)
        return play(set_up, 8, range(12)).measures["latency"]

    fresh, two = mean(0.0, LeastLoaded()), mean(0.0, PowerOfTwo())
    assert 1 < fresh.mean() < two.mean()
    chance = mean(20.0, PowerOfTwo(choices=1))
    near(chance, 5.0)
    stale, two, own = mean(20.0, LeastLoaded()), mean(20.0, PowerOfTwo()), mean(20.0, LeastLoaded(), "isolated")
    read, older = (mean(refresh, FillUp(0.8 * 16 * refresh)) for refresh in (5.0, 20.0))
    for better, worse in ((two, stale), (chance, stale), (own, stale), (read, chance), (older, two)):
        gap = worse - better  # paired: the same requests
        assert gap.mean() > 4 * gap.std(ddof=1) / math.sqrt(len(gap))


@pytest.mark.parametrize("explore", [0.1, 0.4])
def test_agreement_of_a_shared_epsilon_greedy(explore):
    """Two choices are the same if neither explores, else by chance: (1-e)^2 + (1 - (1-e)^2) / K."""
    seen = play(trial(brain=EpsilonGreedy(explore=explore), wiring="shared"), 9, range(16)).measures
    near(seen["agreement"], (1 - explore) ** 2 + (1 - (1 - explore) ** 2) / 8)


def test_half_the_tick_moves_nothing_where_the_tick_is_not_information():
    """Boards every 2 s at ticks of 0.5 and 0.25 s: the same law. Learners hear every tick; for them it belongs to the model."""
    for brain in (LeastLoaded(), PowerOfTwo()):
        whole, half = (
            play(
                trial(
                    LoadBalancer(refresh=2.0, step_time=dt),
                    brain,
                    "feature_store",
                    horizon=40.0,
                    warmup=5.0,
                    stride=1.0,
                ),
                seed,
                range(16),
            ).measures
            for dt, seed in ((0.5, 21), (0.25, 22))
        )
        for name in ("latency", "p95", "failed", "imbalance"):
            error = math.sqrt((whole[name].var() + half[name].var()) / 16)
            assert abs(whole[name].mean() - half[name].mean()) < 4 * error, name


def test_an_offered_load_of_one_is_refused():
    with pytest.raises(ParameterError, match="load must be below 1"):
        LoadBalancer(load=1.0)
    with pytest.raises(ParameterError, match=r"load is 1\.04 of what the brownout leaves; it must be below 1"):
        LoadBalancer(load=0.9, brownout=0.4)
    with pytest.raises(ParameterError, match="at most load x peak, 432 1/s, not 500"):
        LoadBalancer(arriving=500.0)
    assert LoadBalancer(arriving=500.0, peak=1.2).slots == 22  # (259 + 5.5 sqrt(259) + 3) / 16
    with pytest.raises(ParameterError, match="1 to 1000 backends"):
        LoadBalancer(rates=())
    with pytest.raises(ParameterError, match="a million requests"):
        LoadBalancer(step_time=1e5)
