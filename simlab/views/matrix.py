"""How alike the models of an arm answer, as a matrix with its numbers printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.lab.alike import blocks
from simlab.views.ink import COLOURS, canvas, frame
from simlab.views.words import DASH, MINUS, count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRONGEST = 0.6  # how opaque a correlation of 1 is drawn: the number must stay legible on it


def over_replications(alike: Array) -> Floats:
    """The mean of `alike` `(r, k, k)` over the replications in which it is defined, `(k, k)`; NaN where it never is."""
    known = np.isfinite(alike)
    total = np.where(known, alike, 0.0).sum(axis=0, dtype=np.float64)
    seen = known.sum(axis=0)
    return np.asarray(np.where(seen > 0, total / np.maximum(seen, 1), np.nan))


def rows(models: int) -> list[str]:
    """What the rows of the matrix stand for, counted from 1: "3", or "9\N{EN DASH}16"."""
    return [str(b) if b - a == 1 else f"{a + 1}{DASH}{b}" for a, b in blocks(models)]


def in_words(models: int) -> str:
    """What a number of the matrix is."""
    k = len(blocks(models))
    if k == models:
        return "Below, a number is the correlation over time between the predictions of two models, averaged over replications."
    sizes = sorted({b - a for a, b in blocks(models)})
    each = " or ".join(map(str, sizes))
    return (
        f"Below, {count(models, 'model')} are too many to show singly: rows are {k} blocks of {each} models in their order. A "
        "number is the mean correlation over time between the predictions of a model of the one block and another of the "
        "other, averaged over replications."
    )


def ends(found: Floats, models: int) -> tuple[float, float] | None:
    """The smallest and largest number shown; a model's correlation with itself is not shown."""
    shown = found[_shown(found, models)]
    return (float(shown.min()), float(shown.max())) if shown.size else None


def _shown(found: Floats, models: int) -> Array:
    single = np.array([b - a == 1 for a, b in blocks(models)])
    return np.isfinite(found) & ~np.diag(single)


def matrix(found: Floats, models: int) -> Figure:
    """The matrix `(k, k)`, blue where models agree and orange where they contradict each other. Call within `style()`."""
    k = len(found)
    side = 248.0
    figure = canvas(290, side + 26)
    axes = frame(figure, 40, 2, side, side)
    axes.set_xlim(-0.5, k - 0.5)
    axes.set_ylim(k - 0.5, -0.5)
    shown = _shown(found, models)
    size = 9 if k > 5 else 11
    for i in range(k):
        for j in range(k):
            if not shown[i, j]:
                axes.text(j, i, DASH, ha="center", va="center", fontsize=size)
                continue
            x = float(found[i, j])
            hue, strength = COLOURS[0] if x >= 0 else COLOURS[1], STRONGEST * min(abs(x), 1.0)
            axes.fill_between((j - 0.48, j + 0.48), i - 0.48, i + 0.48, color=hue, alpha=strength, linewidth=0)
            axes.text(j, i, f"{x:.2f}".replace("-", MINUS), ha="center", va="center", fontsize=size)
    names = rows(models)
    axes.set_xticks(range(k), names)
    axes.set_yticks(range(k), names)
    axes.tick_params(length=0, labelsize=8.5 if k > 5 else 10)
    for line in axes.spines.values():
        line.set_visible(False)
    return figure
