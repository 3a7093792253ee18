"""Play a sweep, or a run with its studies, leave their pages, and say what was found: what the door and a script have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from simlab.results.sweeps import place_of
from simlab.scenario.scenario import Scenario, Study
from simlab.studies.executors import Who
from simlab.studies.readiness import readiness
from simlab.studies.run import run
from simlab.studies.runner import Progress
from simlab.studies.summary import exit_code
from simlab.studies.sweep import exit_code as exit_code_of
from simlab.studies.sweep import sweep
from simlab.views.readiness import PLACE
from simlab.views.readiness import write as write_drills
from simlab.views.results import Results
from simlab.views.sweeps import Sweep

Watch = Callable[[str], AbstractContextManager[Callable[[Progress], None] | None]]


class Told(NamedTuple):
    """What is said of what was played: lines for a reader, one JSON-able object, the page, and the exit code."""

    lines: list[str]
    document: dict[str, Any]
    page: Path
    code: int


def play_sweep(scenario: Scenario, study: Study, who: Who, out: Path | None, watch: Watch, command: str) -> Told:
    """Play a sweep and write its page; `command` gives it again, `watch` shows how far it is, `who` plays (see `workers`)."""
    with watch(scenario.name) as progress:
        document, path = sweep(scenario, study, executor=who, out=out, progress=progress)
    found = Sweep(document, path, command)
    page = found.report(path)
    told = {"sweep": str(path), **document}
    return Told([found.verdict, f"report: {page}"], told, page, exit_code_of(document, scenario.allow_diverged))


def play_studies(
    scenario: Scenario,
    studies: Sequence[Study],
    who: Who,
    out: Path | None,
    watch: Watch,
    command: str,
    *,
    drilled: bool = False,
) -> Told:
    """Play a run, as far as it is not there, and studies into its directory; write all pages. `command` gives the run again, and
    `who` plays (see `workers`).

    With `drilled` the readiness drills are held too, on the arm that the scenario names for it, or else its first.
    """
    with watch(scenario.name) as progress:
        record = run(scenario, executor=who, out=out, progress=progress)
    folder, code = record.path or Path(), exit_code(scenario, record.summary)
    results = Results(record, scenario, command)
    lines, documents = [results.verdict], {}
    for study in studies:
        with watch(f"{scenario.name}, {study.name}") as progress:
            place = place_of(folder, study.name)
            document, path = sweep(scenario, study, executor=who, out=place, progress=progress, replace=True)
        found = Sweep(document, path, f"{command.replace('simlab run', 'simlab study', 1)} --only {study.name}")
        found.report(path)
        lines.append(f"{study.name}: {found.verdict}")
        documents[study.name] = document
        code = max(code, exit_code_of(document, scenario.allow_diverged))
    if any(claim.over for claim in scenario.claims) or any(
        study.brains for study in studies
    ):  # the summary tells of them now
        results = Results(run(scenario, executor=who, out=folder), scenario, command)
        code = max(code, exit_code(scenario, results.summary))
    more: dict[str, Any] = {}
    if drilled:
        drills = readiness(scenario, executor=who)
        write_drills(drills, place_of(folder, PLACE))
        lines.append(f"readiness of {drills.title}: {drills.verdict}")
        more = {PLACE: drills.plain()}
    page = results.report(folder)
    return Told([*lines, f"report: {page}"], {"run": str(folder), "studies": documents, **more}, page, code)
