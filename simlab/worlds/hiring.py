"""Hiring on selective labels: a site hires from a group while its model expects good of it; who is not hired is never judged.

Every week each site has one opening and one applicant from the group. A hire turns out good (worth 1) with chance p or bad (worth -1); else
the opening is filled from elsewhere, which is worth 0 and teaches nothing about the group. A model whose evidence is a lead (its
head start k, plus good hires, less bad ones) hires while the lead is positive. The lead is then a gambler's purse: with p > 1/2 it is
ruined with chance ((1-p)/p)^k (Feller 1968, An Introduction to Probability Theory, vol. 1, chapter XIV), and a ruined lead is never
corrected, however good the group is. Labels that depend on the decision are the selective labels of Lakkaraju, Kleinberg, Leskovec,
Ludwig & Mullainathan (2017), KDD; that greedy learners so underestimate a group for ever, by Komiyama & Noda (2020), arXiv 2010.01079.

With a `contrast` weeks differ: all applicants of a week are strong or weak, each half of the time, and good with chance p + contrast
or p - contrast. A view reads which it is, and misreads it with the same chance in every view, independently. What those who were turned
away would have been worth is known to the world and to no model. A tick is a week because it is part of the source: one
applicant, one decision. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.kernels import counted
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

WEEK = 7 * 86_400.0


class Firm(NamedTuple):
    """The state: of each site `(r, m)`, and sums over sites and weeks so far, each `(r,)`."""

    strong: Ints  # (r,) whether this week's applicants are strong
    reading: Ints  # (r, v) what each view makes of it
    idle: Floats  # (r, m) weeks since the site last hired
    expects: Floats  # (r, m) what a hire was said to be worth at the last opening; NaN before anybody was told
    openings: Floats
    hires: Floats
    good: Floats  # good applicants
    lost: Floats  # good applicants who were turned away
    regret: Floats  # worth given away to one who knows the chance


@final
@dataclass(frozen=True)
class Hiring(World[Firm]):
    """Sites that each have one opening a week, for which somebody from one and the same group applies."""

    sites: Annotated[int, Par("1", "sites, each served by one model", low=1)] = 10
    good: Annotated[float, Par("1", "chance that an applicant turns out good", low=0, high=1, live=True)] = 0.6
    contrast: Annotated[
        float, Par("1", "how much higher it is in a week of strong applicants, lower in one of weak", low=0, high=0.5)
    ] = 0.0
    misread: Annotated[
        float, Par("1", "chance that a view takes strong for weak or weak for strong", low=0, high=1)
    ] = 0.2
    patience: Annotated[int, Par("week", "weeks without a hire after which a site has given up", low=1)] = 1

    measures: ClassVar[Mapping[str, Measure]] = {
        "given_up": Measure("1", "share of the sites that no longer hire from the group", "higher"),
        "turned_away": Measure("1", "share of the good applicants so far who were turned away", "higher"),
        "regret": Measure("1", "worth lost so far, per opening, to one who knows the chance of a good hire", "higher"),
        "hired": Measure("1", "share of the openings so far that went to the group"),
        "expects": Measure(
            "1", "what models say a hire is worth, average of the sites", "lower", may_be_undefined=True
        ),
    }

    def check(self) -> None:
        """A chance stays one in strong and in weak weeks."""
        if not self.contrast <= self.good <= 1 - self.contrast:
            raise ParameterError(
                f"world.hiring.contrast is {self.contrast:g} and good {self.good:g}; good plus or minus contrast must lie from 0 to 1"
            )

    @property
    def spec(self) -> Spec:
        """Each model says what a hire is worth; where weeks do not differ there is nothing to see."""
        if self.contrast == 0:
            return Spec(models=self.sites, states=1)
        return Spec(models=self.sites, views=self.sites, states=2)

    @property
    def tick(self) -> float:
        """One week."""
        return WEEK

    def start(self, luck: Luck) -> Firm:
        """Nobody has applied yet, and no site has stopped."""
        shape = luck.replications, self.sites
        return Firm(*self._intake(luck), np.zeros(shape), np.full(shape, np.nan), *np.zeros((5, shape[0])))

    def settle(self, state: Firm) -> Firm:
        """Sums begin anew."""
        return Firm(*state[:4], *np.zeros((5, len(state.good))))

    def observe(self, state: Firm) -> Ints:
        """`(r, v)`: 1 where a view takes the week's applicants for strong, else 0."""
        return state.reading

    def act(self, state: Firm, said: Array, luck: Luck) -> Action:
        """Hire where a hire is `said` `(r, m)` to be worth more than nothing."""
        state.expects[:] = said
        return Action(said > 0)

    def fallback(self, state: Firm, luck: Luck) -> Bools:
        """Without a model whoever applies is hired, `(r, m)`."""
        return np.ones((luck.replications, self.sites), dtype=bool)

    def step(self, state: Firm, action: Action, luck: Luck) -> tuple[Firm, Feedback]:
        """The worth `(r, m)` of those who were hired is seen, and of nobody else."""
        s, hired = state, action.value
        chance = (self.good + self.contrast * (2 * s.strong - 1))[:, None]
        good = luck.uniform("applicant", hired.shape) < chance
        wrong = hired != (chance > 0.5)
        away = good & ~hired
        then = Firm(
            *self._intake(luck),
            idle=np.where(hired, 0.0, s.idle + 1),
            expects=s.expects,
            openings=s.openings + self.sites,
            hires=s.hires + counted(hired),
            good=s.good + counted(good),
            lost=s.lost + counted(away),
            regret=s.regret + (np.abs(2 * chance - 1) * wrong).sum(axis=1),
        )
        worth = np.where(good, 1.0, -1.0) * hired
        return then, Feedback(worth, hired.astype(np.float64))

    def measure(self, state: Firm) -> dict[str, Floats]:
        """The measures now; nobody was turned away as long as nobody came."""
        s, openings = state, np.maximum(state.openings, 1)
        return {
            "given_up": counted(s.idle >= self.patience) / self.sites,
            "turned_away": s.lost / np.maximum(s.good, 1),
            "regret": s.regret / openings,
            "hired": s.hires / openings,
            "expects": s.expects.mean(axis=1),
        }

    def _intake(self, luck: Luck) -> tuple[Ints, Ints]:
        """Next week's applicants: whether they are strong `(r,)`, and how views read that `(r, v)`."""
        views = self.spec.views
        if self.contrast == 0:
            return np.zeros(luck.replications, dtype=np.int64), np.zeros((luck.replications, views), dtype=np.int64)
        strong = (luck.uniform("intake", (luck.replications,)) < 0.5).astype(np.int64)
        misread = luck.uniform("misreading", (luck.replications, views)) < self.misread
        return strong, strong[:, None] ^ misread
