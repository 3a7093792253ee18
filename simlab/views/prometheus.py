"""What `simlab export --prometheus` leaves in a directory: samples, rules, their unit test, a server's configuration and a dashboard."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from simlab.base.errors import InputError, StorageError
from simlab.base.units import pretty
from simlab.results.disk import directory, is_temporary, storage, sweep, text
from simlab.results.disk import write as write_file
from simlab.results.openmetrics import EVENTS, HARMED, INFO, OWN, Clock, date, families, histories, openmetrics
from simlab.results.record import Record
from simlab.scenario.describe import Section
from simlab.scenario.scenario import Scenario
from simlab.views.alerts import LIST, Printed, alertings, defects, pace, prometheus_yml, rules, runbook, unit_test
from simlab.views.grafana import dashboard

SAMPLES, RULES, TEST, CONFIG, BOARD, RUNBOOK, README = (
    "samples.openmetrics.txt",
    "four_horsemen.rules.yml",
    "four_horsemen.test.yml",
    "prometheus.yml",
    "dashboard.json",
    "RUNBOOK.md",
    "README.txt",
)
FILES = (SAMPLES, RULES, TEST, CONFIG, BOARD, RUNBOOK, README)
TARGET = "127.0.0.1:9464"
_MARK = "simlab export"


class Export(NamedTuple):
    """What was written."""

    folder: Path
    replications: int
    histories: int
    samples: int  # bytes
    clock: Clock


def wanted(record: Record, scenario: Scenario, *, every: bool) -> set[str] | None:
    """The metrics that are exported: None for every measure; else readings of detectors, harm and its cost, errors and events."""
    if every:
        return None
    harm = scenario.harm
    chosen = {one.measure for one in alertings(scenario)} | {"prediction_error", "agreement", scenario.headline}
    chosen |= {harm.measure, harm.cost or harm.measure} if harm is not None else set()
    return {family.name for name, family in families(record).items() if name in chosen} | {
        HARMED,
        f"{EVENTS}_total",
        f"{INFO}_info",
    }


def write(
    record: Record,
    scenario: Scenario,
    folder: str | Path,
    clock: Clock,
    replications: int,
    *,
    controls: bool,
    every: bool,
    runbook_url: str = RUNBOOK,
) -> Export:
    """Write the files into a directory that is new, empty, or holds an earlier export; each whole or not at all.

    The same run and options give the same bytes. Raises StorageError for another directory, InputError where nothing watches.
    """
    folder = directory(folder)
    if not alertings(scenario):
        raise InputError(f"{scenario.name} has no `detectors:`, so there is nothing to alert on")
    _look_around(folder)
    told = histories(record, replications, controls=controls)
    if not told:
        raise InputError("this run has no replication that was played to its end")
    only = wanted(record, scenario, every=every)
    length = max(float(one.outcome.times[-1] - one.outcome.times[0]) for one in told) * clock.scale
    used = len({one.replication for one in told})
    run = str(record.manifest["run"])
    metrics = [*((family.name, family.about) for family in families(record).values()), *OWN.items()]
    made = {
        RULES: rules(scenario, clock, runbook_url),
        TEST: unit_test(scenario, told, clock, RULES, runbook_url),
        CONFIG: prometheus_yml(clock, RULES, TARGET),
        BOARD: dashboard(scenario, run, clock, length),
        RUNBOOK: runbook(scenario, RULES),
        README: readme(scenario, run, clock, used, len(told), record.replications, metrics),
    }
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)

    def fill(file: IO[bytes]) -> None:
        for chunk in openmetrics(record, told, clock, only):
            file.write(chunk.encode())

    write_file(folder / SAMPLES, fill)
    for name, content in made.items():
        write_file(folder / name, text(content))
    return Export(folder, used, len(told), (folder / SAMPLES).stat().st_size, clock)


def readme(
    scenario: Scenario, run: str, clock: Clock, used: int, told: int, played: int, metrics: Iterable[tuple[str, str]]
) -> str:
    """The page that lies beside the files."""
    limits = {one.name: one.limits()[one.name] for one in scenario.arms[0].trial.instruments}
    parts = [
        f"{_MARK}: {scenario.title} (run {run})",
        f"{SAMPLES}: {told:,} histories, replications 0 to {used - 1} of the {played:,} that were "
        f"played, from {date(clock.start)} on. {pace(clock)}",
        f"Into a database, DATA, a directory elsewhere:\n"
        f"  promtool tsdb create-blocks-from openmetrics --max-block-duration=8760h {SAMPLES} DATA\n"
        "  prometheus --storage.tsdb.path=DATA --storage.tsdb.retention.time=100y ...\n"
        "(a hidden option, without which the importer reads all samples again for every two hours of them)",
        f"Live, a replication of each arm at http://{TARGET}/metrics, whose alerts fire at http://127.0.0.1:9090/alerts:\n"
        f"  simlab replay RUN --every '{pretty(clock.step)}'\n  prometheus --config.file={CONFIG} --storage.tsdb.path=DATA",
        f"Checks: promtool check rules {RULES}; promtool test rules {TEST}, which is this run as a unit test of the rules.",
        f"{RUNBOOK} says what to do about each alert. Put it where those who are paged can read it, and name that place with --runbook.",
        f"{BOARD} is a Grafana dashboard to import. It opens at the time of the samples; for a replay choose the last 30 minutes.",
        "Rules of your own: `simlab alerts backtest YOUR.rules.yml RUN` says how often and how early they would have warned. "
        "It knows these metrics, each with the labels scenario, arm, control (but for plain arms) and replication; samples and replay "
        "hold all of them with --every-measure, else those of detectors, harm, errors and events:",
        "\n".join(f"  {name}: {about}" for name, about in metrics),
        "What is wrong with the alerts as often printed\n\n" + LIST,
        *(_defect(printed, own) for printed, own in defects(limits)),
    ]
    return "\n\n".join(_wrapped(part) for part in parts) + "\n"


def sections(found: Export) -> Iterator[Section]:
    """What was written, for a terminal."""
    about = {
        SAMPLES: f"{found.histories} histories, replications 0 to {found.replications - 1}, {found.samples / 1e6:.1f} MB",
        RULES: "alerting and recording rules",
        TEST: f"the run as a unit test of them: promtool test rules {TEST}",
        CONFIG: f"a server that scrapes `simlab replay`, at {TARGET}",
        BOARD: "a Grafana dashboard, to import",
        RUNBOOK: "what to do about each alert; their `runbook_url` leads to it",
        README: "how to use them, and what is wrong with the alerts as often printed",
    }
    yield Section(f"{found.folder}", pace(found.clock), ("file", "what it is"), tuple(about.items()))


def _defect(printed: Printed, own: str) -> str:
    told = "\n".join(f"  - {one}" for one in printed.wrong)
    record = "" if printed.record is None else f"    record {printed.record[0]}:\n    {printed.record[1]}\n"
    return f"As printed:\n    {printed.expr}\n{told}\nOn metrics of your own:\n{record}    {own}\n  {printed.means}."


def _wrapped(part: str) -> str:
    """A paragraph in lines of 110 characters; what is set in is kept as it is, but for its own length."""
    lines = []
    for line in part.split("\n"):
        if line.startswith("    ") or len(line) <= 110:
            lines.append(line)
        else:
            indent = " " * (len(line) - len(line.lstrip(" -")))
            lines += textwrap.wrap(line, 110, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)


def _look_around(folder: Path) -> None:
    """Refuse a place that is no directory, or that holds what is not ours."""
    with storage(folder):
        if folder.is_symlink():
            raise StorageError(f"{folder}: a symbolic link; name the directory itself")
        if not folder.exists():
            return
        if not folder.is_dir():
            raise StorageError(f"{folder}: a file; --prometheus names a directory")
        names = sorted(path.name for path in folder.iterdir() if not is_temporary(path.name))
        odd = [name for name in names if name not in FILES or (folder / name).is_symlink()]
        page = folder / README
        if README in names and not odd and not page.read_text("utf-8", "replace").startswith(_MARK):
            odd = [README]
    if odd:
        more = ", ..." if len(odd) > 3 else ""
        raise StorageError(
            f"{folder}: holds files that are no export of simlab ({', '.join(odd[:3])}{more}); choose an empty directory"
        )
