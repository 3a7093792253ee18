"""Load balancing: each balancer learns which backend is fast from answers to the requests that made it slow.

Requests come as one Poisson stream, dealt to the balancers in turn. Each balancer sends every request to one of several
backends: single servers, first come first served, with exponential service times (M/M/1 each where the choice is
blind). Between two ticks policies are frozen while requests go on, so queues are exact at any tick (Lindley 1952); the tick
is how often balancers take in answers, and belongs to the model. An answer is good if it has no error and comes within the
deadline; it is learnt when it comes, a late one when the deadline passes, both `lag` later, with the backend it is about. Each view is a
board of queue lengths, read anew every `refresh` at a phase of its own (Mitzenmacher 2000, Dahlin 2000, IEEE TPDS 11: "periodic update").

Luck is dealt to requests, so every arm meets the same requests with the same work. In a brownout what comes to the first backend takes
longer, not what waits. Over `slots` requests a balancer and tick (5.5 standard deviations) are lost. Percentiles include who still waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.kernels import add_at, emptied, log_count, log_quantiles, turned, window_quantiles
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.queues import fifo, soonest
from simlab.base.world import Action, Feedback, Measure, Spec, World

FASTEST, BINS = 2.0**-14, 16 * 26  # the histogram of latencies: 61 us to 68 min
LEVELS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
BACKENDS = (160.0, 160.0, 80.0, 80.0, 80.0, 80.0, 40.0, 40.0)
RULES = ("random", "weighted", "round_robin", "soonest")


class Tally(NamedTuple):
    """What is accumulated for the measures, `(r,)` and one histogram; requests are booked when they are sent."""

    time: Floats  # seconds
    waited: Floats  # seconds, of all requests from arrival to the end of service
    crowd: Floats  # requests that went to the tick's most chosen backend
    same: Floats  # ordered pairs of requests of one tick to one backend
    pairs: Floats  # ordered pairs of requests of one tick
    uneven: Floats  # integral of (longest - mean) backlog, s^2
    served: Floats  # requests that left a backend
    sent: Floats  # (r, k) requests to each backend
    counts: Floats  # (r, 3, bins) latencies of good, erroneous and late requests


class Cluster(NamedTuple):
    """The state. A last column of backends, `k`, belongs to nobody: requests that did not come end there."""

    tick: Ints  # (r,)
    backlog: Floats  # (r, k) seconds until the backend is idle
    queue: Floats  # (r, k) requests present
    board: Floats  # (r, m, k) queue lengths as each view last read them
    phase: Ints  # (r, m) ticks
    turn: Ints  # (r, m) where round robin goes on
    due: Floats  # (r, ticks, m, 2, k+1) good and bad answers on their way
    spent: Floats  # the same shape: the seconds that those requests took, at most the deadline
    leaving: Floats  # (r, ticks', k+1) requests that will leave a backend
    heard: Floats  # (r, 2) good and bad answers of the last `window`, fading
    speed: Floats  # (r,) what the first backend has left
    lately: Array  # (r, ticks'', j) latencies of this window's requests, infinite for nobody; float32, as all records
    tails: Floats  # (r, 3) percentiles of the last whole window
    total: Tally


@final
@dataclass(frozen=True)
class LoadBalancer(World[Cluster]):
    """Balancers that each send their requests to one of the same backends."""

    balancers: Annotated[int, Par("1", "balancers, each with its model", low=1, high=4096)] = 16
    rates: Annotated[tuple[float, ...], Par("1/s", "service rate of each backend", above=0)] = BACKENDS
    load: Annotated[float, Par("1", "offered load: arrivals over the sum of rates", above=0, below=1)] = 0.6
    arriving: Annotated[float, Par("1/s", "arrivals, all together; 0 for what `load` says", low=0, live=True)] = 0.0
    peak: Annotated[float, Par("1", "room for arrivals, as a multiple of what `load` says", low=1)] = 1.0
    step_time: Annotated[float, Par("s", "time between two readings of answers", above=0)] = 0.5
    deadline: Annotated[float, Par("s", "a later answer is a failure", above=0)] = 1.0
    lag: Annotated[float, Par("s", "time from an answer to its reading", low=0)] = 0.0
    error: Annotated[float, Par("1", "share of requests that fail at any backend", low=0, below=1)] = 0.001
    faulty: Annotated[float, Par("1", "share that fails at the first", low=0, high=1, live=True)] = 0.0
    brownout: Annotated[float, Par("1", "speed the first has left for what comes", above=0, high=1, live=True)] = 1.0
    onset: Annotated[float, Par("s", "time constant with which it sets in, and ends; 0 for at once", low=0)] = 0.0
    refresh: Annotated[float, Par("s", "time between two readings of a board; 0 for every tick", low=0)] = 0.0
    window: Annotated[float, Par("s", "memory of the measure `failing`", above=0)] = 5.0
    recent: Annotated[float, Par("s", "window of the exact percentiles", above=0)] = 1.0
    reach: Annotated[float, Par("s", "boards and throughput count a longer backlog as this long", above=0)] = 60.0
    fallback_rule: Annotated[str, Par("1", "the plain rule without a model", choices=RULES)] = "weighted"

    measures: ClassVar[Mapping[str, Measure]] = {
        "latency": Measure("s", "mean time from arrival to the end of service, of requests so far", "higher"),
        **{name: Measure("s", f"time in which {part:.0%} were served", "higher") for name, part in LEVELS.items()},
        **{f"{name}_lately": Measure("s", f"{name} of the last whole window, exact", "higher") for name in LEVELS},
        "failed": Measure("1", "share of requests so far that erred or came late", "higher"),
        "timeouts": Measure("1", "share of requests so far that came late", "higher"),
        "lost": Measure("1", "requests so far that erred or came late", "higher"),
        "failing": Measure("1", "share of bad answers among those of the last window", "higher"),
        "crowd": Measure("1", "share of requests so far that went to the tick's most chosen backend"),
        "herding": Measure("1", "how much likelier two requests of a tick share a backend than any two", "higher"),
        "imbalance": Measure("s", "longest backlog of a backend less the mean, averaged over time", "higher"),
        "throughput": Measure("1/s", "requests served a second so far", "lower"),
    }

    def check(self) -> None:
        """Raise ParameterError where the backends cannot keep up, or a tick is too long."""
        if not 1 <= len(self.rates) <= 1000:
            raise ParameterError(f"LoadBalancer.rates must name 1 to 1000 backends, not {len(self.rates)}")
        if (at := self.load * sum(self.rates) / (sum(self.rates) - self.rates[0] * (1 - self.brownout))) >= 1:
            raise ParameterError(f"LoadBalancer.load is {at:.3g} of what the brownout leaves; it must be below 1")
        if self.arriving > (room := self.load * self.peak * sum(self.rates)):
            raise ParameterError(
                f"LoadBalancer.arriving must be at most load x peak, {room:g} 1/s, not {self.arriving:g}"
            )
        if self.slots * self.balancers > 1_000_000:
            raise ParameterError("LoadBalancer.step_time must be shorter: over a million requests come in a tick")

    @property
    def arrivals(self) -> float:
        """Requests a second, all balancers together."""
        return self.arriving or self.load * sum(self.rates)

    @property
    def slots(self) -> int:
        """The most requests that a balancer gets in a tick."""
        mean = self.load * sum(self.rates) * self.peak * self.step_time
        return math.ceil((mean + 5.5 * math.sqrt(mean) + 3) / self.balancers)

    @property
    def spec(self) -> Spec:
        """Each model chooses a backend for each request, all requests of a tick from the same board."""
        k = len(self.rates)
        return Spec(self.balancers, "choice", self.balancers, (self.slots,), features=k, choices=k)

    @property
    def tick(self) -> float:
        """Seconds between two readings of answers."""
        return self.step_time

    def start(self, luck: Luck) -> Cluster:
        """Empty queues; boards are read at phases of their own, round robin begins anywhere."""
        r, m, k = luck.replications, self.balancers, len(self.rates)
        ticks = math.ceil((self.deadline + self.lag) / self.tick) + 2
        upto = {"phase": self._every, "turn": k}
        phase, turn = ((luck.uniform(name, (r, m)) * most).astype(np.int64) for name, most in upto.items())
        due, leaving = np.zeros((r, ticks, m, 2, k + 1)), np.zeros((r, math.ceil(self.reach / self.tick) + 1, k + 1))
        idle, board, now, heard = np.zeros((r, k)), np.zeros((r, m, k)), np.zeros(r, np.int64), np.zeros((r, 2))
        lately = np.full((r, max(round(self.recent / self.tick), 1), m * self.slots), np.inf, np.float32)
        tally = Tally(*(np.zeros(r),) * 7, idle, np.zeros((r, 3, BINS)))
        full, tails = np.ones(r), np.zeros((r, len(LEVELS)))
        return Cluster(now, idle, idle, board, phase, turn, due, due.copy(), leaving, heard, full, lately, tails, tally)

    def settle(self, state: Cluster) -> Cluster:
        """Tallies begin anew; queues and answers on their way stay."""
        return state._replace(total=Tally(*(np.zeros_like(a) for a in state.total)))

    def observe(self, state: Cluster) -> Floats:
        """`(r, m, slots, k)`: the board of each view, the same for all requests of a tick (broadcast, not copied)."""
        r, m, k = state.board.shape
        return np.broadcast_to(state.board[:, :, None], (r, m, self.slots, k))

    def fallback(self, state: Cluster, luck: Luck) -> Ints:
        """Without a model: any backend, one in proportion to its nominal rate, the next in turn, or (-1) by what is seen on arrival."""
        r, m, n, k = len(state.tick), self.balancers, self.slots, len(self.rates)
        if self.fallback_rule == "round_robin":
            return (state.turn[:, :, None] + np.arange(n)) % k
        if self.fallback_rule == "soonest":
            return np.full((r, m, n), -1)
        u = luck.uniform("fallback", (r, m, n))
        if self.fallback_rule == "random":
            return (u * k).astype(np.int64)
        share = np.cumsum(self.rates[:-1]) / sum(self.rates)
        return np.searchsorted(share, u.ravel(), side="right").reshape(u.shape)

    def step(self, state: Cluster, action: Action, luck: Luck) -> tuple[Cluster, Feedback]:
        """One tick: requests come and queue; then what was answered meanwhile is read."""
        s, total, dt, k, levels = state, state.total, self.step_time, len(self.rates), list(LEVELS.values())
        shape = r, m, n = action.value.shape
        j, row, wide = m * n, np.arange(r)[:, None], k + 1
        speed = self.brownout + (s.speed - self.brownout) * (math.exp(-dt / self.onset) if self.onset else 0.0)
        rate = np.array([self.rates[0] * speed[0], *self.rates[1:], 1e9])
        error = np.array([self.error + self.faulty * (1 - self.error)] + [self.error] * k)
        comes = np.cumsum(luck.exponential("gaps", shape).reshape(r, j), axis=1)
        comes *= 1 / self.arrivals
        here = comes < dt
        server = np.where(here, action.value.swapaxes(1, 2).reshape(r, j), k)  # dealt in turn: slot, then balancer
        work = luck.exponential("work", shape).reshape(r, j)
        if self.fallback_rule == "soonest":
            server, leaves, free = soonest(comes, server, work, s.backlog, 1 / np.array(self.rates), 1 / rate)
        else:
            leaves, free = fifo(comes, server, work * (1 / rate).take(server), s.backlog)
        late = (spent := leaves - comes) > self.deadline
        bad = (luck.uniform("errors", shape).reshape(r, j) < error.take(server)) | late
        comes += (known := np.minimum(spent, self.deadline)) + self.lag  # now: when the answer is read
        due, spots, size = s.due.shape[1], m * 2 * wide, s.leaving.shape[1]
        cell = turned(comes, dt, s.tick, due, spots) + (row * (due * spots) + np.tile(np.arange(m) * (2 * wide), n))
        cell += np.multiply(bad, wide, dtype=np.int64) + server
        add_at(s.due, cell, 1.0)
        add_at(s.spent, cell, known)
        log_count(total.counts, np.add(bad, late, dtype=np.int64), spent, FASTEST, here * 1.0)
        add_at(every := np.zeros((r, wide)), server + row * wide, 1.0)
        server += turned(leaves, dt, s.tick, size, wide) + row * (size * wide)  # now: where its departure is kept
        add_at(s.leaving, server, 1.0)

        left, weight, took = (emptied(wheel, s.tick, k) for wheel in (s.leaving, s.due, s.spent))
        sent, tick, backlog = every[:, :k], s.tick + 1, np.maximum(free - dt, 0.0)
        queue, count = s.queue + sent - left, sent.sum(axis=1)
        then = s._replace(
            tick=tick,
            backlog=backlog,
            queue=queue,
            board=np.where(((tick[:, None] + s.phase) % self._every == 0)[..., None], queue[:, None], s.board),
            turn=(s.turn + np.einsum("rnm->rm", here.reshape(r, n, m), dtype=np.int64)) % k,
            speed=speed,
            tails=window_quantiles(s.lately, s.tick, np.where(here, spent, np.inf), levels, s.tails),
            heard=s.heard * math.exp(-dt / self.window) + np.einsum("rmfk->rf", weight),
            total=total._replace(
                time=total.time + dt,
                waited=total.waited + np.einsum("rj,rj->r", spent, here),
                crowd=total.crowd + sent.max(axis=1),
                same=total.same + (sent * (sent - 1)).sum(axis=1),
                pairs=total.pairs + count * (count - 1),
                uneven=total.uneven + (backlog.max(axis=1) - backlog.mean(axis=1)) * dt,
                served=total.served + left.sum(axis=1),
                sent=total.sent + sent,
            ),
        )
        failed = np.broadcast_to(np.array([[False], [True]]), weight.shape)
        took /= np.maximum(weight, 1.0)
        return then, Feedback(took, weight, np.broadcast_to(np.arange(k), weight.shape), censored=failed)

    def measure(self, state: Cluster) -> dict[str, Floats]:
        """The measures now; 0 before anything was sent or heard."""
        s, t = state, state.total
        sent, time = np.maximum(t.sent.sum(axis=1), 1.0), np.maximum(t.time, self.tick)
        ever = (t.sent * (t.sent - 1)).sum(axis=1) / np.maximum(sent * (sent - 1), 1.0)
        _, wrong, late = t.counts.sum(axis=2).T
        now = dict(zip(LEVELS, log_quantiles(t.counts.sum(axis=1), FASTEST, list(LEVELS.values())), strict=True))
        now |= {f"{name}_lately": tail for name, tail in zip(LEVELS, s.tails.T, strict=True)}
        now |= {"latency": t.waited / sent, "failed": (wrong + late) / sent, "timeouts": late / sent}
        now |= {"lost": wrong + late, "failing": s.heard[:, 1] / np.maximum(s.heard.sum(axis=1), 1e-9)}
        now |= {"crowd": t.crowd / sent, "herding": t.same / np.maximum(t.pairs, 1.0) - ever}
        now |= {"imbalance": t.uneven / time, "throughput": t.served / time}
        return {name: now[name] for name in self.measures}

    @property
    def _every(self) -> int:
        return max(round(self.refresh / self.tick), 1)
