"""A detector of extremes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab import Par
from simlab.detectors.detector import Detector, Frame, Reading, Subject


class Most(NamedTuple):
    """The most extreme prediction so far, `(r,)`."""

    said: np.ndarray


@final
@dataclass(frozen=True)
class Extremes(Detector[Most]):
    """Shows the most extreme prediction that was made so far."""

    shows: ClassVar[str] = "the most extreme prediction so far"
    seed_rule: ClassVar[str] = "the most extreme prediction now is above 1"
    seed_threshold: ClassVar[float] = 1.0
    threshold: Annotated[float, Par("1", "above which it alarms", above=0)] = 1.0

    @property
    def limit(self) -> float:
        """The threshold."""
        return self.threshold

    def start(self, subject: Subject) -> Most:
        """Nothing said."""
        return Most(np.zeros(subject.replications))

    def read(self, state: Most, frame: Frame) -> Reading:
        """Take in `(n, r, m, a)` predictions."""
        now = np.abs(frame.predictions).max(axis=(0, 2, 3))
        np.fmax(state.said, now, out=state.said)
        return Reading(state.said.copy(), now)
