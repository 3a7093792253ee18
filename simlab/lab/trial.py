"""Trial: one typed, runnable set-up. An arm of a study is a named Trial."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError, ParameterError, did_you_mean
from simlab.base.par import parameters
from simlab.base.world import Measure, World
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule, Topology
from simlab.detectors.detector import Detector
from simlab.interventions.intervention import Intervention, Setting
from simlab.lab.score import SCORES
from simlab.lab.shocks import Shock
from simlab.lab.traces import Trace

NEVER = Schedule()


class Harm(NamedTuple):
    """What counts as harm in a scenario: it begins when `measure` is first seen to have crossed.

    Exactly one of `above` and `below` is finite; `cost` is the measure that says how much was lost. `scrape` is how often the
    measure is looked at.
    """

    measure: str
    above: float = math.inf
    below: float = -math.inf
    cost: str | None = None
    scrape: float = 0.0  # seconds; 0 = every tick


class Trigger(NamedTuple):
    """When a hand acts: at second `at`, or when `measure` (or a reading of a detector) crosses; then after a human or technical latency.

    The latency is lognormal with this `median` (seconds) and log-standard deviation `spread`, drawn once per
    replication and hand, so that arms which alarm at different times stay paired. `scrape` is how often the measure is looked at.
    """

    at: float = math.inf
    measure: str | None = None
    above: float = math.inf
    below: float = -math.inf
    scrape: float = 0.0  # seconds; 0 = every tick
    median: float = 0.0
    spread: float = 0.0
    lasts: float = math.inf


class Instrument(NamedTuple):
    """A detector that watches the run, and how often: every `scrape` seconds, by default at every recorded instant."""

    name: str
    detector: Detector[Any]
    scrape: float | None = None

    def readings(self) -> dict[str, Measure]:
        """What it shows, by the method of record and by the popular rule, by name."""
        shows, rule = self.detector.shows, self.detector.seed_rule
        of_record = Measure(
            "1", f"{shows}; alarm above {self.detector.limit:.3g}", bound=math.inf, may_be_undefined=True
        )
        popular = Measure("1", f"by the popular rule `{rule}`", bound=math.inf, may_be_undefined=True)
        return {self.name: of_record, seed(self.name): popular}

    def limits(self) -> dict[str, float]:
        """The threshold of each reading."""
        return {self.name: self.detector.limit, seed(self.name): self.detector.seed_threshold}


def seed(detector: str) -> str:
    """The name of a detector's reading by the popular rule."""
    return f"{detector}_seed"


class Hand(NamedTuple):
    """An intervention with its trigger and the models it concerns (None: all)."""

    name: str
    intervention: Intervention
    trigger: Trigger
    models: tuple[int, ...] | None = None


@final
@dataclass(frozen=True)
class Trial:
    """Everything one arm needs to be played; times in seconds.

    `brains` are the kinds that `topology.kind_of` refers to. `stride` is the time between recorded values.
    `closed` False opens the loop: agents do `world.open_loop`, while brains still learn and are scored. `traces` are followed by
    live parameters of the world; what a shock sets goes before.
    """

    world: World[Any]
    brains: tuple[Brain[Any], ...]
    topology: Topology
    horizon: float
    stride: float
    schedule: Schedule = NEVER
    warmup: float = 0.0
    shocks: tuple[Shock, ...] = ()
    hands: tuple[Hand, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    harm: Harm | None = None
    closed: bool = True
    traces: tuple[Trace, ...] = ()

    def __post_init__(self) -> None:
        spec, measures = self.world.spec, self.world.measures
        if self.topology.models != spec.models:
            raise InputError(f"topology wires {self.topology.models} models, and the world has {spec.models}")
        if max(self.topology.kind_of) >= len(self.brains):
            raise InputError(
                f"topology.kind_of names brain kind {max(self.topology.kind_of)}; there are {len(self.brains)}"
            )
        if self.topology.reads and (spec.asks != "number" or not spec.features):
            raise InputError(
                "topology.reads: what an upstream model says is one feature more, so models can read each other only where "
                f"they are asked for numbers and given features; this world asks for {spec.asks} from {spec.features} features"
            )
        for brain in self.brains:
            wrong = brain.why_not(spec)
            if wrong:
                raise InputError(f"brain {type(brain).__name__} {wrong}")
        for kind in sorted(set(self.topology.kind_of)) if self.topology.average_every else ():
            if not self.brains[kind].blend:
                name = type(self.brains[kind]).__name__
                raise InputError(f"topology.average_every: brain {name} has no weights that could be averaged")
        plan = self.schedule
        if plan.waits and plan.how == "random":
            raise InputError(
                "schedule.waits: a timer that waits is set after each turn, and with `random(q)` turns are left out"
            )
        if plan.waits and plan.jitter >= plan.every > 0:
            raise InputError(
                f"schedule.jitter must be below schedule.every ({plan.every:g} s) where timers wait, not {plan.jitter:g} s"
            )
        for hand in self.hands:
            self._suits(hand)
            if hand.intervention.ends and not math.isfinite(hand.trigger.lasts):
                raise InputError(f"hand `{hand.name}` must end: say how long it lasts, e.g. `lasts: 5 min`")
        for shock in self.shocks:  # a choice is a name, and shares are several numbers: neither can be shifted as one
            if spec.asks != "number" and shock.effect == "biased":
                raise InputError(f"shock `{shock.name}` shifts numbers, and this world asks for {spec.asks}")
        self._follows()
        watched = {**measures, **self.readings}
        for used, known in [
            *((used, measures) for used in (self.harm and self.harm.measure, self.harm and self.harm.cost)),
            *((hand.trigger.measure, watched) for hand in self.hands),
        ]:
            if used is not None and used not in known:
                raise InputError(f"unknown measure `{used}`; {did_you_mean(used, known)}")
        for what, value in (("horizon", self.horizon), ("stride", self.stride)):
            if not (self.world.tick <= value < math.inf):
                raise ParameterError(
                    f"run.{what} must be at least one tick ({self.world.tick:g} s) and finite, not {value:g} s"
                )
        if not 0 <= self.warmup < math.inf:
            raise ParameterError(f"run.warmup must be at least 0 s and finite, not {self.warmup:g} s")

    @property
    def readings(self) -> dict[str, Measure]:
        """What the detectors show, by name."""
        return {name: shown for one in self.instruments for name, shown in one.readings().items()}

    @property
    def measures(self) -> dict[str, Measure]:
        """Everything that is recorded: the world's measures, the models' scores, what brains tell, the detectors' readings."""
        return {**self.world.measures, **SCORES, **self.told, **self.readings}

    @property
    def told(self) -> dict[str, Measure]:
        """What the brains tell of their learning, by name."""
        return {name: measure for brain in self.brains for name, measure in brain.tells.items()}

    def _suits(self, hand: Hand) -> None:
        """Raise InputError where a hand cannot act."""
        models = range(self.topology.models) if hand.models is None else hand.models
        kinds = sorted({self.topology.kind_of[self.topology.brain_of[m]] for m in models})
        wrong = hand.intervention.why_not(
            Setting(self.world, self.topology, tuple(self.brains[kind] for kind in kinds))
        )
        if wrong:
            raise InputError(f"hand `{hand.name}` {wrong}")

    def _follows(self) -> None:
        """Raise InputError where a trace cannot be followed by the world."""
        live = [name for name, known in parameters(type(self.world)).items() if known.par.live]
        for trace in self.traces:
            if trace.parameter not in live:
                hint = did_you_mean(trace.parameter, live) if live else "this world has none"
                raise InputError(f"trace of `{trace.parameter}`: not a live parameter; {hint}")
            for value in (max(trace.values), min(trace.values)):
                replace(self.world, **{trace.parameter: value})  # type: ignore[type-var]

    def times(self) -> Floats:
        """The recorded instants, `(t,)` seconds: 0, stride, 2 stride, ... up to the horizon."""
        count = self.ticks(self.horizon) // self.ticks(self.stride) + 1
        return np.arange(count, dtype=np.float64) * (self.ticks(self.stride) * self.world.tick)

    def ticks(self, seconds: float) -> int:
        """The number of ticks nearest to a time, at least one for any positive time."""
        return max(round(seconds / self.world.tick), 1) if seconds > 0 else 0
