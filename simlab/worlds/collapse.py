"""Model collapse: what a model writes becomes the text that the next model is fitted to, generation after generation.

Shumailov, Shumaylov, Zhao, Papernot, Anderson & Gal (2024), "AI models collapse when trained on recursively generated data", Nature 631.
Reality is a standard normal. In every generation each publisher's model writes n pieces with the mean mu and the standard deviation sigma
that it answers with, but for a share that people write about reality itself; then models are fitted to what was published. A maximum
likelihood fit to n pieces of a normal loses 1/n of its variance, and its mean takes a step of variance sigma^2 / n, so

    E sigma_g^2 = (1 - 1/n)^g,   E mu_g^2 = 1 - (1 - 1/n)^g        where each fit replaces the one before,
    E sigma_g^2 = product over i = 1..g of (1 - 1/(n i^2))         where pieces accumulate,

since the g-th batch then moves the fit by 1/g of itself. The product never falls below sin(pi/sqrt n)/(pi/sqrt n), about 1 - pi^2/(6 n):
the bound c pi^2/6 of Gerstgrasser et al. (2024), "Is model collapse inevitable?", arXiv 2404.01413. Both laws are exact algebra.

All numbers are bulk noise (none beyond 4.3 standard deviations).
A tick is a generation because it is part of the source. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

RARE = 2.0  # distance from the mean beyond which 4.55% of reality lies


class Press(NamedTuple):
    """The state."""

    mean: Floats  # (r, m) of what each publisher brought out last
    variance: Floats  # (r, m) of the same
    rare: Floats  # (r,) share of it that is far from its mean
    cost: Floats  # (r,) sum of the distances to reality so far
    ticks: Floats  # (r,)


@final
@dataclass(frozen=True)
class Collapse(World[Press]):
    """Publishers that each bring out pieces in every generation, written by a model, by people, or by both."""

    models: Annotated[int, Par("1", "publishers, each with a model", low=1)] = 8
    pieces: Annotated[int, Par("1", "pieces a publisher brings out in a generation", low=2)] = 100
    fresh: Annotated[float, Par("1", "share of the pieces that people write", low=0, high=1, live=True)] = 1.0
    line: Annotated[float, Par("1", "variance below which what is published is wrong; reality has 1", low=0)] = 0.5
    generation: Annotated[float, Par("s", "time between two generations", above=0)] = 30 * 86_400.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "wrong": Measure("1", "share of the publishers whose variance is below the line", "higher"),
        "lost": Measure("1", "1 less the variance of what is published, mean of the publishers", "higher"),
        "narrowed": Measure(
            "1", "less the logarithm of the variance of what is published, mean of the publishers", "higher"
        ),
        "drift": Measure("1", "mean square distance of the publishers' means from reality's", "higher"),
        "rare": Measure(
            "1", "share of what is published that is further than 2 from its publisher's mean (reality: 4.55%)", "lower"
        ),
        "loss": Measure("1", "squared Wasserstein distance to reality, mean of publishers and generations", "higher"),
    }

    @property
    def spec(self) -> Spec:
        """Each model is asked for two numbers: the mean and the standard deviation of what it writes."""
        return Spec(models=self.models, case=(2,), states=2)

    @property
    def tick(self) -> float:
        """A generation."""
        return self.generation

    def start(self, luck: Luck) -> Press:
        """Reality, which nobody has written about."""
        shape, zero = (luck.replications, self.models), np.zeros(luck.replications)
        return Press(np.zeros(shape), np.ones(shape), np.full(len(zero), 0.0455), zero, zero)

    def settle(self, state: Press) -> Press:
        """Sums begin anew."""
        return state._replace(cost=np.zeros_like(state.cost), ticks=np.zeros_like(state.ticks))

    def observe(self, state: Press) -> Ints:
        """`(r, 1, 2)`: the two questions, always the same."""
        return np.broadcast_to(np.arange(2), (len(state.rare), 1, 2))

    def act(self, state: Press, said: Array, luck: Luck) -> Action:
        """Every model writes with the mean and the standard deviation that it answered, `(r, m, n)`."""
        return Action(said[..., :1] + np.maximum(said[..., 1:], 0.0) * luck.noise("pieces", self._shape(luck)))

    def fallback(self, state: Press, luck: Luck) -> Floats:
        """Without a model people write everything, `(r, m, n)`."""
        return luck.noise("pieces by people", self._shape(luck)).copy()

    def step(self, state: Press, action: Action, luck: Luck) -> tuple[Press, Feedback]:
        """People write their share, the first pieces; all that is published `(r, m, n)` is what models are fitted to next."""
        written, people = action.value, round(self.fresh * self.pieces)
        if people:
            written = np.concatenate([luck.noise("people", written.shape)[..., :people], written[..., people:]], axis=2)
        mean = written.mean(axis=2)
        variance = np.maximum(np.einsum("rmn,rmn->rm", written, written) / self.pieces - mean * mean, 0.0)
        off = np.subtract(written, mean[..., None])
        rare = np.einsum("rmn->r", np.greater(np.abs(off, out=off), RARE, out=off)) / (self.models * self.pieces)
        apart = (mean**2 + (np.sqrt(variance) - 1) ** 2).mean(axis=1)
        return Press(mean, variance, rare, state.cost + apart, state.ticks + 1), Feedback(written)

    def measure(self, state: Press) -> dict[str, Floats]:
        """The measures now, of what was published last."""
        s = state
        return {
            "wrong": (s.variance < self.line).mean(axis=1),
            "lost": 1 - s.variance.mean(axis=1),
            "narrowed": -np.log(np.maximum(s.variance, 1e-300)).mean(axis=1),
            "drift": (s.mean**2).mean(axis=1),
            "rare": s.rare.copy(),
            "loss": s.cost / np.maximum(s.ticks, 1),
        }

    def _shape(self, luck: Luck) -> tuple[int, int, int]:
        return luck.replications, self.models, self.pieces
