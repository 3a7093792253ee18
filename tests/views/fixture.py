"""A run whose numbers come from a closed form, summarised by the real code: four arms, one control, claims, a scoreboard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule, wire
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.outcome import Event, Outcome
from simlab.lab.shocks import Shock
from simlab.lab.trial import Hand, Harm, Trial, Trigger
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Claim, Control, Row, Scenario, Vanish
from simlab.studies.summary import summarise

TICKS, TICK = 361, 5.0  # half an hour
EDGE = 0.03


class Nothing(NamedTuple):
    level: Floats


@final
@dataclass(frozen=True)
class Market(World[Nothing]):
    """Never played: the report only asks what it declares."""

    measures: ClassVar = {
        "drawdown": Measure("1", "largest fall of the price from its highest point", "higher"),
        "loss": Measure("USD", "what traders lost", "higher"),
        "volume": Measure("1/min", "contracts traded", "neither"),
    }
    traders: Annotated[int, Par("1", "algorithmic traders", low=1, source="Kirilenko 2017, Table II")] = 64
    impact: Annotated[float, Par("1", "how far an order moves the price", low=0, high=1)] = 0.2
    pause: Annotated[float, Par("s", "how long the pause lasts", above=0, source="SEC-CFTC 2010, p. 4")] = 5.0

    @property
    def spec(self) -> Spec:
        return Spec(models=self.traders, views=self.traders, features=2)

    @property
    def tick(self) -> float:
        return TICK

    def start(self, luck: Luck) -> Nothing:
        raise NotImplementedError

    def observe(self, state: Nothing) -> Array:
        raise NotImplementedError

    def fallback(self, state: Nothing, luck: Luck) -> Array:
        raise NotImplementedError

    def step(self, state: Nothing, action: Action, luck: Luck) -> tuple[Nothing, Feedback]:
        raise NotImplementedError

    def measure(self, state: Nothing) -> dict[str, Floats]:
        raise NotImplementedError


@final
@dataclass(frozen=True)
class Trend(Brain[Nothing]):
    answers: ClassVar = frozenset({"number"})
    memory: Annotated[float, Par("s", "how long it remembers", above=0)] = 60.0

    def start(self, r: int, b: int, p: int, spec: Spec, luck: Luck) -> Nothing:
        raise NotImplementedError

    def predict(self, mind: Nothing, x: Array, luck: Luck) -> Array:
        raise NotImplementedError

    def witness(self, mind: Nothing, x: Array, action: Array, feedback: Feedback, then: Array) -> None:
        raise NotImplementedError


WIRINGS = {
    "isolated": "isolated",
    "feature_store": "shared feature store",
    "shared_brain": "shared brain",
    "shared": "all shared",
}
# the scale of the largest fall in each arm: P(drawdown > 3%) = exp(-0.03 / scale)
SCALES = {"isolated": 0.011, "feature_store": 0.034, "shared_brain": 0.011, "shared": 0.036}


def trial(wiring: str = "isolated", traders: int = 64, **more: Any) -> Trial:
    market = Market(traders=traders)
    given: dict[str, Any] = {
        "horizon": (TICKS - 1) * TICK,
        "stride": TICK,
        "schedule": Schedule(every=60.0),
        "shocks": (Shock("seller", "world", "set", 600.0, 900.0),),
        "harm": Harm("drawdown", above=EDGE, cost="loss"),
    }
    topology = wire(wiring, traders).canonical(market.spec)
    return Trial(world=market, brains=(Trend(),), topology=topology, **(given | more))


def scenario(arms: tuple[str, ...] = tuple(WIRINGS), **more: Any) -> Scenario:
    made = tuple(Arm(name, WIRINGS[name], name, trial(name)) for name in arms)
    quiet = tuple(Arm(name, WIRINGS[name], name, trial(name, closed=False)) for name in arms)
    given: dict[str, Any] = {
        "name": "market",
        "title": "A market that believes its own prices",
        "story": "Sixty-four traders read the tape. Watch what one tape for all of them does.",
        "arms": made,
        "controls": (Control("feedback_off", "feedback off", (Vanish("loss"),), quiet),),
        "claims": (
            Claim(
                "drawdown",
                "exceeds",
                "feature_store",
                "one tape, one error",
                versus="isolated",
                above=0.05,
                exceeds=EDGE,
            ),
            Claim(
                "drawdown",
                "exceeds",
                "shared_brain",
                "what is often told",
                versus="isolated",
                above=0.05,
                exceeds=EDGE,
                expect=False,
            ),
            Claim("drawdown", "mean", "shared_brain", "to be seen", versus="isolated", above=0.0001),
            Claim("drawdown", "median", "isolated", "calm days", above=0.05),
        )
        if set(arms) == set(WIRINGS)
        else (),
        "harm": Harm("drawdown", above=EDGE, cost="loss"),
        "record": (
            {
                "retelling": "Robots wiped out a trillion in five seconds",
                "record": "A paced sell program; a pause ended the fall",
                "source": "SEC-CFTC 2010",
            },
        ),
        "scoreboard": (
            Row(
                "fall of the index",
                "predicted",
                "3% in 4 min",
                "SEC-CFTC 2010",
                "drawdown",
                "p95",
                "isolated",
                0.02,
                0.05,
            ),
            Row("daily volume", "predicted", "4.1 bn", "SEC-CFTC 2010", "volume", "median", "isolated", 1e6, 2e6),
            Row("depth", "input", "58 M", "SEC-CFTC 2010", "volume", "mean", "isolated", 0, 1e9),
            Row("pace", "fitted", "9%", "SEC-CFTC 2010"),
        ),
        "replications": 256,
        "seed": 2010,
        "allow_diverged": 0,
        "resolved": {},
    }
    return Scenario(**(given | more))


def outcome(scale: float, n: int, seed: int = 5, *, bad: int = 0) -> Outcome:
    """Replication i falls by an exponential of mean `scale`, the same luck in every arm; the last `bad` diverge."""
    rng = np.random.default_rng(seed)
    fall, when, wobble = rng.exponential(size=n) * scale, rng.uniform(600, 1500, n), rng.normal(size=(TICKS, n))
    times = np.arange(TICKS) * TICK
    rise = 1 / (1 + np.exp(-(times[:, None] - when) / 40))
    path = np.maximum.accumulate(np.abs(fall * rise + 0.0004 * wobble), axis=0)
    series = {"drawdown": path, "loss": 1e6 * path * rise, "volume": 1000 + 100 * wobble}
    crossed = path > EDGE
    events = [
        Event(i, float(times[crossed[:, i].argmax()]), "harm", "drawdown", -1, EDGE)
        for i in range(n)
        if crossed[:, i].any()
    ]
    events += [Event(i, 600.0, "shock", "seller") for i in range(n)]
    diverged = np.full(n, np.nan)
    diverged[n - bad :] = 900.0
    for values in series.values():
        values[:, n - bad :] = np.nan
    events.sort(key=lambda e: (e.replication, e.time))
    return Outcome(
        np.arange(n),
        {k: v[-1] for k, v in series.items()},
        times,
        {k: v.astype(np.float32) for k, v in series.items()},
        events,
        diverged,
        {},
        np.full((n, 8, 8), min(25 * scale, 1.0), np.float32),
    )


def record(made: Scenario, n: int = 256, scales: dict[str, float] | None = None, bad: int = 0) -> Record:
    """A summarised record of `made` with `n` replications of each arm."""
    made = replace(made, replications=n)
    cells = {arm.name: outcome((scales or SCALES)[arm.name], n, bad=bad) for arm in made.arms}
    cells |= {f"{c.name}:{arm.name}": outcome(0.004, n) for c in made.controls for arm in c.arms}
    held = Record.of(cells, [arm.name for arm in made.arms], [c.name for c in made.controls], Market.measures)
    return replace(held, summary=summarise(made, held), manifest={"versions": {"python": "3.11", "numpy": "2.0"}})


def killed(base: Trial) -> Trial:
    """The same set-up with a kill switch."""
    return replace(base, hands=(Hand("kill", KillSwitch(), Trigger(measure="drawdown", above=0.02, median=30.0)),))
