"""Scenario: what a YAML file says, checked and typed. Everything past this point is plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, final

from simlab.lab.trial import Harm, Trial
from simlab.scenario.problems import Problem
from simlab.scenario.registry import HOUSE, Registry


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


class Until(NamedTuple):
    """A run that goes on until the 95% interval of a statistic is at most 2 `half_width` wide in every arm, or has `most` replications.

    `measure` None stands for the chance of harm. With `versus` the intervals are those of the paired differences to that arm.
    """

    measure: str | None
    stat: Literal["mean", "median", "p95", "exceeds"]
    exceeds: float | None
    half_width: float
    most: int
    versus: str | None = None

    @property
    def what(self) -> str:
        """The statistic in words."""
        line = f"P({self.measure} > {self.exceeds:g})" if self.stat == "exceeds" else f"{self.stat} {self.measure}"
        return ("P(harm)" if self.measure is None else line) + (f" minus that of {self.versus}" if self.versus else "")


class Factorial(NamedTuple):
    """A factorial design: the levels of each seam, the first of which the others are held against, and those of each arm.

    `dropped` are the combinations that were left out, as ({seam: level}, why): what cannot be played, or plays as another.
    """

    seams: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, Mapping[str, str]]
    dropped: tuple[tuple[Mapping[str, str], str], ...] = ()


class Row(NamedTuple):
    """One row of a calibration scoreboard: a published figure beside the model's.

    `mark` is "input", "fitted", "predicted", or "checked" (algebra that a right program reproduces); only predicted rows can be
    hits. The model's figure is `stat` of `measure` in `arm` (under `control`, if any); a hit lies within [`low`, `high`].
    """

    what: str
    mark: Literal["input", "fitted", "predicted", "checked"]
    published: str
    source: str
    measure: str | None = None
    stat: Literal["mean", "median", "p95"] = "median"
    arm: str | None = None
    low: float | None = None
    high: float | None = None
    control: str | None = None


class Axis(NamedTuple):
    """What a study varies: the values that a dotted `path` takes, as the YAML writes them.

    Either they are `listed`, or they lie from `low` to `high`: `steps` of them at equal distances (equal ratios where `log`), or, without
    them, as many as a design draws. A `*` in `arms.*.` stands for every arm of the study in which the path can be set. `called` are
    the numbers by which listed values are known, where what is written is long.
    """

    path: str
    listed: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    steps: int | None = None
    log: bool = False
    called: tuple[int, ...] = ()


class Study(NamedTuple):
    """Arms of a scenario played at many points; the first of `arms` is the baseline.

    `also` are arms of this study alone, and `set` other values, as the YAML writes them. `stat` is "harm" for the probability
    of harm, or a claim's; None stands for the scenario's headline. `points` is how many a `design` other than "grid" draws. With
    `brains` the only axis is over how many brains the models are split, and it is asked how often any, half and all of them fail;
    `features` says whose views they then read: "blocks" (of their brain), "own" or "one".
    """

    name: str
    title: str
    because: str
    axes: tuple[Axis, ...]
    arms: tuple[str, ...]
    also: Mapping[str, Any] = MappingProxyType({})
    set: Mapping[str, Any] = MappingProxyType({})
    measure: str | None = None
    stat: Literal["harm", "mean", "median", "p95", "exceeds"] | None = None
    exceeds: float | None = None
    replications: int | None = None
    design: Literal["grid", "lhs", "sobol"] = "grid"
    points: int | None = None
    brains: tuple[int, ...] = ()
    features: Literal["blocks", "own", "one"] = "blocks"


class Limits(NamedTuple):
    """What a design must keep to in each of the seven drills, and the arm that is drilled (by default the first).

    `gain`, `path_gain`: loop and path gain below. `blast`: share of the traffic that a bad push reaches at the first canary step.
    `warned`, `false_alarms`: drift detection. `kill`: seconds. `effective`: share of the models that must count as one each. `truth`
    is the measure of what the models are for (by default the harm's cost), `proxy` what they optimise.
    """

    arm: str | None = None
    gain: float = 1.0
    blast: float = 0.01
    warned: float = 0.95
    false_alarms: float = 0.05
    kill: float = 60.0
    effective: float = 0.5
    path_gain: float = 1.0
    truth: str | None = None
    proxy: str | None = None


USUAL = Limits()


@final
@dataclass(frozen=True)
class Scenario:
    """A scenario, ready to run. `resolved` is the JSON-like document it came from with every default filled in.

    `beside` is a measure that is drawn beside the headline's in the first picture. `series` is what is kept of values over
    time: each replication's, or quantiles over the replications. `registry` is where its names were looked up.
    `unplayable` are studies of the file that cannot be played with other values that were given, and why.
    """

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
    readiness: Limits = USUAL
    path: str | None = None
    studies: tuple[Study, ...] = ()
    factorial: Factorial | None = None
    until: Until | None = None
    beside: str | None = None
    series: Literal["all", "quantiles"] = "all"
    registry: Registry = field(default=HOUSE, compare=False, repr=False)
    unplayable: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def most(self) -> int:
        """The most replications that are played: `replications`, unless the run waits for an interval."""
        return self.until.most if self.until else self.replications

    @property
    def headline(self) -> str:
        """The measure the verdict speaks of: the harm's, or else the world's first."""
        return self.harm.measure if self.harm else next(iter(self.arms[0].trial.world.measures))
