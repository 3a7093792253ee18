"""Scenario: what a YAML file says, checked and typed. Everything past this point is plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, final

from simlab.lab.trial import Harm, Trial


class Arm(NamedTuple):
    """A named Trial of a study: `title` for display, `wiring` as the YAML wrote it."""

    name: str
    title: str
    wiring: str
    trial: Trial


class Vanish(NamedTuple):
    """What a control must make vanish: the mean of `measure`, to within `within` of zero."""

    measure: str
    within: float = 0.0


class Control(NamedTuple):
    """A patch under which an effect must disappear, and every arm played under it."""

    name: str
    title: str
    vanishes: tuple[Vanish, ...]
    arms: tuple[Arm, ...]


class Claim(NamedTuple):
    """A statement to test: a statistic of a measure in an arm (minus that of `versus`) lies above, below, or near a value.

    `stat` is "mean", "median", "p95" or "exceeds"; the last is P(measure > `exceeds`). `expect` False marks a popular
    claim that is shipped as refuted. `control` names the control under which the arms are read, if any. With `ratio` the
    statistic is divided by that of `versus`. Instead of a side a claim may have an `order`: arms (the first is `arm`) from
    the lowest to the highest statistic; or `over`, the name of a study from point to point of which it `rises` or falls.
    """

    measure: str
    stat: Literal["mean", "median", "p95", "exceeds"]
    arm: str
    because: str
    versus: str | None = None
    above: float | None = None
    below: float | None = None
    near: float | None = None
    within: float | None = None
    exceeds: float | None = None
    expect: bool = True
    control: str | None = None
    ratio: bool | None = None
    order: tuple[str, ...] | None = None
    over: str | None = None
    rises: bool | None = None


class Factorial(NamedTuple):
    """A factorial design: the levels of each seam, the first of which the others are held against, and those of each arm.

    `dropped` are the combinations that were left out, as ({seam: level}, why): what cannot be played, or plays as another.
    """

    seams: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, Mapping[str, str]]
    dropped: tuple[tuple[Mapping[str, str], str], ...] = ()


class Row(NamedTuple):
    """One row of a calibration scoreboard: a published figure beside the model's.

    `mark` is "input", "fitted" or "predicted"; only predicted rows can be hits. The model's figure is
    `stat` of `measure` in `arm`; a hit lies within [`low`, `high`].
    """

    what: str
    mark: Literal["input", "fitted", "predicted"]
    published: str
    source: str
    measure: str | None = None
    stat: Literal["mean", "median", "p95"] = "median"
    arm: str | None = None
    low: float | None = None
    high: float | None = None


@final
@dataclass(frozen=True)
class Scenario:
    """A scenario, ready to run. `resolved` is the JSON-like document it came from with every default filled in."""

    name: str
    title: str
    story: str
    arms: tuple[Arm, ...]
    controls: tuple[Control, ...]
    claims: tuple[Claim, ...]
    harm: Harm | None
    record: tuple[Mapping[str, str], ...]
    scoreboard: tuple[Row, ...]
    replications: int
    seed: int
    allow_diverged: int
    resolved: Mapping[str, Any]
    path: str | None = None
    factorial: Factorial | None = None

    @property
    def headline(self) -> str:
        """The measure the verdict speaks of: the harm's, or else the world's first."""
        return self.harm.measure if self.harm else next(iter(self.arms[0].trial.world.measures))
