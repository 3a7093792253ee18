"""What a brain learns does not depend, to the bit, on who is in its cohort, whoever retrains, how often at a tick, and from which pool."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.world import Feedback, Spec
from simlab.brains.counts import Counts
from simlab.brains.familiar import Familiar
from simlab.brains.ridge import Ridge
from simlab.lab.streams import Streams

R, B, P, TICKS = 5, 4, 2, 41
TYPES, CHOICES = 5, 10


BRAINS = {
    "ridge": (Ridge(penalty=0.1), Spec(models=B, features=3)),
    "familiar": (Familiar(right=0.7), Spec(models=B, case=(4,), states=TYPES)),
    "counts": (Counts(prior=(1.3,) * CHOICES), Spec(models=B, asks="shares", choices=CHOICES)),
}


def seen(kind, g):
    """What all seats are asked at a tick, and what came of it, `(r, p, g, ...)`."""
    seats = (R, P, B // P)
    if kind == "ridge":
        return g.normal(size=(*seats, 3)), g.normal(size=seats)
    if kind == "familiar":
        return g.integers(TYPES, size=(*seats, 4)), g.choice([-1.0, 1.0], size=(*seats, 4))
    return np.zeros(seats, int), g.random((*seats, CHOICES))


def learnt(kind, rows, at):
    """The leaves of a mind in which only the replications `rows` are there, after the same evidence and the retrainings `at`."""
    g = np.random.default_rng(4)
    brain, spec = BRAINS[kind]
    mind = brain.start(len(rows), B, P, spec, Streams(1, rows))
    for row, brains in at:
        x, y = seen(kind, g)
        brain.witness(mind, x[rows], np.zeros(0), Feedback(y[rows]), np.zeros(0))
        here = np.isin(row, rows)
        place = np.searchsorted(rows, row[here])
        if len(place):
            brain.retrain(mind, (place, brains[here]), np.arange(B) // (B // P))
    return [leaf.copy() for leaf in mind]


@pytest.mark.parametrize("kind", BRAINS)
def test_a_brain_alone_learns_what_it_learns_in_company(kind):
    g = np.random.default_rng(9)
    everyone = np.divmod(np.arange(R * B), B)
    # As many pairs as there are brains, some twice, come where retrainings have jitter: no sign that everybody retrains.
    twice = [tuple(np.sort(g.integers(R * B, size=R * B if tick % 4 == 0 else 3))) for tick in range(1, TICKS)]
    at = [everyone, *(np.divmod(np.array(pairs), B) for pairs in twice)]
    together = learnt(kind, np.arange(R), at)
    for row in range(R):
        for leaf, whole in zip(learnt(kind, np.array([row]), at), together, strict=True):
            np.testing.assert_array_equal(leaf[0], whole[row])
