"""The flash crash once more, slowly: one SimPy process for each trader, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise.
Everything due at one instant happens in the order in which the processes were started: first the seller and
the trainer, then the traders, then the exchange.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


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


CALM = 0.33 * 1e4 / math.sqrt(252 * 6.5 * 3600)  # bp a root second: 33% a year
STEP = 2.2  # bp, a price step
STEPS = (1, 3, 6, 15, 30, 60)  # price steps in each band, from the price outwards
QUOTED = (True, True, True, False, False, False)  # bands in which traders quote


class Side:
    """The bids or the asks: in each band what makers and traders stand ready with in calm, and how much of it is there."""

    def __init__(self, p: Any) -> None:
        reach = STEP * sum(STEPS)
        steeper = (p.deep - p.book * reach) / (reach * reach / 2)
        self.widths, self.makers, self.traders, begin = [STEP * n for n in STEPS], [], [], 0.0
        for width, quoted in zip(self.widths, QUOTED, strict=True):
            end = begin + width
            held = p.book * width + steeper * (end * end - begin * begin) / 2
            self.traders.append(p.quoted * held if quoted else 0.0)
            self.makers.append(held - self.traders[-1])
            begin = end
        self.stands, self.room = 1.0, 1.0

    def part(self) -> float:
        """The traders' part of the nearest band."""
        return self.traders[0] * self.room / (self.traders[0] * self.room + self.makers[0] * self.stands)

    def offered(self) -> float:
        """All that is there, of what would be in calm."""
        there = sum(self.makers) * self.stands + sum(self.traders) * self.room
        return there / (sum(self.makers) + sum(self.traders))

    def take(self, rest: float) -> tuple[float, float]:
        """Band by band until `rest` is filled: how far that is, and how much of it traders gave."""
        far = caught = gone = 0.0
        for width, makers, traders in zip(self.widths, self.makers, self.traders, strict=True):
            makers, traders = makers * self.stands, traders * self.room
            filled = min(rest, makers + traders)
            far += width * filled / (makers + traders)
            caught += filled * traders / (makers + traders)
            gone += filled * makers / (makers + traders)
            rest -= filled
        far += width * rest / (makers + traders)
        self.stands -= gone / sum(self.makers)
        return far, caught


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
        self.sell_from, self.take, self.seller = sell_from, pace, 0.0
        p, traders = self.p, range(self.p.traders)
        self.trend_unit = CALM * math.sqrt(p.horizon / 2)
        self.flow_unit = math.sqrt(p.trade_size * p.noise_volume / p.horizon)
        self.price = self.value = self.fast = self.slow = self.flow = self.halt = 0.0
        self.volume, self.bids, self.asks = p.noise_volume, Side(p), Side(p)
        self.net_queue = self.gross_queue = 0.0
        self.held = [0.0 for _ in traders]
        self.period = [self.period_of(i) for i in traders]
        self.wait = [u * period for u, period in zip(noise["wait"], self.period, strict=True)]
        first = noise["first"]
        self.errors = [[self.mixed(own[k], first[k]) for k in (0, 1)] for own in noise["start"]]
        self.orders = [0.0 for _ in traders]
        self.asked = [(0.0, 0.0) for _ in traders]
        self.models = [Model() for _ in wiring["taught_by"]]
        self.pools = [Pool() for _ in range(max(wiring["data_of"]) + 1)]
        self.shares = [1 / list(wiring["data_of"]).count(pool) for pool in range(len(self.pools))]
        self.peak = self.drawdown = self.low = self.sold = self.pauses = self.loss = 0.0
        self.thinnest = 1.0
        self.path: list[tuple[float, float, float, float]] = [
            (0.0, 0.0, 0.0, 0.0)
        ]  # price, volume, traders' sides, net
        self.worst = (0.0, 0.0, 0.0, 0.0)
        self.env = simpy.Environment()
        self.env.process(self.program())
        self.env.process(self.training())
        for i in traders:
            self.env.process(self.trader(i))
        self.env.process(self.auctions())

    def run(self, ticks: int) -> None:
        self.env.run(until=ticks - 0.5)

    def period_of(self, i: int) -> float:
        """Every so many traders one is fast."""
        is_fast = math.floor((i + 1) * self.p.fast) > math.floor(i * self.p.fast)
        return self.p.step_time if is_fast else self.p.cooldown

    def mixed(self, own: float, common: float) -> float:
        """The error of a view, from its own and from what all views have in common."""
        return math.sqrt(1 - self.p.alike) * own + math.sqrt(self.p.alike) * common

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
        part = 1 - 0.5 ** (self.period[i] / p.half_life)
        while True:
            x = self.asked[i] = self.features(view)
            self.orders[i] = 0.0
            if self.halt <= 0:
                if self.wait[i] <= 0:
                    worth = model.forecast(x) * p.limit * p.horizon / p.cost
                    self.orders[i] = part * (max(-p.limit, min(p.limit, worth)) - self.held[i])
                    self.wait[i] += self.period[i]
                self.wait[i] -= p.step_time
            yield env.timeout(1)

    def features(self, view: int) -> tuple[float, float]:
        trend, flow, noise = self.errors[view][0], self.errors[view][1], self.p.error
        trend = (self.price - self.fast) / self.trend_unit + noise * trend
        return trend, self.flow / self.flow_unit + noise * flow

    def auctions(self) -> Process:
        p, tick = self.p, 0
        while True:
            strayed = (self.price - self.slow) / (CALM * math.sqrt(p.minute / 2))
            strain = math.sqrt(1 + strayed * strayed)
            self.enter(strain**p.rush, tick)
            full = sum(self.held) / (p.traders * p.limit)
            self.bids.room, self.asks.room = max(0.0, min(1.0, 1 - full)), max(0.0, min(1.0, 1 + full))
            before = self.path[-1]
            happened = (0.0, 0.0, 0.0, 0.0) if self.halt > 0 else self.auction(tick)
            self.value += p.news * math.sqrt(p.step_time) * self.noise["news"][tick]
            self.thinnest = min(self.thinnest, self.bids.offered())
            for one in (self.bids, self.asks):
                aim = 1 / strain
                one.stands += (aim - one.stands) * self.part(p.flee if aim < one.stands else p.refill)
            self.path.append(tuple(a + b for a, b in zip(before, happened, strict=True)))
            self.settle(*happened[:2], tick)
            tick += 1
            yield self.env.timeout(1)

    def enter(self, rush: float, tick: int) -> None:
        """Orders of noise and value traders come in, whether there is trade or not."""
        p, dt = self.p, self.p.step_time
        crowd = math.sqrt(2 * p.trade_size * p.noise_volume * dt * rush) * self.noise["noise"][tick]
        now, usual = self.value - self.price, self.value - self.slow
        cheap = 0.0 if now * usual <= 0 else math.copysign(min(abs(now), abs(usual)), now)
        self.net_queue += crowd + p.buyers * cheap * dt
        self.gross_queue += p.noise_volume * dt * rush + p.buyers * abs(cheap) * dt

    def auction(self, tick: int) -> tuple[float, float, float, float]:
        """Orders meet; returns the price move, the volume, the traders' sides of it and what they gained."""
        p, dt = self.p, self.p.step_time
        selling = min(self.seller * self.volume * dt, max(p.program - self.sold, 0.0))
        net, gross = math.fsum(self.orders), sum(abs(q) for q in self.orders)
        self.left = net - selling + self.net_queue
        customers = gross + selling + self.gross_queue
        self.net_queue = self.gross_queue = 0.0
        self.sold += selling
        made = (self.bids.part() + self.asks.part()) / 2
        far, caught = (self.asks if self.left > 0 else self.bids).take(abs(self.left))
        sign = 1 if self.left > 0 else -1
        for i, order in enumerate(self.orders):
            self.held[i] += order - sign * caught / p.traders
        rate = 2 / math.pi * p.fast * p.traders * p.trade_size / p.passing * dt * made
        passed = (rate + math.sqrt(rate * rate + 4 * rate * customers)) / 2
        volume = customers + passed
        move = sign * far + p.news * math.sqrt(dt) * self.noise["news"][tick]
        return move, volume, made * volume + passed + gross, net - sign * caught

    def settle(self, move: float, volume: float, tick: int) -> None:
        """What follows an auction, or a tick of the pause."""
        p, dt = self.p, self.p.step_time
        halted = self.halt > 0
        if halted:
            self.left = 0.0
        self.price += move
        self.halt = max(self.halt - dt, 0.0)
        if not halted and p.stop_pause > 0 and self.price < self.fast - p.stop_move:
            self.halt += p.stop_pause
            self.pauses += 1
        self.fast += (self.price - self.fast) * self.part(p.horizon)
        self.slow += (self.price - self.slow) * self.part(p.minute)
        self.flow += (self.left / dt - self.flow) * self.part(p.horizon)
        self.volume += (volume / dt - self.volume) * self.part(p.minute)
        for pool in self.pools:
            pool.fade(self.keep)
        for i, pool in enumerate(self.wiring["data_of"]):
            self.pools[pool].add(self.asked[i], move / dt, self.shares[pool])
        fade = math.exp(-dt / p.horizon)
        fresh = math.sqrt(1 - fade * fade)
        common = self.noise["common"][tick]
        for errors, shocks in zip(self.errors, self.noise["errors"][tick], strict=True):
            for k in (0, 1):
                errors[k] = fade * errors[k] + fresh * self.mixed(shocks[k], common[k])
        self.peak = max(self.peak, self.price)
        if self.peak - self.price > self.drawdown:
            self.drawdown, self.low = self.peak - self.price, self.price
        self.loss += volume * max(self.value - self.price, 0.0) / 1e4 * 4.1e9 / 75e3 / 1e6
        earlier = self.path[max(len(self.path) - 1 - round(15 / dt), 0)]
        change = tuple(a - b for a, b in zip(self.path[-1], earlier, strict=True))
        if change[0] < self.worst[0]:
            self.worst = change

    def part(self, memory: float) -> float:
        """How much of the way an average with this memory goes in one tick."""
        return 1 - math.exp(-self.p.step_time / memory)
