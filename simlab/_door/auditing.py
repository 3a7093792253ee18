"""The command that audits an architecture."""

from __future__ import annotations

from pathlib import Path

import click

from simlab._door import completing
from simlab._door.common import show


@click.command(short_help="What takes everything down, and what to change first.")
@click.argument("architecture", metavar="ARCHITECTURE", shell_complete=completing.architectures)
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
        show(report(found))
    if out is not None:
        click.echo(f"report: {write(found, out)}", err=as_json)
    return 1 if strict and found.alarming else 0
