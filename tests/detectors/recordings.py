"""Frames from plain arrays, for the tests of the detectors."""

from __future__ import annotations

import numpy as np

from simlab.detectors import Frame, Subject


def frames(predictions, reality=None, features=None, nudges=None, rows=1):
    """Frames of `rows` instants from predictions and reality `(t, r, m)` or `(t, r, m, a)`, features `(t, r, s, f)`, nudges `(t, r, m)`."""
    p = np.asarray(predictions, dtype=float)
    p = p[..., None] if p.ndim == 3 else p
    y = np.full(p.shape, np.nan) if reality is None else np.asarray(reality, dtype=float)
    y = y[..., None] if y.ndim == 3 else y
    x = np.zeros((*p.shape[:2], 0, 0)) if features is None else features
    v = np.zeros(p.shape[:3]) if nudges is None else nudges
    t = np.arange(len(p)) * 5.0
    return [Frame(*(a[i : i + rows] for a in (t, p, y, x, v))) for i in range(0, len(p), rows)]


def subject_of(frame, reads=()):
    _, r, m, a = frame.predictions.shape
    _, _, s, f = frame.features.shape
    return Subject(r, m, a, s, f, 5.0, reads)


def played(detector, given, reads=()):
    """Values and seeds `(k, r)`, and the last state."""
    state = detector.start(subject_of(given[0], reads))
    readings = [detector.read(state, frame) for frame in given]
    return np.array([x.value for x in readings]), np.array([x.seed for x in readings]), state
