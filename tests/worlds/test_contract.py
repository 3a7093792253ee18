"""What every shipped world keeps to: shapes, dtypes, finite measures, same bits at any cohort size, no leakage, cost linear."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.brains.topology import wire
from simlab.lab.cohort import join, play
from simlab.lab.streams import Streams
from simlab.scenario.load import load as read
from simlab.scenario.load import shipped
from tests.golden import firsts as worlds

TICKS = 40


load = cache(read)


def path(trial):
    """Which code a trial runs: two that differ in sizes alone, and in no parameter that is 0 in one of them, run the same."""
    plan = trial.schedule
    return (
        type(trial.world),
        frozenset(name for name, value in asdict(trial.world).items() if value),
        tuple(type(brain) for brain in trial.brains),
        trial.topology,
        (plan.how, plan.waits, plan.jitter > 0, plan.every > 0),
        frozenset((type(hand.intervention), hand.models) for hand in trial.hands),
        frozenset((shock.where, shock.effect, shock.models) for shock in trial.shocks),
        trial.closed,
    )


def arms():
    """An arm for every path that is written down one by one; arms of a factorial are wirings of the same worlds and learners."""
    found = {}
    for name, scenario in ((name, load(name)) for name in shipped()):
        for arm in scenario.arms if scenario.factorial is None else ():
            found.setdefault(path(arm.trial), pytest.param(name, arm, id=f"{name}-{arm.name}"))
    return list(found.values())


def short(arm, ticks=TICKS):
    """The arm's trial over few ticks, with its shocks and retrainings brought forward so that they are met."""
    trial = arm.trial
    tick = trial.world.tick
    shocks = tuple(replace(s, start=min(s.start, 10 * tick)) for s in trial.shocks)
    plan = replace(trial.schedule, every=min(trial.schedule.every, 12 * tick), busy=0.0)
    stride = min(trial.stride, 10 * tick)
    return replace(trial, horizon=ticks * tick, stride=stride, warmup=0.0, shocks=shocks, schedule=plan)


def rewired(trial, wiring, **given):
    """The trial with another wiring."""
    topology = wire(wiring, trial.topology.models, kinds=len(trial.brains), **given)
    return replace(trial, topology=topology.canonical(trial.world.spec))


def assert_same_at_any_size(trial, seed=11):
    """Alone, in twos and in sevens, wherever in the cohort; in pieces of all kinds that join to the whole."""
    whole = play(trial, seed, range(10))
    assert not whole.failed, next(iter(whole.failed.values()))
    for pieces in (([0], range(1, 8), range(8, 10)), ([9],)):
        again = join([play(trial, seed, piece) for piece in pieces])
        here = [number for piece in pieces for number in piece]
        assert again.events == [event for event in whole.events if event.replication in here]
        for measure in whole.measures:
            same, which = np.testing.assert_array_equal, f"{measure}, in cohorts {pieces}"
            same(again.measures[measure], whole.measures[measure][here], err_msg=which)
            same(again.series[measure], whole.series[measure][:, here], err_msg=which)
    return whole


@pytest.mark.parametrize("name", worlds())
def test_shapes_dtypes_and_declarations(name):
    world = load(name).arms[0].trial.world
    spec = world.spec
    luck = Streams(1, range(3))
    state = world.start(luck)
    luck.clock.row = 0
    x = world.observe(state)
    last = (spec.features,) if spec.features else ()
    assert x.shape == (3, spec.views, *spec.case, *last)
    assert x.dtype == (np.float64 if spec.features else np.int64)
    measures = world.measure(state)
    assert list(measures) == list(world.measures)
    for measure, value in measures.items():
        assert value.shape == (3,), measure
        assert value.dtype == np.float64, measure
    plain = world.fallback(state, luck)
    luck.clock.row = 1
    said = np.zeros((3, spec.models, *spec.case, *((spec.choices,) if spec.asks == "shares" else ())))
    action = world.act(state, said.astype(int) if spec.asks == "choice" else said, luck)
    assert action.value.shape[:2] == (3, spec.models)
    assert (plain.shape, plain.dtype) == (action.value.shape, action.value.dtype)
    _, feedback = world.step(state, action, luck)
    if feedback is not None:
        assert feedback.outcome.shape[:2] == (3, spec.models)


@pytest.mark.parametrize(("name", "arm"), arms())
def test_finite_and_the_same_at_any_cohort_size(name, arm):
    trial = short(arm)
    whole = assert_same_at_any_size(trial)
    assert np.isnan(whole.diverged).all()
    undefined = {m for m, d in trial.measures.items() if d.may_be_undefined}
    for measure, value in whole.measures.items():
        assert measure in undefined or np.isfinite(value).all(), measure


@pytest.mark.parametrize("name", worlds())
def test_the_contract_meets_models_that_have_learnt(name):
    """What is said late in the short trial is not what was said before the first retraining."""
    said = {}
    play(
        short(load(name).arms[0]),
        11,
        range(2),
        lambda tick, stage, value: said.setdefault((tick, stage), np.array(value)) if stage == "predict" else None,
    )
    assert (said[TICKS - 1, "predict"] != 0).any()


@pytest.mark.parametrize("wiring", ["bulkheads(2)", "bulkheads(3)", "shared_data", "chain", "half"])
@pytest.mark.parametrize("name", worlds())
def test_the_same_at_any_cohort_size_in_any_wiring(name, wiring):
    trial = short(load(name).arms[0])
    spec = trial.world.spec
    numberless = wiring == "chain" and (spec.asks != "number" or not spec.features)
    pooled = wiring == "shared_data" and any(brain.online for brain in trial.brains)
    if wiring == "bulkheads(3)" and spec.models < 3:
        pytest.skip("two models have no three blocks")
    if numberless or pooled:
        with pytest.raises(InputError, match=r"read each other|no evidence to share"):
            play(rewired(trial, wiring), 1, range(2))
        return
    assert_same_at_any_size(rewired(trial, "shared", share=0.5) if wiring == "half" else rewired(trial, wiring))


@pytest.mark.parametrize("name", worlds())
def test_large_cohorts_too(name):
    trial = short(load(name).arms[0], 20)
    whole, parts = play(trial, 3, range(255)), join([play(trial, 3, range(128)), play(trial, 3, range(128, 255))])
    for measure in whole.measures:
        np.testing.assert_array_equal(whole.measures[measure], parts.measures[measure], err_msg=measure)


@pytest.mark.parametrize("wiring", ["feature_store", "shared", "bulkheads(2)"])
@pytest.mark.parametrize("name", worlds())
def test_what_a_model_is_asked_has_the_same_law_in_every_wiring(name, wiring):
    """Before any feedback: mean and spread of what the last model sees, wired alone and otherwise, within 4 standard errors."""
    trial = short(load(name).arms[0], 1)
    seen = {}
    for which, other in (("own", rewired(trial, "isolated")), ("wired", rewired(trial, wiring))):

        def tap(tick, stage, value, which=which):
            if stage == "observe":
                seen[which] = np.array(value[:, -1], dtype=float).reshape(len(value), -1)

        play(other, 5, range(400), tap)
    own, wired = seen["own"], seen["wired"]
    spread = np.maximum(own.std(axis=0), 1e-12)
    assert (np.abs(own.mean(axis=0) - wired.mean(axis=0)) / spread < 4 * np.sqrt(2 / 400)).all()
    varied = own.std(axis=0) > 1e-12
    assert (np.abs(np.log(wired.std(axis=0)[varied] / spread[varied])) < 4 / np.sqrt(400)).all()


@pytest.mark.parametrize("name", worlds())
def test_every_wiring_can_be_played(name):
    trial = short(load(name).arms[0], 15)
    m = trial.topology.models
    for wiring in ("isolated", "feature_store", "shared_data", "shared_brain", "shared", "bulkheads(1)"):
        topology = wire(wiring, m, kinds=len(trial.brains)).canonical(trial.world.spec)
        if wiring == "shared_data" and m > 1 and any(brain.online for brain in trial.brains):
            with pytest.raises(InputError, match="no evidence to share"):
                play(replace(trial, topology=topology), 1, range(2))
            continue
        assert not play(replace(trial, topology=topology), 1, range(2)).failed, wiring
    if m > 2:
        ragged = wire("bulkheads(3)", m).canonical(trial.world.spec)
        assert not play(replace(trial, topology=ragged), 1, range(2)).failed


@pytest.mark.parametrize("name", worlds())
def test_cost_is_linear_in_time(name):
    """Ticks late in a run cost what early ticks cost (within a factor of 2: a guard against growth, not a benchmark)."""
    trial = short(load(name).arms[0], 50)
    longer = replace(trial, horizon=trial.horizon * 4)
    play(trial, 1, range(8))

    def took(which):
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            play(which, 1, range(8))
            best = min(best, time.process_time() - began)
        return best

    assert took(longer) < 2 * 4 * took(trial)
