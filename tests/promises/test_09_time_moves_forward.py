"""Promise 9. Time only moves forward: an impossible delay is refused at the call, and who never lets time move is named within 2 s.

SimPy accepts `timeout(nan)`, and its clock then runs backwards.
"""

from __future__ import annotations

import math
import time

import pytest

from simlab.lab.conductor import CalendarError
from tests.lab.test_conductor import conduct


@pytest.mark.parametrize("delay", [math.nan, -1, math.inf, -math.inf, "soon", None, True, 0.5])
def test_impossible_delays_are_refused_with_the_process_named(delay):
    def wrong(calendar, loop):
        yield calendar.wait(2)
        yield calendar.wait(delay)

    with pytest.raises(
        CalendarError, match=r"Toy\.happenings\[0\] at tick 2: cannot wait .* ticks; expected a whole number"
    ):
        conduct([wrong])


def test_a_process_that_never_lets_time_move_is_named_within_two_seconds():
    def zeno(calendar, loop):
        while True:
            yield calendar.wait(0)

    began = time.process_time()
    with pytest.raises(CalendarError, match=r"Toy\.happenings\[0\] at tick 0: over .* events without time moving on"):
        conduct([zeno])
    assert time.process_time() - began < 2
