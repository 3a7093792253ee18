"""The command that holds what was left on the disk against its checksums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door.common import tell
from simlab.base.errors import StorageError

if TYPE_CHECKING:
    from simlab.results.checks import Checked


@click.command(short_help="Is every number of a run still what was written?")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
def verify(runs: tuple[Path, ...]) -> int:
    """Hold the numbers of a run, of the studies in it, or of a sweep against their checksums; nothing is changed. Its report and
    figures, which `run` draws anew from them, are not looked at.

    What is damaged is named on stderr, with what mends it: the command that made the run, given again, plays only what can no longer be
    read. Exit codes: 0 sound; 4 damaged, or neither a run nor a sweep.
    """
    from simlab.results.checks import check

    code = 0
    for run in runs:
        try:
            found = check(run)
        except StorageError as error:
            tell(str(error))
            code = error.exit_code
            continue
        for one in found:
            for line in one.wrong:
                tell(line)
        if any(one.wrong for one in found):
            code = StorageError.exit_code
            tell(f"{run}: {_remedy(found)}")
        else:
            click.echo(f"{run}: {_sound(found)}")
    return code


def _sound(found: list[Checked]) -> str:
    from simlab.views.words import count

    first, *inside = found
    files, size = sum(one.files for one in found), sum(one.size for one in found)
    runs, studies = (sum(one.kind == kind for one in inside) for kind in ("run", "sweep"))
    counted = ((studies, "study", "studies"), (runs, "point", "points"))
    parts = [f"{n:,} {one if n == 1 else many}" for n, one, many in counted if n]
    with_ = f" with {' and '.join(parts)}" if parts else ""
    state = "" if first.finished else ", not finished (the command that began it resumes it)"
    weight = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    held = f"{count(files, 'file')}, {weight}, as the checksums say"
    held += " (the report, its figures and timings have none: the command that made them makes them anew)"
    return f"sound; a {first.kind}{with_}{state}; {held}"


def _remedy(found: list[Checked]) -> str:
    from simlab.results.record import AGAIN

    hopeless = [one for one in found if one.anew]
    if hopeless:
        ways = dict.fromkeys(one.anew for one in hopeless)
        return f"cannot tell what {', '.join(str(one.path) for one in hopeless)} held; {'; '.join(ways)}"
    return f"damaged; {AGAIN}"
