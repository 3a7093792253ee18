"""The command that holds a drill."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door.common import show, tell
from simlab.base.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from simlab.workshop.drill import Drill

MOST = 64_000  # bytes of a script


@click.command(short_help="Hold the 3 AM drill: you are paged, and the clock runs.")
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Decides symptom, cause and luck; by default any."
)
@click.option(
    "--script", metavar="FILE", help="Play verbs from a file, one a line (`-` for stdin), in the place of a player."
)
@click.option(
    "--gm",
    is_flag=True,
    help="For the facilitator: first the cause, and what each action is worth. Players give the same seed in a terminal of their own.",
)
@click.option("--symptom", metavar="KEY", help="predictions, together, costs or users, whatever the seed.")
@click.option(
    "--think",
    type=click.FloatRange(min=0),
    default=1.0,
    metavar="FACTOR",
    help="Looks for every 15 s that you think, 1 by default; 0 stops the clock.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the debrief is written; by default results/drills/. A debrief that is there is kept, and this one goes beside it.",
)
@click.option(
    "--actions",
    is_flag=True,
    help="No drill: score the playbook's lines, all twelve or those of --symptom, on every cause. Takes minutes.",
)
def drill(
    seed: int | None, script: str | None, gm: bool, symptom: str | None, think: float, out: Path | None, actions: bool
) -> int:
    """Hold the 3 AM drill: a system of models goes wrong, the clock runs, and what you do about it is scored.

    One of four symptoms, with a hidden cause. Every verb costs simulated seconds, and so does thinking; `help` lists them. The same
    seed and lines give the same night. Afterwards a page says what it was, what you saved, and what would have
    happened had you killed at t.
    """
    from simlab.workshop.drill import Drill, played

    if not math.isfinite(think):
        raise click.BadParameter(f"{think} is not a finite number.", param_hint="'--think'")
    if actions:
        for given, name in ((script is not None, "--script"), (gm, "--gm"), (out is not None, "--out")):
            if given:
                raise click.UsageError(f"--actions holds no drill, so {name} says nothing; leave it out")
        return _actions(3 if seed is None else seed, symptom)
    if seed is None:
        seed = time.time_ns() // 1_000_000 % 10_000
    if script is not None:
        done = played(_read(script), seed, symptom, "stdin" if script == "-" else script)
        _open(done, gm)
        for entry in done.log:
            click.echo(f"> {entry.line}\n{entry.seen}")
        if done.left:
            tell("\n  ".join(["not played, since the drill was over:", *done.left]))
        return _debrief(done, out)
    holding = Drill(seed, symptom, think=think)
    try:
        _open(holding, gm)
        _hold(holding)
    except (KeyboardInterrupt, click.Abort):
        tell("\ninterrupted; nothing was written. " + _again(holding, out))
        return 130
    return _debrief(holding, out)


def _open(drill: Drill, gm: bool) -> None:
    click.echo(f"{drill.page}\n")
    if gm:
        for line in _behind(drill):
            click.echo(f"GM: {line}")
        click.echo("")


def _behind(drill: Drill) -> Iterator[str]:
    """What the facilitator sees: the cause, the timeline, and what each single action is worth."""
    from simlab.views.words import number
    from simlab.workshop.drill import clock, span
    from simlab.workshop.verdict import saved, share

    night, staging, cause = drill.night, drill.staging, drill.cause
    yield "not for players; they give the same command without --gm, in a terminal of their own"
    yield f"cause: {cause.title} (`{cause.name}`)"
    yield f"it can be told: {cause.clue}"
    yield f"timeline: {span(staging.paged)} before the page the trouble begins"
    for shock in cause.shocks:
        if shock.duration < staging.horizon:
            over = shock.duration - staging.paged
            yield f"          {f'{clock(over)} it' if over > 0 else 'before the page it'} is over, and what it set off is not"
    every = night.trial.schedule.every
    if every:
        first = every - night.paged % every
        yield f"          {clock(first)} the next retraining, and one every {span(every)}"
    yield f"          {clock(staging.horizon - night.paged)} the night is over"
    yield f"harm ({staging.unit}) of each action at its earliest: mean of {night.nights} nights, this night"
    nothing = float(night.harm().mean())
    for name, harm in sorted(night.table.items(), key=lambda item: float(item[1].mean())):
        deed = next(iter(night.options[name]), None)
        when, spared = clock(deed.at - night.paged) if deed else "", saved(float(harm.mean()), nothing)
        worth = f"spares {share(spared)}" if spared > 0 else f"adds {share(-spared)}" if spared < 0 else ""
        yield f"  {name:20} {when:>10} {number(float(harm.mean())):>10} {number(float(harm[0])):>10}  {worth}"


def _hold(drill: Drill) -> None:
    """Ask for lines until the drill is over; while nobody writes the night goes on."""
    from simlab.workshop.debrief import ahead

    typed = sys.stdin.isatty()
    if typed:  # while the player reads and thinks, the debrief is worked out
        threading.Thread(target=ahead, args=(drill,), daemon=True).start()
    while not drill.over:
        try:
            line = input(f"{drill.clock}> ")
        except EOFError:
            click.echo("")
            tell("the input ends here, which is taken for `done`")
            click.echo(drill.done())
            return
        if not typed:
            click.echo(line)  # a terminal has shown it already
        try:
            said = drill.do(line) if line.strip() else drill.idle()
        except InputError as error:
            tell(str(error))
            continue
        if said:
            click.echo(said)


def _debrief(drill: Drill, out: Path | None) -> int:
    from simlab.workshop.debrief import write_debrief
    from simlab.workshop.verdict import verdict

    try:
        tell("working out what else could have been done")
        click.echo(f"\n{verdict(drill, drill.score())}\n")
        page = write_debrief(drill, out)
    except KeyboardInterrupt:
        tell("\ninterrupted; nothing was written. " + _again(drill, out))
        return 130
    click.echo(f"debrief: {page}")
    return 0


def _again(drill: Drill, out: Path | None) -> str:
    """The command that plays the same lines again."""
    import shlex

    more = ["--symptom", drill.symptom] if drill.symptom else []
    more += ["--out", str(out)] if out is not None else []
    lines = shlex.join([entry.line for entry in drill.log] or ["done"])
    command = shlex.join(["simlab", "drill", "--seed", str(drill.seed), *more, "--script", "-"])
    return f"This has the debrief of what was done so far:\n  printf '%s\\n' {lines} | {command}"


def _read(script: str) -> str:
    """The text of a script. Raises InputError where there is none, or too much."""
    try:
        if script == "-":
            raw = sys.stdin.buffer.read(MOST + 1)
        else:
            with Path(script).open("rb") as file:
                raw = file.read(MOST + 1)
        if len(raw) > MOST:
            raise InputError(f"`{script:.200}` is larger than {MOST:,} bytes; a script is a verb a line")
        return raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise InputError(f"cannot read `{script:.200}`: {why}") from None


def _actions(seed: int, symptom: str | None) -> int:
    from simlab.workshop.actions import STUDY, sections, study
    from simlab.workshop.symptoms import SYMPTOMS

    keys = {one.key: one for one in SYMPTOMS}
    if symptom is not None and symptom not in keys:
        raise InputError(f"unknown symptom `{symptom:.60}`; {did_you_mean(symptom, keys)}")
    rows = study(STUDY, seed, SYMPTOMS if symptom is None else [keys[symptom]], progress=tell)
    show(sections(rows, STUDY))
    return 0
