"""Rollouts against their slow twin, against Wald's test worked out exactly, and against the algebra of blast and time."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import binom

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


def exact(p, batch, above, accept=B, turns=1, most=2000):
    """P(alarm) at each look of Wald's test on `batch` requests a look of which a share `p` fails, begun anew where it accepts: `(most,)`.

    By adding up all numbers of failures since it was last begun, tests on a grid of 1/2000 (no simulation). With `turns` 0 it is begun once.
    """
    good, step = math.log(0.98 / 0.99), 1 / 2000
    chances = binom.pmf(np.arange(batch + 1), batch, p)
    moves = [(round((f * math.log(2) + (batch - f) * good) / step), q) for f, q in enumerate(chances) if q > 1e-13]
    size, zero = int((above - accept) / step) + 1, round(-accept / step)
    mass, found = np.zeros(size), np.zeros((2, most))
    mass[zero] = 1.0
    for look in range(most):
        then = np.zeros(size)
        for move, q in moves:
            if move >= 0:
                found[0, look] += q * mass[max(size - move, 0) :].sum()
                then[min(move, size) :] += q * mass[: max(size - move, 0)]
            else:
                found[1, look] += q * mass[: min(-move, size)].sum()
                then[: max(size + move, 0)] += q * mass[min(-move, size) :]
        then[zero] += turns * found[1, look]
        mass = then
    return found


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
    once = exact(0.02, 1, A, turns=0, most=6000)
    ends = once.sum(axis=0)
    assert ends.sum() == pytest.approx(1, abs=1e-4)
    length = (ends * np.arange(1, 6001)).sum()
    assert wald() < length < wald() + math.log(2) / 0.0039  # at most one failure further than the line
    assert once[0].sum() > 0.9  # Wald's lines keep their promise
    assert exact(0.01, 1, A, turns=0, most=6000)[0].sum() < 0.05
