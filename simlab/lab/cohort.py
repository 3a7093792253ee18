"""A cohort: replications that are stepped together. Its size is tuned to the cache and never changes a bit."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import numpy as np

from simlab.base.arrays import Array
from simlab.base.errors import SimlabError
from simlab.lab.alike import blocks
from simlab.lab.conductor import Conductor
from simlab.lab.loop import Loop, Tap
from simlab.lab.outcome import Outcome
from simlab.lab.streams import Streams
from simlab.lab.trial import Trial


def play(trial: Trial, seed: int, replications: Sequence[int], tap: Tap | None = None) -> Outcome:
    """Play one arm for the replications with these numbers.

    The result is a pure function of (trial, seed, number) for each replication, so a cohort in which something raises
    is played again one replication at a time, and only those that raise are lost. What is wrong with the trial
    itself is raised (SimlabError).
    """
    try:
        return _play(trial, seed, replications, tap)
    except SimlabError:
        raise
    except Exception:
        if len(replications) == 1:
            return _failed(trial, int(replications[0]), traceback.format_exc())
    return join([play(trial, seed, [number], tap) for number in replications])


def _play(trial: Trial, seed: int, replications: Sequence[int], tap: Tap | None) -> Outcome:
    luck = Streams(seed, replications)
    with np.errstate(all="ignore"):  # runaway is a result: it is recorded, not warned about
        loop = Loop(trial, luck, tap)
        Conductor(trial, loop, luck).play()
        measures, alike = loop.measures(), loop.alike()
    return Outcome(
        replications=np.array(luck.numbers, dtype=np.int64),
        measures=measures,
        times=loop.times,
        series=loop.series,
        events=sorted((e for e in loop.events if e.time <= trial.horizon), key=lambda e: (e.replication, e.time)),
        diverged=loop.diverged,
        failed={},
        alike=alike,
    )


def _failed(trial: Trial, number: int, trace: str) -> Outcome:
    """The outcome of a replication that raised: everything undefined, and why."""
    names = list(trial.measures)
    times, k = trial.times(), len(blocks(trial.topology.models))
    return Outcome(
        replications=np.array([number], dtype=np.int64),
        measures={name: np.full(1, np.nan) for name in names},
        times=times,
        series={name: np.full((len(times), 1), np.nan, dtype=np.float32) for name in names},
        events=[],
        diverged=np.full(1, np.nan),
        failed={number: trace},
        alike=np.full((1, k, k), np.nan, dtype=np.float32),
    )


def join(outcomes: Sequence[Outcome]) -> Outcome:
    """Several cohorts of one arm as one, in the order given."""

    def together(pick: str, axis: int) -> dict[str, Array]:
        return {
            name: np.concatenate([getattr(o, pick)[name] for o in outcomes], axis=axis)
            for name in getattr(outcomes[0], pick)
        }

    return Outcome(
        replications=np.concatenate([o.replications for o in outcomes]),
        measures=together("measures", 0),
        times=outcomes[0].times,
        series=together("series", 1),
        events=[event for o in outcomes for event in o.events],
        diverged=np.concatenate([o.diverged for o in outcomes]),
        failed={number: trace for o in outcomes for number, trace in o.failed.items()},
        alike=np.concatenate([o.alike for o in outcomes]),
    )
