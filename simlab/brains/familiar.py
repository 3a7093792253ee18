"""Familiar: knows a type of case from having met it, and nothing from one type to the next.

Each answer is a label, +1 or -1, that is right with chance a whatever the type. By Bayes' rule with even odds before the first label the
log-odds of +1 are L log(a / (1 - a)), where L is the lead of a type: labels +1 less labels -1. What is said is the posterior mean
tanh(L log(a / (1 - a)) / 2), between -1 and 1, and exactly 0 for a type that was never met. The doubt is the posterior chance
(1 - |said|) / 2 that its sign is wrong, the error of Chow (1970), IEEE Trans. Inf. Theory 16: one half for what was never met.
Weights are leads, since it is log-odds that add up: the mean of the leads of models that learnt apart has the sign of their sum, so
that averaging keeps what a single one knows, and a median loses it. Leads are kept, and predictions told, in single precision: whole
numbers of labels are exact up to 2^24 of a type, and tables of many types half as large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Ints
from simlab.base.kernels import add_at, everyone, once, wide
from simlab.base.luck import Luck
from simlab.base.masks import fetched, found_in
from simlab.base.par import Par
from simlab.base.world import Asks, Feedback, Spec
from simlab.brains.brain import Brain


class Leads(NamedTuple):
    """Weights `lead (r, b, s)` and evidence `seen (r, p, s)`: of each of `s` types, labels +1 less labels -1; all of a type together."""

    lead: Array  # float32
    seen: Array  # float32


@final
@dataclass(frozen=True)
class Familiar(Brain[Leads]):
    """Answers with the posterior mean of the label of the type it is asked about; types may be many."""

    answers: ClassVar[frozenset[Asks]] = frozenset({"number"})
    blend: ClassVar[tuple[str, ...]] = ("lead",)
    doubts: ClassVar[str | None] = "chance that the sign of what it says is wrong"

    right: Annotated[float, Par("1", "chance that a label is right, as the model presumes", above=0.5, below=1)] = 0.9

    def lacks(self, spec: Spec) -> str | None:
        """It needs types to keep apart, and cannot use features."""
        if spec.features or not spec.states:
            return f"keeps labels by type, and the world offers {spec.features} features and {spec.states} states"
        return None

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Leads:
        """Nothing met."""
        return Leads(*(np.zeros((r, spec.states, rows), np.float32).swapaxes(1, 2) for rows in (b, p)))

    def predict(self, mind: Leads, x: Array, luck: Luck) -> Array:
        """The posterior mean of the label of each seat and case, `(r, b, g, *c)`."""
        said = _leads(mind.lead, x)
        said *= math.log(self.right / (1 - self.right)) / 2
        return wide(np.tanh(said, out=said), x.shape)

    def doubt(self, mind: Leads, x: Array) -> Array:
        """The chance that the sign of what it says of `x` is wrong, `(r, b, g, *c)`."""
        odds = (self.right / (1 - self.right)) ** np.abs(_leads(mind.lead, x), dtype=np.float64)
        return wide(1 / (1 + odds), x.shape)

    def witness(self, mind: Leads, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        """Add the labels `(r, p, g, *c)` that were seen, by their weights; who was not there saw none."""
        y, weight = feedback.outcome, np.ones((), np.bool_) if feedback.weight is None else feedback.weight
        weight = wide(weight, y.shape)
        mask = weight.dtype == np.bool_
        at = found_in(weight if mask else weight > 0)  # few of many, where cases come to one seat only
        seen = mind.seen.swapaxes(1, 2)
        cell = (at[0] * seen.shape[1] + fetched(wide(x, y.shape), at)) * seen.shape[2] + at[1]
        labels = fetched(y, at) if mask else fetched(y, at) * fetched(weight, at)
        add_at(seen, cell, wide(labels, cell.shape).astype(seen.dtype))

    def retrain(self, mind: Leads, at: tuple[Ints, Ints], taught_by: Ints) -> None:
        """Take over the leads as they are now, for each of the brains `at`."""
        row, brain = at
        p = mind.seen.shape[1]
        if everyone(row, brain, *mind.lead.shape[:2]):
            mind.lead[:] = mind.seen if np.array_equal(taught_by, np.arange(p)) else mind.seen.take(taught_by, axis=1)
        else:
            mind.lead[at] = mind.seen[row, taught_by[brain]]


def _leads(lead: Array, x: Array) -> Array:
    """The lead of each brain in the types `x` `(r, b, g, *c)`; what all seats are asked alike is looked up once, `(r, b, 1, *c)`.

    What all brains are asked alike, too, is fetched for all of them at once: they lie together, and memory hands out whole lines.
    """
    r, b, types = lead.shape
    flat, asked = lead.swapaxes(1, 2).reshape(r * types, b), once(x)
    row = np.arange(0, r * types, types).reshape(r, *(1,) * (x.ndim - 1))
    if asked.shape[1] == 1:
        known = flat.take((asked + row)[:, 0], axis=0, mode="wrap")  # of NumPy's modes this checks least
        return known.transpose(0, -1, *range(1, known.ndim - 1))
    brain = np.arange(b).reshape(b, *(1,) * (x.ndim - 2))
    return np.asarray(flat.reshape(-1).take((asked + row) * b + brain))
