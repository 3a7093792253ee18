"""The calendar: block-stepped equals tick by tick. That time only moves forward: tests/promises/test_09_time_moves_forward.py."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from simlab.brains.topology import Schedule
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from tests.lab.toy import Toy, trial


def conduct(happenings=(), **given):
    set_up = trial(**given)
    loop = Loop(set_up, Streams(1, range(3)))
    conductor = Conductor(set_up, loop, Streams(1, range(3)))
    for i, happening in enumerate(happenings):
        conductor._add(f"Toy.happenings[{i}]", conductor._happen, happening)
    conductor.play()
    return loop


def test_blocks_equal_single_ticks():
    """A happening that wakes at every tick cuts the run into blocks of one."""

    def every_tick(calendar, loop):
        while True:
            yield calendar.wait(1)

    plan = {"schedule": Schedule(every=7, jitter=2, busy=1)}
    np.testing.assert_array_equal(conduct(**plan).series["total"], conduct([every_tick], **plan).series["total"])


def test_happenings_act_between_ticks():
    def note(calendar, loop):
        yield calendar.wait(3)
        loop.note("seen", "three")

    assert [(e.time, e.name) for e in conduct([note]).events] == [(3.0, "three")] * 3


def test_what_is_measured_between_two_ticks_is_never_stale():
    """It is worked out once, unless a happening, a shock or a tick comes in between."""
    seen = []

    def happening(calendar, loop):
        yield calendar.wait(3)
        before, again = loop.measured(), loop.measured()
        loop.state = loop.state._replace(total=loop.state.total + 10)
        yield calendar.wait(0)
        seen.append((before is again, loop.measured()["total"] - before["total"]))
        yield calendar.wait(1)
        seen.append((loop.measured() is before, loop.measured()["total"] - loop.state.total))

    conduct([happening])
    (same, moved), (stale, off) = seen
    assert same
    assert not stale
    np.testing.assert_allclose(moved, 10.0, rtol=1e-12)
    np.testing.assert_array_equal(off, 0.0)


def test_a_loop_that_was_played_is_given_back_at_once():
    """Without a collector of cycles: memory that one cohort gave back serves the next."""

    def endless(calendar, loop):
        while True:
            yield calendar.wait(1)

    gc.disable()
    try:
        loop = weakref.ref(conduct([endless], schedule=Schedule(every=7, busy=1)))
        assert loop() is None
    finally:
        gc.enable()


def test_an_event_costs_one_block():
    """One SimPy event per retraining, none per agent: the calendar's share does not grow with models."""

    def events(models):
        set_up = trial(Toy(models=models), schedule=Schedule(every=10))
        loop = Loop(set_up, Streams(1, range(2)))
        conductor = Conductor(set_up, loop, Streams(1, range(2)))
        seen = []
        step = conductor.env.step
        conductor.env.step = lambda: (seen.append(1), step())
        conductor.play()
        return len(seen)

    assert events(2) == events(50)
