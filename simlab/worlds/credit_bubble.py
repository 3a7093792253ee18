"""Credit bubble: banks lend on the word of their default models, and sell into one market when the models were wrong.

Loans are grouped in classes. At a bank with many of them the loss rate of class k within a tick is that of Vasicek (2002, Risk 15(12),
160-162), whose limit of many loans is taken as exact:

    L = Phi(z),   z = (Phi^-1(p) + b c_k - support log(H_k / H*_k) - sqrt(rho) Y) / sqrt(1 - rho),   Y = sqrt(alike) F + sqrt(1 - alike) V

with c_k the condition of the class, F common to all banks and lowered by `turn`, and V the bank's own luck in the class. H_k is what all
banks lend and H*_k what they would lend if they took p for certain: easy credit masks bad loans (Demyanyk & Van Hemert 2011, RFS 24).
A model foretells z from the condition as its view reads it, with an error that is one for all classes. The bank takes the answer for
the truth, and holds against each unit lent the q-quantile of its loss, expected losses and all (Basel II 2004):

    K = lgd Phi(said + sqrt(rho / (1 - rho)) Phi^-1(q))

With one class, unlimited evidence and no cap it fails, before any sales, with probability

    1 - Phi(sqrt(rho) Phi^-1(q) / sqrt(rho + v)),   v = b^2 e^2 / (1 + e^2)

and not 1 - q: nothing is held against v, the model's own error. That is so in every wiring; whether banks err together is another matter.

Who lost more than `buffer` of its capital sells until it is levered as before, and all if none is left (Greenwood, Landier & Thesmar
2015, JFE 115). A class falls by `impact` times the share of it that is sold, and everybody writes down what they hold (Cont & Wagalath
2013, Mathematical Finance 23). `rounds` of this climb to the least consistent fall; the paper has one. A year
later prices have recovered, who failed is founded anew, and the others have made good a part of their losses.

A tick is a year since that is the horizon of capital in Basel II; it is part of the source. Nothing is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np
from scipy.special import ndtr, ndtri

from simlab.base.arrays import Array, Floats
from simlab.base.errors import ParameterError
from simlab.base.kernels import one_factor
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.world import Action, Feedback, Measure, Spec, World

BASEL, FLAT = "Basel II (2004)", "Basel I (1988)"
LEAST = f"{BASEL}: least for corporates"
TINY = 1e-12  # of an equity: less is nothing


class Year(NamedTuple):
    """What became of a year, each `(r,)`."""

    down: Floats  # share of the banks that failed
    leverage: Floats  # what all lent, over their equity
    loss_rate: Floats  # share of all loans that defaulted
    written: Floats  # share of what was lent that was written down
    fall: Floats  # the part of it by which sales moved prices


class Tally(NamedTuple):
    """Sums over the years so far, each `(r,)`, or `(r, 2)` for years without and with a fire sale."""

    failing: Floats  # share of the banks that failed
    any: Floats  # years with a failure
    half: Floats  # years in which at least half failed
    lost: Floats
    kind: Floats  # years
    mean: Floats  # mean return of the banks
    common: Floats  # its square
    square: Floats  # mean square of a bank's return


class Books(NamedTuple):
    """The state: conditions, errors of the views, and the banks."""

    condition: Floats  # (r, k) standard normal, high where loans are bad
    error: Floats  # (r, m) of each view, standard normal
    equity: Floats  # (r, m) in what a bank is founded with
    year: Year
    total: Tally


@final
@dataclass(frozen=True)
class CreditBubble(World[Books]):
    """Banks that hold capital by their models' word, in asset classes that all of them hold."""

    models: Annotated[int, Par("1", "banks, each with a default model", low=1)] = 40
    classes: Annotated[int, Par("1", "asset classes", low=1)] = 4
    spread: Annotated[float, Par("1", "share of capital spread over all classes, not at home", low=0, high=1)] = 0.5
    default_rate: Annotated[float, Par("1", "usual share of defaults in a year", above=0, below=0.5, live=True)] = 0.01
    turn: Annotated[float, Par("1", "standard deviations the common factor has turned by", live=True)] = 0.0
    correlation: Annotated[float, Par("1", "of borrowers' assets", above=0, below=1, source=LEAST)] = 0.12
    alike: Annotated[float, Par("1", "share of that which banks have in common", low=0, high=1)] = 0.3
    swing: Annotated[float, Par("1", "change of the default threshold with a condition", low=0)] = 0.6
    lasting: Annotated[float, Par("1", "correlation of a condition with itself a year later", low=0, high=1)] = 0.8
    error: Annotated[float, Par("1", "error of a view, in standard deviations of a condition", low=0)] = 0.6
    support: Annotated[float, Par("1", "fall of that threshold with the log of what is lent", low=0)] = 0.1
    lgd: Annotated[float, Par("1", "loss given default", above=0, high=1, source=f"{BASEL}, senior")] = 0.45
    quantile: Annotated[float, Par("1", "chance that capital lasts", above=0.5, below=1, source=BASEL)] = 0.999
    capital: Annotated[float, Par("1", "capital held, of what the model asks for", above=0)] = 1.0
    standard: Annotated[float, Par("1", "capital for a unit lent without a model", above=0, high=1, source=FLAT)] = 0.08
    cap: Annotated[float, Par("1", "most that a bank lends, of its equity", above=0)] = 50.0
    buffer: Annotated[float, Par("1", "share of its capital lost from which a bank sells", low=0, high=1)] = 0.5
    impact: Annotated[float, Par("1", "share by which a class falls if all of it is sold", low=0, high=1)] = 0.03
    rounds: Annotated[int, Par("1", "rounds of sales within a year", low=1, high=100)] = 4
    glut: Annotated[float, Par("1", "share of all assets sold that makes a fire sale", low=0, high=1)] = 0.1
    rebuild: Annotated[float, Par("1", "share of missing equity made good in a year", low=0, high=1)] = 0.5
    step_time: Annotated[float, Par("s", "a year, the horizon of capital", above=0, source=BASEL)] = 365 * 86_400.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "down": Measure("1", "share of the banks that failed, last year", "higher"),
        "failing": Measure("1", "share of the banks that failed a year, mean so far", "higher"),
        "any": Measure("1", "share of the years so far in which a bank failed", "higher"),
        "half": Measure("1", "share of the years so far in which at least half of the banks failed", "higher"),
        "leverage": Measure("1", "what all banks lent over their equity, last year"),
        "extra": Measure("1", "lent beyond what the flat standard allows, of that, last year"),
        "loss_rate": Measure("1", "share of the loans that defaulted, last year", "higher"),
        "written": Measure("1", "share of what was lent that was written down, last year", "higher"),
        "fall": Measure("1", "the part of it by which sales moved prices", "higher"),
        "calm": Measure("1", "correlation of banks' returns, years without fire sales", may_be_undefined=True),
        "sale": Measure("1", "the same about the usual return, years with them", "higher", may_be_undefined=True),
        "lost": Measure("1", "losses beyond their capital of failed banks so far, in equities, a bank", "higher"),
    }

    def check(self) -> None:
        """Refuse a class that is at home nowhere."""
        if self.classes > self.models:
            raise ParameterError(f"CreditBubble.classes must be at most models ({self.models}), not {self.classes}")

    @property
    def spec(self) -> Spec:
        """Each model foretells the probit of every class's loss rate, from a 1 and the condition as its view reads it."""
        return Spec(models=self.models, views=self.models, case=(self.classes,), features=2)

    @property
    def tick(self) -> float:
        """Seconds of a year."""
        return self.step_time

    def start(self, luck: Luck) -> Books:
        """Banks as they are founded; conditions have their stationary law."""
        r, m = luck.replications, self.models
        condition, error = luck.normal("condition", (r, self.classes)).copy(), luck.normal("view error", (r, m)).copy()
        year, total = Year(*np.zeros((5, r))), Tally(*np.zeros((4, r)), *np.zeros((4, r, 2)))
        return Books(condition, error, np.ones((r, m)), year, total)

    def settle(self, state: Books) -> Books:
        """Sums begin anew."""
        return state._replace(total=Tally(*(np.zeros_like(sums) for sums in state.total)))

    def observe(self, state: Books) -> Floats:
        """`(r, m, k, 2)`: 1, and the condition of each class with the view's error."""
        x = np.ones((2, *state.error.shape, self.classes))  # a feature of all models lies together
        np.add(state.condition[:, None], (self.error * state.error)[..., None], out=x[1])
        return x.transpose(1, 2, 3, 0)

    def act(self, state: Books, said: Array, luck: Luck) -> Action:
        """What each bank lends in each class, of its equity, `(r, m, k)`, on what its model `said`."""
        return Action(self._capped(self._shares / np.maximum(self._held(said) * self.capital, TINY)))

    def fallback(self, state: Books, luck: Luck) -> Floats:
        """Without a model: the same capital for every unit lent, `(r, m, k)`."""
        return self._capped(np.broadcast_to(self._shares / self.standard, (len(state.equity), *self._shares.shape)))

    def step(self, state: Books, action: Action, luck: Luck) -> tuple[Books, Feedback]:
        """A year: loans default, short banks sell, and everybody learns the probits of their own loss rates, `(r, m, k)`."""
        before, lent = state.equity, state.equity[..., None] * action.value
        z = self._probits(state.condition, lent, luck)
        defaults = lent * ndtr(z)
        whole, bad = (np.einsum("rmk->rm", a) for a in (lent, defaults))
        credit = self.lgd * bad
        part, after = self._sales(before, before - credit, lent - self.lgd * defaults, whole - credit)
        failed = after <= 0
        everything = np.maximum(whole.sum(axis=1), TINY)
        loans, written = (a.sum(axis=1) / everything for a in (bad, before - after))
        lever = everything / before.sum(axis=1)
        year = Year(failed.mean(axis=1), lever, loans, written, written - self.lgd * loans)
        sold = (part * (whole - credit)).sum(axis=1) > self.glut * (whole - credit).sum(axis=1)
        returns, lost = (after - before) / np.maximum(whole, TINY), -(after * failed).mean(axis=1)
        total = self._counted(state.total, year.down, lost, returns, sold)
        equity = np.maximum(after, failed)  # founded anew with 1
        equity += self.rebuild * (1 - equity)
        seen = None if self.spread else (lent > 0) * 1.0  # nobody reports the losses of others
        keep, fresh = self.lasting, luck.normal("condition", state.condition.shape)
        condition = keep * state.condition + math.sqrt(1 - keep * keep) * fresh
        return Books(condition, luck.normal("view error", before.shape).copy(), equity, year, total), Feedback(z, seen)

    def measure(self, state: Books) -> dict[str, Floats]:
        """The measures now; a correlation is undefined before there was a year of its kind."""
        t, now = state.total, state.year._asdict()
        years = np.maximum(t.kind.sum(axis=1), 1)
        now |= {name: getattr(t, name) / years for name in ("failing", "any", "half")}
        now |= {"extra": now["leverage"] * self.standard - (now["leverage"] > 0), "lost": t.lost}
        now["calm"], now["sale"] = self._kinship(t).T
        return {name: now[name].copy() for name in self.measures}

    def _held(self, said: Array) -> Floats:
        """Capital that the quantile asks for each unit lent, where the median loss has the probit `said`."""
        rho = self.correlation
        return np.asarray(self.lgd * ndtr(said + math.sqrt(rho / (1 - rho)) * ndtri(self.quantile)))

    @property
    def _shares(self) -> Floats:
        """Share of each bank's capital that stands behind each class, `(m, k)`."""
        home = np.arange(self.models)[:, None] % self.classes == np.arange(self.classes)
        return np.asarray(self.spread / self.classes + (1 - self.spread) * home)

    def _capped(self, lever: Floats) -> Floats:
        """Leverage `(r, m, k)` scaled down to the cap."""
        return np.asarray(lever * np.minimum(1, self.cap / np.maximum(np.einsum("rmk->rm", lever), TINY))[..., None])

    def _probits(self, condition: Floats, lent: Floats, luck: Luck) -> Floats:
        """The probit of every bank's loss rate in every class, `(r, m, k)`."""
        threshold, slope = float(ndtri(self.default_rate)), 1 / math.sqrt(1 - self.correlation)
        level = threshold + self.swing * condition
        if self.support:
            usual = self._capped((self._shares / self._held(np.array(threshold * slope)))[None]).sum(axis=1)
            level -= self.support * np.log(np.maximum(lent.sum(axis=1), TINY) / np.maximum(usual, TINY))
        z = one_factor(luck.normal("factor", (len(lent), 1, 1)) - self.turn, luck.normal("own", lent.shape), self.alike)
        z *= -math.sqrt(self.correlation)
        z += level[:, None]
        return z * slope

    def _sales(self, before: Floats, first: Floats, assets: Floats, left: Floats) -> tuple[Floats, Floats]:
        """The part of its assets that each bank sells and its equity then, `(r, m)`; `first` is its equity before any sales."""
        size = np.maximum(assets.sum(axis=1), TINY)
        equity, per = first, (left + before - first) / before / np.maximum(left, TINY)
        for _ in range(self.rounds):  # what is sold and how far prices fall only grow
            part = np.minimum(np.maximum(1 - per * equity, 0), 1) * (equity < (1 - self.buffer) * before)
            fall = self.impact * np.einsum("rm,rmk->rk", part, assets) / size
            equity = first - np.einsum("rmk,rk->rm", assets, fall)
        return part, equity

    def _counted(self, t: Tally, down: Floats, lost: Floats, returns: Floats, sold: Array) -> Tally:
        """The tally with one more year."""
        kind = np.stack([~sold, sold], axis=1).astype(np.float64)
        mean, square = returns.mean(axis=1)[:, None], (returns * returns).mean(axis=1)[:, None]
        new = down, down > 0, down >= 0.5, lost, kind, kind * mean, kind * mean**2, kind * square
        return Tally(*(sums + more for sums, more in zip(t, new, strict=True)))

    def _kinship(self, t: Tally) -> Floats:
        """Mean product of two banks' deviations from the usual return over the mean square of one's, `(r, 2)`."""
        usual = t.mean.sum(axis=1, keepdims=True) / np.maximum(t.kind.sum(axis=1, keepdims=True), 1)
        common, square = (sums + (usual * t.kind - 2 * t.mean) * usual for sums in (t.common, t.square))
        known = (square > TINY) & (self.models > 1)
        pairs = (self.models * common / np.where(known, square, 1) - 1) / max(self.models - 1, 1)
        return np.where(known, pairs, np.nan)
