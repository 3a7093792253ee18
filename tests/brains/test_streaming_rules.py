"""Rules for bitrates that learn nothing: each against its paper, implemented a second time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simlab.base.world import Spec
from simlab.brains.bola import Bola
from simlab.brains.brain import Nothing
from simlab.brains.buffer_based import BufferBased
from simlab.brains.rate_based import RateBased
from simlab.lab.streams import Streams
from tests.twins import bitrate as twins

SPEC = Spec(models=1, asks="choice", features=3, choices=6)
RATES = BufferBased().rates


def asked(brain, throughput, buffer, last):
    """What it says of each of these situations, all arrays alike."""
    x = np.stack(np.broadcast_arrays(throughput, buffer, last), axis=-1).astype(float)
    return brain.predict(Nothing(), x[None, None], Streams(1, [0]))[0, 0]


def test_bola_changes_rung_where_two_scores_are_equal():
    """(V (v_m + gp) - Q) / S_m = (V (v_n + gp) - Q) / S_n, solved for Q, for neighbours; the score itself is never written down."""
    brain = Bola()
    rule = twins.Bola(6, gp=brain.gp, most=brain.most, chunk=brain.chunk, rates=RATES)
    buffers = np.arange(4, 56.001, 0.01) + 0.003
    expected = [rule.decide((0.0, float(b), RATES[0]), 0.0) for b in buffers]
    np.testing.assert_array_equal(asked(brain, 1.0, buffers, 0.3), expected)
    assert sorted(rule.above) == rule.above  # higher rungs for more in store


def test_bola_maximises_drift_plus_penalty():
    """Spiteri et al. (2016), section III: of all rungs that maximise V (v + gp) - Q per bit; and downloads whatever room there is."""
    brain, rng = Bola(gp=3.0, most=40.0), np.random.default_rng(2)
    v = (40 / 4 - 1) / (math.log(RATES[-1] / RATES[0]) + 3)
    for buffer in rng.uniform(0, 36, 200):
        scores = [(v * (math.log(rate / RATES[0]) + 3) - buffer / 4) / (rate * 4) for rate in RATES]
        assert asked(brain, 9.0, buffer, 0.3) == scores.index(max(scores))
        assert max(scores) >= -1e-12


def test_the_buffer_rule_is_algorithm_1():
    """Huang et al. (2014), line by line, from every last rate and over all buffers."""
    brain = BufferBased()
    rule = twins.BufferRule(6, reservoir=5.0, cushion=10.0, rates=RATES)
    for last in RATES:
        buffers = np.arange(0, 30, 0.01)
        expected = [rule.decide((0.0, float(b), last), 0.0) for b in buffers]
        np.testing.assert_array_equal(asked(brain, 1.0, buffers, last), expected, err_msg=str(last))


def test_the_buffer_rule_stays_where_it_is_between_its_neighbours():
    """Half-way up the cushion the map says 2.3: from 1.85 or 2.85 nothing changes, from elsewhere it goes to the nearer side."""
    said = asked(BufferBased(), 1.0, 10.0, np.array(RATES))
    np.testing.assert_array_equal(said, [3, 3, 3, 3, 4, 4])


def test_the_throughput_rule_asks_for_what_is_carried():
    rule = twins.RateRule(6, safety=0.85, rates=RATES)
    throughputs = np.geomspace(0.1, 20, 500)
    expected = [rule.decide((float(c), 4.0, 0.3), 0.0) for c in throughputs]
    np.testing.assert_array_equal(asked(RateBased(), throughputs, 4.0, 0.3), expected)
    assert (asked(RateBased(safety=1.0), np.array(RATES), 4.0, 0.3) == range(6)).all()


@pytest.mark.parametrize("brain", [BufferBased(), Bola(), RateBased()])
def test_says_which_worlds_it_cannot_serve(brain):
    assert brain.why_not(SPEC) is None
    assert "each of 6 rates" in brain.why_not(SPEC._replace(choices=5))
    assert "last rate" in brain.why_not(SPEC._replace(features=6))
    assert "asks for number" in brain.why_not(Spec(models=1))
