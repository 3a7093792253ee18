"""Desks where a model does most of the cases and a person the rest, or all of them on the day the model falls silent.

A person keeps a skill K, from 0 to 1, by using it. With u the share of the desk's cases that are done by hand,

    dK/dt = g u (1 - K) - l (1 - u) K,   K* = g u / (g u + l (1 - u)),   g = ln 2 / relearning,   l = ln 2 / forgetting,

which is followed exactly from tick to tick. A person's judgement misses by a normal error of standard deviation
s = K expert + (1 - K) novice, so a case done by hand goes wrong with chance 2 Phi(-tolerance / s). People work for all desks: there are
hands for a share of all cases, which follows `reserve` times what is done by hand, with time constant `turnover`. When more is handed
over than there are hands for, each case is reached with the same chance, and one that is not reached has gone wrong. At rest a desk
that is handed over alone fails in h of its cases, and one that is handed over with all others in more,

    h = 2 Phi(-tolerance / s(K*)),   1 - a + a h,   a = min(1, reserve u).

That automation takes away the practice on which its supervision rests is Bainbridge (1983), "Ironies of automation", Automatica
19(6); use, misuse and disuse are Parasuraman & Riley (1997), Human Factors 39(2). That skill fades with disuse, and sooner where thinking
and accuracy count, are Arthur, Bennett, Stanush & McNelly (1998), Human Performance 11(1), and Casner, Geven, Recker & Schooler
(2014), Human Factors 56(8); half of what was gained is lost in about 6.5 months where accuracy counts (Tatel & Ackerman 2025,
Psychological Bulletin). The form of the equation, all else in it and the staffing are chosen for the mechanism; nothing is fitted.

The same items come to all desks, and each decides for itself. A model sees an item as its view reads it; at best it errs with variance
error^2 / (1 + error^2). A view goes dark at a rate and then shows nothing but zeros for a while; a model that says exactly 0 is taken
to say nothing, as before its first training, and its desk is handed over. Models learn from what people decided and from
nothing else: the more they do, the less they learn. Items, readings and slips are bulk noise (none beyond 4.3 standard
deviations). A tick is a day; halving it changes nothing but luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

DAY = 86_400.0
WEEK = 7 * DAY


class Desks(NamedTuple):
    """The state: of each desk `(r, m)` or view `(r, v)`, and sums over desks, cases and ticks so far, each `(r,)`."""

    item: Floats  # (r, n) what each item calls for, but for the shift
    reading: Floats  # (r, v, n) error of each view, standard normal
    slip: Floats  # (r, m, n) how a person at each desk would miss, standard normal
    dark: Ints  # (r, v) for how many ticks a view still shows nothing
    said: Floats  # (r, m, n) what models said at this tick; NaN where nobody asked them
    skill: Floats  # (r, m)
    lately: Floats  # (r, m) share of cases that went wrong, fading with a week
    staff: Floats  # (r,) share of all cases for which there are hands
    by_hand: Floats  # (r,) share of all cases left to people at the last tick
    worst: Floats  # (r,) largest share of failing desks so far
    ticks: Floats
    wrong: Floats  # share of the cases that went wrong
    left: Floats  # share left to people
    missed: Floats  # share left to people and not reached
    over: Floats  # desks handed over as a whole, as a share
    failed: Floats  # cases of such desks that went wrong, as a share of all cases


@final
@dataclass(frozen=True)
class Oversight(World[Desks]):
    """Desks that decide about the same items; each has a model and a person, and the people stand in for one another."""

    desks: Annotated[int, Par("1", "desks, each with one model and one person", low=1)] = 10
    cases: Annotated[int, Par("1", "cases of each desk in a tick", low=1)] = 20
    automation: Annotated[
        float, Par("1", "share of a desk's cases that is left to its model, to whole cases", low=0, high=1, live=True)
    ] = 0.95
    error: Annotated[float, Par("1", "error of a view, in standard deviations of the items", low=0, live=True)] = 0.2
    tolerance: Annotated[float, Par("1", "how far off a decision may be, in the same unit", above=0)] = 0.6
    shift: Annotated[float, Par("1", "how far all items have moved from what their readings tell", live=True)] = 0.0
    expert: Annotated[float, Par("1", "error of a person in full practice, in the same unit", low=0)] = 0.3
    novice: Annotated[float, Par("1", "error of a person who has lost all skill, in the same unit", low=0)] = 1.0
    relearning: Annotated[
        float, Par("s", "time in which half of what is missing of a skill comes back, all cases by hand", above=0)
    ] = 20 * DAY
    forgetting: Annotated[
        float,
        Par("s", "time in which half of a skill is lost without any case", above=0, source="Tatel & Ackerman 2025"),
    ] = 198 * DAY
    reserve: Annotated[
        float, Par("1", "hands that are kept, in terms of what is usually done by hand", low=1, live=True)
    ] = 2.0
    turnover: Annotated[float, Par("s", "time constant with which the number of hands follows the need", above=0)] = (
        120 * DAY
    )
    failing: Annotated[float, Par("1/day", "rate at which a view goes dark", low=0, high=100, live=True)] = 0.0
    outage: Annotated[float, Par("s", "how long it stays dark", above=0)] = 14 * DAY
    line: Annotated[float, Par("1", "share of a week's cases gone wrong above which a desk fails", low=0, high=1)] = 0.2
    step_time: Annotated[float, Par("s", "time between two lots of cases", above=0)] = DAY

    measures: ClassVar[Mapping[str, Measure]] = {
        "failing": Measure(
            "1", "share of the desks that fail: more of the week's cases went wrong than the line", "higher"
        ),
        "worst": Measure("1", "largest share of the desks that failed at one time so far", "higher"),
        "wrong": Measure("1", "share of all cases so far that went wrong", "higher"),
        "handover": Measure(
            "1", "share of cases gone wrong so far at desks handed over as a whole", "higher", may_be_undefined=True
        ),
        "unreached": Measure(
            "1", "share of the cases left to people so far that nobody reached", "higher", may_be_undefined=True
        ),
        "skill": Measure("1", "skill of the people, average of the desks, now", "lower"),
        "staff": Measure("1", "share of all cases for which there are hands, now"),
        "by_hand": Measure("1", "share of the cases left to people at the last tick"),
    }

    def check(self) -> None:
        """Practice does not make worse."""
        if self.novice < self.expert:
            raise ParameterError(
                f"world.oversight.novice is {self.novice:g} and expert {self.expert:g}; who has lost a skill must err at least as much"
            )

    @property
    def spec(self) -> Spec:
        """Each model says what each item calls for, from a 1 and the item as its view reads it."""
        return Spec(models=self.desks, views=self.desks, case=(self.cases,), features=2)

    @property
    def tick(self) -> float:
        """Seconds between two lots of cases."""
        return self.step_time

    def start(self, luck: Luck) -> Desks:
        """Everybody is in full practice, there are hands for all, and no model was heard."""
        r, m = luck.replications, self.desks
        nothing = np.full((r, m, self.cases), np.nan)
        dark = np.zeros((r, m), dtype=np.int64)
        sums = np.zeros((8, r))
        return Desks(*self._news(luck), dark, nothing, np.ones((r, m)), np.zeros((r, m)), np.ones(r), *sums)

    def settle(self, state: Desks) -> Desks:
        """Sums begin anew."""
        worst, *sums = np.zeros((7, len(state.staff)))
        return Desks(*state[:9], worst, *sums)

    def observe(self, state: Desks) -> Floats:
        """`(r, m, n, 2)`: 1 and each item with the view's error, or zeros where a view is dark."""
        lit = (state.dark == 0)[:, :, None]
        x = np.empty((2, *state.reading.shape))  # a feature of all views lies together
        x[0] = lit
        np.multiply(state.reading, self.error, out=x[1])
        x[1] += state.item[:, None]
        x[1] *= lit
        return x.transpose(1, 2, 3, 0)

    def act(self, state: Desks, said: Array, luck: Luck) -> Action:
        """The first cases of each desk are done as `said` `(r, m, n)`, the rest by hand; all of them where the model says nothing."""
        state.said[:] = said
        given = (np.arange(self.cases) + 0.5) / self.cases < self.automation
        return Action(np.where(given & (said != 0), said, self.fallback(state, luck)))

    def fallback(self, state: Desks, luck: Luck) -> Floats:
        """What the person at each desk would decide, with the skill that is left, `(r, m, n)`."""
        spread = self.novice + (self.expert - self.novice) * state.skill
        plain = state.slip * spread[:, :, None]
        plain += state.item[:, None] + self.shift
        return plain

    def step(self, state: Desks, action: Action, luck: Luck) -> tuple[Desks, Feedback]:
        """Cases are decided; what people decided `(r, m, n)` is learnt from; skill and staff follow what was done by hand."""
        s, done = state, action.value
        hands = done != s.said  # also where nobody asked a model
        share = _share(hands)
        load = share.mean(axis=1)
        off = done - (s.item[:, None] + self.shift)
        wrong = np.abs(off, out=off) > self.tolerance
        reached, practice, short = hands, share, load > s.staff
        if short.any():  # else everybody is reached, and the numbers of this tick are not needed
            chance = s.staff / np.where(short, load, s.staff)
            reached = hands & (luck.uniform("reached", done.shape) < chance[:, None, None])
            practice, wrong = _share(reached), wrong | (hands & ~reached)
        amiss = _share(wrong)
        whole, lately = share == 1, s.lately + (1 - math.exp(-self.tick / WEEK)) * (amiss - s.lately)
        wanted = np.minimum(self.reserve * load, 1.0)
        then = Desks(
            *self._news(luck),
            dark=self._darkened(s.dark, luck),
            said=np.full_like(s.said, np.nan),
            skill=self._practised(s.skill, practice),
            lately=lately,
            staff=s.staff + (1 - math.exp(-self.tick / self.turnover)) * (wanted - s.staff),
            by_hand=load,
            worst=np.maximum(s.worst, (lately > self.line).mean(axis=1)),
            ticks=s.ticks + 1,
            wrong=s.wrong + amiss.mean(axis=1),
            left=s.left + load,
            missed=s.missed + load - practice.mean(axis=1),
            over=s.over + whole.mean(axis=1),
            failed=s.failed + (whole * amiss).mean(axis=1),
        )
        return then, Feedback(done, reached.astype(np.float64))

    def measure(self, state: Desks) -> dict[str, Floats]:
        """The measures now; what is of cases handed over is undefined before there were any."""
        s = state
        with np.errstate(invalid="ignore"):
            return {
                "failing": (s.lately > self.line).mean(axis=1),
                "worst": s.worst.copy(),
                "wrong": s.wrong / np.maximum(s.ticks, 1),
                "handover": s.failed / s.over,
                "unreached": s.missed / s.left,
                "skill": s.skill.mean(axis=1),
                "staff": s.staff.copy(),
                "by_hand": s.by_hand.copy(),
            }

    def _practised(self, skill: Floats, share: Floats) -> Floats:
        """The skill a tick later, after a `share` of cases done by hand `(r, m)`: the equation is linear, and solved exactly."""
        gain, loss = share * (math.log(2) / self.relearning), (1 - share) * (math.log(2) / self.forgetting)
        rest = gain / (gain + loss)
        return np.asarray(rest + (skill - rest) * np.exp(-(gain + loss) * self.tick))

    def _darkened(self, dark: Ints, luck: Luck) -> Ints:
        """Views go dark, and stay so for their time."""
        lasts = max(round(self.outage / self.tick), 1)
        strikes = luck.uniform("outage", dark.shape) < -math.expm1(-self.failing * self.tick / DAY)
        return np.where(dark > 0, dark - 1, lasts * strikes)

    def _news(self, luck: Luck) -> tuple[Floats, Floats, Floats]:
        """The next items `(r, n)`, the errors of their readings `(r, v, n)` and how people would miss `(r, m, n)`."""
        shape = luck.replications, self.desks, self.cases
        item = luck.noise("item", (shape[0], shape[2]))
        return item.copy(), luck.noise("reading", shape).copy(), luck.noise("slip", shape).copy()


def _share(flags: Bools) -> Floats:
    """The share of the cases that are marked, `(r, m, n)` to `(r, m)`: whole numbers are added, so in any order to the same bits."""
    return np.asarray(np.einsum("rmn->rm", flags.astype(np.float64)) / flags.shape[2])
