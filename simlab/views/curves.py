"""Curves: every arm along one axis, with its interval, and its difference to the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from simlab.views.ink import COLOURS, INK, MARKS, PAPER, canvas, frame, pen, thin
from simlab.views.panels import NARROW, ROW, WIDE, Panel, against, difference_text, differences, key, level_text, levels
from simlab.views.points import Axis, Points
from simlab.views.words import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curves(points: Points, *, narrow: bool = False) -> Figure:
    """Levels along one axis with their 95% intervals, and beside them the differences to the first arm. Call within `style()`."""
    axis, upper, lower = points.axes[0], levels(points), differences(points)
    names = 12 + ROW * len(upper) if narrow else 0
    high = 190 if narrow else 300
    tall = names + (high + 84) * (2 if narrow and lower else 1)
    figure = canvas(NARROW if narrow else WIDE, tall)
    if narrow:
        key(figure, points, tall)
    left, tail = (52, 12) if narrow else (70, 176)
    share = 0.56 if lower else 1.0
    wide = NARROW - left - tail if narrow else (WIDE - left) * share - tail
    axes = frame(figure, left, names + 34, wide, high)
    lines(axes, axis, upper, lambda y: level_text(points, y), tail=0 if narrow else tail - 14)
    unit = points.top.unit
    label = points.top.label if points.top.share or unit in ("1", "") else f"{points.top.label} ({unit})"
    axes.set_title(short(label, int(wide / 6.4)), fontsize=12, fontweight="bold", pad=8)
    if lower:
        x, y = (left, names + high + 118) if narrow else (WIDE * share + 58, 34)
        wide = wide if narrow else WIDE * (1 - share) - 58 - tail + 20
        axes = frame(figure, x, y, wide, high)
        axes.axhline(0, color=INK, linewidth=1)
        lines(axes, axis, lower, lambda y: difference_text(points, y), tail=0 if narrow else tail - 34, hollow=True)
        axes.set_title(short(against(points), int(wide / 6.4)), fontsize=12, fontweight="bold", pad=8)
    return figure


def lines(
    axes: Axes, axis: Axis, panels: Sequence[Panel], say: Callable[[float], str], tail: float, hollow: bool = False
) -> None:
    """A line for each arm with its band, named at its end; a choice has no line. With `hollow`, unfilled where it is not clear of 0."""
    ends = []
    choice = axis.kind == "choice"
    for panel in panels:
        step = 0.09 * (panel.i - (len(panels) - 1) / 2) if choice else 0.0
        x, colour = axis.numbers + step, COLOURS[panel.i % len(COLOURS)]
        if choice:
            axes.vlines(x, panel.low, panel.high, color=colour, linewidth=3, alpha=0.55)
        else:
            axes.fill_between(x, panel.low, panel.high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(x, panel.values, linewidth=2.2, **pen(panel.i))
        for firm in (True, False):
            at = panel.firm == firm
            inside = PAPER if hollow and not firm else colour
            mark = MARKS[panel.i % len(MARKS)]
            axes.plot(
                x[at], panel.values[at], mark, color=colour, markersize=7.5, markerfacecolor=inside, markeredgewidth=1.5,
                clip_on=False, zorder=3,
            )  # fmt: skip
        known = np.flatnonzero(np.isfinite(panel.values))
        if known.size:
            ends.append((float(panel.values[known[-1]]), panel))
    if axis.is_long:
        axes.set_xscale("log")
        axes.minorticks_off()
    shown = thin(len(axis.values), 9).tolist()
    axes.set_xticks(
        [float(axis.numbers[axis.at.index(axis.values[i])]) for i in shown],
        [short(axis.tick(axis.values[i]), 14) for i in shown],
    )
    axes.set_xlabel(axis.title)
    axes.yaxis.set_major_formatter(lambda y, _: say(y))
    axes.locator_params(axis="y", nbins=6)
    axes.grid(axis="y", alpha=0.5)
    axes.margins(x=0.04)
    if (
        not hollow
        and ends
        and min(axes.get_ylim()[0], 0) < 0 <= np.nanmin([np.nanmin(p.low, initial=0.0) for p in panels])
    ):
        axes.set_ylim(bottom=0)
    _part(axes)
    if tail:
        _name(axes, ends, tail)


def _part(axes: Axes) -> None:
    """Leave out the names of ticks that would run into the one before."""
    names, free = [], -math.inf
    for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        at, half = float(axes.transData.transform((place, 0.0))[0]), 3.2 * len(label.get_text()) + 2
        names.append(label.get_text() if at - half >= free else "")
        free = at + half if names[-1] else free
    axes.set_xticks(axes.get_xticks(), names)


def _name(axes: Axes, ends: list[tuple[float, Panel]], tail: float) -> None:
    """The names of the arms at the right, in two lines if need be, each as near to the end of its line as the others let it."""
    bottom, top = axes.get_ylim()
    high = axes.get_window_extent().height
    spots: list[float] = []
    ordered = sorted(ends, key=lambda end: end[0])
    wide = int((tail - 12) / 5.9)
    names = [fill(panel.arm.title, wide, max_lines=2, placeholder=" …") for _, panel in ordered]
    lines = [1 + name.count("\n") for name in names]
    for i, (value, _) in enumerate(ordered):
        want = (value - bottom) / ((top - bottom) or 1.0)
        spots.append(max(want, spots[-1] + 7.5 * (lines[i - 1] + lines[i]) / high) if spots else want)
    over = max(spots[-1] - 1.0, 0.0) if spots else 0.0
    for spot, name, (value, panel) in zip(spots, names, ordered, strict=True):
        y = spot - over
        start = (value - bottom) / ((top - bottom) or 1.0)
        colour = COLOURS[panel.i % len(COLOURS)]
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.8}
        axes.annotate(
            name, (1.0, start), (1.0 + 14 / axes.get_window_extent().width, y),
            xycoords="axes fraction", textcoords="axes fraction", fontsize=10.5, va="center", linespacing=1.05, arrowprops=line,
            annotation_clip=False,
        )  # fmt: skip
