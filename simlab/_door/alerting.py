"""Commands for those who watch systems with Prometheus: a run as its metrics, live or at once, and what their own alerts are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door.common import opened, show, tell, with_plugins

if TYPE_CHECKING:
    from simlab.results.openmetrics import History
    from simlab.views.results import Results

RUN = click.Path(path_type=Path)


@click.command(short_help="Write a run for Prometheus: samples, rules and a dashboard.")
@click.argument("run", type=RUN, metavar="RUN")
@with_plugins
@click.option("--prometheus", "folder", type=RUN, required=True, metavar="DIR", help="Where the files are written.")
@click.option(
    "--replications",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="The first N of every arm; samples are text, and 20 may make 60 MB.",
)
@click.option("--controls", is_flag=True, help="Every arm under each control, too.")
@click.option(
    "--every-measure", "every", is_flag=True, help="All measures; else what detectors read, harm, errors and events."
)
@click.option("--start", default="2024-01-01T00:00:00Z", show_default=True, metavar="DATE", help="The first instant.")
@click.option(
    "--step", metavar="DURATION", help="Between two recorded instants; by default the run's own, within 1 s and 1 min."
)
@click.option(
    "--runbook",
    default="RUNBOOK.md",
    show_default=True,
    metavar="URL",
    help="Where those who are paged find RUNBOOK.md: `runbook_url` of the alerts.",
)
def export(
    run: Path, folder: Path, replications: int, controls: bool, every: bool, start: str, step: str | None, runbook: str
) -> None:
    """Write a run for Prometheus: samples, alerting and recording rules, their unit test, a dashboard, a runbook.

    RUN is the directory of a finished run. The rules are those of the four horsemen, on what the detectors read; beside each stands
    the alert as it is often printed, what is wrong with it, and the correction for metrics of your own:

    \b
      FeedbackSpiral        rate(model_predictions[5m]) / rate(reality_changes[5m]) > 1.5
                            compares volumes: fires on a healthy busy service
      DangerousCorrelation  model_correlation_matrix > 0.8
                            every model correlates 1 with itself: fires at once, for ever
      RealityDriftingFast   derivative(feature_distribution_distance[10m]) > 0.1
                            no function of PromQL: the whole file is refused
      PredictionCascade     sum(model_dependencies) > 3
                            a size, not a depth: fires on four models that each read one table

    DIR is new, empty, or holds an earlier export. Files are checked with promtool in the tests; none is needed to write them.
    """  # noqa: D301  # click's mark for text that keeps its lines
    from simlab.results.openmetrics import clock_of, epoch
    from simlab.views.prometheus import sections, write

    results = opened(run)
    clock = clock_of(results.record, epoch(start), step)
    found = write(
        results.record,
        results.scenario,
        folder,
        clock,
        replications,
        controls=controls,
        every=every,
        runbook_url=runbook,
    )
    show(sections(found))


@click.command(short_help="Serve a run to a real Prometheus as if it happened now.")
@click.argument("run", type=RUN, metavar="RUN")
@with_plugins
@click.option(
    "--arm", "arms", multiple=True, metavar="ARM", help="This arm; may be given several times. All by default."
)
@click.option("--control", metavar="CONTROL", help="The control under which they were played, if any.")
@click.option("--replication", type=click.IntRange(min=0), default=0, metavar="N", help="Its replication, from 0.")
@click.option(
    "--every", metavar="DURATION", help="How long each recorded instant is served; by default as `export` has it."
)
@click.option(
    "--listen", default="127.0.0.1:9464", show_default=True, metavar="HOST:PORT", help="Where; port 0 is any."
)
@click.option("--every-measure", "whole", is_flag=True, help="All measures, as in `export`.")
def replay(
    run: Path, arms: tuple[str, ...], control: str | None, replication: int, every: str | None, listen: str, whole: bool
) -> int:
    """Serve a run at /metrics as if it happened now, so that a real Prometheus fires its alerts live.

    The clock begins with the first scrape, and the command ends with the run. `simlab export RUN --prometheus DIR` writes a
    prometheus.yml that scrapes it. Scrape as often as instants are served.
    """
    from simlab.base.units import pretty
    from simlab.results.openmetrics import clock_of
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.exporter import Exporter
    from simlab.views.exporter import replay as serve
    from simlab.views.prometheus import wanted

    results = opened(run)
    step = clock_of(results.record, step=every).step
    told = _chosen(results, arms, control, replication)
    only = wanted(results.record, results.scenario, every=whole)
    host, port = _address(listen)
    last = len(told[0].outcome.times) - 1

    def say(at: int, second: float) -> None:
        if at and (at == last or at * 10 // last > (at - 1) * 10 // last):
            tell(f"{pretty(round(second, 3))} of the run, instant {at} of {last}")

    with stop_on_sigterm(), Exporter(host, port) as exporter:
        tell(
            f"http://{host}:{exporter.port}/metrics: {len(told)} of {results.scenario.name}, an instant every {pretty(step)}, "
            f"{pretty(round(step * last, 3))} in all; waits for the first scrape, Ctrl-C ends it"
        )
        try:
            serve(results.record, told, exporter, step, say, only)
        except KeyboardInterrupt:
            tell("ended; the same command begins anew")
            return 130
    return 0


@click.group()
def alerts() -> None:
    """Alerting rules of your own: how they would have done."""


@alerts.command()
@click.argument("rules", type=click.Path(path_type=Path), metavar="RULES")
@click.argument("run", type=RUN, metavar="RUN")
@with_plugins
@click.option(
    "--alert", "only", multiple=True, metavar="ALERT", help="This alert; may be given several times. All by default."
)
@click.option(
    "--replications",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    metavar="N",
    help="The first N of every arm and control; fewer than 30 give no intervals.",
)
@click.option("--step", metavar="DURATION", help="Between two recorded instants, as in `export`.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object on stdout, and nothing else.")
def backtest(rules: Path, run: Path, only: tuple[str, ...], replications: int, step: str | None, as_json: bool) -> int:
    """Precision, recall, lead time and false pages a day of a rule file, over the histories of a run.

    RULES is a file of Prometheus rules on the metrics of `simlab export`; RUN the directory of a finished run that declares harm.
    A real Prometheus evaluates the rules (`for:`, `keep_firing_for:`, recording rules and all), on this machine, on loopback, and is
    gone afterwards: its `prometheus` and `promtool` must be on the PATH. A group without `interval:` is evaluated at every recorded
    instant; labels with templates are taken as they are written. An alert warns when it comes before harm, as in `simlab score`.

    Every metric that a rule reads must be one of the run's or recorded by a rule, and every label matcher must match something: a
    misspelt name would be an alert that never fires. Rules on what the run has not are left out by naming the others with --alert.

    Exit codes: 0 done; 2 a file that is no rule file, a metric or label that the run has not, an expression that fails, no harm
    declared, or no Prometheus; 4 no such run.
    """
    from simlab.results.disk import plain
    from simlab.results.openmetrics import clock_of
    from simlab.studies.backtest import backtest as study
    from simlab.studies.prometheus import tools
    from simlab.studies.runner import stop_on_sigterm
    from simlab.views.backtest import sections

    tools()
    results = opened(run)
    clock = clock_of(results.record, step=step)
    try:
        with stop_on_sigterm():
            found = study(rules, results.record, results.scenario, replications, clock, only)
    except KeyboardInterrupt:
        tell("interrupted; nothing is kept, and the same command begins anew")
        return 130
    if as_json:
        click.echo(json.dumps(plain(found.plain(), lambda _: None), allow_nan=False))
    else:
        show(sections(found, results.scenario, rules.name, results.record.replications))
    return 0


def _chosen(results: Results, arms: tuple[str, ...], control: str | None, replication: int) -> list[History]:
    """The histories that are served. Raises InputError for names that are not in the run."""
    from simlab.base.errors import InputError, did_you_mean
    from simlab.results.openmetrics import histories

    record = results.record
    for kind, names, known in (
        ("arm", arms, record.arms),
        ("control", (control,) if control else (), record.controls),
    ):
        for name in names:
            if name not in known:
                raise InputError(f"unknown {kind} `{name}`; {did_you_mean(name, known)}")
    if replication >= record.replications:
        raise InputError(
            f"--replication {replication}: this run has {record.replications}, 0 to {record.replications - 1}"
        )
    told = [
        one
        for one in histories(record, replication + 1, controls=control is not None)
        if one.replication == replication and one.control == control and (not arms or one.arm in arms)
    ]
    if not told:
        raise InputError("nothing of that was played to its end")
    return told


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise click.BadParameter(f"`{listen}`; write e.g. 127.0.0.1:9464", param_hint="--listen")
    return host, int(port)
