"""The figures, from plain arrays: what they are given is what they show.

Shapes: `t` times, `r` replications. Undefined values (NaN) are left out; the report counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.base.arrays import Array, Floats
from simlab.views.ink import COLOURS, FAINT, INK, MARKS, PAPER, POINTS, canvas, frame, label, pen, plate, thin
from simlab.views.words import clock, number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 5  # single outcomes drawn beside the bands
COUNTED = 20  # single outcomes drawn below a share
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Band(NamedTuple):
    """One arm over time: `times` `(t,)` in seconds, `values` `(t, r)`, and the numbers `(r,)` of the replications.

    `beside` `(t, r)` is what they are to be held against, called `beside_name`.
    """

    title: str
    note: str
    times: Floats
    values: Array
    replications: NDArray[np.int64]
    beside: Array | None = None
    beside_name: str = ""


class Level(NamedTuple):
    """One arm's figure with its 95% interval, and that figure in words.

    `singles` are what the figure is the share of: whether it came about in each of the first replications, None if unknown.
    """

    title: str
    value: float | None
    ci: tuple[float, float] | None
    text: str
    clear: bool = False  # of 0, at a level that holds for all arms together
    singles: tuple[bool | None, ...] = ()


class Scale(NamedTuple):
    """The quantity on an axis: its name, how its values are written, and the harm's edge if one is drawn."""

    name: str
    say: Callable[[float], str] = number
    edge: float | None = None
    edge_text: str = ""
    say_level: Callable[[float], str] = number


def bands(values: Array) -> Floats:
    """The quantiles of `values` `(t, r)` at each time, `(5, t)`, over the replications that have one there."""
    kept = np.asarray(values, float)
    out = np.full((len(QUANTILES), kept.shape[0]), np.nan)
    some = np.isfinite(kept).any(axis=1)
    if some.any():
        rows = np.where(np.isfinite(kept[some]), kept[some], np.nan)
        out[:, some] = np.nanquantile(rows, QUANTILES, axis=1)
    return out


def main_figure(
    arms: Sequence[Band],
    levels: Sequence[Level],
    scale: Scale,
    heading: str,
    *,
    narrow: bool = False,
    numbers: Sequence[int] | None = None,
) -> Figure:
    """Arms side by side over time on shared axes, and beside them the figure the verdict speaks of.

    Thin lines are single outcomes: the same few replications in every arm, which met the same luck.
    `narrow` stacks the panels for a telephone. `numbers` are those of the arms where they are not all there are: they say the colour.
    Call within `style()`.
    """
    hues = range(len(arms)) if numbers is None else numbers
    rows = max(-(-len(arms) // (2 if narrow else 4)), 1)
    columns = max(-(-len(arms) // rows), 1)  # rows as even as they get
    rows = max(-(-len(arms) // columns), 1)
    room = (340, 46, 34) if narrow else (1180, 66, 46)  # width, left margin, what a row needs besides its panel
    beside = 0 if narrow else 300
    high = 128 if narrow else (310 if rows == 1 else 190)
    gap = 16 if narrow else 22
    wide = (room[0] - room[1] - beside - gap * columns) / columns
    chart = 64 + (52 if any(one.singles for one in levels) else 40) * len(levels)
    above = chart + 24 if narrow else 0
    step = high + room[2] + (16 if narrow else 14)
    figure = canvas(room[0], above + max(rows * step + 26, 0 if narrow else min(chart, 420)))
    finest = [thin(len(arm.times), min(POINTS, round(wide))) for arm in arms]  # a point a pixel
    drawn = [(at, bands(arm.values[at])) for arm, at in zip(arms, finest, strict=True)]
    low, top = _limits(arms, drawn, scale.edge)
    length, unit = clock(max((float(a.times[-1]) for a in arms if len(a.times)), default=1.0))
    for i, arm in enumerate(arms):
        row, column = divmod(i, columns)
        axes = frame(figure, room[1] + column * (wide + gap), above + 36 + row * step, wide, high)
        _band(axes, arm, drawn[i], hues[i], length)
        if arm.beside is not None:
            _beside(axes, arm, arm.beside, drawn[i][0], length, named=i == 0)
        if scale.edge is not None:
            axes.axhline(scale.edge, color=INK, linewidth=1, linestyle=(0, (3, 2)))
            if i == 0:
                both = len(scale.edge_text) + len(levels[i].text) + 4 if levels[i].singles else 0
                below = 6.5 * both > 0.94 * wide  # no room for two labels side by side
                label(axes, scale.edge_text, (0.02, scale.edge), -16 if below else 3, 10, bbox=plate())
            if levels[i].singles:
                label(
                    axes, f"in {levels[i].text}", (0.98, scale.edge), 3, 10, ha="right", fontweight="bold", bbox=plate()
                )
        axes.set_ylim(low, top)
        size = 13 if 8.2 * len(arm.title) <= wide else 11
        axes.set_title(short(arm.title, int(wide / 6.7)), fontsize=size, fontweight="bold", pad=15)
        axes.annotate(
            arm.note, (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", fontsize=9.5
        )
        axes.yaxis.set_major_formatter(lambda y, _: scale.say(y))
        axes.locator_params(nbins=4 if narrow or len(arms) > 3 else 5)
        if column:
            axes.tick_params(labelleft=False)
        elif not narrow:
            axes.set_ylabel(scale.name, labelpad=4)
        if i + columns >= len(arms):
            axes.set_xlabel(unit)
    left = 12 if narrow else room[0] - beside + 46
    axes = frame(
        figure,
        left,
        36,
        room[0] - left - (18 if narrow else 14),
        chart - 64 if narrow else min(72 * len(levels), (rows - 1) * step + high),
    )
    _levels(axes, list(zip(hues, levels, strict=True)), heading, scale.say_level)
    return figure


def _band(axes: Axes, arm: Band, drawn: tuple[Array, Floats], i: int, length: float) -> None:
    at, q = drawn
    x = arm.times[at] / length
    colour = COLOURS[i % len(COLOURS)]
    axes.fill_between(x, q[0], q[4], color=colour, alpha=0.18, linewidth=0)
    axes.fill_between(x, q[1], q[3], color=colour, alpha=0.34, linewidth=0)
    for one in np.argsort(arm.replications, kind="stable")[:SHOWN]:
        axes.plot(x, arm.values[at, one], color=INK, linewidth=0.8, alpha=0.6)
    axes.plot(x, q[2], **pen(i), linewidth=2.4)
    axes.grid(axis="y", alpha=0.5)
    if len(x) > 1:
        axes.set_xlim(x[0], x[-1])


def _beside(axes: Axes, arm: Band, values: Array, at: Array, length: float, *, named: bool) -> None:
    """The median of what an arm is to be held against; in the first panel with its name, on the side away from the arm's own."""
    middle = bands(values[at])[2]
    axes.plot(arm.times[at] / length, middle, color=INK, linewidth=1.8, linestyle=(0, (1, 1.2)), zorder=3)
    if named and np.isfinite(middle[-1]):
        below = bands(arm.values[at[-1:]])[2, 0] >= middle[-1]
        label(axes, arm.beside_name, (0.98, middle[-1]), -15 if below else 3, 10, ha="right", bbox=plate())


def _limits(arms: Sequence[Band], drawn: Sequence[tuple[Array, Floats]], edge: float | None) -> tuple[float, float]:
    """Shared limits that hold the bands, the single outcomes and the harm's edge."""
    ends = [] if edge is None else [edge]
    for arm, (at, q) in zip(arms, drawn, strict=True):
        single = arm.values[at][:, np.argsort(arm.replications, kind="stable")[:SHOWN]]
        other = np.empty(0) if arm.beside is None else bands(arm.beside[at])[2]
        seen = np.concatenate([q.ravel(), single.ravel(), other])
        seen = seen[np.isfinite(seen)]
        ends += [float(seen.min()), float(seen.max())] if seen.size else []
    low, top = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = 0.05 * (top - low) or 0.05 * abs(top) or 1.0
    return (0.0 if low >= 0 and low < 0.5 * top else low - pad), top + pad


def _dots(axes: Axes, rows: Sequence[tuple[int, Level]], *, hollow: bool = False) -> None:
    """A dot with its interval for each row, in the colour of its arm; with `hollow`, unfilled where it is not clear of 0."""
    for y, (i, one) in enumerate(rows):
        colour = COLOURS[i % len(COLOURS)]
        if one.ci is not None:
            axes.plot(one.ci, (-y, -y), color=colour, linewidth=3, solid_capstyle="butt", alpha=0.55)
        if one.value is not None:
            inside = PAPER if hollow and not one.clear else colour
            mark = MARKS[i % len(MARKS)]
            axes.plot(
                [one.value], [-y], mark, color=colour, markersize=8.5, markerfacecolor=inside, markeredgewidth=1.6
            )
        label(axes, short(one.title, 28), (0, -y), size=9.5 if hollow else 11)
        label(
            axes, one.text, (1, -y), size=9.5 if hollow else 12, ha="right", fontweight="normal" if hollow else "bold"
        )
    axes.set_ylim(-len(rows) + 0.6, 0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _singles(axes: Axes, y: int, i: int, singles: Sequence[bool | None]) -> None:
    """A mark for each outcome, filled where it came about; an x where that is unknown."""
    hue = COLOURS[i % len(COLOURS)]
    for inside, mark, wanted in ((hue, "s", True), (PAPER, "s", False), (hue, "x", None)):
        at = [0.012 + 0.032 * j for j, one in enumerate(singles) if one is wanted]
        axes.plot(
            at, [-y - 0.28] * len(at), mark, transform=axes.get_yaxis_transform(), color=hue, markersize=4.6,
            markerfacecolor=inside, markeredgewidth=0.8, clip_on=False,
        )  # fmt: skip


def _ends(rows: Sequence[tuple[int, Level]]) -> list[float]:
    return [x for _, one in rows for x in (one.value, *(one.ci or ())) if x is not None]


def _levels(axes: Axes, rows: Sequence[tuple[int, Level]], heading: str, say: Callable[[float], str]) -> None:
    """The arms' levels, with the first arm's carried down as a line; below each the single outcomes it is the share of."""
    _dots(axes, rows)
    for y, (i, one) in enumerate(rows):
        _singles(axes, y, i, one.singles)
    if any(one.singles for _, one in rows):
        axes.set_ylim(-len(rows) + 0.5, 0.75)
    if rows and rows[0][1].value is not None:
        axes.axvline(rows[0][1].value, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    low, top = min([0.0, *_ends(rows)]), max([0.0, *_ends(rows)]) or 1.0
    axes.set_xlim(low - 0.02 * (top - low), top + 0.04 * (top - low))
    axes.xaxis.set_major_formatter(lambda x, _: say(x))
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(heading, fontsize=12, fontweight="bold", pad=8)


def exceedance(values: Floats) -> tuple[Floats, Floats]:
    """The curve x, P(value > x) of the defined `values` `(r,)`, thinned to POINTS quantiles."""
    kept = np.sort(values[np.isfinite(values)])
    if not kept.size:
        return np.empty(0), np.empty(0)
    at = thin(kept.size)
    return kept[at], 1 - (at + 1) / kept.size


def distributions(samples: Sequence[tuple[str, Floats]], scale: Scale, numbers: Sequence[int] | None = None) -> Figure:
    """P(measure > x) for each arm on one pair of axes, each curve labelled where it runs. Call within `style()`."""
    hues = range(len(samples)) if numbers is None else numbers
    figure = canvas(380, 260)
    axes = frame(figure, 44, 16, 322, 198)
    curves = [exceedance(values) for _, values in samples]
    ends = [end for x, _ in curves if x.size for end in (x[0], x[-1])]
    middle = (min(ends) + max(ends)) / 2 if ends else 0.0
    for i, (title, (x, p)) in enumerate(zip((title for title, _ in samples), curves, strict=True)):
        if not x.size:
            continue
        line = np.r_[x[0], x], np.r_[1.0, p]
        width, ink = (1.8, 1.0) if i else (4.0, 0.55)  # the first is seen under its equal
        axes.plot(*line, drawstyle="steps-post", linewidth=width, alpha=ink, **pen(hues[i]))
        height = 0.9 - 0.8 * (i + 0.5) / len(samples)
        at = (line[0][min(int(np.searchsorted(-line[1], -height)), len(x))], height)
        axes.plot(*at, MARKS[hues[i] % len(MARKS)], color=COLOURS[hues[i] % len(COLOURS)], markersize=6, zorder=4)
        shift, side = ((7, 0), "left") if at[0] <= middle else ((-7, 0), "right")
        say = short(title, 30)
        axes.annotate(
            say, at, xytext=shift, textcoords="offset points", fontsize=9.5, va="center", ha=side, bbox=plate()
        )
    if scale.edge is not None:
        axes.axvline(scale.edge, color=INK, linewidth=1, linestyle=(0, (3, 2)))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f}%")
    axes.xaxis.set_major_formatter(lambda x, _: scale.say(x))
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.03)
    axes.set_xlabel(scale.name)
    axes.set_title("share of replications above x", fontsize=10, pad=3)
    axes.grid(alpha=0.4)
    return figure


def forest(rows: Sequence[tuple[int, Level]], heading: str, say: Callable[[float], str]) -> Figure:
    """Differences to the baseline with their intervals, 0 marked; each row comes with its arm's number. Call within `style()`."""
    figure = canvas(380, 58 + 40 * len(rows))
    axes = frame(figure, 14, 34, 352, 40 * len(rows))
    axes.axvline(0, color=INK, linewidth=1)
    _dots(axes, rows, hollow=True)
    reach = max((abs(x) for x in _ends(rows)), default=0.0) or 1.0
    axes.set_xlim(-1.08 * reach, 1.08 * reach)
    axes.xaxis.set_major_formatter(lambda x, _: say(x))
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(heading, fontsize=11, fontweight="bold", pad=5)
    return figure
