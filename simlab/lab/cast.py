"""Cast: the brains of one kind that serve equally many models, and how models take their seats before them.

Seats, not indices: `(r, m, ...) <-> (r, b, g, ...)` is a free reshape whenever the models of each brain
stand next to each other, as they do in every preset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.world import Action, Feedback, Spec
from simlab.brains.brain import Brain, average, in_service, leaves
from simlab.brains.topology import Topology, groups
from simlab.lab.streams import Streams


@final
class Seats:
    """Models in rows of equal length: one row a brain, or one row a pool."""

    def __init__(self, rows: list[list[int]], models: int) -> None:
        self.index: Ints = np.array(rows, dtype=np.int64)
        self.shape = self.index.shape
        flat = self.index.ravel()
        self.straight = len(flat) == models and bool((flat == np.arange(models)).all())

    def seat(self, a: Array) -> Array:
        """`(r, m, ...)`, or `(r, 1, ...)` for what all models share, as `(r, rows, g, ...)`."""
        if a.shape[1] == 1 and self.index.size > 1:
            return np.broadcast_to(a[:, :, None], (len(a), *self.shape, *a.shape[2:]))
        if self.straight:
            return a.reshape(len(a), *self.shape, *a.shape[2:])
        return a.take(self.index, axis=1)  # always C order, whatever r: sums over seats keep their bits

    def unseat(self, a: Array, out: Array | None, models: int) -> Array:
        """`(r, rows, g, ...)` back to `(r, m, ...)`, into `out` where several casts fill it."""
        r, rest = len(a), a.shape[3:]
        if self.straight:
            return a.reshape(r, models, *rest)
        if out is None:
            out = np.zeros((r, models, *rest), dtype=a.dtype)
        out[:, self.index.ravel()] = a.reshape(r, -1, *rest)
        return out


@final
class SeatLuck(Luck):
    """Luck dealt in the order of models and handed to their seats, so that every wiring meets the same.

    While brains start, and for draws without a seat axis, a brain is dealt what its first model is.
    """

    def __init__(self, streams: Streams, seats: Seats, models: int) -> None:
        self.replications = streams.replications
        self._streams, self._seats, self._models = streams, seats, models

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Uniform on [0, 1)."""
        return self._deal(self._streams.uniform, purpose, shape)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Standard normal."""
        return self._deal(self._streams.normal, purpose, shape)

    def exponential(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Exponential with mean 1."""
        return self._deal(self._streams.exponential, purpose, shape)

    def noise(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Normal from a table."""
        return self._deal(self._streams.noise, purpose, shape)

    def cells(self, purpose: str, shape: tuple[int, ...]) -> Array:
        """Cells of that table."""
        return self._deal(self._streams.cells, purpose, shape)

    def _deal(self, draw: Callable[[str, tuple[int, ...]], Array], purpose: str, shape: tuple[int, ...]) -> Array:
        seated = self._streams.clock.row >= 0 and shape[1:3] == self._seats.shape
        rest = shape[3:] if seated else shape[2:]
        dealt = draw(purpose, (shape[0], self._models, *rest))
        return self._seats.seat(dealt) if seated else dealt[:, self._seats.index[:, 0]]


@final
class Cast:
    """Brains of one kind and size with their mind; `ids` are their numbers in the topology."""

    def __init__(
        self, brain: Brain[Any], ids: list[int], topology: Topology, spec: Spec, r: int, luck: Streams
    ) -> None:
        self.brain, self.ids, self.models = brain, ids, topology.models
        models_of, models_in = groups(topology.brain_of), groups(topology.data_of)
        pools = sorted({topology.taught_by[b] for b in ids})
        served, fed = [models_of[b] for b in ids], [models_in[p] for p in pools]
        if brain.online and served != fed:
            raise InputError(
                f"brain {type(brain).__name__} learns from each answer at once and has no evidence to share: "
                "give each brain the pool of its own models (data_of like brain_of), or choose a brain that is retrained"
            )
        self.seats, self.pools = Seats(served, self.models), Seats(fed, self.models)
        self.taught_by: Ints = np.searchsorted(pools, [topology.taught_by[b] for b in ids])
        self.luck = SeatLuck(luck, self.seats, self.models)
        self.mind = brain.start(r, len(ids), len(pools), spec, self.luck)
        self.globe = [leaf.mean(axis=1) for leaf in leaves(brain, self.mind)]

    def predict(self, x: Array, out: Array | None) -> Array:
        """What each model is told, `(r, m, *c, ...)`; only this cast's models are filled in."""
        return self.seats.unseat(self.brain.predict(self.mind, self.seats.seat(x), self.luck), out, self.models)

    def doubt(self, x: Array, out: Array) -> Array:
        """How unsure the brains are of what they say of `x`, `(r, m, *c)`, into `out`; untouched where they cannot tell."""
        doubt = self.brain.doubt(self.mind, self.seats.seat(x))
        return out if doubt is None else self.seats.unseat(doubt, out, self.models)

    def witness(self, x: Array, action: Action, feedback: Feedback, then: Array) -> None:
        """Take in the answers of the models that feed this cast's pools."""
        seat = self.pools.seat
        answer = Feedback(*(None if part is None else seat(part) for part in feedback))  # type: ignore[arg-type]
        asked = seat(x) if answer.x is None else answer.x
        done = seat(action.value) if answer.action is None else answer.action
        self.brain.witness(self.mind, asked, done, answer, seat(then))

    def fade(self) -> None:
        """Let evidence age by a tick."""
        self.brain.fade(self.mind)

    def retrain(self, at: tuple[Ints, Ints]) -> None:
        """Learn from the evidence now, for the (replication, brain of this cast) pairs `at`."""
        self.brain.retrain(self.mind, at, self.taught_by)

    def study(self, at: tuple[Ints, Ints]) -> list[Array]:
        """Learn from the evidence now, but keep the old weights in service; returns the new ones."""
        before = [leaf[at].copy() for leaf in in_service(self.brain, self.mind)]
        self.retrain(at)
        after = [leaf[at].copy() for leaf in in_service(self.brain, self.mind)]
        self.install(at, before)
        return after

    def install(self, at: tuple[Ints, Ints], weights: list[Array]) -> None:
        """Put weights into service."""
        for leaf, new in zip(in_service(self.brain, self.mind), weights, strict=True):
            leaf[at] = new

    def average(self, weight: Floats, by: str) -> None:
        """One federated round; `weight` `(r, b)` is 0 for a straggler."""
        self.globe = average(self.brain, self.mind, self.globe, weight, by)


def assemble(brains: tuple[Brain[Any], ...], topology: Topology, spec: Spec, r: int, luck: Streams) -> list[Cast]:
    """The casts of a topology: brains grouped by kind, by models served, and by models in their pool."""
    alike: dict[tuple[int, int, int], list[int]] = {}
    served, fed = Counter(topology.brain_of), Counter(topology.data_of)
    for b, kind in enumerate(topology.kind_of):
        size = served[b], fed[topology.taught_by[b]]
        alike.setdefault((kind, *size), []).append(b)
    if topology.average_every and len(alike) > len(set(topology.kind_of)):
        raise InputError("federated rounds average brains that serve equally many models; these do not")
    extra = len(topology.reads[0]) if topology.reads else 0
    wide = spec._replace(features=spec.features + extra)
    return [
        Cast(brains[kind], ids, topology, wide, r, luck.named("brain", again=True))
        for (kind, *_), ids in sorted(alike.items(), key=lambda item: item[1][0])
    ]
