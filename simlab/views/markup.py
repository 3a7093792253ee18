"""HTML from plain values. Whatever comes in as text goes out escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from simlab.views.ink import Drawing


class Html(NamedTuple):
    """Markup that is already safe; every other value is escaped where it is shown."""

    text: str


Cell = str | int | Html


def safe(value: Cell) -> str:
    """The value as markup."""
    return value.text if isinstance(value, Html) else escape(str(value))


def element(name: str, *inside: Cell, css: str = "") -> Html:
    """An element with its content, escaped unless it is markup."""
    tag = f'<{name} class="{escape(css)}">' if css else f"<{name}>"
    return Html(f"{tag}{''.join(safe(item) for item in inside)}</{name}>")


def together(items: Iterable[Html]) -> Html:
    """Pieces of markup, one a line."""
    return Html("\n".join(item.text for item in items))


def section(heading: str, *inside: Html) -> Html:
    """A section under its heading; nothing at all when there is nothing in it."""
    body = together(item for item in inside if item.text)
    return Html(f"<section>\n<h2>{escape(heading)}</h2>\n{body.text}\n</section>") if body.text else Html("")


def paragraph(text: str, css: str = "") -> Html:
    """A paragraph of plain text."""
    return element("p", text, css=css)


def prose(text: str, css: str = "") -> Html:
    """A paragraph in which what stands between `backticks` is code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # a single backtick is just a backtick
        return paragraph(text, css)
    return element("p", *(element("code", one) if i % 2 else one for i, one in enumerate(pieces)), css=css)


def picture(drawn: Drawing, caption: str = "", css: str = "") -> Html:
    """A figure with its caption."""
    below = element("figcaption", caption) if caption else Html("")
    return element("figure", Html(drawn.inline()), below, css=css)


def grid(items: Sequence[Html], css: str = "grid") -> Html:
    """Cards side by side, as many as fit."""
    return element("div", together(element("div", item, css="card") for item in items), css=css) if items else Html("")


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], numeric: Iterable[int] = (), groups: Iterable[int] = ()
) -> Html:
    """A table in a box of its own that scrolls sideways; `numeric` columns align right, a rule goes above the `groups` rows."""
    if not rows:
        return Html("")
    right, ruled = set(numeric), set(groups)
    head = "".join(element("th", name, css="n" if i in right else "").text for i, name in enumerate(columns))
    lines = []
    for j, row in enumerate(rows):
        cells = "".join(
            element("td", cell, css="n" if i in right else ("t" if len(safe(cell)) > 40 else "")).text
            for i, cell in enumerate(row)
        )
        lines.append(element("tr", Html(cells), css="first" if j in ruled and j else "").text)
    body = "\n".join(lines)
    return Html(
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )


def pairs(items: Iterable[tuple[str, Cell]]) -> Html:
    """A list of names and what they are."""
    body = "".join(element("dt", name).text + element("dd", what).text for name, what in items)
    return Html(f"<dl>{body}</dl>") if body else Html("")
