"""Brain: a learner, batched over replications and over the brains of its kind.

Shapes: `r` replications, `b` brains, `p` evidence pools, `g` seats (the models one brain or pool serves),
`c` case axes, `f` features. A brain sees seats and pools, never models, wiring, or a topology's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import check_parameters
from simlab.base.world import Asks, Feedback, Measure, Spec

M = TypeVar("M")


class Nothing(NamedTuple):
    """The mind of a brain that learns nothing: no weights, no evidence."""


def no_board(spec: Spec) -> str | None:
    """What is wrong where a brain reads a board: it needs one feature for each choice."""
    return None if spec.features == spec.choices else "needs a board with one number for each choice"


class Brain(ABC, Generic[M]):
    """A final frozen dataclass whose fields are its hyper-parameters.

    Its mind `M` is a NamedTuple of arrays written in place: weights `(r, b, ...)` and evidence `(r, p, ...)`.
    An `online` brain learns from each answer at once and keeps no separate evidence: its pools are its brains.
    `blend` names the leaves that federated averaging averages, and `beside` those that are in service with them and stay
    each brain's own. `doubts` is the unit in which it says how
    unsure it is, or None for one that cannot tell. What it `tells` of its learning is recorded beside the world's measures.
    """

    answers: ClassVar[frozenset[Asks]]
    online: ClassVar[bool] = False
    blend: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[tuple[str, ...]] = ()
    doubts: ClassVar[str | None] = None
    tells: ClassVar[Mapping[str, Measure]] = {}

    def __post_init__(self) -> None:
        check_parameters(self)

    def why_not(self, spec: Spec) -> str | None:
        """Why this brain cannot serve a world with this `spec`, or None when it can."""
        if spec.asks not in self.answers:
            return f"answers {' or '.join(sorted(self.answers))}, and the world asks for {spec.asks}"
        return self.lacks(spec)

    def lacks(self, spec: Spec) -> str | None:
        """What else this brain needs that a world with this `spec` does not offer, or None."""
        return None

    @abstractmethod
    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> M:
        """The mind before anything was seen."""

    @abstractmethod
    def predict(self, mind: M, x: Array, luck: Luck) -> Array:
        """What each seat of each brain says of `x` `(r, b, g, *c, f)`: `(r, b, g, *c)`, with a last axis of choices for shares."""

    def doubt(self, mind: M, x: Array) -> Array | None:
        """How unsure it is of what it says of `x` `(r, b, g, *c, f)`, in the unit `doubts`: `(r, b, g, *c)`; None if it cannot tell."""
        return None

    @abstractmethod
    def witness(self, mind: M, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Take in what reality answered; every array is seated by pool, `(r, p, g, ...)`.

        `x` was asked, `action` was done, and `then` is what is observed next (for bootstrapping).
        """

    def tell(self, mind: M) -> dict[str, Floats]:
        """Each measure that it `tells` now, `(r,)`, the highest over its brains."""
        return {}

    def fade(self, mind: M) -> None:
        """Let evidence age by a tick, in place; called once at every tick with answers, before they are witnessed."""
        return

    def retrain(self, mind: M, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Learn from the evidence, in place, for the (replication, brain) pairs `at`; `taught_by` `(b,)` is each brain's pool."""
        return


def leaves(brain: Brain[Any], mind: Any) -> list[Array]:
    """The weights of `mind` that averaging replaces, each `(r, b, ...)`."""
    return [getattr(mind, name) for name in brain.blend]


def in_service(brain: Brain[Any], mind: Any) -> list[Array]:
    """All that retraining replaces and that can be put back, each `(r, b, ...)`."""
    return [getattr(mind, name) for name in (*brain.blend, *brain.beside)]


def average(brain: Brain[Any], mind: Any, globe: list[Array], weight: Array, by: str) -> list[Array]:
    """One federated round over all brains of a kind: average their updates and hand the result to all.

    `globe` holds the last global weights, one `(r, ...)` for each leaf; an update is a brain's weights
    minus those. `weight` `(r, b)` is each brain's share (0 for a straggler, whose own weights
    are replaced all the same). `by` is "mean", "median", "trimmed" (a fifth cut at each end) or "krum" (Blanchard et
    al., 2017, with a fifth presumed faulty). Returns the new global weights; a replication in which
    nobody reports keeps the old ones.
    """
    updates = [leaf - g[:, None] for leaf, g in zip(leaves(brain, mind), globe, strict=True)]
    r, b = weight.shape
    flat = np.concatenate([u.reshape(r, b, -1) for u in updates], axis=2)
    step = _combine(flat, weight, by)
    new, at = [], 0
    for leaf, old in zip(leaves(brain, mind), globe, strict=True):
        size = int(np.prod(old.shape[1:], dtype=int))
        new.append(old + step[:, at : at + size].reshape(old.shape))
        leaf[:] = new[-1][:, None]
        at += size
    return new


def _combine(updates: Array, weight: Array, by: str) -> Array:
    """Combine updates `(r, b, w)` of the brains with positive weight into one `(r, w)`."""
    here = weight > 0
    count = here.sum(axis=1)
    if by == "mean":
        total = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
        return np.asarray((updates * weight[..., None]).sum(axis=1) / total[:, None])
    step = np.zeros((updates.shape[0], updates.shape[2]))
    for i in np.flatnonzero(count):  # counts differ between replications: rounds are rare, so a loop is fine
        u = updates[i, here[i]]
        n = len(u)
        if by == "median":
            step[i] = np.median(u, axis=0)
        elif by == "trimmed":
            cut = n // 5
            step[i] = np.sort(u, axis=0)[cut : n - cut].mean(axis=0)
        else:
            near = max(1, n - n // 5 - 2)
            square = ((u[:, None] - u[None]) ** 2).sum(axis=2)
            step[i] = u[int(np.sort(square, axis=1)[:, 1 : near + 1].sum(axis=1).argmin())]
    return step
