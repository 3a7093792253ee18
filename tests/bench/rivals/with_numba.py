"""The reference world compiled by numba: loops over agents, and a table of normals looked up by the 16-bit words of a generator.

The same table as the kernel's, so that the quality of the noise is the same; xoshiro256++ (Blackman & Vigna 2021) deals the words.
"""

from __future__ import annotations

import numba
import numpy as np

from simlab.base.kernels import normal_cells
from tests.bench.rivals.market import Dealt, Parameters


@numba.njit(inline="always")
def _next(s):
    x = s[0] + s[3]
    word = ((x << np.uint64(23)) | (x >> np.uint64(41))) + s[0]
    t = s[1] << np.uint64(17)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = (s[3] << np.uint64(45)) | (s[3] >> np.uint64(19))
    return word


@numba.njit(fastmath=True)
def _fill(s, cells, out):
    """Standard normals, four from each word."""
    flat = out.reshape(-1)
    whole = flat.size // 4 * 4
    for i in range(0, whole, 4):
        word = _next(s)
        for k in range(4):
            flat[i + k] = cells[(word >> np.uint64(16 * k)) & np.uint64(0xFFFF)]
    for i in range(whole, flat.size):
        flat[i] = cells[_next(s) & np.uint64(0xFFFF)]


@numba.njit(fastmath=True)
def _add(belief, weight, pull, bound):
    total = square = 0.0
    for i in range(belief.size):
        act = max(-bound, min(bound, weight * belief[i] + pull))
        total += act
        square += act * act
    return total, square


@numba.njit(fastmath=True)
def _play(p, ticks, s, cells, given, weather, conditions, error, belief, noise, theta):
    m, n, heard = p.markets, p.agents, p.listeners
    sums = np.zeros((m, 5))
    w, own, wrong, drawn, unknown = np.zeros(1), np.zeros(m), np.zeros(m), np.zeros(n), np.zeros(m)
    condition, reading, mean, squares = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m)
    loss = 0.0
    for t in range(ticks):
        if given:
            w[0] = weather[t]
            own[:], wrong[:], unknown[:] = conditions[t], error[t], noise[t]
        else:
            _fill(s, cells, w)
            _fill(s, cells, own)
            _fill(s, cells, wrong)
            _fill(s, cells, unknown)
        for k in range(m):
            condition[k] = np.sqrt(p.alike) * w[0] + np.sqrt(1 - p.alike) * own[k]
            x = reading[k] = condition[k] + p.error * wrong[k]
            a, b, c = sums[k, 0] + p.penalty, sums[k, 1], sums[k, 2] + p.penalty
            y, z, det = sums[k, 3], sums[k, 4], a * c - b * b
            said = (c * y - b * z) / det + (a * z - b * y) / det * x
            if given:
                drawn[:] = belief[t, k]
            else:
                _fill(s, cells, drawn)
            total, square = _add(drawn[:heard], p.spread * (1 - p.trust), p.trust * said, p.bound)
            more, larger = _add(drawn[heard:], p.spread, 0.0, p.bound)
            mean[k], squares[k] = (total + more) / n, (square + larger) / n
        every, whole = mean.sum(), 0.0
        for k in range(m):
            fundamental = p.base + p.context * condition[k]
            expected = fundamental + p.response * mean[k] + p.cross * (every - mean[k]) / max(m - 1, 1)
            met = expected + p.noise * unknown[k]
            loss += (squares[k] - 2 * fundamental * mean[k] + fundamental**2) / m
            whole += expected
            x = reading[k]
            for j, new in enumerate((1.0, x, x * x, met, x * met)):
                sums[k, j] = p.keep * sums[k, j] + new
        theta[t] = whole / m
    return loss


class Town:
    def __init__(self, p: Parameters, dealt: Dealt | None = None) -> None:
        self.p, self.given = p, dealt is not None
        nothing = Dealt(np.zeros(1), *(np.zeros((1, 1)),) * 2, np.zeros((1, 1, 1)), np.zeros((1, 1)))
        self.dealt = dealt or nothing
        self.words = np.random.SeedSequence(1).generate_state(4, np.uint64)
        self.loss = 0.0

    def play(self, ticks: int) -> list[float]:
        theta = np.zeros(ticks)
        self.loss = _play(self.p, ticks, self.words, normal_cells(), self.given, *self.dealt, theta)
        return theta.tolist()
