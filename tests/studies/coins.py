"""A world of sites whose brains fail by the toss of a coin, so that the trade-off of splitting them is the binomial law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain
from simlab.interventions.intervention import Intervention
from simlab.scenario.registry import Registry, Shelf

YAML = """\
schema: 1
title: Coins
world: {sites: {}}
brain: {coin: {p: 0.3}}
run: {replications: 400, horizon: 2 s, seed: 11}
arms: {own: {topology: isolated}, store: {topology: feature_store}, one: {topology: shared}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
claims:
  - {measure: failed, stat: {exceeds: 0}, arm: own, over: tradeoff, rises: true, because: 1 - (1 - p)^B}
studies:
  tradeoff:
    because: the binomial law
    brains: [1, 2, 5, 10]
    measure: failed
"""


class Day(NamedTuple):
    failed: Floats  # (r,)
    views: Floats  # (r, m)


@final
@dataclass(frozen=True)
class Sites(World[Day]):
    """Sites that fail when their model says 1."""

    measures: ClassVar = {
        "failed": Measure("1", "share of the sites that failed", "higher"),
        "odd": Measure("1", "no share of the sites", "higher"),
        "lost": Measure("$", "what it cost", "higher"),
    }
    sites: Annotated[int, Par("1", "sites, each with a model", low=1)] = 10

    @property
    def spec(self) -> Spec:
        return Spec(models=self.sites, views=self.sites, features=1)

    @property
    def tick(self) -> float:
        return 1.0

    def start(self, luck: Luck) -> Day:
        return Day(np.zeros(luck.replications), luck.uniform("view", (luck.replications, self.sites)).copy())

    def observe(self, state: Day) -> Array:
        return state.views[..., None]

    def fallback(self, state: Day, luck: Luck) -> Array:
        return np.zeros_like(state.views)

    def step(self, state: Day, action: Action, luck: Luck) -> tuple[Day, Feedback]:
        return state._replace(failed=(action.value > 0.5).mean(axis=1)), Feedback(state.views)

    def measure(self, state: Day) -> dict[str, Floats]:
        return {"failed": state.failed, "odd": state.failed / 3, "lost": state.failed}


class Toss(NamedTuple):
    tails: Floats  # (r, b)


@final
@dataclass(frozen=True)
class Coin(Brain[Toss]):
    """Says 1 for ever with probability `p`, else 0; with `looks`, each seat tosses with what it sees instead."""

    answers: ClassVar = frozenset({"number"})
    p: Annotated[float, Par("1", "chance to fail", low=0, high=1)] = 0.3
    looks: Annotated[bool, Par("1", "whether the coin is what a seat sees")] = False

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Toss:
        return Toss((luck.uniform("coin", (r, b)) < self.p).astype(float))

    def predict(self, mind: Toss, x: Array, luck: Luck) -> Array:
        if self.looks:
            return (x[..., 0] < self.p).astype(float)
        return np.broadcast_to(mind.tails[:, :, None], x.shape[:3])

    def witness(self, mind: Any, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        return


COINS = Registry(
    Shelf(World, None, {"sites": Sites}), Shelf(Brain, None, {"coin": Coin}), Shelf(Intervention, None, {})
)
