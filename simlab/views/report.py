"""The report: one self-contained page, and its figures as files.

The page asks nothing of the network, runs nothing, and shows every text it is given as text.
"""

from __future__ import annotations

from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from simlab.base.errors import StorageError
from simlab.results.disk import storage, text
from simlab.results.disk import write as write_file
from simlab.results.record import Record
from simlab.scenario.scenario import Scenario
from simlab.views import facts, pictures, sections
from simlab.views.figures import SHOWN
from simlab.views.ink import Drawing, style
from simlab.views.markup import Html, grid, paragraph, picture, section, together
from simlab.views.words import human


def write(record: Record, scenario: Scenario, directory: str | Path, command: str | None = None) -> Path:
    """Write `report.html` and `figures/*.svg` into a directory, each whole or not at all; return the page's path.

    `command` is the one to give for the same run again, where it had overrides. The same record gives
    the same bytes. Raises StorageError where the directory cannot be written, or `figures` leads out of it.
    """
    folder = Path(directory)
    page, drawn = compose(record, scenario, command)
    with storage(folder):
        beside = folder / "figures"
        if beside.is_symlink():
            raise StorageError(f"{beside}: is a link; figures are written only into the run's own directory")
        beside.mkdir(parents=True, exist_ok=True)
    for one in drawn:
        write_file(beside / f"{one.name}.svg", text(one.file()))
    write_file(folder / "report.html", text(page))
    return folder / "report.html"


def compose(record: Record, scenario: Scenario, command: str | None = None) -> tuple[str, list[Drawing]]:
    """The page, and every picture on it."""
    with style():
        wide, narrow = pictures.main_drawings(record, scenario)
        spread = pictures.distributions(record, scenario)
        apart = pictures.differences(record, scenario)
        wired = pictures.wirings(scenario)
        when, seen = pictures.timeline(record, scenario)
    caption = (
        f"{human(scenario.headline).capitalize()} over time in each arm: median (thick), the middle 50% and 90% of "
        f"replications (bands), and the first {min(SHOWN, record.replications)} replications (thin), which met the same "
        "luck in every arm. Beside it, dots with 95% intervals."
    )
    paired = (
        f"Each arm minus “{scenario.arms[0].title}”, replication by replication on the same luck, with 95% intervals. "
        "A filled mark is clear of 0 for all arms together (Bonferroni); with many measures a few are so by chance."
    )
    body = together(
        item
        for item in (
            picture(wide, css="wide"),
            picture(narrow, css="narrow"),
            paragraph(caption, "soft caption"),
            section("What is simulated", sections.story(scenario)),
            section("How outcomes are spread", grid([picture(d, about) for about, d in spread])),
            section("Differences between arms", paragraph(paired, "soft"), grid([picture(d) for d in apart]))
            if apart
            else Html(""),
            section("Numbers", sections.numbers(record, scenario)),
            section("Controls: what must vanish", sections.controls(record, scenario)),
            section("Claims", sections.claims(record)),
            section("Who shares what", sections.wiring(wired)),
            section("Events", sections.events(record, scenario, when, seen)),
            section("Scoreboard: the model against published figures", sections.scoreboard(record, scenario)),
            section("Retelling and record", sections.record_box(scenario)),
            section("Parameters", sections.parameters(scenario)),
            sections.about_run(record, scenario, command or facts.command(record, scenario)),
        )
        if item.text
    )
    page = Template(resources.files("simlab.views").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(scenario.title),
        verdict=sections.verdict_line(record, scenario).text,
        chips=sections.chips(record, scenario).text,
        main=body.text,
    )
    drawn = [wide, narrow, *(d for _, d in spread), *apart, *(d for _, d in wired), *([when] if when else [])]
    return page, drawn
