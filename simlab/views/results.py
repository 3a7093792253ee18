"""Results: a record with its scenario, and the pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from simlab.results.record import Record
from simlab.scenario.scenario import Scenario
from simlab.views.plots import Plot
from simlab.views.verdict import claim_verdict, verdict

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@final
@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What a run found: labelled data, the verdict, and the report.

    A notebook shows the verdict, the main figure and a small table.
    """

    record: Record
    scenario: Scenario
    command: str | None = None

    @property
    def path(self) -> Path | None:
        """The run directory, or None when the run is held in memory."""
        return self.record.path

    @property
    def summary(self) -> Mapping[str, Any]:
        """The object that `simlab run --json` prints."""
        return self.record.summary

    @property
    def verdict(self) -> str:
        """What the run found, in one sentence."""
        return verdict(self.record.summary, self.scenario)

    @property
    def measures(self) -> xr.Dataset:
        """Final values, dims (arm, replication)."""
        return self.record.measures

    @property
    def series(self) -> xr.Dataset:
        """Values over time, dims (arm, time, replication)."""
        return self.record.series

    @property
    def events(self) -> pd.DataFrame:
        """What happened when, a row an event."""
        return self.record.events

    @property
    def claims(self) -> pd.DataFrame:
        """The scenario's claims with what was found, a row a claim; `outcome` is how it turned out, as a report says it.

        That is "holds", "contradicted", "undecided", or "refuted, as expected", where `verdict` leaves open what was expected.
        """
        found = self.record.claims
        if len(found):
            found["outcome"] = [claim_verdict(row) for row in self.record.summary["claims"]]
        return found

    def to_pandas(self) -> pd.DataFrame:
        """One row per arm and replication: columns arm, replication and the measures."""
        return self.record.to_pandas()

    def to_xarray(self, control: str | None = None) -> xr.Dataset:
        """One labelled dataset, dims arm, replication and time (s): of the plain arms, or of a control.

        `ds["drawdown"]` `(arm, replication)` is a final value and `ds["drawdown_over_time"]` `(arm, time, replication)` its series;
        `harmed`, `diverged` (s, NaN for never) and `failed` say how replications ended. Raises InputError for an unknown control.
        """
        from simlab.results.export import dataset

        record = self.record if control is None else self.record.control(control)
        return dataset(record, {arm.name: arm.title for arm in self.scenario.arms})

    def to_parquet(self, folder: str | Path) -> list[Path]:
        """Write `measures.parquet`, `series.parquet` and `events.parquet` into `folder` (see `simlab.results.export`)."""
        from simlab.results.export import to_parquet

        return to_parquet(self.record, folder)

    @property
    def plot(self) -> Plot:
        """`plot()` is the main figure, and its methods are others (see `Plot`); each returns a matplotlib Figure."""
        return Plot(self.record, self.scenario)

    def report(self, path: str | Path) -> Path:
        """Write `report.html` and `figures/` into the directory `path`; return the page's path."""
        from simlab.views.report import write

        return write(self.record, self.scenario, path, self.command)

    def __repr__(self) -> str:
        return f"<Results of {self.scenario.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict, the main figure and the headline's numbers, for a notebook."""
        from simlab.views.snippet import snippet

        return snippet(self.record, self.scenario)
