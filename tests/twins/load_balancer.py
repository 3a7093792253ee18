"""The load balancer once more, slowly: one SimPy process for each request, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. A backend is a
SimPy resource that serves one at a time; who is to go where it is done soonest asks each, on arrival, until when it is busy. At
the end of every tick a clerk hands the balancers the answers that have come since, and balancers decide with what they then
know about all requests of the next tick.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Answers = dict[int, list[float]]  # by backend: how many, seconds in all, failures


class Greedy:
    """Moving averages of time and failures; explores now and then."""

    def __init__(
        self, k: int, dice: Sequence[float], explore: float, rate: float, penalty: float, unbiased: bool
    ) -> None:
        self.k, self.explore, self.rate, self.penalty = k, explore, rate, penalty
        self.heard = [0.0 if unbiased else math.inf] * k
        self.time = [u * 1e-9 for u in dice]
        self.failed = [0.0] * k

    def decide(self, board: Sequence[int], luck: Mapping[str, Any], slot: int) -> int:
        u = luck["explore"][slot]
        if u < self.explore:
            return min(int(u * self.k / self.explore), self.k - 1)
        scores = [t + self.penalty * f for t, f in zip(self.time, self.failed, strict=True)]
        return scores.index(min(scores))

    def hear(self, answers: Answers) -> None:
        for backend, (count, seconds, failures) in answers.items():
            self.heard[backend] += count
            step = (1 - (1 - self.rate) ** count) / (1 - (1 - self.rate) ** self.heard[backend])
            self.time[backend] += step * (seconds / count - self.time[backend])
            self.failed[backend] += step * (failures / count - self.failed[backend])


class Thompson:
    """A Beta belief for each backend, drawn from by cube roots of gammas."""

    def __init__(self, k: int, forget: float) -> None:
        self.good, self.bad, self.forget = [1.0] * k, [1.0] * k, forget

    def decide(self, board: Sequence[int], luck: Mapping[str, Any], slot: int) -> int:
        up, down = luck["draw"][slot]
        odds = [root(a, z) / root(b, w) for a, b, z, w in zip(self.good, self.bad, up, down, strict=True)]
        return odds.index(max(odds))

    def hear(self, answers: Answers) -> None:
        for k in range(len(self.good)):
            count, _, failures = answers.get(k, (0.0, 0.0, 0.0))
            self.good[k] = 1 + (self.good[k] - 1) * (1 - self.forget) + count - failures
            self.bad[k] = 1 + (self.bad[k] - 1) * (1 - self.forget) + failures


def root(shape: float, z: float) -> float:
    """The cube root of a gamma with this shape (Wilson & Hilferty)."""
    return max(math.cbrt(shape) * (1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))), 1e-3)


class Least:
    """The shortest queue on the board, ties at random."""

    def decide(self, board: Sequence[int], luck: Mapping[str, Any], slot: int) -> int:
        ties = [k for k, queue in enumerate(board) if queue == min(board)]
        return ties[int(luck["ties"][slot] * len(ties))]

    def hear(self, answers: Answers) -> None:
        pass


class Fill:
    """Water poured onto the board: as many drops as requests are expected, each where it is lowest."""

    def __init__(self, expected: float) -> None:
        self.expected = expected

    def decide(self, board: Sequence[int], luck: Mapping[str, Any], slot: int) -> int:
        steps = [*sorted(board), math.inf]
        level, left = float(steps[0]), self.expected
        for under, above in enumerate(steps[1:], start=1):
            rises = min(above - level, left / under)
            level, left = level + rises, left - rises * under
        at = luck["which"][slot] * self.expected
        for k, queue in enumerate(board[:-1]):
            at -= max(level - queue, 0)
            if at < 0:
                return k
        return len(board) - 1

    def hear(self, answers: Answers) -> None:
        pass


class Two:
    """The shorter of two queues."""

    def decide(self, board: Sequence[int], luck: Mapping[str, Any], slot: int) -> int:
        first, second = (int(luck[f"look {i}"][slot] * len(board)) for i in (0, 1))
        return second if board[second] < board[first] else first

    def hear(self, answers: Answers) -> None:
        pass


class Site:
    """Balancers, their boards, and the backends they share.

    `noise` holds a list of ticks for each purpose: flat over requests for `gaps`, `work` and `errors`, by balancer and request for what is
    decided. `deciders` are the brains, `brain_of` and `view_of` say whose brain and board each balancer uses.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        deciders: Sequence[Any],
        brain_of: Sequence[int],
        view_of: Sequence[int],
        brownout: tuple[int, float] = (1 << 60, 1.0),
    ) -> None:
        p = self.p = SimpleNamespace(**parameters)
        self.noise, self.deciders, self.brain_of, self.view_of, self.brownout = (
            noise,
            deciders,
            brain_of,
            view_of,
            brownout,
        )
        self.env = simpy.Environment()
        self.rates = list(p.rates)
        self.speed = self.bound_for = 1.0  # of the first, and what it tends to
        self.busy_until = [0.0 for _ in p.rates]
        self.sent = [0 for _ in p.rates]
        self.backends = [simpy.Resource(self.env) for _ in p.rates]
        self.present = [0 for _ in p.rates]
        self.every = max(round(p.refresh / p.step_time), 1)
        self.phase = [int(u * self.every) for u in noise["phase"]]
        self.turn = [int(u * len(p.rates)) for u in noise["turn"]]
        self.boards = [[0] * len(p.rates) for _ in range(p.balancers)]
        self.inbox: list[Answers] = [{} for _ in range(p.balancers)]
        self.latencies: list[float] = []
        self.came: list[int] = []  # in which tick, of each latency
        self.errors = self.timeouts = self.served = self.crowd = 0
        self.last = 0
        self.env.process(self.clerk())

    def run(self, ticks: int) -> None:
        """Play that many ticks."""
        self.last = ticks
        self.env.run(until=ticks * self.p.step_time)

    def drain(self) -> None:
        """Serve those who are still there, while nobody comes."""
        self.env.run()

    def clerk(self) -> Process:
        """Between two ticks: answers are read, boards are refreshed, requests of the next tick are decided."""
        tick, p = 0, self.p
        while tick < self.last:
            if tick == self.brownout[0]:
                self.bound_for = self.brownout[1]
            lag = math.exp(-p.step_time / p.onset) if p.onset else 0.0
            self.speed = self.bound_for + (self.speed - self.bound_for) * lag
            self.rates[0] = p.rates[0] * self.speed
            self.sent = [0 for _ in p.rates]
            self.send(tick)
            tick += 1
            yield self.env.timeout(tick * p.step_time - self.env.now)
            for m, decider in enumerate(self.deciders):
                pooled: Answers = {}
                for balancer, brain in enumerate(self.brain_of):
                    if brain == m:
                        for backend, entry in self.inbox[balancer].items():
                            total = pooled.setdefault(backend, [0.0, 0.0, 0.0])
                            for i in range(3):
                                total[i] += entry[i]
                        self.inbox[balancer] = {}
                decider.hear(pooled)
            for m, phase in enumerate(self.phase):
                if (tick + phase) % self.every == 0:
                    self.boards[m] = list(self.present)

    def send(self, tick: int) -> None:
        """Deal the requests of one tick to the balancers in turn."""
        p, at = self.p, 0.0
        rate = p.arriving or p.load * sum(p.rates)
        work, errors = self.noise["work"][tick], self.noise["errors"][tick]
        for i, gap in enumerate(self.noise["gaps"][tick]):
            at += gap / rate
            if at >= p.step_time:
                break
            m, slot = i % p.balancers, i // p.balancers
            backend = self.decide(m, slot, tick)
            self.env.process(self.request(m, tick, at, backend, work[i], errors[i]))
        for m in range(p.balancers):
            self.turn[m] = (self.turn[m] + len(range(m, i, p.balancers))) % len(p.rates)

    def decide(self, m: int, slot: int, tick: int) -> int | None:
        rates, rule = self.p.rates, self.p.fallback_rule
        if self.deciders:
            luck = {name: values[tick][m] for name, values in self.noise["decide"].items()}
            return self.deciders[self.brain_of[m]].decide(self.boards[self.view_of[m]], luck, slot)
        if rule == "soonest":
            return None  # until it comes
        if rule == "round_robin":
            return (self.turn[m] + slot) % len(rates)
        u = self.noise["fallback"][tick][m][slot]
        if rule == "random":
            return int(u * len(rates))
        for backend, _ in enumerate(rates):
            u -= rates[backend] / sum(rates)
            if u < 0:
                return backend
        return len(rates) - 1

    def request(self, m: int, tick: int, after: float, backend: int | None, work: float, luck: float) -> Process:
        env, p = self.env, self.p
        yield env.timeout(after)
        came, answered = env.now, []
        if backend is None:
            backend = self.soonest()
        work /= self.rates[backend]
        fails = luck < p.error + (p.faulty * (1 - p.error) if backend == 0 else 0.0)
        self.crowd += self.sent[backend] == max(self.sent)  # the longest grows by one
        self.sent[backend] += 1
        self.busy_until[backend] = max(self.busy_until[backend], came) + work
        self.present[backend] += 1
        patience = env.timeout(p.deadline)
        patience.callbacks.append(lambda _: answered or self.answer(m, backend, p.deadline, True, answered))
        with self.backends[backend].request() as turn:
            yield turn
            yield env.timeout(work)
        self.present[backend] -= 1
        self.served += 1
        self.latencies.append(env.now - came)
        self.came.append(tick)
        if not answered:
            self.errors += fails
            self.answer(m, backend, env.now - came, fails, answered)
        else:
            self.timeouts += 1

    def soonest(self) -> int:
        """Where an average request that comes now is done first, by the rates as they should be."""
        done = [max(busy, self.env.now) + 1 / rate for busy, rate in zip(self.busy_until, self.p.rates, strict=True)]
        return done.index(min(done))

    def lately(self, level: float) -> float:
        """The latency that a share `level` of the last whole window's requests did not exceed, once all were served."""
        size = max(round(self.p.recent / self.p.step_time), 1)
        last = self.last // size * size
        theirs = sorted(t for t, tick in zip(self.latencies, self.came, strict=True) if last - size <= tick < last)
        return theirs[math.ceil(round(level * len(theirs), 6)) - 1]

    def answer(self, m: int, backend: int, seconds: float, failed: bool, answered: list[bool]) -> None:
        answered.append(True)
        if self.p.lag:
            later = self.env.timeout(self.p.lag)
            later.callbacks.append(lambda _: self.deliver(m, backend, seconds, failed))
        else:
            self.deliver(m, backend, seconds, failed)

    def deliver(self, m: int, backend: int, seconds: float, failed: bool) -> None:
        entry = self.inbox[m].setdefault(backend, [0.0, 0.0, 0.0])
        entry[0] += 1
        entry[1] += seconds
        entry[2] += failed
