"""Emissions: calibrations are selected by what they cost in all, and the test sees only what a car does while it is tested.

Every month each maker puts a calibration on sale, one of a set of designs: full control always; full control whenever the
software takes the drive for a test, by one of several tricks; or no control. Nothing calls a design a cheat: makers are told costs,
and those with a trick pass the test and save what control costs. Some cars are audited. Where an audit is run on the test cycle
the software takes it for a test; one on the road finds a car that is dirty there with probability `detects`, and then, where
finds are `screened`, all cars with that trick.

Becker (1968), "Crime and punishment: an economic approach", Journal of Political Economy 76: it pays to comply as long as the
chance of being found, times the fine, exceeds what control costs more than a trick. Alone that chance is h = f pi a month (f the
share audited, pi the chance that an audit finds it), and the months up to the find are geometric with mean 1/h. With n cars of one
trick on sale it is 1 - (1-h)^n for each. Where a find is fined for up to L unfined months, a cheat costs fine x (1 - (1-h)^L) a
month: the mean of min(D, L) over that of D, for geometric D.

In the event that gave the idea people wrote the software; no learner was involved. A tick is a month because calibrations, audits
and fines are monthly here; it belongs to the model. Emissions are in multiples of the limit. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Bools, Floats, Ints
from simlab.base.kernels import counted, how_often
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

MONTH = 30 * 86_400.0
YEAR = 12  # months that `road` looks back on
HONEST = 0  # designs: full control, then the tricks, then no control at all
WVU = "WVU for the ICCT 2014: 5 to 20 (Passat) and 15 to 35 (Jetta) on the road; the middle of all"
NOTICE = "EPA 2015, notice of violation: steering wheel, speed, time since start, air pressure"
PAID = "US v. Volkswagen 2017: ($2.8bn criminal + $1.45bn civil) / 590,000 cars"


class Fleet(NamedTuple):
    """The state, `(r,)` averaged over makers, and `(r, m)` where said; sums are over the months so far."""

    price: Floats  # of full control, this month
    cheating: Floats
    passed: Floats
    road: Floats  # fading average of a year
    months: Floats
    excess: Floats  # sum of what cars emitted above the limit
    saved: Floats  # sum
    owed: Ints  # (r, m) months of cheating not fined yet, at most `back`
    found: Bools  # (r, m) ever
    unfound: Floats  # (r, m) months of cheating up to the first find


@final
@dataclass(frozen=True)
class Emissions(World[Fleet]):
    """Makers that each choose a calibration for their cars, which are tested, driven, and now and then audited."""

    makers: Annotated[int, Par("1", "makers, each with an engine and a model that chooses its calibration", low=1)] = 10
    tricks: Annotated[int, Par("1", "ways to tell a test, each a design", low=1, high=64, source=NOTICE)] = 4
    control: Annotated[
        float, Par("USD", "what full control costs, a car; 0 while the limit is met without", low=0, live=True)
    ] = 0.0
    trick: Annotated[float, Par("USD", "what a trick costs, a car", low=0)] = 5.0
    margin: Annotated[float, Par("USD", "what is lost on a car that fails the test and is not sold", low=0)] = 1000.0
    recognised: Annotated[float, Par("1", "chance that a test is told from the road", low=0, high=1, live=True)] = 1.0
    audits: Annotated[float, Par("1", "chance that a maker is audited in a month: f", low=0, high=1, live=True)] = 0.0
    cycle: Annotated[float, Par("1", "share of audits run on the test cycle", low=0, high=1, live=True)] = 0.0
    detects: Annotated[float, Par("1", "chance that an audit on the road finds a car dirty there", low=0, high=1)] = 0.9
    screened: Annotated[bool, Par("1", "whether all cars with a trick that was found are found with it")] = True
    fine: Annotated[float, Par("USD", "fine a car", low=0, source=PAID, live=True)] = 7200.0
    back: Annotated[int, Par("1", "unfined months of cheating that a find is fined for, at most: L", low=1)] = 1
    insured: Annotated[float, Par("1", "share of fines paid as a fair premium while cheating", low=0, high=1)] = 0.0
    clean: Annotated[float, Par("1", "emissions with full control, in limits", low=0, high=1)] = 0.8
    dirty: Annotated[float, Par("1", "emissions without, in limits", low=1, source=WVU)] = 20.0
    limit: Annotated[float, Par("g/km", "the limit for NOx", above=0, source="US Tier 2 bin 5: 0.07 g/mile")] = 0.0435
    driven: Annotated[float, Par("km", "driven by a car in a month", above=0)] = 1800.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "road": Measure("1", "emissions of cars on the road in the last year, in limits", "higher"),
        "passed": Measure("1", "share of this month's cars that passed the test", "lower"),
        "cheating": Measure("1", "share of makers whose cars on the road are dirtier than in the test", "higher"),
        "emitted": Measure("kg", "NOx above the limit so far, for each car kept on the road", "higher"),
        "found": Measure("1", "share of makers that were found cheating so far"),
        "unfound": Measure("1", "months for which a maker cheated up to its first find, or so far", "higher"),
        "saved": Measure("USD", "what a car cost less than with full control, fines included, on average so far"),
    }

    @property
    def spec(self) -> Spec:
        """Each model chooses a design; all it could see is what full control costs, the same for all."""
        return Spec(models=self.makers, asks="choice", features=1, choices=self.tricks + 2)

    @property
    def tick(self) -> float:
        """A month of 30 days."""
        return MONTH

    @property
    def hazard(self) -> float:
        """The chance that a cheat is found in a month by an audit of its own: h = f pi, of audits on the road."""
        return self.audits * self.detects * (1 - self.cycle * self.recognised)

    def start(self, luck: Luck) -> Fleet:
        """Only clean cars on the road."""
        r, each = luck.replications, (luck.replications, self.makers)
        nothing, road = np.zeros(r), np.full(r, self.clean)
        never, owed = np.zeros(each, dtype=bool), np.zeros(each, dtype=np.int64)
        return Fleet(road * 0 + self.control, nothing, nothing + 1, road, *(nothing,) * 3, owed, never, np.zeros(each))

    def settle(self, state: Fleet) -> Fleet:
        """Sums begin anew; what is on the road stays."""
        nothing = np.zeros_like(state.months)
        never, none = np.zeros_like(state.found), np.zeros_like(state.unfound)
        return state._replace(months=nothing, excess=nothing, saved=nothing, found=never, unfound=none)

    def observe(self, state: Fleet) -> Floats:
        """`(r, 1, 1)`: what full control costs."""
        return state.price[:, None, None].copy()

    def fallback(self, state: Fleet, luck: Luck) -> Ints:
        """Without a model an engine has full control, `(r, m)`."""
        return np.zeros((luck.replications, self.makers), dtype=np.int64)

    def step(self, state: Fleet, action: Action, luck: Luck) -> tuple[Fleet, Feedback]:
        """Cars are tested, sold, driven and audited; what each cost in all `(r, m)` is known at the end of the month."""
        s, design = state, action.value
        honest, bare = design == HONEST, design > self.tricks
        tricky = ~(honest | bare)
        cheat = tricky & (luck.uniform("test", design.shape) < self.recognised)
        refused = bare | (tricky & ~cheat)
        caught = cheat & (luck.uniform("audit", design.shape) < self.hazard)
        chance = np.where(cheat, self.hazard, 0.0)
        if self.screened and self.hazard:
            alike, hit = (how_often((some * design)[:, None], self.tricks + 2)[:, 0] for some in (cheat, caught))
            finds = 1 - (1 - self.hazard) ** np.arange(self.makers + 1)  # by how many cars there are with the trick
            caught = cheat & np.take_along_axis(hit > 0, design, axis=1)
            chance = cheat * finds.take(np.take_along_axis(alike, design, axis=1))
        owed = np.minimum(s.owed + cheat, self.back)
        pays = self.insured * chance + (1 - self.insured) * caught
        cost = self.control * honest + self.trick * tricky + self.margin * refused + self.fine * owed * pays
        sold = self.makers - counted(refused)
        emits = (self.clean * honest + self.dirty * cheat).sum(axis=1) / np.maximum(sold, 1)
        above = (cheat * (self.dirty - 1)).sum(axis=1) / np.maximum(sold, 1)
        then = Fleet(
            price=np.full_like(s.price, self.control),
            cheating=counted(cheat) / self.makers,
            passed=sold / self.makers,
            road=s.road + np.where(sold > 0, (emits - s.road) / YEAR, 0.0),
            months=s.months + 1,
            excess=s.excess + above,
            saved=s.saved + self.control - cost.mean(axis=1),
            owed=np.where(caught, 0, owed),
            found=s.found | caught,
            unfound=s.unfound + (cheat & ~s.found),
        )
        return then, Feedback(cost, censored=refused | caught)

    def measure(self, state: Fleet) -> dict[str, Floats]:
        """The measures now."""
        s, grams = state, self.limit * self.driven
        now = {"found": counted(s.found) / self.makers, "unfound": s.unfound.mean(axis=1)}
        now |= {"emitted": s.excess * grams / 1000, "saved": s.saved / np.maximum(s.months, 1)}
        return {name: now[name] if name in now else getattr(s, name) for name in self.measures}
