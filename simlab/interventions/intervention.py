"""Intervention: what a person or a platform can do about it, on one seam of the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.par import check_parameters
from simlab.base.world import Action, Feedback, World
from simlab.brains.brain import Brain
from simlab.brains.topology import Topology

Seam = Literal["features", "upstream", "prediction", "action", "feedback", "schedule", "weights"]
NEVER = np.iinfo(np.int64).max


class Upstream(NamedTuple):
    """What models read from the models before them, and what came of those last, each `(r, m, *c, k)`; 0 where nothing is read or known."""

    said: Floats
    real: Floats


class Due(NamedTuple):
    """Retrainings that are due, one for each (replication, brain) pair `(n,)`, and in how many ticks they are done.

    A `delay` of 0 is now and `NEVER` not at all. `period` is the time between two turns of a brain, in ticks. What has `waited` was put off
    before, and comes by again now that its delay is over.
    """

    rows: Ints
    brains: Ints
    delay: Ints
    period: int
    waited: bool = False

    def later(self, by: Ints) -> Due:
        """The same, each later by so many ticks `(n,)`; `NEVER` for not at all."""
        never = (self.delay == NEVER) | (by == NEVER)
        return self._replace(delay=np.where(never, NEVER, np.where(never, 0, self.delay) + np.where(never, 0, by)))


class Moment(NamedTuple):
    """What an intervention may look at while it acts."""

    world: World[Any]
    state: Any
    luck: Luck  # the hand's own: another hand of its kind draws other numbers
    tick: int
    fallback: Callable[[], Array]  # the world's plain rule at this tick, drawn once however many hands ask
    since: Ints  # (r, m) the tick from which it is on, or far in the future
    until: Ints  # (r, m) the first tick at which it is off again
    fixed: Luck  # the hand's own too, but a purpose is dealt the same numbers at every tick
    kept: dict[str, Array]  # what the hand notes for later ticks; one for each hand and cohort, empty at the start
    doubt: Callable[[], Array]  # how unsure each brain is of what it said at this tick, `(r, m, *c)`


class Setting(NamedTuple):
    """Where a hand is to act, as far as it is known before the run; `brains` are the kinds that answer for its models."""

    world: World[Any]
    topology: Topology
    brains: tuple[Brain[Any], ...]


class Intervention(ABC):
    """A final frozen dataclass whose fields are its parameters.

    It acts on one `seam`, for the (replication, model) pairs that are `on`; where nothing is on it changes nothing. On the seams
    in `also` it acts too, and tells by the type of the value at which it is.
    `again` says whether a measure that crosses once more, when it is over, sets it off once more; `ends` whether it has
    to end, so that a scenario must say how long it `lasts`. What a `randomised` hand adds to predictions is logged, for those who
    measure what came of it.
    """

    seam: ClassVar[Seam]
    also: ClassVar[tuple[Seam, ...]] = ()
    again: ClassVar[bool] = True
    ends: ClassVar[bool] = False
    randomised: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parameters(self)
        self.check()

    def check(self) -> None:
        """Hold parameters against each other; raise ParameterError where they contradict."""
        return

    @property
    def remembers(self) -> tuple[float, float] | None:
        """Seconds between two snapshots of all weights that it needs, and how old they get; None where it needs none."""
        return None

    def why_not(self, setting: Setting) -> str | None:
        """Why this hand cannot act there, to be read after its name, or None when it can."""
        return None

    @abstractmethod
    def apply(self, value: Any, on: Bools, moment: Moment) -> Any:
        """What goes on through the seam in place of `value`; `on` is `(r, m)`.

        `value` is the features `(r, m, *c, f)`, what is read `Upstream`, the predictions `(r, m, *c)`, an Action or a Feedback,
        after the seam. Of brains a hand concerns those that serve one of its models: on the schedule `value` is what is `Due`, and
        `on` is `(r, b)`. So it is on the weights, at the tick from which the hand is on: there `value` are the ages in ticks
        of the snapshots kept, the oldest first `(n,)`, and what is returned is the number of the one that each brain gets
        back, `(r, b)`, or -1.
        """


def over(some: Array, like: Array) -> Array:
    """What holds of `(r, m)` pairs (or of their cases), shaped so that it holds of all that `like` `(r, m, *c)` has for each."""
    return some.reshape(some.shape + (1,) * (like.ndim - some.ndim))


def ticks(seconds: float, moment: Moment) -> int:
    """The number of ticks nearest to a time, at least one for any positive time."""
    return max(round(seconds / moment.world.tick), 1) if seconds > 0 else 0


def handed(action: Action, where: Bools, instead: Array) -> Action:
    """The action with `instead` in the cases `where` (it broadcasts); its propensity is then unknown (NaN)."""
    chance = None if action.chance is None else np.where(where, np.nan, action.chance)
    return Action(np.where(where, instead.astype(action.value.dtype, copy=False), action.value), chance)


def weighed(value: Feedback) -> Floats:
    """How much each answer counts, in the shape of the outcome."""
    return np.ones(value.outcome.shape) if value.weight is None else np.asarray(value.weight, np.float64)


def propensity(hand: Intervention, value: Feedback, on: Bools, moment: Moment) -> tuple[Floats, Floats, Bools]:
    """The chance with which each answer was to be seen, its weight, and where the hand is on: all in the shape of the outcome.

    Raises InputError where the world does not say with what chance its answers are seen.
    """
    if value.chance is None:
        who, where = type(hand).__name__, type(moment.world).__name__
        raise InputError(f"{who} needs the chance with which an answer is seen, and the world {where} does not tell it")
    shape = value.outcome.shape
    chance = np.broadcast_to(value.chance.reshape(value.chance.shape + (1,) * (len(shape) - value.chance.ndim)), shape)
    return chance, weighed(value), over(on, value.outcome)
