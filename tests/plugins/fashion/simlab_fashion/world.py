"""Fads: people wear what they see in shops, and shops stock what was worn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab import Action, Feedback, Luck, Measure, Par, Spec, World


class Street(NamedTuple):
    """What is worn today, `(r, m)` around each shop."""

    worn: np.ndarray


@final
@dataclass(frozen=True)
class Fads(World[Street]):
    """Shops around which people wear what they like, plus what they see: worn = taste + sway x mean(stock) + noise."""

    shops: Annotated[int, Par("1", "shops, each with a model", low=1)] = 6
    taste: Annotated[float, Par("1", "what people would wear anyhow", live=True)] = 0.0
    sway: Annotated[float, Par("1", "how much they follow what they see", low=0, high=0.99)] = 0.5
    noise: Annotated[float, Par("1", "standard deviation of what is worn", low=0)] = 0.1

    measures: ClassVar[Mapping[str, Measure]] = {"worn": Measure("1", "mean of what is worn", "higher", bound=1e6)}

    @property
    def spec(self) -> Spec:
        """A number is asked for, and there is one constant to see."""
        return Spec(models=self.shops, features=1)

    @property
    def tick(self) -> float:
        """A day, in seconds."""
        return 86_400.0

    def start(self, luck: Luck) -> Street:
        """Nothing unusual is worn."""
        return Street(np.zeros((luck.replications, self.shops)))

    def observe(self, state: Street) -> np.ndarray:
        """There is nothing to see but the street, `(r, 1, 1)`."""
        return np.ones((len(state.worn), 1, 1))

    def fallback(self, state: Street, luck: Luck) -> np.ndarray:
        """Without a model a shop stocks what is usual, `(r, m)`."""
        return np.zeros(state.worn.shape)

    def step(self, state: Street, action: Action, luck: Luck) -> tuple[Street, Feedback]:
        """A day."""
        seen = self.sway * action.value.mean(axis=1, keepdims=True)
        worn = self.taste + seen + self.noise * luck.normal("worn", action.value.shape)
        return Street(worn), Feedback(worn)

    def measure(self, state: Street) -> dict[str, np.ndarray]:
        """Each measure now, `(r,)`."""
        return {"worn": state.worn.mean(axis=1)}
