"""A/B tests against their slow twin, against algebra, and against another library's bandits."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from river import bandit, proba

from simlab.base.world import Feedback, Spec
from simlab.brains.commit import Commit
from simlab.brains.epsilon_greedy import EpsilonGreedy
from simlab.brains.sliding_ucb import SlidingUcb
from simlab.brains.thompson import Thompson
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.worlds.ab_test import AbTest
from tests.twins.ab_test import Believing, Decided, Site, Windowed

MINUTE = 60.0


def trial(brain=None, wiring="isolated", *, ticks=60, falls=None, stride=1, **parameters):
    """Segments with these policies; A falls to a rate at a tick."""
    world = AbTest(**parameters)
    falling = (Shock("a_falls", "world", "set", start=falls[0] * MINUTE, values={"a": falls[1]}),) if falls else ()
    return Trial(
        world,
        (brain or Thompson(),),
        wire(wiring, world.segments).canonical(world.spec),
        horizon=ticks * MINUTE,
        stride=stride * MINUTE,
        shocks=falling,
    )


def policy(brain):
    if isinstance(brain, Thompson):
        return Believing(brain.forget)
    return Decided(brain.trial) if isinstance(brain, Commit) else Windowed(brain.window, brain.xi)


def noise_of(world, brain, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin: an entry a tick."""
    luck, shape = Streams(seed, [number]), (1, world.segments, world.visitors)
    own, dealt = luck.named("brain"), {"visitor": [], "coin": [], "luck": []}
    for tick in range(ticks):
        luck.clock.row = tick
        for name in ("visitor", "coin"):
            dealt[name].append(luck.uniform(name, shape)[0].tolist())
        drawn = own.noise("draw", (*shape, 2, 2))[0] if isinstance(brain, Thompson) else np.zeros(shape[1:])
        dealt["luck"].append(drawn.tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    brain, wiring, shocks = set_up.brains[0], set_up.topology, set_up.shocks
    falls = (set_up.ticks(shocks[0].start), shocks[0].values["a"]) if shocks else (1 << 60, 0.0)
    policies = [policy(brain) for _ in range(wiring.brains)] if set_up.closed else []
    return Site(
        asdict(set_up.world), noise_of(set_up.world, brain, seed, number, ticks), policies, wiring.brain_of, falls
    )


@pytest.mark.parametrize("wiring", ["isolated", "shared", "bulkheads(2)"])
@pytest.mark.parametrize("brain", [Thompson(), Thompson(forget=0.1), Commit(trial=25), SlidingUcb(window=9)], ids=repr)
def test_kernel_equals_its_twin(brain, wiring):
    """On equal noise, visitor by visitor: the same choices, so the same regret, to rounding."""
    against_twin(trial(brain, wiring, falls=(30, 0.2), segments=4, visitors=3, opposed=0.25, recent=20.0))


def test_a_coin_equals_the_twins():
    against_twin(replace(trial(segments=3, visitors=2, opposed=0.4), closed=False))


def against_twin(set_up, seed=5, number=2):
    outcome, twin, world = play(set_up, seed, [number]), twin_of(set_up, seed, number, 60), set_up.world
    for tick in range(1, 61):
        twin.run(tick)
        found = {name: outcome.series[name][tick, 0] for name in world.measures}
        assert found["regret"] == pytest.approx(sum(twin.regret) / world.segments, rel=1e-6)
        assert found["missed"] == pytest.approx(sum(twin.missed) / world.segments, rel=1e-6)
        assert found["share"] == pytest.approx(sum(twin.share) / world.segments, rel=1e-6)
        assert found["stuck"] == pytest.approx(sum(x > 0.8 for x in twin.missed) / world.segments)
        come = tick * world.visitors * world.segments
        assert found["converted"] == pytest.approx(sum(twin.converted) / come, rel=1e-6)


def close(found, expected, more=0.0):
    """Four standard errors over replications."""
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found)) + more


def test_a_test_that_was_decided_never_looks_again():
    """200 of 400 see B at 0.3 each, then 5,000 see A at 0.1 each: 560, whatever happens (but 1 in 10^9 tests decides for B)."""
    decided = trial(Commit(trial=400), segments=1, visitors=5, ticks=2000, falls=(1000, 0.3), stride=100)
    np.testing.assert_allclose(play(decided, 1, range(20)).measures["regret"], 560.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("brain", "earlier"),
    [
        pytest.param(Thompson(), 502.0, marks=pytest.mark.nightly),
        (Thompson(forget=0.002), 159.0),
    ],
    ids=["remembering", "forgetting"],
)
def test_regret_of_the_sequential_problem(brain, earlier):
    """As 400 replications of an earlier program of ours found (one visitor a tick, 10,000 of them): 4 standard errors and 5 more."""
    found = play(trial(brain, segments=2, ticks=10_000, falls=(5000, 0.3), stride=1000), 2, range(50)).measures[
        "regret"
    ]
    close(found, earlier, 5.0)


def test_a_memory_turns_after_its_logarithm():
    """Memory n: the mean of A falls from .7 to B's .4 when exp(-t / n) = 1/4; a coin's worth of exploration aside, n ln 4 visitors at 0.1.

    Epsilon-greedy with EMA .05 forgets in 20 answers, but waits for B to be explored where it must; the bound is what is checked:
    the forgetting policy loses at least 0.1 x 500 ln 4 less what random draws gain by turning early (a third), and at most twice that.
    """
    set_up = trial(Thompson(forget=0.01), segments=4, visitors=5, ticks=2000, falls=(1000, 0.3), stride=1000)
    regret = play(set_up, 3, range(40)).series["regret"].astype(float)
    after = (regret[-1] - regret[1]).mean()
    assert 0.67 * 0.1 * 500 * math.log(4) < after < 2 * 0.1 * 500 * math.log(4)


def test_one_for_all_pays_for_learning_once():
    """Without a switch four segments that learn together lose a quarter each of what four lose that learn alone, to a few visitors."""
    own, one = (
        play(trial(Thompson(), wiring, segments=4, ticks=1500, stride=1500), 4, range(60)).measures["regret"].mean()
        for wiring in ("isolated", "shared")
    )
    assert one < 0.45 * own


def test_an_odd_segment_pays_for_the_shared_winner():
    """One of four the other way round: 0.3 for each of its visitors, less what exploration gives back (a few)."""
    lost = play(trial(Thompson(), "shared", segments=4, opposed=0.25, ticks=2000, stride=2000), 5, range(40)).measures
    assert 0.25 * 0.3 * 2000 < lost["regret"].mean() < 0.25 * 0.3 * 2000 + 20


def test_the_index_is_that_of_another_library():
    """river.bandit.UCB (mean + delta sqrt(2 log n / m)) chooses the same, answer for answer: xi = 2 delta^2, an endless window."""
    rng, delta, k = np.random.Generator(np.random.PCG64(7)), 0.7, 3
    ours, theirs = SlidingUcb(window=5000, xi=2 * delta**2), bandit.UCB(delta=delta, seed=1)
    mind = ours.start(1, 1, 1, Spec(models=1, asks="choice", case=(1,), features=1, choices=k), Streams(1, [0]))
    x, rates = np.ones((1, 1, 1, 1, 1)), (0.3, 0.5, 0.6)
    for turn in range(600):
        chosen = int(ours.predict(mind, x, Streams(1, [0]))[0, 0, 0, 0])
        if turn >= k:  # before, an untried choice is drawn at random there and taken in order here
            assert chosen in {theirs.pull(range(k)) for _ in range(20)}, turn  # at a tie it draws
        won = bool(rng.random() < rates[chosen])
        theirs.update(chosen, float(won))
        shape = (1, 1, 1, 1)
        feedback = Feedback(np.full(shape, 1.0 - won), censored=np.full(shape, not won))
        ours.witness(mind, x, np.full(shape, chosen), feedback, x)


def test_beliefs_are_those_of_another_library():
    """river's Beta distribution after the same answers has our parameters, prior and all."""
    rng = np.random.Generator(np.random.PCG64(8))
    brain, theirs = Thompson(), [proba.Beta(), proba.Beta()]
    mind = brain.start(1, 1, 1, Spec(models=1, asks="choice", case=(1,), features=1, choices=2), Streams(1, [0]))
    for _ in range(200):
        arm, won = int(rng.integers(2)), bool(rng.random() < 0.4)
        theirs[arm].update(won)
        shape = (1, 1, 1, 1)
        feedback = Feedback(np.full(shape, 1.0 - won), censored=np.full(shape, not won))
        brain.witness(mind, np.ones((*shape, 1)), np.full(shape, arm), feedback, np.ones((*shape, 1)))
    for arm in range(2):
        found = mind.good[0, 0, arm] + brain.prior, mind.bad[0, 0, arm] + brain.prior
        assert found == (theirs[arm].alpha, theirs[arm].beta)


def test_a_window_forgets_to_the_answer():
    """What left the window is gone: after w ticks of failures a choice that once was good has a mean of 0."""
    brain = SlidingUcb(window=4)
    mind = brain.start(2, 1, 1, Spec(models=1, asks="choice", case=(1,), features=1, choices=2), Streams(1, range(2)))
    shape = (2, 1, 1, 1)
    for tick in range(9):
        bad = np.full(shape, tick >= 5)
        brain.witness(mind, np.ones((*shape, 1)), np.zeros(shape, dtype=int), Feedback(1.0 * bad, censored=bad), None)
    np.testing.assert_array_equal(mind.tried[:, 0], [[4, 0]] * 2)
    np.testing.assert_array_equal(mind.good[:, 0], [[0, 0]] * 2)


def test_recorded_rates_are_followed():
    """A trace of A's rate: a tested and decided policy loses what the record says, 0.3 for each visitor from the third tick on."""
    falling = Trace("a", (0.0, 2 * MINUTE, 5 * MINUTE), (1.0, 0.1, 0.0))
    set_up = replace(trial(Commit(trial=2), segments=1, visitors=2, ticks=8, b=0.4), traces=(falling,))
    regret = play(set_up, 6, range(3)).series["regret"][:, 0]
    first = regret[1]  # one of two saw B
    assert first == pytest.approx(0.6)
    np.testing.assert_allclose(np.diff(regret[1:]), [0, 0.6, 0.6, 0.6, 0.8, 0.8, 0.8], atol=1e-6)


def test_nobody_listens():
    """A coin: half of the visitors lose 0.3."""
    found = play(replace(trial(ticks=400, stride=400), closed=False), 7, range(40)).measures
    close(found["regret"], 0.15 * 400)
    assert not found["stuck"].any()


def test_the_shipped_numbers_are_the_algebra():
    rows = {row.what: (row.low, row.high) for row in load("ab_test").scoreboard if row.measure}
    assert min(rows.values())[0] == 127
    floor = 0.3 / (0.4 * math.log(0.4 / 0.7) + 0.6 * math.log(0.6 / 0.3))
    assert (floor * math.log(5000), floor * math.log(10_000)) == (
        pytest.approx(13.3, abs=0.05),
        pytest.approx(14.4, abs=0.05),
    )
    for brain in (EpsilonGreedy(), Commit(), SlidingUcb(), Thompson()):
        assert brain.why_not(AbTest().spec) is None
