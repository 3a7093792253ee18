"""What the commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from simlab.scenario.describe import Section
    from simlab.scenario.scenario import Scenario


def with_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--set`."""
    return click.option(
        "settings",
        "--set",
        multiple=True,
        metavar="PATH=VALUE",
        help="Another value, e.g. world.flash_crash.limit=100.",
    )(command)


def with_size(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--replications`, `--seed` and `--jobs`."""
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Processes; by default one a CPU. Never changes a bit.",
        ),
        click.option("--seed", type=int, metavar="N", help="What every random number depends on."),
        click.option("--replications", type=int, metavar="N", help="Replications of every arm."),
    ):
        command = option(command)
    return command


def load_all(
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


def show(sections: Iterable[Section]) -> None:
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


def tell(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)
