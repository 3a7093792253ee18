"""A fleet on the long tail: cars meet rare types of situation, and know one only once somebody they learn from has met it.

Every day the roads bring some edge cases, each to one car of the fleet. Their types follow Zipf's law, p_k ~ 1 / k^s for k = 1 .. K. A
model whose evidence holds a type reacts to it; one that never met it does not know what it sees. After n cases in the evidence
a new case is of an unmet type with the chance

    E[M] = sum_k p_k (1 - p_k)^n,                                   the missing mass (Good 1953, Biometrika 40)

and with the cases dealt to m cars at random, each on its own, sum_k p_k (1 - p_k / m)^n, while all m fail together at a type that nobody
met: sum_k p_k (1 - p_k)^n again. With s = 1.1, K = 1e5, m = 100 and n = 1e6 these are .24 and .027.

What becomes of a case is a matter of time. It is detected `seen` seconds before an impact at constant speed v. A known type has a
settled class after one look. An unknown type's class flips from look to look with chance q; where each flip drops the
track's history its path cannot be foretold before the class has settled, after a number of looks with P(more than g) = q^g, or
at the latest after `longest`. Where history is kept, one look is enough whatever the class. Then action is suppressed for a while
(to be spared false alarms, which are not modelled), and the car brakes at a. With tau seconds left it hits at

    v_hit^2 = v^2 - 2 a v tau, if that is positive, and else stops,     since v tau metres are left: tau >= v / (2 a) is in time.

This is the sequence that the NTSB reports of the crash at Tempe (HAR-19/03, 2019). An operator who is looking brakes `reaction`
seconds after the case can be seen. Every model says of every case what it would do, so it is known which would have failed; only the
car that was there learns from it. A tick is a day, for bookkeeping alone: what counts is how many cases lie between two trainings.
Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.kernels import counted, zipf
from simlab.base.luck import Luck
from simlab.base.masks import one_hot, picked
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
SINGLE = np.float32  # precision of labels and, to a ten-millionth, of the seconds of all cars: what there is most of
NTSB = "NTSB HAR-19/03 (2019), as quoted elsewhere"


class Roads(NamedTuple):
    """The state: the types of today's cases, and what became of yesterday's and of all so far, each `(r,)`."""

    kind: Ints  # (r, n) from 0, the most frequent
    blind: Floats  # share of the cars that would have failed at the last case
    today: Floats  # share of the day's cases that were missed
    worst: Floats  # the most that it was on any day
    cases: Floats
    missed: Floats
    some: Floats  # cases at which any, at least half, or all of the cars would have failed
    half: Floats
    every: Floats
    speed: Floats  # sum of the speeds of impact
    energy: Floats  # sum of the shares of the kinetic energy that were left at it


@final
@dataclass(frozen=True)
class Driving(World[Roads]):
    """Cars that each have a model, and edge cases of which each comes to one of them."""

    cars: Annotated[int, Par("1", "cars, each with a model", low=1, high=1000)] = 20
    cases: Annotated[int, Par("1", "edge cases a day, of all cars together", low=1, high=100_000)] = 40
    types: Annotated[int, Par("1", "types of edge cases", low=1, high=1_000_000)] = 1000
    exponent: Annotated[float, Par("1", "of Zipf's law for how frequent types are", low=0, high=5, live=True)] = 1.1
    sure: Annotated[
        float, Par("1", "what a model must say more than, of -1 to 1, to be taken to know a type", low=0, below=1)
    ] = 0.0
    speed: Annotated[
        float, Par("m/s", "speed of a car", above=0, source="NTSB preliminary report 2018: 43 mph", live=True)
    ] = 19.22
    braking: Annotated[float, Par("m/s^2", "deceleration of full braking on a dry road", above=0, live=True)] = 7.0
    seen: Annotated[float, Par("s", "time to impact at which a case is detected", above=0, source=NTSB)] = 5.6
    look: Annotated[float, Par("s", "time between two classifications", above=0)] = 0.4
    flips: Annotated[
        float, Par("1", "chance that the class of an unknown type flips from look to look", low=0, high=1, live=True)
    ] = 1.0
    longest: Annotated[int, Par("1", "looks after which a class has settled at the latest", low=1)] = 1000
    history: Annotated[
        str, Par("1", "what a flip of the class does to the track", choices=("dropped", "kept"), source=NTSB)
    ] = "dropped"
    suppression: Annotated[float, Par("s", "time for which action is suppressed", low=0, source=NTSB, live=True)] = 1.0
    sight: Annotated[float, Par("s", "time to impact at which an operator can see a case", above=0)] = 4.0
    reaction: Annotated[
        float, Par("s", "time an operator takes to brake", low=0, source="Green 2000: surprise, 1.5 s")
    ] = 1.5
    attention: Annotated[
        float, Par("1", "share of the cases at which an operator is looking", low=0, high=1, live=True)
    ] = 0.98

    measures: ClassVar[Mapping[str, Measure]] = {
        "missed": Measure("1", "share of the edge cases so far at which the car did not stop in time", "higher"),
        "missed_today": Measure("1", "the same, of the day's", "higher"),
        "worst_day": Measure("1", "the same, of the worst day so far", "higher"),
        "blind": Measure("1", "share of the cars that would have failed at the day's last case", "higher"),
        "some_fail": Measure("1", "share of the cases so far at which any car would have failed", "higher"),
        "half_fail": Measure("1", "share of the cases so far at which at least half would have", "higher"),
        "all_fail": Measure("1", "share of the cases so far at which all would have", "higher"),
        "energy": Measure(
            "1", "kinetic energy at impact as a share of that at full speed, mean of all cases so far", "higher"
        ),
        "impact": Measure("m/s", "mean speed of impact so far, where there was one", "higher", may_be_undefined=True),
    }

    def check(self) -> None:
        """A car that knows what it sees, and an operator who looks, can be in time."""
        known = self.seen - self.look - self.suppression
        if known < self.speed / (2 * self.braking):
            raise ParameterError(
                f"world.driving: {known:g} s are left when a known type is braked for, and stopping takes speed / (2 braking) = "
                f"{self.speed / (2 * self.braking):.3g} s; lower speed, look or suppression, or raise seen or braking"
            )
        if self.reaction > self.sight:
            raise ParameterError(
                f"world.driving.reaction is {self.reaction:g} s and sight {self.sight:g} s; an operator who reacts after the impact is none"
            )

    @property
    def spec(self) -> Spec:
        """Each model says of the type of each case what it makes of it: above `sure`, that it must be braked for."""
        return Spec(models=self.cars, case=(self.cases,), states=self.types)

    @property
    def tick(self) -> float:
        """One day."""
        return DAY

    def start(self, luck: Luck) -> Roads:
        """The first day's cases; nothing has happened."""
        return Roads(self._types(luck), *np.zeros((10, luck.replications)))

    def settle(self, state: Roads) -> Roads:
        """Sums, and the worst day, begin anew."""
        return Roads(*state[:3], *np.zeros((8, len(state.cases))))

    def observe(self, state: Roads) -> Ints:
        """`(r, 1, n)`: the type of each case, the same to all who are asked."""
        return state.kind[:, None]

    def act(self, state: Roads, said: Array, luck: Luck) -> Action:
        """Seconds before impact at which each car would begin to brake, `(r, m, n)`; 0 where not before it."""
        known = (
            self.seen - self.look - self.suppression
        )  # where more is said than `sure`: what rounding adds is not more
        unknown = np.maximum(self.seen - self._looks(state, luck) * self.look - self.suppression, 0.0)
        left = (said > SINGLE(self.sure + 1e-6)) * (known - unknown).astype(SINGLE)
        left += unknown.astype(SINGLE)
        return Action(left)

    def fallback(self, state: Roads, luck: Luck) -> Array:
        """The operator brakes, if looking, `(r, m, n)`."""
        looking = luck.uniform("attention", state.kind.shape) < self.attention
        left = SINGLE(self.sight - self.reaction) * looking
        return np.broadcast_to(left[:, None], (len(left), self.cars, self.cases)).copy()

    def step(self, state: Roads, action: Action, luck: Luck) -> tuple[Roads, Feedback]:
        """Each case comes to one car, which alone is told what it was: label 1, by weight `(r, m, n)`."""
        s, left = state, action.value
        there = np.minimum((luck.uniform("who", s.kind.shape) * self.cars).astype(np.int64), self.cars - 1)
        late = self.speed / (2 * self.braking)
        failing = counted((left < late).swapaxes(1, 2))
        mine = picked(left, there)
        missed = counted(mine < late)
        square = np.maximum(self.speed**2 - 2 * self.braking * self.speed * mine.astype(np.float64), 0.0)
        today = missed / self.cases
        then = Roads(
            kind=self._types(luck),
            blind=failing[:, -1] / self.cars,
            today=today,
            worst=np.maximum(s.worst, today),
            cases=s.cases + self.cases,
            missed=s.missed + missed,
            some=s.some + counted(failing > 0),
            half=s.half + counted(2 * failing >= self.cars),
            every=s.every + counted(failing == self.cars),
            speed=s.speed + np.sqrt(square).sum(axis=1),
            energy=s.energy + square.sum(axis=1) / self.speed**2,
        )
        return then, Feedback(np.broadcast_to(SINGLE(1), left.shape), one_hot(there, self.cars))

    def measure(self, state: Roads) -> dict[str, Floats]:
        """The measures now; there is no speed of impact before the first."""
        s, cases = state, np.maximum(state.cases, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            impact = s.speed / s.missed
        return {
            "missed": s.missed / cases,
            "missed_today": s.today.copy(),
            "worst_day": s.worst.copy(),
            "blind": s.blind.copy(),
            "some_fail": s.some / cases,
            "half_fail": s.half / cases,
            "all_fail": s.every / cases,
            "energy": s.energy / cases,
            "impact": impact,
        }

    def _looks(self, state: Roads, luck: Luck) -> Floats:
        """After how many looks the class of an unknown type has settled, of each case `(r, 1, n)`, or the same of all."""
        if self.history == "kept" or self.flips == 0:
            return np.ones(1)
        if self.flips == 1:
            return np.full(1, self.longest, np.float64)
        u = luck.uniform("flips", state.kind.shape)[:, None]
        return np.asarray(np.minimum(1 + np.floor(np.log1p(-u) / math.log(self.flips)), self.longest))

    def _types(self, luck: Luck) -> Ints:
        """The types of a day's cases, `(r, n)`."""
        return zipf(luck.uniform("types", (luck.replications, self.cases)), self.types, self.exponent)
