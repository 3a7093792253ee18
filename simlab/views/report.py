"""The report: one self-contained page, and its figures as files.

The page asks nothing of the network, runs nothing, and shows every text it is given as text.
"""

from __future__ import annotations

from pathlib import Path

from simlab.results.disk import place, text
from simlab.results.disk import write as write_file
from simlab.results.record import Record
from simlab.scenario.scenario import Scenario
from simlab.views import facts, pictures, readiness, scorecard, seams, sections, study
from simlab.views.altered import altered
from simlab.views.figures import COUNTED, SHOWN
from simlab.views.ink import Drawing, style
from simlab.views.markup import Html, grid, paragraph, picture, section, together
from simlab.views.page import page
from simlab.views.words import human


def write(record: Record, scenario: Scenario, directory: str | Path, command: str | None = None) -> Path:
    """Write `report.html` and `figures/*.svg` into a directory, each whole or not at all; return the page's path.

    `command` is the one to give for the same run again, where it had overrides. The same record gives
    the same bytes. Raises StorageError where the directory cannot be written, or `figures` leads out of it.
    """
    folder = Path(directory)
    whole, drawn = compose(record, scenario, command)
    beside = place(folder, "figures")
    for one in drawn:
        write_file(beside / f"{one.name}.svg", text(one.file()))
    write_file(folder / "report.html", text(whole))
    return folder / "report.html"


def _beside(record: Record, scenario: Scenario) -> str:
    """What the dotted line of the first picture is, where there is one."""
    if scenario.beside is None:
        return ""
    return f" Dotted: {human(scenario.beside)}, {pictures.declared(scenario, record, scenario.beside).about} (median)."


def compose(record: Record, scenario: Scenario, command: str | None = None) -> tuple[str, list[Drawing]]:
    """The page, and every picture on it."""
    with style():
        wide, narrow = pictures.main_drawings(record, scenario)
        spread = pictures.distributions(record, scenario)
        apart = pictures.differences(record, scenario)
        wired = pictures.wirings(scenario)
        alike = pictures.matrices(record, scenario)
        when, seen = pictures.events(record, scenario)
        of_seams = seams.drawings(record.summary, scenario) if record.summary.get("factorial") else []
        card = record.summary.get("scorecard")
        scored = scorecard.drawings(card) if card else None
    studied, drawn_there = study.inside(record.path)
    drilled, drawn_of_drills = readiness.inside(record.path)
    about = pictures.declared(scenario, record, scenario.headline).about
    caption = (
        f"{human(scenario.headline).capitalize()}{f' ({about})' if about else ''} over time in each arm: median (thick), the "
        f"middle 50% and 90% of replications (bands), and the first {min(SHOWN, record.replications)} of them singly (thin); the "
        f"same replication met the same luck in every arm.{_beside(record, scenario)} Dots have 95% intervals"
        + (
            f", and below each the first {min(COUNTED, record.replications)} replications, filled where harm came."
            if scenario.harm
            else "."
        )
    )
    paired = (
        f"Each arm minus “{scenario.arms[0].title}”, replication by replication on the same luck, with 95% intervals. "
        "A filled mark is clear of 0 for all arms together (Bonferroni); with many measures a few are so by chance."
    )
    other = altered(scenario)
    body = together(
        item
        for item in (
            picture(wide, css="wide"),
            picture(narrow, css="narrow"),
            paragraph(caption, "soft caption"),
            section("What is simulated", sections.story(scenario, other)),
            section("Who shares what, and how alike they answer", sections.wiring(wired, alike, record)),
            section("Which seam does it?", seams.section(record.summary, scenario, of_seams)),
            section("Claims", sections.claims(record)),
            section("Controls: what must vanish", sections.controls(record, scenario)),
            *studied,
            section("When things happen", sections.events(record, scenario, when, seen)),
            section(
                "How early would you have known?",
                scorecard.section(card, scored, {arm.name: arm.title for arm in scenario.arms}),
            ),
            drilled,
            section("Retelling and record", sections.record_box(scenario)),
            section("Scoreboard: the model against published figures", sections.scoreboard(record, scenario)),
            section("Differences between arms", paragraph(paired, "soft"), grid([picture(d) for d in apart]))
            if apart
            else Html(""),
            section("How outcomes are spread", grid([picture(d, about) for about, d in spread])),
            section("Numbers", sections.numbers(record, scenario)),
            section("Parameters", sections.parameters(scenario)),
            sections.about_run(record, scenario, command or facts.command(record, scenario)),
        )
        if item.text
    )
    whole = page(
        title=scenario.title,
        lead=sections.lead(scenario, other),
        verdict=sections.verdict_line(record, scenario),
        controls=sections.controls_line(record, scenario),
        chips=sections.chips(record, scenario),
        main=body,
    )
    drawn = [
        wide,
        narrow,
        *(d for _, d in wired),
        *alike.values(),
        *(when or ()),
        *(scored or ()),
        *apart,
        *(d for _, d in spread),
        *of_seams,
        *drawn_there,
        *drawn_of_drills,
    ]
    return whole, drawn
