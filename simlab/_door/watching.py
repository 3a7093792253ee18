"""The command that runs the detectors on recorded metrics."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from simlab._door.common import show


@click.command(short_help="Run the detectors on recorded metrics of your own.")
@click.argument("metrics", type=click.Path(path_type=Path), metavar="METRICS")
@click.option("--time", required=True, metavar="COLUMN", help="Seconds, a Unix epoch, or ISO 8601.")
@click.option("--predictions", required=True, metavar="COLUMNS", help="One a model: p1,p2 or 'pred_*'.")
@click.option("--reality", required=True, metavar="COLUMNS", help="What came of them: one for all, or one a model.")
@click.option(
    "--features", default="", metavar="COLUMNS", help="What the models saw; without, drift is that of reality."
)
@click.option("--nudges", default="", metavar="COLUMNS", help="Random noise that was added to the predictions.")
@click.option("reads", "--reads", multiple=True, metavar="MODEL=UPSTREAM", help="Which prediction feeds which: p2=p1.")
@click.option(
    "--every", metavar="DURATION", help="The time of a scrape, e.g. '1 min'; by default at most 5,000 of rows."
)
@click.option(
    "--detectors", default="", metavar="NAMES", help="Some of the four, e.g. feedback_spiral,model_correlation."
)
@click.option(
    "settings", "--set", multiple=True, metavar="DETECTOR.PARAMETER=VALUE", help="E.g. feedback_spiral.window=120."
)
@click.option(
    "--rule",
    type=click.Choice(["record", "seed", "both"]),
    default="record",
    help="Whose alarms count: of the statistical rule (record), the popular rule (seed), or both.",
)
@click.option("--sort", is_flag=True, help="Put rows into the order of their times.")
@click.option("--average", is_flag=True, help="Make one row of rows that share a time: the mean of what is known.")
@click.option("as_json", "--json", is_flag=True, help="The alarms as one JSON list on stdout, all else on stderr.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write watch.html and its figure.")
def watch(metrics: Path, as_json: bool, out: Path | None, **how: Any) -> int:
    """Run the detectors on recorded metrics: METRICS is a CSV or Parquet file, a row an instant.

    \b
    What is treated, and then said in the output:
      empty, NaN, NA, null   unknown, as are infinities: detectors skip them
      true, false            1 and 0
      ; tab or | between     found by the header
      UTF-8 mark, CRLF       read past
      times of several zones all in UTC; other times stay as the file writes them
      epochs in ms, us, ns   told by their size
      gaps                   over 10 median steps: the statistical rules take no
                             change across them; windows, which count scrapes, go on after
      a last line cut short  left out
    \b
    What is refused, with file, line and column:
      a missing column, a cell that is no number (formulas are text), a row of
      another width, a missing or unreadable time, times without a zone among
      times with one, a column without any number, fewer than two instants;
      times that go back (or give --sort), times that repeat (or --average)

    Exit codes: 0 no alarm; 1 an alarm that counts; 2 invalid input; 4 storage.
    """  # noqa: D301  # click's mark for text that keeps its lines
    from simlab.studies.watching import watch_file

    watching = watch_file(metrics, **how)
    from simlab.views.watching import told, write

    show(told(watching), err=as_json)
    if out is not None:
        click.echo(f"report: {write(watching, out, shlex.join(['simlab', *sys.argv[1:]]))}", err=as_json)
    if as_json:
        click.echo(json.dumps(watching.plain(), allow_nan=False))
    return 1 if watching.alarms else 0
