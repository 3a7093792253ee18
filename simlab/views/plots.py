"""The report's pictures, one by one: `results.plot()`, `results.plot.fan("drawdown")`, `sweep.plot.phase()`.

Every method returns a matplotlib Figure, in the house's style whatever the user's own settings are. A notebook shows it as it stands in the
report; elsewhere `figure.savefig("fan.svg")` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from simlab.base.errors import InputError, nearest
from simlab.results import sweeps
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Scenario
from simlab.views.points import Points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True, eq=False, repr=False)
class Plot:
    """The pictures of a run. A measure or an arm that there is not is refused with the call that was probably meant."""

    record: Record
    scenario: Scenario

    def __call__(self) -> Figure:
        """The main figure: the arms over time in the headline measure, and the headline with its intervals."""
        return self.fan()

    def fan(self, measure: str | None = None, *, arms: str | Iterable[str] | None = None) -> Figure:
        """The arms over time: median, the middle 50% and 90% of replications, and the first few of them singly.

        Beside them stands what the verdict speaks of, or, of another `measure`, its mean at the end with a 95% interval. Raises
        InputError for an unknown measure or arm.
        """
        from simlab.views import pictures

        chosen = self._arms("fan", arms)
        name = None if measure is None else self._measure("fan", measure)
        given = pictures.main(self.record, self.scenario, name, chosen)
        return _drawn(given.figure, lambda: pictures.main_alt(given))

    def distribution(self, measure: str | None = None, *, arms: str | Iterable[str] | None = None) -> Figure:
        """P(measure > x) over the replications of each arm, at the end; by default of the headline measure."""
        from simlab.views import pictures

        chosen = self._arms("distribution", arms)
        name = self._measure("distribution", measure or self.scenario.headline)
        found = pictures.spread(self.record, self.scenario, name, chosen)
        return _drawn(found.figure, lambda: found.alt)

    def difference(self, measure: str | None = None) -> Figure:
        """Every other arm minus the first, paired by replication, with 95% intervals: in what the verdict speaks of, or in a mean.

        Filled marks are clear of 0 for all arms together. For other pairs of arms see `simlab.compare`.
        """
        from simlab.views import pictures
        from simlab.views.verdict import headline

        if len(self.scenario.arms) < 2:
            raise InputError("one arm only: there is nothing to subtract it from")
        top = headline(self.scenario)
        name = self._measure("difference", measure) if measure else None if top.share else top.measure
        found = pictures.apart(self.record, self.scenario, name)
        return _drawn(found.figure, lambda: found.alt)

    def correlation(self, arm: str | None = None) -> Figure:
        """How alike the models of an arm answered: correlations over time between predictions, mean over replications.

        By default of the last arm. Raises InputError where that is unknown, e.g. with a single model.
        """
        from simlab.views import matrix

        one = self._arm("correlation", arm)
        models = one.trial.topology.models
        found = matrix.over_replications(self.record.cells[one.name].alike)
        ends = matrix.ends(found, models) if models > 1 and found.size else None
        if ends is None:
            why = "it has one model" if models == 1 else "no two of its models were seen to answer"
            raise InputError(f"how alike the models of arm `{one.name}` answer is unknown: {why}")
        alt = f"Correlations between the models of {one.title}: from {ends[0]:.2f} to {ends[1]:.2f}."
        return _drawn(lambda: matrix.matrix(found, models), lambda: alt)

    def wiring(self, arm: str | None = None) -> Figure:
        """Which data pools teach which brains, and which brains and views serve which models, in an arm; by default the last."""
        from simlab.views import wiring

        one = self._arm("wiring", arm)
        topology, spec = one.trial.topology, one.trial.world.spec
        said = f"Wiring of {one.title}. {wiring.in_words(topology, spec)}"
        return _drawn(lambda: wiring.wiring(topology, spec), lambda: said)

    def timeline(self) -> Figure:
        """When things first happened in each replication: shocks, alarms, hands, harm. Raises InputError where nothing did."""
        from simlab.views import pictures

        found, _ = pictures.when(self.record, self.scenario)
        if found is None:
            raise InputError("nothing happened in this run: no shock, no alarm, no hand and no harm")
        return _drawn(found.figure, lambda: found.alt)

    def phase(self, study: str | None = None) -> Figure:
        """The phase diagram of a study with two axes that this run keeps; by default the first such study.

        Raises InputError where there is none: `simlab.sweep(scenario, ...).plot.phase()` draws one that was played by itself.
        """
        kept = {name: sweeps.read(path) for name, path in sweeps.of_run(self.record.path).items()}
        fits = [name for name, document in kept.items() if _why_no_phase(Points(document)) is None]
        if study is None and fits:
            study = fits[0]
        if study not in fits:
            call = "simlab.sweep(scenario, {path: values, path: values}).plot.phase()"
            what = "no study with two axes" if study is None else f"no study `{study}` with two axes"
            hint = (
                f"call `results.plot.phase({nearest(study or '', fits) or fits[0]!r})`"
                if fits
                else f"play one: `{call}`"
            )
            raise InputError(f"this run keeps {what}; {hint}")
        return SweepPlot(kept[study]).phase()

    def _measure(self, method: str, name: str) -> str:
        from simlab.views import pictures

        known = [*pictures.measures(self.scenario, self.record), *self.scenario.arms[0].trial.readings]
        return _known(name, known, "measure", f"results.plot.{method}({{}})")

    def _arm(self, method: str, name: str | None) -> Arm:
        arms = {arm.name: arm for arm in self.scenario.arms}
        if name is None:
            return self.scenario.arms[-1]
        return arms[_known(name, arms, "arm", f"results.plot.{method}({{}})")]

    def _arms(self, method: str, names: str | Iterable[str] | None) -> list[Arm] | None:
        if names is None:
            return None
        arms = {arm.name: arm for arm in self.scenario.arms}
        given = [names] if isinstance(names, str) else list(names)
        return [arms[_known(name, arms, "arm", f"results.plot.{method}(arms=[{{}}])")] for name in given]


@final
@dataclass(frozen=True, eq=False, repr=False)
class SweepPlot:
    """The pictures of a sweep or a study, from its `document`."""

    document: Mapping[str, Any]

    def __call__(self) -> Figure:
        """The main picture: curves along one axis, a phase diagram over two, scattered points over more."""
        from simlab.views.study import figure, in_words

        points = Points(self.document)
        if not points.axes:
            raise InputError("nothing varies in this study, so there is nothing to plot along; see `to_pandas`")
        return _drawn(lambda: figure(points), lambda: in_words(points))

    def phase(self) -> Figure:
        """Each arm over two axes, and below it its difference to the first: coloured where it is clear of 0, "?" where not.

        Raises InputError for another number of axes.
        """
        from simlab.views.phase import phase
        from simlab.views.study import in_words

        points = Points(self.document)
        why = _why_no_phase(points)
        if why:
            raise InputError(f"a phase diagram has a grid over two axes, and this study {why}; `sweep.plot()` draws it")
        return _drawn(lambda: phase(points), lambda: in_words(points))


def _why_no_phase(points: Points) -> str | None:
    """What keeps a study from being drawn over two axes, or None."""
    if len(points.axes) != 2:
        return f"varies {', '.join(axis.name for axis in points.axes) or 'nothing'}"
    return None if points.is_grid else "is no grid"


def _drawn(figure: Callable[[], Figure], alt: Callable[[], str]) -> Figure:
    """A figure in the house's style, labelled with what it says in words."""
    from simlab.views.ink import style

    with style():
        made = figure()
    made.set_label(alt())
    return made


def _known(name: str, known: Iterable[str], what: str, call: str) -> str:
    """`name` if it is known; else InputError with the call that was probably meant."""
    names = list(known)
    if name in names:
        return name
    close, told = nearest(str(name), names), f"known: {', '.join(names)}"
    raise InputError(
        f"unknown {what} `{name}`; " + (f"did you mean `{call.format(repr(close))}`? ({told})" if close else told)
    )
