"""Phase diagrams: an arm over two axes, and where it is better or worse than the first.

Every cell has its number printed; a difference is coloured only where it is clear of 0 (orange raises, blue lowers), and otherwise
ends in a question mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simlab.base.arrays import Floats
from simlab.views.ink import COLOURS, FAINT, canvas, frame, thin
from simlab.views.panels import NARROW, WIDE, Panel, against, difference_text, differences, level_text, levels
from simlab.views.points import Points
from simlab.views.words import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRONGEST = 0.6  # how opaque the strongest cell is: its number must stay legible on it
NUMBERED = 24  # px a cell needs for its number
MOST = 4  # panels side by side
TICKS = 12  # along an axis
WIDEST = 104.0  # px of a cell


def phase(points: Points, *, narrow: bool = False) -> Figure:
    """A heat map over two axes for each arm, and below it the arm's difference to the first. Call within `style()`."""
    across, up = points.axes
    nx, ny = len(across.values), len(up.values)
    blocks = _blocks(points, 1 if narrow else MOST)
    columns = max(len(block) for block in blocks)
    left, gap, right = (56, 0, 8) if narrow else (74, 26, 10)
    wide = min(((NARROW if narrow else WIDE) - left - right - gap * (columns - 1)) / columns, WIDEST * nx)
    high, head, foot = min(46.0, max(30.0, 300.0 / ny)) * ny if ny <= TICKS else 360.0, 40, 44
    figure = canvas(NARROW if narrow else WIDE, len(blocks) * (head + high + foot))
    for row, block in enumerate(blocks):
        for column, (panel, differ) in enumerate(block):
            if panel is None:
                continue
            axes = frame(figure, left + column * (wide + gap), row * (head + high + foot) + head, wide, high)
            _map(axes, points, panel, differ, wide / nx)
            _title(axes, panel, points, differ, wide)
            axes.set_xlabel(across.title)
            if column == 0 or block[column - 1][0] is None:
                axes.set_ylabel(up.title, labelpad=4)
            else:
                axes.tick_params(labelleft=False)
    return figure


def _blocks(points: Points, columns: int) -> list[list[tuple[Panel | None, bool]]]:
    """The panels row by row, each with whether it shows differences: all in one row where they fit, else below their arms."""
    upper: list[tuple[Panel | None, bool]] = [(panel, False) for panel in levels(points)]
    lower: list[tuple[Panel | None, bool]] = [(panel, True) for panel in differences(points)]
    if len(upper) + len(lower) <= columns:
        return [upper + lower]
    if columns == 1:
        return [[one] for one in upper + lower]
    lower = [(None, True), *lower]
    starts = range(0, len(upper), columns)
    rows = [part[k : k + columns] for k in starts for part in (upper, lower)]
    return [row for row in rows if any(panel is not None for panel, _ in row)]


def _title(axes: Axes, panel: Panel, points: Points, differ: bool, wide: float) -> None:
    name = short(panel.arm.title, int(wide / 7.2))
    axes.set_title(name, fontsize=12, fontweight="bold", pad=17)
    said = against(points) if differ else points.top.label
    said = short(said, int(wide / 5.6))
    axes.annotate(said, (0, 1), xycoords="axes fraction", xytext=(0, 5), textcoords="offset points", fontsize=9.5)


def _map(axes: Axes, points: Points, panel: Panel, differ: bool, cell: float) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    across, up = points.axes
    columns = [across.values.index(v) for v in across.at]
    rows = [up.values.index(v) for v in up.at]
    values, known = panel.values, np.isfinite(panel.values) & panel.firm
    hues = [COLOURS[1] if differ and value > 0 else COLOURS[0] for value in values]
    shades = np.where(known, _shades(points, panel, differ), 0.0)
    corners = [
        [(x - 0.48, y - 0.47), (x + 0.48, y - 0.47), (x + 0.48, y + 0.47), (x - 0.48, y + 0.47)]
        for x, y in zip(columns, rows, strict=True)
    ]
    fills = [to_rgba(hue, float(shade)) for hue, shade in zip(hues, shades, strict=True)]
    edges = ["none" if one else FAINT for one in known]
    axes.add_collection(PolyCollection(corners, facecolors=fills, edgecolors=edges, linewidths=0.5))
    if cell >= NUMBERED:
        small = 11 if cell >= 58 else 9.5 if cell >= 44 else 8
        for x, y, value, firm in zip(columns, rows, values.tolist(), panel.firm, strict=True):
            text = difference_text(points, value) if differ else level_text(points, value)
            doubt = "?" if differ and np.isfinite(value) and not firm else ""
            axes.text(x, y, f"{text}{doubt}", ha="center", va="center", fontsize=small)
    axes.set_xlim(-0.5, len(across.values) - 0.5)
    axes.set_ylim(-0.5, len(up.values) - 0.5)
    at = thin(len(across.values), TICKS).tolist()
    axes.set_xticks(
        at, [short(across.tick(across.values[i]), max(int(cell * len(across.values) / len(at) / 5.5), 4)) for i in at]
    )
    at = thin(len(up.values), TICKS).tolist()
    axes.set_yticks(at, [short(up.tick(up.values[i]), 12) for i in at])
    axes.tick_params(length=0)
    for line in axes.spines.values():
        line.set_visible(False)


def _shades(points: Points, panel: Panel, differ: bool) -> Floats:
    """How opaque each cell is, on one scale for all arms."""
    if differ:
        seen = np.abs(np.concatenate([np.where(a.clear, a.difference, 0.0) for a in points.others]))
        most = float(np.nanmax(seen, initial=0.0)) or 1.0
        return np.minimum(0.12 + (STRONGEST - 0.12) * np.abs(panel.values) / most, STRONGEST)
    seen = np.concatenate([a.level for a in points.arms])
    low, high = (float(np.nanmin(seen)), float(np.nanmax(seen))) if np.isfinite(seen).any() else (0.0, 1.0)
    return 0.04 + (STRONGEST - 0.04) * (panel.values - low) / ((high - low) or 1.0)
