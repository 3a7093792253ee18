"""What `simlab watch` tells: in the terminal, and as one page with its figure. Texts of the file are shown as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from simlab.results.disk import directory, place, text
from simlab.results.disk import write as write_file
from simlab.results.tables import visible
from simlab.results.times import date_of
from simlab.scenario.describe import Section
from simlab.studies.watching import ADVICE, Alarm, Sight, Watching
from simlab.views.ink import Drawing, drawing, style
from simlab.views.markup import Cell, Html, element, pairs, paragraph, picture, safe, section, table, together
from simlab.views.readings import in_words, readings, recorded
from simlab.views.scorecard import RULES
from simlab.views.words import DASH, count, human, listed, number, sentence, span

COLUMNS = ("detector", "rule", "first alarm", "reading", "threshold", "how often", "longest")


def verdict(watching: Watching) -> str:
    """What was found, in a sentence or two."""
    by = listed([f"the {RULES[rule]}" for rule in watching.counts])
    first: dict[str, Alarm] = {}
    for alarm in watching.alarms:
        first.setdefault(alarm.detector, alarm)
    counted = [sight for sight in watching.sights if sight.rule in watching.counts]
    names = list(dict.fromkeys(sight.detector for sight in counted))
    silent = {
        n: next(sight.unable for sight in counted if sight.detector == n)
        for n in names
        if not any(sight.told for sight in counted if sight.detector == n)
    }
    lost = "".join(f" {sentence(human(name))} could not tell: {why}." for name, why in silent.items())
    if len(silent) == len(names):
        return f"Nothing can be told by {by}.{lost}"
    if not first:
        told = len(names) - len(silent)
        return f"No alarm; {count(told, 'detector')} could tell, and stayed below the threshold by {by}.{lost}"
    said = [
        f"{human(a.detector)} at {_when(a)} ({number(a.value)}, threshold {number(a.threshold)})"
        for a in first.values()
    ]
    return f"{len(first)} of {count(len(names), 'detector')} alarmed by {by}; {'first ' if len(said) > 1 else ''}{listed(said)}.{lost}"


def row(sight: Sight) -> tuple[str, ...]:
    """A row of the table of alarms: see `COLUMNS`."""
    head = human(sight.detector), RULES[sight.rule]
    edge = number(sight.threshold)
    if not sight.told:
        return *head, f"cannot tell: {sight.unable}", DASH, edge, DASH, DASH
    if not sight.alarms:
        return (
            *head,
            "none",
            number(float(np.nanmax(sight.values))),
            edge,
            f"0 of {count(sight.told, 'scrape')}",
            DASH,
        )
    first = sight.alarms[0]
    scrapes = sum(alarm.scrapes for alarm in sight.alarms)
    often = f"{count(len(sight.alarms), 'time')}, {scrapes:,} of {count(sight.told, 'scrape')}"
    longest = max(sight.alarms, key=lambda alarm: alarm.lasted)
    lasted = span(longest.lasted) if longest.scrapes > 1 else "1 scrape"
    return *head, _when(first), number(first.value), edge, often, lasted


def _when(alarm: Alarm) -> str:
    """When an alarm began: as the file writes it, and as a date where that is an epoch."""
    shown, date = visible(str(alarm.time), 40), date_of(alarm.time)
    return f"{shown} ({date})" if date else shown


def told(watching: Watching) -> Iterator[Section]:
    """The findings for a terminal of 80 columns."""
    yield Section(visible(watching.metrics.name, 200), verdict(watching))
    for rule, name in RULES.items():
        counts = "" if rule in watching.counts else ", which does not count here"
        rows = tuple(_line(sight) for sight in watching.sights if sight.rule == rule)
        yield Section(f"By the {name}{counts}", "", ("detector", "first alarm", "reading", "above", "longest"), rows)
    advice = _advice(watching)
    if advice:
        yield Section("What to do", "", ("", ""), tuple((human(name), said) for name, said in advice))
    yield Section("What was done to the data", "", ("",), tuple((note,) for note in watching.notes))


def _line(sight: Sight) -> tuple[str, ...]:
    """A row of the table for a terminal; the page says more."""
    _, _, first, value, edge, _, lasted = row(sight)
    if not sight.told:
        return human(sight.detector), "cannot tell", DASH, DASH, DASH
    above = f"{sum(alarm.scrapes for alarm in sight.alarms):,} of {sight.told:,}"
    return (
        human(sight.detector),
        first,
        f"{value} {'>' if sight.alarms else '≤'} {edge}",
        above,
        lasted,
    )


def _advice(watching: Watching) -> list[tuple[str, str]]:
    alarmed = dict.fromkeys(alarm.detector for alarm in watching.alarms)
    return [(name, ADVICE[name]) for name in alarmed if name in ADVICE]


def write(watching: Watching, folder: str | Path, command: str) -> Path:
    """Write `watch.html` and `figures/watch*.svg` into a directory, each whole or not at all; return the page's path.

    The same recording and command give the same bytes. Raises StorageError where the directory cannot be written, or `figures` leads
    out of it.
    """
    folder = directory(folder)
    page, drawn = compose(watching, command)
    beside = place(folder, "figures")
    for one in drawn:
        write_file(beside / f"{one.name}.svg", text(one.file()))
    write_file(folder / "watch.html", text(page))
    return folder / "watch.html"


def compose(watching: Watching, command: str) -> tuple[str, list[Drawing]]:
    """The page, and its figure wide and for a telephone."""
    alt = in_words(watching)
    shown = recorded(watching.metrics)
    with style():
        drawn = [
            drawing(readings(watching, shown), "watch", alt),
            drawing(readings(watching, shown, narrow=True), "watch_narrow", alt),
        ]
    caption = (
        "Each curve is the largest reading in its bin of time. A dashed line is the threshold, shades are times above it, and the triangle "
        "marks the first. The statistical rule is a published method that allows for chance; the popular rule, the threshold as it is "
        "usually printed, is drawn beside it to show where the two differ."
    )
    body = together(
        item
        for item in (
            picture(drawn[0], css="wide"),
            picture(drawn[1], css="narrow"),
            paragraph(caption, "soft caption"),
            section("Alarms", table(COLUMNS, [_marked(sight, watching) for sight in watching.sights], (3, 4))),
            section("What to do", pairs((human(name), said) for name, said in _advice(watching))),
            section(
                "What was done to the data", element("ul", together(element("li", note) for note in watching.notes))
            ),
            section(
                "What a reading is",
                table(("detector", "statistical rule", "popular rule, as printed"), _shown(watching)),
            ),
            section("Watch it again", element("pre", visible(command, 2000))),
        )
        if item.text
    )
    first, semicolon, rest = verdict(watching).partition(";")
    name = visible(Path(watching.metrics.name).name, 100)
    page = Template(resources.files("simlab.views").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(f"Watched: {name}"),
        lead=paragraph(
            "Four detectors on recorded predictions and what came of them. They see only what was recorded.", "lead"
        ).text,
        verdict=together([element("strong", first + semicolon), Html(safe(rest))]).text,
        controls="",
        chips=_chips(watching).text,
        main=body.text,
    )
    return page, drawn


def _marked(sight: Sight, watching: Watching) -> list[Cell]:
    """The row of a sight, its alarm marked by a sign and a colour where it counts."""
    cells: list[Cell] = list(row(sight))
    if sight.alarms:
        counts = sight.rule in watching.counts
        cells[2] = element("span", f"✗ {cells[2]}", css="bad" if counts else "open")
    return cells


def _shown(watching: Watching) -> list[Sequence[Cell]]:
    by_rule = {(sight.detector, sight.rule): sight.shows for sight in watching.sights}
    names = dict.fromkeys(sight.detector for sight in watching.sights)
    return [[human(name), by_rule[name, "record"], element("code", by_rule[name, "seed"])] for name in names]


def _chips(watching: Watching) -> Html:
    metrics = watching.metrics
    alarmed = len({alarm.detector for alarm in watching.alarms})
    said = [
        element(
            "li",
            f"✗ {count(alarmed, 'detector')} alarmed" if alarmed else "✓ no alarm",
            css="bad" if alarmed else "good",
        ),
        element("li", count(len(metrics.times), "instant")),
        element("li", count(metrics.predictions.shape[1], "model")),
        element("li", f"over {span(float(metrics.times[-1]))}"),
    ]
    return together(said)
