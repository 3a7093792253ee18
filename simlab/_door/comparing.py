"""The command that compares: two arms of a run, or two runs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door import completing
from simlab._door.common import command_of, load_all, opened, progress_of, show, with_overrides, with_size

if TYPE_CHECKING:
    from simlab.scenario.scenario import Scenario
    from simlab.views.results import Results


@click.command(short_help="Two arms, or two runs: every measure, paired.")
@click.argument(
    "what", nargs=-1, required=True, metavar="SCENARIO A B | RUN_A RUN_B", shell_complete=completing.compared
)
@click.option("--arm", "arms", multiple=True, metavar="X[:Y]", help="Of two runs: arm X, or X of A with Y of B.")
@with_overrides
@with_size
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to leave a page, if at all.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object on stdout, all else on stderr.")
def compare(
    what: tuple[str, ...],
    arms: tuple[str, ...],
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Two arms of a scenario, B minus A, or the arms that two runs of one world, seed and size have in common.

    Every measure and the chance of harm, paired by replication. The scenario's run is played where it is not done, and a run directory may
    stand in its place. Runs that are not paired are refused.
    """
    from simlab import compare as side_by_side
    from simlab.results.disk import plain
    from simlab.studies.compare import two_arms
    from simlab.views.compared import tables
    from simlab.views.comparison import document

    played = len(what) == 3 and not _is_run(what[0])
    if len(what) not in (2, 3) or (arms and len(what) == 3):
        raise click.UsageError("name a scenario and two of its arms, or two run directories (and there --arm)")
    if not played and (settings or replications is not None or seed is not None):
        raise click.UsageError("--set, --replications and --seed are for a scenario; a run directory has its own")
    if len(what) == 2:
        found = side_by_side(opened(what[0]), opened(what[1]), arm=arms)
    elif played:
        (scenario,) = load_all(what[:1], settings, replications, seed)
        two_arms(scenario, *what[1:])  # before anything is played
        found = side_by_side(_results(scenario, jobs, settings), *what[1:])
        found = replace(found, command=command_of(scenario, settings, "compare", what[1:]))
    else:
        found = side_by_side(opened(what[0]), *what[1:])
    if found.command is None:
        named = [part for arm in arms for part in ("--arm", arm)]
        found = replace(found, command=shlex.join(["simlab", "compare", *what, *named]))
    if as_json:
        click.echo(json.dumps(plain(document(found), lambda _: None), allow_nan=False))
    else:
        show(tables(found.found))
    click.echo(found.verdict, err=as_json)
    if out is not None:
        click.echo(f"page: {found.report(out)}", err=as_json)


def _is_run(what: str) -> bool:
    """Whether a run is meant, and not a scenario. Raises InputError where it is neither."""
    from simlab.base.errors import InputError, nearest
    from simlab.scenario.shipped import ENDINGS, shipped

    path = Path(what)
    if (path / "manifest.json").is_file():
        return True
    if what in shipped() or path.is_file() or path.suffix in ENDINGS:
        return False
    if path.is_dir():
        return True  # to be told what is missing there
    beside = path.parent.glob("*/manifest.json") if path.parent.is_dir() else ()
    close = nearest(path.name, [one.parent.name for one in beside])
    guess = str(path.parent / close) if close else nearest(what, shipped())
    hint = (
        f"did you mean `{guess}`?"
        if guess
        else "`simlab list` names the scenarios, and `simlab run` says where its run is"
    )
    raise InputError(f"`{what:.200}` is neither a scenario nor the directory of a run; {hint}")


def _results(scenario: Scenario, jobs: int | None, settings: tuple[str, ...]) -> Results:
    """The results of a scenario's own run, found done, or played and left with its report."""
    from simlab.studies.run import run
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.results import Results

    with stop_on_sigterm(), progress_of(scenario.name, False) as progress:
        record = run(scenario, jobs=jobs, progress=progress)
    results = Results(record, scenario, command_of(scenario, settings))
    page = (record.path or Path()) / "report.html"
    if not page.exists():
        results.report(page.parent)
    return results
