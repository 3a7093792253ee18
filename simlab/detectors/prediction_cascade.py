"""How errors grow from model to model where one reads what another says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from simlab.base.arrays import Floats, Ints
from simlab.base.errors import InputError
from simlab.base.par import Par
from simlab.detectors.detector import Detector, Frame, Reading, Sliding, Subject, held, over_instants, slide, sliding

Reads = tuple[tuple[int, ...], ...]


class Chain(NamedTuple):
    """The edges from `above` `(e,)` to `below` `(e,)`, ordered so that those into `above` come first, and sums over the window."""

    above: Ints
    below: Ints
    dependencies: Ints  # (1,)
    sums: Sliding  # (window, r, 6, e) pairs, u, v, uu, uv, vv of upstream and own error


class Gains(NamedTuple):
    """How an error passes each edge, `(r, e)`: the slope of the model's error on its upstream's, and its standard error."""

    slope: Floats
    error: Floats


@final
@dataclass(frozen=True)
class PredictionCascade(Detector[Chain]):
    """The largest gain of an error along a path of models that read each other, less `sigmas` standard errors, against 1.

    The gain of an edge is the slope of a model's error on the error of the model that it reads, over the window; that of a path
    their product (path gains of linear systems: Mason 1953, Proc. IRE 41), with the error of a product of independent factors. A depth
    says how far an error can travel, the gain whether it arrives larger. Only a path whose gain is above 1 beyond noise makes an alarm.
    A model that reads several has the slope on each by itself. What all models cannot foresee is in all their errors and draws
    slopes towards 1, from below and from above. Edges that close a circle are left out of paths (their loop is for `feedback_spiral`).

    The popular rule is read as the number of upstream models of each model, however far up, summed over models. Without `reads`
    there is no path (NaN) and no dependency (0).
    """

    shows: ClassVar[str] = "largest gain of an error along a path of models, less what chance explains"
    seed_rule: ClassVar[str] = "sum(model_dependencies) > 3"
    seed_threshold: ClassVar[float] = 3.0

    window: Annotated[int, Par("1", "scrapes looked back on", low=3)] = 60
    sigmas: Annotated[float, Par("1", "standard errors taken off the gain", low=0)] = 3.0
    least: Annotated[int, Par("1", "known instants before it says anything", low=3)] = 20

    @property
    def limit(self) -> float:
        """An error that goes through a gain of 1 arrives as large as it was."""
        return 1.0

    def start(self, subject: Subject) -> Chain:
        """The paths, and nothing seen. Raises InputError where `reads` does not fit the models."""
        reads = checked(subject.reads, subject.models)
        edges = ordered_edges(reads)
        above, below = np.array(edges, dtype=np.int64).reshape(-1, 2).T
        count = sum(len(upstream(reads, model)) for model in range(len(reads)))
        sums = sliding(self.window, subject.replications, 6, len(edges))
        return Chain(above, below, np.array([count]), sums)

    def read(self, state: Chain, frame: Frame) -> Reading:
        """Add the errors of these instants, edge by edge, and follow every path."""
        r = frame.predictions.shape[1]
        seed = np.full(r, float(state.dependencies[0]))
        if len(state.above) == 0:
            return Reading(np.full(r, np.nan), seed)
        with np.errstate(all="ignore"):
            error = (frame.reality - frame.predictions).mean(axis=3)
            gains = self._take(state, error)
            return Reading(self._worst(state, gains), seed)

    def gains(self, state: Chain) -> Gains:
        """The gain of each edge as it stands; the edges are `state.above` and `state.below`."""
        with np.errstate(all="ignore"):
            return self._slopes(held(state.sums))

    def _take(self, state: Chain, error: Floats) -> Gains:
        u, v = error.take(state.above, axis=2), error.take(state.below, axis=2)
        uv = u * v
        known = np.isfinite(uv)
        if not known.all():
            u, v, uv = (np.where(known, x, 0.0) for x in (u, v, uv))
        fresh = np.stack([known * 1.0, u, v, u * u, uv, v * v], axis=2)
        return self._slopes(slide(state.sums, over_instants(fresh)))

    def _slopes(self, sums: Floats) -> Gains:
        n, u, v, uu, uv, vv = (sums[:, i] for i in range(6))
        n = np.where(n >= self.least, n, np.nan)
        suu, suv, svv = uu - u * u / n, uv - u * v / n, vv - v * v / n
        slope = np.where(suu > 1e-12 * uu, suv / suu, np.nan)
        left = np.maximum(svv - slope * suv, 0.0)
        return Gains(slope, np.sqrt(left / ((n - 2) * suu)))

    def _worst(self, state: Chain, gains: Gains) -> Floats:
        """The largest gain, less its standard errors, of the steepest paths that end with each edge, `(r,)`."""
        gain = np.ascontiguousarray(np.abs(gains.slope).T)  # edge by edge, of the path that ends with it
        spread = np.ascontiguousarray(((gains.error / gains.slope) ** 2).T)  # its squared relative error
        arrives: dict[int, tuple[Floats, Floats]] = {}
        for edge, (above, below) in enumerate(zip(state.above.tolist(), state.below.tolist(), strict=True)):
            if above in arrives:
                before, before_spread = arrives[above]
                gain[edge] *= np.fmax(before, 1.0)
                spread[edge] += np.where(before > 1, before_spread, 0.0)
            if below in arrives:
                other, other_spread = arrives[below]
                better = ~(other >= gain[edge])
                arrives[below] = np.where(better, gain[edge], other), np.where(better, spread[edge], other_spread)
            else:
                arrives[below] = gain[edge], spread[edge]
        return np.asarray(np.fmax.reduce(gain * (1 - self.sigmas * np.sqrt(spread)), axis=0))


def checked(reads: Reads, models: int) -> Reads:
    """`reads` without the places of nobody (-1). Raises InputError where it does not fit `models`."""
    if not reads:
        return ()
    if len(reads) != models or any(not -1 <= u < models for up in reads for u in up):
        raise InputError(
            f"reads must name, for each of the {models} models, models from 0 to {models - 1}, not {reads!r}"
        )
    return tuple(tuple(dict.fromkeys(u for u in up if u >= 0)) for up in reads)


def upstream(reads: Reads, model: int) -> frozenset[int]:
    """All models that `model` depends on, however far up; itself only where it stands in a circle."""
    found: set[int] = set()
    front = list(reads[model])
    while front:
        one = front.pop()
        if one not in found:
            found.add(one)
            front.extend(reads[one])
    return frozenset(found)


def ordered_edges(reads: Reads) -> list[tuple[int, int]]:
    """Edges (upstream, model), those into a model before those out of it; edges that close a circle are left out."""
    edges, done, open_ = [], set[int](), set[int]()
    for root in range(len(reads)):
        stack = [(root, iter(reads[root]))] if root not in done else []
        open_.update(m for m, _ in stack)
        while stack:
            model, rest = stack[-1]
            above = next(rest, None)
            if above is None:
                stack.pop()
                open_.discard(model)
                done.add(model)
                edges += [(u, model) for u in reads[model] if u in done and u != model]
            elif above not in done and above not in open_:
                stack.append((above, iter(reads[above])))
                open_.add(above)
    return edges


def depth(reads: Reads) -> int:
    """How many models an error passes on the longest path, circles aside: 0 where nobody reads anybody."""
    steps: dict[int, int] = {}
    for above, below in ordered_edges(reads):
        steps[below] = max(steps.get(below, 0), steps.get(above, 0) + 1)
    return max(steps.values(), default=0)


def chain_gain(g: ArrayLike, length: int) -> Floats:
    """Variance of the last error in a chain of `length` models, in units of what each adds: (g^2L - 1) / (g^2 - 1), L at |g| = 1.

    e_1 = n_1 and e_i = g e_(i-1) + n_i with independent n of variance 1: the variances are added up geometrically.
    """
    square = np.asarray(g, dtype=np.float64) ** 2
    return np.asarray(np.sum(square[..., None] ** np.arange(length), axis=-1))
