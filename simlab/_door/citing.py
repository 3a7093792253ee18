"""The command that says what a scenario rests on."""

from __future__ import annotations

import click

from simlab._door import completing
from simlab._door.common import load_all, with_overrides


@click.command(short_help="BibTeX of simlab and of the sources that a scenario names.")
@click.argument("scenario", shell_complete=completing.scenarios)
@with_overrides
def cite(scenario: str, settings: tuple[str, ...]) -> None:
    """BibTeX of simlab, and of every source that a scenario, its world and its brains name.

    What cannot be read whole, with author, year, title and place, is a @misc with the text as it stands in the scenario.
    """
    from simlab.scenario.cite import bibliography

    click.echo(bibliography(load_all((scenario,), settings)[0]), nl=False)
