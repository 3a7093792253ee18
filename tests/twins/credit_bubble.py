"""Banks that lend on the word of their models once more, slowly: one SimPy process for each bank, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. At one instant models
train first, then every bank lends, and at the end of the year loans default, the short sell, and everybody takes note.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import simpy

from tests.twins import timetable
from tests.twins.cascade import Ridge

Process = Generator[simpy.Event, Any, None]
NORMAL = NormalDist()


def phi(z: float) -> float:
    """The standard normal distribution function, exact in its lower tail too."""
    return math.erfc(-z / math.sqrt(2)) / 2


class Bank:
    """What one bank has: its capital, what it lends in each class, and how its year went."""

    def __init__(self, classes: int) -> None:
        self.capital = 1.0
        self.asked: list[tuple[float, float]] = []
        self.lent = [0.0] * classes
        self.probits = [0.0] * classes
        self.sold = 0.0
        self.left = 0.0
        self.ended = 0.0


class Lending:
    """All banks and the market they sell in; `noise` holds for each purpose one entry a year, the first for what is met in the first.

    `turned` is (first year, by how much) of the common factor; `plain` says whether banks follow the flat standard, not their models.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        wiring: Mapping[str, Any],
        learner: Mapping[str, float],
        *,
        every: int,
        turned: tuple[int, float] = (10**9, 0.0),
        plain: bool = False,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.turned, self.plain = turned, plain
        self.models = [Ridge(size=2, **learner) for _ in wiring["taught_by"]]
        self.banks = [Bank(self.p.classes) for _ in range(self.p.models)]
        self.condition = list(noise["condition"][0])
        self.year = 0
        self.down: list[float] = []
        self.leverage: list[float] = []
        self.defaulted: list[float] = []
        self.written: list[float] = []
        self.fallen: list[float] = []
        self.lost: list[float] = []
        self.returns: list[list[float]] = []
        self.glut: list[bool] = []
        self.env = simpy.Environment()
        timetable.keep(self.env, self.models, every, len(self.models), 1)
        for m in range(self.p.models):
            self.env.process(self.bank(m))
        self.env.process(self.closing())

    def run(self, years: int) -> None:
        self.env.run(until=years - 0.5)

    def share(self, m: int, k: int) -> float:
        """Of the capital of bank m, what stands behind class k."""
        return self.p.spread / self.p.classes + (1 - self.p.spread) * (m % self.p.classes == k)

    def charge(self, probit: float) -> float:
        """Capital for a unit lent where the loss rate has that probit in the median."""
        rho = self.p.correlation
        return self.p.lgd * phi(probit + math.sqrt(rho / (1 - rho)) * NORMAL.inv_cdf(self.p.quantile))

    def within_the_cap(self, leverage: Sequence[float]) -> list[float]:
        whole = sum(leverage)
        return [part * self.p.cap / whole if whole > self.p.cap else part for part in leverage]

    def bank(self, m: int) -> Process:
        """Every year: ask the model about each class, and lend what its word allows."""
        p, bank = self.p, self.banks[m]
        view, model = self.wiring["view_of"][m], self.models[self.wiring["brain_of"][m]]
        while True:
            error = p.error * self.noise["view error"][self.year][view]
            bank.asked = [(1.0, c + error) for c in self.condition]
            charges = [p.standard if self.plain else p.capital * self.charge(model.predict(x)) for x in bank.asked]
            leverage = self.within_the_cap([self.share(m, k) / charge for k, charge in enumerate(charges)])
            bank.lent = [bank.capital * part for part in leverage]
            yield self.env.timeout(1)

    def closing(self) -> Process:
        """The end of every year."""
        while True:
            self.default()
            self.sell()
            self.take_note()
            self.year += 1
            keep, news = self.p.lasting, self.noise["condition"][self.year]
            self.condition = [
                keep * c + math.sqrt(1 - keep**2) * new for c, new in zip(self.condition, news, strict=True)
            ]
            yield self.env.timeout(1)

    def default(self) -> None:
        """How many loans default at every bank in every class."""
        p, rho = self.p, self.p.correlation
        since, turn = self.turned
        common = self.noise["factor"][self.year + 1] - (turn if self.year >= since else p.turn)
        threshold = NORMAL.inv_cdf(p.default_rate)
        charge = self.charge(threshold / math.sqrt(1 - rho))
        usual = [self.within_the_cap([self.share(m, k) / charge for k in range(p.classes)]) for m in range(p.models)]
        for k in range(p.classes):
            easy = sum(bank.lent[k] for bank in self.banks) / sum(row[k] for row in usual)
            level = threshold + p.swing * self.condition[k] - p.support * math.log(easy)
            for m, bank in enumerate(self.banks):
                own = self.noise["own"][self.year + 1][m][k]
                factor = math.sqrt(p.alike) * common + math.sqrt(1 - p.alike) * own
                bank.probits[k] = (level - math.sqrt(rho) * factor) / math.sqrt(1 - rho)

    def sell(self) -> None:
        """Round after round the short sell, and everybody writes down what they have."""
        p = self.p
        assets = [[a * (1 - p.lgd * phi(z)) for a, z in zip(b.lent, b.probits, strict=True)] for b in self.banks]
        for bank, row in zip(self.banks, assets, strict=True):
            bank.left = sum(row)
            bank.ended = bank.capital - (sum(bank.lent) - bank.left)
        started = [bank.ended for bank in self.banks]
        size = [sum(row[k] for row in assets) for k in range(p.classes)]
        for _ in range(p.rounds):
            for bank in self.banks:
                bank.sold = 0.0
                if bank.ended < (1 - p.buffer) * bank.capital:
                    wanted = sum(bank.lent) / bank.capital * max(bank.ended, 0.0)
                    bank.sold = max(1 - wanted / bank.left, 0.0)
            sold = [
                sum(bank.sold * row[k] for bank, row in zip(self.banks, assets, strict=True)) for k in range(p.classes)
            ]
            fall = [p.impact * part / whole for part, whole in zip(sold, size, strict=True)]
            for bank, row, start in zip(self.banks, assets, started, strict=True):
                bank.ended = start - sum(a * f for a, f in zip(row, fall, strict=True))
        everything = sum(sum(bank.lent) for bank in self.banks)
        self.fallen.append(sum(f * s for f, s in zip(fall, size, strict=True)) / everything)
        self.written.append(sum(bank.capital - bank.ended for bank in self.banks) / everything)
        self.glut.append(sum(sold) > p.glut * sum(size))

    def take_note(self) -> None:
        """What became of the year; models are told, and banks go on or are founded anew."""
        p = self.p
        everything = sum(sum(bank.lent) for bank in self.banks)
        self.leverage.append(everything / sum(bank.capital for bank in self.banks))
        losses = sum(a * phi(z) for bank in self.banks for a, z in zip(bank.lent, bank.probits, strict=True))
        self.defaulted.append(losses / everything)
        self.down.append(sum(bank.ended <= 0 for bank in self.banks) / p.models)
        self.lost.append(sum(max(-bank.ended, 0.0) for bank in self.banks) / p.models)
        self.returns.append([(bank.ended - bank.capital) / sum(bank.lent) for bank in self.banks])
        for model, pool in zip(self.models, self.wiring["taught_by"], strict=True):
            model.fade()
            heard = [bank for bank, where in zip(self.banks, self.wiring["data_of"], strict=True) if where == pool]
            model.see([case for bank in heard for case in zip(bank.asked, bank.probits, strict=True)])
        for bank in self.banks:
            kept = bank.ended if bank.ended > 0 else 1.0
            bank.capital = kept + p.rebuild * (1 - kept)

    def kinship(self, glut: bool) -> float:
        """Mean over pairs of banks of the product of their deviations from the usual return, over the mean square of one's."""
        usual = sum(sum(row) for row in self.returns) / len(self.returns) / self.p.models
        rows = [[r - usual for r in row] for row, kind in zip(self.returns, self.glut, strict=True) if kind == glut]
        if not rows:
            return math.nan
        n = self.p.models
        pairs = sum(row[i] * row[j] for row in rows for i in range(n) for j in range(i)) / (n * (n - 1) / 2)
        return pairs / (sum(d * d for row in rows for d in row) / n)
