"""Staggering and rescheduling: at which ticks each brain of each replication retrains, against the schedule without a hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simlab.brains.topology import Schedule, wire
from simlab.interventions.intervention import NEVER, Due
from simlab.interventions.reschedule import Reschedule
from simlab.interventions.stagger import Stagger
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.shocks import Shock
from simlab.lab.streams import Streams
from tests.interventions.stage import always, moment, numbers, told
from tests.lab.toy import Toy


def turns(hands=(), models=6, wiring="isolated", n=3, **given):
    """The ticks at which each (replication, brain) retrains."""
    world = Toy(models=models, noise=0.0)
    given.setdefault("schedule", Schedule(every=12))
    set_up = numbers(hands, world=world, topology=wire(wiring, models).canonical(world.spec), horizon=60.0, **given)
    luck = Streams(1, range(n))
    loop = Loop(set_up, luck)
    taken = {}

    def retrain(at, busy=False):
        for r, b in zip(*at, strict=True):
            taken.setdefault((int(r), int(b)), []).append(loop.tick)
        return []

    loop.retrain = retrain
    Conductor(set_up, loop, luck).play()
    return taken


def test_brains_retrain_one_cohort_after_the_other():
    """Six brains every 12 s: alone 2 s apart, in pairs 4 s apart, by fours 6 s apart."""
    for size, late in ((1, [0, 2, 4, 6, 8, 10]), (2, [0, 0, 4, 4, 8, 8]), (4, [0, 0, 0, 0, 6, 6]), (9, [0] * 6)):
        found = turns((always(Stagger(size=size)),))
        assert found == {
            (r, b): [t + late[b] for t in range(12, 60, 12) if t + late[b] < 60] for r in range(3) for b in range(6)
        }


def test_it_is_the_staggered_schedule_from_its_first_turn_on():
    late = turns(schedule=Schedule(every=12, how="staggered", size=2))
    assert turns((always(Stagger(size=2)),)) == late


def test_only_brains_of_its_models_stand_in_line_and_only_while_it_is_on():
    """On for models 1, 4 and 5 from 20 to 40 s: the turns at 24 and 36 are 0, 4 and 8 s late for them."""
    found = turns((always(Stagger(), models=(1, 4, 5), at=20.0, lasts=20.0),))
    for b, late in ((0, 0), (1, 0), (2, 0), (3, 0), (4, 4), (5, 8)):
        assert found[0, b] == [12, 24 + late, 36 + late, 48]


def test_a_brain_is_concerned_where_one_of_its_models_is():
    found = turns((always(Reschedule(), models=(0, 5)),), wiring="bulkheads(3)")
    assert set(found) == {(r, 1) for r in range(3)}


def test_retraining_stops_and_goes_on():
    """Latencies differ between replications: a turn is taken or dropped as the hand is off or on in its own replication."""
    hand = always(Reschedule(), at=10.0, median=12.0, spread=0.6, lasts=15.0, models=(2, 3))
    found = turns((hand,), n=8)
    since = np.round(12.0 * np.exp(0.6 * Streams(1, range(8)).normal("latency hand", (8,)))) + 10
    assert len(set(since)) > 3
    for r in range(8):
        assert found[r, 0] == [12, 24, 36, 48]
        assert found[r, 2] == [t for t in (12, 24, 36, 48) if not since[r] <= t < since[r] + 15]


def test_at_most_one_turn_in_a_while():
    """Turns every 12 s and at most one in 20: every other; in 30: every third; in 12: all."""
    for every, ticks in ((20.0, [12, 36]), (30.0, [12, 48]), (12.0, [12, 24, 36, 48])):
        assert set(map(tuple, turns((always(Reschedule(every=every)),)).values())) == {tuple(ticks)}


def test_no_two_turns_come_too_close_under_jitter():
    plan = Schedule(every=6, jitter=4)
    free, held = turns(schedule=plan, n=12), turns((always(Reschedule(every=9.0)),), schedule=plan, n=12)
    for pair, ticks in held.items():
        ticks, kept = sorted(set(ticks)), []  # two turns at one tick are one
        assert (np.diff(ticks) >= 9).all()
        for t in free[pair]:
            kept += [t] if not kept or t - kept[-1] >= 9 else []
        assert ticks == kept


def test_what_was_put_off_is_stopped_too():
    """Staggered over 12 s, and stopped from 15 to 30: those that wait from 12 on are dropped from 15 on."""
    hands = (always(Stagger()), always(Reschedule(), at=15.0, lasts=15.0)._replace(name="stop"))
    found = turns(hands)
    assert [found[0, b][0] for b in range(6)] == [12, 14, 40, 42, 44, 46]


def test_what_was_allowed_when_it_was_due_is_not_held_against_itself():
    """At most one in 12 s and staggered: every turn is let through, however late it comes."""
    hands = (always(Reschedule(every=12.0)), always(Stagger())._replace(name="line"))
    assert turns(hands) == turns((always(Stagger()),))


def test_a_busy_retraining_that_was_put_off_serves_once_it_is_over():
    """Outcomes are 1.5 at first. Brain 1 of two is put off from 10 to 15 and busy for 3 s: it says something new from tick 18 on."""
    world, plan = Toy(models=2, noise=0.0), Schedule(every=10, busy=3)
    said = told(numbers((always(Stagger()),), world=world, schedule=plan), "predict")[:, 0]
    assert [int(np.flatnonzero(said[:, b] != 1)[0]) for b in range(2)] == [13, 18]


@pytest.mark.parametrize(("start", "end", "taken"), [(24.0, 36.0, [12, 36, 48]), (12.0, 24.0, [24, 36, 48])])
def test_a_freeze_holds_from_its_first_tick_to_before_its_last(start, end, taken):
    """What begins or ends at the tick of a retraining comes before it, with and without hands that could put it off."""
    frozen = Shock("frozen", "brain", "frozen", start=start, duration=end - start)
    for hands in ((), (always(Reschedule(), at=1e6),)):
        said = told(numbers(hands, schedule=Schedule(every=12), shocks=(frozen,), horizon=60.0), "learn", n=1)
        assert len(said) == len(taken)


def test_a_hand_that_comes_on_at_the_tick_of_a_turn_is_asked_whoever_is_in_the_cohort():
    """It is on for the one tick of its alarm, so a turn of that tick is dropped: alone and among others."""
    hand = always(Reschedule(), at=np.inf, measure="latest", above=1.5, lasts=1.0)
    set_up = numbers((hand,), world=Toy(noise=0.5), schedule=Schedule(every=3, jitter=2))
    whole = told(set_up, "predict", n=24)
    assert (whole != told(dataclasses.replace(set_up, hands=()), "predict", n=24)).any()
    for i in range(24):
        np.testing.assert_array_equal(told(set_up, "predict", n=[i])[:, 0], whole[:, i])


def test_a_delay_adds_up_and_never_stays_never():
    due = Due(np.zeros(3, dtype=np.int64), np.arange(3), np.array([0, 2, NEVER]), 10)
    later = due.later(np.array([4, 4, 4])).later(np.array([NEVER, 1, 0]))
    np.testing.assert_array_equal(later.delay, [NEVER, 7, NEVER])
    again = Due(np.zeros(3, dtype=np.int64), np.arange(3), np.zeros(3, dtype=np.int64), 10, waited=True)
    on = np.ones((1, 3), dtype=bool)
    assert Stagger().apply(again, on, moment(1, 3)) is again
