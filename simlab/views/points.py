"""The points of a sweep as its pictures and its verdict read them: arrays out of the document, and how their numbers are written.

Shapes: `p` points, `d` axes, `a` arms; the first arm is the baseline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.units import seconds
from simlab.views.verdict import Headline
from simlab.views.words import clock, human, number, quantity, span

FAR = 20  # a list of positive values whose ends are so many times apart is drawn in ratios


@final
@dataclass(frozen=True)
class Axis:
    """One axis: how it is called, what it is made of ("number", "time" or "choice"), and its value at every point."""

    name: str
    path: str
    kind: str
    unit: str
    about: str
    ratios: bool
    listed: bool  # whether its values were listed one by one
    values: tuple[Any, ...]  # of a grid or a list, in their order
    at: tuple[Any, ...]  # (p,) as the YAML writes them

    def say(self, value: Any) -> str:
        """A value with its unit."""
        if self.kind == "time":
            return span(seconds(value)) if seconds(value) else f"0 {self.clock[1]}"
        return quantity(float(value), self.unit) if self.kind == "number" else word(value)

    def tick(self, value: Any) -> str:
        """A value as it stands at the axis, whose title has the unit."""
        if self.kind == "number":
            return number(float(value))
        return number(seconds(value) / self.clock[0]) if self.kind == "time" else word(value)

    @cached_property
    def clock(self) -> tuple[float, str]:
        """The unit in which the times of the axis are read: its length in seconds, and its name."""
        return clock(max((abs(seconds(v)) for v in self.at), default=1.0))

    @cached_property
    def title(self) -> str:
        """Its name with its unit."""
        unit = self.clock[1] if self.kind == "time" else "" if self.kind == "choice" else self.unit
        return self.name if unit in ("1", "") else f"{self.name} ({unit})"

    @cached_property
    def numbers(self) -> Floats:
        """`(p,)` where each point lies: a number, a time in the axis's unit, or the place of a choice."""
        if self.kind == "number":
            return np.array(self.at, np.float64)
        if self.kind == "time":
            return np.array([seconds(v) / self.clock[0] for v in self.at])
        return np.array([self.values.index(v) for v in self.at], np.float64)

    @cached_property
    def is_long(self) -> bool:
        """Whether it is drawn in ratios."""
        if self.kind == "choice" or self.numbers.min() <= 0:
            return False
        return self.ratios or (self.listed and FAR * float(self.numbers.min()) <= float(self.numbers.max()))


def word(value: Any) -> str:
    """A choice as it is written."""
    return value if isinstance(value, str) else json.dumps(value)


class Arm(NamedTuple):
    """One arm: its name and title, and at every point `(p,)` its level, the ends of its interval, and the same of its difference.

    `lowest` and `highest` are the ends of the interval that holds for all points and arms together, and `clear` is whether the difference
    to the first arm is clear of 0 at that level; `change`
    and `changed` are the difference to the first point, and whether it is clear, where there is one axis.
    """

    name: str
    title: str
    level: Floats
    low: Floats
    high: Floats
    difference: Floats
    below: Floats
    above: Floats
    lowest: Floats
    highest: Floats
    clear: Array
    change: Floats
    change_low: Floats
    change_high: Floats
    changed: Array
    n: Floats
    lost: int


def _most(arrays: list[Floats]) -> float:
    seen = np.concatenate([np.zeros(1), *arrays])
    return float(seen[np.isfinite(seen)].max())


@final
@dataclass(frozen=True)
class Points:
    """A sweep to be shown."""

    document: Mapping[str, Any]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes."""
        rows = [row["values"] for row in self.document["rows"]]
        return tuple(
            Axis(
                a["name"], a["path"], a["kind"], a["unit"], a["about"],
                ratios=a["log"], listed=isinstance(a["written"], list), values=tuple(a["values"]), at=tuple(r[i] for r in rows),
            )
            for i, a in enumerate(self.document["axes"])
        )  # fmt: skip

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, the baseline first."""
        return tuple(self._arm(arm["name"], arm["title"]) for arm in self.document["arms"])

    @property
    def others(self) -> tuple[Arm, ...]:
        """The arms that are compared with the first."""
        return self.arms[1:]

    @property
    def count(self) -> int:
        """How many points there are, `p`."""
        return len(self.document["rows"])

    @cached_property
    def coarse(self) -> bool:
        """Whether differences are read in whole percentage points: where some are 10 or more."""
        return any(bool((np.abs(arm.difference) >= 0.1).any()) for arm in self.others)

    @cached_property
    def largest(self) -> tuple[float, float]:
        """The size of the largest level, and of the largest difference; 0 where there is none."""
        levels = [np.abs(arm.level) for arm in self.arms]
        apart = [np.abs(arm.difference) for arm in self.others]
        return (_most(levels), _most(apart))

    @property
    def is_grid(self) -> bool:
        """Whether every value of each axis meets every value of the others."""
        return bool(self.document["design"] == "grid")

    @cached_property
    def top(self) -> Headline:
        """What is asked of every arm at every point."""
        asked = self.document["asked"]
        name, unit, stat = asked["measure"], asked["unit"], asked["stat"]
        if stat in ("harm", "exceeds"):
            sign, edge = ">", asked["exceeds"]
            if stat == "harm":
                sign, edge = (
                    (">", asked["harm"]["above"]) if "above" in asked["harm"] else ("<", asked["harm"]["below"])
                )
            shown = f"{number(100 * edge)}%" if unit == "1" and 0 < edge < 1 else quantity(edge, unit)
            worse = (
                asked["worse"] if sign == ">" else {"higher": "lower", "lower": "higher"}.get(asked["worse"], "neither")
            )
            return Headline(name, f"P({human(name)} {sign} {shown})", unit, True, "higher" if stat == "harm" else worse)
        kinds = {"mean": "the mean", "median": "the median", "p95": "the 95% quantile of"}
        return Headline(name, f"{kinds[stat]} {human(name)}", unit, False, asked["worse"])

    def where(self, point: int) -> str:
        """The values of a point in words: "load 0.1, refresh 2 s"."""
        return ", ".join(f"{axis.name} {axis.say(axis.at[point])}" for axis in self.axes)

    def _arm(self, name: str, title: str) -> Arm:
        rows = [row["arms"][name] for row in self.document["rows"]]

        def column(key: str, end: int | None = None) -> Floats:
            found = [row.get(key) for row in rows]
            ends = found if end is None else [None if one is None else one[end] for one in found]
            return np.array([np.nan if one is None else one for one in ends], np.float64)

        def told(key: str) -> Array:
            return np.array([bool(row.get(key)) for row in rows])

        return Arm(
            name, title,
            level=column("value"), low=column("ci95", 0), high=column("ci95", 1),
            difference=column("difference"), below=column("difference_ci95", 0), above=column("difference_ci95", 1),
            lowest=column("difference_joint", 0), highest=column("difference_joint", 1),
            clear=told("clear"),
            change=column("change"), change_low=column("change_ci95", 0), change_high=column("change_ci95", 1),
            changed=told("change_clear"),
            n=column("n"), lost=sum(row["diverged"] + row["failed"] for row in rows),
        )  # fmt: skip
