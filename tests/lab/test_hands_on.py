"""Hands in the loop: from which tick to which they are on, and what those on the predictions add to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
import pytest

from simlab.base.par import Par
from simlab.brains.topology import wire
from simlab.interventions.intervention import Intervention, over
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.loop import Loop, Switch
from simlab.lab.seams import by_brain
from simlab.lab.streams import Streams
from simlab.lab.trial import Hand, Trial, Trigger
from tests.lab.test_choices import Adds, Samples
from tests.lab.toy import Mean, Toy

FAR = np.iinfo(np.int64).max
EVERYONE = np.arange(3)


def switch(models=None):
    return Switch(Hand("h", KillSwitch(), Trigger(), models), 3, 2, Streams(1, range(3)))


def where(one, tick):
    on = one.on(tick)
    return None if on is None else on.astype(int).tolist()


def test_a_hand_is_on_from_its_tick_until_it_is_over():
    """In replication 0 from 5 to 8, in 2 from 6 to 9; before and after it is nowhere."""
    one = switch()
    assert where(one, 0) is None
    one.arm(np.array([0, 2]), np.array([5, 6]), 3)
    found = {tick: where(one, tick) for tick in range(4, 10)}
    both, none = [1, 1], [0, 0]
    assert found == {
        4: None,
        5: [both, none, none],
        6: [both, none, both],
        7: [both, none, both],
        8: [none, none, both],
        9: None,
    }
    one.arm(np.array([1]), np.array([2]), 1)
    assert where(one, 2) == [none, both, none]
    assert where(one, 4) == [none] * 3  # between two
    assert where(one, 8) == [none, none, both]


def test_a_hand_concerns_its_models():
    one = switch(models=(1,))
    one.arm(EVERYONE, np.array([0, 0, 1]), 5)
    assert where(one, 0) == [[0, 1], [0, 1], [0, 0]]
    assert one.since[:, 0].tolist() == one.until[:, 0].tolist() == [FAR] * 3


@pytest.mark.parametrize("lasts", [FAR, FAR - 1])
def test_a_hand_without_an_end_is_on_for_ever(lasts):
    one = switch()
    one.arm(EVERYONE, np.array([1, 2, 2]), lasts)
    assert (one.until == FAR).all()
    assert where(one, FAR - 1) == [[1, 1]] * 3
    one.arm(EVERYONE, np.array([0, 1, 2]), FAR - 2)
    assert one.until[:, 0].tolist() == [FAR - 2, FAR - 1, FAR]


def test_a_brain_is_concerned_where_one_of_its_models_is():
    on = np.array([[True, False, False, True], [False, True, True, False], [False] * 4])
    assert by_brain(on, (0, 0, 1, 2)).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert by_brain(on, (2, 1, 0, 0)).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


@final
@dataclass(frozen=True)
class Moves(Intervention):
    """Multiplies what is said by `times` and adds `by`, and case after case one more."""

    seam: ClassVar = "prediction"
    times: Annotated[float, Par("1", "by what is said is multiplied")] = 1.0
    by: Annotated[float, Par("1", "what is added")] = 0.0

    def apply(self, value, on, moment):
        more = np.arange(value.shape[2]) if value.ndim > 2 else 0.0
        return np.where(over(on, value), self.times * value + self.by + more, value)


@final
@dataclass(frozen=True)
class Logged(Intervention):
    """The same, at random as far as it says."""

    seam: ClassVar = "prediction"
    randomised: ClassVar = True
    times: Annotated[float, Par("1", "by what is said is multiplied")] = 1.0
    by: Annotated[float, Par("1", "what is added")] = 0.0

    apply = Moves.apply


def turn(*hands, world=None, brain=None, ticks=1, on=None):
    """The turn played last, where hands are on for these models each (all: None), or not at all (False)."""
    named = tuple(Hand(f"h{i}", hand, Trigger()) for i, hand in enumerate(hands))
    world = world or Toy()
    loop = Loop(
        Trial(world, (brain or Mean(prior=1.0),), wire("isolated", 3), 40.0, 5.0, hands=named), Streams(1, range(2))
    )
    for i, one in enumerate(loop.switches):
        models = on[i] if on else None
        if models is not False:
            one.models[:] = [models is None or m in models for m in range(3)]
            one.arm(np.arange(2), np.zeros(2, np.int64), 10)
    loop.run(ticks)
    return loop.seen


def test_what_randomised_hands_add_is_logged_and_what_others_do_is_not():
    """Brains say 1. A hand that is not random shifts it by 10; a random one then adds 4; another takes it times 3."""
    assert turn().nudge == 0
    plain = turn(Moves(by=10.0))
    assert plain.said.tolist() == [[11.0] * 3] * 2
    assert plain.nudge == 0
    both = turn(Moves(by=10.0), Logged(by=4.0))
    assert both.said.tolist() == [[15.0] * 3] * 2
    assert both.nudge.tolist() == [[4.0] * 3] * 2
    last = turn(Logged(by=4.0), Moves(times=2.0), Logged(times=3.0))
    assert last.said.tolist() == [[30.0] * 3] * 2  # (1 + 4) 2 3
    assert last.nudge.tolist() == [[24.0] * 3] * 2  # 4 and 30 - 10


def test_a_nudge_is_where_its_hand_is_on():
    found = turn(Logged(by=4.0), Logged(by=1.0), on=[(0, 1), (1,)])
    assert found.said.tolist() == [[5, 6, 1]] * 2
    assert found.nudge.tolist() == [[4, 5, 0]] * 2
    assert turn(Logged(by=4.0), on=[False]).nudge == 0


def test_a_nudge_of_questions_with_cases_is_their_mean():
    """To three cases 1, 2 and 3 are added."""
    found = turn(Logged(by=1.0), world=Samples(), brain=Adds())
    assert found.said.tolist() == [[[2, 4, 6]] * 3] * 2
    assert found.nudge.tolist() == [[2.0] * 3] * 2


def test_hands_on_other_seams_are_no_nudge():
    assert turn(KillSwitch()).nudge == 0
