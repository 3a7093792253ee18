"""A tally: for each state, the mean of all answers so far, with a head start that counts like answers.

The posterior mean of a conjugate normal model (Gelman et al., Bayesian Data Analysis, section 2.5): `size` answers of mean `prior` came
before the first. Where answers are +1 and -1, a tally is above 0 as long as its lead - the head start `prior` x `size`, plus what was won,
less what was lost - is; who acts only then is a gambler who stops when ruined. With `optimism` c it says mean + c / sqrt(answers), an upper
confidence bound with a fixed width, in standard deviations of an answer (Lai & Robbins 1985; Li, Raymond & Bergman 2020 for hiring). A
pool adds up what all of its seats saw, so a brain that learns from ten seats has ten times the answers and one head start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import planes
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Books(NamedTuple):
    """Weights `says (r, b, s)`, of each of `s` states; evidence `total` and `number` `(r, p, s)`: answers added up, and how many."""

    says: Floats
    total: Floats
    number: Floats


@final
@dataclass(frozen=True)
class Tally(Brain[Books]):
    """Answers with what it makes of the mean answer in the state it is asked about."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("says",)

    prior: Annotated[float, Par("1", "mean of the answers that are presumed at the start")] = 0.2
    size: Annotated[float, Par("1", "how many answers the presumed mean counts for, in each state", above=0)] = 10.0
    optimism: Annotated[float, Par("1", "standard errors, of an answer's deviation 1, added to the mean", low=0)] = 0.0
    forget: Annotated[
        float, Par("1", "share of the answers that is lost each tick; never the prior", low=0, below=1)
    ] = 0.0

    def lacks(self, spec: Spec) -> str | None:
        """A tally needs states to keep apart, and cannot use features."""
        if spec.features or not spec.states:
            return f"keeps answers by state, and the world offers {spec.features} features and {spec.states} states"
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Books:
        """Nothing seen; what is said is presumed."""
        mind = Books(planes(r, b, spec.states), planes(r, p, spec.states), planes(r, p, spec.states))
        mind.says[:] = self._says(np.zeros(1), np.zeros(1))
        return mind

    def predict(self, mind: Books, x: Array, luck: Luck) -> Array:
        """What the brain says of the state of each seat and case, `(r, b, g, *c)`."""
        if mind.says.shape[-1] == 1:
            return np.broadcast_to(mind.says.reshape(*mind.says.shape[:2], *(1,) * (x.ndim - 2)), x.shape)
        return np.take_along_axis(mind.says, x.reshape(*x.shape[:2], -1), axis=2).reshape(x.shape)

    def fade(self, mind: Books) -> None:
        """Lose a share of the answers."""
        if self.forget:
            for evidence in (mind.total, mind.number):
                evidence *= 1 - self.forget

    def witness(self, mind: Books, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the answers `(r, p, g, *c)` by their weights; an answer that nobody saw may be undefined."""
        y, states = feedback.outcome, mind.total.shape[-1]
        weight = np.ones(y.shape) if feedback.weight is None else np.broadcast_to(feedback.weight, y.shape)
        worth = np.where(weight > 0, y, 0.0) * weight
        for i in range(states):
            here = x == i if states > 1 else None
            for evidence, new in ((mind.total, worth), (mind.number, weight)):
                evidence[..., i] += _sum(new if here is None else new * here)

    def retrain(self, mind: Books, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Take the mean of all that came in, for each of the brains `at`."""
        row, brain = at
        pool = row, taught_by[brain]
        mind.says[at] = self._says(mind.total[pool], mind.number[pool])

    def _says(self, total: Floats, number: Floats) -> Floats:
        number = self.size + number
        mean = (self.prior * self.size + total) / number
        return np.asarray(mean + self.optimism / np.sqrt(number) if self.optimism else mean)


def _sum(a: Array) -> Array:
    """The sum over seats and cases, `(r, p, ...)` to `(r, p)`."""
    flat = a.reshape(*a.shape[:2], -1)
    return np.asarray(flat[..., 0] if flat.shape[-1] == 1 else flat.sum(axis=-1))
