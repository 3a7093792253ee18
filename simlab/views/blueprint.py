"""An architecture as a picture: what depends on what, how much fails with each part, and what comes back through reality.

From left to right (narrow: from top to bottom) stand sources, stores, what models share, models, and consumers. A part is as
large as the share that fails with it. Links run between the columns; what models do to reality runs back below them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.scenario.architecture import Architecture
from simlab.studies.audit import Audit
from simlab.studies.blast import Blast
from simlab.views.ink import COLOURS, FAINT, INK, PAPER, Drawing, canvas, drawing
from simlab.views.words import count, listed, number, percent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE, SHARED, BACK = COLOURS[1], COLOURS[4], COLOURS[0]
KINDS = (("source",), ("store",), ("brain", "compute", "fallback"), ("model",), ("consumer",))
HEADS = {"brain": "shared brain", "compute": "cluster", "fallback": "plain rule"}
MARKS = {"model": "o", "consumer": "D", "fallback": "v", "compute": "h"}
SPOTS, FEW = 8, 4  # the most parts of one column that are drawn, and of one row on a narrow page
LANES = 5  # the most ways back that are drawn
LEARNED, SPARE = (0, (4, 2.5)), (0, (1, 2))  # how links are broken
_PLATE = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
ASIDE = (
    -0.18,
    0.06,
    -0.06,
    0.18,
    -0.02,
    0.1,
)  # columns stand a little apart, so that straight links do not meet on one line
GAP = 98.0  # between the parts of a column, in pixels
DEEP = 3  # columns of models, by how deep they read each other


class Spot(NamedTuple):
    """Where a part is drawn, in pixels: how far along the flow and across it, and how large."""

    along: float
    across: float
    radius: float


class _Sheet(NamedTuple):
    """What is drawn on, and how: `down` when the flow runs downwards, `step` from column to column, `room` for the names."""

    axes: Axes
    down: bool
    step: float
    room: int

    def at(self, along: float, across: float) -> tuple[float, float]:
        """Pixels from the top left corner."""
        return (across, along) if self.down else (along, across)


class _Plan(NamedTuple):
    """What is drawn: the columns from first to last, and how many parts of each are left out."""

    columns: tuple[tuple[str, ...], ...]
    left_out: tuple[int, ...]


def blueprints(found: Audit) -> tuple[Drawing, Drawing]:
    """The picture for wide and for narrow pages. Call within `style()`."""
    alt = in_words(found)
    return drawing(_drawn(found, down=False), "architecture", alt), drawing(
        _drawn(found, down=True), "architecture_narrow", alt
    )


def in_words(found: Audit) -> str:
    """The picture for those who do not see it, from the numbers."""
    one, many = found.architecture, len(found.architecture.of("model"))
    kinds = [
        ("source", "source"),
        ("store", "store"),
        ("brain", "shared brain"),
        ("compute", "cluster"),
        ("fallback", "plain rule"),
    ]
    kinds += [("model", "model"), ("consumer", "consumer")]
    counted = listed([count(n, name) for kind, name in kinds if (n := len(one.of(kind)))])
    said = [f"The architecture from left to right: {counted}."]
    singles = found.single_points
    if singles:
        told = [f"{blast.name} ({takes(blast, many)})" for blast in singles[:6]]
        more = f" and {len(singles) - 6} more" if len(singles) > 6 else ""
        said.append(f"{'Single point' if len(singles) == 1 else 'Single points'} of failure: {listed(told)}{more}.")
    else:
        said.append("No single point of failure.")
    back = _back(one)
    said += [f"What comes back through reality: {listed([_way(link) for link in back[:LANES]])}."] if back else []
    return " ".join(said)


def takes(blast: Blast, models: int) -> str:
    """What fails with a part, in a few words."""
    if not blast.models:
        return f"takes {percent(blast.weight)} of consumers" if blast.weight else "takes nothing else"
    if blast.weight > blast.traffic and len(blast.models) < models:
        return f"takes {len(blast.models)} of {models} models, {percent(blast.weight)} of consumers"
    return (
        f"takes all {models} models" if len(blast.models) == models else f"takes {len(blast.models)} of {models} models"
    )


def _way(link: tuple[str, str, float]) -> str:
    return f"{link[0]} shapes {link[1]} with gain {number(link[2])}"


def _back(one: Architecture) -> list[tuple[str, str, float]]:
    """The ways back through reality, the strongest first."""
    found = [(link.source, link.target, link.gain) for link in one.links if link.how == "shaped_by"]
    return sorted(found, key=lambda link: -link[2])


def _plan(found: Audit, most: int) -> _Plan:
    """Columns by kind, models by how deep they read each other; the parts with the widest blast radius where not all fit."""
    import networkx as nx

    one = found.architecture
    graph = one.graph("shaped_by", "trained_on", "fallback", "runs_on", "brain")
    rank = {blast.name: i for i, blast in enumerate(found.blasts)}
    depth: dict[str, int] = {}
    models = {part.name for part in one.of("model")}
    for name in nx.topological_sort(graph):
        above = [depth.get(u, 0) for u in graph.predecessors(name)]
        depth[name] = max(above, default=0) + (name in models)
    linked = {end for link in one.links for end in (link.source, link.target)}
    columns: list[list[str]] = []
    for kinds in KINDS:
        names = [part.name for part in one.of(*kinds)]
        if kinds == ("model",):
            columns += [[n for n in names if min(depth[n], DEEP) == d] for d in range(1, DEEP + 1)]
        else:
            columns.append([n for n in names if n in linked or one.part(n).kind != "compute"])
    columns = [column for column in columns if column]
    kept = []
    for column in columns:
        best = sorted(column, key=lambda name: rank.get(name, 0))[:most]
        kept.append([name for name in column if name in best])
    _untangle(kept, one)
    return _Plan(tuple(map(tuple, kept)), tuple(len(a) - len(b) for a, b in zip(columns, kept, strict=True)))


def _untangle(columns: list[list[str]], one: Architecture) -> None:
    """Order each column by where its neighbours stand (Sugiyama, Tagawa & Toda 1981, the barycentre rule)."""
    beside: dict[str, list[str]] = {}
    for link in one.links:
        if link.how != "shaped_by":
            beside.setdefault(link.source, []).append(link.target)
            beside.setdefault(link.target, []).append(link.source)
    for _ in range(6):
        for column in (*columns, *reversed(columns)):
            place = {name: (i + 0.5) / len(other) for other in columns for i, name in enumerate(other)}
            near = {name: [place[b] for b in beside.get(name, []) if b in place] for name in column}
            column.sort(key=lambda name: float(np.mean(near[name])) if near[name] else place[name])


def _drawn(found: Audit, *, down: bool) -> Figure:
    """The picture, with the flow to the right, or downwards on a narrow page."""
    plan = _plan(found, FEW if down else SPOTS)
    one = found.architecture
    drawn = {name for column in plan.columns for name in column}
    back = [link for link in _back(one) if {link[0], link[1]} <= drawn][: LANES - 2 * down]
    rows, columns = max(map(len, plan.columns)), len(plan.columns)
    lane = 14.0 if down else 26.0
    if down:
        size = Spot(34 + columns * 104 + 18 * len(back) + 44, 343, 0)
        first, step, top, gap = 76.0, 104.0, 8.0, (343 - 16 - lane * len(back)) / rows
    else:
        size = Spot(1180, 84 + rows * GAP + lane * len(back) + 46, 0)
        first, step, top, gap = 110.0, (1180 - 230) / max(columns - 1, 1), 46.0, GAP
    floor = top + rows * gap + (0 if down else 34)
    width, height = (size.across, size.along) if down else (size.along, size.across)
    figure = canvas(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    sheet = _Sheet(axes, down, step, int(gap / 6.2 if down else step / 7))
    blasts = {blast.name: blast for blast in found.blasts}
    spots = {}
    for i, column in enumerate(plan.columns):
        for j, name in enumerate(column):
            across = top + (rows * (j + 0.5) / len(column) + ASIDE[i % len(ASIDE)]) * gap
            spots[name] = Spot(first + i * step, across, _radius(blasts.get(name)) * (0.85 if down else 1))
    _links(sheet, one, spots)
    _ways_back(sheet, back, spots, floor, lane)
    for i, (column, missing) in enumerate(zip(plan.columns, plan.left_out, strict=True)):
        said = _heading(one, column, plan, i) + (f", {len(column)} drawn" if missing else "")
        x, y = (10.0, first + i * step - 40) if down else (first + i * step, 20.0)
        side = "left" if down else "center"
        axes.text(x, y, said, ha=side, va="center", fontsize=11.5, fontweight="bold", zorder=9, bbox=_PLATE)
    for name, spot in spots.items():
        _part(sheet, name, spot, found, blasts.get(name))
    if down:
        for i, (model, source, gain) in enumerate(back):
            y = height - 44 - 18 * (len(back) - i) + 10
            axes.plot([10, 34], [y, y], color=BACK, linewidth=1.6, linestyle=(0, (6, 2.5)))
            axes.text(40, y, _way_in_words(model, source, gain, 20), va="center", fontsize=10)
    _legend(axes, height - (30 if down else 16), down)
    return figure


def _heading(one: Architecture, column: Sequence[str], plan: _Plan, i: int) -> str:
    """What stands in a column."""
    kinds = {one.part(name).kind for name in column}
    n = len(column) + plan.left_out[i]
    if kinds == {"model"}:
        first = next(j for j, other in enumerate(plan.columns) if one.part(other[0]).kind == "model")
        return (count(n, "model"), f"{n} {'reads' if n == 1 else 'read'} models", f"{n} deeper")[i - first]
    if len(kinds) == 1:
        (kind,) = kinds
        name = HEADS.get(kind, kind)
        return count(n, name)
    return "what models share"


def _radius(blast: Blast | None) -> float:
    return 7.0 if blast is None else 7 + 19 * float(np.sqrt(blast.share))


def _links(sheet: _Sheet, one: Architecture, spots: dict[str, Spot]) -> None:
    """Curves from what is depended on to what depends on it; broken where it is only learned from."""
    hows: dict[tuple[str, str], set[str]] = {}
    for link in one.links:
        if link.how != "shaped_by" and link.source in spots and link.target in spots:
            hows.setdefault((link.source, link.target), set()).add(link.how)
    for (source, target), how in hows.items():
        a, b = spots[source], spots[target]
        start, end = a.along + a.radius + 1, b.along - b.radius - 3
        bend = max((end - start) / 2, 20)
        points = [(start, a.across), (start + bend, a.across), (end - bend, b.across), (end, b.across)]
        dashes = LEARNED if how == {"trained_on"} else SPARE if how == {"fallback"} else "-"
        _arrow(sheet, points, [1, 4, 4, 4], color=FAINT, linewidth=1.1, linestyle=dashes, zorder=2)


def _ways_back(
    sheet: _Sheet, back: Sequence[tuple[str, str, float]], spots: dict[str, Spot], floor: float, lane: float
) -> None:
    """What models do to reality, beyond everything else, from the model back to the source."""
    for i, (model, source, gain) in enumerate(back):
        a, b = spots[model], spots[source]
        across = floor + (4 if sheet.down else 10) + lane * i
        out = a.along + (44 if sheet.down else sheet.step * 0.36) - (4 if sheet.down else 7) * i
        into = b.along - (50 if sheet.down else 62) - (4 if sheet.down else 7) * i
        aside = a.across + 3
        points = [(a.along + a.radius, aside), (out, aside), (out, across), (into, across), (into, b.across)]
        points.append((b.along - b.radius - 3, b.across))
        codes, corners = [1], [points[0]]
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            corners += [_towards(corner, before), corner, _towards(corner, after)]
            codes += [2, 3, 3]
        _arrow(
            sheet,
            [*corners, points[-1]],
            [*codes, 2],
            color=BACK,
            linewidth=1.6,
            linestyle=(0, (6, 2.5)),
            zorder=3,
            fill=False,
        )
        if not sheet.down:
            words = _way_in_words(model, source, gain, 24)
            sheet.axes.text(
                (into + out) / 2,
                across,
                words,
                ha="center",
                va="center",
                fontsize=10.5,
                bbox=_PLATE | {"alpha": 1},
                zorder=3,
            )


def _way_in_words(model: str, source: str, gain: float, most: int) -> str:
    return f"{short(model, most)} changes {short(source, most)}: gain {number(gain)}"


def _arrow(sheet: _Sheet, points: Sequence[tuple[float, float]], codes: Sequence[int], **look: Any) -> None:
    """A curve with a head, along the codes of matplotlib's paths."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    path = Path([sheet.at(*point) for point in points], list(codes))
    sheet.axes.add_patch(FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0, **look))


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """A point a little way off a corner, where its rounding begins or ends."""
    away = np.subtract(other, corner)
    length = max(float(np.abs(away).sum()), 1e-9)
    near = np.add(corner, away / length * min(10.0, length / 2))
    return float(near[0]), float(near[1])


def _part(sheet: _Sheet, name: str, spot: Spot, found: Audit, blast: Blast | None) -> None:
    """A part with its name, and what it takes with it."""
    kind = found.architecture.part(name).kind
    single = blast is not None and blast.single_point
    shared = blast is not None and len({*blast.models, *blast.carried}) > 1
    mark, size = MARKS.get(kind, "s"), 2 * spot.radius
    x, y = sheet.at(spot.along, spot.across)
    if single:
        sheet.axes.plot(
            x, y, marker=mark, markersize=size + 8, color="none", markeredgecolor=SINGLE, markeredgewidth=2, zorder=5
        )
    hue = SINGLE if single else SHARED if shared else PAPER
    sheet.axes.plot(x, y, marker=mark, markersize=size, color=hue, markeredgecolor=INK, markeredgewidth=1.2, zorder=6)
    if single:  # on orange in every theme, so black in every theme
        sheet.axes.text(
            x, y, "✗", ha="center", va="center_baseline", fontsize=13, fontweight="bold", color="#000000", zorder=7
        )
    said = [name]
    if blast is not None and (single or set(blast.models) - {name}):
        said += takes(blast, len(found.architecture.of("model"))).split(", ")
        said = said[:2] if sheet.down else said
    y += spot.radius + (16 if single else 12)
    for i, words in enumerate(said):
        look = (
            {"fontsize": 11.0 - sheet.down, "fontweight": "bold" if single else "normal"}
            if i == 0
            else {"fontsize": 9.5 - sheet.down / 2}
        )
        words = (
            short(words, sheet.room) if i == 0 or not sheet.down else words.replace("takes ", "").replace(" models", "")
        )
        sheet.axes.text(x, y + 14 * i - (i > 1), words, ha="center", va="center", zorder=4, bbox=_PLATE, **look)


def _legend(axes: Axes, y: float, down: bool) -> None:
    """What the marks mean, in a line."""
    items = [("s", SINGLE, "single point of failure"), ("s", SHARED, "several models depend on it")]
    items += [] if down else [("s", PAPER, "one or none does"), ("o", PAPER, "model"), ("D", PAPER, "consumer")]
    x = 20.0
    for mark, hue, words in items:
        axes.plot(x, y, marker=mark, markersize=10, color=hue, markeredgecolor=INK, markeredgewidth=1)
        axes.text(x + 11, y, words, va="center", fontsize=9.5 if down else 10.5)
        x += 28 + (5.4 if down else 6.1) * len(words)
    more = "size: share that fails with it"
    if down:
        axes.text(14, y + 18, more, va="center", fontsize=9.5)
        return
    axes.text(x, y, more, va="center", fontsize=10.5)
    x += 190
    for dashes, words in ((LEARNED, "learned from"), (SPARE, "fallback")):
        axes.plot([x, x + 26], [y, y], color=FAINT, linewidth=1.3, linestyle=dashes)
        axes.text(x + 32, y, words, va="center", fontsize=10.5)
        x += 52 + 6.1 * len(words)
