"""Sweep: what a sweep or a study found, with its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from simlab.results import sweeps
from simlab.views.plots import SweepPlot
from simlab.views.points import Points
from simlab.views.turn import verdict

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What a sweep found at its points: numbers, the verdict, and the report.

    `document` is what `simlab sweep --json` prints. A notebook shows the verdict and the main picture.
    """

    document: Mapping[str, Any]
    path: Path | None = None
    command: str | None = None

    @classmethod
    def open(cls, path: str | Path) -> Sweep:
        """The finished sweep in a directory. Raises StorageError where it is not there or damaged."""
        return cls(sweeps.read(path), Path(path))

    @property
    def verdict(self) -> str:
        """Where along the axes an arm is clearly better or worse than the first, in one sentence."""
        return verdict(Points(self.document))

    def to_pandas(self) -> pd.DataFrame:
        """One row for each point and arm; columns: point, the axes, arm, the numbers, and whether the difference is clear of 0."""
        return sweeps.frame(self.document)

    def to_xarray(self) -> xr.Dataset:
        """The numbers, dims (axes..., arm); of a design that is no grid (point, arm), with the axes along point."""
        return sweeps.cube(self.document)

    @property
    def plot(self) -> SweepPlot:
        """`plot()` is the main picture, and its methods are others; each returns a matplotlib Figure."""
        return SweepPlot(self.document)

    def report(self, path: str | Path) -> Path:
        """Write `report.html` and `figures/` into the directory `path`; return the page's path."""
        from simlab.views.sweep_page import write

        return write(self.document, path, self.command)

    def __repr__(self) -> str:
        return f"<Sweep of {self.document['scenario']}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict and the main picture, for a notebook."""
        from simlab.views.ink import on_paper
        from simlab.views.markup import element
        from simlab.views.study import show

        shown = show(self.document)
        said = element("p", element("strong", shown.verdict)).text
        return on_paper(shown.drawn[0], said) if shown.drawn else said
