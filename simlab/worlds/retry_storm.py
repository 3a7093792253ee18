"""Retry storms: gateways try again what came too late, and their retries are why it comes too late.

Requests come to gateways as one Poisson stream; one server takes all attempts, first come first served, with exponential work (M/M/1
without retries). Who has no answer `timeout` after an attempt gives it up and may try again, up to R = `retries` times, after a
wait of backoff growth^k (1 - jitter U). The server does not know, and works on what was given up too. Bronson et al. (2021),
"Metastable failures in distributed systems", HotOS: a trigger tips it into a state that sustains itself. In the fluid limit that exists iff

    lambda (1 + R) >= mu,     and with a retry budget b < R, iff     lambda (1 + b) >= mu,

since nothing is answered in time there and each request is attempted as often as it may be; waits and jitter do not enter.

A model says what share of attempts it expects to be answered in time, and its gateway lets R x said retries through for each new request,
as in client-side throttling (Beyer et al. 2016, Site Reliability Engineering, ch. 21). Those are tokens that last for `memory`; who lets
everything through is never short of one. A failed attempt asks for a token, or the request fails. Models hear when its time is up.

Between two ticks the server is exact (Lindley 1952) at any speed, since attempts leave when so much work is done; the tick says how often
gateways pay in tokens and hear from models. Requests or retries over `slots` a tick, 5.5 standard deviations at the rate `most`, are lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.kernels import add_at, log_bin, log_quantiles, places
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.queues import fifo
from simlab.base.world import Action, Feedback, Measure, Spec, World

FASTEST, BINS = 2.0**-14, 16 * 26  # the histogram of latencies: 61 us to 68 min
LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Attempts(NamedTuple):
    """Attempts under way by tick and slot, `(r, ticks, slots)`: when they come, how old their request is, whose they are."""

    at: Floats  # s from the beginning of the tick
    age: Floats  # s since the request first came
    wait: Floats  # U, by which the wait after it is shorter
    who: Ints  # gateway + gateways x attempts before; -1 for nobody
    leave: Floats  # s of work at full speed from the beginning of the tick until it is served; infinite where the answer gets lost


class Tally(NamedTuple):
    """What is accumulated for the measures."""

    sums: Floats  # (r, 4) answers, requests given up, attempts whose time is up, those of them in vain
    counts: Floats  # (r, bins) times from request to answer
    worst: Floats  # (r,) s


class Service(NamedTuple):
    """The state; what is kept by tick stands at the tick modulo its length."""

    tick: Ints  # (r,)
    free: Floats  # (r, 1) s of work that wait
    sent: Attempts  # of the last `timeout`
    speed: Floats  # (r, ticks) capacity in the last `timeout`
    due: Attempts  # retries to come
    fill: Ints  # (r, ticks) how many of them a tick has
    tokens: Floats  # (r, m)
    came: Floats  # (r, ticks, m) new requests of the last `memory`
    within: Floats  # (r, m) their sum
    recent: Floats  # (r, 3) requests, answers and attempts, fading with `window`
    allowed: Floats  # (r,) retries let through for each request, mean over gateways
    stuck: Floats  # (r,) s
    total: Tally


@final
@dataclass(frozen=True)
class RetryStorm(World[Service]):
    """Gateways that each decide how much of what failed is tried again at one server."""

    gateways: Annotated[int, Par("1", "gateways, each with its model", low=1, high=4096)] = 10
    arrivals: Annotated[float, Par("1/s", "new requests, all gateways together", above=0, live=True)] = 60.0
    most: Annotated[float, Par("1/s", "the most arrivals that room is kept for", above=0)] = 60.0
    rate: Annotated[float, Par("1/s", "attempts that the server can serve", above=0)] = 100.0
    capacity: Annotated[float, Par("1", "share of its rate the server has", low=0, high=1, live=True)] = 1.0
    timeout: Annotated[float, Par("s", "an attempt is given up after this", above=0)] = 1.0
    retries: Annotated[int, Par("1", "attempts after the first", low=0, high=20)] = 3
    backoff: Annotated[float, Par("s", "longest wait before the first retry", low=0)] = 0.5
    growth: Annotated[float, Par("1", "the next wait over the one before", low=1, high=10, source="Brooker 2015")] = 2.0
    jitter: Annotated[float, Par("1", "random share of a wait", low=0, high=1, source="Brooker 2015: full")] = 1.0
    lost: Annotated[float, Par("1", "share of answers that never arrive", low=0, below=1, live=True)] = 0.01
    memory: Annotated[float, Par("s", "how long a token for a retry lasts", above=0, source="Finagle, RetryBudget")] = (
        10.0
    )
    window: Annotated[float, Par("s", "memory of goodput and amplification", above=0)] = 2.0
    step_time: Annotated[float, Par("s", "time between two looks of a gateway at its model", above=0)] = 0.5

    measures: ClassVar[Mapping[str, Measure]] = {
        "stuck": Measure("s", "longest time with less than half answered though the server could take all", "higher"),
        "backlog": Measure("s", "time that the server, at full speed, needs for what waits", "higher"),
        "goodput": Measure("1", "answers over new requests, of late", "lower"),
        "amplification": Measure("1", "attempts over new requests, of late", "higher"),
        "offered": Measure("1", "attempts a second over what the server can serve, of late", "higher"),
        "allowed": Measure("1", "retries that gateways let through for each request"),
        "wasted": Measure("1", "share of attempts so far that were made in vain", "higher"),
        "failed": Measure("1", "share of requests so far that were given up", "higher"),
        "given_up": Measure("1", "requests given up so far", "higher"),
        **{name: Measure("s", f"time in which {part:.0%} of answers came", "higher") for name, part in LEVELS.items()},
    }

    def check(self) -> None:
        """Raise ParameterError where times do not fit each other, or there is not room enough."""
        ticks, dt, what = self.timeout / self.step_time, self.step_time, ""
        if ticks < 1 - 1e-9 or abs(ticks - round(ticks)) > 1e-6:
            what = f"timeout must be whole ticks of {dt:g} s, not {self.timeout:g} s"
        elif self.memory < self._life:
            what = f"memory must be at least the {self._life:g} s of a request, not {self.memory:g} s"
        elif self.arrivals > self.most:
            what = f"arrivals must be at most `most` ({self.most:g}), not {self.arrivals:g}"
        elif sum(self.slots) > 100_000 or max(self._life, self.memory, self.timeout) > 10_000 * dt:
            what = "step_time does not fit: over 100,000 attempts a tick, or a wait of over 10,000 ticks"
        if what:
            raise ParameterError(f"RetryStorm.{what}")

    @property
    def _life(self) -> float:
        """The longest time from a request to its last retry."""
        return self.retries * self.timeout + self.backoff * sum(self.growth**k for k in range(self.retries))

    @property
    def slots(self) -> tuple[int, int]:
        """The most requests and the most retries of a tick that there is room for."""
        mean = self.most * self.step_time
        new, again = (math.ceil(x + 5.5 * math.sqrt(x) + 3) for x in (mean, mean * self.retries))
        return new, again

    @property
    def spec(self) -> Spec:
        """Each model says what share of attempts is answered in time; it sees nothing but answers."""
        return Spec(self.gateways, features=1)

    @property
    def tick(self) -> float:
        """Seconds between two looks."""
        return self.step_time

    def start(self, luck: Luck) -> Service:
        """Nobody waits, no tokens."""
        r, m, dt, slots = luck.replications, self.gateways, self.step_time, self.slots
        ahead = math.ceil(self.backoff * self.growth ** max(self.retries - 1, 0) / dt) + 2
        sizes = (round(self.timeout / dt), sum(slots)), (ahead, slots[1])
        sent, due = (Attempts(*(np.full((r, *size), fill) for fill in (0.0, 0.0, 0.0, -1, 0.0))) for size in sizes)
        came, pair, nothing = np.zeros((r, math.ceil(self.memory / dt) + 1, m)), np.zeros((r, m)), np.zeros(r)
        tally = Tally(np.zeros((r, 4)), np.zeros((r, BINS)), nothing)
        now, fill = np.zeros(r, np.int64), np.zeros((r, ahead), np.int64)
        waits = nothing[:, None], sent, np.ones((r, sizes[0][0])), due, fill, pair
        return Service(now, *waits, came, pair, np.zeros((r, 3)), nothing, nothing, tally)

    def settle(self, state: Service) -> Service:
        """Tallies begin anew; what is under way stays."""
        return state._replace(stuck=np.zeros_like(state.stuck), total=Tally(*map(np.zeros_like, state.total)))

    def observe(self, state: Service) -> Floats:
        """`(r, 1, 1)`: a constant. What matters is in the answers."""
        return np.ones((len(state.tick), 1, 1))

    def act(self, state: Service, said: Floats, luck: Luck) -> Action:
        """A gateway lets `retries` x said through for each new request, `(r, m)`."""
        return Action(self.retries * np.clip(said, 0.0, 1.0))

    def fallback(self, state: Service, luck: Luck) -> Floats:
        """Without a model: nothing is tried again."""
        return np.zeros((len(state.tick), self.gateways))

    def step(self, state: Service, action: Action, luck: Luck) -> tuple[Service, Feedback]:
        """One tick: attempts whose time is up are good or not, and some are to be tried again; then what comes now is served."""
        s, total, m, dt, now = state, state.total, self.gateways, self.step_time, int(state.tick[0])
        (r, ahead, again), slots, kept = s.due.at.shape, sum(self.slots), s.came.shape[1]
        sent, due, budget, rows = now % s.speed.shape[1], now % ahead, action.value, np.arange(r)[:, None]
        item = (s.sent.who[:, sent] >= 0).ravel().nonzero()[0]  # whose time is up in this tick
        at, age, short, leave = (a[:, sent].ravel().take(item) for a in (*s.sent[:3], s.sent.leave))
        row, code = item // slots, s.sent.who[:, sent].ravel().take(item)
        spent, pair = self._passed(s, sent, row, leave) - at, row * m + code % m
        good = spent <= self.timeout
        seen, right = (np.bincount(which, minlength=r * m).reshape(r, m) for which in (pair, pair[good]))
        add_at(total.counts, row[good] * BINS + log_bin((age + spent)[good], FASTEST, BINS), 1.0)
        tokens = np.minimum(s.tokens + budget * s.came[:, (now - 1) % kept], budget * s.within)
        ask = (~good & (code < m * self.retries)).nonzero()[0]
        ask = ask[places(pair[ask]) + 1 <= tokens.ravel().take(pair[ask]) + 1e-9]
        tokens -= np.bincount(pair[ask], minlength=r * m).reshape(r, m)
        wait = self.backoff * self.growth ** (code[ask] // m) * (1 - self.jitter * short[ask])
        later = ((at[ask] + wait) / dt).astype(np.int64)
        cell = row[ask] * ahead + (now + later) % ahead
        room = (place := places(cell) + s.fill.ravel().take(cell)) < again
        ask, wait, later, cell = ask[room], wait[room], later[room], cell[room]
        retry = at[ask] + wait - later * dt, age[ask] + self.timeout + wait, code[ask] + m
        for ring, what in zip((s.due.at, s.due.age, s.due.who), retry, strict=True):
            ring.reshape(-1)[cell * again + place[room]] = what
        s.fill.reshape(-1)[:] += np.bincount(cell, minlength=r * ahead)
        failed = np.bincount(row[~good], minlength=r) - np.bincount(row[ask], minlength=r)
        comes = np.cumsum(luck.exponential("gaps", (r, slots - again)), axis=1) / self.arrivals
        here = comes < dt
        few: Ints = np.r_[: here.sum(axis=1).max(), slots - again : slots - again + s.fill[:, due].max()]  # of all rows
        gate = (luck.uniform("gateway", here.shape) * m).astype(np.int64)
        fresh = np.bincount((gate + rows * m)[here], minlength=r * m).reshape(r, m).astype(np.float64)
        who = np.concatenate([np.where(here, gate, -1), s.due.who[:, due]], axis=1).take(few, axis=1)
        at = np.where(who < 0, dt, np.concatenate([comes, s.due.at[:, due]], axis=1).take(few, axis=1))
        age = np.concatenate([np.zeros(here.shape), s.due.age[:, due]], axis=1).take(few, axis=1)
        work = luck.exponential("work", (r, slots)).take(few, axis=1)
        u = luck.uniform("fate", (r, slots)).take(few, axis=1)
        order = np.argsort(at, axis=1) + rows * len(few)
        at, age, who, work, u = (x.ravel().take(order) for x in (at, age, who, work, u))
        served = fifo(at * self.capacity, (who < 0).astype(np.int64), work * (who >= 0) / self.rate, s.free)
        mute = u < self.lost  # what is left of u is uniform again
        u = (u - self.lost * ~mute) / np.where(mute, self.lost, 1 - self.lost)
        for ring, what in zip(s.sent, (at, age, u, who, np.where(mute, np.inf, served.leaves)), strict=True):
            ring[:, sent, : len(few)] = what
        s.sent.who[:, sent, len(few) :], s.due.who[:, due], s.fill[:, due], s.speed[:, sent] = -1, -1, 0, self.capacity
        within = s.within + fresh - s.came[:, now % kept]
        s.came[:, now % kept] = fresh
        answered, able = right.sum(axis=1), self.capacity * self.rate > self.arrivals
        flow = np.stack([fresh.sum(axis=1), answered, (who >= 0).sum(axis=1)], axis=1)
        recent = s.recent * math.exp(-dt / self.window) + flow
        stuck = (s.stuck + dt) * (able & (2 * recent[:, 1] < recent[:, 0]))
        sums = np.stack([answered, failed, seen.sum(axis=1), (seen - right).sum(axis=1)], axis=1)
        tally = Tally(total.sums + sums, total.counts, np.maximum(total.worst, stuck))
        free = np.maximum(served.free - dt * self.capacity, 0.0)
        then = Service(s.tick + 1, free, *s[2:6], tokens, s.came, within, recent, budget.mean(axis=1), stuck, tally)
        return then, Feedback(right / np.maximum(seen, 1), seen.astype(np.float64))

    def _passed(self, s: Service, first: int, row: Ints, work: Floats) -> Floats:
        """How long the server took for so much work `(n,)` from tick `first` of the ring on, in rows `row`, up to now."""
        past = np.zeros(len(work))
        for speed in (*np.roll(s.speed, -first, axis=1).T, np.full(len(s.speed), self.capacity)):
            past += np.clip(work / np.maximum(speed, 1e-12)[row], 0.0, self.step_time)
            work = work - (speed * self.step_time)[row]
        return past

    def measure(self, state: Service) -> dict[str, Floats]:
        """The measures now; before anything came, as if all were well."""
        s, t = state, state.total
        (came, answers, attempts), (answered, failed, tried, vain) = s.recent.T, t.sums.T
        some, none = np.maximum(came, 1e-9), came == 0
        now = {"stuck": t.worst, "backlog": s.free[:, 0], "goodput": answers / some + none, "allowed": s.allowed}
        now |= {"amplification": attempts / some + none, "wasted": vain / np.maximum(tried, 1.0)}
        now |= {"offered": attempts * (-math.expm1(-self.tick / self.window) / (self.tick * self.rate))}
        now |= {"failed": failed / np.maximum(answered + failed, 1.0), "given_up": failed}
        now |= zip(LEVELS, log_quantiles(t.counts, FASTEST, tuple(LEVELS.values())), strict=True)
        return {name: now[name] for name in self.measures}
