"""Small worlds and brains with known answers, for testing the loop itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.kernels import sum_by_choice
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain
from simlab.brains.topology import wire
from simlab.lab.trial import Trial


class Place(NamedTuple):
    outcome: Floats  # (r, m)
    view: Floats  # (r, m, 1)
    total: Floats  # (r,)
    worst: Floats  # (r,)


@final
@dataclass(frozen=True)
class Toy(World[Place]):
    """Outcomes shift with the mean act: outcome = drift + pull * mean(act) + noise."""

    measures: ClassVar = {
        "total": Measure("1", "sum of mean outcomes", "higher", bound=1e6),
        "worst": Measure("1", "highest mean outcome so far", "higher", bound=1e6),
        "latest": Measure("1", "mean outcome of the last tick", "higher", bound=1e6),
    }
    models: Annotated[int, Par("1", "models", low=1)] = 3
    pull: Annotated[float, Par("1", "how far the mean act moves the outcome")] = 0.5
    drift: Annotated[float, Par("1", "what the outcome is when nobody acts", live=True)] = 1.0
    noise: Annotated[float, Par("1", "standard deviation of an outcome", low=0)] = 0.3
    seconds: Annotated[float, Par("s", "one tick", above=0)] = 1.0
    fails: Annotated[float, Par("1", "raise when an outcome exceeds this")] = np.finfo(float).max

    @property
    def spec(self) -> Spec:
        return Spec(models=self.models, views=self.models, features=1)

    @property
    def tick(self) -> float:
        return self.seconds

    def start(self, luck: Luck) -> Place:
        r = luck.replications
        return Place(
            np.zeros((r, self.models)),
            luck.normal("view", (r, self.models))[..., None].copy(),
            np.zeros(r),
            np.zeros(r),
        )

    def observe(self, state: Place) -> Array:
        return state.view

    def fallback(self, state: Place, luck: Luck) -> Array:
        return np.zeros_like(state.outcome)

    def step(self, state: Place, action: Action, luck: Luck) -> tuple[Place, Feedback]:
        noise = luck.normal("outcome", action.value.shape)
        outcome = self.drift + self.pull * action.value.mean(axis=1, keepdims=True) + self.noise * noise
        if (outcome > self.fails).any():
            raise RuntimeError("a replication that fails")
        mean = outcome.mean(axis=1)
        view = luck.normal("view", action.value.shape)[..., None].copy()
        return Place(outcome, view, state.total + mean, np.maximum(state.worst, mean)), Feedback(outcome)

    def measure(self, state: Place) -> dict[str, Floats]:
        return {"total": state.total, "worst": state.worst, "latest": state.outcome.mean(axis=1)}


class Averages(NamedTuple):
    level: Floats  # (r, b)
    sums: Floats  # (r, p)
    count: Floats  # (r, p)


@final
@dataclass(frozen=True)
class Mean(Brain[Averages]):
    """Predicts the mean of the outcomes in its pool since it was last trained."""

    answers: ClassVar = frozenset({"number"})
    blend: ClassVar = ("level",)
    prior: Annotated[float, Par("1", "what it says before it is trained")] = 0.0

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Averages:
        return Averages(np.full((r, b), self.prior), np.zeros((r, p)), np.zeros((r, p)))

    def predict(self, mind: Averages, x: Array, luck: Luck) -> Array:
        return np.broadcast_to(mind.level[:, :, None], x.shape[:3])

    def witness(self, mind: Averages, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        weight = np.ones_like(feedback.outcome) if feedback.weight is None else feedback.weight
        mind.sums[:] += (feedback.outcome * weight).sum(axis=2)
        mind.count[:] += weight.sum(axis=2)

    def retrain(self, mind: Averages, at: tuple[Array, Array], taught_by: Array) -> None:
        pools = at[0], taught_by[at[1]]
        seen = mind.count[pools] > 0
        mean = np.where(seen, mind.sums[pools] / np.maximum(mind.count[pools], 1e-9), mind.level[at])
        mind.level[at] = mean


@final
@dataclass(frozen=True)
class Dice(Brain[Averages]):
    """Learns nothing and says something random: shows which luck a seat is dealt."""

    answers: ClassVar = frozenset({"number"})

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Averages:
        return Averages(luck.normal("level", (r, b)).copy(), np.zeros((r, p)), np.zeros((r, p)))

    def predict(self, mind: Averages, x: Array, luck: Luck) -> Array:
        return luck.normal("say", x.shape[:3])

    def witness(self, mind: Averages, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        return


def trial(world: Toy | None = None, wiring: str = "isolated", **given: object) -> Trial:
    world = world or Toy()
    fields: dict = {"brains": (Mean(),), "horizon": 40.0, "stride": 5.0} | given
    topology = fields.pop("topology", None) or wire(wiring, world.models).canonical(world.spec)
    return Trial(world=world, topology=topology, **fields)


class Doors(NamedTuple):
    late: Floats  # (r, m, k) how many answers come a tick later
    total: Floats  # (r,)


@final
@dataclass(frozen=True)
class Choices(World[Doors]):
    """Asks for choices, `cases` at a time; answers come a tick late, pooled by choice, with the choice they are about."""

    measures: ClassVar = {"total": Measure("1", "sum of the choices' numbers")}
    models: Annotated[int, Par("1", "models", low=1)] = 3
    cases: Annotated[int, Par("1", "questions to a model in a tick", low=1)] = 5
    doors: Annotated[int, Par("1", "what can be chosen", low=1)] = 4

    @property
    def spec(self) -> Spec:
        return Spec(self.models, "choice", self.models, (self.cases,), features=self.doors, choices=self.doors)

    @property
    def tick(self) -> float:
        return 1.0

    def start(self, luck: Luck) -> Doors:
        return Doors(np.zeros((luck.replications, self.models, self.doors)), np.zeros(luck.replications))

    def observe(self, state: Doors) -> Array:
        r, m, k = state.late.shape
        return np.broadcast_to(np.arange(k, dtype=float)[::-1], (r, m, self.cases, k))

    def fallback(self, state: Doors, luck: Luck) -> Array:
        return np.zeros((*state.late.shape[:2], self.cases), dtype=np.int64)

    def step(self, state: Doors, action: Action, luck: Luck) -> tuple[Doors, Feedback]:
        k = self.doors
        often = (action.value[..., None] == np.arange(k)).sum(axis=2).astype(float)
        about = np.broadcast_to(np.arange(k), often.shape)
        answer = Feedback(about * 1.0, weight=state.late, action=about)
        return Doors(often, state.total + action.value.sum(axis=(1, 2))), answer

    def measure(self, state: Doors) -> dict[str, Floats]:
        return {"total": state.total}


@final
@dataclass(frozen=True)
class Picks(Brain[Averages]):
    """Always picks `pick`, or at random; counts in `level` what it was told about each choice."""

    answers: ClassVar = frozenset({"choice"})
    online: ClassVar = True
    pick: Annotated[int, Par("1", "what it picks, -1 for any", low=-1)] = -1

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Averages:
        return Averages(np.zeros((r, b, spec.choices)), np.zeros((r, p)), np.zeros((r, p)))

    def predict(self, mind: Averages, x: Array, luck: Luck) -> Array:
        if self.pick >= 0:
            return np.full(x.shape[:-1], self.pick)
        return (luck.uniform("pick", x.shape[:-1]) * mind.level.shape[2]).astype(np.int64)

    def witness(self, mind: Averages, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        [told] = sum_by_choice(action, mind.level.shape[2], feedback.weight)
        mind.level[:] += told
