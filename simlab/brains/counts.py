"""Counts that answer with shares: an urn to which every incident adds a ball, and which forgets a little each tick.

With `forget` 0 and one ball a tick this is Polya's urn (Eggenberger & Polya, 1923, ZAMM 3); several balls a tick and
forgetting are those of Ensign et al. (2018), PMLR 81, section 4. Each choice is answered with its share of the balls, and none is
ever quite given up (`floor`). A pool keeps what its seats saw on average, so that `prior` is the past of one seat however many pool it.
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


class Urn(NamedTuple):
    """Weights `shares (r, b, k)`, of which one brain's add up to 1; evidence `balls (r, p, k)`, per seat."""

    shares: Floats
    balls: Floats


@final
@dataclass(frozen=True)
class Counts(Brain[Urn]):
    """Answers each of `k` choices with its share of what was counted for it; its questions have no features."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"shares"})
    blend: ClassVar[tuple[str, ...]] = ("shares",)

    prior: Annotated[tuple[float, ...], Par("1", "balls of each choice at the start", above=0)] = (1.0, 1.0)
    forget: Annotated[float, Par("1", "share of the balls that is lost each tick", low=0, below=1)] = 0.0
    floor: Annotated[float, Par("1", "balls that a choice keeps at least", low=0)] = 1.0

    def lacks(self, spec: Spec) -> str | None:
        """Counts need as many choices as there are entries in the prior."""
        if spec.choices != len(self.prior):
            return f"has a prior for {len(self.prior)} choices, and the world offers {spec.choices}"
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Urn:
        """The prior in every urn, and its shares in every brain."""
        mind = Urn(planes(r, b, len(self.prior)), planes(r, p, len(self.prior)))
        mind.balls[:] = self.prior
        mind.shares[:] = np.array(self.prior) / sum(self.prior)
        return mind

    def predict(self, mind: Urn, x: Array, luck: Luck) -> Array:
        """The shares of the brain for each of its seats and cases, `(r, b, g, *c, k)`."""
        shares = mind.shares.reshape(*mind.shares.shape[:2], *(1,) * (x.ndim - 2), -1)
        if shares.shape[:-1] != x.shape:
            return np.broadcast_to(shares, (*x.shape, shares.shape[-1]))
        shares.flags.writeable = False
        return shares

    def witness(self, mind: Urn, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add what was counted, `(r, p, g, ..., k)`, by its weight; then lose a share of everything."""
        found = feedback.outcome if feedback.weight is None else feedback.outcome * feedback.weight
        r, p, g, *_, k = found.shape
        for i in range(k):
            balls, flat = mind.balls[..., i], found[..., i].reshape(r, p, -1)
            balls += flat[..., 0] if flat.shape[-1] == 1 else flat.sum(axis=-1) / g
            balls *= 1 - self.forget
            np.maximum(balls, self.floor, out=balls)

    def retrain(self, mind: Urn, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Take the shares of the urn as it is now, for each of the brains `at`."""
        row, brain = at
        (_, b, k), p = mind.shares.shape, mind.balls.shape[1]
        shares, balls = (leaf.transpose(2, 0, 1).reshape(k, -1) for leaf in mind)  # a choice a row, as they are stored
        urns = balls.take(row * p + taught_by[brain], axis=1)
        total = urns[0].copy()
        for urn in urns[1:]:  # in this order, whatever the number of brains: NumPy's own sum depends on it
            total += urn
        urns /= total
        to = row * b + brain
        for share, urn in zip(shares, urns, strict=True):
            share[to] = urn
