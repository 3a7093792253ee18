"""The blast-radius trade-off as a picture, a table and a sentence: how often any, half and all models fail, over the number of brains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlab.results.disk import place, text
from simlab.results.disk import write as write_file
from simlab.views.curves import lines
from simlab.views.ink import canvas, drawing, frame, style
from simlab.views.markup import Cell, Html, element, grid, paragraph, picture, section, table, together
from simlab.views.page import page
from simlab.views.panels import NARROW, levels
from simlab.views.points import Points
from simlab.views.verdict import TOO_FEW
from simlab.views.words import count, human, number, percent, sentence, short
from simlab.views.words import points as percent_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = {"any": "any of them", "half": "at least half", "all": "all of them"}
PAGE = "tradeoff.html"
LEAD = (
    "The same models on one brain, or split over more and more of them: how often does any of them fail, how often at least half, how "
    "often all? One line alone would recommend the one or the other; read the three together, and the mean below."
)

Document = Mapping[str, Any]


def verdict(document: Document) -> str:
    """What the most brains make of it, against the fewest: the chance of any, half and all, and the mean. Composed from the numbers."""
    found = document["tradeoff"]
    first, *_, last = found["points"]
    most = max(at["n"] for at in found["points"])
    if most < TOO_FEW:
        return f"No verdict: {count(most, 'replication')} at a point, too few for an interval (at least {TOO_FEW} are needed)."
    apart = found["first_to_last"]
    asked = {name: f"P({line})" for name, line in LINES.items()} | {"mean": "the mean share"}
    words = [_moved(what, first[name], last[name], apart[name]) for name, what in asked.items()]
    what = f"{human(found['measure'])}, {found['models']} models on {_brains(first)} or on {last['brains']:,}"
    lost = sum(row["arms"][found["arm"]][kind] for row in document["rows"] for kind in ("diverged", "failed"))
    return (
        f"{sentence(what)}: {'; '.join(words)}"
        + (f" ({count(lost, 'replication')} diverged or failed)" if lost else "")
        + "."
    )


def _brains(at: Mapping[str, Any]) -> str:
    return count(at["brains"], "brain")


def _moved(what: str, first: Mapping[str, Any], last: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    """One of the five from the fewest brains to the most."""
    ends = f"{percent(first['value'])} and {percent(last['value'])}"
    ci = change["joint95"]
    if not change["clear"]:
        return f"{what} is not told apart ({ends})"
    low, high = (percent_points(end, ci[1] - ci[0]).removeprefix("+") for end in ci)
    verb = "rises" if change["difference"] > 0 else "falls"
    by = percent_points(change["difference"], ci[1] - ci[0])
    return f"{what} {verb} from {ends.replace(' and ', ' to ')} ({by} points, joint 95% interval {low} to {high})"


def in_words(document: Document) -> str:
    """The picture in words."""
    found = document["tradeoff"]
    said = [
        f"{line}: " + ", ".join(f"{percent(at[name]['value'])} with {_brains(at)}" for at in found["points"])
        for name, line in LINES.items()
    ]
    return (
        f"How often {_whose(found)} {human(found['measure'])}, over the number of brains. {sentence('. '.join(said))}."
    )


def _whose(found: Mapping[str, Any]) -> str:
    return f"any, at least half and all of {count(found['models'], 'model')} are"


def figure(document: Document, *, narrow: bool = False) -> Figure:
    """Three lines over the number of brains, each named at its end, with their 95% intervals. Call within `style()`."""
    found, points = document["tradeoff"], Points(_as_arms(document))
    wide, left, tail, high = (NARROW, 46, 108, 230) if narrow else (760, 70, 130, 300)
    drawn = canvas(wide, high + 84)
    axes = frame(drawn, left, 34, wide - left - tail, high)
    axes.set_ylim(0, 1)
    lines(axes, points.axes[0], levels(points), lambda y: f"{100 * y:.0f}%", tail=tail - 14)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(f"brains for {count(found['models'], 'model')}")
    title = short(f"P({human(found['measure'])})", int((wide - left) / 6.8))
    axes.set_title(title, fontsize=12, fontweight="bold", pad=8)
    return drawn


def _as_arms(document: Document) -> dict[str, Any]:
    """The document with a line for each of any, half and all in the place of its arm."""
    found = document["tradeoff"]
    rows = [
        {**row, "arms": {name: {**row["arms"][found["arm"]], **at[name]} for name in LINES}}
        for row, at in zip(document["rows"], found["points"], strict=True)
    ]
    axis = {**document["axes"][0], "log": found["points"][-1]["brains"] > 4 * found["points"][0]["brains"]}
    arms = [{"name": name, "title": line, "wiring": ""} for name, line in LINES.items()]
    return {
        **document,
        "rows": rows,
        "axes": [axis],
        "arms": arms,
        "asked": {**document["asked"], "stat": "exceeds", "exceeds": 0.0},
    }


def caption(document: Document) -> str:
    """How to read the picture."""
    found, about = document["tradeoff"], document["asked"]["about"]
    said = (
        f"How often {_whose(found)} {human(found['measure'])} ({about}), when they are split over more and more brains. Bands are 95% "
        f"intervals; {count(document['replications'], 'replication')} each, on the same luck everywhere."
    )
    return said + (" With one brain all fail or none." if _meet(found) else "")


def _meet(found: Mapping[str, Any]) -> bool:
    """Whether the lines begin at one point."""
    first = found["points"][0]
    return bool(first["any"]["value"] == first["all"]["value"])


def numbers(document: Document) -> Html:
    """A row for each number of brains."""
    found = document["tradeoff"]
    rows: list[Sequence[Cell]] = []
    for at in found["points"]:
        shares = [_with_ends(at[name], percent) for name in LINES]
        means = [_with_ends(at[name], number) for name in ("mean", "square")]
        rows.append([f"{at['brains']:,}", *shares, *means, f"{at['n']:,}"])
    heads = ["brains", *(f"P({line})" for line in LINES.values()), "E[share]", "E[share²]", "n"]
    more = "In brackets 95% intervals. E[share²] weighs what fails together: of two designs with the same mean the lower spreads it out."
    return together([table(heads, rows, range(7)), paragraph(more, "soft")])


def _with_ends(at: Mapping[str, Any], say: Callable[[float | None], str]) -> str:
    ends = "" if at["ci95"] is None else f" ({' to '.join(say(end) for end in at['ci95'])})"
    return f"{say(at['value'])}{ends}"


def write(documents: Sequence[tuple[str, Document]], folder: Path) -> Path:
    """Write one page that shows the trade-offs of several scenarios beside each other, each under its title; return its path.

    Raises StorageError where it cannot be written.
    """
    with style():
        cards = [
            together(
                [
                    element("h3", title),
                    paragraph(verdict(document)),
                    picture(drawing(figure(document, narrow=True), f"tradeoff_{i}", in_words(document))),
                    paragraph(caption(document), "soft caption"),
                ]
            )
            for i, (title, document) in enumerate(documents)
        ]
    each = [section(title, numbers(document)) for title, document in documents]
    whole = page(
        title="One brain or many: how far a failure reaches",
        lead=paragraph(LEAD, "lead"),
        verdict=Html(""),
        chips=element("li", count(len(documents), "scenario")),
        main=together([grid(cards), *each]),
    )
    place(folder)
    write_file(folder / PAGE, text(whole))
    return folder / PAGE
