"""The lab's own cohort, which notes every one that is begun in a file: what a resumed run played again can then be counted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from simlab.lab import cohort
from simlab.lab.outcome import Outcome
from simlab.lab.trial import Trial

LOG = "SIMLAB_TEST_LOG"  # in the environment, so that workers write there too
_play = cohort.play


def play(trial: Trial, seed: int, replications: Sequence[int]) -> Outcome:
    """As `simlab.lab.cohort.play`."""
    with Path(os.environ[LOG]).open("a") as log:
        log.write(f"{len(replications)}\n")  # one short write to a file opened for appending is not torn
    return _play(trial, seed, replications)
