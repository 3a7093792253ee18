"""What holds for every hand: it changes nothing where it is not on, and its bits depend on no cohort."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.brains.topology import Schedule
from simlab.interventions.canary import Canary
from simlab.interventions.circuit_breaker import CircuitBreaker
from simlab.interventions.explore import Explore
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.probe import Probe
from simlab.interventions.throttle import Throttle
from simlab.lab.cohort import join, play
from simlab.lab.trial import Hand, Trigger
from simlab.scenario.registry import HOUSE
from tests.interventions.stage import choices
from tests.lab.test_cohort import same
from tests.lab.toy import Choices, Mean, Picks, Toy, trial

PLAN = {"schedule": Schedule(every=5, jitter=1), "brains": (Mean(prior=1.0),)}


def toy(hands, **given):
    return trial(Toy(models=5), hands=hands, **(PLAN | given))


def doors(hands, **given):
    return choices(hands, world=Choices(models=5, cases=3), **({"brains": (Picks(),)} | given))


# a hand, the run it acts in, and a measure of that run which it moves
HANDS = {
    "kill_switch": (KillSwitch(), toy),
    "circuit_breaker": (CircuitBreaker(probes=0.3), toy),
    "throttle": (Throttle(), toy),
    "throttle of choices": (Throttle(), doors),
    "canary": (Canary(first=0.2, growth=2.0, step=4.0), toy),
    "canary of choices": (Canary(first=0.2, growth=2.0, step=4.0), doors),
    "explore": (Explore(floor=0.5), doors),
    "probe": (Probe(size=0.5), toy),
    "probe of each": (Probe(size=0.5, common=False), toy),
}
ELSEWHERE = {"importance_weight", "thinning"}  # on the feedback seam of worlds that tell a chance: test_feedback_seam


def test_every_hand_of_the_house_is_here():
    assert {name.split(" of ")[0] for name in HANDS} | ELSEWHERE == set(HOUSE.interventions.names())


def total(outcome):
    return outcome.series["total"]


@pytest.mark.parametrize("name", HANDS)
def test_what_is_never_triggered_changes_nothing_to_the_bit(name):
    hand, run = HANDS[name]
    armed = run((Hand("hand", hand, Trigger(measure="total", above=1e9, lasts=5)),))
    np.testing.assert_array_equal(total(play(run(()), 2, range(5))), total(play(armed, 2, range(5))))


@pytest.mark.parametrize("name", HANDS)
def test_it_changes_something_where_it_is_on_and_nothing_before(name):
    hand, run = HANDS[name]
    free = total(play(run(()), 2, range(5)))
    seen = total(play(run((Hand("hand", hand, Trigger(at=20.0, lasts=15)),)), 2, range(5)))
    np.testing.assert_array_equal(seen[:5], free[:5])  # every 5 s, up to 20 s
    assert (seen[-1] != free[-1]).any()


@pytest.mark.parametrize("name", HANDS)
def test_replications_in_which_it_is_not_on_keep_their_bits(name):
    """A latency that some replications outlive: those are as if there were no hand."""
    hand, run = HANDS[name]
    set_up = run((Hand("hand", hand, Trigger(at=0.0, median=40.0, spread=0.5, lasts=15)),))
    free, seen = total(play(run(()), 2, range(12))), play(set_up, 2, range(12))
    on = {e.replication for e in seen.events if (e.kind, e.name) == ("intervention", "hand")}
    calm = [i for i in range(12) if i not in on]
    assert 2 < len(calm) < 10
    np.testing.assert_array_equal(total(seen)[:, calm], free[:, calm])


@pytest.mark.parametrize("name", HANDS)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_cohort_size_never_changes_a_bit(name, size):
    """Several times on and off, at other times in every replication, and for some models only."""
    hand, run = HANDS[name]
    often = Trigger(measure="total", above=0.5, scrape=6.0, median=3.0, spread=0.8, lasts=8.0)
    set_up = run((Hand("hand", hand, often, models=(0, 3, 4)),))
    whole = play(set_up, 1, range(16))
    assert not whole.failed
    parts = [play(set_up, 1, range(first, min(first + size, 16))) for first in range(0, 16, size)]
    same(whole, join(parts))
