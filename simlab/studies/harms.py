"""Which replications came to harm."""

from __future__ import annotations

import math

import numpy as np

from simlab.base.arrays import Floats
from simlab.lab.outcome import Outcome


def harmed(outcome: Outcome) -> Floats:
    """1 where a replication came to harm, 0 where it did not, NaN where it failed, or diverged before it did."""
    known = np.isnan(outcome.diverged)
    lost = dict(zip(outcome.replications.tolist(), np.where(known, np.inf, outcome.diverged), strict=True))
    struck = {e.replication for e in outcome.events if e.kind == "harm" and e.time < lost[e.replication]}
    return np.array(
        [
            1.0 if i in struck else 0.0 if fine and i not in outcome.failed else math.nan
            for i, fine in zip(outcome.replications.tolist(), known, strict=True)
        ]
    )
