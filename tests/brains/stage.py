"""What the tests of several learners need."""

from __future__ import annotations

import numpy as np

from simlab.base.world import Feedback


def everyone(r, b):
    """All (replication, brain) pairs, as the conductor names them."""
    rows, brains = np.divmod(np.arange(r * b), b)
    return rows, brains


def see(brain, mind, outcome, weight=None, x=None):
    """Answers come in."""
    brain.witness(mind, x, None, Feedback(outcome, weight), None)
