"""How figures are drawn: one style, pixels, and SVG that is the same bytes every time.

Figures are drawn in three placeholder colours. A figure on the page takes the page's own (light, dark
or print) in their place; a figure in a file takes ink on white.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

import numpy as np

from simlab.base.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, PAPER = "#1b1e23", "#7f8792", "#fffffe"
POINTS = 300  # the most points a curve is drawn with

# The first three are those of Okabe & Ito (2008); the others are darker than theirs, which are too pale for a line on white (3:1).
# They are told apart with any colour vision (tests/views/test_colours.py), and line styles say the same once more.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#ac3a6e", "#83560c", "#4b2e83")
DASHES = ("-", (0, (5, 1.6)), (0, (6, 1.6, 1.4, 1.6)), (0, (1.5, 1.5)), (0, (9, 2)), (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2)))
THEMED = {INK: "--ink", FAINT: "--faint", PAPER: "--paper"} | {colour: f"--arm{i}" for i, colour in enumerate(COLOURS)}
MARKS = ("o", "s", "D", "^", "v", "P")

STYLE = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.unicode_minus": True,
    "figure.dpi": 72,
    "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "path.simplify": False,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "simlab",
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10,
}


class Drawing(NamedTuple):
    """One picture: a file name without its ending, what it says in words, and its SVG in placeholder colours."""

    name: str
    alt: str
    svg: str
    width: int

    def inline(self) -> str:
        """The picture for the page: the page's colours, ids of its own, and nothing that points elsewhere."""
        text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{self.name}-", self.svg)
        text = text.replace("xlink:href", "href").replace(' xmlns="http://www.w3.org/2000/svg"', "")
        for colour, name in THEMED.items():
            text = text.replace(colour, f"var({name}, {colour})")
        return text.replace("<svg ", f'<svg role="img" aria-label="{escape(self.alt)}" ', 1)

    def file(self) -> str:
        """The picture as a file of its own."""
        named = self.svg.replace("xlink:href", "href")
        return re.sub(r"(<svg [^>]*>)", lambda m: f"{m[1]}\n<title>{escape(self.alt)}</title>", named, count=1)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style; whatever the user's own settings are, they come back afterwards."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type,unused-ignore]
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many pixels; no window, no pyplot."""
    return _sheet()(figsize=(width / 72, height / 72), dpi=72)


@cache
def _sheet() -> type[Figure]:
    """A matplotlib Figure that a notebook shows as the report does; made when first needed, since matplotlib is loaded no earlier."""
    from matplotlib.figure import Figure

    @final
    class Sheet(Figure):
        """A figure whose label is what it says in words."""

        def _repr_html_(self) -> str:
            with style():
                drawn = drawing(self, "figure", str(self.get_label()))
            return on_paper(drawn)

    return cast("type[Figure]", Sheet)


def on_paper(drawn: Drawing, before: str = "", after: str = "") -> str:
    """A picture as a piece of HTML for a notebook, between other pieces: ink on paper, no wider than the room there is."""
    name = f"{drawn.name}-{hashlib.sha256(drawn.svg.encode()).hexdigest()[:8]}"  # ids must differ in one notebook
    svg = drawn._replace(name=name).inline()
    fitted = svg.replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)
    return f'<div style="color: {INK}; background: #fff; padding: 8px">{before}{fitted}{after}</div>'


def frame(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose plotting area lies at these pixels from the top left corner."""
    wide, high = figure.get_size_inches() * 72
    axes = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
    axes.tick_params(length=3, width=0.6, pad=3)
    for side in axes.spines.values():
        side.set_linewidth(0.6)
    return axes


def drawing(figure: Figure, name: str, alt: str) -> Drawing:
    """The figure as SVG. Call within `style()`."""
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has other fonts
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    width, height = (int(side) for side in np.round(figure.get_size_inches() * 72))
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r"<svg [^>]*>",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        text,
    )
    text = re.sub(r' d="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 system-ui, sans-serif", text)
    return Drawing(name, alt, text, width)


def thin(n: int, most: int = POINTS) -> Array:
    """At most `most` indices of `n`, first and last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def pen(i: int) -> dict[str, Any]:
    """The colour and line style of arm `i`."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}


def plate() -> dict[str, Any]:
    """A piece of paper behind a label, so that it reads where it crosses a curve."""
    return {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.0}


def label(axes: Axes, text: str, at: tuple[float, float], lift: float = 7, size: float = 9.5, **more: Any) -> None:
    """A text so many pixels above a value on the y axis; its x is a share of the width of the axes."""
    axes.annotate(
        text,
        at,
        xycoords=("axes fraction", "data"),
        xytext=(0, lift),
        textcoords="offset points",
        fontsize=size,
        va="bottom",
        **more,
    )
