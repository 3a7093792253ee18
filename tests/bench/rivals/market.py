"""What the rivals written in Python share: the reference world's markets and learners, and the numbers they may be dealt.

The reference world is `performative` with a market for each model: its agents mix a belief with what the model foretells, the
outcome moves with their mean act, and every model learns from it at every tick. A rival makes a `Town` of `Parameters`, with
its own random numbers or, to be held against the kernel, with those that the kernel was dealt.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import numpy as np


class Parameters(NamedTuple):
    """Of the world and of its ridge regressions; see `worlds/performative.py`."""

    markets: int
    agents: int
    listeners: int
    base: float
    response: float
    cross: float
    trust: float
    spread: float
    bound: float
    context: float
    alike: float
    error: float
    noise: float
    penalty: float
    keep: float


class Dealt(NamedTuple):
    """The numbers of one replication, an entry a tick."""

    weather: np.ndarray  # (t,)
    conditions: np.ndarray  # (t, m)
    error: np.ndarray  # (t, m)
    belief: np.ndarray  # (t, m, n)
    noise: np.ndarray  # (t, m)


class Markets:
    """All that is not an agent, in plain Python: `open` says what models foretell, `close` takes mean acts and mean squares."""

    def __init__(self, p: Parameters, dealt: Dealt | None, seed: int = 1) -> None:
        self.p, self.tick, self.loss = p, 0, 0.0
        self.random = Random(seed)
        self.dealt = None if dealt is None else Dealt(*(each.tolist() for each in dealt))
        self.sums = [[0.0] * 5 for _ in range(p.markets)]
        self.theta: list[float] = []
        self.said: list[float] = []

    def open(self) -> list[float]:
        p, dealt, gauss = self.p, self.dealt, self.random.gauss
        weather = gauss(0, 1) if dealt is None else dealt.weather[self.tick]
        own = [gauss(0, 1) for _ in self.sums] if dealt is None else dealt.conditions[self.tick]
        error = [gauss(0, 1) for _ in self.sums] if dealt is None else dealt.error[self.tick]
        near, far = math.sqrt(p.alike), math.sqrt(1 - p.alike)
        self.conditions = [near * weather + far * each for each in own]
        self.readings = [c + p.error * e for c, e in zip(self.conditions, error, strict=True)]
        self.said = []
        for (a, b, c, y, z), x in zip(self.sums, self.readings, strict=True):
            a, c = a + p.penalty, c + p.penalty
            det = a * c - b * b
            self.said.append((c * y - b * z) / det + (a * z - b * y) / det * x)
        return self.said

    def close_on(self, acts: list[list[float]]) -> None:
        """Close with what everybody did, a list for each market."""
        n = self.p.agents
        self.close([sum(each) / n for each in acts], [sum(a * a for a in each) / n for each in acts])

    def close(self, means: list[float], squares: list[float]) -> None:
        p, whole, total = self.p, 0.0, sum(means)
        gauss = self.random.gauss
        noise = [gauss(0, 1) for _ in means] if self.dealt is None else self.dealt.noise[self.tick]
        for k, (mean, square, condition, x) in enumerate(
            zip(means, squares, self.conditions, self.readings, strict=True)
        ):
            fundamental = p.base + p.context * condition
            theta = fundamental + p.response * mean + p.cross * (total - mean) / max(p.markets - 1, 1)
            y = theta + p.noise * noise[k]
            whole += theta
            self.loss += (square - 2 * fundamental * mean + fundamental**2) / p.markets
            new = 1.0, x, x * x, y, x * y
            self.sums[k] = [p.keep * old + one for old, one in zip(self.sums[k], new, strict=True)]
        self.theta.append(whole / p.markets)
        self.tick += 1
