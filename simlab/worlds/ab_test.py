"""A/B tests that never end: traffic goes to what converted best so far, and what gets no traffic is not measured.

Visitors of several segments are each shown variant A or B, as the segment's model chooses, and convert with the variant's rate there:
a Bernoulli bandit (Thompson 1933; Lai & Robbins 1985, "Asymptotically efficient adaptive allocation rules", Adv. Appl. Math. 6). A
conversion is seen of the variant that was shown and of no other, so a winner that takes all the traffic also takes all the evidence. The
rates may switch while it goes on (Garivier & Moulines 2011, ALT). Who has seen n visitors of a rate p and then meets q < r needs
n (p - r) / (r - q) more before the mean falls to r, the rate of the other: a count without forgetting is inert in proportion to its age.

In a share of the segments, `opposed`, the variants change places. Regret is counted in expected conversions, from the rates and not
from luck, per segment. A visitor has one uniform number and converts under a variant if it is below the rate, so that
arms meet the same visitors. A tick is a batch of visitors, who are all answered before the next: with one visitor the sequential
problem of the sources, with more the batches that a website learns from. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.kernels import counted
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

STUCK = 0.8  # share of a segment's recent traffic


class Traffic(NamedTuple):
    """The state of each segment, `(r, m)`."""

    regret: Floats  # expected conversions lost so far
    missed: Floats  # share of the recent visitors who were shown the worse variant
    share: Floats  # of the recent visitors who were shown A
    converted: Floats  # of all visitors so far
    visitors: Floats  # so far


@final
@dataclass(frozen=True)
class AbTest(World[Traffic]):
    """Segments of visitors who are each shown one of two variants."""

    segments: Annotated[int, Par("1", "segments of visitors, each served by one model", low=1)] = 4
    visitors: Annotated[int, Par("1", "visitors of a segment in a tick", low=1)] = 1
    a: Annotated[float, Par("1", "rate at which visitors convert under A", low=0, high=1, live=True)] = 0.7
    b: Annotated[float, Par("1", "rate at which visitors convert under B", low=0, high=1, live=True)] = 0.4
    opposed: Annotated[float, Par("1", "share of the segments in which A and B change places", low=0, high=1)] = 0.0
    recent: Annotated[float, Par("1", "visitors that count as recent (fading average)", low=1)] = 1000.0
    step_time: Annotated[float, Par("s", "time between two batches", above=0)] = 60.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "stuck": Measure(
            "1", f"share of the segments that lately sent over {STUCK:.0%} to the worse variant", "higher"
        ),
        "regret": Measure("1", "expected conversions lost so far, per segment", "higher"),
        "missed": Measure("1", "share of the recent visitors who were shown the worse variant", "higher"),
        "share": Measure("1", "share of the recent visitors who were shown A"),
        "converted": Measure("1", "share of the visitors so far who converted", "lower", may_be_undefined=True),
    }

    @property
    def spec(self) -> Spec:
        """Each model chooses a variant for each visitor, of whom it knows nothing."""
        return Spec(models=self.segments, asks="choice", case=(self.visitors,), features=1, choices=2)

    @property
    def tick(self) -> float:
        """Seconds between two batches of visitors."""
        return self.step_time

    def start(self, luck: Luck) -> Traffic:
        """Nobody has come; half of those before were shown A."""
        shape = luck.replications, self.segments
        none = np.zeros(shape)
        return Traffic(none, none + 0.5, none + 0.5, none, none)

    def settle(self, state: Traffic) -> Traffic:
        """Sums begin anew."""
        none = np.zeros_like(state.regret)
        return state._replace(regret=none, converted=none, visitors=none)

    def observe(self, state: Traffic) -> Floats:
        """`(r, 1, n, 1)`: a 1."""
        return np.broadcast_to(1.0, (len(state.regret), 1, self.visitors, 1))

    def fallback(self, state: Traffic, luck: Luck) -> Ints:
        """Without a model a coin decides, `(r, m, n)`."""
        return (luck.uniform("coin", self._shape(state)) < 0.5).astype(np.int64)

    def step(self, state: Traffic, action: Action, luck: Luck) -> tuple[Traffic, Feedback]:
        """Visitors convert or do not, `(r, m, n)`; one who does not is a failure (`censored`)."""
        s, shown, n = state, action.value, self.visitors
        rates = self._rates()
        rate = rates[0][:, None] + (rates[1] - rates[0])[:, None] * shown  # of what was shown
        failed = luck.uniform("visitor", self._shape(state)) >= rate
        lost = (rates.max(axis=0)[:, None] - rate).sum(axis=2)
        worse = counted(shown == (rates[0] >= rates[1])[:, None]) / n  # equal rates: neither loses anything
        keep = math.exp(-n / self.recent)
        then = Traffic(
            regret=s.regret + lost,
            missed=keep * s.missed + (1 - keep) * worse,
            share=keep * s.share + (1 - keep) * counted(shown == 0) / n,
            converted=s.converted + (n - counted(failed)),
            visitors=s.visitors + n,
        )
        return then, Feedback(failed.astype(np.float64), censored=failed)

    def measure(self, state: Traffic) -> dict[str, Floats]:
        """The measures now, averages over the segments; nobody converts before anybody came."""
        s = state
        with np.errstate(invalid="ignore"):
            converted = s.converted.sum(axis=1) / s.visitors.sum(axis=1)
        return {
            "stuck": counted(s.missed > STUCK) / s.missed.shape[1],
            "regret": s.regret.mean(axis=1),
            "missed": s.missed.mean(axis=1),
            "share": s.share.mean(axis=1),
            "converted": converted,
        }

    def _rates(self) -> Array:
        """The rates of A and of B in each segment, `(2, m)`."""
        turned = np.arange(self.segments) >= self.segments - round(self.opposed * self.segments)
        return np.where(turned, [[self.b], [self.a]], [[self.a], [self.b]])

    def _shape(self, state: Traffic) -> tuple[int, int, int]:
        return len(state.regret), self.segments, self.visitors
