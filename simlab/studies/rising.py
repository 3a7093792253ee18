"""What claims over a study are judged by: the measure at each point of it, once it was played into the run's directory."""

from __future__ import annotations

from pathlib import Path

from simlab.base.arrays import Floats
from simlab.results import sweeps
from simlab.results.record import Record
from simlab.scenario.scenario import Claim


def points_of(run: Path | None, claim: Claim) -> list[Floats] | None:
    """The claim's measure in its arm at each point of the study it is over, `(n,)` each, on the same luck; None before it was played."""
    if run is None or claim.over is None:
        return None
    folder = sweeps.place_of(run, claim.over)
    if not (folder / sweeps.DATA).is_file():
        return None
    cells = (Record.open(folder / row["run"]).cells for row in sweeps.read(folder)["rows"])
    return [at[claim.arm].measures[claim.measure] for at in cells]
