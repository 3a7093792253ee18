"""Traces: recorded values that a live parameter of the world takes while the run goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from simlab.base.errors import InputError


@final
@dataclass(frozen=True)
class Trace:
    """The live parameter `parameter` has `values[i]` from second `times[i]` on, until the next.

    Times begin at 0 and strictly increase; before 0, in the warm-up, the first value holds. With a finite `period` (seconds) the
    record begins anew when it is over. Raises InputError for times that do not increase.
    """

    parameter: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    period: float = math.inf

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values) or not self.times or self.times[0] != 0:
            raise InputError(f"trace of `{self.parameter}`: needs a time for each value, the first of them 0")
        if any(b <= a for a, b in pairwise((*self.times, self.period))):
            raise InputError(f"trace of `{self.parameter}`: times must strictly increase, and end before the period")

    def changes(self, horizon: float) -> list[tuple[float, float]]:
        """The seconds at which the value changes, up to the horizon, and what it is from then on; the first at 0."""
        found: list[tuple[float, float]] = []
        begins, last = 0.0, math.nan
        while begins < horizon:
            for time, value in zip(self.times, self.values, strict=True):
                if begins + time >= horizon:
                    break
                if value != last:
                    found.append((begins + time, value))
                    last = value
            begins += self.period
        return found
