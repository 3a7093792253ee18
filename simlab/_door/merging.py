"""The command that puts the shards of a run together."""

from __future__ import annotations

from pathlib import Path

import click

from simlab._door.common import announce, plugins, with_plugins


@click.command(short_help="Put the shards of a run together, and write its report.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@with_plugins
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="The run directory; by default the first RUN."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, all else on stderr.")
@click.option("--quiet", is_flag=True, help="No words; the exit code and the files tell.")
def merge(runs: tuple[Path, ...], out: Path | None, as_json: bool, quiet: bool) -> int:
    """Put the shards that `run --shard i/n` left in RUN together, in any order, and write the report.

    Arrays, events and summaries are what one `run` would have left behind, byte for byte. Shards may lie in one RUN or in
    several, and may overlap. Exit codes are those of `run`; 4 where a shard is missing (with the command that plays it), or is
    one of another run.
    """
    from simlab.scenario.plugin import registry_of
    from simlab.studies.shards import merge as put_together

    merged = put_together(runs, out, registry_of(plugins()))
    return announce(merged.record, merged.scenario, merged.command, as_json=as_json, quiet=quiet)
