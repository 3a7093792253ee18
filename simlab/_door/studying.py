"""Commands that play a scenario at many points: sweeps, and the studies that a scenario brings with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlab._door import completing
from simlab._door.common import (
    command_of,
    load_all,
    playable,
    progress_of,
    refreshed,
    tell_plan,
    with_executor,
    with_overrides,
    with_size,
)

if TYPE_CHECKING:
    from simlab.scenario.scenario import Scenario, Study
    from simlab.views.studied import Told


def with_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--out`, `--json` and `--quiet`."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress and no words; the exit code and the files tell."),
        click.option("as_json", "--json", is_flag=True, help="One JSON object on stdout, all else on stderr."),
        click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The directory."),
    ):
        command = option(command)
    return command


@click.command(short_help="Play a scenario at many points: where does the order turn?")
@click.argument("scenario", shell_complete=completing.scenarios)
@click.argument("axes", nargs=-1, required=True, metavar="PATH=VALUES...")
@click.option("--arms", metavar="A,B,...", help="The arms to play, the baseline first; all by default.")
@click.option("--measure", metavar="NAME", help="The measure that is asked for; by default the scenario's headline.")
@click.option("--stat", metavar="STAT", help="harm, mean, median, p95 or '{exceeds: x}'; by default harm if declared.")
@click.option(
    "--design",
    metavar="DESIGN",
    default="grid",
    help="grid (default), lhs (Latin hypercube) or sobol (sensitivity indices).",
)
@click.option("--points", type=int, metavar="N", help="Points of lhs; sobol plays N x (axes + 2), N a power of two.")
@with_overrides
@with_executor
@with_size
@with_place
@click.option("--dry-run", is_flag=True, help="Say what all points would take: time, memory, disk. Nothing is written.")
def sweep(
    scenario: str,
    axes: tuple[str, ...],
    arms: str | None,
    measure: str | None,
    stat: str | None,
    design: str,
    points: int | None,
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    executor: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
) -> int:
    """Play a scenario at many points, all on the same luck, and map where the order of its arms turns.

    PATH=VALUES is a list `a,b,c`, or a range `low:high:count` or `log:low:high:count` (without a count for lhs and sobol).
    The same command resumes what was interrupted; another --measure of the same points plays nothing.
    """
    from simlab.scenario.axes import arguments, statistic
    from simlab.studies.executors import workers
    from simlab.studies.points import plan
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.studied import play_sweep

    (found,) = load_all((scenario,), settings, replications, seed)
    study = plan(
        found,
        arguments(axes),
        arms=arms.split(",") if arms is not None else None,
        measure=measure,
        stat=statistic(stat) if stat is not None else None,
        design=design,
        points=points,
    )
    if dry_run:
        from simlab.studies.sweep import planned
        from simlab.studies.workers import available_cpus

        return tell_plan(found, planned(found, study, jobs or available_cpus()), as_json, "sweep")
    chosen = design if design != "grid" else None
    given = (("arms", arms), ("measure", measure), ("stat", stat), ("design", chosen), ("points", points))
    more = [part for name, value in given if value is not None for part in (f"--{name}", str(value))]
    command = command_of(found, settings, "sweep", (*axes, *more))
    with stop_on_sigterm(), workers(executor, jobs) as crew:
        told = play_sweep(found, study, crew, out, lambda name: progress_of(name, quiet), command)
    return _say(told._replace(lines=told.lines + _index(told, out)), as_json, quiet)


@click.command(short_help="Play a scenario's own studies into its report.")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...", shell_complete=completing.scenarios)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="This study alone; may be given several times.",
    shell_complete=completing.studies,
)
@with_overrides
@with_executor
@with_size
@with_place
@click.option(
    "--dry-run", is_flag=True, help="Say what run and studies would take: time, memory, disk. Nothing is written."
)
def study(
    scenarios: tuple[str, ...],
    only: tuple[str, ...],
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    executor: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
) -> int:
    """Play the studies of scenarios into their runs, which are played first if they are not there.

    They become sections of the run's report, each with its verdict, and so do the readiness drills, unless --only names studies.
    --replications is for the run and for every point, --out is the run directory (with several scenarios, one in it each).
    Trade-offs over numbers of brains of several scenarios also get one page, tradeoff.html. Exit codes are those of `run`.
    """
    from simlab.studies.executors import workers
    from simlab.studies.points import study_of
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.studied import play_studies

    found = load_all(scenarios, settings, replications, seed)
    playable(found, only)
    named = [only or tuple(s.name for s in one.studies) or ("",) for one in found]
    chosen = [[study_of(one, name, replications) for name in names] for one, names in zip(found, named, strict=True)]
    if dry_run:
        return max(_planned(one, studies, jobs, as_json, not only) for one, studies in zip(found, chosen, strict=True))
    worst, tradeoffs = 0, []
    for one, studies in zip(found, chosen, strict=True):
        place = out / one.name if out is not None and len(scenarios) > 1 else out
        with stop_on_sigterm(), workers(executor, jobs) as crew:
            told = play_studies(
                one,
                studies,
                crew,
                place,
                lambda name: progress_of(name, quiet),
                command_of(one, settings),
                drilled=not only,
            )
        worst = max(worst, _say(told._replace(lines=told.lines + _index(told, out)), as_json, quiet))
        played = told.document["studies"].values()
        tradeoffs += [(one.title, document) for document in played if "tradeoff" in document]
    if len({title for title, _ in tradeoffs}) > 1:
        from simlab.views.tradeoff import write

        page = write(tradeoffs, Path("results") if out is None else out)
        if not quiet:
            click.echo(f"trade-offs side by side: {page}", err=as_json)
    return worst


def _planned(scenario: Scenario, studies: list[Study], jobs: int | None, as_json: bool, drilled: bool) -> int:
    """Print what a run and its studies would take, each on its own; returns 2 when one would be refused for its memory."""
    from simlab.studies.plan import in_all, plan
    from simlab.studies.sweep import planned
    from simlab.studies.workers import available_cpus

    size = jobs or available_cpus()
    plans = [plan(scenario, size, timed=True)]
    worst = tell_plan(scenario, plans[0], as_json)
    for one in studies:
        plans.append(planned(scenario, one, size))
        worst = max(worst, tell_plan(scenario, plans[-1], as_json, one.name))
    more = "; its readiness drills, which are held too, are not counted" if drilled else ""
    click.echo(f"{scenario.name}, in all: {in_all(plans)}{more}", err=as_json)
    return worst


def _index(told: Told, out: Path | None) -> list[str]:
    """What is said of the index of the results folder, refreshed where no other place was named."""
    return [] if out is not None else [refreshed(told.page.parents[2])]


def _say(told: Told, as_json: bool, quiet: bool) -> int:
    """Print what was found; returns the exit code."""
    for line in () if quiet else told.lines:
        click.echo(line, err=as_json)
    if as_json:
        click.echo(json.dumps(told.document, allow_nan=False))
    return told.code
