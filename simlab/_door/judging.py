"""Commands that judge a design: the scorecard of its detectors, and the readiness drills."""

from __future__ import annotations

import json
from pathlib import Path

import click

from simlab._door import completing
from simlab._door.common import command_of, load_all, progress_of, show, tell, with_overrides, with_size


@click.command(short_help="How early detectors warn of harm, and how often in vain.")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...", shell_complete=completing.scenarios)
@with_overrides
@with_size
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run directory, as in `run`.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object a scenario.")
def score(
    scenarios: tuple[str, ...],
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """How early each detector warns of harm, how often it misses, and how often it cries wolf.

    Plays what `run` would, or finds it done. Every detector is judged twice: by a statistical
    rule, a published method that allows for chance, and by the popular rule, the threshold as it is usually printed.
    """
    from simlab.studies.run import run
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.results import Results
    from simlab.views.scorecard import sections

    for scenario in load_all(scenarios, settings, replications, seed):
        place = out / scenario.name if out is not None and len(scenarios) > 1 else out
        with stop_on_sigterm():
            tell(f"{scenario.name}: scoring its run, which is played first as far as it is not there")
            record = run(scenario, jobs=jobs, out=place)
        Results(record, scenario, command_of(scenario, settings)).report(record.path or Path())
        card = record.summary["scorecard"]
        if as_json:
            click.echo(json.dumps({"scenario": scenario.name, "scorecard": card}))
        else:
            show(sections(scenario, card))


@click.command(short_help="Hold the seven drills on a design: is it ready?")
@click.argument("scenario", shell_complete=completing.scenarios)
@with_overrides
@with_size
@click.option(
    "arms",
    "--arm",
    multiple=True,
    metavar="ARM",
    help="The arm that is drilled; may be given several times.",
    shell_complete=completing.arms,
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the page and the JSON are written.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a drill is not passed.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object an arm on stdout, all else on stderr.")
@click.option("--quiet", is_flag=True, help="No progress and no words; the exit code and the files tell.")
def readiness(
    scenario: str,
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    arms: tuple[str, ...],
    out: Path | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Hold the seven drills on a design, and say whether it is ready to be deployed.

    Each drill is an experiment on one arm, by default the one the scenario's `readiness:` names, or else the first. With 256
    replications that takes a minute or more. Drills are not kept when interrupted: the same command begins anew.
    """
    from simlab.studies.readiness import drilled_arm
    from simlab.studies.readiness import readiness as drill
    from simlab.studies.runner import run_of, stop_on_sigterm
    from simlab.views.readiness import sections, write

    (found,) = load_all((scenario,), settings, None, seed)
    folder = out if out is not None else Path("results", found.name, f"readiness-{run_of(found).hash}")
    worst = 0
    for chosen in [drilled_arm(found, arm).name for arm in arms or (None,)]:  # all are there before any is drilled
        try:
            with stop_on_sigterm(), progress_of(f"{found.name}, {chosen}", quiet, "drills") as progress:
                result = drill(found, chosen, replications=replications, jobs=jobs, progress=progress)
        except KeyboardInterrupt:
            tell(f"interrupted; the drills of {chosen} are not kept, and the same command begins anew")
            return 130
        page = write(result, folder)
        if as_json:
            click.echo(json.dumps(result.plain()))
        elif not quiet:
            show(sections(result))
        if not quiet:
            click.echo(f"page: {page}", err=as_json)
        worst = max(worst, int(strict and result.score < len(result.drills)))
    return worst
