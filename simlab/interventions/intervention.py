"""Intervention: what a person or a platform can do about it, on one seam of the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

from simlab.base.arrays import Array, Bools
from simlab.base.luck import Luck
from simlab.base.par import check_parameters
from simlab.base.world import World

Seam = Literal["features", "prediction", "action", "feedback"]


class Moment(NamedTuple):
    """What an intervention may look at while it acts."""

    world: World[Any]
    state: Any
    luck: Luck
    tick: int
    fallback: Callable[[], Array]  # the world's plain rule at this tick, drawn once however many hands ask


class Intervention(ABC):
    """A final frozen dataclass whose fields are its parameters.

    It acts on one `seam`, for the (replication, model) pairs that are `on`; where nothing is on it changes nothing.
    """

    seam: ClassVar[Seam]

    def __post_init__(self) -> None:
        check_parameters(self)

    @abstractmethod
    def apply(self, value: Any, on: Bools, moment: Moment) -> Any:
        """What goes on through the seam in place of `value`; `on` is `(r, m)`.

        `value` is the features `(r, m, *c, f)`, the predictions `(r, m, *c)`, an Action or a Feedback, after the seam.
        """
