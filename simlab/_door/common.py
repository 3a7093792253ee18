"""What the commands have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlab.base.errors import SimlabError

if TYPE_CHECKING:
    from simlab.results.record import Record
    from simlab.scenario.describe import Section
    from simlab.scenario.plugin import Plugin
    from simlab.scenario.scenario import Scenario
    from simlab.studies.plan import Plan
    from simlab.studies.runner import Progress
    from simlab.views.results import Results

PLUGINS = "simlab.plugins"  # where a command's context keeps them
JOBS = 100_000  # the most that can be asked for: of a cluster, too


def with_plugins(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--plugin`, which is obeyed at once and hands nothing on."""

    def read(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> None:  # noqa: ARG001
        if given and not context.resilient_parsing:
            from simlab.scenario.plugin import plugin

            context.meta[PLUGINS] = tuple(plugin(module) for module in dict.fromkeys(given))

    return click.option(
        "--plugin",
        multiple=True,
        metavar="NAME",
        callback=read,
        expose_value=False,
        is_eager=True,
        help="Your own world, brain, detector or intervention: mine.py, the name by which an installed package offers it, "
        "or a dotted module. It is imported and so run.",
    )(command)


def plugins() -> tuple[Plugin, ...]:
    """What `--plugin` named in this command."""
    context = click.get_current_context(silent=True)
    return context.meta.get(PLUGINS, ()) if context else ()


def opened(run: str | Path) -> Results:
    """The results of a finished run, with the classes that `--plugin` named."""
    from simlab import open as open_run
    from simlab.scenario.plugin import registry_of

    return open_run(run, using=dict(registry_of(plugins()).own))


def with_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--set` and `--plugin`, of every command that reads a scenario."""
    return click.option(
        "settings",
        "--set",
        multiple=True,
        metavar="PATH=VALUE",
        help="Another value, e.g. world.flash_crash.limit=100.",
    )(with_plugins(command))


def with_size(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--replications`, `--seed` and `--jobs`."""
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(1, JOBS),
            metavar="N",
            help="Processes; by default one a CPU. Never changes a bit.",
        ),
        click.option("--seed", type=int, metavar="N", help="What every random number depends on."),
        click.option("--replications", type=int, metavar="N", help="Replications of every arm."),
    ):
        command = option(command)
    return command


def with_executor(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--executor`, which is refused before anything else is done."""

    def check(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:  # noqa: ARG001
        if given is not None and not context.resilient_parsing:
            from simlab.studies.executors import workers

            with workers(given):  # nothing is started
                pass
        return given

    return click.option(
        "--executor",
        metavar="NAME",
        callback=check,
        help="Who plays: local (processes, the default), dask, or dask:tcp://HOST:PORT. Never changes a bit.",
    )(command)


def load_all(
    names: tuple[str, ...], settings: tuple[str, ...] = (), replications: int | None = None, seed: int | None = None
) -> list[Scenario]:
    """Every scenario, or a ScenarioError with the problems of all of them."""
    from simlab.scenario.load import load
    from simlab.scenario.plugin import registry_of
    from simlab.scenario.problems import Problem, ScenarioError
    from simlab.scenario.reader import override

    overrides = dict(override(setting) for setting in settings)
    registry = registry_of(plugins())
    found: list[Scenario] = []
    problems: list[Problem] = []
    for name in names:
        try:
            found.append(load(name, overrides, replications, seed, registry))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return found


def playable(scenarios: Iterable[Scenario], only: tuple[str, ...] = ()) -> None:
    """Raise a ScenarioError where a study, or one of `only`, cannot be played with the values that were given."""
    from simlab.scenario.problems import ScenarioError

    named = [told for one in scenarios for name, told in one.unplayable.items() if not only or name in only]
    if named:
        raise ScenarioError(problem for told in named for problem in told)


def show(sections: Iterable[Section], *, err: bool = False) -> None:
    """Draw sections with rich, on stderr with `err`; through click, so that a closed pipe ends it quietly and a file holds plain text."""
    from textwrap import wrap

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        for section in sections:
            console.print(Text(section.heading, style="bold"))
            for line in section.text.splitlines():
                points = wrap(line, console.width - 1, subsequent_indent="  ") if line.startswith("- ") else [line]
                for one in points:
                    console.print(Text(one), soft_wrap=line.startswith("    "))
            widths = _widths(section, console.width)
            if section.rows and widths is None:
                for row in section.rows:
                    table = Table(show_header=False, pad_edge=False, box=None)
                    table.add_column(style="dim", no_wrap=True)
                    table.add_column(overflow="fold")
                    for column, cell in zip(section.columns, row, strict=True):
                        if cell:
                            table.add_row(Text(column), Text(cell.strip()))
                    console.print(table)
                    console.print()
            elif section.rows:
                table = Table(show_header=any(section.columns), pad_edge=False, box=None)
                for column, width in zip(section.columns, widths or (), strict=True):
                    table.add_column(Text(column, style="dim"), overflow="fold", width=width)
                for row in section.rows:
                    table.add_row(*(Text(cell.strip()) for cell in row))
                console.print(table)
            console.print()
    click.echo(captured.get(), nl=False, err=err)


def _widths(section: Section, room: int) -> list[int] | None:
    """How wide each column is, so that no word is broken, such as a path that is to be copied; None where there is no room for that."""
    columns = list(zip(section.columns, *section.rows, strict=True))
    needed = [max(len(word) for cell in column for word in (cell.split() or [""])) for column in columns]
    wanted = [max(len(line) for cell in column for line in (cell.split("\n"))) for column in columns]
    spare = room - sum(needed) - 2 * (len(columns) - 1)
    if spare < 0:
        return None
    more = [want - need for want, need in zip(wanted, needed, strict=True)]
    share = min(spare / max(sum(more), 1), 1.0)
    return [need + int(share * extra) for need, extra in zip(needed, more, strict=True)]


def tell(text: str) -> None:
    """Lines on stderr, in which no character of a name that was given can steer the terminal."""
    click.echo(
        "".join(c if c in "\n\t\u00a0" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text), err=True
    )


def tell_plan(scenario: Scenario, planned: Plan, as_json: bool, study: str | None = None) -> int:
    """Print what a run, or a `study` of it, would take; returns 2 when it would be refused for its memory."""
    import json

    from simlab.studies.plan import lines, plain

    click.echo(f"{scenario.name}{f', {study}' if study else ''}: nothing was run", err=as_json)
    for name, value in lines(planned):
        click.echo(f"  {name:12}  {value}", err=as_json)
    if as_json:
        click.echo(json.dumps({"scenario": scenario.name, **({"study": study} if study else {}), **plain(planned)}))
    try:
        planned.check(scenario)
    except SimlabError as error:
        tell(str(error))
        return error.exit_code
    return 0


def refreshed(folder: Path) -> str:
    """Refresh the index of the results folder; a run that is done does not fail because its index cannot be written."""
    from simlab.scenario.plugin import registry_of
    from simlab.views.index import write

    try:
        return f"index: {write(folder, registry_of(plugins()))}"
    except SimlabError as error:
        return f"index: not written ({error})"


def announce(
    record: Record, scenario: Scenario, command: str, *, as_json: bool, quiet: bool, indexed: bool = False
) -> int:
    """Write the report of a run, print what was found, refresh the index if it is `indexed`; returns the exit code."""
    import json

    from simlab.studies.summary import exit_code
    from simlab.views.facts import met
    from simlab.views.failures import failures
    from simlab.views.results import Results
    from simlab.views.tally import tally

    results = Results(record, scenario, command)
    page = results.report(record.path or Path())
    lines = [
        results.verdict,
        *tally(record.summary),
        *failures(record),
        *met(record, scenario),
        f"report: {page}",
        *([refreshed(page.parents[2])] if indexed else []),
    ]
    if not quiet:
        for line in lines:
            click.echo(line, err=as_json)
    if as_json:
        click.echo(json.dumps({"run": str(record.path), **record.summary}, allow_nan=False))
    return exit_code(scenario, record.summary)


def command_of(scenario: Scenario, settings: tuple[str, ...], what: str = "run", more: tuple[str, ...] = ()) -> str:
    """The command that reproduces a run; processes and directory change nothing, so they are left out."""
    import shlex

    name, sets = called(scenario, settings)
    plan = ["--replications", str(scenario.replications), "--seed", str(scenario.seed)]
    return shlex.join(["simlab", what, name, *more, *sets, *plan])


def called(scenario: Scenario, settings: tuple[str, ...]) -> tuple[str, list[str]]:
    """How a command names a scenario, and the options without which it would be another one."""
    from simlab.scenario.load import shipped

    path = Path(scenario.path or scenario.name)
    name = scenario.name if shipped().get(scenario.name) == path else str(path)
    needed = set(scenario.resolved.get("plugins", {}).values())
    sets = [part for setting in settings for part in ("--set", setting)]
    return name, sets + [part for given in _needed(needed) for part in ("--plugin", given)]


def _needed(classes: set[str]) -> list[str]:
    """The plugins, as they were given, that classes come from."""
    return [one.given for one in plugins() if classes & {f"{c.__module__}.{c.__qualname__}" for c in one.classes}]


@contextmanager
def progress_of(name: str, quiet: bool, what: str = "replications") -> Iterator[Callable[[Progress], None] | None]:
    """Live progress on a terminal, one line when it begins anywhere else, nothing when quiet."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _plainly(name, what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def show(progress: Progress) -> None:
            speed = progress.agent_steps / progress.seconds if progress.seconds > 0 else 0.0
            told = f"{name}  {progress.cell}" + (
                f"  {speed / 1e6:.0f}M agent-steps/s" if what == "replications" else ""
            )
            bar.update(task, total=progress.total, completed=progress.done, description=told)

        yield show


def _plainly(name: str, what: str) -> Callable[[Progress], None]:
    """Progress for a log: a line when playing begins, and then at most one every 10 s."""
    told = [-10.0]

    def show(progress: Progress) -> None:
        if progress.seconds - told[0] >= 10:
            told[0] = progress.seconds
            tell(f"{name}: {progress.done} of {progress.total} {what}")

    return show
