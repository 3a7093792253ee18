"""What was recorded and what detectors made of it, over time: a panel a detector and rule, thresholds drawn, alarms shaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.base.arrays import Bools, Floats, Ints
from simlab.results.metrics import Metrics
from simlab.results.tables import visible
from simlab.studies.watching import Sight, Watching
from simlab.views.ink import COLOURS, INK, PAPER, canvas, frame, label, pen, plate
from simlab.views.scorecard import RULES
from simlab.views.words import clock, human, number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 460  # of time in a panel: about a pixel each
MOST = 6  # features drawn singly


class Recorded(NamedTuple):
    """What was recorded, in bins: all predictions, all of reality, and the first features in their own standard deviations."""

    predictions: Bins
    reality: Bins
    features: tuple[Bins, ...]


class Bins(NamedTuple):
    """A series in equal bins of time, `(BINS,)` each, NaN where nothing is known: its mean, least and largest value."""

    at: Floats  # seconds, the middle of each
    mean: Floats
    low: Floats
    top: Floats


def binned(times: Floats, values: Floats, end: float) -> Bins:
    """`values` `(t,)` or `(t, m)` at `times` `(t,)` from 0 to `end`, over all columns together."""
    table = values.reshape(len(times), -1)
    which: Ints = np.minimum((times / end * BINS).astype(np.int64), BINS - 1)
    first = np.flatnonzero(np.diff(which, prepend=-1))
    known: Bools = np.isfinite(table)
    count = np.add.reduceat(known.sum(axis=1), first)
    total = np.add.reduceat(np.where(known, table, 0.0).sum(axis=1), first)
    found: Floats = np.full((3, BINS), np.nan)
    some = count > 0
    here = which[first][some]
    found[0, here] = total[some] / count[some]
    found[1, here] = np.minimum.reduceat(np.where(known, table, np.inf).min(axis=1), first)[some]
    found[2, here] = np.maximum.reduceat(np.where(known, table, -np.inf).max(axis=1), first)[some]
    middle: Floats = (np.arange(BINS, dtype=float) + 0.5) * (end / BINS)
    return Bins(middle, found[0], found[1], found[2])


def recorded(metrics: Metrics) -> Recorded:
    """The recording in bins of time."""
    times, end = metrics.times, float(metrics.times[-1])
    features = []
    for i in range(min(metrics.features.shape[1], MOST)):
        column = metrics.features[:, i]
        features.append(binned(times, (column - np.nanmean(column)) / (float(np.nanstd(column)) or 1.0), end))
    return Recorded(binned(times, metrics.predictions, end), binned(times, metrics.reality, end), tuple(features))


def readings(watching: Watching, shown: Recorded, *, narrow: bool = False) -> Figure:
    """The recording above, a row a detector below: the method of record to the left, the popular rule to the right.

    `narrow` stacks them for a telephone. Call within `style()`.
    """
    wide, left, right, gap = (340, 46, 10, 0) if narrow else (1180, 66, 14, 62)
    columns = 1 if narrow else 2
    each = (wide - left - right - gap * (columns - 1)) / columns
    high, step, top = 84, 138, 44
    metrics = watching.metrics
    panels: list[Sight | str] = ["said", "seen"] if shown.features else ["said"] if narrow else ["said", ""]
    panels += watching.sights
    rows = -(-len(panels) // columns)
    figure = canvas(wide, top + rows * step - (step - high) + 40)
    end = float(metrics.times[-1])
    length, unit = clock(end)
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        if panel == "":
            continue
        axes = frame(figure, left + column * (each + gap), top + row * step, each, high)
        axes.set_xlim(0, end / length)
        axes.grid(axis="y", alpha=0.5)
        axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda y, _: number(y))
        if isinstance(panel, Sight):
            _sight(axes, panel, end, length, each)
        elif panel == "said":
            _said(axes, shown, length)
        else:
            _seen(axes, shown, metrics.columns.features, length, each)
        if i + columns >= len(panels):
            axes.set_xlabel(f"{unit} since {visible(str(metrics.stamp(0)), 40)}", fontsize=10)
    return figure


def _said(axes: Axes, shown: Recorded, length: float) -> None:
    """All predictions as a band with their mean, and reality as a line."""
    said, came = shown.predictions, shown.reality
    axes.fill_between(said.at / length, said.low, said.top, color=COLOURS[0], alpha=0.22, linewidth=0)
    axes.plot(said.at / length, said.mean, **pen(0), linewidth=1.4)
    axes.plot(came.at / length, came.mean, color=INK, linewidth=1.1, linestyle=(0, (3, 1.5)))
    axes.set_ylim(_limits([said.low, said.top, came.mean]))
    axes.set_title("predictions (line, band) and reality (dashed)", fontsize=11, fontweight="bold", pad=8)


def _seen(axes: Axes, shown: Recorded, names: Sequence[str], length: float, room: float) -> None:
    """Features on one scale, named where there is room."""
    for i, one in enumerate(shown.features):
        axes.plot(one.at / length, one.mean, **pen(i), linewidth=1.1)
    axes.set_ylim(_limits([one.mean for one in shown.features]))
    more = f", {len(names) - MOST} more not drawn" if len(names) > MOST else ""
    said = f"{', '.join(visible(name, 24) for name in names[:MOST])}{more}"
    axes.set_title("features, in standard deviations", fontsize=11, fontweight="bold", pad=17)
    axes.annotate(
        short(said, int(room / 5.4)),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        fontsize=9.5,
    )


def _sight(axes: Axes, sight: Sight, end: float, length: float, room: float) -> None:
    """The largest reading in each bin, the threshold, and the times above it."""
    second = sight.rule == "seed"
    title = f"{human(sight.detector)}, {RULES[sight.rule]}"
    axes.set_title(short(title, int(room / 6.4)), fontsize=11, fontweight="bold", pad=17)
    if not sight.told:
        said = short(f"cannot tell: {sight.unable}", int(room / 5.6))
        axes.annotate(said, (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=9.5)
        axes.set_yticks([])
        said = "no reading"
    else:
        seen = binned(sight.times, sight.values, end)
        axes.plot(seen.at / length, seen.top, color=COLOURS[1 if second else 0], linewidth=1.2)
        low, top = _limits([seen.top], sight.threshold)
        axes.set_ylim(low, top)
        axes.axhline(sight.threshold, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        label(axes, f"threshold {number(sight.threshold)}", (0.01, sight.threshold), 2, 9, bbox=plate())
        _alarms(axes, sight, end, length)
        said = _found(sight)
    axes.annotate(
        short(said, int(room / 5.4)), (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", fontsize=9.5,
        color=COLOURS[1] if sight.alarms else INK,
    )  # fmt: skip


def _found(sight: Sight) -> str:
    if not sight.alarms:
        return f"no alarm; at most {number(float(np.nanmax(sight.values)))}"
    first = sight.alarms[0]
    return f"first alarm at {visible(str(first.time), 40)}: {number(first.value)}"


def _alarms(axes: Axes, sight: Sight, end: float, length: float) -> None:
    """Shades for the bins of time with an alarm in them, and a mark at the first."""
    if not sight.alarms:
        return
    lit = np.zeros(BINS + 2, dtype=np.int64)
    for alarm in sight.alarms:
        first, last = (min(int(t / end * BINS), BINS - 1) for t in (alarm.since, alarm.since + alarm.lasted))
        lit[first + 1 : last + 2] = 1
    edge = np.diff(lit)
    for start, stop in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
        ends = (start * end / BINS / length, stop * end / BINS / length)
        axes.axvspan(*ends, color=COLOURS[1], alpha=0.2, linewidth=0, zorder=0)
    x = sight.alarms[0].since / length
    axes.axvline(x, color=COLOURS[1], linewidth=1.2)
    axes.plot(
        [x], [sight.threshold], "v", color=COLOURS[1], markersize=8, markeredgecolor=PAPER, zorder=5, clip_on=False
    )


def _limits(series: Sequence[Floats], threshold: float | None = None) -> tuple[float, float]:
    """Limits that hold nearly all of the series, and the threshold; single spikes may leave the panel."""
    seen = np.concatenate([one[np.isfinite(one)] for one in series])
    ends = [*(np.quantile(seen, (0.005, 0.995)) if seen.size else ()), *(() if threshold is None else (threshold,))]
    low, top = (float(min(ends)), float(max(ends))) if ends else (0.0, 1.0)
    pad = 0.08 * (top - low) or 0.05 * abs(top) or 1.0
    room = 0.0 if threshold is None else low + 1.3 * (threshold - low)  # above it, for its label
    return low - pad, max(top + pad, room + pad)


def in_words(watching: Watching) -> str:
    """The figure in words."""
    said = []
    for sight in watching.sights:
        what = _found(sight) if sight.told else f"cannot tell ({sight.unable})"
        said.append(f"{human(sight.detector)}, {RULES[sight.rule]} (threshold {number(sight.threshold)}): {what}")
    return "Predictions, reality and detectors over time. " + ". ".join(said) + "."
