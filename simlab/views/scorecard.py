"""The scorecard of the detectors: how often each warned before harm, how early, and how often it cried wolf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simlab.scenario.describe import Section
from simlab.scenario.scenario import Scenario
from simlab.views.ink import COLOURS, INK, PAPER, Drawing, canvas, drawing, frame, label
from simlab.views.markup import Cell, Html, element, paragraph, picture, table, together
from simlab.views.words import DASH, human, interval, number, percent, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES = {"record": "statistical rule", "seed": "popular rule"}
SHORT = {"record": "statistical", "seed": "popular"}

Row = Mapping[str, Any]


def drawings(card: Sequence[Row]) -> tuple[Drawing, Drawing] | None:
    """The scorecard over all arms, wide and for a telephone; None where no detector showed anything. Call within `style()`."""
    rows = [row for row in card if row["arm"] is None and row["reads"]]
    if not rows:
        return None
    said = ". ".join(f"{human(r['detector'])} by the {RULES[r['rule']]}: {in_words(r)}" for r in rows)
    alt = f"How often each detector alarmed before harm, and how often where no harm came. {said}."
    return drawing(figure(rows), "scorecard", alt), drawing(figure(rows, narrow=True), "scorecard_narrow", alt)


def in_words(row: Row) -> str:
    """A row of the scorecard in a clause."""
    lead = f", by {span(row['lead'])} in the median" if row["lead"] is not None else ""
    return f"warned of {percent(row['warned'])} of harms{lead}; alarms in {percent(row['false'])} of the replications without harm"


def figure(rows: Sequence[Row], *, narrow: bool = False) -> Figure:
    """Two panels with shared rows: a dot and its interval for each detector and rule, hollow by the popular one."""
    names = list(dict.fromkeys(row["detector"] for row in rows))
    wide, step, top = (340, 62, 44) if narrow else (1180, 54, 34)
    left, gap = (12, 20) if narrow else (230, 46)
    each = (wide - left - gap - 14) / 2
    high = step * len(names)
    drawn = canvas(wide, top + high + 34)
    for column, (name, heading) in enumerate((("warned", "alarm before harm"), ("false", "alarm, and no harm came"))):
        axes = frame(drawn, left + column * (each + gap), top, each, high)
        _dots(axes, rows, names, name, step)
        axes.set_title(heading, fontsize=11 if narrow else 12, fontweight="bold", pad=8)
        axes.set_ylim(high, 0)
        if column == 0:
            _names(axes, rows, names, step, narrow=narrow, shift=0 if narrow else -(left - 10) / each)
    return drawn


def _dots(axes: Axes, rows: Sequence[Row], names: Sequence[str], what: str, step: float) -> None:
    for row in rows:
        second = row["rule"] == "seed"
        y = step * names.index(row["detector"]) + step * (0.78 if second else 0.48)
        colour = COLOURS[1 if second else 0]
        if row[what] is None:
            label(axes, "none to judge", (0.02, y), -5, 9.5)
            continue
        ci = row[f"{what}_ci95"]
        if ci is not None:
            axes.plot(ci, (y, y), color=colour, linewidth=3, solid_capstyle="butt", alpha=0.5)
        inside = PAPER if second else colour
        axes.plot([row[what]], [y], "s" if second else "o", color=colour, markersize=7.5, markerfacecolor=inside)
        right = row[what] < 0.75
        end = max(row[what], ci[1] if ci else 0.0) if right else min(row[what], ci[0] if ci else 1.0)
        axes.annotate(
            percent(row[what]), (end, y), xytext=(9 if right else -9, 0), textcoords="offset points", fontsize=10,
            va="center", ha="left" if right else "right",
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f}%")
    axes.set_xticks([0, 0.5, 1])
    axes.grid(axis="x", alpha=0.5)
    for edge in range(1, len(names)):
        axes.axhline(step * edge, color=INK, linewidth=0.4, alpha=0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _names(axes: Axes, rows: Sequence[Row], names: Sequence[str], step: float, *, narrow: bool, shift: float) -> None:
    for i, name in enumerate(names):
        label(axes, human(name), (shift, step * i + step * 0.27), -4, 10 if narrow else 11, fontweight="bold")
        if not narrow:
            for row in rows:
                if row["detector"] == name:
                    y = step * i + step * (0.82 if row["rule"] == "seed" else 0.54)
                    label(axes, f"{RULES[row['rule']]}, above {number(row['limit'])}", (shift, y), -4, 9.5)


def section(card: Sequence[Row] | None, drawn: tuple[Drawing, Drawing] | None, titles: Mapping[str, str]) -> Html:
    """The scorecard of a report: a picture, what it comes to, and the table by arm, whose `titles` are given by name."""
    if not card:
        return Html("")
    heads = ("harmed", "warned", "95% interval", "median lead", "not harmed", "alarm, no harm", "95% interval")
    rows: list[Sequence[Cell]] = []
    by_arm: list[Sequence[Cell]] = []
    for row in card:
        name = f"{human(row['detector'])}, {RULES[row['rule']]}"
        told = (
            f"{row['harmed']:,}", *_share(row, "warned"), span(row["lead"]), f"{row['calm']:,}", *_share(row, "false")
        ) if row["reads"] else ("cannot tell here", *[DASH] * 6)  # fmt: skip
        if row["arm"] is None:
            rows.append((name, *told))
        elif row["reads"]:
            by_arm.append((name, titles[row["arm"]], *told))
    words = (
        "Of the replications that came to harm, in how many did the first alarm come before it, and how long before (median)? Of those "
        "that never did, in how many was there an alarm? Filled: the statistical rule, a published method that allows for chance. Hollow: "
        "the popular rule, the threshold as it is usually printed. An "
        "alarm that comes everywhere warns of everything, so read both panels; a reality that moves and does no harm is an alarm, and no "
        f"harm, too. Harm came after {span(card[0]['harm_at'])} in the median: whoever cries at once has that lead."
    )
    pictures = [picture(drawn[0], css="wide"), picture(drawn[1], css="narrow")] if drawn else []
    each = element("details", element("summary", "arm by arm"), table(("detector", "arm", *heads), by_arm, range(2, 9)))
    return together([*pictures, paragraph(words, "soft caption"), table(("detector", *heads), rows, range(1, 8)), each])


def sections(scenario: Scenario, card: Sequence[Row] | None) -> Iterator[Section]:
    """The scorecard over all arms for a terminal."""
    if card is None:
        yield Section(scenario.title, "No harm is declared, so there is nothing to warn of.")
        return
    columns = ("detector", "rule", "above", "warned", "lead", "alarm, no harm")
    rows = []
    for row in card:
        if row["arm"] is None:
            warned, false = (" ".join((part, f"({ci})")) for part, ci in (_share(row, "warned"), _share(row, "false")))
            told = (warned, span(row["lead"]), false) if row["reads"] else ("cannot tell", "", "")
            rows.append((human(row["detector"]), SHORT[row["rule"]], number(row["limit"]), *told))
    first = card[0]
    harmed = (
        f"{first['harmed']:,} replications came to harm, after {span(first['harm_at'])} in the median, and {first['calm']:,} did not, "
        "in all arms and controls. Whoever cries at once has that lead, so read warned and lead beside alarms without harm."
    )
    yield Section(f"{scenario.title}: how early would you have known?", harmed, columns, tuple(rows))


def _share(row: Row, name: str) -> tuple[str, str]:
    ci = row[f"{name}_ci95"]
    return percent(row[name]), DASH if ci is None else interval([100 * x for x in ci]) + "%"
