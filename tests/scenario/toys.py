"""A toy world, two toy brains and a toy hand, registered for tests without touching the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain
from simlab.interventions.intervention import Intervention
from simlab.interventions.kill_switch import KillSwitch
from simlab.scenario.registry import Registry, Shelf


class State(NamedTuple):
    price: Floats


@final
@dataclass(frozen=True)
class Market(World[State]):
    """A world with every type of parameter; it is built, never played, here."""

    measures: ClassVar[dict[str, Measure]] = {
        "drawdown": Measure("1", "deepest fall", "higher"),
        "loss": Measure("1", "money lost", "higher"),
    }

    traders: Annotated[int, Par("1", "trading agents", low=1)] = 8
    impact: Annotated[float, Par("1", "price move of an order", low=0, high=1, source="Kyle 1985", live=True)] = 0.1
    pause: Annotated[float, Par("s", "trading pause", low=0)] = 5.0
    dt: Annotated[float, Par("s", "length of a tick", above=0)] = 0.5
    low: Annotated[float, Par("1", "lower band")] = 0.0
    band: Annotated[float, Par("1", "upper band")] = 1.0
    own_views: Annotated[bool, Par("1", "whether each trader has its own view")] = True
    book: Annotated[str, Par("1", "kind of order book", choices=("batch", "continuous"))] = "batch"
    depth: Annotated[tuple[float, ...], Par("1", "depth at each level", above=0)] = (1.0, 2.0)
    waits: Annotated[tuple[float, ...], Par("s", "latency classes", low=0)] = (0.5, 90.0)

    def check(self) -> None:
        if self.low >= self.band:
            raise ParameterError("Market.band must be above low")

    @property
    def spec(self) -> Spec:
        return Spec(models=self.traders, views=self.traders if self.own_views else 1, features=1)

    @property
    def tick(self) -> float:
        return self.dt

    def start(self, luck: Luck) -> State:
        return State(np.ones(luck.replications))

    def observe(self, state: State) -> Array:
        return state.price[:, None, None]

    def fallback(self, state: State, luck: Luck) -> Array:
        return np.zeros((luck.replications, self.traders))

    def step(self, state: State, action: Action, luck: Luck) -> tuple[State, Feedback | None]:
        return state, None

    def measure(self, state: State) -> dict[str, Floats]:
        return {"drawdown": 1 - state.price, "loss": 1 - state.price}


class Toy(Brain[Any]):
    answers = frozenset(("number",))
    blend = ("gain",)

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Any:
        return None

    def predict(self, mind: Any, x: Array, luck: Luck) -> Array:
        return x[..., 0]

    def witness(self, mind: Any, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        return


@final
@dataclass(frozen=True)
class Echo(Toy):
    gain: Annotated[float, Par("1", "what it multiplies by")] = 1.0
    memory: Annotated[float, Par("s", "how long it remembers", above=0)] = 60.0


@final
@dataclass(frozen=True)
class Quick(Toy):
    online = True


@final
@dataclass(frozen=True)
class Chooser(Toy):
    answers = frozenset(("choice",))


@final
@dataclass(frozen=True)
class Damp(Intervention):
    seam = "prediction"
    factor: Annotated[float, Par("1", "what predictions are multiplied by", low=0, high=1)] = 0.5

    def apply(self, value: Any, on: Any, moment: Any) -> Any:
        return value


TOYS = Registry(
    Shelf(World, None, {"market": Market}),
    Shelf(Brain, None, {"echo": Echo, "quick": Quick, "chooser": Chooser}),
    Shelf(Intervention, None, {"kill_switch": KillSwitch, "damp": Damp}),
)

GOOD = """\
schema: 1
title: A toy market
story: Nothing happens.
record: [{retelling: It crashed, record: It did not}]
world: {market: {impact: 0.2, pause: 5 s}}
brain: {echo: {gain: 2}}
schedule: {every: 10 min}
run: {replications: 4, horizon: 30 min, seed: 7}
harm: {measure: drawdown, above: 0.03, cost: loss}
shocks:
  outage: {brain: down, start: 5 min, duration: 1 min, models: [0, 1]}
  jump: {world: {impact: 0.5}, start: 10 min}
  late: {feedback: delayed, size: 3 s}
arms:
  isolated: {topology: isolated}
  blocks: {title: Four blocks, topology: {wiring: bulkheads(4), schedule: staggered(2), share: 0.5}}
  shared:
    topology: shared
    brain: [{echo: {gain: 1}}, {echo: {}}]
    schedule: {jitter: 5 s}
    shocks: [outage]
    interventions:
      - damp
      - kill_switch: {when: {measure: drawdown, above: 0.02}, latency: {median: 30 s, spread: 0.5}, lasts: 5 min}
      - damp: {at: 1 min, factor: 0.1, models: [2]}
  calm: {topology: federated, set: {world.market.impact: 0}}
controls:
  feedback_off: {vanishes: [drawdown]}
  no_stressor: {vanishes: [{measure: loss, within: 0.01}]}
  no_impact: {title: orders move nothing, set: {world.market.impact: 0, shocks.late.size: 1 s}, vanishes: [drawdown]}
scoreboard:
  - {what: fall, mark: predicted, published: 9%, source: SEC 2010, measure: drawdown, arm: shared, low: 0.08, high: 0.1}
  - {what: pause, mark: input, published: 5 s, source: SEC 2010}
claims:
  - {measure: drawdown, stat: {exceeds: 0.03}, arm: shared, versus: isolated, above: 0, because: shared signals}
  - {measure: loss, arm: calm, control: no_impact, near: 0, within: 0.01, expect: false, because: algebra}
"""
GOOD = GOOD.replace("topology: federated", "topology: {wiring: federated, average_every: 10 min}")
