"""The audit as one page, beside its picture and its numbers. Like a run's report it asks nothing of the network and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from simlab.results.disk import dumps, place, plain, text
from simlab.results.disk import write as write_file
from simlab.scenario.describe import Section
from simlab.studies.audit import Audit, Risks, document
from simlab.views.auditing import over, sections, verdict
from simlab.views.blueprint import blueprints
from simlab.views.ink import Drawing, style
from simlab.views.markup import Cell, Html, element, paragraph, picture, prose, section, table, together
from simlab.views.page import page
from simlab.views.sections import BAD, GOOD
from simlab.views.words import count, number, opening

LEAD = 240  # characters of the story above the verdict


def write(found: Audit, folder: str | Path) -> Path:
    """Write `audit.html`, `audit.json` and `architecture.svg` into a directory, each whole or not at all; return the page's path.

    The same audit gives the same bytes. Raises StorageError where the directory cannot be written.
    """
    whole, drawn = compose(found)
    folder = place(folder)
    write_file(folder / "architecture.svg", text(drawn.file()))
    write_file(folder / "audit.json", text(dumps(plain(document(found)))))
    write_file(folder / "audit.html", text(whole))
    return folder / "audit.html"


def compose(found: Audit) -> tuple[str, Drawing]:
    """The page, and its picture as a file has it."""
    one = found.architecture
    with style():
        wide, narrow = blueprints(found)
    body = together(
        [
            picture(wide, css="wide"),
            picture(narrow, css="narrow"),
            *(_html(inside) for inside in sections(found)),
        ]
    )
    first, semicolon, rest = verdict(found).partition(";")
    made = page(
        one.title,
        together([element("strong", first + semicolon), Html(escape(rest))]),
        together(_chips(found)),
        body,
        prose(opening(one.story, LEAD), "lead") if one.story else Html(""),
    )
    return made, wide


def _chips(found: Audit) -> Iterator[Html]:
    singles = len(found.single_points)
    css, sign = BAD if singles else GOOD
    yield element("li", f"{sign} {count(singles, 'single point')} of failure", css=css)
    if found.gains.loops:
        css, sign = BAD if found.runs_away else GOOD
        yield element("li", f"{sign} loop gain {number(found.risks.loop)}", css=css)
    many = sum(over(found))
    css, sign = BAD if many else GOOD
    yield element("li", f"{sign} {many} of {len(Risks._fields)} risks over their limits", css=css)
    told = f"score {number(found.score)}"
    if found.plan:
        told += f", {number(found.plan[-1].score)} after {count(len(found.plan), 'change')}"
    yield element("li", told)
    one = found.architecture
    yield element("li", f"{count(len(one.of('model')), 'model')}, {count(len(one.parts), 'part')}")


def _html(inside: Section) -> Html:
    rows: list[Sequence[Cell]] = [[_cell(cell) for cell in row] for row in inside.rows]
    return section(inside.heading, paragraph(inside.text) if inside.text else Html(""), table(inside.columns, rows))


def _cell(cell: str) -> Cell:
    """A verdict in a table gets its colour; the sign is there already."""
    looks = {"✓": GOOD, "✗": BAD}
    return element("span", cell, css=f"badge {looks[cell[0]][0]}") if cell[:1] in looks else cell
