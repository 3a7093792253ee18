"""First come, first served: queues that are exact between two ticks, for all replications at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Array, Floats, Ints

_CUSTOMERS = 1 << 14  # at a time, where rows may be long


class Served(NamedTuple):
    """When each customer leaves, `(r, j)`, and until when each server is then busy, `(r, k)`."""

    leaves: Floats
    free: Floats


def fifo(comes: Floats, server: Ints, work: Floats, free: Floats) -> Served:
    """First come, first served at `k` servers at once, without a loop over customers: a segmented Lindley scan.

    `comes` `(r, j)` are non-negative instants that do not decrease along a row, `server` `(r, j)` the server of each customer
    or `k` for nobody (whose `leaves` means nothing), `work` the service times, and `free` `(r, k)` until when each
    server is busy with earlier customers.

    Customer i of a server leaves at d_i = max(d_{i-1}, a_i) + s_i (Lindley 1952, Proc. Camb. Phil. Soc. 48). With C_i the
    sum of s up to i this unrolls to d_i = C_i + max_{h<=i} (a_h - C_{h-1}), where a_1 is at least F = d_0: one cumulative sum and one
    running maximum. All servers of a row share both: sorted by server, then by arrival, C may run on from server to server
    since only differences count, and the running maximum is kept from looking back by lifting server q by q times a
    bound on the spread of what is maximised. A stable sort of bytes is a counting sort; rows that are in order (one server, say)
    need none. Costs rounding: about k times the span of a row, in units of 1e-16.
    """
    r, j = comes.shape
    k = free.shape[1]
    out, then = np.empty((r, j)), np.empty((r, k + 1))
    then[:, :k], then[:, k] = free, 0.0
    key = server.astype(np.min_scalar_type(k))
    ordered = bool((key[:, 1:] >= key[:, :-1]).all())
    block = max((4 if ordered else 1) * _CUSTOMERS // max(j, 1), 1)  # a sort needs three times as many arrays
    for first in range(0, r, block):
        rows = slice(first, first + block)
        a, q, s, d = comes[rows], key[rows], work[rows], out[rows]
        if ordered:
            np.copyto(d, a)
            _scan(d, q, s, then[rows])
        else:
            order = q.argsort(axis=1, kind="stable")
            order += np.arange(len(q))[:, None] * j
            line = a.take(order)
            _scan(line, q.take(order), s.take(order), then[rows])
            d.reshape(-1)[order] = line  # rows of a C-ordered array
    return Served(out, then[:, :k])


def _scan(a: Floats, key: Array, work: Floats, free: Floats) -> None:
    """Rows of `fifo`, in order, that fit the cache: `a` is when customers come, and then when they leave; `free` is written too."""
    j, line = a.shape[1], a.reshape(-1)
    new = np.ones(a.shape, dtype=bool)
    np.not_equal(key[:, 1:], key[:, :-1], out=new[:, 1:])
    first = np.flatnonzero(new)  # customers of a server, a server after the other
    seat = first // j * free.shape[1] + key.reshape(-1).take(first)
    line[first] = np.maximum(line.take(first), free.take(seat))
    done = np.cumsum(work, axis=1)  # C
    if key.any():
        done -= key * (done[:, -1:] + a.max(axis=1, keepdims=True))  # less the lift
    a -= done
    a += work
    np.maximum.accumulate(a, axis=1, out=a)
    a += done
    free.reshape(-1)[seat] = line.take(np.append(first[1:], a.size) - 1)


class Chosen(NamedTuple):
    """The `server` of each customer and when it leaves, `(r, j)`, and until when each server is then busy, `(r, k)`."""

    server: Ints
    leaves: Floats
    free: Floats


def soonest(comes: Floats, server: Ints, work: Floats, free: Floats, mean: Floats, each: Floats) -> Chosen:
    """First come, first served, where one who has no `server` `(r, j)` yet (-1) goes where an average one is done first on arrival.

    Customers come, and each of `k` servers is busy until `free` `(r, k)`, as in `fifo`. An average one takes `mean` `(k,)`; this one
    takes its `work` `(r, j)` times `each` `(k+1,)`, which nobody knows beforehand. With equal servers that is where the backlog is
    least, and so the one queue of M/G/k (Kiefer & Wolfowitz 1955, Trans. AMS 78). Each choice waits for the one before, so the
    loop is over customers, for all rows at once. Nobody goes to server `k`, where nobody is ever done.
    """
    r, k = free.shape
    until = np.concatenate([free, np.zeros((r, 1))], axis=1)
    usual = np.tile(np.append(mean, np.inf), (r, 1))
    begins, done, first = np.empty_like(until), np.empty_like(until), np.arange(r) * (k + 1)
    best, start = np.empty(r, np.int64), np.empty(r)
    chosen, leaves = server.T.copy(), np.empty(comes.shape[::-1])
    lines = comes.T.copy()[..., None], chosen, chosen < 0, work.T.copy(), leaves
    for at, one, open_, takes, leave in zip(*lines, strict=True):
        np.maximum(until, at, out=begins)
        np.add(begins, usual, out=done)
        done.argmin(axis=1, out=best)
        np.copyto(one, best, where=open_)
        np.add(one, first, out=best)
        each.take(one, out=leave, mode="clip")
        leave *= takes
        leave += begins.take(best, out=start, mode="clip")
        until.reshape(-1)[best] = leave
    return Chosen(np.ascontiguousarray(chosen.T), np.ascontiguousarray(leaves.T), until[:, :k])
