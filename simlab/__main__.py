"""The door: the command line. Thin; everything but click is imported inside the command that needs it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from simlab import __version__
from simlab.base.errors import SimlabError, did_you_mean

if TYPE_CHECKING:
    from simlab.scenario.describe import Section
    from simlab.scenario.scenario import Scenario
    from simlab.studies.runner import Progress
    from simlab.studies.trace import Step


@final
class Group(click.Group):
    """A group that suggests the nearest command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was meant; raises UsageError with the nearest one."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"unknown command `{args[0]}`; {did_you_mean(args[0], self.commands)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="simlab", message="%(prog)s %(version)s")
def cli() -> None:
    """A simulation lab for models that change the world they learn from.

    A SCENARIO is the path of a YAML file, or the name of one that is shipped (`simlab list`).
    """


def _with_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "settings",
        "--set",
        multiple=True,
        metavar="PATH=VALUE",
        help="Another value, e.g. world.flash_crash.limit=100.",
    )(command)


@cli.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@_with_overrides
@click.option("--replications", type=int, metavar="N", help="Replications of every arm.")
@click.option("--seed", type=int, metavar="N", help="What every random number depends on.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes; by default one a CPU. Never changes a bit."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory; with several scenarios, one in it each.",
)
@click.option("as_json", "--json", is_flag=True, help="One JSON object a scenario on stdout, all else on stderr.")
@click.option("--quiet", is_flag=True, help="No progress and no words; the exit code and the files tell.")
def run(
    scenarios: tuple[str, ...],
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Play scenarios and write their reports; the same command resumes what was interrupted.

    Exit codes: 0 done; 1 a claim is contradicted; 2 invalid input; 3 replications failed or diverged; 4 storage.
    """
    worst = 0
    for scenario in _load_all(scenarios, settings, replications, seed):
        place = out / scenario.name if out is not None and len(scenarios) > 1 else out
        try:
            worst = max(worst, _play(scenario, jobs, place, as_json, quiet, _command(scenario, settings)))
        except SimlabError as error:
            _tell(f"{scenario.name}: {error}" if len(scenarios) > 1 else str(error))
            worst = max(worst, error.exit_code)
    return worst


@cli.command("list")
def list_() -> None:
    """The shipped scenarios."""
    from simlab.scenario.load import shipped, title

    paths = shipped()
    width = max((len(name) for name in paths), default=0)
    for name, path in paths.items():
        click.echo(f"{name:{width}}  {title(path)}")


@cli.command()
@click.argument("scenario")
@_with_overrides
def describe(scenario: str, settings: tuple[str, ...]) -> None:
    """A scenario's story, record, parameters, arms, controls and claims."""
    from simlab.scenario.describe import sections

    _print(sections(_load_all((scenario,), settings)[0]))


@cli.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@_with_overrides
def validate(scenarios: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Read scenarios and say everything that is wrong with them; nothing is run."""
    for found in _load_all(scenarios, settings):
        counts = (("arm", found.arms), ("control", found.controls), ("claim", found.claims))
        told = ", ".join(f"{len(things)} {what}{'' if len(things) == 1 else 's'}" for what, things in counts)
        click.echo(f"{found.name}: valid; {told}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results"), metavar="[DIR]")
def index(folder: Path) -> None:
    """Write one page over all runs in DIR, by default results/; `run` does so by itself there."""
    from simlab.views.index import write

    click.echo(f"index: {write(folder)}")


@cli.command()
def schema() -> None:
    """The JSON Schema of scenarios, for completion in an editor."""
    import json

    from simlab.scenario.schema import schema

    click.echo(json.dumps(schema(), indent=2))


@cli.command()
@click.argument("scenario")
@click.option("--arm", required=True, metavar="ARM", help="The arm.")
@click.option("--replication", type=click.IntRange(min=0), required=True, metavar="N", help="Its replication, from 0.")
@click.option("--control", metavar="CONTROL", help="The control under which it is played, if any.")
@click.option("--ticks", metavar="FIRST:LAST", help="Which ticks to show, e.g. 100:120; all by default.")
@click.option("--seed", type=int, metavar="N", help="As in `run`.")
@click.option("--replications", type=int, metavar="N", help="As in `run`.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object a stage.")
@_with_overrides
def trace(
    scenario: str,
    arm: str,
    replication: int,
    control: str | None,
    ticks: str | None,
    seed: int | None,
    replications: int | None,
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """One replication, tick by tick: observe, predict, act, react, learn. Bit-equal to the study."""
    from simlab.studies.trace import trace as play_again

    first, last = _ticks(ticks)
    found = _load_all((scenario,), settings, replications, seed)[0]

    def see(step: Step) -> None:
        if first <= step.tick <= last:
            click.echo(_stage(step, as_json))

    play_again(found, arm, replication, see, control)


@cli.command()
@click.argument("architecture", metavar="ARCHITECTURE")
@click.option("as_json", "--json", is_flag=True, help="One JSON object on stdout, all else on stderr.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write audit.html, audit.json and architecture.svg.",
)
@click.option("--strict", is_flag=True, help="Exit code 1 for a single point of failure, or a loop gain of 1 or more.")
def audit(architecture: str, as_json: bool, out: Path | None, strict: bool) -> int:
    """What takes everything down in a system of models, what feeds back, what fails together, and what to change first.

    ARCHITECTURE is the path of a YAML file, or `shop` or `shop_mended`, which are shipped as examples: models, what
    they read, learn from and run on, who uses them, and when they retrain.
    """
    from simlab.results.disk import dumps, plain
    from simlab.scenario.architecture import load
    from simlab.studies.audit import audit as study
    from simlab.studies.audit import document
    from simlab.views.audit_page import write
    from simlab.views.auditing import report

    found = study(load(architecture))
    if as_json:
        click.echo(dumps(plain(document(found))), nl=False)
    else:
        _print(report(found))
    if out is not None:
        click.echo(f"report: {write(found, out)}", err=as_json)
    return 1 if strict and found.alarming else 0


def _load_all(
    names: tuple[str, ...], settings: tuple[str, ...] = (), replications: int | None = None, seed: int | None = None
) -> list[Scenario]:
    """Every scenario, or a ScenarioError with the problems of all of them."""
    from simlab.scenario.load import load
    from simlab.scenario.problems import Problem, ScenarioError
    from simlab.scenario.reader import override

    overrides = dict(override(setting) for setting in settings)
    found: list[Scenario] = []
    problems: list[Problem] = []
    for name in names:
        try:
            found.append(load(name, overrides, replications, seed))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return found


def _play(scenario: Scenario, jobs: int | None, out: Path | None, as_json: bool, quiet: bool, command: str) -> int:
    """Run one scenario, write its report, print what was found; returns the exit code."""
    import json

    from simlab.studies.run import run
    from simlab.studies.runner import stop_on_sigterm
    from simlab.studies.summary import exit_code
    from simlab.views.results import Results
    from simlab.views.tally import tally

    with stop_on_sigterm(), _progress(scenario.name, quiet) as progress:
        record = run(scenario, jobs=jobs, out=out, progress=progress)
    results = Results(record, scenario, command)
    page = results.report(record.path or Path())
    lines = [
        results.verdict,
        *tally(record.summary),
        f"report: {page}",
        *([] if out is not None else [_refreshed(page.parents[2])]),
    ]
    if not quiet:
        for line in lines:
            click.echo(line, err=as_json)
    if as_json:
        click.echo(json.dumps({"run": str(record.path), **record.summary}, allow_nan=False))
    return exit_code(scenario, record.summary)


def _refreshed(folder: Path) -> str:
    """Refresh the index of the results folder; a run that is done does not fail because its index cannot be written."""
    from simlab.views.index import write

    try:
        return f"index: {write(folder)}"
    except SimlabError as error:
        return f"index: not written ({error})"


def _command(scenario: Scenario, settings: tuple[str, ...]) -> str:
    """The command that reproduces a run; processes and directory change nothing, so they are left out."""
    import shlex

    from simlab.scenario.load import shipped

    path = Path(scenario.path or scenario.name)
    name = scenario.name if shipped().get(scenario.name) == path else str(path)
    sets = [part for setting in settings for part in ("--set", setting)]
    plan = ["--replications", str(scenario.replications), "--seed", str(scenario.seed)]
    return shlex.join(["simlab", "run", name, *sets, *plan])


@contextmanager
def _progress(name: str, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Live progress on a terminal, one line when it begins anywhere else, nothing when quiet."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _plainly(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def show(progress: Progress) -> None:
            speed = progress.agent_steps / progress.seconds if progress.seconds > 0 else 0.0
            told = f"{name}  {progress.cell}  {speed / 1e6:.0f}M agent-steps/s"
            bar.update(task, total=progress.total, completed=progress.done, description=told)

        yield show


def _plainly(name: str) -> Callable[[Progress], None]:
    """Progress for a log: a line when playing begins, and then at most one every 10 s."""
    told = [-10.0]

    def show(progress: Progress) -> None:
        if progress.seconds - told[0] >= 10:
            told[0] = progress.seconds
            _tell(f"{name}: {progress.done} of {progress.total} replications")

    return show


def _ticks(text: str | None) -> tuple[int, float]:
    """The first and last tick to show."""
    if text is None:
        return 0, float("inf")
    first, colon, last = text.partition(":")
    try:
        return int(first or 0), (int(last) if last else float("inf")) if colon else int(first)
    except ValueError:
        raise click.BadParameter(f"`{text}`; write e.g. `100:120`", param_hint="--ticks") from None


def _stage(step: Step, as_json: bool) -> str:
    """One stage of a tick as a line."""
    import json
    import math

    import numpy as np

    if not as_json:
        value = step.value
        shown = value if isinstance(value, dict) else np.array2string(value, precision=6, threshold=12, edgeitems=4)
        return f"{step.tick:8d}  {step.time:12.6g} s  {step.stage:8s}  {' '.join(str(shown).split())}"

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inside) for key, inside in value.items()}
        if isinstance(value, list):
            return [plain(inside) for inside in value]
        if isinstance(value, np.ndarray | np.generic):
            return plain(value.tolist())
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps({"tick": step.tick, "time": step.time, "stage": step.stage, "value": plain(step.value)})


def _print(sections: Iterable[Section]) -> None:
    """Draw sections with rich; through click, so that a closed pipe ends it quietly and a file holds plain text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        for section in sections:
            console.print(Text(section.heading, style="bold"))
            if section.text:
                console.print(Text(section.text))
            if section.rows:
                table = Table(show_header=any(section.columns), pad_edge=False, box=None)
                for column in section.columns:
                    table.add_column(Text(column, style="dim"), overflow="fold")
                for row in section.rows:
                    table.add_row(*(Text(cell) for cell in row))
                console.print(table)
            console.print()
    click.echo(captured.get(), nl=False)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def main() -> None:
    """Run a command and exit with its code; a refusal is a message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(prog_name="simlab", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except SimlabError as error:
        _tell(str(error))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted; the same command goes on from here")
        code = 130
    except BrokenPipeError:  # `| head`: nobody reads any more
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
