"""Intervention: what a person or a platform can do about it, on one seam of the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from simlab.base.arrays import Array, Bools, Ints
from simlab.base.luck import Luck
from simlab.base.par import check_parameters
from simlab.base.world import Action, World

Seam = Literal["features", "prediction", "action", "feedback"]


class Moment(NamedTuple):
    """What an intervention may look at while it acts."""

    world: World[Any]
    state: Any
    luck: Luck  # this hand's own
    tick: int
    fallback: Callable[[], Array]  # the world's plain rule at this tick, drawn once however many hands ask
    since: Ints  # (r, m) the tick from which it is on, or far in the future
    until: Ints  # (r, m) the first tick at which it is off again


class Intervention(ABC):
    """A final frozen dataclass whose fields are its parameters.

    It acts on one `seam`, for the (replication, model) pairs that are `on`; where nothing is on it changes nothing.
    `again` says whether a measure that crosses once more, when it is over, sets it off once more; `ends` whether it has
    to end, so that a scenario must say how long it `lasts`.
    """

    seam: ClassVar[Seam]
    again: ClassVar[bool] = True
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parameters(self)

    @abstractmethod
    def apply(self, value: Any, on: Bools, moment: Moment) -> Any:
        """What goes on through the seam in place of `value`; `on` is `(r, m)`.

        `value` is the features `(r, m, *c, f)`, the predictions `(r, m, *c)`, an Action or a Feedback, after the seam.
        """


def over(pairs: Bools, like: Array) -> Bools:
    """What holds of `(r, m)` pairs, shaped so that it holds of all their cases in `like` `(r, m, *c)`."""
    return pairs.reshape(pairs.shape + (1,) * (like.ndim - 2))


def handed(action: Action, where: Bools, instead: Array) -> Action:
    """The action with `instead` in the cases `where` (it broadcasts); its propensity is then unknown (NaN)."""
    chance = None if action.chance is None else np.where(where, np.nan, action.chance)
    return Action(np.where(where, instead.astype(action.value.dtype, copy=False), action.value), chance)
