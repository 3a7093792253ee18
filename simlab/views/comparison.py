"""A comparison as an object, in pictures and on a page: two arms, or the same arms of two runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple, final

from simlab.results.disk import dumps, place, plain, text
from simlab.results.disk import write as write_file
from simlab.studies.compare import Contrasts, as_json, identity
from simlab.views.compared import COLUMNS, called, heading, main_row, rows_of, topic, unit, verdict
from simlab.views.figures import Level, forest
from simlab.views.ink import INK, Drawing, drawing, style
from simlab.views.markup import Html, element, grid, paragraph, picture, section, table, together
from simlab.views.pictures import named
from simlab.views.words import count, interval, number, points, signed, slug

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MOST = 12  # the most measures drawn; the table has them all
PAGE = "comparison.html"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What a comparison found. A notebook shows the verdict, the picture and the table."""

    found: Contrasts
    command: str | None = None

    @property
    def verdict(self) -> str:
        """What it found, in one sentence."""
        return verdict(self.found)

    def to_pandas(self) -> pd.DataFrame:
        """One row per pair of arms and measure ("harm" for its chance): a, b, difference (b minus a), its interval, n, clear, same."""
        import pandas as pd

        rows = [
            {
                "arm_a": pair.a,
                "arm_b": pair.b,
                "measure": "harm" if row is pair.harm else row.measure,
                "a": row.a.value,
                "b": row.b.value,
                "difference": row.difference.value,
                "low": row.difference.low,
                "high": row.difference.high,
                "n": row.difference.n,
                "clear": row.clear,
                "same": row.same,
            }
            for pair in self.found.pairs
            for row in pair.rows
        ]
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """The headline's differences with their intervals."""
        with style():
            return forest(*_forest(self.found, None))

    def report(self, directory: str | Path) -> Path:
        """Write `comparison.html`, `comparison.json` and `figures/` into a directory; return the page's path."""
        return write(self, directory)

    def __repr__(self) -> str:
        return f"<Comparison: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict, the picture and the table."""
        with style():
            drawn = _drawing(self.found, None)
        inside = [element("p", element("strong", self.verdict)), Html(drawn.inline()), *_tables(self.found)]
        return f'<div style="color: {INK}; background: #fff; padding: 8px">{together(inside).text}</div>'


def _tables(found: Contrasts) -> list[Html]:
    pieces = []
    for pair in found.pairs:
        pieces += [
            element("h3", heading(found, pair)),
            table(COLUMNS, rows_of(found, pair), (1, 2, 3, 4, 5)),
        ]
    return pieces


class _Forest(NamedTuple):
    """What one picture of differences is given."""

    rows: list[tuple[int, Level]]
    heading: str
    say: Callable[[float], str]


def _forest(found: Contrasts, measure: str | None) -> _Forest:
    """The differences of every pair in one measure, or, with None, in the headline."""
    top = topic(found)
    share = measure is None and top.share
    levels = []
    for i, pair in enumerate(found.pairs):
        row = main_row(pair, top) if measure is None else next((r for r in pair.measures if r.measure == measure), None)
        if row is None:
            continue
        value, ci = row.difference.value, row.difference.interval
        said = top.say_difference(value, ci).split(",")[0] if share else f"{signed(value)} ({interval(ci)})"
        title = " to ".join(dict.fromkeys(pair.titles))
        known = None if math.isnan(value) else value
        levels.append((i, Level(title, known, (ci[0], ci[1]) if ci else None, said, row.clear)))
    asked = measure or top.measure
    heading = f"{top.label}, points" if share else f"mean {named(asked, unit(found, asked))}"
    return _Forest(levels, heading, points if share else number)


def _drawing(found: Contrasts, measure: str | None) -> Drawing:
    given = _forest(found, measure)
    alt = f"B minus A in {given.heading}. " + ". ".join(f"{one.title}: {one.text}" for _, one in given.rows) + "."
    return drawing(forest(*given), f"compared_{slug(measure or 'headline')}", alt)


def write(comparison: Comparison, directory: str | Path) -> Path:
    """Write the page, its pictures and the numbers into a directory, each whole or not at all; return the page's path.

    Raises StorageError where the directory cannot be written, or `figures` leads out of it.
    """
    folder = Path(directory)
    page, drawn = compose(comparison)
    beside = place(folder, "figures")
    for one in drawn:
        write_file(beside / f"{one.name}.svg", text(one.file()))
    write_file(folder / "comparison.json", text(dumps(plain(document(comparison), lambda _: None))))
    write_file(folder / PAGE, text(page))
    return folder / PAGE


def document(comparison: Comparison) -> dict[str, object]:
    """What `simlab compare --json` prints."""
    return {"verdict": comparison.verdict, **as_json(comparison.found)}


def compose(comparison: Comparison) -> tuple[str, list[Drawing]]:
    """The page, and every picture on it."""
    found = comparison.found
    top = topic(found)
    names = list(dict.fromkeys(row.measure for pair in found.pairs for row in pair.measures))
    drawable = [
        name
        for name in names
        if any(r.measure == name and not math.isnan(r.difference.value) for pair in found.pairs for r in pair.measures)
    ]
    with style():
        drawn = [_drawing(found, None)] if top.share else []
        drawn += [_drawing(found, name) for name in drawable[:MOST]]
    first, semicolon, rest = verdict(found).partition(";")
    same = identity(found.a)
    clear = sum(row.clear for pair in found.pairs for row in pair.rows)
    rows = sum(len(pair.rows) for pair in found.pairs)
    chips = [f"{clear} of {count(rows, 'difference')} clear", f"{count(same['replications'], 'pair')} of replications"]
    words = (
        "B minus A, replication by replication on the same luck, with 95% intervals. A filled mark is clear of 0 for all "
        "rows together (Bonferroni)."
    )
    if found.of_runs:
        where = [f"A is {found.a.record.path}, B is {found.b.record.path}."]
        differ = element("pre", "\n".join(found.differ) or "nothing that is part of a run")
        runs = section("In what the runs differ (A -> B)", paragraph(" ".join(where)), differ)
    else:
        runs = paragraph(f"A is {called(found, found.pairs[0])[0]}, B is {called(found, found.pairs[0])[1]}.", "soft")
    body = together(
        item
        for item in (
            runs,
            section("Differences", paragraph(words, "soft"), grid([picture(one) for one in drawn])),
            section("Numbers", *_tables(found)),
            section("Compare again", element("pre", comparison.command)) if comparison.command else Html(""),
        )
        if item.text
    )
    page = Template(resources.files("simlab.views").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(f"{found.a.scenario.title}: B against A"),
        lead="",
        verdict=f"{element('strong', first + semicolon).text}{escape(rest)}",
        controls="",
        chips=together(element("li", chip) for chip in chips).text,
        main=body.text,
    )
    return page, drawn
