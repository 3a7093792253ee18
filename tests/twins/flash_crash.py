"""The flash crash once more, slowly: one SimPy process for each trader, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the seller and
the trainer, then the traders, then the exchange.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


class Endless:
    """A list that draws its next entry when it is read."""

    def __init__(self, draw: Callable[[], Any]) -> None:
        self.draw = draw

    def __getitem__(self, tick: int) -> Any:
        return self.draw()


def dice(seed: int, traders: int) -> dict[str, Any]:
    """Noise of the twin's own, drawn as it goes: for measuring what a run costs."""
    luck = random.Random(seed)

    def normal() -> float:
        return luck.gauss(0.0, 1.0)

    def pairs() -> list[tuple[float, float]]:
        return [(normal(), normal()) for _ in range(traders)]

    waits = [luck.random() for _ in range(traders)]
    return {
        "wait": waits,
        "start": pairs(),
        "news": Endless(normal),
        "noise": Endless(normal),
        "errors": Endless(pairs),
    }


class Model:
    """Ridge regression with two features on evidence that fades."""

    def __init__(self) -> None:
        self.w1 = self.w2 = 0.0

    def forecast(self, x: tuple[float, float]) -> float:
        return x[0] * self.w1 + x[1] * self.w2

    def learn(self, pool: Pool, penalty: float) -> None:
        a, b, d = pool.xx[0] + penalty, pool.xx[1], pool.xx[2] + penalty
        det = a * d - b * b
        self.w1 = (d * pool.xy[0] - b * pool.xy[1]) / det
        self.w2 = (a * pool.xy[1] - b * pool.xy[0]) / det


class Pool:
    """What the models of one pool have seen."""

    def __init__(self) -> None:
        self.xx = [0.0, 0.0, 0.0]
        self.xy = [0.0, 0.0]

    def fade(self, keep: float) -> None:
        self.xx = [value * keep for value in self.xx]
        self.xy = [value * keep for value in self.xy]

    def add(self, x: tuple[float, float], y: float, share: float) -> None:
        self.xx[0] += x[0] * x[0] * share
        self.xx[1] += x[0] * x[1] * share
        self.xx[2] += x[1] * x[1] * share
        self.xy[0] += x[0] * y * share
        self.xy[1] += x[1] * y * share


class Exchange:
    """The market, its traders and their models; `noise` holds a list for each purpose, one entry a tick (or a trader)."""

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        wiring: Mapping[str, Sequence[int]],
        *,
        penalty: float,
        memory: float,
        retrain: int,
        sell_from: int,
        pace: float,
    ) -> None:
        self.p, self.noise, self.wiring = SimpleNamespace(**parameters), noise, wiring
        self.keep, self.penalty, self.retrain = math.exp(-1 / memory), penalty, retrain
        self.trend_unit = self.p.news * math.sqrt(self.p.horizon / 2)
        self.flow_unit = math.sqrt(self.p.trade_size * self.p.noise_volume / self.p.horizon)
        self.sell_from, self.take, self.seller = sell_from, pace, 0.0
        p, traders = self.p, range(self.p.traders)
        self.price = self.value = self.fast = self.slow = self.flow = self.halt = 0.0
        self.depth, self.volume = p.book, p.noise_volume
        self.held = [0.0 for _ in traders]
        self.wait = [u * p.cooldown for u in noise["wait"]]
        self.errors = [list(pair) for pair in noise["start"]]
        self.orders = [0.0 for _ in traders]
        self.asked = [(0.0, 0.0) for _ in traders]
        self.models = [Model() for _ in wiring["taught_by"]]
        self.pools = [Pool() for _ in range(max(wiring["data_of"]) + 1)]
        self.shares = [1 / list(wiring["data_of"]).count(pool) for pool in range(len(self.pools))]
        self.drawdown = self.peak = self.sold = self.pauses = self.pushed = self.loss = 0.0
        self.prices: list[float] = []
        self.env = simpy.Environment()
        self.env.process(self.program())
        self.env.process(self.training())
        for i in traders:
            self.env.process(self.trader(i))
        self.env.process(self.auctions())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def program(self) -> Process:
        yield self.env.timeout(self.sell_from)
        self.seller = self.take

    def training(self) -> Process:
        while True:
            yield self.env.timeout(self.retrain)
            for model, pool in zip(self.models, self.wiring["taught_by"], strict=True):
                model.learn(self.pools[pool], self.penalty)

    def trader(self, i: int) -> Process:
        p, env = self.p, self.env
        model, view = self.models[self.wiring["brain_of"][i]], self.wiring["view_of"][i]
        part = 1 - 0.5 ** (p.cooldown / p.half_life)
        while True:
            x = self.asked[i] = self.features(view)
            self.orders[i] = 0.0
            if self.halt <= 0:
                if self.wait[i] <= 0:
                    worth = model.forecast(x) * p.limit * p.horizon / p.cost
                    self.orders[i] = part * (max(-p.limit, min(p.limit, worth)) - self.held[i])
                    self.wait[i] += p.cooldown
                self.wait[i] -= p.step_time
            yield env.timeout(1)

    def features(self, view: int) -> tuple[float, float]:
        trend, flow, noise = self.errors[view][0], self.errors[view][1], self.p.error
        trend = (self.price - self.fast) / self.trend_unit + noise * trend
        return trend, self.flow / self.flow_unit + noise * flow

    def auctions(self) -> Process:
        tick = 0
        while True:
            move = 0.0 if self.halt > 0 else self.auction(tick)
            self.value += self.p.news * math.sqrt(self.p.step_time) * self.noise["news"][tick]
            self.settle(move, tick)
            tick += 1
            yield self.env.timeout(1)

    def auction(self, tick: int) -> float:
        """Orders meet; returns by how much the price moves."""
        p, dt = self.p, self.p.step_time
        self.stress()
        rush = self.strain**p.rush
        selling = min(self.seller * self.volume * dt, max(p.program - self.sold, 0.0))
        crowd = math.sqrt(2 * p.trade_size * p.noise_volume * dt * rush) * self.noise["noise"][tick]
        bargain = p.buyers * (self.value - self.slow) * dt
        net = math.fsum(self.orders)
        self.left = net - selling + crowd + bargain
        self.traded = p.noise_volume * dt * rush + sum(abs(q) for q in self.orders) + selling + abs(bargain)
        self.sold += selling
        self.pushed += net / self.depth
        for i, order in enumerate(self.orders):
            self.held[i] += order
        return self.left / self.depth + p.news * math.sqrt(dt) * self.noise["news"][tick]

    def stress(self) -> None:
        """Volatility as makers see it, of the calm one."""
        strayed = (self.price - self.slow) / (self.p.news * math.sqrt(self.p.minute / 2))
        self.strain = min(math.sqrt(1 + strayed * strayed), 1 / self.p.floor)

    def settle(self, move: float, tick: int) -> None:
        """What follows an auction, or a tick of the pause."""
        p, dt = self.p, self.p.step_time
        halted = self.halt > 0
        if halted:
            self.stress()
            self.left = self.traded = 0.0
        self.price += move
        self.halt = max(self.halt - dt, 0.0)
        if not halted and p.stop_pause > 0 and self.price < self.fast - p.stop_move:
            self.halt += p.stop_pause
            self.pauses += 1
        aim = p.book / self.strain
        self.depth += (aim - self.depth) * self.part(p.flee if aim < self.depth else p.refill)
        self.fast += (self.price - self.fast) * self.part(p.horizon)
        self.slow += (self.price - self.slow) * self.part(p.minute)
        self.flow += (self.left / dt - self.flow) * self.part(p.horizon)
        self.volume += (self.traded / dt - self.volume) * self.part(p.minute)
        for pool in self.pools:
            pool.fade(self.keep)
        for i, pool in enumerate(self.wiring["data_of"]):
            self.pools[pool].add(self.asked[i], move / dt, self.shares[pool])
        fade = math.exp(-dt / p.horizon)
        fresh = math.sqrt(1 - fade * fade)
        for errors, shocks in zip(self.errors, self.noise["errors"][tick], strict=True):
            errors[0] = fade * errors[0] + fresh * shocks[0]
            errors[1] = fade * errors[1] + fresh * shocks[1]
        self.peak = max(self.peak, self.price)
        self.drawdown = max(self.drawdown, 1 - math.exp((self.price - self.peak) / 1e4))
        self.loss += self.traded * max(self.value - self.price, 0.0) / 1e4 * 4.1e9 / 75e3 / 1e6
        self.prices.append(self.price)

    def part(self, memory: float) -> float:
        """How much of the way an average with this memory goes in one tick."""
        return 1 - math.exp(-self.p.step_time / memory)
