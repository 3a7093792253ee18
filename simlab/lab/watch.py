"""Watches: the detectors of a trial in one cohort. What they are shown is what a monitoring system would scrape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np

from simlab.base.arrays import Array, Bools, Floats, Ints
from simlab.base.kernels import how_often, once
from simlab.base.world import Feedback, Spec
from simlab.detectors.detector import Frame, Reading, Subject
from simlab.lab.trial import Instrument, seed

MOST_SAMPLES = 64  # of a feature, at one instant: what is drawn alike for more models or cases says the same


class Turn(NamedTuple):
    """What happened in one turn of the loop, as far as an instrument may see it; `nudge` `(r, m)` or 0 is what a probe added."""

    x: Array
    said: Array
    feedback: Feedback | None
    nudge: Floats | float


@final
class Watch:
    """One detector in one cohort: its state, its last reading, and in which replications each rule has alarmed."""

    def __init__(self, instrument: Instrument, subject: Subject) -> None:
        self.instrument, self.subject = instrument, subject
        self._limits = instrument.limits()
        self._state = instrument.detector.start(subject)
        nothing = np.full(subject.replications, np.nan)
        self.reading = Reading(nothing, nothing)
        self._alarmed: dict[str, Bools] = {name: np.zeros(len(nothing), dtype=bool) for name in self.shown()}

    def read(self, frame: Frame) -> None:
        """Take in a frame."""
        self.reading = self.instrument.detector.read(self._state, frame)

    def shown(self) -> dict[str, Floats]:
        """What both rules show now, by the name of the reading."""
        return {self.instrument.name: self.reading.value, seed(self.instrument.name): self.reading.seed}

    def alarms(self) -> Iterator[tuple[str, Ints, Floats]]:
        """The readings that are above their threshold for the first time: name, replications `(k,)`, and the value `(r,)`."""
        for name, value in self.shown().items():
            fresh = (value > self._limits[name]) & ~self._alarmed[name]  # NaN compares false
            if fresh.any():
                self._alarmed[name] |= fresh
                yield name, np.flatnonzero(fresh), value


def subject(spec: Spec, x: Array, reads: tuple[tuple[int, ...], ...], r: int, interval: float) -> Subject:
    """What the detectors of a cohort will be shown; `x` are the features at any instant."""
    features = _features(x, spec)
    return Subject(r, spec.models, max(spec.choices, 1), features.shape[1], features.shape[2], interval, reads)


def frame(turn: Turn, spec: Spec, time: float) -> Frame:
    """One instant as detectors see it, with copies of everything.

    Numbers are averaged over cases. Shares stay shares; a choice is the share of the questions for which it was chosen. Reality
    is the mean of the answers that were seen, or, where shares are asked for and each option has its count, the shares of those.
    """
    said = turn.said
    r, m = said.shape[:2]
    if spec.asks == "number":
        predictions = _over_cases(said[..., None], r, m)
    elif spec.asks == "shares":
        predictions = _over_cases(said, r, m)
    else:
        flat = said.reshape(r, m, -1)
        predictions = how_often(flat, spec.choices) / flat.shape[2]
    nudge = np.broadcast_to(turn.nudge, (r, m))
    return Frame(
        times=np.array([time]),
        predictions=predictions[None],
        reality=_reality(turn.feedback, spec, r, m)[None],
        features=_features(turn.x, spec)[None].copy(),
        nudges=nudge[None],
    )


def _over_cases(a: Array, r: int, m: int) -> Floats:
    """`(r, m, *c, a)` averaged over its cases, `(r, m, a)`; a copy."""
    flat = a.reshape(r, m, -1, a.shape[-1])
    return np.array(flat[:, :, 0] if flat.shape[2] == 1 else flat.mean(axis=2), dtype=np.float64)


def _reality(feedback: Feedback | None, spec: Spec, r: int, m: int) -> Floats:
    if feedback is None:
        return np.full((r, m, 1), np.nan)
    outcome = feedback.outcome
    if spec.asks == "shares" and outcome.shape[-1] == spec.choices:
        counts = _over_cases(outcome, r, m)
        total = counts.sum(axis=2, keepdims=True)
        return np.asarray(counts / np.where(total > 0, total, np.nan))
    flat = outcome.reshape(r, m, -1)
    if feedback.weight is None:
        return np.array(flat[..., :1] if flat.shape[2] == 1 else flat.mean(axis=2, keepdims=True), dtype=np.float64)
    weight = np.broadcast_to(feedback.weight, outcome.shape).reshape(flat.shape)
    seen = weight.sum(axis=2, keepdims=True)
    total = (np.where(weight > 0, flat, 0.0) * weight).sum(axis=2, keepdims=True)
    return np.asarray(total / np.where(seen > 0, seen, np.nan))


def _features(x: Array, spec: Spec) -> Floats:
    """At most `MOST_SAMPLES` samples of each feature, `(r, s, f)`; none of an integer state."""
    if not spec.features:
        return np.zeros((len(x), 0, 0))
    each = once(x)
    flat = np.broadcast_to(each, (len(x), *each.shape[1:])).reshape(len(x), -1, x.shape[-1])
    return flat[:, :MOST_SAMPLES]
