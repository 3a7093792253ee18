"""Named random streams: one generator for each (seed, replication, purpose), drawn in blocks of ticks.

Results then do not depend on cohort size, block size, or what other arms draw. The second
axis of a draw is split at fixed edges, each part with a stream of its own drawn at full
width, so that another agent does not shift the luck of those before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple, cast, final

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from simlab.base.arrays import Array, Floats
from simlab.base.kernels import normal_cells
from simlab.base.luck import Luck

_EDGES, _WIDE = (4, 16, 64), 64
_MANY = 8  # streams from which hashing all at once is quicker


class _Kind(NamedTuple):
    """How one kind of number is drawn in blocks `(ticks, n)` and read by the tick.

    The streams of a kind are `named` after it, or after the kind whose luck it shares. Without `read` numbers are handed out as
    they were drawn. `anywhere` says that `fill` writes an array in pieces, too. `block` is how many are drawn at a time
    per stream: enough to hide the cost of a call, few enough for the cache.
    """

    fill: Callable[[np.random.Generator, Array], object]
    named: str
    read: Callable[[Array, Floats], object] | None = lambda drawn, out: np.copyto(out, drawn)
    dtype: type = np.float64
    anywhere: bool = False
    block: int = 1024


def _words(g: np.random.Generator, out: Array) -> None:
    """Fill with 16-bit words; the widths of streams are multiples of 4 or start a stream, so none is split."""
    words = g.bit_generator.random_raw(-(-out.size // 4)).astype("<u8", copy=False).view("<u2")
    out[...] = words[: out.size].reshape(out.shape)


_KINDS = {
    "uniform": _Kind(lambda g, out: g.random(out=out), "uniform"),
    "normal": _Kind(lambda g, out: g.standard_normal(out=out), "normal"),
    "exponential": _Kind(lambda g, out: g.standard_exponential(out=out), "exponential"),
    "noise": _Kind(
        _words, "noise", lambda drawn, out: normal_cells().take(drawn, out=out, mode="wrap"), np.uint16, True, 20_000
    ),
    "cells": _Kind(_words, "noise", None, np.uint16, True, 20_000),
}


def generator(seed: int, replication: int, purpose: str, part: int = 0) -> np.random.Generator:
    """The generator of one replication for one purpose (SFC64, the fastest of NumPy's)."""
    digest = hashlib.blake2b(purpose.encode(), digest_size=8).digest()
    words = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(replication, *words, part))))


def generators(seed: int, replications: Sequence[int], purpose: str, parts: int = 1) -> list[list[np.random.Generator]]:
    """`generator` for each replication of each part, bit for bit; of many the seeds are hashed together, at a tenth of the cost."""
    n = len(replications)
    if n * parts < _MANY:
        return [[generator(seed, i, purpose, part) for i in replications] for part in range(parts)]
    keys = np.empty((4, parts, n), np.uint32)
    keys[0], keys[3] = replications, np.arange(parts)[:, None]
    keys[1:3] = np.frombuffer(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "<u4")[:, None, None]
    made = [
        np.random.Generator(np.random.SFC64(cast("np.random.SeedSequence", _Words(row))))
        for row in _hashed(seed, keys.reshape(4, -1))
    ]
    return [made[first : first + n] for first in range(0, len(made), n)]


def _hashed(seed: int, keys: Array) -> Array:
    """`SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)` for each column of `keys` `(words, n)`, `(n, 3)`.

    NumPy promises never to change it (NEP 19). It is O'Neill's seed_seq_fe128 (2015): a pool of four words, into each of which each
    word of entropy is mixed by multiplication with constants that follow each other, and six words made of the pool.
    """
    seed = int(seed)
    root = np.random.SeedSequence(seed)  # its pool is what the seed's own words have left
    begun = 16 + 4 * max(0, -(-seed.bit_length() // 32) - 4)  # constants that this took
    constants = _powers(0x43B0D7E5, 0x931E8875, begun + 4 * len(keys) + 1)[begun:]
    pool: Array = root.pool[:, None]
    for i, key in enumerate(keys):
        here = constants[4 * i : 4 * i + 5, None]
        pool = np.uint32(0xCA01F9DD) * pool - np.uint32(0x4973F715) * _scrambled((key ^ here[:-1]) * here[1:])
        pool = _scrambled(pool)
    last = _powers(0x8B51F9DD, 0x58F38DED, 7)[:, None]
    made = _scrambled((pool[[0, 1, 2, 3, 0, 1]] ^ last[:-1]) * last[1:])
    return np.ascontiguousarray(made.T).astype("<u4").view("<u8").astype(np.uint64)


def _scrambled(words: Array) -> Array:
    return np.asarray(words ^ (words >> np.uint32(16)))


def _powers(first: int, factor: int, n: int) -> Array:
    """first, first factor, first factor^2, ... modulo 2^32, `(n,)`."""
    return np.array([first * pow(factor, i, 1 << 32) % (1 << 32) for i in range(n)], np.uint32)


@final
class _Words(ISeedSequence):
    """A seed that was hashed before."""

    def __init__(self, words: Array) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> Array:
        """All that there are, `(3,)` of 64 bits, which is what SFC64 asks for."""
        return self._words


def parts(n: int) -> list[tuple[int, int]]:
    """The fixed parts [first, last) that cover `n` agents: up to 4, 16 and 64, then 64 at a time."""
    lasts = [*_EDGES, *range(_EDGES[-1] + _WIDE, n + _WIDE, _WIDE)]
    return [(first, last) for first, last in pairwise((0, *lasts)) if first < n or not first]


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
        self._sources: dict[tuple[str, str, bool], _Source] = {}

    def named(self, prefix: str, *, again: bool = False) -> Streams:
        """Streams with purposes of their own and the same clock."""
        return Streams(self.seed, self.numbers, f"{self.prefix}{prefix}/", self.clock, again=again)

    def fixed(self) -> Streams:
        """Streams of their own in which time stands still: a purpose is dealt the same numbers whenever it is drawn."""
        return Streams(self.seed, self.numbers, f"{self.prefix}fixed/", again=True)

    def paced(self) -> Streams:
        """Streams of their own whose clock counts something else than ticks, and begins before the first."""
        return Streams(self.seed, self.numbers, self.prefix)

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Uniform on [0, 1)."""
        return self._draw("uniform", purpose, shape)

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Standard normal (exact: NumPy's ziggurat)."""
        return self._draw("normal", purpose, shape)

    def exponential(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Exponential with mean 1."""
        return self._draw("exponential", purpose, shape)

    def noise(self, purpose: str, shape: tuple[int, ...]) -> Floats:
        """Normal from a table of 65,536 cells."""
        return self._draw("noise", purpose, shape)

    def cells(self, purpose: str, shape: tuple[int, ...]) -> Array:
        """Cells of that table, as drawn."""
        return self._draw("cells", purpose, shape)

    def _draw(self, kind: str, purpose: str, shape: tuple[int, ...]) -> Array:
        started = self.clock.row >= 0
        source = self._sources.get((purpose, kind, started))
        if source is None:
            key = f"{self.prefix}{purpose}/{_KINDS[kind].named}" + ("" if started else "/start")
            if shape[0] != self.replications:
                raise ValueError(
                    f"luck for `{purpose}`: the first axis is the replication; expected {self.replications}, not {shape[0]}"
                )
            source = _Source(key, kind, shape, self.seed, self.numbers, buffered=started)
            self._sources[purpose, kind, started] = source
        return source.row(max(self.clock.row, 0), shape, self.again)


def _apart(r: int, shape: tuple[int, int], dtype: type) -> Array:
    """An array `(r, *shape)` whose replications lie a cache line further apart: at a power of two one tick of all meets few cache sets."""
    size = prod(shape)
    return np.empty((r, size + 64 // np.dtype(dtype).itemsize), dtype)[:, :size].reshape(r, *shape)


@final
class _Source:
    """The streams behind one purpose: blocks of ticks, filled as the clock reaches them."""

    def __init__(
        self, key: str, kind: str, shape: tuple[int, ...], seed: int, numbers: tuple[int, ...], *, buffered: bool
    ) -> None:
        self.key, self.shape, self._kind = key, shape, _KINDS[kind]
        n, rest = (shape[1] if len(shape) > 1 else 1), prod(shape[2:])
        edges = parts(n) if len(shape) > 1 else [(0, 1)]
        wide = edges[-1][1] * rest
        self._ticks = max(1, min(self._kind.block // wide, 256)) if buffered else 1
        self._drawn: Array = _apart(shape[0], (self._ticks, n * rest), self._kind.dtype)
        self._streams: list[tuple[np.random.Generator, Array]] = []  # with what each fills: a block of the above,
        self._parts: list[tuple[list[np.random.Generator], Array, slice]] = []  # or more, of which that part is kept
        for streams, (first, last) in zip(generators(seed, numbers, key, len(edges)), edges, strict=True):
            here, width = slice(first * rest, min(last, n) * rest), (last - first) * rest
            if here.stop - here.start == width and (self._ticks == 1 or width == n * rest or self._kind.anywhere):
                self._streams += zip(streams, self._drawn[:, :, here], strict=True)
            else:
                self._parts.append((streams, np.empty((self._ticks, width), self._kind.dtype), here))
        self._out = np.empty((shape[0], n * rest) if self._kind.read else 0)
        rows = [self._out] * self._ticks if self._kind.read else self._drawn.swapaxes(0, 1)
        self._rows: list[Array] = [each.reshape(shape) for each in rows]  # what is seen at each tick of a block
        for each in self._rows:
            each.flags.writeable = False
        self._read = self._kind.read or (lambda _drawn, _out: None)
        self._seen = self._rows[0]
        self._block = self._used = -1

    def row(self, row: int, shape: tuple[int, ...], again: bool) -> Array:
        """The draw for tick `row`; ticks that nobody asked for are drawn and dropped."""
        if shape != self.shape:
            raise ValueError(
                f"luck for `{self.key}` was first drawn with shape {self.shape}; it cannot change to {shape}"
            )
        if row != self._used:
            self._used = row
            while self._block < row // self._ticks:
                self._next_block()
            self._read(self._drawn[:, row % self._ticks], self._out)
            self._seen = self._rows[row % self._ticks]
        elif not again:
            raise ValueError(f"luck for `{self.key}` is drawn twice in one tick; give the second draw its own purpose")
        return self._seen

    def _next_block(self) -> None:
        """Each stream deals its part at full width, of which the agents that are there keep theirs."""
        self._block += 1
        fill = self._kind.fill
        for stream, block in self._streams:
            fill(stream, block)
        for streams, dealt, here in self._parts:
            kept = here.stop - here.start
            for stream, block in zip(streams, self._drawn, strict=True):
                fill(stream, dealt)
                block[:, here] = dealt[:, :kept]
