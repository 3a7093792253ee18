"""The command that holds a drill."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door.common import show, tell
from simlab.base.errors import InputError

if TYPE_CHECKING:
    from simlab.workshop.drill import Drill

LOOK = 15.0  # wall-clock seconds of thinking in which the night goes on by a look
HELP = """\
  look                    dashboards                        {look}
  yesterday               against before: who moved first   {yesterday}
  graph                   who shares what, who is wrong     {graph}
  kill [MODELS]           the plain rule takes over         {kill}
  isolate [MODELS]        learn no more from others         {isolate}
  route-rules [MODELS]    four fifths to the plain rule     {route-rules}
  constrain [MODELS]      a bound on what they do           {constrain}
  human [MODELS]          people look at what is unusual    {human}
  restore                 take back what is on              {look}
  wait SECONDS, note TEXT, done                             (models: 0 2-3; none for all)"""


@click.command(short_help="Hold the 3 AM drill: you are paged, and the clock runs.")
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Decides symptom, cause and luck; by default any."
)
@click.option(
    "--script", metavar="FILE", help="Play verbs from a file, one a line (`-` for stdin), in the place of a player."
)
@click.option(
    "--gm", is_flag=True, help="For the facilitator: show the cause and what each action is worth before it begins."
)
@click.option("--symptom", metavar="KEY", help="predictions, together, costs or users, whatever the seed.")
@click.option(
    "--think",
    type=click.FloatRange(min=0),
    default=1.0,
    metavar="FACTOR",
    help="How fast the night runs while you think; 0 stops it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the debrief is written; by default results/drills/.",
)
@click.option(
    "--actions", is_flag=True, help="No drill: score the playbook's twelve lines on every cause. Takes some minutes."
)
def drill(
    seed: int | None, script: str | None, gm: bool, symptom: str | None, think: float, out: Path | None, actions: bool
) -> int:
    """Hold the 3 AM drill: a system of models goes wrong, the clock runs, and what you do about it is scored.

    One of four symptoms, with a hidden cause. Every verb costs simulated seconds, and so does thinking: a look for every 15 s. The same
    seed and lines give the same night. Afterwards a page says what it was, what you saved, and what would have
    happened had you killed at t.
    """
    from simlab.workshop.drill import Drill, played

    if actions:
        return _actions(3 if seed is None else seed)
    if seed is None:
        seed = time.time_ns() // 1_000_000 % 10_000
    if script is not None:
        done = played(_read(script), seed, symptom, "stdin" if script == "-" else script)
        _open(done, gm)
        for entry in done.log:
            click.echo(f"> {entry.line}\n{entry.seen}")
        return _debrief(done, out)
    holding = Drill(seed, symptom)
    try:
        _open(holding, gm)
        _hold(holding, think)
    except EOFError:
        holding.do("done")
    except (KeyboardInterrupt, click.Abort):
        tell("\ninterrupted; nothing was written. The debrief of what was done so far:")
        tell(_again(holding))
        return 130
    return _debrief(holding, out)


def _open(drill: Drill, gm: bool) -> None:
    from simlab.workshop.symptoms import LOOKS

    staging = drill.staging
    click.echo(f"03:00  {staging.symptom.upper()}   (seed {drill.seed})\n{staging.page}\n")
    click.echo(HELP.format(**{verb: f"{staging.takes(verb):g} s" for verb in LOOKS}))
    click.echo(f"The night ends {staging.horizon - drill.night.paged:g} s after the page.\n")
    if gm:
        for line in _behind(drill):
            click.echo(f"GM: {line}")
        click.echo("")


def _behind(drill: Drill) -> Iterator[str]:
    """What the facilitator sees: the cause, the timeline, and what each single action is worth on this night."""
    from simlab.workshop.drill import clock

    night, staging, cause = drill.night, drill.staging, drill.cause
    yield f"{cause.name}: {cause.title}"
    yield f"it can be told: {cause.clue}"
    yield f"timeline: {staging.paged:g} s before the page the trouble begins"
    for shock in cause.shocks:
        if shock.duration < staging.horizon:
            yield f"          {clock(max(shock.duration - staging.paged, 0))} at the latest what set it off is over"
    every = night.trial.schedule.every
    if every:
        first = every - night.paged % every
        yield f"          {clock(first)} the next retraining, and one every {every:g} s"
    deeds = {name: option for name, option in night.options.items() if option}
    yield "harm from the page to the end, on this night, for each action at its earliest:"
    yield f"          {night.table['nothing'][0]:12.5g}  nothing"
    for name, (deed,) in sorted(deeds.items(), key=lambda item: float(night.table[item[0]][0])):
        yield f"          {night.table[name][0]:12.5g}  {clock(deed.at - night.paged)} {name}"
    yield f"          {clock(staging.horizon - night.paged)} the night is over"


def _hold(drill: Drill, think: float) -> None:
    """Ask for lines until the drill is over; while nobody writes the night goes on."""
    from simlab.workshop.drill import clock

    while not drill.over:
        began = time.monotonic()
        line = input(f"{clock(drill.now - drill.night.paged)}> ")
        looks = int((time.monotonic() - began) * think / LOOK)
        if looks:
            drill.wait(looks * drill.staging.look)
        if not line.strip() or drill.over:
            continue
        try:
            click.echo(drill.do(line))
        except InputError as error:
            tell(str(error))


def _debrief(drill: Drill, out: Path | None) -> int:
    from simlab.workshop.debrief import verdict, write

    folder = out if out is not None else Path("results", "drills", f"{drill.staging.key}-{drill.seed}")
    tell("working out what else could have been done")
    try:
        page = write(drill, folder)
    except KeyboardInterrupt:
        tell("interrupted; nothing was written. The debrief:")
        tell(_again(drill))
        return 130
    click.echo(f"\n{verdict(drill, drill.score())}\ndebrief: {page}")
    return 0


def _again(drill: Drill) -> str:
    """The command that plays the same lines again."""
    import shlex

    symptom = f" --symptom {drill.symptom}" if drill.symptom else ""
    lines = " ".join(shlex.quote(entry.line) for entry in drill.log)
    return f"  printf '%s\\n' {lines or 'done'} | simlab drill --seed {drill.seed}{symptom} --script -"


def _read(script: str) -> str:
    """The text of a script. Raises InputError where there is none."""
    try:
        return sys.stdin.read() if script == "-" else Path(script).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise InputError(f"cannot read `{script:.200}`: {why}") from None


def _actions(seed: int) -> int:
    from simlab.workshop.actions import STUDY, sections, study

    rows = study(STUDY, seed, progress=tell)
    show(sections(rows, STUDY))
    return 0
