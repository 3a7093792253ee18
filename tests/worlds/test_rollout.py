"""Rollouts against their slow twin, against Wald's test worked out exactly, and against the algebra of blast and time."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import binom, norm

from simlab.base.errors import ParameterError
from simlab.brains.mean import Mean
from simlab.brains.topology import Schedule, wire
from simlab.interventions.canary import Canary
from simlab.interventions.circuit_breaker import CircuitBreaker
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Trial, Trigger
from simlab.scenario.load import load
from simlab.worlds.rollout import Rollout

TWICE = -math.log(2)  # what is added to what models say, so that twice as many requests fail
A, B = math.log(0.9 / 0.05), math.log(0.1 / 0.95)  # Wald's lines for alpha = .05, beta = .1


def trial(
    wiring="isolated",
    *,
    push=0,
    size=TWICE,
    models=None,
    share=None,
    growth=1.0,
    step=1e9,
    kill=None,
    late=0.0,
    spread=0.0,
    on="evidence",
    every=20,
    warmup=0,
    ticks=60,
    stride=None,
    hands=(),
    rates=(),
    **parameters,
):
    """A rollout: a push at a tick (or None), a canary, and a switch pulled `late` seconds after `on` is above `kill`."""
    world = Rollout(**parameters)
    dt = world.tick
    found = [Hand("canary", Canary(first=share, growth=growth, step=step, even=True), Trigger(at=0.0))] if share else []
    if kill is not None:
        asked = Trigger(measure=on, above=kill, median=late, spread=spread)
        found.append(Hand("kill", KillSwitch(), asked))
    pushes = () if push is None else (Shock("push", "brain", "biased", start=push * dt, size=size, models=models),)
    times = tuple(at * dt for at, _ in rates)
    return Trial(
        world,
        (Mean(),),
        wire(wiring, world.cells).canonical(world.spec),
        horizon=ticks * dt,
        stride=(stride or ticks) * dt,
        warmup=warmup * dt,
        schedule=Schedule(every=every * dt),
        shocks=pushes,
        hands=(*found, *hands),
        traces=(Trace("rate", times, tuple(value for _, value in rates)),) if rates else (),
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, shape = Streams(seed, [number]), (1, world.cells)
    dealt = {"level": luck.normal("level", shape)[0].tolist(), "need": [], "fails": [], "fails before": []}
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["need"].append(luck.normal("need", shape)[0].tolist())
        for name in ("fails", "fails before"):
            dealt[name].append(luck.uniform(name, shape)[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    from tests.twins.rollout import Operation

    world, hands = set_up.world, {hand.name: hand for hand in set_up.hands}
    shape, steps = (1, world.cells, world.slices), [1.0] * ticks
    place = np.zeros(shape)
    if "canary" in hands:
        hand = hands["canary"].intervention
        fixed = Streams(seed, [number]).named("hand canary").fixed()
        rank = fixed.uniform("exposed", shape).argsort(axis=2).argsort(axis=2)
        turn = (fixed.uniform("rounded", (1, 1)) + np.arange(world.cells) / world.cells) % 1.0
        place = (rank + turn[..., None]) / world.slices
        steps = [min(hand.first * hand.growth ** (t // set_up.ticks(hand.step)), 1.0) for t in range(ticks)]
    kill = (1e300, 0)
    if "kill_switch" in hands or "kill" in hands:
        asked = hands.get("kill", hands.get("kill_switch")).trigger
        if asked.measure == "evidence" and not asked.spread:
            kill = asked.above, round(asked.median / world.tick)
    pushes = [shock for shock in set_up.shocks if shock.effect == "biased"]
    push = (10**9, 0.0, ())
    if pushes:
        one = pushes[0]
        push = set_up.ticks(one.start), one.size, one.models or range(world.cells)
    rates = [world.rate] * ticks
    for trace in set_up.traces:
        for at, value in zip(trace.times, trace.values, strict=True):
            rates[round(at / world.tick) :] = [value] * (ticks - round(at / world.tick))
    return Operation(
        asdict(world),
        noise_of(world, seed, number, ticks),
        asdict(set_up.topology),
        every=set_up.ticks(set_up.schedule.every),
        place=place[0].tolist(),
        steps=steps,
        rates=rates,
        push=push,
        kill=kill,
    )


@pytest.mark.parametrize(
    ("wiring", "given"),
    [
        ("isolated", {"share": 0.1, "growth": 3.0, "step": 15.0, "kill": 1.5, "late": 4.0}),
        ("isolated", {"push": None, "rates": ((0, 130.0), (25, 20.0), (45, 400.0))}),
        ("shared", {"push": 25, "size": -2.0, "models": (1,), "moved": 0.5}),
        ("shared_data", {"share": 0.25, "accept": 0.0, "kill": 3.0}),
        ("bulkheads(2)", {"size": -9.0, "push": 30, "share": 0.5, "step_time": 0.5, "rate": 777.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, given):
    """On equal noise, tick by tick: the same failures and the same decisions, sums to rounding."""
    set_up = trial(wiring, **{"cells": 4, "slices": 8, "rate": 200.0, "stride": 1} | given)
    outcome, twin = play(set_up, 5, [2]), twin_of(set_up, 5, 2, 60)
    for tick in range(1, 61):
        twin.run(tick)
        expected = {
            "excess": twin.excess,
            "errors": twin.shown["errors"],
            "exposed": twin.shown["exposed"],
            "lasted": twin.lasted,
            "served": twin.served,
            "evidence": twin.tests["new"].ratio,
            "cell_evidence": max(twin.tests[m].ratio for m in range(4)),
            "whole_evidence": twin.tests["whole"].ratio,
        }
        for name, value in expected.items():
            assert outcome.series[name][tick, 0] == pytest.approx(value, rel=1e-5, abs=1e-5), (name, tick)


def exact(looks, above, accept=B, anew=True):
    """P(alarm) and P(it accepts) at each look of Wald's test, `(2, looks)`, by adding up; no simulation.

    Each look is a tuple of (requests, share that fails). The ratio lives on a grid of 1/2000. With `anew` False it ends when it accepts.
    """
    grid, moves = 2000, {}
    size, zero = int((above - accept) * grid) + 1, round(-accept * grid)
    mass, found = np.zeros(size), np.zeros((2, len(looks)))
    mass[zero] = 1.0
    for i, look in enumerate(looks):
        if look not in moves:
            moves[look] = _moves(look, grid)
        then = np.zeros(size)
        for move, q in moves[look]:
            if move >= 0:
                found[0, i] += q * mass[max(size - move, 0) :].sum()
                then[min(move, size) :] += q * mass[: max(size - move, 0)]
            else:
                found[1, i] += q * mass[: min(-move, size)].sum()
                then[: max(size + move, 0)] += q * mass[min(-move, size) :]
        then[zero] += anew * found[1, i]
        mass = then
    return found


def _moves(look, grid):
    chances, requests, good = np.ones(1), sum(n for n, _ in look), math.log(0.98 / 0.99)
    for n, p in look:
        chances = np.convolve(chances, binom.pmf(np.arange(n + 1), n, p))
    steps = ((f * math.log(2) + (requests - f) * good, q) for f, q in enumerate(chances) if q > 1e-12)
    return [(round(step * grid), q) for step, q in steps]


def mean_of(alarms, each):
    """The mean number of requests at the alarm, `each` a look."""
    return (alarms * np.arange(1, len(alarms) + 1)).sum() * each


def close(found, expected, more=0.0):
    """Four standard errors over replications."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


def wald(alpha=0.05, beta=0.1, base=0.01, bad=0.02):
    """Average requests of a bad version to a decision (Wald 1945)."""
    kl = bad * math.log(bad / base) + (1 - bad) * math.log((1 - bad) / (1 - base))
    return ((1 - beta) * math.log((1 - beta) / alpha) + beta * math.log(beta / (1 - alpha))) / kl


def test_walds_formula_and_what_it_neglects():
    """607 requests, 61 s of a hundredth of 1,000 a second; exactly a single test takes some more, since it ends beyond its lines."""
    assert wald() == pytest.approx(607, abs=0.5)
    assert wald() / (0.01 * 1000) == pytest.approx(61, abs=0.5)
    assert wald(0.001, 0.1) == pytest.approx(1506, abs=1)
    assert math.log(0.9 / 0.001) == pytest.approx(6.8, abs=0.005)
    assert Rollout().accept == pytest.approx(B, abs=1e-4)
    bad, good = (exact([((5, p),)] * 1000, A, anew=False) for p in (0.02, 0.01))
    length = mean_of(bad.sum(axis=0), 5)
    assert wald() < length < wald() + (math.log(2) + 5 * 0.0102) / 0.0039  # at most a failure and a look beyond a line
    assert bad[0].sum() > 0.895  # Wald's lines keep their promise of .9, but for looking at five at a time
    assert good[0].sum() < 0.05


@pytest.mark.parametrize(("share", "dt"), [(0.01, 1.0), (0.1, 0.1), (0.1, 1.0), (0.01, 0.5)])
def test_a_bad_version_is_seen_after_so_many_requests_at_any_share(share, dt):
    """Wald's test on looks of 10, 10, 100 and 5 requests, by adding up: 740 to 870 where one by one takes 717; four standard errors.

    This is refinement too: ten times the looks, or twice, change nothing but how far beyond the line a look may end.
    """
    each = round(share * 1000 * dt)
    set_up = trial(
        share=share, kill=A, ticks=round(4000 / each), step_time=dt, every=round(60 / dt), warmup=round(60 / dt)
    )
    found = play(set_up, 3, range(96)).measures
    alarms = exact([((each, 0.02),)] * round(4000 / each), A)[0]
    expected = mean_of(alarms, each) + (1 - alarms.sum()) * 4000
    assert 700 < expected < 900
    close(found["served"], expected, 0.01 * expected)  # and a little for what is learnt from a minute
    close(found["lasted"], expected / (1000 * share), 0.01 * expected / (1000 * share))
    close(found["excess"], 0.01 * expected, 0.0005 * expected)


def test_a_good_version_is_taken_back_as_often_as_the_test_says():
    """P(alarm) in 300 looks of 100 good requests; four standard errors. And a test at 0 is Page's, which alarms more often."""
    share, n = {}, 96
    for accept in (B, 0.0):
        set_up = trial(push=None, share=0.1, kill=A, ticks=300, accept=accept, every=60, warmup=60)
        share[accept] = play(set_up, 4, range(n)).measures["lasted"] < 300
        p = exact([((100, 0.01),)] * 300, A, accept)[0].sum()
        assert 0.2 < p < 0.98
        assert abs(share[accept].mean() - p) < 4 * math.sqrt(p * (1 - p) / n)
    assert share[0.0].mean() > share[B].mean()


def test_harm_is_share_times_rate_times_how_long():
    """excess = share x rate x (worse - 1) base x E(detect + decide and propagate), the latency lognormal; four standard errors."""
    median, spread, share = 20.0, 0.5, 0.1
    set_up = trial(share=share, kill=A, late=median, spread=spread, ticks=300, every=60, warmup=60)
    found = play(set_up, 5, range(200)).measures
    detect = mean_of(exact([((100, 0.02),)] * 100, A)[0], 1)
    late = median * math.exp(spread**2 / 2)
    close(found["lasted"], detect + late)
    close(found["excess"], share * 1000 * 0.01 * (detect + late), 0.05)


def test_a_mean_over_cells_hides_one():
    """1.1% is nearer to 1 than to 2: its test drifts down. The bad cell's own needs its 760 requests, at 100 a second."""
    drift = [p * math.log(2) + (1 - p) * math.log(0.98 / 0.99) for p in (0.011, 0.02)]
    assert drift[0] < 0 < drift[1]
    set_up = trial(models=(9,), kill=6.8, on="cell_evidence", ticks=120, every=60, warmup=60, stride=1)
    found = play(set_up, 6, range(100))
    alarms = exact([((100, 0.02),)] * 120, 6.8)[0]
    close(found.measures["excess"], mean_of(alarms, 1), 0.2)  # one request a second
    whole = replace(set_up, hands=(Hand("kill", KillSwitch(), Trigger(measure="evidence", above=6.8)),))
    late = exact([((900, 0.01), (100, 0.02))] * 20, 6.8)[0].sum()
    seen = play(replace(whole, horizon=20.0, stride=20.0), 6, range(100)).measures["lasted"] < 20
    assert abs(seen.mean() - late) < 4 * math.sqrt(late / 100)


def test_what_fails_is_what_was_said_too_little():
    """base exp(size): 2% at ln 2, all at 9, 1% with half of the slices and a push of -ln 2 in both directions (1.5 and .75)."""
    for size, expected in ((TWICE, 0.02), (-9.0, 1.0), (-TWICE, 0.005)):
        found = play(trial(size=size, ticks=30, every=60, warmup=60, uneven=0.0), 7, range(30)).measures["errors"]
        close(found, expected, 5e-4 * expected)
    half = play(trial(share=0.5, ticks=30, every=60, warmup=60, uneven=0.0), 7, range(30)).measures["errors"]
    close(half, 0.015, 1e-5)


def test_one_model_for_cells_that_differ():
    """log-normal: base exp(v (1 - 1/m) / 2 + v / 2m ...) on average over cells: E exp(L - mean of L), of variance v (1 - 1/m)."""
    found = play(trial("shared", push=None, ticks=30, every=60, warmup=60, uneven=0.5), 8, range(400)).measures[
        "errors"
    ]
    close(found, 0.01 * math.exp(0.25 * 0.9 / 2), 2e-6)


def test_a_lie_is_diluted_by_one_pool():
    """Own data: one cell in ten fails e^s as often; one pool: all fail e^(s/10) as often."""
    lie = Shock("lie", "evidence", "shifted", start=0.0, size=-2.0, models=(0,))
    for wiring, expected in (("isolated", 0.9 + 0.1 * math.exp(2)), ("shared_data", math.exp(0.2))):
        set_up = trial(wiring, push=None, ticks=130, every=60, uneven=0.0)
        found = play(replace(set_up, shocks=(lie,)), 9, range(20)).measures["errors"]
        close(found, 0.01 * expected, 0.0005 * expected)


def test_taking_back_can_be_worse_than_the_failure():
    """Needs move by ln 2 and the models learn it: 10 a second for a minute; the version before never does."""
    moved = Shock("moved", "world", "set", start=60.0, values={"moved": math.log(2)})
    left = replace(trial(push=None, ticks=300, every=60, warmup=60, uneven=0.0), shocks=(moved,))
    taken = replace(left, hands=(Hand("kill", KillSwitch(), Trigger(at=62.0)),))
    alone, back = (play(one, 10, range(10)).measures["excess"] for one in (left, taken))
    close(alone, 600.0, 5.0)
    close(back, 2400.0, 5.0)


def test_cells_one_by_one_and_nobody_listens():
    """A breaker holds cells back: a tenth of the traffic is the version's. With the loop open nothing is."""
    held = Hand("held", CircuitBreaker(), Trigger(at=0.0, lasts=40.0), tuple(range(1, 10)))
    set_up = trial(hands=(held,), ticks=60, stride=20, every=60, warmup=60)
    found = play(set_up, 11, range(5))
    np.testing.assert_allclose(found.series["exposed"][1:, 0], [0.1, 0.1, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found.measures["served"], 40 * 100 + 20 * 1000)
    off = play(replace(set_up, closed=False), 11, range(5)).measures
    assert not any(off[name].any() for name in ("exposed", "served", "lasted", "evidence", "excess"))


def test_recorded_traffic_is_followed():
    """A trace of the rate: so many requests are served, and what is carried over is not lost."""
    set_up = trial(push=None, ticks=60, rates=((0, 100.0), (20, 10.0), (40, 5000.0)), warmup=0)
    np.testing.assert_allclose(play(set_up, 12, range(3)).measures["served"], 20 * (100 + 10 + 5000))
    crawling = trial(push=None, share=0.05, ticks=60, rate=2.0, step_time=10.0)
    np.testing.assert_allclose(play(crawling, 12, range(3)).measures["served"], 60, atol=20)


def test_contradictions_are_refused():
    with pytest.raises(ParameterError, match=r"below 1 / base \(10\), not 10: no more than all can fail"):
        Rollout(base=0.1, worse=10.0)


def test_the_shipped_numbers_are_the_algebra():
    """The law of the test, of the delays and of the timetable of the first two steps, added up."""
    claims = {(c.arm, c.measure): c.near for c in load("rollout").claims if c.near is not None}
    looks = [((10, 0.02),)] * 900
    alarms, late = exact(looks, 6.8)[0], _delay(300.0, 0.7, 900)
    off = np.convolve(np.concatenate([[0.0], alarms]), late)[:900]
    lost = 0.1 * ((off * np.arange(900)).sum() + (1 - off.sum()) * 900)
    assert claims["patient_people", "excess"] == pytest.approx(lost, abs=0.5)
    alarms = exact(looks[:300] + [((100, 0.02),)] * 300, 6.8)[0]
    assert alarms.sum() == pytest.approx(1, abs=1e-6)
    off = np.convolve(np.concatenate([[0.0], alarms]), late)[:900]
    harmless = off[: 600 + 67 + 1].sum()  # 30 + 300 + 10 a second for 67 s are 1,000
    assert claims["canary_people", "excess"] == pytest.approx(1 - harmless, abs=0.005)
    rows = [row for row in load("rollout").scoreboard if row.mark == "checked"]
    served = np.concatenate([np.arange(1, 301) * 10, 3000 + np.arange(1, 31) * 100])
    once = (exact(looks[:300] + [((100, 0.02),)] * 30, A)[0] * served).sum()
    assert float(rows[0].published) == pytest.approx(once, rel=0.002)


def _delay(median, spread, most):
    """P(a lognormal delay is rounded to 0, 1, ... ticks)."""
    edges = norm.cdf(np.log((np.arange(most) + 0.5) / median) / spread)
    return np.diff(np.concatenate([[0.0], edges]))
