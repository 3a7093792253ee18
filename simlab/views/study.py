"""A study or a sweep as pictures and as a section of its run's report. Every picture's alt text is made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import SimlabError
from simlab.results import sweeps
from simlab.views import figures, tradeoff
from simlab.views.curves import curves
from simlab.views.figures import Level
from simlab.views.ink import Drawing, drawing, style
from simlab.views.markup import Cell, Html, element, grid, paragraph, picture, prose, section, table, together
from simlab.views.panels import difference_text
from simlab.views.phase import phase
from simlab.views.points import Points
from simlab.views.scatter import bars, scatter
from simlab.views.turn import verdict
from simlab.views.words import DASH, count, human, interval, listed, sentence, slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 400  # rows of the table; sweep.csv has them all
LISTED = 12  # values that an alt text names one by one


class Shown(NamedTuple):
    """A study as a reader meets it: its verdict, its pictures (wide, for a telephone, and small ones), and how to read them."""

    points: Points
    verdict: str
    wide: Drawing | None
    narrow: Drawing | None
    small: tuple[Drawing, ...]
    caption: str

    @property
    def drawn(self) -> list[Drawing]:
        """Every picture."""
        return [one for one in (self.wide, self.narrow, *self.small) if one is not None]


def show(document: Mapping[str, Any], name: str = "sweep") -> Shown:
    """The document of a sweep as pictures, whose file names begin with `name`."""
    points = Points(document)
    split = "tradeoff" in document
    alt = tradeoff.in_words(document) if split else in_words(points)
    with style():
        wide, narrow = (
            (
                drawing(made, f"{slug(name)}{ending}", alt)
                for made, ending in ((figure(points), ""), (figure(points, narrow=True), "_narrow"))
            )
            if points.axes
            else (None, None)
        )
        small = tuple(_small(points, name))
    return Shown(
        points, verdict(points), wide, narrow, small, tradeoff.caption(document) if split else _caption(points)
    )


def figure(points: Points, *, narrow: bool = False) -> Figure:
    """The main picture of a sweep that varies something. Call within `style()`."""
    if "tradeoff" in points.document:
        return tradeoff.figure(points.document, narrow=narrow)
    if len(points.axes) == 1 and points.is_grid:
        return curves(points, narrow=narrow)
    if len(points.axes) == 2 and points.is_grid:
        return phase(points, narrow=narrow)
    return scatter(points, narrow=narrow)


def _small(points: Points, name: str) -> list[Drawing]:
    """Indices for each arm; without axes, the differences of the arms."""
    drawn = []
    found = points.document.get("indices", {})
    for i, arm in enumerate(points.arms):
        if found.get(arm.name):
            each = zip(points.axes, found[arm.name], strict=True)
            said = "; ".join(f"{axis.name} {one['first']:.2f} alone, {one['total']:.2f} in all" for axis, one in each)
            alt = f"Shares of the variance of {points.top.label} in {arm.title}: {said}."
            drawn.append(drawing(bars(points, arm, i), f"{slug(name)}_indices_{slug(arm.name)}", alt))
    if not points.axes and points.others:
        rows = []
        for i, arm in enumerate(points.others, 1):
            ci = None if np.isnan(arm.below[0]) else (float(arm.below[0]), float(arm.above[0]))
            value = None if np.isnan(arm.difference[0]) else float(arm.difference[0])
            rows.append(
                (i, Level(arm.title, value, ci, points.top.say_difference(value, ci).split(",")[0], bool(arm.clear[0])))
            )
        alt = (
            f"Difference to the baseline in {points.top.label}. "
            + ". ".join(f"{one.title}: {one.text}" for _, one in rows)
            + "."
        )
        made = figures.forest(rows, points.top.label, lambda x: difference_text(points, x))
        drawn.append(drawing(made, f"{slug(name)}_differences", alt))
    return drawn


def in_words(points: Points) -> str:
    """The main picture in words: each arm at every point when they are few, else where it is lowest and highest."""
    over = f" over {listed([axis.title for axis in points.axes])}" if points.axes else ""
    said = [f"{sentence(points.top.label)}{over}"]
    said += [f"{arm.title}: {_values(points, arm.level, points.top.say)}" for arm in points.arms]
    for arm in points.others:
        clear = f"clear of 0 at {int(arm.clear.sum())} of {points.count}"
        shown = _values(points, arm.difference, lambda x: difference_text(points, x))
        said.append(f"{arm.title} minus {points.arms[0].title}: {shown}; {clear}")
    return ". ".join(said) + "."


def _values(points: Points, values: Floats, say: Any) -> str:
    seen = np.isfinite(values)
    if not seen.any():
        return "undefined"
    if points.count <= LISTED and len(points.axes) == 1:
        (axis,) = points.axes
        return ", ".join(f"{say(float(x))} at {axis.say(axis.at[i])}" for i, x in enumerate(values))
    ends = [int(np.nanargmin(values)), int(np.nanargmax(values))]
    low, high = (f"{say(float(values[i]))}" + (f" at {points.where(i)}" if points.axes else "") for i in ends)
    return low if points.count == 1 else f"from {low} to {high}"


def _caption(points: Points) -> str:
    n = points.document["replications"]
    same = f"{count(n, 'replication')} of every arm at every point, on the same luck everywhere"
    clear = "clear of 0 for all points and arms together (Bonferroni)"
    if not points.axes:
        return f"{same}. A filled mark is {clear}."
    if len(points.axes) == 1 and points.is_grid:
        bands = "Lines" if points.axes[0].kind != "choice" else "Marks"
        more = f"; a filled mark of a difference is {clear}" if points.others else ""
        return f"{bands} with 95% intervals, {same}{more}."
    if len(points.axes) == 2 and points.is_grid:
        minus = f" A panel “minus {points.arms[0].title}” is the difference to it: orange raises, blue lowers"
        lower = f"{minus}; a number with ? is not {clear}."
        return f"A cell is {same}; the darker, the higher.{lower if points.others else ''}"
    more = f" In the differences a filled mark is {clear}." if points.others else ""
    return f"A mark is a point, {same}.{more}"


def inside(run: Path | None) -> tuple[list[Html], list[Drawing]]:
    """The sections of a run's report on the studies that the run keeps, and their pictures."""
    sections, drawn = [], []
    for name, path in sweeps.of_run(run).items():
        try:
            document = sweeps.read(path)
        except SimlabError as error:
            sections.append(section(f"Study: {human(name)}", paragraph(f"Cannot be read: {error}")))
            continue
        shown = show(document, f"study_{name}")
        drawn += shown.drawn
        body = [element("p", element("strong", shown.verdict)), prose(document["because"], "soft"), drawings(shown)]
        sections.append(
            section(f"Study: {document['title']}", *body, _folded("Numbers of every point", numbers(shown.points)))
        )
    return sections, drawn


def drawings(shown: Shown) -> Html:
    """The pictures of a study, and how to read them."""
    pieces = [picture(one, css=css) for one, css in ((shown.wide, "wide"), (shown.narrow, "narrow")) if one is not None]
    return together([*pieces, paragraph(shown.caption, "soft caption"), grid([picture(one) for one in shown.small])])


def _folded(summary: str, body: Html) -> Html:
    return Html(f"<details>\n<summary>{escape(summary)}</summary>\n{body.text}\n</details>")


def numbers(points: Points) -> Html:
    """A row for each point and arm; of a trade-off, for each number of brains."""
    if "tradeoff" in points.document:
        return tradeoff.numbers(points.document)
    rows: list[Sequence[Cell]] = []
    groups = []
    for i in range(points.count):
        groups.append(len(rows))
        for j, arm in enumerate(points.arms):
            where = [axis.say(axis.at[i]) if j == 0 else "" for axis in points.axes]
            ci = None if np.isnan(arm.low[i]) else (float(arm.low[i]), float(arm.high[i]))
            ends = DASH if ci is None else f"{points.top.say(ci[0])} to {points.top.say(ci[1])}"
            rows.append(
                [
                    *where,
                    arm.title,
                    points.top.say(_none(arm.level[i])),
                    ends,
                    *_difference(points, j, i),
                    str(int(arm.n[i])),
                ]
            )
    heads = [*(axis.name for axis in points.axes), "arm", points.top.label, "95% interval", "minus the first", "", "n"]
    d = len(points.axes)
    cut = rows[:MOST_ROWS]
    more = f"The first {len(cut):,} of {len(rows):,} rows; sweep.csv has them all." if len(cut) < len(rows) else ""
    body = table(heads, cut, (d + 1, d + 2, d + 3, d + 5), groups)
    return together([body, *([paragraph(more, "soft")] if more else [])])


def _difference(points: Points, j: int, i: int) -> tuple[str, str]:
    """A difference with its interval, and whether it is clear."""
    arm = points.arms[j]
    if j == 0 or np.isnan(arm.difference[i]):
        return DASH, ""
    ci = None if np.isnan(arm.below[i]) else (float(arm.below[i]), float(arm.above[i]))
    if points.top.share:
        ends = (
            "too few for an interval"
            if ci is None
            else " to ".join(difference_text(points, x).removeprefix("+") for x in ci)
        )
    else:
        ends = interval(ci)
    return f"{difference_text(points, float(arm.difference[i]))} ({ends})", "clear" if arm.clear[i] else "?"


def _none(x: float) -> float | None:
    return None if np.isnan(x) else float(x)
