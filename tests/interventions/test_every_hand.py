"""What holds for every hand: it changes nothing where it is not on, and its bits depend on no cohort."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.brains.ridge import Ridge
from simlab.brains.thompson import Thompson
from simlab.brains.topology import Schedule, wire
from simlab.interventions.abstain import Abstain
from simlab.interventions.canary import Canary
from simlab.interventions.circuit_breaker import CircuitBreaker
from simlab.interventions.constraint import Constraint
from simlab.interventions.explore import Explore
from simlab.interventions.firewall import Firewall
from simlab.interventions.holdout import Holdout
from simlab.interventions.human_review import HumanReview
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.limits import Limits
from simlab.interventions.probe import Probe
from simlab.interventions.reschedule import Reschedule
from simlab.interventions.rollback import Rollback
from simlab.interventions.stagger import Stagger
from simlab.interventions.throttle import Throttle
from simlab.lab.cohort import play
from simlab.lab.trial import Hand, Trigger
from simlab.scenario.registry import HOUSE
from tests.interventions.stage import choices
from tests.lab.toy import Choices, Dice, Mean, Picks, Toy, trial

PLAN = {"schedule": Schedule(every=5, jitter=1), "brains": (Mean(prior=1.0),)}


def toy(hands, **given):
    return trial(Toy(models=5), hands=hands, **(PLAN | given))


def busy(hands):
    return toy(hands, schedule=Schedule(every=5, jitter=1, busy=2))


def dice(hands):
    return toy(hands, brains=(Dice(),))


def ridge(hands):
    return toy(hands, brains=(Ridge(penalty=0.5),))


def chain(hands):
    return toy(hands, brains=(Ridge(penalty=0.5),), topology=wire("chain", 5))


def doors(hands, **given):
    return choices(hands, world=Choices(models=5, cases=3), **({"brains": (Picks(),)} | given))


def thompson(hands):
    return doors(hands, brains=(Thompson(),))


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
    "holdout": (Holdout(share=0.5), toy),
    "holdout of the same": (Holdout(share=0.5, fixed=True, others=0.0), toy),
    "holdout of choices": (Holdout(share=0.5), doors),
    "limits": (Limits(low=-1.0, high=1.0, step=0.3), dice),
    "human_review": (HumanReview(capacity=2, error=0.2), dice),
    "human_review of long": (HumanReview(capacity=1, delay=3.0, error=0.5), dice),
    "human_review of choices": (HumanReview(capacity=2, delay=2.0), doors),
    "constraint": (Constraint(measure="latest", bound=0.5, price=2.0), toy),
    "abstain": (Abstain(bound=0.4), ridge),
    "abstain of choices": (Abstain(bound=0.005), thompson),
    "firewall": (Firewall(limit=0.1), chain),
    "stagger": (Stagger(size=2), toy),
    "stagger of busy": (Stagger(), busy),
    "reschedule": (Reschedule(every=12.0), toy),
    "reschedule of never": (Reschedule(), busy),
    "rollback": (Rollback(back=4.0, every=3.0), toy),
    "rollback of frozen": (Rollback(back=6.0, every=1.0, freeze=True), busy),
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
def test_cohort_size_never_changes_a_bit(name):
    """Several times on and off, at other times in every replication, and for some models only."""
    hand, run = HANDS[name]
    often = Trigger(measure="total", above=0.5, scrape=6.0, median=3.0, spread=0.8, lasts=8.0)
    set_up = run((Hand("hand", hand, often, models=(0, 3, 4)),))
    whole = play(set_up, 1, range(8))
    assert not whole.failed
    for some in ([0], [5], [2, 3], list(range(1, 8))):
        part = play(set_up, 1, some)
        for measure in whole.series:
            np.testing.assert_array_equal(part.series[measure], whole.series[measure][:, some])
        assert part.events == [event for event in whole.events if event.replication in some]
