"""More than two axes, or points that are no grid: every point along each axis, and what the variance is due to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simlab.views.ink import COLOURS, INK, MARKS, PAPER, canvas, frame, plate, thin
from simlab.views.panels import NARROW, ROW, WIDE, Panel, difference_text, differences, key, level_text, levels
from simlab.views.points import Arm, Axis, Points
from simlab.views.words import number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 4  # panels side by side


def scatter(points: Points, *, narrow: bool = False) -> Figure:
    """Every point along each axis: levels above, and where arms are compared, differences below. Call within `style()`."""
    rows = [(levels(points), False)] + ([(differences(points), True)] if points.others else [])
    columns = 1 if narrow else min(len(points.axes), MOST)
    left, gap, right = (56, 0, 8) if narrow else (74, 30, 12)
    wide = ((NARROW if narrow else WIDE) - left - right - gap * (columns - 1)) / columns
    wide, high, head, foot = min(wide, 420.0), 150, 40, 44
    lines = -(-len(points.axes) // columns)
    names = 12 + ROW * len(points.arms)
    tall = names + lines * len(rows) * (head + high + foot)
    figure = canvas(NARROW if narrow else WIDE, tall)
    key(figure, points, tall)
    y = float(names)
    for panels, differ in rows:
        for line in range(lines):
            for column, axis in enumerate(points.axes[line * columns : (line + 1) * columns]):
                axes = frame(figure, left + column * (wide + gap), y + head, wide, high)
                _dots(axes, axis, panels, differ)
                _say(axes, points, differ)
                if column:
                    axes.tick_params(labelleft=False)
                else:
                    said = (
                        f"minus {points.arms[0].title}{', points' if points.top.share else ''}"
                        if differ
                        else points.top.label
                    )
                    axes.set_title(short(said, int(wide / 6.4)), fontsize=11, fontweight="bold", pad=8)
            y += head + high + foot
    return figure


def _say(axes: Axes, points: Points, differ: bool) -> None:
    say = difference_text if differ else level_text
    axes.yaxis.set_major_formatter(lambda v, _: say(points, v))


def _dots(axes: Axes, axis: Axis, panels: Sequence[Panel], differ: bool) -> None:
    if differ:
        axes.axhline(0, color=INK, linewidth=1)
    for panel in panels:
        colour, mark = COLOURS[panel.i % len(COLOURS)], MARKS[panel.i % len(MARKS)]
        at = thin(len(panel.values))
        x, y, firm = axis.numbers[at], panel.values[at], panel.firm[at]
        for want in (False, True):
            inside = colour if want or not differ else PAPER
            some = firm == want
            axes.plot(
                x[some],
                y[some],
                mark,
                color=colour,
                markersize=4.5,
                markerfacecolor=inside,
                markeredgewidth=0.8,
                alpha=0.8,
            )
    if axis.is_long:
        axes.set_xscale("log")
        axes.minorticks_off()
    if axis.kind == "choice":
        axes.set_xticks(range(len(axis.values)), [short(axis.tick(v), 14) for v in axis.values])
    else:
        if not axis.is_long:
            axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda v, _: number(v))
    axes.set_xlabel(axis.title)
    axes.grid(alpha=0.4)


def bars(points: Points, arm: Arm, i: int) -> Figure:
    """The sensitivity indices of an arm: total (light), an axis's own part (full), and 95% intervals. Call within `style()`."""
    found = points.document["indices"][arm.name] or []
    order = sorted(range(len(found)), key=lambda k: -found[k]["total"])
    figure = canvas(380, 62 + 44 * len(order))
    axes = frame(figure, 14, 36, 352, 44 * len(order))
    colour = COLOURS[i % len(COLOURS)]
    for y, k in enumerate(order):
        index = found[k]
        for name, alpha in (("total", 0.3), ("first", 0.75)):
            axes.fill_between((0, max(index[name], 0.0)), -y - 0.17, -y + 0.17, color=colour, alpha=alpha, linewidth=0)
        for name, lift in (("total", 0.07), ("first", -0.07)):
            ends = (max(index[name] - index[f"{name}_half"], 0.0), index[name] + index[f"{name}_half"])
            axes.plot(ends, (-y + lift, -y + lift), color=INK, linewidth=1)
        said = f"{points.axes[k].name}: {number(index['first'], 2)} alone, {number(index['total'], 2)} in all"
        axes.annotate(
            short(said, 52), (0, -y), xycoords=("axes fraction", "data"), xytext=(2, 10), textcoords="offset points",
            fontsize=10, va="bottom", bbox=plate(),
        )  # fmt: skip
    axes.set_ylim(-len(order) + 0.6, 0.75)
    axes.set_xlim(0, min(max(1.0, *(index["total"] + index["total_half"] for index in found)), 1.2))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(lambda x, _: number(x))
    axes.set_title(short(f"share of the variance, {arm.title}", 48), fontsize=11, fontweight="bold", pad=6)
    return figure
