"""The seams between two ticks: what hands do to retrainings that are due, and to the weights of brains."""

from __future__ import annotations

import numpy as np

from simlab.base.arrays import Bools, Ints
from simlab.interventions.intervention import NEVER, Due
from simlab.lab.loop import Loop
from simlab.lab.snapshots import Snapshots

Pairs = tuple[Ints, Ints]  # replications and brains


def by_brain(on: Bools, brain_of: tuple[int, ...]) -> Bools:
    """Where what is on for models `(r, m)` concerns brains, `(r, b)`: where it is on for one of their models."""
    rows, models = np.nonzero(on)
    found = np.zeros((len(on), max(brain_of) + 1), dtype=bool)
    found[rows, np.array(brain_of)[models]] = True
    return found


def put_off(loop: Loop, at: Pairs, period: int, waited: bool) -> list[tuple[int, Pairs]]:
    """The retrainings `at`, due now, as the hands on the schedule want them: in how many ticks, and which."""
    due = None
    for switch in loop.switches:
        hand = switch.hand.intervention
        on = switch.on(loop.tick) if "schedule" in (hand.seam, *hand.also) else None
        if on is not None:
            due = due or Due(*at, np.zeros(len(at[0]), dtype=np.int64), period, waited)
            due = hand.apply(due, by_brain(on, loop.trial.topology.brain_of), loop.between(switch))
    if due is None:
        return [(0, at)]
    parts = [(int(delay), due.delay == delay) for delay in np.unique(due.delay) if delay != NEVER]
    return [(delay, (due.rows[these], due.brains[these])) for delay, these in parts]


def give_back(loop: Loop, name: str, kept: Snapshots) -> None:
    """Have the hand called `name` give earlier weights to the brains for which it comes on now."""
    [switch] = (switch for switch in loop.switches if switch.hand.name == name)
    concerned = by_brain(switch.since == loop.tick, loop.trial.topology.brain_of)
    which = switch.hand.intervention.apply(kept.ages(loop.tick), concerned, loop.between(switch))
    kept.restore(which)
    loop.given_back[which >= 0] = loop.tick
