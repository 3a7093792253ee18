"""Courses: several curves in one frame, with moments that are marked on them, and levels they can be held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from simlab.base.arrays import Floats
from simlab.views.ink import COLOURS, FAINT, INK, MARKS, PAPER, canvas, frame, pen, plate
from simlab.views.words import clock, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 1180, 340


class Course(NamedTuple):
    """A curve by its name: times in seconds and values, both `(k,)`, in the colour of arm `i`, with a band where it has one."""

    title: str
    times: Floats
    values: Floats
    i: int
    band: tuple[Floats, Floats] | None = None
    dots: bool = False


def courses(
    lines: Sequence[Course],
    title: str,
    label: str,
    end: float,
    marks: Sequence[tuple[float, str]] = (),
    levels: Mapping[str, tuple[float, int]] | None = None,
    *,
    narrow: bool = False,
) -> Figure:
    """Curves from second 0 to `end`; `marks` are moments with their names, `levels` values with their colours. Call within `style()`."""
    wide, high, left = (NARROW, 220, 52) if narrow else (WIDE, 290, 70)
    figure = canvas(wide, high + 84)
    axes = frame(figure, left, 34, wide - left - 14, high)
    length, unit = clock(end)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    for line in lines:
        if line.band is not None:
            axes.fill_between(line.times / length, *line.band, color=COLOURS[line.i], alpha=0.18, linewidth=0)
        dots: dict[str, Any] = {"marker": MARKS[line.i], "markeredgecolor": PAPER, "markersize": 8} if line.dots else {}
        axes.plot(line.times / length, line.values, label=line.title, linewidth=2.4, **{**pen(line.i), **dots})
    for name, (value, i) in (levels or {}).items():
        axes.axhline(value, label=name, linewidth=1.8, **pen(i))
    for i, (time, words) in enumerate(marks):
        late = time > 0.7 * end
        axes.axvline(time / length, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        axes.annotate(
            short(words, 28), (time / length, 1), xycoords=("data", "axes fraction"), xytext=(-5 if late else 5, -4 - 16 * (i % 5)),
            textcoords="offset points", ha="right" if late else "left", va="top", fontsize=10, fontweight="bold", bbox=plate(),
        )  # fmt: skip
    axes.set_xlim(0, end / length)
    axes.set_xlabel(f"{label} ({unit})")
    axes.set_title(short(title, int((wide - left) / 6.4)), fontsize=12, fontweight="bold", pad=8)
    axes.legend(loc="best", frameon=True, facecolor=PAPER, edgecolor="none", framealpha=0.8, fontsize=10.5)
    return figure
