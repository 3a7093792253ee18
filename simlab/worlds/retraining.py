"""Models that crowd each other out and are retrained on what came of it: swings, stale answers, and lessons that are false.

Each of several models answers at every tick with a quantity. What would have been best for model i is

    level + walk + context z - crowding (sum of the others' answers) + noise,

where z are conditions that all meet, of which a view shows each model a reading with an error of its own, and the walk is a concept
that drifts with variance drift^2 a tick. With crowding c every model's best answer falls by c per unit of the others', so models
that best-respond all at once change the distance to the one answer at which all are right, (level + walk + context z) / (1 + (N-1) c),
by the factor -(N-1) c. Cohorts of m that do so in turn are a relaxation with omega = 1 + (m-1) c, which for 0 <= c < 1 converges iff
omega < 2, that is (m-1) c < 1 (Ostrowski 1954; Kahan 1958; the test has the algebra). A negative c is a prophecy that fulfils itself.

The stressors are a level that is set anew, which is real, and a glitch, which is not: for `glitch_time` every outcome is recorded too high
by `glitch`, beginning at a random instant of the `glitch_within` after the glitch was set. Who learns from it depends on who
retrains when, which the world does not know. A tick is the time between two answers; all noise is normal and exact; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import counted, one_factor
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

HOUR = 3600.0


class Tally(NamedTuple):
    """Sums over the ticks so far, each `(r,)`, but for `worst`, the largest so far."""

    ticks: Floats
    miss: Floats  # square of the mean answer less the right one
    loss: Floats  # mean square of an answer less the best one
    astray: Floats  # share of models astray
    worst: Floats  # share of models astray


class Field(NamedTuple):
    """The state: `(r, m)` where said, else `(r,)`."""

    conditions: Floats  # z, standard normal
    error: Floats  # (r, m) of each view, standard normal
    walk: Floats  # how far the concept has drifted
    onset: Floats  # when the glitch begins, as a share of `glitch_within`
    since: Floats  # ticks since a glitch was set, 0 while none is
    astray: Floats  # share of models further than `tolerance` from the right answer
    mean_error: Floats  # mean answer less the right one
    size: Floats  # root mean square answer
    surprise: Floats  # root mean square, over models, of outcome as recorded less answer
    total: Tally


@final
@dataclass(frozen=True)
class Retraining(World[Field]):
    """Models whose best answers depend on a concept, on the others' answers, and in whose records there may be a glitch."""

    models: Annotated[int, Par("1", "models", low=1)] = 12
    step_time: Annotated[float, Par("s", "time between two answers", above=0)] = 7200.0
    level: Annotated[float, Par("1", "best answer where nobody else answers, less what is usual", live=True)] = 0.0
    crowding: Annotated[
        float,
        Par("1", "fall of a model's best answer per unit of the sum of the others' answers: c", high=1, live=True),
    ] = 0.06
    drift: Annotated[float, Par("1", "standard deviation of the concept's step in a tick", low=0)] = 0.03
    context: Annotated[float, Par("1", "change of the best answer with a standard deviation of the conditions")] = 0.0
    error: Annotated[float, Par("1", "error of a view, in standard deviations of the conditions", low=0)] = 1.0
    noise: Annotated[float, Par("1", "standard deviation of an outcome that nothing explains", low=0)] = 0.2
    alike: Annotated[float, Par("1", "share of the noise's variance that models have in common", low=0, high=1)] = 0.5
    bound: Annotated[float, Par("1", "largest answer that is acted on, either way", above=0)] = 10.0
    glitch: Annotated[float, Par("1", "what a glitch adds to every outcome in the records", live=True)] = 0.0
    glitch_within: Annotated[float, Par("s", "a glitch begins at random within this after it was set", low=0)] = (
        86_400.0
    )
    glitch_time: Annotated[float, Par("s", "how long a glitch lasts", above=0)] = 28_800.0
    tolerance: Annotated[float, Par("1", "distance from the right answer above which a model is astray", above=0)] = 1.4

    measures: ClassVar[Mapping[str, Measure]] = {
        "astray": Measure("1", "share of models that are astray now", "higher"),
        "worst": Measure("1", "the largest share of models astray at once so far", "higher"),
        "time_astray": Measure("h", "time that a model was astray so far, mean over models", "higher"),
        "mean_error": Measure("1", "mean answer less the right one, now"),
        "size": Measure("1", "root mean square answer, now", "higher", bound=1e6),
        "miss": Measure("1", "mean answer less the right one, root mean square over the ticks so far", "higher"),
        "loss": Measure("1", "answer less the best one, mean square over models and ticks so far", "higher"),
        "surprise": Measure("1", "outcome as recorded less answer, root mean square over models, now", "higher"),
    }

    def check(self) -> None:
        """Raise ParameterError where there is no answer at which all are right."""
        if abs(1 + (self.models - 1) * self.crowding) < 1e-9:
            raise ParameterError(
                f"Retraining.crowding {self.crowding:g} with {self.models} models makes every answer as right as any other; "
                f"expected something else than -1/(models - 1)"
            )

    @property
    def spec(self) -> Spec:
        """Each model says a number, given a 1 (for the level) and, where they matter, the conditions as its view reads them."""
        return Spec(models=self.models, views=self.models if self.context else 1, features=2 if self.context else 1)

    @property
    def tick(self) -> float:
        """Seconds between answers."""
        return self.step_time

    def start(self, luck: Luck) -> Field:
        """All is as usual."""
        r = luck.replications
        nothing, onset = np.zeros(r), luck.uniform("glitch", (r,)).copy()
        return Field(*self._news(luck), nothing, onset, *(nothing,) * 5, _none(r))

    def settle(self, state: Field) -> Field:
        """Sums begin anew."""
        return state._replace(total=_none(len(state.walk)))

    def observe(self, state: Field) -> Floats:
        """`(r, m, 2)`: 1, and the conditions with the view's error; `(r, 1, 1)` where conditions do not matter."""
        if not self.context:
            return np.ones((len(state.walk), 1, 1))
        x = np.ones((2, *state.error.shape))  # a feature of all models lies together
        np.multiply(state.error, self.error, out=x[1])
        x[1] += state.conditions[:, None]
        return x.transpose(1, 2, 0)

    def act(self, state: Field, said: Array, luck: Luck) -> Action:
        """Answers `(r, m)` within bounds."""
        return Action(np.minimum(np.maximum(said, -self.bound), self.bound))

    def fallback(self, state: Field, luck: Luck) -> Floats:
        """The plain rule is what is right in usual times, 0, `(r, m)`."""
        return np.zeros(state.error.shape)

    def step(self, state: Field, action: Action, luck: Luck) -> tuple[Field, Feedback]:
        """What would have been best, and what is recorded of it, `(r, m)`."""
        s, answer = state, action.value
        concept = self.level + s.walk + self.context * s.conditions
        total = answer.sum(axis=1)
        best = (concept - self.crowding * total)[:, None] + self.crowding * answer
        right = concept / (1 + (self.models - 1) * self.crowding)
        recorded = best + self.noise * self._noise(luck)
        since = s.since + 1 if self.glitch else np.zeros_like(s.since)
        begins = 1 + np.floor(s.onset * self.glitch_within / self.step_time)
        false = (since >= begins) & (since < begins + max(round(self.glitch_time / self.step_time), 1))
        recorded += (self.glitch * false)[:, None]
        then = s._replace(
            walk=s.walk + self.drift * luck.normal("drift", s.walk.shape),
            since=since,
            astray=counted(np.abs(answer - right[:, None]) > self.tolerance) / self.models,
            mean_error=total / self.models - right,
            size=np.sqrt((answer**2).mean(axis=1)),
            surprise=np.sqrt(((recorded - answer) ** 2).mean(axis=1)),
        )
        t, loss = s.total, ((answer - best) ** 2).mean(axis=1)
        sums = Tally(
            ticks=t.ticks + 1,
            miss=t.miss + then.mean_error**2,
            loss=t.loss + loss,
            astray=t.astray + then.astray,
            worst=np.maximum(t.worst, then.astray),
        )
        conditions, error = self._news(luck)
        return then._replace(conditions=conditions, error=error, total=sums), Feedback(recorded)

    def measure(self, state: Field) -> dict[str, Floats]:
        """The measures now."""
        t, n = state.total, np.maximum(state.total.ticks, 1)
        sums = {
            "worst": t.worst,
            "time_astray": t.astray * self.step_time / HOUR,
            "miss": np.sqrt(t.miss / n),
            "loss": t.loss / n,
        }
        return {name: sums[name] if name in sums else getattr(state, name) for name in self.measures}

    def _news(self, luck: Luck) -> tuple[Floats, Floats]:
        """Conditions and errors of the views at the next tick."""
        r = luck.replications
        return luck.normal("conditions", (r,)).copy(), luck.normal("view error", (r, self.models)).copy()

    def _noise(self, luck: Luck) -> Floats:
        """What nothing explains, `(r, m)`, of variance 1."""
        r = luck.replications
        common, own = luck.normal("common noise", (r,)), luck.normal("noise", (r, self.models))
        return one_factor(common[:, None], own, self.alike)


def _none(r: int) -> Tally:
    return Tally(*(np.zeros(r) for _ in Tally._fields))
