"""What the pictures of a sweep have in common: what a panel shows of an arm, how its numbers are written, and the key of arms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.views.ink import COLOURS, MARKS
from simlab.views.points import Arm, Points
from simlab.views.words import number, percent, short
from simlab.views.words import points as percent_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 1180, 340
ROW = 17  # px of a row of the key


class Panel(NamedTuple):
    """What one panel shows of an arm: its values and interval `(p,)`, and which of them count."""

    arm: Arm
    i: int
    values: Floats
    low: Floats
    high: Floats
    firm: Array


def levels(points: Points) -> list[Panel]:
    """What every arm says."""
    return [Panel(a, i, a.level, a.low, a.high, np.isfinite(a.level)) for i, a in enumerate(points.arms)]


def differences(points: Points) -> list[Panel]:
    """What every other arm says less what the first does."""
    return [Panel(a, i + 1, a.difference, a.below, a.above, a.clear) for i, a in enumerate(points.others)]


def level_text(points: Points, x: float) -> str:
    """A level in a cell or at an axis."""
    return percent(x) if points.top.share else even(x, points.largest[0])


def difference_text(points: Points, x: float) -> str:
    """A difference in a cell or at an axis, in percentage points for a share; always with its sign."""
    if points.top.share:
        return percent_points(x, 1.0 if points.coarse else 0.0)
    text = even(x, points.largest[1])
    return f"+{text}" if x > 0 else text


def even(x: float, largest: float) -> str:
    """`x` to as many decimals as the largest of its kind needs for three digits, so that numbers beside each other compare."""
    if not (np.isfinite(x) and largest > 0):
        return number(x)
    decimals = max(2 - math.floor(math.log10(largest)), 0)
    return number(x, 1) if x and not round(x, decimals) else number(round(x, decimals), 12)


def against(points: Points) -> str:
    """What the differences are taken to."""
    return f"minus {points.arms[0].title}{', points' if points.top.share else ''}"


def key(figure: Figure, points: Points, tall: float) -> None:
    """The arms with their marks, one below the other at the top left of a figure that is `tall` px high."""
    wide = float(figure.get_size_inches()[0]) * 72
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, wide)
    axes.set_ylim(tall, 0)
    for i, arm in enumerate(points.arms):
        axes.plot([12], [14 + ROW * i], MARKS[i % len(MARKS)], color=COLOURS[i % len(COLOURS)], markersize=7)
        axes.text(24, 14 + ROW * i, short(arm.title, 44), fontsize=10.5, va="center")
