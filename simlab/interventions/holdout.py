"""Holdout: a randomised share of the cases is left alone by the models.

Fisher (1935), The Design of Experiments: what is assigned at random differs from the rest, on average, in nothing but the treatment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, final

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.errors import InputError, ParameterError
from simlab.base.par import Par
from simlab.base.world import Action, Feedback
from simlab.interventions.intervention import Intervention, Moment, Seam, handed, over, weighed


@final
@dataclass(frozen=True)
class Holdout(Intervention):
    """Leave a random share of the cases (of the models, where the world acts once a model) to the world's fallback.

    It is good for unbiased data: no model decided what is answered there, so held-out cases compared with the others show what
    the models do, and brains that learn from them alone (`others: 0`) do not learn their own echo. What all share, such as a
    price, still carries the echo. Weights need answers about the cases of the same tick; the hand is refused where
    answers are late or pooled. Where the model would have left a case alone anyway its answer is no less good: with `weighted`
    those count once, held-out cases that the model would have treated 1 / share, and treated ones not at all, so that totals are
    those of everybody left alone (Horvitz & Thompson 1952, J. Am. Stat. Assoc. 47).
    """

    seam: ClassVar[Seam] = "action"
    also: ClassVar[tuple[Seam, ...]] = ("feedback",)

    share: Annotated[float, Par("1", "share of the cases that is held out", low=0, high=1)] = 0.05
    fixed: Annotated[bool, Par("1", "whether the same cases are held out all the time, not others at every tick")] = (
        False
    )
    others: Annotated[float, Par("1", "weight in learning of the cases that are not held out", low=0)] = 1.0
    weighted: Annotated[
        bool,
        Par("1", "whether answers count by one over the chance that the case was left alone; in the place of `others`"),
    ] = False

    def check(self) -> None:
        """Raise ParameterError where two weights are given."""
        if self.weighted and self.others != 1:
            raise ParameterError(f"Holdout.others must be 1 where answers are weighted by chance, not {self.others:g}")

    def apply(self, value: Any, on: Bools, moment: Moment) -> Any:
        """The Action with the fallback in held-out cases of models `on` `(r, m)`; or the Feedback with weights."""
        if isinstance(value, Feedback):
            return self._weighed(value, on, moment)
        return self._held(value, on, moment)

    def _held(self, value: Action, on: Bools, moment: Moment) -> Action:
        luck = moment.fixed if self.fixed else moment.luck
        moment.kept["held"] = held = luck.uniform("held out", value.value.shape) < self.share
        plain = moment.fallback()
        if self.weighted:
            moment.kept["alone"] = value.value == plain
        return handed(value, over(on, value.value) & held, plain)

    def _weighed(self, value: Feedback, on: Bools, moment: Moment) -> Feedback:
        held = moment.kept.pop("held", None)  # of this tick; none where agents do not listen to the models at all
        if held is None or (self.others == 1 and not self.weighted):
            return value
        if value.action is not None or value.x is not None or value.outcome.shape[: held.ndim] != held.shape:
            world = type(moment.world).__name__
            raise InputError(
                f"Holdout.others: the answers of the world {world} are not about the cases of the same tick, "
                "so they cannot be weighted by who was held out; write `others: 1`"
            )
        weight = weighed(value)
        if self.weighted:
            counts = np.where(moment.kept.pop("alone"), 1.0, held / max(self.share, 1e-300))
            return value._replace(weight=weight * np.where(over(on, weight), over(counts, weight), 1.0))
        treated = over(on, weight) & ~over(held, weight)
        return value._replace(weight=np.where(treated, self.others * weight, weight))
