"""Timers that wait: retrainings share one machine, and a timer is set anew only when all that came up while it was busy is done.

Floyd & Jacobson (1994), "The synchronization of periodic routing messages", IEEE/ACM Transactions on Networking 2(2), 122-136,
section 4, with a retraining for a message: what comes up while others are served is served after them, `busy` seconds each, and all
that came up in one busy period set their timers at its end. So timers that once meet stay together, and gain on
the others until they meet them too, unless the random part of a timer takes them apart again.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np

from simlab.base.arrays import Floats


def turns_of(due: Floats, timers: Floats, busy: float, horizon: float) -> Floats:
    """When each turn begins, `(turns, r, b)` seconds; infinite past the `horizon`.

    `due` `(r, b)` is when each timer runs out first, and `timers` `(turns, r, b)` how long those are that are set after each of
    a brain's turns. Timers that run out at one instant are served in the order of their brains.
    """
    began = np.full(timers.shape, np.inf)
    for i, first in enumerate(due.tolist()):
        line = [(instant, brain) for brain, instant in enumerate(first)]
        heapify(line)
        lengths, turns, starts = timers[:, i].tolist(), [0] * len(line), began[:, i]
        while line[0][0] < horizon:
            free, met = line[0][0], list[int]()
            while line and (not met or line[0][0] < free):
                _, brain = heappop(line)
                starts[turns[brain], brain] = free
                free += busy
                met.append(brain)
            for brain in met:
                heappush(line, (free + lengths[turns[brain]][brain], brain))
                turns[brain] += 1
    return began
