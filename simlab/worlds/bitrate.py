"""Adaptive streaming: players that choose a bitrate for every chunk, and share the links that their chunks fill.

Each player asks for one chunk of video after the other, at one of the `rates`. A link carries C = bandwidth x (its own factor)
x (its level) Mbit/s; the level is a Markov chain on `levels` that stays with probability `stay` and is otherwise drawn anew, evenly. The
n-th chunks of all players are fetched at once and share their link evenly at any instant (processor sharing), so that with sizes
S a chunk takes

    d_i = rtt + sum_j min(S_i, S_j) / C    (j: the players on the link of i, itself among them),

which is exact: until i is done, every other has been served as much as i, or all it wanted. The rest is the player of Mao, Netravali
& Alizadeh (2017), "Neural adaptive video streaming with Pensieve", SIGCOMM, sections 3 and 4: with a buffer of B seconds playing stands
still for max(d - B, 0), the buffer is then max(B - d, 0) + chunk, and the next chunk waits until there is room for it. A chunk's
quality of experience is

    rate - rebuffer x (seconds stood still) - change x |rate - last rate|    (their QoE_lin).

A tick is one chunk of everybody; it is the player's own step and cannot be halved. In truth chunks do not begin together: the clocks of
two players drift apart by what is in their buffers and by how long they stood still. So contention is here the highest there is, and the
axis of time counts video, not what stood still. The level holds for a whole chunk. A model sees its player's throughput (S / d, harmonic
mean, fading over `window` chunks), its buffer, and the last rate. The plain rule is the rate map of Huang et al. (2014, SIGCOMM), without
memory. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, NamedTuple, final

import numpy as np

from simlab.base.arrays import Floats, Ints
from simlab.base.errors import ParameterError
from simlab.base.luck import Luck
from simlab.base.par import Par
from simlab.base.video import LADDER
from simlab.base.world import Action, Feedback, Measure, Spec, World

MAO, HUANG = "Mao 2017", "Huang 2014, with the values of Mao 2017"


class Sums(NamedTuple):
    """What is accumulated for the measures."""

    chunks: Floats  # (r,)
    quality: Floats  # (r,) of a mean player, Mbit/s times chunks
    rate: Floats  # (r,) the same unit
    change: Floats  # (r,) the same unit
    still: Floats  # (r, m) s


class Players(NamedTuple):
    """The state."""

    own: Floats  # (r, l) factor of each link
    level: Ints  # (r, l)
    slowness: Floats  # (r, m) 1 / throughput, s/Mbit
    buffer: Floats  # (r, m) s, when the next chunk is asked for
    rung: Ints  # (r, m) the last rate's place on the ladder
    lately: Floats  # (r,) s that a mean player stood still a chunk, fading
    total: Sums


@final
@dataclass(frozen=True)
class Bitrate(World[Players]):
    """Players, some on each link, each with a model that names the rate of its next chunk."""

    players: Annotated[int, Par("1", "players, each with a model", low=1, high=4096)] = 16
    together: Annotated[int, Par("1", "players on each link", low=1, high=64)] = 4
    rates: Annotated[tuple[float, ...], Par("Mbit/s", "bitrates on offer, rising", above=0, source=MAO)] = LADDER
    chunk: Annotated[float, Par("s", "video in a chunk", above=0, source=MAO)] = 4.0
    most: Annotated[float, Par("s", "video that a buffer holds", above=0, source=MAO)] = 60.0
    rtt: Annotated[float, Par("s", "time from asking to the first bit", low=0, live=True, source=MAO)] = 0.08
    bandwidth: Annotated[float, Par("Mbit/s", "capacity of a mean link", above=0, live=True)] = 8.0
    unequal: Annotated[float, Par("1", "spread of the logarithm of links' capacities", low=0, high=2)] = 0.4
    levels: Annotated[tuple[float, ...], Par("1", "what a link may have of its capacity", above=0)] = (
        0.3,
        0.6,
        1.0,
        1.4,
        1.7,
    )
    stay: Annotated[float, Par("1", "probability that a level stays for another chunk", low=0, below=1)] = 0.9
    window: Annotated[float, Par("1", "chunks over which throughput is averaged", low=1, source=MAO)] = 5.0
    rebuffer: Annotated[float, Par("Mbit/s/s", "what a second of standing still costs", low=0, source=MAO)] = 4.3
    change: Annotated[float, Par("1", "what a change of rate by 1 Mbit/s costs", low=0, source=MAO)] = 1.0
    reservoir: Annotated[float, Par("s", "plain rule: buffer up to which it is the lowest", low=0, source=HUANG)] = 5.0
    cushion: Annotated[float, Par("s", "plain rule: from there to the highest", above=0, source=HUANG)] = 10.0
    recent: Annotated[float, Par("1", "chunks over which `stalling` fades", low=1)] = 75.0

    measures: ClassVar[Mapping[str, Measure]] = {
        "quality": Measure("Mbit/s", "quality of experience of a chunk (QoE_lin), mean so far", "lower"),
        "rate": Measure("Mbit/s", "bitrate of a chunk, mean so far", "lower"),
        "change": Measure("Mbit/s", "change of bitrate from chunk to chunk, mean so far", "higher"),
        "stalled": Measure("1", "share of the time that a player stood still, mean so far", "higher"),
        "worst": Measure("1", "share of the time so far that the player stood still who did most", "higher"),
        "stalling": Measure("1", "share of the time that players stood still, of late", "higher"),
        "still": Measure("s", "time that a mean player stood still so far", "higher"),
        "buffer": Measure("s", "buffer of a mean player when it asks for a chunk, now"),
    }

    def check(self) -> None:
        """Raise ParameterError where rates do not rise, links cannot be filled evenly, or a buffer holds no two chunks."""
        if len(self.rates) < 2 or any(a >= b for a, b in pairwise(self.rates)):
            raise ParameterError(f"Bitrate.rates must be at least two numbers that rise, not {self.rates}")
        if not self.levels:
            raise ParameterError("Bitrate.levels must name at least one level")
        if self.players % self.together:
            raise ParameterError(
                f"Bitrate.together must divide the {self.players} players evenly over links, not {self.together}"
            )
        if self.most < 2 * self.chunk:
            raise ParameterError(f"Bitrate.most must be at least two chunks, {2 * self.chunk:g} s, not {self.most:g} s")

    @property
    def spec(self) -> Spec:
        """Each model names a rate from its player's throughput (Mbit/s), buffer (s) and last rate (Mbit/s)."""
        return Spec(self.players, "choice", self.players, features=3, choices=len(self.rates))

    @property
    def tick(self) -> float:
        """Seconds of video in a chunk."""
        return self.chunk

    def start(self, luck: Luck) -> Players:
        """One chunk of the lowest rate is stored, and came at what the link has at its level."""
        r, m, links = luck.replications, self.players, self.players // self.together
        own = np.exp(self.unequal * luck.normal("links", (r, links)))
        level = (luck.uniform("first levels", (r, links)) * len(self.levels)).astype(np.int64)
        share = own * np.array(self.levels).take(level) * (self.bandwidth / self.together)
        slowness = 1 / share.repeat(self.together, axis=1)
        nothing = np.zeros(r)
        total = Sums(nothing, nothing, nothing, nothing, np.zeros((r, m)))
        buffer, rung = np.full((r, m), self.chunk), np.zeros((r, m), np.int64)
        return Players(own, level, slowness, buffer, rung, nothing, total)

    def settle(self, state: Players) -> Players:
        """What is accumulated begins anew; buffers and links go on."""
        return state._replace(total=Sums(*(np.zeros_like(a) for a in state.total)))

    def observe(self, state: Players) -> Floats:
        """`(r, m, 3)`: throughput, buffer and last rate."""
        x = np.empty((*state.buffer.shape, 3))
        x[..., 0] = 1 / state.slowness
        x[..., 1] = state.buffer
        x[..., 2] = np.array(self.rates).take(state.rung)
        return x

    def fallback(self, state: Players, luck: Luck) -> Ints:
        """The rate map: the highest rate not above a line in the buffer, `(r, m)`."""
        low, high = self.rates[0], self.rates[-1]
        line = low + (high - low) / self.cushion * (state.buffer - self.reservoir)
        return np.maximum(np.searchsorted(self.rates, line, side="right") - 1, 0)

    def step(self, state: Players, action: Action, luck: Luck) -> tuple[Players, Feedback]:
        """Everybody fetches a chunk of the rate `action` `(r, m)` and learns its quality of experience."""
        s, t, chosen = state, state.total, action.value
        (r, m), links, g, rates = chosen.shape, s.level.shape[1], self.together, np.array(self.rates)
        u = luck.uniform("levels", (r, links))
        k = len(self.levels)
        moved = np.minimum((u - self.stay) * (k / (1 - self.stay)), k - 1).astype(np.int64)
        level = np.where(u < self.stay, s.level, moved)
        capacity = s.own * np.array(self.levels).take(level)
        capacity *= self.bandwidth

        rate = rates.take(chosen)
        size = (rate * self.chunk).reshape(r, links, g)
        takes: Floats = np.zeros_like(size)
        for j in range(g):  # a reduction over so short an axis would take four times as long
            takes += np.minimum(size, size[..., j : j + 1])
        takes /= capacity[..., None]
        takes += self.rtt
        slow = takes / size
        takes, slow = takes.reshape(r, m), slow.reshape(r, m)

        still = np.maximum(takes - s.buffer, 0.0)
        buffer = np.maximum(s.buffer - takes, 0.0)
        buffer += self.chunk
        np.minimum(buffer, self.most - self.chunk, out=buffer)
        change = np.abs(rate - rates.take(s.rung))
        quality = rate - self.rebuffer * still - self.change * change
        lately = s.lately + (still.mean(axis=1) - s.lately) / self.recent
        total = Sums(
            t.chunks + 1,
            t.quality + quality.mean(axis=1),
            t.rate + rate.mean(axis=1),
            t.change + change.mean(axis=1),
            t.still + still,
        )
        slowness = s.slowness + (slow - s.slowness) / self.window
        return Players(s.own, level, slowness, buffer, chosen, lately, total), Feedback(quality)

    def measure(self, state: Players) -> dict[str, Floats]:
        """The measures now; 0 before the first chunk."""
        s, t = state, state.total
        chunks = np.maximum(t.chunks, 1.0)
        still = t.still / (t.still + self.chunk * chunks[:, None])
        return {
            "quality": t.quality / chunks,
            "rate": t.rate / chunks,
            "change": t.change / chunks,
            "stalled": still.mean(axis=1),
            "worst": still.max(axis=1),
            "stalling": s.lately / (s.lately + self.chunk),
            "still": t.still.mean(axis=1),
            "buffer": s.buffer.mean(axis=1),
        }
