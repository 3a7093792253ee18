"""A world that does what a world should not. It comes by `--plugin` or `using=`, as anybody's would."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab import Action, Feedback, Measure, Par, Spec, World

DELAYS: dict[str, Any] = {
    "nan": math.nan,
    "negative": -1,
    "infinite": math.inf,
    "text": "soon",
    "nothing": None,
    "half": 0.5,
    "truth": True,
    "wide": np.float32("nan"),
}


class Level(NamedTuple):
    level: np.ndarray  # (r,)
    ticks: np.ndarray  # (r,)


@final
@dataclass(frozen=True)
class Wayward(World[Level]):
    """A level that is multiplied by the gain at every tick, and a process of its own that keeps time badly."""

    gain: Annotated[float, Par("1", "of the level, from tick to tick", low=0)] = 0.5
    keeps: Annotated[str, Par("1", "how its process keeps time")] = "well"
    raises: Annotated[float, Par("1", "chance that a replication raises")] = 0.0

    measures: ClassVar = {
        "level": Measure("1", "the level", bound=1e6),
        "odds": Measure("1", "nothing over nothing", may_be_undefined=True),
    }

    @property
    def spec(self) -> Spec:
        return Spec(models=2)

    @property
    def tick(self) -> float:
        return 1.0

    def start(self, luck: Any) -> Level:
        return Level(1 + luck.uniform("level", (luck.replications,)), np.zeros(luck.replications))

    def observe(self, state: Level) -> Any:
        return np.repeat(state.level[:, None, None], 1, axis=1)

    def fallback(self, state: Level, luck: Any) -> Any:
        return np.zeros((luck.replications, 2))

    def step(self, state: Level, action: Action, luck: Any) -> tuple[Level, Feedback]:
        if (luck.uniform("raises", (luck.replications,)) < self.raises).any():
            raise RuntimeError("this replication is lost")
        level = state.level * self.gain
        return Level(level, state.ticks + 1), Feedback(np.repeat(level[:, None], 2, axis=1))

    def measure(self, state: Level) -> dict[str, Any]:
        return {"level": state.level, "odds": 0 * state.level / (0 * state.ticks)}

    def happenings(self) -> tuple[Any, ...]:
        return () if self.keeps == "well" else (self._keep,)

    def _keep(self, calendar: Any, loop: Any) -> Any:
        yield calendar.wait(3)
        if self.keeps in DELAYS:
            yield calendar.wait(DELAYS[self.keeps])
        elif self.keeps == "foreign":
            import simpy

            yield simpy.Environment().timeout(math.nan)  # SimPy takes it, and its clock then runs backwards
        elif self.keeps == "no wait":
            yield 5
        elif self.keeps == "far":
            yield calendar.wait(10**400)
        while self.keeps == "zeno":
            yield calendar.wait(0)


SCENARIO = """\
schema: 1
title: Wayward
world: {wayward: {}}
brain: {mean: {}}
run: {replications: 4, horizon: 40 s, stride: 1 s, seed: 3}
arms: {isolated: {topology: isolated}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""
