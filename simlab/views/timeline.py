"""When things happened: shocks as bands, everything else as the quantiles of its first time, an arm a row."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.views.ink import COLOURS, FAINT, INK, MARKS, PAPER, canvas, frame, label, plate, thin
from simlab.views.words import clock, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LINE, CHARACTER = 14, 6.9  # px that a line of a band's name is high, and that a bold character is wide in most fonts


class Band(NamedTuple):
    """Something that lasts, alike in every replication: from `start` to `end` in seconds."""

    title: str
    start: float
    end: float


class Row(NamedTuple):
    """One sort of event in the arm with this number: what, what to say of it, and its first times `(k,)` in seconds."""

    title: str
    note: str
    arm: int
    first: Floats


def timeline(bands: Sequence[Band], rows: Sequence[Row], horizon: float, *, narrow: bool = False) -> Figure:
    """Bands from top to bottom, and in each row: every first time, the middle 90% and 50% of them, and their median.

    Rows are named beside the picture or, for a telephone (`narrow`), inside it. Call within `style()`.
    """
    wide, left, right = (340, 10, 12) if narrow else (1180, 300, 16)
    inside, step = wide - left - right, 54 if narrow else 42
    named = [_lines(band, horizon, inside) for band in bands]
    tops = np.cumsum([0, *(LINE * len(lines) + 6 for lines in named)])
    head = float(tops[-1])
    high = head + step * len(rows) + 8
    figure = canvas(wide, high + 44)
    axes = frame(figure, left, 6, inside, high)
    axes.set_ylim(high, 0)  # in pixels from the top
    length, unit = clock(horizon)
    axes.set_xlim(0, horizon / length)
    for band, lines, top in zip(bands, named, tops, strict=False):
        start, end = band.start / length, min(band.end, horizon) / length
        axes.axvspan(start, end, color=FAINT, alpha=0.16, linewidth=0)
        axes.axvline(start, color=INK, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
        late = start > 0.5 * horizon / length
        axes.annotate(
            "\n".join(lines), (start, top + 1), xytext=(-5 if late else 5, 0), textcoords="offset points",
            ha="right" if late else "left", va="top", fontsize=10, fontweight="bold", bbox=plate(),
        )  # fmt: skip
    for i, row in enumerate(rows):
        y = head + step * i + (40 if narrow else 24)
        colour, mark = COLOURS[row.arm % len(COLOURS)], MARKS[row.arm % len(MARKS)]
        each = np.sort(row.first)
        q = np.quantile(each, QUANTILES) / length
        axes.vlines(each[thin(len(each))] / length, y + 5, y + 9, color=colour, linewidth=0.8, alpha=0.7)
        axes.plot((q[0], q[4]), (y, y), color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot((q[1], q[3]), (y, y), color=colour, linewidth=6, alpha=0.5, solid_capstyle="butt")
        axes.plot([q[2]], [y], mark, color=colour, markersize=8, markeredgecolor=PAPER)
        x, lift = (0.004, (19, 8)) if narrow else (-284 / inside, (0, -13))
        plain = {"bbox": plate()} if narrow else {}
        label(axes, short(row.title, 44), (x, y), lift[0], 10 if narrow else 11, fontweight="bold", **plain)
        label(axes, short(row.note, 56), (x, y), lift[1], 9 if narrow else 10, **plain)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(unit)
    return figure


def _lines(band: Band, horizon: float, inside: float) -> list[str]:
    """The name of a band in as many lines as the room beside its start needs, whichever side it stands on; at most four."""
    start = band.start / horizon
    room = inside * (start if start > 0.5 else 1 - start) - 8
    most = max(int(room / CHARACTER), 12)
    lines = wrap(band.title, most)
    return lines if len(lines) <= 4 else [*lines[:3], short(f"{lines[3]}{' ' * most}", most)]
