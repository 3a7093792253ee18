"""Falls of a path, for a whole cohort: the deepest below its peak, the deepest within a window, and what happened in that window.

Shapes: `r` replications, `w` ticks in the window, `k` what is followed: first the path, then anything that adds up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats, Ints


class Falls(NamedTuple):
    """The path so far and its falls; all positive where the path fell."""

    sums: Floats  # (r, k) the path, and what was added up beside it
    peak: Floats  # (r,) the highest of the path
    top: Floats  # (r,) the peak before the deepest fall
    bottom: Floats  # (r,) the lowest point of that fall
    worst: Floats  # (r, k) by how much all changed in the window of the deepest fall
    past: Floats  # (r, w, k) `sums` at the last w ticks
    clock: Ints  # (r,) ticks so far

    @property
    def deepest(self) -> Floats:
        """The deepest fall below the peak, `(r,)`."""
        return self.top - self.bottom

    @property
    def regained(self) -> Floats:
        """How much of the deepest fall the path has regained, `(r,)`; 0 before any."""
        return (self.sums[:, 0] - self.bottom) / np.maximum(self.deepest, 1e-12) * (self.deepest > 0)

    @property
    def lately(self) -> Floats:
        """By how much all changed in the last window less a tick, `(r, k)`."""
        return self.sums - self.past[:, int(self.clock[0]) % self.past.shape[1]]

    def anew(self) -> Falls:
        """Nothing fell before now."""
        now = self.sums[:, 0]
        return self._replace(peak=now, top=now, bottom=now, worst=np.zeros_like(self.sums))

    def follow(self, change: Floats) -> Falls:
        """A tick later, all having changed by `change` `(r, k)`; `past` is written in place, one entry a tick."""
        sums = self.sums + change
        oldest = self.past[:, int(self.clock[0]) % self.past.shape[1]]
        within = sums - oldest
        oldest[:] = sums
        now, peak = sums[:, 0], np.maximum(self.peak, sums[:, 0])
        deeper, worse = peak - now > self.top - self.bottom, within[:, 0] < self.worst[:, 0]
        top, bottom = self.top + deeper * (peak - self.top), self.bottom + deeper * (now - self.bottom)
        within -= self.worst
        within *= worse[:, None]
        within += self.worst
        return Falls(sums, peak, top, bottom, within, self.past, self.clock + 1)


def level(r: int, window: int, k: int) -> Falls:
    """A path that begins at 0 and has not moved, with a window of so many ticks."""
    none, flat = np.zeros((k, r)).T, np.zeros(r)  # what is followed lies together, as in `columns`
    return Falls(none, flat, flat, flat, none, np.zeros((window, k, r)).transpose(2, 0, 1), np.zeros(r, dtype=np.int64))
