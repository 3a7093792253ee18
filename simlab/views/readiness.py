"""The readiness check as a page, a picture and words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from simlab.results.disk import place, plain, seal, text, unseal
from simlab.results.disk import write as write_file
from simlab.results.sweeps import STUDIES
from simlab.scenario.describe import Section
from simlab.studies.readiness import Drill, Readiness
from simlab.views.ink import COLOURS, FAINT, INK, PAPER, Drawing, canvas, drawing, frame, label, style
from simlab.views.markup import Cell, Html, element, paragraph, picture, section, table, together
from simlab.views.page import page
from simlab.views.words import DASH, number, percent, sentence, short, slug, span

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENOUGH = 80  # replications; from 72 on a share without a single failure is above 95% by its interval
PLACE = "readiness"  # where a run keeps its drills, among its studies
REACH = 3.0  # octaves drawn on either side of a threshold


def said(drill: Drill, value: float | None) -> str:
    """A value of a drill as one reads it."""
    if value is None:
        return DASH
    if drill.unit == "s":
        return span(value) if value else "0 s"
    return (
        percent(value) if drill.name in ("BLAST RADIUS", "DRIFT DETECTION", "CORRELATION BREAKING") else number(value)
    )


def asked(drill: Drill) -> str:
    """The threshold of a drill in words, beside the usual one where it was replaced."""
    words = f"{'above' if drill.above else 'below'} {said(drill, drill.threshold)}"
    return words if drill.threshold == drill.default else f"{words} (usually {said(drill, drill.default)})"


def sections(found: Readiness) -> Iterator[Section]:
    """The check for a terminal."""
    rows = tuple(
        (f"{'passed' if d.passed else 'FAILED'}  {d.name}", f"{said(d, d.value)}, asked {asked(d)}\n{d.evidence}")
        for d in found.drills
    )
    few = "" if found.replications >= ENOUGH else few_words(found)
    yield Section(f"{found.title}: {found.verdict}", few, ("", ""), rows)


def few_words(found: Readiness) -> str:
    """What to say of drills with few replications."""
    return (
        f"With {found.replications} replications the intervals are wide: a drill may fail that went without a fault. At least {ENOUGH} "
        "are needed to pass all seven."
    )


def figure(drills: Sequence[Drill], *, narrow: bool = False) -> Figure:
    """Each drill's bound beside its threshold, both on one scale of octaves; what passes lies to the right. Call within `style()`."""
    wide, step = (340, 52) if narrow else (1180, 44)
    left, right = (12, 12) if narrow else (300, 250)
    high = step * len(drills)
    drawn = canvas(wide, high + 52)
    axes = frame(drawn, left, 26, wide - left - right, high)
    axes.axvspan(0, REACH + 0.4, color=COLOURS[2], alpha=0.10, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1.4)
    for i, drill in enumerate(drills):
        y = step * (i + (0.72 if narrow else 0.5))
        at = _octaves(drill)
        colour = COLOURS[2] if drill.passed else COLOURS[1]
        if at is None:
            axes.plot([-REACH], [y], "x", color=colour, markersize=9, markeredgewidth=2.2)
        else:
            axes.plot((0, at), (y, y), color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt")
            axes.plot([at], [y], "o" if drill.passed else "s", color=colour, markersize=9, markeredgecolor=PAPER)
        sign = "✓" if drill.passed else "✗"
        name = f"{sign} {sentence(drill.name.lower())}"
        words = f"{said(drill, drill.value)}, asked {asked(drill)}" if at is not None else "not measured"
        if narrow:
            label(axes, f"{name}: {short(words, 34)}", (0.0, y), 8, 9.5, fontweight="bold")
        else:
            label(axes, name, (-(left - 10) / (wide - left - right), y), -5, 12, fontweight="bold")
            label(axes, short(words, 40), (1 + 14 / (wide - left - right), y), -5, 11)
        axes.axhline(y + step / 2, color=FAINT, linewidth=0.4)
    axes.set_xlim(-REACH - 0.4, REACH + 0.4)
    axes.set_ylim(high, 0)
    axes.set_yticks([])
    ticks = range(-int(REACH), int(REACH) + 1)
    axes.set_xticks(
        list(ticks), ["threshold" if k == 0 else f"{2 ** abs(k)} x {'worse' if k < 0 else 'better'}" for k in ticks]
    )
    if narrow:
        axes.set_xticks([-2, 0, 2], ["4 x worse", "threshold", "4 x better"])
    axes.spines["left"].set_visible(False)
    return drawn


def _octaves(drill: Drill) -> float | None:
    """How many doublings a drill's bound is on the good side of its threshold, cut at the edge of the picture."""
    if drill.value is None:
        return None
    if drill.above:
        if drill.threshold <= 0:
            return math.copysign(REACH, drill.value) if drill.value else 0.0
        return _cut(math.log2(drill.value / drill.threshold)) if drill.value > 0 else -REACH
    return _cut(math.log2(drill.threshold / drill.value)) if drill.value > 0 else REACH


def _cut(x: float) -> float:
    return max(-REACH, min(REACH, x))


def drawings(found: Readiness) -> tuple[Drawing, Drawing]:
    """The picture, wide and for a telephone. Call within `style()`."""
    told = "; ".join(
        f"{d.name.lower()} {'passed' if d.passed else 'not passed'}, {said(d, d.value)} where {asked(d)} is asked"
        for d in found.drills
    )
    alt = f"{found.verdict}. {told}."
    name = f"readiness_{slug(found.arm)}"
    return drawing(figure(found.drills), name, alt), drawing(figure(found.drills, narrow=True), f"{name}_narrow", alt)


def body(found: Readiness, drawn: tuple[Drawing, Drawing]) -> Html:
    """The picture and the table of one arm."""
    rows: list[Sequence[Cell]] = [
        [
            element("span", "✓ passed" if d.passed else "✗ not passed", css=f"badge {'good' if d.passed else 'bad'}"),
            d.name,
            d.question,
            said(d, d.value),
            asked(d),
            d.evidence,
        ]
        for d in found.drills
    ]
    words = (
        f"Each drill is an experiment on the arm “{found.title}” with {found.replications} replications, judged on the worse end of "
        "the 95% interval of what was measured. What cannot be measured is not passed. Bars to the right of the line pass, unless "
        "they are marked ✗."
    )
    heads = ("", "drill", "question", "bound", "asked", "what was seen")
    return together(
        [
            picture(drawn[0], css="wide"),
            picture(drawn[1], css="narrow"),
            paragraph(words, "soft caption"),
            table(heads, rows),
        ]
    )


def inside(run: Path | None) -> tuple[Html, list[Drawing]]:
    """The drills that a run keeps beside its studies, as a section of its report, and their pictures."""
    folder = None if run is None else run / STUDIES / PLACE
    if folder is None or not folder.is_dir() or folder.is_symlink():
        return Html(""), []
    found = [Readiness.of(unseal(path)) for path in sorted(folder.glob("readiness_*.json"))]
    with style():
        drawn = [drawings(one) for one in found]
    parts = (
        together([paragraph(f"{one.title}: {one.verdict}."), body(one, pictures)])
        for one, pictures in zip(found, drawn, strict=True)
    )
    return section("Is it ready?", *parts), [one for pair in drawn for one in pair]


def again(found: Readiness) -> str:
    """The command that holds the drills again."""
    return f"simlab readiness {found.scenario} --arm {found.arm} --replications {found.replications}"


def write(found: Readiness, folder: Path) -> Path:
    """Write the page and the JSON of one arm into a folder; return the page's path. Raises StorageError where that cannot be done."""
    with style():
        drawn = drawings(found)
    name = f"readiness_{slug(found.arm)}"
    chips = element(
        "li",
        f"{found.score} of {len(found.drills)} drills passed",
        css="good" if found.score == len(found.drills) else "bad",
    )
    whole = page(
        title=f"Is it ready? {found.title}",
        verdict=Html(f"<strong>{escape(found.verdict)}</strong>"),
        chips=chips,
        main=together(
            [
                body(found, drawn),
                *([] if found.replications >= ENOUGH else [paragraph(few_words(found), "soft")]),
                section("Run it again", element("pre", again(found))),
            ]
        ),
    )
    place(folder)
    write_file(folder / f"{name}.json", text(seal(plain(found.plain()))))
    write_file(folder / f"{name}.html", text(whole))
    return folder / f"{name}.html"
