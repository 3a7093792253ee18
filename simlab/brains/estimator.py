"""Anything with `fit` and `predict` as a brain: slow, since each replication's every brain is an object of its own.

    forest = simlab.brains.Estimator(lambda: RandomForestRegressor(n_estimators=20))
    simlab.load(scenario, using={"forest": forest}, brain={"forest": {"memory": 100}})

A factory is code, so it has no name in YAML but the one that `using` gives it. All other brains work on arrays over replications and brains
at once; here both are loops, one call of `fit` at each retraining and one of `predict` at each tick for each of them.
Objects follow the conventions of scikit-learn (Pedregosa et al. 2011, JMLR 12; Buitinck et al. 2013, arXiv 1309.0238).
"""

from __future__ import annotations

import inspect
from abc import ABC
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Seen(NamedTuple):
    """The answers that came at one tick: questions `(r, p, n, f)`, answers and weights `(r, p, n)`; no weights where all count 1."""

    tick: int
    x: Floats
    y: Floats
    weight: Floats | None


class Cases(NamedTuple):
    """Weights: the object in service, `(r, b)`, or None. Evidence: what was seen of late, the oldest first, for all pools together.

    `seeds` `(r, b)` makes objects that draw numbers of their own repeatable; `clock` `(1,)` counts ticks with answers.
    """

    fitted: Array
    seeds: Ints
    past: deque[Seen]
    clock: Ints


@dataclass(frozen=True)
class Estimated(Brain[Cases], ABC):
    """Slow: objects that are fitted and asked one by one. `factory` makes a fresh one, which is fitted at each retraining.

    It says 0 until it was fitted. An answer that is only a bound counts as if it were the value. Weights of answers are handed to `fit` as
    `sample_weight`, unless all are 1; an answer of weight 0 is left out, and so is one that is not finite.
    """

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    beside: ClassVar[tuple[str, ...]] = ("fitted",)
    factory: ClassVar[Callable[[], Any]]

    memory: Annotated[int, Par("1", "ticks with an answer whose cases are kept to learn from", low=1)] = 200
    least: Annotated[int, Par("1", "fewest cases it is fitted to; with fewer it stays as it was", low=1)] = 2

    def lacks(self, spec: Spec) -> str | None:
        """An estimator needs features to predict from."""
        return None if spec.features else "needs features, and the world offers none"

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Cases:
        """Nothing seen, nothing fitted."""
        seeds = (luck.uniform("estimator", (r, b)) * 2**31).astype(np.int64)
        return Cases(np.full((r, b), None, dtype=object), seeds, deque(), np.zeros(1, dtype=np.int64))

    def predict(self, mind: Cases, x: Array, luck: Luck) -> Array:
        """What each object says of its seats' questions, in one call, `(r, b, g, *c)`."""
        said = np.zeros(x.shape[:-1])
        for at in product(*map(range, mind.fitted.shape)):
            if mind.fitted[at] is not None:
                asked = x[at].reshape(-1, x.shape[-1])
                found = np.asarray(mind.fitted[at].predict(asked), dtype=np.float64)
                if found.size != len(asked):
                    raise InputError(
                        f"{type(self).__name__}.predict answered {found.shape} to {asked.shape}; expected ({len(asked)},)"
                    )
                said[at] = found.reshape(said[at].shape)
        return said

    def fade(self, mind: Cases) -> None:
        """Cases are forgotten after `memory` ticks with answers."""
        mind.clock[0] += 1
        while mind.past and mind.past[0].tick <= mind.clock[0] - self.memory:
            mind.past.popleft()

    def witness(self, mind: Cases, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Keep the cases."""
        y, weight = feedback.outcome, feedback.weight
        shape = np.broadcast_shapes(x.shape[:-1], y.shape)
        flat = (*shape[:2], -1)
        asked = np.broadcast_to(x, (*shape, x.shape[-1])).reshape(*flat, x.shape[-1])
        seen = np.broadcast_to(y, shape).reshape(flat)
        counts = None if weight is None else np.broadcast_to(weight, shape).reshape(flat).astype(np.float64)
        mind.past.append(Seen(int(mind.clock[0]), asked.astype(np.float64), seen.astype(np.float64), counts))

    def retrain(self, mind: Cases, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Fit a fresh object for each of the brains `at`, in this order, to the cases of its pool, the oldest first."""
        for row, brain in zip(*(index.tolist() for index in at), strict=True):
            pool = int(taught_by[brain])
            if not mind.past:
                continue
            x = np.concatenate([seen.x[row, pool] for seen in mind.past])
            y = np.concatenate([seen.y[row, pool] for seen in mind.past])
            weight = np.concatenate(
                [np.ones(seen.y.shape[2]) if seen.weight is None else seen.weight[row, pool] for seen in mind.past]
            )
            good = (weight > 0) & np.isfinite(y) & np.isfinite(x).all(axis=1)
            if good.sum() >= self.least:
                mind.fitted[row, brain] = self._fitted(x[good], y[good], weight[good], int(mind.seeds[row, brain]))

    def _fitted(self, x: Floats, y: Floats, weight: Floats, seed: int) -> Any:
        one = type(self).factory()
        known: dict[str, Any] = getattr(one, "get_params", dict)()
        if "random_state" in known and known["random_state"] is None:
            one.set_params(random_state=seed)
        if (weight == 1).all():
            one.fit(x, y)
            return one
        if "sample_weight" not in inspect.signature(one.fit).parameters:
            raise InputError(
                f"{type(self).__name__}: answers come with weights, and its `fit` takes no `sample_weight`"
            )
        one.fit(x, y, sample_weight=weight)
        return one


def Estimator(factory: Callable[[], Any] | Any, name: str | None = None) -> type[Brain[Any]]:  # noqa: N802  # it makes a class
    """A brain whose objects come from `factory`: a class to be named in `simlab.load(..., using={"forest": Estimator(...)})`.

    `factory` takes nothing and returns a fresh object with `fit(x, y)` and `predict(x)`, x `(n, f)`, y `(n,)`. Its class gives the
    brain its `name`, unless one is given. Raises InputError for anything else.
    """
    if not callable(factory):  # people write `Estimator(Ridge())`
        one = type(factory).__name__
        raise InputError(f"Estimator takes a function that makes a fresh object, e.g. `Estimator(lambda: {one}(...))`")
    example = factory()
    missing = [method for method in ("fit", "predict") if not callable(getattr(example, method, None))]
    if missing:
        raise InputError(f"Estimator: {type(example).__name__} has no {' and no '.join(f'`{m}`' for m in missing)}")
    make = staticmethod(factory)

    @final
    @dataclass(frozen=True)
    class Made(Estimated):
        factory = make

    Made.__name__ = Made.__qualname__ = name or type(example).__name__
    Made.__module__ = str(getattr(factory, "__module__", Made.__module__))  # the code that decides is there
    Made.__doc__ = f"Slow: {type(example).__name__} objects, fitted and asked one by one."
    return Made
