"""The door: the command line. Thin; everything but click is imported inside the command that needs it."""

from __future__ import annotations

if __name__ == "__main__":  # before what takes time is imported
    from simlab._door import entry

    entry.main()  # which exits

import errno
import io
import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

from simlab import __version__
from simlab._door import completing, profiling, stopping
from simlab._door.common import (
    JOBS,
    announce,
    called,
    command_of,
    load_all,
    playable,
    plugins,
    progress_of,
    show,
    tell,
    tell_plan,
    with_executor,
    with_overrides,
    with_plugins,
)
from simlab.base.errors import SimlabError, did_you_mean

if TYPE_CHECKING:
    from simlab.scenario.scenario import Scenario
    from simlab.studies.executors import Workers
    from simlab.studies.shards import Shard
    from simlab.studies.trace import Step


ROOMS = {
    "alerts": "alerting",
    "audit": "auditing",
    "cite": "citing",
    "compare": "comparing",
    "completion": "completing",
    "drill": "drilling",
    "export": "alerting",
    "merge": "merging",
    "new": "creating",
    "readiness": "judging",
    "replay": "alerting",
    "score": "judging",
    "study": "studying",
    "sweep": "studying",
    "verify": "verifying",
    "watch": "watching",
}  # commands that live in the door's rooms


@final
class Group(click.Group):
    """A group that suggests the nearest command, and opens the room of a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands."""
        return sorted({*self.commands, *ROOMS})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name in ROOMS:
            return getattr(import_module(f"simlab._door.{ROOMS[name]}"), name)  # type: ignore[no-any-return]
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was meant; raises UsageError with the nearest one."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(
                f"unknown command `{args[0]}`; {did_you_mean(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="simlab", message="%(prog)s %(version)s")
def cli() -> None:
    """A simulation lab for models that change the world they learn from.

    A SCENARIO is the path of a YAML file, or the name of one that is shipped (`simlab list`).
    """


@cli.command(short_help="Play scenarios, or go on with them, and write their reports.")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...", shell_complete=completing.scenarios)
@with_overrides
@click.option("--replications", type=int, metavar="N", help="Replications of every arm.")
@click.option("--seed", type=int, metavar="N", help="What every random number depends on.")
@click.option(
    "--jobs", type=click.IntRange(1, JOBS), metavar="N", help="Processes; by default one a CPU. Never changes a bit."
)
@with_executor
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory; with several scenarios, one in it each.",
)
@click.option("as_json", "--json", is_flag=True, help="One JSON object a scenario on stdout, all else on stderr.")
@click.option("--quiet", is_flag=True, help="No progress and no words; the exit code and the files tell.")
@click.option(
    "--shard", metavar="I/N", help="Play the I-th of N shares of the replications only; `merge` puts them together."
)
@click.option("--dry-run", is_flag=True, help="Say what it would take: time, memory, disk. Nothing is written.")
@click.option("--until", metavar="WHAT<=WIDTH", help="Go on until an interval is narrow: 'harm<=0.02', half its width.")
@click.option("--profile", is_flag=True, help="Say where the time went: world, brains, noise, ... One process.")
def run(
    scenarios: tuple[str, ...],
    settings: tuple[str, ...],
    replications: int | None,
    seed: int | None,
    jobs: int | None,
    executor: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    shard: str | None,
    dry_run: bool,
    until: str | None,
    profile: bool,
) -> int:
    """Play scenarios and write their reports; the same command resumes what was interrupted.

    Exit codes: 0 done; 1 a claim is contradicted, or a control does not take away what it should; 2 invalid input; 3 replications
    failed or diverged; 4 storage; 5 a plugin.
    """
    from simlab.studies.executors import workers
    from simlab.studies.runner import stop_on_sigterm
    from simlab.studies.shards import Shard

    settings += () if until is None else (f"run.until={until}",)
    worst = 0
    share = Shard.parse(shard) if shard is not None else None
    jobs = profiling.only_here(jobs, executor) if profile else jobs
    found = load_all(scenarios, settings, replications, seed)
    if dry_run:
        return _tell_plans(found, jobs, as_json)
    with stop_on_sigterm(), workers(executor, jobs) as crew:
        for scenario in found:
            place = out / scenario.name if out is not None and len(scenarios) > 1 else out
            try:
                command = command_of(scenario, settings)
                if share is not None:
                    worst = max(worst, _play_shard(scenario, share, crew, place, as_json, quiet, command))
                else:
                    worst = max(worst, _play(scenario, crew, place, as_json, quiet, command, profile=profile))
            except SimlabError as error:
                tell(f"{scenario.name}: {error}" if len(scenarios) > 1 else str(error))
                worst = max(worst, error.exit_code)
    return worst


@cli.command("list")
def list_() -> None:
    """The shipped scenarios."""
    import shutil
    import textwrap

    from simlab.scenario.shipped import shipped, title_in

    paths = shipped()
    width = max((len(name) for name in paths), default=0)
    room = max(shutil.get_terminal_size().columns - width - 2, 30) if sys.stdout and sys.stdout.isatty() else 1000
    for name, path in paths.items():
        title = title_in(path)
        if title is None:
            from simlab.scenario.load import title as read  # what reads whole files takes long to import

            title = read(path)
        for i, line in enumerate(textwrap.wrap(title, room)):
            click.echo(f"{'' if i else name:{width}}  {line}")


@cli.command(short_help="What a scenario is, what to notice and try; its parameters.")
@click.argument("scenario", shell_complete=completing.scenarios)
@with_overrides
def describe(scenario: str, settings: tuple[str, ...]) -> None:
    """What a scenario is, how it works, what to notice and what to try; then its record, parameters, arms, controls and claims."""
    from simlab.scenario import describe, guide

    (found,) = load_all((scenario,), settings)
    name, more = called(found, settings)
    show([*guide.sections(found, [name], more), *describe.sections(found)])


@cli.command(short_help="Everything that is wrong with a scenario; nothing is run.")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...", shell_complete=completing.scenarios)
@with_overrides
def validate(scenarios: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Read scenarios and say everything that is wrong with them; nothing is run."""
    read = load_all(scenarios, settings)
    playable(read)
    for found in read:
        counts = (("arm", found.arms), ("control", found.controls), ("claim", found.claims))
        told = ", ".join(f"{len(things)} {what}{'' if len(things) == 1 else 's'}" for what, things in counts)
        click.echo(f"{found.name}: valid; {told}")


@cli.command(short_help="Write one page over all runs and sweeps in a folder.")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR]...")
@with_plugins
def index(folders: tuple[Path, ...]) -> None:
    """Write one page over all runs and sweeps in DIR, by default results/; `run`, `study` and `sweep` do so by themselves there.

    Of several DIRs the page is written into the first, and also shows what is in the others, such as what `--out` made; it
    remembers them.
    """
    from simlab.scenario.plugin import registry_of
    from simlab.views.index import write

    folder, *also = folders or (Path("results"),)
    click.echo(f"index: {write(folder, registry_of(plugins()), also)}")


@cli.command()
@with_plugins
def schema() -> None:
    """The JSON Schema of scenarios, for completion in an editor."""
    import json

    from simlab.scenario.plugin import registry_of
    from simlab.scenario.schema import schema

    click.echo(json.dumps(schema(registry_of(plugins())), indent=2))


@cli.command(short_help="One replication, tick by tick.")
@click.argument("scenario", shell_complete=completing.scenarios)
@click.option("--arm", required=True, metavar="ARM", help="The arm.", shell_complete=completing.arms)
@click.option("--replication", type=click.IntRange(min=0), required=True, metavar="N", help="Its replication, from 0.")
@click.option(
    "--control",
    metavar="CONTROL",
    help="The control under which it is played, if any.",
    shell_complete=completing.controls,
)
@click.option("--ticks", metavar="FIRST:LAST", help="Which ticks to show, e.g. 100:120; all by default.")
@click.option("--seed", type=int, metavar="N", help="As in `run`.")
@click.option("--replications", type=int, metavar="N", help="As in `run`.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object a stage.")
@with_overrides
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
) -> int:
    """One replication, tick by tick: observe, predict, act, react, learn. The same bits as in the run."""
    from simlab.studies.trace import line
    from simlab.studies.trace import trace as play_again

    first, last = _ticks(ticks)
    found = load_all((scenario,), settings, replications, seed)[0]

    begins, ends, shown = None, 0, False

    def see(step: Step) -> None:
        nonlocal begins, ends, shown
        begins, ends = step.tick if begins is None else begins, step.tick
        if first <= step.tick <= last:
            shown = True
            click.echo(line(step, as_json))

    try:
        played = play_again(found, arm, replication, see, control)
    except KeyboardInterrupt:
        tell("interrupted; the same command begins anew")
        return stopping.CODE
    if not shown:
        raise click.BadParameter(f"`{ticks}`; ticks are {begins} to {ends}", param_hint="--ticks")
    for why in played.failed.values():
        tell(why)
    return 3 if played.failed else 0


def _play(
    scenario: Scenario, crew: Workers, out: Path | None, as_json: bool, quiet: bool, command: str, *, profile: bool
) -> int:
    """Run one scenario, write its report, print what was found; returns the exit code."""
    from simlab.studies.run import run

    for study, why in () if quiet else scenario.unplayable.items():
        tell(f"the study `{study}` cannot be played with these values: {why[0].path}: {why[0].message}")
    began = time.time()
    with profiling.profiling(profile) as samples:
        with progress_of(scenario.name, quiet) as progress:
            record = run(scenario, executor=crew, out=out, progress=progress)
        code = announce(record, scenario, command, as_json=as_json, quiet=quiet, indexed=out is None)
    if profile:
        profiling.tell_profile(samples, record, began)
    return code


def _tell_plans(scenarios: list[Scenario], jobs: int | None, as_json: bool) -> int:
    """Print what runs would take; returns 2 when one would be refused for its memory."""
    from simlab.studies.plan import plan
    from simlab.studies.workers import available_cpus

    return max(
        tell_plan(scenario, plan(scenario, jobs or available_cpus(), timed=True), as_json) for scenario in scenarios
    )


def _play_shard(
    scenario: Scenario, shard: Shard, crew: Workers, out: Path | None, as_json: bool, quiet: bool, command: str
) -> int:
    """Play one shard, print where it is; returns the exit code."""
    import json
    import shlex

    from simlab.studies.shards import play_shard

    with progress_of(f"{scenario.name} {shard.number}/{shard.of}", quiet) as progress:
        played = play_shard(scenario, shard, command=command, executor=crew, out=out, progress=progress)
    if not quiet:
        run = shlex.quote(str(played.path.parent.parent))
        lost = f", of which {played.lost} failed" if played.lost else ""
        click.echo(
            f"shard {shard.number} of {shard.of}: {len(played.share)} replications of every cell{lost}", err=as_json
        )
        click.echo(f"when all shards are there: simlab merge {run}", err=as_json)
    if as_json:
        told = {
            "shard": str(played.path),
            "first": played.share.start,
            "stop": played.share.stop,
            "failed": played.lost,
        }
        click.echo(json.dumps(told))
    return 3 if played.lost else 0


def _ticks(text: str | None) -> tuple[int, float]:
    """The first and last tick to show."""
    if text is None:
        return 0, float("inf")
    first, colon, last = text.partition(":")
    try:
        return int(first or 0), (int(last) if last else float("inf")) if colon else int(first)
    except ValueError:
        raise click.BadParameter(f"`{text}`; write e.g. `100:120`", param_hint="--ticks") from None


def main() -> None:
    """Run a command and exit with its code; a refusal is a message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    stdout = sys.stdout
    try:
        stopping.watch()
        code = cli.main(prog_name="simlab", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except SimlabError as error:
        tell(str(error))
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        tell(stopping.SAYS)
        code = stopping.CODE
    except BrokenPipeError:  # `| head`: nobody reads any more
        _let_go_of_stdout()
        code = 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        _let_go_of_stdout()
        with suppress(OSError):
            tell(f"cannot write what was found: {error.strerror}")
        code = 4
    except SystemExit as ended:
        code = ended.code
        if sys.stdout is not stdout:  # what click makes of a broken pipe
            code = 0
        elif code == 128 + signal.SIGTERM:  # as a service manager sends it; completion in a shell also ends so, with 0
            tell("stopped; give the same command again")
    sys.exit(code)


def _let_go_of_stdout() -> None:
    """So that the interpreter does not try to write at its end what nobody takes."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
