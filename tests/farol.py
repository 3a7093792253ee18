"""The El Farol bar, as somebody would write it in a notebook: a world that does not come with simlab.

Arthur (1994), "Inductive reasoning and bounded rationality", American Economic Review 84(2): a hundred people, each with a forecast of
tonight's attendance, come if they expect less than 60.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab import Action, Feedback, Measure, Par, Spec, World


class Night(NamedTuple):
    came: np.ndarray  # (r,) share of the people
    heard: np.ndarray  # (r, m) what each view says of it
    nights: np.ndarray
    missed: np.ndarray  # (r,) sum of |came - room|


@final
@dataclass(frozen=True)
class ElFarol(World[Night]):
    """People who go out if the model they ask expects a bar that is not crowded."""

    people: Annotated[int, Par("1", "people, each with a model", low=1)] = 20
    room: Annotated[float, Par("1", "share of the people for whom there is room", above=0, below=1)] = 0.6
    error: Annotated[float, Par("1", "error of what a view says of last night", low=0)] = 0.1

    measures: ClassVar = {
        "missed": Measure("1", "mean distance of attendance from the room there is", "higher"),
        "came": Measure("1", "attendance, share of the people"),
    }

    @property
    def spec(self):
        return Spec(models=self.people, views=self.people, features=2)

    @property
    def tick(self):
        return 86400.0

    def _hear(self, came, luck):
        return came[:, None] + self.error * luck.normal("view", (luck.replications, self.people))

    def start(self, luck):
        came = luck.uniform("first night", (luck.replications,)).copy()
        return Night(came, self._hear(came, luck), np.zeros(len(came)), np.zeros(len(came)))

    def observe(self, state):
        return np.stack([np.ones_like(state.heard), state.heard - self.room], axis=-1)

    def act(self, state, said, luck):
        return Action(said < 0)  # a forecast is of attendance less room

    def fallback(self, state, luck):
        return luck.uniform("toss", (luck.replications, self.people)) < self.room

    def step(self, state, action, luck):
        came = action.value.mean(axis=1)
        new = Night(came, self._hear(came, luck), state.nights + 1, state.missed + np.abs(came - self.room))
        return new, Feedback(np.repeat(came[:, None] - self.room, self.people, axis=1))

    def measure(self, state):
        return {"missed": state.missed / np.maximum(state.nights, 1), "came": state.came}


SCENARIO = """\
schema: 1
title: El Farol
story: Watch what one forecast for all does to a bar.
world: {el_farol: {}}
brain: {ridge: {}}
schedule: {every: 7 day}
run: {replications: 8, horizon: 60 day, seed: 1994}
harm: {measure: missed, above: 0.3}
arms:
  isolated: {topology: isolated}
  shared: {topology: shared}
controls:
  feedback_off: {vanishes: []}
  no_stressor: {vanishes: []}
"""
