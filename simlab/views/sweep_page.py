"""The page of a sweep: one self-contained file, inert like a run's report, and its pictures as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from simlab.results.disk import place, text
from simlab.results.disk import write as write_file
from simlab.views.ink import Drawing
from simlab.views.markup import Cell, Html, element, prose, section, table, together
from simlab.views.page import page
from simlab.views.points import Points
from simlab.views.study import drawings, numbers, show
from simlab.views.words import count

DESIGNS = {"grid": "every combination", "lhs": "a Latin hypercube", "sobol": "Sobol points, for sensitivity indices"}


def write(document: Mapping[str, Any], folder: str | Path, command: str | None = None) -> Path:
    """Write `report.html` and `figures/*.svg` of a sweep, each whole or not at all; return the page's path.

    The same sweep gives the same bytes. Raises StorageError where the directory cannot be written, or `figures` leads out of it.
    """
    folder = Path(folder)
    whole, drawn = compose(document, command)
    beside = place(folder, "figures")
    for one in drawn:
        write_file(beside / f"{one.name}.svg", text(one.file()))
    write_file(folder / "report.html", text(whole))
    return folder / "report.html"


def compose(document: Mapping[str, Any], command: str | None = None) -> tuple[str, list[Drawing]]:
    """The page of a sweep, and every picture on it."""
    shown = show(document)
    points = shown.points
    rows: list[Sequence[Cell]] = [
        [axis.name, element("code", axis.path), axis.about, _written(a)] for axis, a in _axes(points)
    ]
    facts = [
        ("scenario", document["scenario"]),
        ("design", DESIGNS[document["design"]] + (f", from {document['points']}" if document["points"] else "")),
        ("replications", f"{document['replications']:,}"),
        ("seed", str(document["seed"])),
        ("version", document["version"]),
    ]
    body = together(
        item
        for item in (
            drawings(shown),
            section("What varies", table(("axis", "path", "meaning", "values"), rows)),
            section("Numbers", numbers(points)),
            section(
                "Run it again", element("pre", command) if command else Html(""), table(("setting", "value"), facts)
            ),
        )
        if item.text
    )
    first, semicolon, rest = shown.verdict.partition(";")
    whole = page(
        title=document["title"],
        lead=prose(document["because"], "lead") if document["because"] else Html(""),
        verdict=together([element("strong", first + semicolon), Html(escape(rest))]),
        chips=_chips(points),
        main=body,
    )
    return whole, shown.drawn


def _axes(points: Points) -> list[tuple[Any, Mapping[str, Any]]]:
    return list(zip(points.axes, points.document["axes"], strict=True))


def _written(axis: Mapping[str, Any]) -> str:
    return axis["written"] if isinstance(axis["written"], str) else ", ".join(map(str, axis["written"]))


def _chips(points: Points) -> Html:
    arms, lost = len(points.arms), sum(arm.lost for arm in points.arms)
    items = [
        element("li", f"{count(points.count, 'point')}, {DESIGNS[points.document['design']]}"),
        element(
            "li",
            f"{count(points.document['replications'], 'replication')} of each of {count(arms, 'arm')} at each point",
        ),
    ]
    if points.others:
        clear = sum(int(arm.clear.sum()) for arm in points.others)
        items.append(element("li", f"{clear} of {count(points.count * len(points.others), 'difference')} clear of 0"))
    if lost:
        counted = (
            "count only where harm came first" if points.document["asked"]["stat"] == "harm" else "are in no number"
        )
        items.append(element("li", f"{lost} diverged or failed, and {counted}", css="open"))
    return together(items)
