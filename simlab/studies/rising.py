"""What a run's summary takes from its studies, once they were played into its directory: measures at their points, and trade-offs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from simlab.base.arrays import Floats
from simlab.base.errors import SimlabError
from simlab.results import sweeps
from simlab.results.record import Record
from simlab.scenario.scenario import Claim, Scenario


def points_of(run: Path | None, claim: Claim) -> list[Floats] | None:
    """The claim's measure in its arm at each point of the study it is over, `(n,)` each, on the same luck; None before it was played."""
    if run is None or claim.over is None:
        return None
    folder = sweeps.place_of(run, claim.over)
    if not (folder / sweeps.DATA).is_file():
        return None
    cells = (Record.open(folder / row["run"]).cells for row in sweeps.read(folder)["rows"])
    return [at[claim.arm].measures[claim.measure] for at in cells]


def tradeoffs_of(run: Path | None, scenario: Scenario) -> dict[str, Any]:
    """The trade-off of each study with `brains` that was played, by its name."""
    found: dict[str, Any] = {}
    if run is None:
        return found
    for study in scenario.studies:
        folder = sweeps.place_of(run, study.name)
        if study.brains and (folder / sweeps.DATA).is_file():
            with suppress(SimlabError):  # what cannot be read says so in its own section of the report
                found[study.name] = sweeps.read(folder).get("tradeoff")
    return {name: one for name, one in found.items() if one is not None}
