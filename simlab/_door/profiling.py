"""The option `--profile`: where the time of a run went, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlab._door.common import tell

if TYPE_CHECKING:
    from simlab.results.record import Record


@contextmanager
def profiling(wanted: bool) -> Iterator[Counter[str]]:
    """Within the block samples are counted by floor, if that is `wanted`."""
    from simlab.studies.profile import profiled

    if not wanted:
        yield Counter()
        return
    with profiled() as found:
        yield found


def only_here(jobs: int | None, executor: str | None) -> int:
    """The processes of a run with a profile: one, this one. Raises UsageError where others are asked for."""
    if (jobs or 1) > 1 or executor is not None:
        raise click.UsageError("--profile sees this process only: leave out --executor, and --jobs or give --jobs 1")
    return 1


def tell_profile(found: Counter[str], record: Record, began: float) -> None:
    """Print the share of each floor, the largest first, and how fast agents were stepped, of a run that `began` (seconds since 1970)."""
    total, path = sum(found.values()), (record.path or Path()) / "timings.json"
    timings = json.loads(path.read_bytes())
    if path.stat().st_mtime < began - 1 or not total:  # clocks of file systems are coarse
        tell("profile: nothing was played, the run was there; give another --out")
        return
    tell(f"profile of {timings['seconds']:.1f} s, from {total:,} samples of CPU time:")
    for floor, count in found.most_common():
        tell(f"  {floor:14}{100 * count / total:5.1f}%")
    tell(f"  {timings['agent_steps_per_second']:,} agent-steps per second (models x ticks x replications)")
