"""A/B tests once more, slowly: one SimPy process for each segment and for each model, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. Segments answer
their visitors first, then the models learn: everything due at one instant happens in the order in which it was started.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

import simpy

Process = Generator[simpy.Event, Any, None]
Seen = tuple[int, bool]  # the variant that was shown, and whether the visitor converted


class Policy(Protocol):
    """What a model does."""

    def show(self, place: int, luck: Any) -> int:
        """The variant for the visitor who is `place`-th in the model's batch."""

    def learn(self, batch: Sequence[Seen]) -> None:
        """What became of the batch."""


class Decided:
    """Shows the variants in turn until `trial` visitors have come, then the better one."""

    def __init__(self, trial: int) -> None:
        self.trial, self.count, self.failed = trial, [0, 0], [0, 0]

    def show(self, place: int, luck: Any) -> int:
        if sum(self.count) < self.trial:
            return (sum(self.count) + place) % 2
        a, b = (failed / max(count, 1) for failed, count in zip(self.failed, self.count, strict=True))
        return 0 if a <= b else 1

    def learn(self, batch: Sequence[Seen]) -> None:
        if sum(self.count) >= self.trial:
            return
        for variant, converted in batch:
            self.count[variant] += 1
            self.failed[variant] += not converted


class Windowed:
    """The mean of the last so many batches plus sqrt(xi log n / m)."""

    def __init__(self, window: int, xi: float) -> None:
        self.batches: deque[list[Seen]] = deque(maxlen=window)
        self.xi = xi

    def show(self, place: int, luck: Any) -> int:
        seen = [answer for batch in self.batches for answer in batch]
        index = []
        for variant in (0, 1):
            here = [converted for shown, converted in seen if shown == variant]
            wide = self.xi * math.log(len(seen)) / len(here) if here else 0.0
            index.append(sum(here) / len(here) + math.sqrt(wide) if here else math.inf)
        return 0 if index[0] >= index[1] else 1

    def learn(self, batch: Sequence[Seen]) -> None:
        self.batches.append(list(batch))


class Believing:
    """A Beta belief in each variant, drawn from by cube roots of gammas (Wilson & Hilferty)."""

    def __init__(self, forget: float) -> None:
        self.forget, self.good, self.bad = forget, [0.0, 0.0], [0.0, 0.0]

    def show(self, place: int, luck: Any) -> int:
        up, down = luck
        odds = [_root(1 + self.good[k], up[k]) / _root(1 + self.bad[k], down[k]) for k in (0, 1)]
        return 0 if odds[0] >= odds[1] else 1

    def learn(self, batch: Sequence[Seen]) -> None:
        for k in (0, 1):
            here = [converted for shown, converted in batch if shown == k]
            self.good[k] = self.good[k] * (1 - self.forget) + sum(here)
            self.bad[k] = self.bad[k] * (1 - self.forget) + len(here) - sum(here)


def _root(shape: float, z: float) -> float:
    return max(math.cbrt(shape) * (1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))), 1e-3)


class Site:
    """All segments; `noise` holds an entry a tick: `visitor` a number for each visitor of each segment, `luck` the models' own.

    `falls` is the tick from which A has another rate, and that rate; with nobody to `choose`, `noise["coin"]` does.
    """

    def __init__(
        self,
        world: Mapping[str, Any],
        noise: Mapping[str, Sequence[Any]],
        policies: Sequence[Policy],
        brain_of: Sequence[int],
        falls: tuple[int, float],
    ) -> None:
        self.world, self.noise, self.policies, self.brain_of, self.falls = world, noise, policies, brain_of, falls
        m, self.turned = world["segments"], round(world["opposed"] * world["segments"])
        self.regret, self.missed, self.share, self.converted = [0.0] * m, [0.5] * m, [0.5] * m, [0] * m
        self.batches: list[list[Seen]] = [[] for _ in range(m)]
        self.env = simpy.Environment()
        for segment in range(m):
            self.env.process(self.segment(segment))
        for brain, policy in enumerate(policies):
            self.env.process(self.model(brain, policy))

    def segment(self, k: int) -> Process:
        n, place = self.world["visitors"], self.world["visitors"] * self.brain_of[:k].count(self.brain_of[k])
        keep = math.exp(-n / self.world["recent"])
        while True:
            tick = int(self.env.now)
            rates = [self.falls[1] if tick >= self.falls[0] else self.world["a"], self.world["b"]]
            rates = rates[::-1] if k >= len(self.regret) - self.turned else rates
            worse = 1 if rates[0] >= rates[1] else 0
            shown = []
            for i in range(n):
                if self.policies:
                    luck = self.noise["luck"][tick][k][i]
                    shown.append(self.policies[self.brain_of[k]].show(place + i, luck))
                else:
                    shown.append(int(self.noise["coin"][tick][k][i] < 0.5))
            self.batches[k] = [
                (variant, self.noise["visitor"][tick][k][i] < rates[variant]) for i, variant in enumerate(shown)
            ]
            self.regret[k] += sum(max(rates) - rates[variant] for variant in shown)
            self.missed[k] = keep * self.missed[k] + (1 - keep) * shown.count(worse) / n
            self.share[k] = keep * self.share[k] + (1 - keep) * shown.count(0) / n
            self.converted[k] += sum(converted for _, converted in self.batches[k])
            yield self.env.timeout(1)

    def model(self, brain: int, policy: Policy) -> Process:
        while True:
            policy.learn([s for k, batch in enumerate(self.batches) if self.brain_of[k] == brain for s in batch])
            yield self.env.timeout(1)

    def run(self, ticks: int) -> None:
        """Play that many ticks."""
        self.env.run(until=ticks - 0.5)
