"""Retry storms once more, slowly: a SimPy process for the server and for each attempt of a request, plain Python numbers, one replication.

Written from the description of the world, not from its code; it shares nothing with it but parameters and noise. The server is a
process that works off a queue, and is interrupted when its speed changes. A clerk pays tokens in at the beginning of a tick, sends off the
requests of the tick, and at its end hands the answers to the minds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]


class Averaging:
    """The share of good answers among those of the last `window` ticks, as it was when it last trained."""

    def __init__(self, window: int, prior: float, every: int) -> None:
        self.kept: deque[tuple[int, int]] = deque(maxlen=window)
        self.said, self.every = prior, every

    def hear(self, good: int, seen: int, tick: int) -> None:
        self.kept.append((good, seen))
        count = sum(n for _, n in self.kept)
        if self.every and tick % self.every == 0 and count:
            self.said = sum(g for g, _ in self.kept) / count


class Site:
    """Gateways, their clients and the server.

    `noise` holds an entry a tick for each purpose: gaps and gateways of requests, by slot; work and fate by slot, those of retries
    after those of requests. A fate below the share of lost answers is one of them; what is left of it says how much shorter the wait
    after it is. `minds` are the brains, `brain_of` says whose each gateway listens to; without any nothing is tried again.
    `limit` is the most that it lets through; `outage` when capacity falls, for how long, and to what.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        noise: Mapping[str, Any],
        minds: Sequence[Any],
        brain_of: Sequence[int],
        limit: float = math.inf,
        outage: tuple[int, int, float] = (1 << 60, 0, 1.0),
    ) -> None:
        p = self.p = SimpleNamespace(**parameters)
        self.noise, self.minds, self.brain_of, self.limit, self.outage = noise, minds, brain_of, limit, outage
        self.env = simpy.Environment()
        self.speed, self.changed, self.wake = 1.0, self.env.event(), self.env.event()
        self.queue: deque[SimpleNamespace] = deque()
        self.tick = self.last = 0
        self.tokens = [0.0] * p.gateways
        self.news: list[list[int]] = []  # new requests by tick and gateway
        self.inbox = [[0, 0] for _ in range(p.gateways)]
        self.booked: dict[int, int] = {}  # retries by the tick they come in
        self.coming = 0  # attempts of this tick so far
        self.recent = [0.0, 0.0, 0.0]
        self.stuck = self.worst = 0.0
        self.backlog = 0.0  # seconds of work that wait, at full speed
        self.answered = self.failed = self.seen = 0
        self.latencies: list[float] = []
        self.replay: list[tuple[float, float, float]] = []  # when each attempt came, its work, when it had been served
        self.env.process(self.server())
        self.env.process(self.clerk())

    def run(self, ticks: int) -> None:
        """Play up to that many ticks."""
        self.last = ticks
        self.env.run(until=(ticks - 0.5) * self.p.step_time)
        self.env.run(until=self.over)

    def server(self) -> Process:
        """First come, first served; a change of speed is noticed at once."""
        while True:
            while not self.queue:
                self.wake = self.env.event()
                yield self.wake
            job = self.queue[0]
            while job.served is None:
                job.began, speed = self.env.now, self.speed
                done = self.env.timeout(job.left / speed) if speed else self.env.event()
                yield done | self.changed
                if done.triggered and done.processed:
                    job.served = self.env.now
                else:
                    job.left -= (self.env.now - job.began) * speed
            self.queue.popleft()
            self.replay.append((job.came, job.work, job.served))

    def clerk(self) -> Process:
        """What happens between two ticks."""
        p, env = self.p, self.env
        kept = math.ceil(p.memory / p.step_time) + 1
        while True:
            tick = self.tick
            start, length, speed = self.outage
            now = speed if start <= tick < start + length else 1.0
            if now != self.speed:
                self.speed, changed = now, self.changed
                self.changed = env.event()
                changed.succeed()
            for m in range(p.gateways):
                said = self.minds[self.brain_of[m]].said if self.minds else 0.0
                budget = min(p.retries * min(max(said, 0.0), 1.0), self.limit)
                within = sum(news[m] for news in self.news[-kept:])
                self.tokens[m] = min(self.tokens[m] + budget * (self.news[-1][m] if self.news else 0), budget * within)
            self.coming, at = 0, 0.0
            self.news.append([0] * p.gateways)
            for i, gap in enumerate(self.noise["gaps"][tick]):
                at += gap / p.arrivals
                if at >= p.step_time:
                    break
                m = int(self.noise["gateway"][tick][i] * p.gateways)
                self.news[-1][m] += 1
                env.process(self.attempt(at, m, 0, i, tick, None))
            self.over = env.timeout((tick + 1) * p.step_time - env.now)
            yield self.over
            self.tick += 1
            self.close()

    def attempt(self, after: float, m: int, before: int, slot: int, tick: int, first: float | None) -> Process:
        """Send, wait until its time is up, and try again if that was in vain, there is an attempt left, and a token."""
        env, p = self.env, self.p
        yield env.timeout(after)
        first = env.now if first is None else first
        self.coming += 1
        u, lost = self.noise["fate"][tick][slot], False
        if u < p.lost:
            u, lost = u / p.lost, True
        else:
            u = (u - p.lost) / (1 - p.lost)
        work = self.noise["work"][tick][slot] / p.rate
        job = SimpleNamespace(came=env.now, work=work, left=work, served=None, began=env.now)
        self.queue.append(job)
        if not self.wake.triggered:
            self.wake.succeed()
        yield env.timeout(p.timeout)
        good = job.served is not None and not lost
        self.inbox[m][0] += good
        self.inbox[m][1] += 1
        self.seen += 1
        if good:
            self.latencies.append(job.served - first)
            return
        if before < p.retries and self.tokens[m] >= 1 - 1e-9:
            self.tokens[m] -= 1
            wait = p.backoff * p.growth**before * (1 - p.jitter * u)
            then = int((env.now + wait) / p.step_time)
            number = self.booked.get(then, 0)
            self.booked[then] = number + 1
            env.process(self.attempt(wait, m, before + 1, len(self.noise["gaps"][0]) + number, then, first))
        else:
            self.failed += 1

    def close(self) -> None:
        """Hand over the answers and take stock."""
        p = self.p
        answers = sum(good for good, _ in self.inbox)
        self.answered += answers
        for b, mind in enumerate(self.minds):
            mine = [self.inbox[m] for m, brain in enumerate(self.brain_of) if brain == b]
            mind.hear(sum(good for good, _ in mine), sum(seen for _, seen in mine), self.tick)
        self.inbox = [[0, 0] for _ in range(p.gateways)]
        keep = math.exp(-p.step_time / p.window)
        flow = sum(self.news[-1]), answers, self.coming
        self.recent = [old * keep + new for old, new in zip(self.recent, flow, strict=True)]
        able = self.speed * p.rate > p.arrivals
        self.stuck = self.stuck + p.step_time if able and self.recent[1] < self.recent[0] / 2 else 0.0
        self.worst = max(self.worst, self.stuck)
        done = (self.env.now - self.queue[0].began) * self.speed if self.queue else 0.0
        self.backlog = sum(job.left for job in self.queue) - done
