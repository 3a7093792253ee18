"""Adaptive streaming against its slow twin, against value iteration, and against the algebra of a shared link."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from simlab.base.errors import ParameterError
from simlab.base.world import Action
from simlab.brains.bola import Bola
from simlab.brains.buffer_based import BufferBased
from simlab.brains.q_grid import QGrid
from simlab.brains.rate_based import RateBased
from simlab.brains.topology import wire
from simlab.lab.cohort import play
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from simlab.lab.traces import Trace
from simlab.lab.trial import Trial
from simlab.worlds.bitrate import Bitrate
from tests.twins.bitrate import Streaming

SORTED = QGrid(cells=(4, 5), cuts=(0.6, 1.5, 3.0, 6.0, 10.0, 20.0, 40.0), initial=20.0, explore=0.3, decay=0.01)
SMALL = {"players": 6, "together": 3, "bandwidth": 6.0}


def trial(wiring="isolated", brain=SORTED, *, ticks=150, average_every=0, shocks=(), closed=True, stride=1, **given):
    """Players of a small world; ticks and strides in chunks."""
    world = Bitrate(**(SMALL | given))
    brains = brain if isinstance(brain, tuple) else (brain,)
    topology = wire(wiring, world.players, kinds=len(brains), average_every=average_every * world.chunk)
    return Trial(
        world,
        brains,
        topology.canonical(world.spec),
        horizon=ticks * world.chunk,
        stride=stride * world.chunk,
        shocks=tuple(shocks),
        closed=closed,
    )


def noise_of(world, seed, number, ticks):
    """The numbers that replication `number` is dealt, for the twin."""
    luck, m, links = Streams(seed, [number]), world.players, world.players // world.together
    own = luck.named("brain")
    dealt = {
        "links": luck.normal("links", (1, links))[0].tolist(),
        "first levels": luck.uniform("first levels", (1, links))[0].tolist(),
        "levels": [],
        "explore": [],
    }
    for tick in range(ticks):
        luck.clock.row = tick
        dealt["levels"].append(luck.uniform("levels", (1, links))[0].tolist())
        dealt["explore"].append(own.uniform("explore", (1, m))[0].tolist())
    return dealt


def twin_of(set_up, seed, number, ticks):
    """The twin of one replication, ready to go."""
    world, wiring, tick = set_up.world, set_up.topology, set_up.world.tick
    changes = [(round(s.start / tick), *pair) for s in set_up.shocks for pair in s.values.items()]
    garbled = [
        (round(s.start / tick), round(min((s.start + s.duration) / tick, 1e9)), s.models or range(world.players))
        for s in set_up.shocks
        if s.effect == "garbled"
    ]
    return Streaming(
        asdict(world),
        noise_of(world, seed, number, ticks),
        asdict(wiring),
        [(type(brain).__name__, asdict(brain)) for brain in set_up.brains],
        changes=changes,
        garbled=garbled[0] if garbled else (0, 0, ()),
        closed=set_up.closed,
        average_every=set_up.ticks(wiring.average_every),
    )


SQUEEZE = Shock("squeeze", "world", "set", start=200.0, values={"bandwidth": 2.0, "rtt": 0.5})
PUSH = Shock("push", "brain", "garbled", start=160.0, duration=80.0, models=(0, 4))


@pytest.mark.parametrize(
    ("wiring", "brain", "given"),
    [
        ("isolated", SORTED, {"shocks": (SQUEEZE, PUSH)}),
        ("shared", SORTED, {"together": 2, "shocks": (SQUEEZE,)}),
        ("shared_brain", SORTED, {"together": 1, "window": 1.0}),
        ("feature_store", SORTED, {"rtt": 0.0}),
        ("bulkheads(2)", SORTED, {"together": 6, "unequal": 0.0, "shocks": (PUSH,)}),
        ("federated", SORTED, {"average_every": 20}),
        ("isolated", BufferBased(), {"shocks": (SQUEEZE,)}),
        ("isolated", Bola(), {"together": 2}),
        ("isolated", RateBased(), {"stay": 0.5}),
        ("isolated", (SORTED, Bola(), BufferBased()), {"shocks": (PUSH,)}),
        ("isolated", SORTED, {"closed": False, "most": 16.0}),
    ],
)
def test_kernel_equals_its_twin(wiring, brain, given):
    """On equal noise, chunk by chunk, bit by bit of each download: to rounding."""
    set_up = trial(wiring, brain, **given)
    seed, number, ticks = 9, 2, 150
    outcome = play(set_up, seed, [number])
    assert not outcome.failed, outcome.failed
    twin, chunk = twin_of(set_up, seed, number, ticks), set_up.world.chunk
    for tick in range(1, ticks + 1):
        twin.run(tick)
        still = [s / (s + tick * chunk) for s in twin.still]
        expected = {
            "quality": twin.quality / tick,
            "rate": twin.rate / tick,
            "change": twin.change / tick,
            "stalled": np.mean(still),
            "worst": max(still),
            "stalling": twin.lately / (twin.lately + chunk),
            "still": np.mean(twin.still),
            "buffer": np.mean(twin.buffer),
        }
        for name, value in expected.items():
            assert outcome.series[name][tick, 0] == pytest.approx(value, rel=2e-6, abs=1e-6), (name, tick)
    for name, value in expected.items():
        assert outcome.measures[name][0] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def fixed(rung, **given):
    """Players that ask for one rung for ever, alone on links that never change, of which each has 1 Mbit/s a player."""
    rates = Bitrate().rates
    world = {"players": 4, "together": 1, "unequal": 0.0, "levels": (1.0,), "rtt": 0.0, "bandwidth": 1.0} | given
    return world, RateBased(safety=rates[rung] + 1e-9)  # of a throughput of 1


@pytest.mark.parametrize("rung", [2, 4])
def test_what_a_link_does_not_carry_stands_still_for_the_rest(rung):
    """A rate R above a link's c: a chunk takes R/c of its time, so that players stand still for 1 - c/R (algebra)."""
    rate = Bitrate().rates[rung]
    given, _ = fixed(rung)
    found = play(trial(brain=RateBased(safety=rate), ticks=400, **given), 1, range(2)).measures
    expected = (400 * 4 * rate - 4 - 399 * 4) / (400 * 4 * rate)  # the buffer held a chunk at first
    np.testing.assert_allclose(found["stalled"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["still"], 400 * 4 * (rate - 1), rtol=1e-9)
    np.testing.assert_allclose(found["quality"], rate - 4.3 * 4 * (rate - 1) - (rate - 0.3) / 400, rtol=1e-9)


def test_those_who_share_a_link_share_it_evenly():
    """Four that ask for as much get a quarter each: all is as if each were alone with a quarter (algebra)."""
    given, brain = fixed(1)
    alone = play(trial(brain=brain, ticks=60, **given), 1, [0])
    among = play(trial(brain=brain, ticks=60, **(given | {"together": 4, "bandwidth": 4.0})), 1, [0])
    for name in ("quality", "stalled", "buffer"):
        np.testing.assert_allclose(alone.series[name], among.series[name], rtol=1e-6, err_msg=name)


def test_a_small_chunk_is_done_before_a_large_one():
    """Processor sharing of 1.2 and 17.2 Mbit on 2 Mbit/s: 1.2 s for the small one, 18.4 / 2 for the large one (algebra)."""
    world = Bitrate(players=2, together=2, bandwidth=2.0, unequal=0.0, levels=(1.0,), rtt=0.0, window=1.0)
    luck = Streams(1, [0])
    state = world.start(luck)
    luck.clock.row = 0
    state, feedback = world.step(state, Action(np.array([[0, 5]])), luck)
    np.testing.assert_allclose(state.total.still, [[0, 9.2 - 4]])
    np.testing.assert_allclose(state.buffer, [[4 - 1.2 + 4, 4]])
    np.testing.assert_allclose(1 / state.slowness, [[1.0, 17.2 / 9.2]])
    np.testing.assert_allclose(feedback.outcome, [[0.3, 4.3 - 4.3 * 5.2 - 4.0]])


def test_a_map_that_is_safe_never_stands_still():
    """Huang et al. (2014), section 3: who asks for no more than what is stored lasts for, at the lowest rate, does not stand still.

    With 240 s of buffer, 90 of reservoir and 126 of cushion, as in the paper, a chunk at buffer B takes at most 4 f(B) / 0.3 s,
    which is below B.
    """
    line = np.linspace(90, 236, 1000)
    assert (4 * (0.3 + 4 * np.minimum((line - 90) / 126, 1)) / 0.3 < line).all()
    worst = {"bandwidth": 8.0, "unequal": 0.0, "levels": (0.151, 0.5, 2.5), "rtt": 0.0, "most": 240.0, "stay": 0.95}
    for brain in (BufferBased(reservoir=90.0, cushion=126.0), BufferBased(reservoir=10.0, cushion=20.0)):
        found = play(trial(brain=brain, ticks=600, players=8, together=4, stride=600, **worst), 3, range(6)).measures
        assert found["rate"].mean() > 0.8
        assert (found["still"].max() == 0) == (brain.cushion == 126.0)  # a lower and steeper map is not safe


def test_learning_comes_within_a_twentieth_of_the_best_policy():
    """Value iteration on a small world that is known: its best policy's mean quality is what the learner's is held against.

    One player a link, of 1 or 2 Mbit/s; rates of 0.5, 1 and 2, so that a chunk takes 1, 2, 4 or 8 s and buffers are whole seconds, 4 to 12.
    Throughput over one chunk is the link's level. A cell for each of the 2 x 9 x 3 states, so nothing is hidden from the learner.
    """
    rates, caps, buffers, stay, discount = (0.5, 1.0, 2.0), (1.0, 2.0), range(4, 13), 0.9, 0.9
    states = [(c, b, a) for c in range(2) for b in buffers for a in range(3)]
    number = {state: i for i, state in enumerate(states)}
    pays, goes = np.zeros((2, len(states), 3)), np.zeros((2, len(states), 3), dtype=int)  # by the level to come
    odds = np.array(
        [[stay + (1 - stay) / 2 if c == level else (1 - stay) / 2 for c, _, _ in states] for level in (0, 1)]
    )
    for level in (0, 1):
        for i, (_, b, last) in enumerate(states):
            for a in range(3):
                takes = 4 * rates[a] / caps[level]
                pays[level, i, a] = rates[a] - 4.3 * max(takes - b, 0) - abs(rates[a] - rates[last])
                goes[level, i, a] = number[level, min(max(b - takes, 0) + 4, 12), a]
    value = np.zeros(len(states))
    for _ in range(300):
        worth = (odds[..., None] * (pays + discount * value[goes])).sum(axis=0)
        value = worth.max(axis=1)
    best = worth.argmax(axis=1)
    here, gain = np.full(len(states), 1 / len(states)), []
    for _ in range(600):  # where the best policy is, and what it then brings
        then, brings = np.zeros(len(states)), 0.0
        for level in (0, 1):
            part = here * odds[level]
            brings += (part * pays[level, range(len(states)), best]).sum()
            np.add.at(then, goes[level, range(len(states)), best], part)
        here = then
        gain.append(brings)
    assert gain[-1] == pytest.approx(gain[-100], abs=1e-6)

    cuts = (1.5, *np.arange(4.5, 12), 0.75, 1.5)
    brain = QGrid(cells=(2, 9, 3), cuts=cuts, discount=discount, explore=0.5, decay=2e-3, initial=20.0)
    given = {"players": 8, "together": 1, "rates": rates, "most": 16.0, "rtt": 0.0, "bandwidth": 2.0}
    given |= {"unequal": 0.0, "levels": (0.5, 1.0), "stay": stay, "window": 1.0}
    found = play(trial("shared_brain", brain, ticks=5000, stride=1000, **given), 4, range(3)).series["quality"]
    late = (found[5] * 5 - found[3] * 3) / 2  # the last 2,000 chunks of 24 players; a standard error of 0.012
    assert 0.95 * gain[-1] < late.mean() < gain[-1] + 0.05


def test_a_recorded_bandwidth_is_followed():
    """A trace of 8, then 1 Mbit/s: who asks for all that is measured is down to an eighth, and up again when the record begins anew."""
    set_up = trial(brain=RateBased(safety=1.0), ticks=300, unequal=0.0, levels=(1.0,), window=1.0, rtt=0.0, together=1)
    trace = Trace("bandwidth", (0.0, 400.0), (4.3, 0.8), 800.0)
    found = play(replace(set_up, traces=(trace,)), 1, [0]).series["rate"][:, 0]
    rate = np.diff(found * np.arange(len(found)))
    np.testing.assert_allclose(rate[3:100], 4.3, rtol=1e-3)
    np.testing.assert_allclose(rate[103:200], 0.75, rtol=1e-3)
    np.testing.assert_allclose(rate[203:299], 4.3, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"rates": (1.0, 1.0)}, "rise"),
        ({"rates": (1.0,)}, "at least two"),
        ({"together": 5}, "divide the 16 players"),
        ({"most": 6.0}, "two chunks, 8 s"),
        ({"levels": ()}, "at least one level"),
        ({"levels": (1.0, 0.0)}, "above 0"),
        ({"stay": 1.0}, "below 1"),
        ({"bandwidth": -1.0}, "above 0"),
    ],
)
def test_refuses_what_cannot_be_streamed(given, match):
    with pytest.raises(ParameterError, match=match):
        Bitrate(**given)
