"""Goodhart's law: models choose what scores best on a metric, and those who are chosen from learn what the metric pays for.

Several surfaces (feeds, result pages, answers of an assistant) fill their slots, each with that of its candidates for which
their model foretells the highest metric: best of n. All surfaces choose from the same candidates. Of a candidate with quality V
a metric shows U = V + E, where E is embellishment, and its users get V - cost x E. With cost 0 that is the setting of Gao,
Schulman & Hilton (2023), "Scaling laws for reward model overoptimization", PMLR 202, and of Kwa, Thomas & Garriga-Alonso
(2024), "Catastrophic Goodhart", NeurIPS 37: with normal V and E users gain var V / (var V + var E) of what the metric gains,
and with a heavy-tailed E their gain falls back to 0 as n grows.

Producers react, as in Frankel & Kartik (2022), "Improving information from manipulable data", J. European Economic Association
20: an embellishment is the producer's ability times its return, E = (error + effort) x ability, since its cost is quadratic.
The effort follows `stakes` times the return with a lag (`adapt`); the return is what a unit of E adds to how often a candidate
is chosen, over all surfaces, which for normal abilities is the selection gradient of Lande & Arnold (1983), Evolution 37: how
far the chosen stand out in E, over its variance. Where it costs them they hold back, and E falls to half of what is usual at
most. What a model is taught is its metric, for what it showed and for nothing else.

Models read V and E through views with errors of their own, bulk noise (none beyond 4.4 standard deviations); V and abilities
are exact. With `metrics` of their own, surfaces are embellished for one by one. A tick is a round of choosing, part of the
model; nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
LEAST = 0.5  # of the usual embellishment


class Market(NamedTuple):
    """The state: what is on offer in this round, and what came of the rounds before; `s` slots, `n` candidates each, `k` metrics."""

    quality: Floats  # (r, s, n) V
    ability: Floats  # (r, k, s, n) to embellish for a metric
    misread: Floats  # (r, n, s, m, 1 + k) standard normal errors of each view
    effort: Floats  # (r, k) beyond what is usual
    metric: Floats  # (r, m) gain of each surface's metric, smoothed
    users: Floats  # (r, m) gain of its users, smoothed
    gamed: Floats  # (r,) embellishment of what was shown beyond that of the average candidate, this round
    rounds: Floats  # (r,)
    lost: Floats  # (r,) what users lost so far, a slot


@final
@dataclass(frozen=True)
class Goodhart(World[Market]):
    """Surfaces that fill their slots, in rounds, with the candidates for which their models foretell the highest metric."""

    models: Annotated[int, Par("1", "models, each choosing for a surface of its own", low=1)] = 4
    slots: Annotated[int, Par("1", "choices of a surface in a round", low=1)] = 7
    candidates: Annotated[int, Par("1", "candidates for a slot: n", low=2)] = 16
    metrics: Annotated[int, Par("1", "different metrics; surfaces take them in turn", low=1)] = 4
    round: Annotated[float, Par("s", "time between two rounds of choosing", above=0)] = 7 * DAY
    error: Annotated[
        float,
        Par("1", "usual standard deviation of E, in those of V", above=0, source="Kwa et al. 2024: equal variances"),
    ] = 1.0
    freedom: Annotated[
        int, Par("1", "degrees of freedom of abilities, Student's t scaled to variance 1; 0 for normal", low=0, high=30)
    ] = 0
    cost: Annotated[float, Par("1", "what users lose by a unit of E", low=0)] = 0.25
    stakes: Annotated[float, Par("1", "effort for a unit of return, once producers have adapted", low=0, live=True)] = (
        0.0
    )
    adapt: Annotated[float, Par("s", "time in which effort comes 1 - 1/e closer to what pays", above=0)] = 60 * DAY
    misread: Annotated[float, Par("1", "error of a view, in standard deviations of V", low=0)] = 0.5
    recent: Annotated[float, Par("s", "age at which a gain counts 1/e in those that are shown", above=0)] = 50 * DAY

    measures: ClassVar[Mapping[str, Measure]] = {  # sd: standard deviations of V
        "metric_gain": Measure("sd", "recent gain of the metric by choosing, over a random candidate: the proxy"),
        "true_gain": Measure("sd", "recent gain of users by choosing, over a random candidate", "lower"),
        "gap": Measure("sd", "gain of the metric less gain of the users", "higher"),
        "worse_off": Measure(
            "1", "surfaces whose users recently were worse off than with a random candidate", "higher"
        ),
        "effort": Measure("sd", "what producers add to the usual spread of E", "higher", bound=1e6),
        "gamed": Measure("sd", "E of what is shown in this round, beyond the average candidate's", "higher"),
        "loss": Measure("sd", "what users lost so far by the choosing, a slot; below 0 they gained", "higher"),
    }

    def check(self) -> None:
        """Raise ParameterError for more metrics than surfaces, or abilities without a variance."""
        if self.metrics > self.models:
            raise ParameterError(f"Goodhart.metrics must be at most models ({self.models}), not {self.metrics}")
        if self.freedom in (1, 2):
            raise ParameterError(
                f"Goodhart.freedom must be at least 3, or 0 for normal abilities, not {self.freedom}: there is no variance"
            )

    @property
    def spec(self) -> Spec:
        """A model foretells its metric for each candidate, from a 1, V, and E for each of the metrics, as its view reads them."""
        case = (self.slots, self.candidates)
        return Spec(models=self.models, views=self.models, case=case, features=2 + self.metrics)

    @property
    def tick(self) -> float:
        """Seconds between two rounds."""
        return self.round

    def start(self, luck: Luck) -> Market:
        """Nothing was chosen yet, and nobody makes an effort."""
        r = luck.replications
        nothing, gains = np.zeros(r), np.zeros((r, self.models))
        return Market(*self._offer(luck), np.zeros((r, self.metrics)), gains, gains, nothing, nothing, nothing)

    def settle(self, state: Market) -> Market:
        """Sums begin anew."""
        return state._replace(rounds=np.zeros(len(state.rounds)), lost=np.zeros(len(state.rounds)))

    def observe(self, state: Market) -> Floats:
        """`(r, m, s, n, 2 + k)`: 1, then V and each E with the errors of the view."""
        x = np.empty(
            (2 + self.metrics, len(state.rounds), self.models, *self.spec.case)
        )  # a feature of all lies together
        x[0] = 1.0
        np.multiply(state.misread.transpose(4, 0, 3, 2, 1), self.misread, out=x[1:])
        x[1] += state.quality[:, None]
        x[2:] += self._embellished(state).swapaxes(0, 1)[:, :, None]
        return np.moveaxis(x, 0, -1)

    def act(self, state: Market, said: Array, luck: Luck) -> Action:
        """Show in each slot the candidate with the highest score `said` `(r, m, s, n)`: its number `(r, m, s)`."""
        return Action(said.argmax(axis=3))

    def fallback(self, state: Market, luck: Luck) -> Array:
        """Without a model any candidate is shown, `(r, m, s)`."""
        u = luck.uniform("any", (luck.replications, self.models, self.slots))
        return (u * self.candidates).astype(np.int64)

    def step(self, state: Market, action: Action, luck: Luck) -> tuple[Market, Feedback]:
        """Users and metrics get what was shown, of which alone the metric is seen `(r, m, s, n)`; producers see what paid."""
        s, e, shown = state, self._embellished(state), action.value[..., None]
        metric_of = np.arange(self.models) % self.metrics
        value = _beyond(s.quality[:, None], shown)
        embellished = _beyond(e[:, :, None], shown[:, None])  # (r, k, m), each metric's at each surface
        added = embellished[:, metric_of, np.arange(self.models)]
        users = value - self.cost * added
        pays = embellished.sum(axis=2) / self._spread(s) ** 2
        closer, newer = -math.expm1(-self.round / self.adapt), -math.expm1(-self.round / self.recent)
        then = Market(
            *self._offer(luck),
            effort=s.effort + closer * (self.stakes * pays - s.effort),
            metric=s.metric + newer * (value + added - s.metric),
            users=s.users + newer * (users - s.users),
            gamed=added.mean(axis=1),
            rounds=s.rounds + 1,
            lost=s.lost - users.mean(axis=1),
        )
        seen = (shown == np.arange(self.candidates)).astype(np.float64)
        return then, Feedback(s.quality[:, None] + e[:, metric_of], seen)

    def measure(self, state: Market) -> dict[str, Floats]:
        """The measures now."""
        s = state
        metric, users = s.metric.mean(axis=1), s.users.mean(axis=1)
        return {
            "metric_gain": metric,
            "true_gain": users,
            "gap": metric - users,
            "worse_off": (s.users < 0).mean(axis=1),
            "effort": s.effort.mean(axis=1),
            "gamed": s.gamed,
            "loss": s.lost / np.maximum(s.rounds, 1),
        }

    def _offer(self, luck: Luck) -> tuple[Floats, Floats, Floats]:
        """Quality, abilities and errors of the views of the next round; the errors are left where they were drawn, until the next draw.

        Drawn candidate by candidate, so that the first of many are those of few.
        """
        k, front = self.metrics, (luck.replications, self.candidates, self.slots)
        ability = luck.normal("ability", (*front, k)).copy()
        if self.freedom:
            squares = np.square(luck.normal("tail", (*front, k, self.freedom)))
            ability /= np.sqrt(squares.sum(axis=4) / (self.freedom - 2))  # a variance of 1, not of f / (f - 2)
        misread = luck.noise("misread", (*front, self.models, 1 + k))
        quality = luck.normal("quality", front)
        return quality.transpose(0, 2, 1).copy(), ability.transpose(0, 3, 2, 1).copy(), misread

    def _embellished(self, state: Market) -> Floats:
        """E of each candidate for each metric, `(r, k, s, n)`."""
        return self._spread(state)[..., None, None] * state.ability

    def _spread(self, state: Market) -> Floats:
        """Standard deviation of E, `(r, k)`."""
        return np.maximum(self.error + state.effort, LEAST * self.error)


def _beyond(a: Floats, shown: Array) -> Floats:
    """How much more of `a` `(..., s, n)` the candidates `shown` `(..., s, 1)` have than the average one, mean over slots."""
    there: Floats = np.take_along_axis(a, shown, axis=-1)[..., 0]
    return np.asarray((there - a.mean(axis=-1)).mean(axis=-1))
