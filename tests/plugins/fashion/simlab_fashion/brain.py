"""A brain that says again what it last heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab import Brain, Feedback, Luck, Par, Spec


class Heard(NamedTuple):
    """What each brain says, `(r, b)`, and the mean of what its pool last heard, `(r, p)`."""

    level: np.ndarray
    heard: np.ndarray


@final
@dataclass(frozen=True)
class Echo(Brain[Heard]):
    """Goes part of the way to what was last heard, whenever it is trained."""

    answers: ClassVar[frozenset[str]] = frozenset({"number"})
    patience: Annotated[float, Par("1", "share of the way that is left", low=0, high=1)] = 0.0

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Heard:
        """Nothing heard, nothing to say."""
        return Heard(np.zeros((r, b)), np.zeros((r, p)))

    def predict(self, mind: Heard, x: np.ndarray, luck: Luck) -> np.ndarray:
        """The same for every seat."""
        return np.broadcast_to(mind.level[:, :, None], x.shape[:3])

    def witness(self, mind: Heard, x: Any, action: Any, feedback: Feedback, then: Any) -> None:
        """Hear `(r, p, seats)`."""
        mind.heard[:] = feedback.outcome.mean(axis=2)

    def retrain(self, mind: Heard, at: tuple[np.ndarray, np.ndarray], taught_by: np.ndarray) -> None:
        """Train the brains `at` (replications, brains)."""
        heard = mind.heard[at[0], taught_by[at[1]]]
        mind.level[at] = self.patience * mind.level[at] + (1 - self.patience) * heard
