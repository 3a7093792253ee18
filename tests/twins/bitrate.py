"""Adaptive streaming once more, slowly: one SimPy process for each download, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. A link hands out its
capacity evenly among those who are still fetching, and deals anew whenever one of them is done. The next round of chunks
begins when all downloads of the last one are over.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Seen = tuple[float, float, float]  # throughput, buffer, last rate


class Learner:
    """A table of what each choice is worth in each cell of features."""

    def __init__(self, k: int, **p: Any) -> None:
        self.k, self.p = k, SimpleNamespace(**p)
        self.table: dict[tuple[int, ...], list[float]] = {}
        self.known: dict[tuple[int, ...], int] = {}
        self.answers = 0

    def cell(self, seen: Seen) -> tuple[int, ...]:
        cuts, cell = list(self.p.cuts), []
        for count, value in zip(self.p.cells, seen, strict=False):
            mine, cuts = cuts[: count - 1], cuts[count - 1 :]
            cell.append(sum(value >= cut for cut in mine))
        return tuple(cell)

    def values(self, seen: Seen) -> list[float]:
        return self.table.setdefault(self.cell(seen), [self.p.initial] * self.k)

    def decide(self, seen: Seen, u: float) -> int:
        chance = self.p.explore * math.exp(-self.p.decay * self.answers)
        if u < chance:
            return min(int(u * self.k / chance), self.k - 1)
        values = self.values(seen)
        return values.index(max(values))

    def learn(self, seen: Seen, choice: int, outcome: float, then: Seen) -> None:
        values = self.values(seen)
        target = outcome + self.p.discount * max(self.values(then))
        place = (*self.cell(seen), choice)
        self.known[place] = self.known.get(place, 0) + 1
        values[choice] += max(self.p.rate, self.known[place] ** -self.p.power) * (target - values[choice])


class BufferRule:
    """Algorithm 1 of Huang et al. (2014), line by line."""

    def __init__(self, k: int, **p: Any) -> None:
        self.p = SimpleNamespace(**p)

    def decide(self, seen: Seen, u: float) -> int:
        rates, buffer, previous = list(self.p.rates), seen[1], seen[2]
        place = rates.index(previous)
        plus = rates[min(place + 1, len(rates) - 1)]
        minus = rates[max(place - 1, 0)]
        f = rates[0] + (rates[-1] - rates[0]) * (buffer - self.p.reservoir) / self.p.cushion
        if buffer <= self.p.reservoir:
            return 0
        if buffer >= self.p.reservoir + self.p.cushion:
            return len(rates) - 1
        if f >= plus:
            return rates.index(max(rate for rate in rates if rate < f))
        if f <= minus:
            return rates.index(min(rate for rate in rates if rate > f))
        return place

    def learn(self, *_: Any) -> None:
        pass


class Bola:
    """The thresholds of BOLA: rung m gives way to m + 1 once more than so many chunks are stored."""

    def __init__(self, k: int, **p: Any) -> None:
        rates = list(p["rates"])
        utility = [math.log(rate / rates[0]) for rate in rates]
        v = (p["most"] / p["chunk"] - 1) / (utility[-1] + p["gp"])
        self.chunk = p["chunk"]
        self.above = [
            v * (p["gp"] + (rates[i + 1] * utility[i] - rates[i] * utility[i + 1]) / (rates[i + 1] - rates[i]))
            for i in range(k - 1)
        ]

    def decide(self, seen: Seen, u: float) -> int:
        return sum(seen[1] / self.chunk > limit for limit in self.above)

    def learn(self, *_: Any) -> None:
        pass


class RateRule:
    """The highest rate that a share of the throughput carries."""

    def __init__(self, k: int, **p: Any) -> None:
        self.p = SimpleNamespace(**p)

    def decide(self, seen: Seen, u: float) -> int:
        carried = [i for i, rate in enumerate(self.p.rates) if rate <= self.p.safety * seen[0]]
        return max(carried, default=0)

    def learn(self, *_: Any) -> None:
        pass


RULES = {"QGrid": Learner, "BufferBased": BufferRule, "Bola": Bola, "RateBased": RateRule}


class Streaming:
    """Players, the links they share, and what chooses for them.

    `noise` holds by purpose a number for each link or player, and for each round where it is drawn anew; `brains` are kinds with their
    fields; `wiring` says whose brain and view each player has; `changes` are (tick, parameter, value); while `garbled` (from, to, whom)
    holds, what is said is the next rung.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Any],
        brains: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        changes: Sequence[tuple[int, str, float]] = (),
        garbled: tuple[int, int, Sequence[int]] = (0, 0, ()),
        closed: bool = True,
        average_every: int = 0,
    ) -> None:
        p = self.p = SimpleNamespace(**parameters)
        self.noise, self.changes, self.garbled, self.closed = noise, changes, garbled, closed
        self.env, self.rounds, self.average_every = simpy.Environment(), 0, average_every
        self.brain_of, self.view_of = wiring["brain_of"], wiring["view_of"]
        self.brains = [RULES[brains[kind][0]](len(p.rates), **brains[kind][1]) for kind in wiring["kind_of"]]
        self.globe: dict[tuple[int, ...], list[float]] = {}
        self.own = [math.exp(p.unequal * z) for z in noise["links"]]
        self.level = [int(u * len(p.levels)) for u in noise["first levels"]]
        self.link_of = [i // p.together for i in range(p.players)]
        self.slowness = [p.together / self.capacity(link) for link in self.link_of]
        self.buffer, self.rung = [p.chunk] * p.players, [0] * p.players
        self.lately = self.quality = self.rate = self.change = 0.0
        self.still = [0.0] * p.players

    def capacity(self, link: int) -> float:
        return self.p.bandwidth * self.own[link] * self.p.levels[self.level[link]]

    def seen(self) -> list[Seen]:
        return [(1 / self.slowness[i], self.buffer[i], self.p.rates[self.rung[i]]) for i in self.view_of]

    def run(self, ticks: int) -> None:
        """Play up to that many rounds."""
        while self.rounds < ticks:
            self.env.process(self.one_round())
            self.env.run()

    def one_round(self) -> Process:
        """Everybody fetches a chunk."""
        tick, p = self.rounds, self.p
        for when, name, value in self.changes:
            if when == tick:
                setattr(p, name, value)
        if self.average_every and tick and tick % self.average_every == 0:
            self.average()
        seen = self.seen()
        wanted = [self.wanted(i, seen[i], tick) for i in range(p.players)]
        for link, u in enumerate(self.noise["levels"][tick]):
            if u >= p.stay:
                self.level[link] = min(int((u - p.stay) / (1 - p.stay) * len(p.levels)), len(p.levels) - 1)
        left: list[dict[int, float]] = [{} for _ in self.level]
        downloads = [self.env.process(self.download(i, wanted[i], left)) for i in range(p.players)]
        for link in range(len(left)):
            self.env.process(self.serve(link, left[link]))
        self.lately -= self.lately / p.recent
        self.done = [self.env.event() for _ in range(p.players)]
        yield self.env.all_of(downloads)
        outcomes = [download.value for download in downloads]
        after = self.seen()
        for brain in {id(b): b for b in self.brains}.values():
            brain.answers = getattr(brain, "answers", 0) + 1
        for i in range(p.players):
            self.brains[self.brain_of[i]].learn(seen[i], wanted[i], outcomes[i], after[i])
        self.rounds += 1

    def wanted(self, player: int, seen: Seen, tick: int) -> int:
        """The rung of the next chunk: what the player's brain says, or the rate map where nobody listens."""
        p = self.p
        if not self.closed:
            line = p.rates[0] + (p.rates[-1] - p.rates[0]) / p.cushion * (self.buffer[player] - p.reservoir)
            return max(sum(rate <= line for rate in p.rates) - 1, 0)
        said = self.brains[self.brain_of[player]].decide(seen, self.noise["explore"][tick][player])
        begins, ends, whom = self.garbled
        return (said + 1) % len(p.rates) if begins <= tick < ends and player in whom else said

    def download(self, player: int, rung: int, left: Sequence[dict[int, float]]) -> Generator[simpy.Event, Any, float]:
        """Ask, wait for the last bit, play on; the quality of experience of the chunk."""
        p, began = self.p, self.env.now
        rate, before = p.rates[rung], p.rates[self.rung[player]]
        left[self.link_of[player]][player] = size = rate * p.chunk
        yield self.done[player]
        took = self.env.now - began
        still = max(took - self.buffer[player], 0.0)
        self.buffer[player] = min(max(self.buffer[player] - took, 0.0) + p.chunk, p.most - p.chunk)
        self.slowness[player] += (took / size - self.slowness[player]) / p.window
        self.rung[player] = rung
        quality = rate - p.rebuffer * still - p.change * abs(rate - before)
        self.still[player] += still
        for name, value in (("quality", quality), ("rate", rate), ("change", abs(rate - before))):
            setattr(self, name, getattr(self, name) + value / p.players)
        self.lately += still / p.players / p.recent
        return quality

    def serve(self, link: int, left: dict[int, float]) -> Process:
        """Hand out the capacity evenly, and anew whenever somebody is done."""
        yield self.env.timeout(self.p.rtt)
        while left:
            share = self.capacity(link) / len(left)
            least = min(left.values())
            yield self.env.timeout(least / share)
            for player in [player for player, size in left.items() if size <= least]:
                del left[player]
                self.done[player].succeed()
            for player in left:
                left[player] -= least

    def average(self) -> None:
        """A federated round: each value moves by the mean of what brains have moved it since the last."""
        cells = {cell for brain in self.brains for cell in brain.table}
        for cell in cells:
            first = [self.brains[0].p.initial] * self.brains[0].k
            old = self.globe.get(cell, first)
            tables = [brain.table.get(cell, old) for brain in self.brains]
            moved = [sum(column) / len(tables) for column in zip(*tables, strict=True)]
            self.globe[cell] = moved
            for brain in self.brains:
                brain.table[cell] = list(moved)
