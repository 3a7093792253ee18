"""Named random streams: one generator for each (seed, replication, purpose), drawn in blocks of ticks.

Results then do not depend on cohort size, block size, or what other arms draw. The second
axis of a draw is split at fixed edges, each part with a stream of its own drawn at full
width, so that another agent does not shift the luck of those before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from math import prod
from typing import final

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.luck import Luck

_BLOCK = 2048  # numbers per stream and block: long enough to hide the cost of a call, short enough for the cache
_FIRST, _WIDE = 16, 64

Draw = Callable[[np.random.Generator, Floats], object]

_DRAWS: dict[str, Draw] = {
    "uniform": lambda g, out: g.random(out=out),
    "normal": lambda g, out: g.standard_normal(out=out),
    "exponential": lambda g, out: g.standard_exponential(out=out),
}


def generator(seed: int, replication: int, purpose: str, part: int = 0) -> np.random.Generator:
    """The generator of one replication for one purpose (SFC64, the fastest of NumPy's)."""
    digest = hashlib.blake2b(purpose.encode(), digest_size=8).digest()
    words = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(replication, *words, part))))


def parts(n: int) -> list[tuple[int, int]]:
    """The fixed parts [first, last) that cover `n` agents: 16, then up to 64, then 64 at a time."""
    found = [(0, _FIRST)]
    while found[-1][1] < n:
        first = found[-1][1]
        found.append((first, (first // _WIDE + 1) * _WIDE))
    return found


@final
class Clock:
    """Which tick is being drawn for; -1 while worlds and brains start."""

    def __init__(self) -> None:
        self.row = -1


@final
class Streams(Luck):
    """The luck of the replications numbered `numbers`, `(r,)`.

    With `again`, a second draw in one tick repeats the first instead of being refused.
    """

    def __init__(
        self, seed: int, numbers: Sequence[int], prefix: str = "", clock: Clock | None = None, *, again: bool = False
    ) -> None:
        self.again = again
        self.seed, self.numbers, self.prefix = seed, tuple(int(n) for n in numbers), prefix
        self.replications = len(self.numbers)
        self.clock = clock or Clock()
        self._sources: dict[str, _Source] = {}

    def named(self, prefix: str, *, again: bool = False) -> Streams:
        """Streams with purposes of their own and the same clock."""
        return Streams(self.seed, self.numbers, f"{self.prefix}{prefix}/", self.clock, again=again)

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Uniform on [0, 1)."""
        return self._draw("uniform", purpose, shape)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Standard normal (exact: NumPy's ziggurat)."""
        return self._draw("normal", purpose, shape)

    def exponential(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Exponential with mean 1."""
        return self._draw("exponential", purpose, shape)

    def _draw(self, kind: str, purpose: str, shape: tuple[int, ...]) -> Floats:
        started = self.clock.row >= 0
        key = f"{self.prefix}{purpose}/{kind}" + ("" if started else "/start")
        source = self._sources.get(key)
        if source is None:
            if shape[0] != self.replications:
                raise ValueError(
                    f"luck for `{purpose}`: the first axis is the replication; expected {self.replications}, not {shape[0]}"
                )
            source = _Source(key, kind, shape, self.seed, self.numbers, buffered=started)
            self._sources[key] = source
        return source.row(max(self.clock.row, 0), shape, self.again)


@final
class _Source:
    """The streams behind one purpose: blocks of ticks, filled as the clock reaches them."""

    def __init__(
        self, key: str, kind: str, shape: tuple[int, ...], seed: int, numbers: tuple[int, ...], *, buffered: bool
    ) -> None:
        self.key, self.shape, self._fill = key, shape, _DRAWS[kind]
        n, rest = (shape[1] if len(shape) > 1 else 1), prod(shape[2:])
        self._parts = [(a * rest, b * rest) for a, b in parts(n)] if len(shape) > 1 else [(0, 1)]
        self._size = n * rest
        drawn = self._parts[-1][1]
        self._ticks = max(1, min(_BLOCK // drawn, 256)) if buffered else 1
        self._streams = [[generator(seed, i, key, part) for part in range(len(self._parts))] for i in numbers]
        self._block = -1
        self._used = -1
        self._numbers = np.empty((shape[0], self._ticks, self._size))
        self._scratch = np.empty(self._ticks * max(b - a for a, b in self._parts))

    def row(self, row: int, shape: tuple[int, ...], again: bool) -> Floats:
        """The draw for tick `row`; ticks that nobody asked for are drawn and dropped."""
        if shape != self.shape:
            raise ValueError(
                f"luck for `{self.key}` was first drawn with shape {self.shape}; it cannot change to {shape}"
            )
        if row == self._used and not again:
            raise ValueError(f"luck for `{self.key}` is drawn twice in one tick; give the second draw its own purpose")
        self._used = row
        while self._block < row // self._ticks:
            self._next_block()
        view = self._numbers[:, row % self._ticks].reshape(shape)
        view.flags.writeable = False
        return view

    def _next_block(self) -> None:
        self._block += 1
        for r, streams in enumerate(self._streams):
            for (first, last), stream in zip(self._parts, streams, strict=True):
                wide = last - first
                out = self._scratch[: self._ticks * wide]
                self._fill(stream, out)
                keep = min(last, self._size) - first
                self._numbers[r, :, first : first + keep] = out.reshape(self._ticks, wide)[:, :keep]
