"""Recordings: what a monitoring system would have kept of one replication of a run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError
from simlab.detectors.detector import Frame
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial
from simlab.lab.watch import frame


class Recording(NamedTuple):
    """One row an instant, one column a model. `reality` is what came of the predictions: the next training data.

    `nudges` are what a probe added to the predictions at random, 0 where there was none; `reads` names each model's upstream models.
    """

    times: Floats  # (t,) seconds
    predictions: Floats  # (t, m)
    reality: Floats  # (t, m)
    nudges: Floats  # (t, m)
    reads: tuple[tuple[int, ...], ...] = ()

    @property
    def errors(self) -> Floats:
        """Predictions less reality, `(t, m)`."""
        return self.predictions - self.reality


def record(trial: Trial, seed: int) -> Recording:
    """What one replication of a trial leaves behind. Raises InputError where models are not asked for numbers."""
    spec = trial.world.spec
    if spec.asks != "number":
        raise InputError(f"a recording holds numbers, and this world asks for {spec.asks}")
    luck = Streams(seed, [0])
    seen: list[Frame] = []

    def tap(tick: int, stage: str, _: Any) -> None:
        if stage == "react" and tick >= 0 and loop.seen is not None:
            seen.append(frame(loop.seen, spec, tick * trial.world.tick))

    with np.errstate(all="ignore"):
        loop = Loop(trial, luck, tap)
        Conductor(trial, loop, luck).play()
    reads = tuple(tuple(model for model in upstream if model >= 0) for upstream in trial.topology.reads)
    return Recording(
        np.concatenate([one.times for one in seen]),
        np.concatenate([one.predictions[:, 0, :, 0] for one in seen]),
        np.concatenate([one.reality[:, 0, :, 0] for one in seen]),
        np.concatenate([one.nudges[:, 0] for one in seen]),
        reads,
    )
