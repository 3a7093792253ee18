"""Clients with data of their own that differ: what one model for all of them costs, and what it is worth.

Client i is asked about cases with features x, whose answers are linear in them, its own way,

    y = x'c_i + level + noise,   c_if = sqrt(alike) common_f + sqrt(1 - alike) own_if,   x_i0 = 1,   x_if ~ N(0, s_if^2),

with common and own standard normal, so that every client has the same law however much they have in common, and log s_if
normal with the standard deviation `tilt` and E s^2 = 1. So clients differ in what is right (their optimum c_i) and in what
they meet (their curvature A_i = diag(1, s_i1^2, ..)): data that are not independent and identical, as in Kairouz et al.
(2021), "Advances and open problems in federated learning", Found. Trends Mach. Learn. 14, section 3.1. Some of the answers
come back as labels. A model with weights w has the excess error (w - c_i)' A_i (w - c_i) at client i. With n labels of its
own a client's least squares is off by

    noise^2 F / n,   one model that is right in the mean by (1 - alike) F,   so from n = noise^2 / (1 - alike) on it is better alone

(A_i about 1, F weights). Where trainings take many steps between two averages, the average rests at (sum B_i)^-1 sum B_i c_i
with B_i = I - (I - rate A_i)^steps, and not at the pooled optimum (sum A_i)^-1 sum A_i c_i (FedAvg is of McMahan et al. 2017,
AISTATS; the fixed point is algebra). An outlier among the c_i moves a mean as far as it likes. A median of each weight it
moves, being a share a of the clients, by sqrt(1 - alike) Phi^-1(1 / (2 (1 - a))) where the A_i are alike (rates are in Yin,
Chen, Ramchandran & Bartlett 2018, ICML). Krum hands on the one update that has the nearest neighbours (Blanchard, El Mhamdi,
Guerraoui & Stainer 2017, NIPS). Averages, rounds and stragglers are the topology's.

The plain rule is what a client usually answers, c_i0, which it knows. A view is a client's own cases, so a model that reads
another's view knows nothing of what it is asked. Reality does not move: what closes the loop is that models learn from each
other. Features and noise are bulk noise (none beyond 4.3 standard deviations), optima and scales are exactly normal. A tick
is a day, for bookkeeping; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.kernels import one_factor
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World


class Clients(NamedTuple):
    """The state: of each client `(r, m, ...)`, or of all, `(r,)`."""

    optimum: Floats  # (r, m, f) c
    scale: Floats  # (r, m, f) standard deviation of each feature; 1 of the first, which is 1
    x: Floats  # (r, m, n, f) today's cases
    error: Floats  # (r, m) mean square over yesterday's cases of what was used less what was right
    plain: Floats  # (r, m) the same of the plain rule
    off: Floats  # (r, m) what was used less what was right, mean over yesterday's cases
    total: Floats  # (r,) sum of the mean errors so far
    failures: Floats  # (r,) sum of the shares of clients that were served worse than by the plain rule
    days: Floats  # (r,) how many are summed up


@final
@dataclass(frozen=True)
class Federated(World[Clients]):
    """Clients that each use a model on their own cases, and get labels for some of them."""

    clients: Annotated[int, Par("1", "clients, each with a model in use", low=1, high=10_000)] = 20
    features: Annotated[int, Par("1", "features of a case, beside the constant", low=0, high=50)] = 3
    cases: Annotated[int, Par("1", "cases that a client's model is asked about in a day", low=1)] = 10
    labelled: Annotated[float, Par("1", "share of the cases whose answer comes back", low=0, high=1, live=True)] = 0.4
    alike: Annotated[float, Par("1", "share of the optimum's variance that clients have in common", low=0, high=1)] = (
        0.8
    )
    tilt: Annotated[float, Par("1", "how differently clients' features vary: of the log of their scale", low=0)] = 0.3
    level: Annotated[float, Par("1", "what is added to every client's answers", live=True)] = 0.0
    noise: Annotated[float, Par("1", "standard deviation of an answer given its case", low=0, live=True)] = 4.0
    step_time: Annotated[float, Par("s", "time between two batches of cases", above=0)] = 86_400.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "failed": Measure("1", "share of the clients served worse today than by their usual answer", "higher"),
        "error": Measure("1", "mean square of what was used less what was right, mean client, today", "higher"),
        "typical": Measure("1", "the same of the median client", "higher"),
        "worst": Measure("1", "the same of the worst-served client", "higher"),
        "off": Measure("1", "what was used less what was right, mean of clients and cases, today"),
        "loss": Measure("1", "mean square error of all clients so far", "higher"),
        "failures": Measure(
            "1", "share of the client-days so far that were served worse than by the usual answer", "higher"
        ),
    }

    @property
    def spec(self) -> Spec:
        """Each model foretells the answer to each case of its client, from a 1 and the features."""
        return Spec(models=self.clients, views=self.clients, case=(self.cases,), features=self.features + 1)

    @property
    def tick(self) -> float:
        """Seconds between batches of cases."""
        return self.step_time

    def start(self, luck: Luck) -> Clients:
        """Clients are who they are; nobody was asked anything."""
        r, m, f = luck.replications, self.clients, self.features + 1
        common = luck.normal("common optimum", (r, f))[:, None]
        optimum = one_factor(common, luck.normal("own optimum", (r, m, f)), self.alike)
        scale = np.exp(self.tilt * luck.normal("scale", (r, m, f)) - self.tilt**2)  # E scale^2 = 1
        scale[..., 0] = 1.0
        return Clients(optimum, scale, self._cases(luck, scale), *np.zeros((3, r, m)), *np.zeros((3, r)))

    def settle(self, state: Clients) -> Clients:
        """Sums begin anew."""
        return Clients(*state[:-3], *np.zeros((3, len(state.days))))

    def observe(self, state: Clients) -> Floats:
        """`(r, m, n, f)`: 1, and the features of each case."""
        return state.x

    def fallback(self, state: Clients, luck: Luck) -> Floats:
        """What each client usually answers, `(r, m, n)`."""
        return np.broadcast_to(state.optimum[..., :1], state.x.shape[:3]).copy()

    def step(self, state: Clients, action: Action, luck: Luck) -> tuple[Clients, Feedback]:
        """Answers `(r, m, n)`, of which some come back, and the next day's cases."""
        s, c = state, state.optimum
        right = s.x[..., 0] * (c[..., :1] + self.level)
        for i in range(1, self.features + 1):
            right += s.x[..., i] * c[..., i, None]
        off = action.value - right
        error, plain = (_mean_square(a, self.cases) for a in (off, c[..., :1] - right))
        then = s._replace(
            x=self._cases(luck, s.scale),
            error=error,
            plain=plain,
            off=off.mean(axis=2),
            total=s.total + error.mean(axis=1),
            failures=s.failures + (error > plain).mean(axis=1),
            days=s.days + 1,
        )
        answer = right + self.noise * luck.noise("answer", right.shape)
        seen = luck.uniform("label", right.shape) < self.labelled
        return then, Feedback(answer, seen.astype(np.float64))

    def measure(self, state: Clients) -> dict[str, Floats]:
        """The measures now, 0 before the first day."""
        s, days = state, np.maximum(state.days, 1)
        return {
            "failed": (s.error > s.plain).mean(axis=1),
            "error": s.error.mean(axis=1),
            "typical": np.median(s.error, axis=1),
            "worst": s.error.max(axis=1),
            "off": s.off.mean(axis=1),
            "loss": s.total / days,
            "failures": s.failures / days,
        }

    def _cases(self, luck: Luck, scale: Floats) -> Floats:
        """A day's cases `(r, m, n, f)`; one feature of all clients lies together."""
        shape = *scale.shape[:2], self.cases
        x = np.ones((self.features + 1, *shape))
        for i in range(1, self.features + 1):
            np.multiply(luck.noise(f"feature {i}", shape), scale[..., i, None], out=x[i])
        return x.transpose(1, 2, 3, 0)


def _mean_square(a: Array, cases: int) -> Floats:
    return np.asarray(np.einsum("rmn,rmn->rm", a, a) / cases)
