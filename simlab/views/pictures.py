"""The figures of one run: which arrays each is given, and what it says in words. Every picture's alt text is made from its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.base.world import Measure
from simlab.lab.outcome import Outcome
from simlab.lab.trial import Trial, seed
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Scenario
from simlab.views import figures, matrix
from simlab.views.facts import Seen, happened
from simlab.views.figures import COUNTED, Band, Level, Scale
from simlab.views.ink import Drawing, drawing
from simlab.views.timeline import Band as Lasting
from simlab.views.timeline import Row, timeline
from simlab.views.verdict import Headline, contrasts, headline, level, threshold
from simlab.views.wiring import in_words, wiring
from simlab.views.words import human, interval, listed, number, percent, points, sentence, slug, span

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # the most measures drawn; the table has them all
ROWS = 24  # the most rows of the timeline


class Main(NamedTuple):
    """What the main figure is given."""

    bands: list[Band]
    levels: list[Level]
    scale: Scale
    heading: str
    numbers: list[int]  # of the arms among all there are

    def figure(self, *, narrow: bool = False) -> Figure:
        """The figure. Call within `style()`."""
        return figures.main_figure(
            self.bands, self.levels, self.scale, self.heading, narrow=narrow, numbers=self.numbers
        )


def axis(scenario: Scenario, unit: str) -> Callable[[float], str]:
    """How values of the headline measure are written on an axis: as percentages where its threshold is."""
    at = edge(scenario)
    if at is not None and unit == "1" and 0 < at < 1:
        return lambda x: f"{number(100 * x)}%"
    return number


def measures(scenario: Scenario, record: Record) -> list[str]:
    """Every measure of the run but what detectors showed, the headline first."""
    trial = scenario.arms[0].trial
    declared = [*trial.world.measures, *(name for cell in record.cells.values() for name in cell.measures)]
    return [name for name in dict.fromkeys([scenario.headline, *declared]) if name not in trial.readings]


def declared(scenario: Scenario, record: Record, name: str) -> Measure:
    """What is said of a measure; a pure number without a meaning when nothing is."""
    return scenario.arms[0].trial.world.measures.get(name) or record.about.get(name) or Measure("1", "")


def unit_of(scenario: Scenario, record: Record, name: str) -> str:
    """The unit of a measure ("1" when nothing says)."""
    return declared(scenario, record, name).unit


def edge(scenario: Scenario) -> float | None:
    """The value of the headline measure at which harm begins."""
    harm = scenario.harm
    return None if harm is None else harm.above if np.isfinite(harm.above) else harm.below


def named(name: str, unit: str) -> str:
    """A measure with its unit, for an axis."""
    return human(name) if unit in ("1", "") else f"{human(name)} ({unit})"


def main(record: Record, scenario: Scenario, measure: str | None = None, arms: Sequence[Arm] | None = None) -> Main:
    """The arms over time in the headline measure, and the headline itself with its intervals; or another measure, and its mean."""
    top = headline(scenario) if measure is None else mean_of(record, scenario, measure)
    bands, levels = [], []
    chosen = scenario.arms if arms is None else arms
    for arm in chosen:
        outcome = record.cells[arm.name]
        drawn, numbers = outcome.series, outcome.replications
        if outcome.quantiles:  # whose quantiles are themselves; there are no single outcomes to draw
            drawn, numbers = dict(outcome.quantiles), outcome.replications[:0]
        values = drawn.get(top.measure, np.full((len(outcome.times), len(outcome.replications)), np.nan))
        beside = None if scenario.beside is None or measure is not None else drawn.get(scenario.beside)
        name = human(scenario.beside or "")
        bands.append(Band(arm.title, note(arm.trial), outcome.times, values, numbers, beside, name))
        value = level(record.summary, top, arm.name)
        singles = came_to_harm(outcome) if top.share else ()
        levels.append(Level(arm.title, value, _ci(record.summary, top, arm.name), top.say(value), singles=singles))
    own = top.measure == scenario.headline
    text = "" if scenario.harm is None or not own else f"harm {threshold(scenario)}"
    unit = top.unit
    scale = Scale(
        named(top.measure, unit),
        axis(scenario, unit) if own else number,
        edge(scenario) if own else None,
        text,
        percent if top.share else number,
    )
    how = "share of replications" if top.share else named(top.measure, unit)
    heading = f"{top.label}" if top.share else f"mean {how}"
    return Main(bands, levels, scale, heading, _numbers(scenario, chosen))


def _numbers(scenario: Scenario, arms: Sequence[Arm]) -> list[int]:
    names = [arm.name for arm in scenario.arms]
    return [names.index(arm.name) for arm in arms]


def mean_of(record: Record, scenario: Scenario, name: str) -> Headline:
    """A measure to be judged by its mean."""
    about = declared(scenario, record, name)
    return Headline(name, f"the mean {human(name)}", about.unit, False, about.worse)


def came_to_harm(outcome: Outcome) -> tuple[bool | None, ...]:
    """Whether harm came in each of the first replications; None where one failed, or diverged before it did."""
    struck = {event.replication for event in outcome.events if event.kind == "harm"}
    lost = {*outcome.failed, *outcome.replications[np.isfinite(outcome.diverged)].tolist()}
    first = sorted(outcome.replications.tolist())[:COUNTED]
    return tuple(True if i in struck else None if i in lost else False for i in first)


def note(trial: Trial) -> str:
    """What the models of an arm have in common, in a few words; one view is not shared where the world has no more."""
    topology = trial.topology
    one = [
        part
        for part, of in (("brain", topology.brain_of), ("features", topology.view_of), ("data", topology.data_of))
        if (len(set(of)) < topology.models or (part == "data" and len(set(topology.taught_by)) < topology.brains))
        and not (part == "features" and trial.world.spec.views == 1)
    ]
    said = [f"shared: {', '.join(one)}"] if one else []
    said += ["weights averaged"] if topology.average_every else []
    return ", ".join(said) or "nothing shared"


def _ci(summary: Mapping[str, Any], top: Headline, arm: str) -> tuple[float, float] | None:
    found = (
        (summary.get("harm") or {}).get("arms", {}).get(arm, {})
        if top.share
        else summary.get("arms", {}).get(arm, {}).get(top.measure, {})
    )
    ci = found.get("ci95")
    return None if ci is None else (float(ci[0]), float(ci[1]))


def main_alt(given: Main) -> str:
    """The main figure in words: each arm's headline, and where its outcomes end."""
    said = []
    for band, one in zip(given.bands, given.levels, strict=True):
        q = figures.bands(band.values[-1:])[:, 0] if len(band.times) else np.full(5, np.nan)
        ends = (
            f"; {given.scale.name} at the end: median {given.scale.say(q[2])}, 5 to 95% {given.scale.say(q[0])} to {given.scale.say(q[4])}"
            if np.isfinite(q).all()
            else ""
        )
        if band.beside is not None and len(band.times):
            ends += f"; {band.beside_name} at the end: median {given.scale.say(figures.bands(band.beside[-1:])[2, 0])}"
        said.append(f"{band.title}: {one.text}{ends}")
    return f"{given.heading}. " + ". ".join(said) + "."


def main_drawings(record: Record, scenario: Scenario) -> tuple[Drawing, Drawing]:
    """The main figure, wide and for a telephone. Call within `style()`."""
    given = main(record, scenario)
    alt = main_alt(given)
    return drawing(given.figure(), "main", alt), drawing(given.figure(narrow=True), "main_narrow", alt)


def distributions(record: Record, scenario: Scenario) -> list[tuple[str, Drawing]]:
    """One picture a measure, with its meaning: P(measure > x) in every arm. Call within `style()`."""
    drawn = []
    for name in measures(scenario, record)[:MOST]:
        found = spread(record, scenario, name)
        if found.known:
            about = sentence(declared(scenario, record, name).about)
            drawn.append((about, drawing(found.figure(), f"distribution_{slug(name)}", found.alt)))
    return drawn


class Spread(NamedTuple):
    """What the picture of a distribution is given: the title and the values `(r,)` of each arm."""

    measure: str
    samples: list[tuple[str, Any]]
    scale: Scale
    numbers: list[int]  # of the arms among all there are

    @property
    def known(self) -> bool:
        """Whether any value is defined."""
        return any(np.isfinite(values).any() for _, values in self.samples)

    @property
    def alt(self) -> str:
        """The picture in words."""
        said = ". ".join(f"{title}: {_spread(values, self.scale.say)}" for title, values in self.samples)
        return f"Share of replications with {human(self.measure)} above x. {said}."

    def figure(self) -> Figure:
        """P(measure > x) in every arm. Call within `style()`."""
        return figures.distributions(self.samples, self.scale, self.numbers)


def spread(record: Record, scenario: Scenario, name: str, arms: Sequence[Arm] | None = None) -> Spread:
    """How a measure is spread over replications in the arms, by default in all."""
    unit, own = unit_of(scenario, record, name), name == scenario.headline
    known = [arm for arm in (scenario.arms if arms is None else arms) if name in record.cells[arm.name].measures]
    samples = [(arm.title, record.cells[arm.name].measures[name]) for arm in known]
    scale = Scale(named(name, unit), axis(scenario, unit) if own else number, edge(scenario) if own else None)
    return Spread(name, samples, scale, _numbers(scenario, known))


def _spread(values: Any, say: Callable[[float], str]) -> str:
    kept = values[np.isfinite(values)]
    if not kept.size:
        return "undefined"
    low, middle, high = np.quantile(kept, (0.05, 0.5, 0.95))
    return f"median {say(middle)}, 5 to 95% {say(low)} to {say(high)}"


def differences(record: Record, scenario: Scenario) -> list[Drawing]:
    """One picture a measure: every other arm minus the first, paired, with its interval. Call within `style()`."""
    drawn = []
    if headline(scenario).share:
        found = apart(record, scenario)
        drawn.append(drawing(found.figure(), "difference_harm", found.alt))
    for name in measures(scenario, record)[:MOST]:
        found = apart(record, scenario, name)
        if found.known:
            drawn.append(drawing(found.figure(), f"difference_{slug(name)}", found.alt))
    return drawn


class Apart(NamedTuple):
    """What the picture of paired differences is given: for each other arm its number, and its difference to the first."""

    heading: str
    rows: list[tuple[int, Level]]
    say: Callable[[float], str]

    @property
    def known(self) -> bool:
        """Whether any difference is defined."""
        return any(one.value is not None for _, one in self.rows)

    @property
    def alt(self) -> str:
        """The picture in words."""
        said = ". ".join(f"{one.title}: {one.text}" for _, one in self.rows)
        return f"Difference to the baseline in {self.heading}. {said}."

    def figure(self) -> Figure:
        """The differences with their intervals. Call within `style()`."""
        return figures.forest(self.rows, self.heading, self.say)


def apart(record: Record, scenario: Scenario, name: str | None = None) -> Apart:
    """Every other arm minus the first, replication by replication: in P(harm), or in the mean of the measure `name`."""
    titles = {arm.name: (i, arm.title) for i, arm in enumerate(scenario.arms)}
    rows = []
    if name is None:
        top = headline(scenario)
        for c in contrasts(record.summary, scenario):
            i, title = titles[c.arm]
            said = top.say_difference(c.difference, c.ci).split(",")[0]
            rows.append((i, Level(title, c.difference, c.ci, said, c.clear)))
        return Apart(f"{top.label}, points", rows, points)
    for found in record.summary.get("contrasts", ()):
        if found["measure"] == name and found["versus"] == scenario.arms[0].name and found["arm"] in titles:
            i, title = titles[found["arm"]]
            ci = None if found["ci95"] is None else (float(found["ci95"][0]), float(found["ci95"][1]))
            difference = found["mean_difference"]
            said = f"{_plus(difference)} ({interval(ci)})"
            rows.append((i, Level(title, difference, ci, said, bool(found.get("clear")))))
    return Apart(f"mean {named(name, unit_of(scenario, record, name))}", rows, number)


def _plus(x: float | None) -> str:
    return f"+{number(x)}" if x is not None and x > 0 else number(x)


def wirings(scenario: Scenario) -> list[tuple[Arm, Drawing]]:
    """The wiring of each arm. Call within `style()`."""
    return [
        (
            arm,
            drawing(
                wiring(arm.trial.topology, arm.trial.world.spec),
                f"wiring_{slug(arm.name)}",
                f"Wiring of {arm.title}. {in_words(arm.trial.topology, arm.trial.world.spec)}",
            ),
        )
        for arm in scenario.arms
    ]


def matrices(record: Record, scenario: Scenario) -> dict[str, Drawing]:
    """How alike the models of each arm answer, by arm, where that is known. Call within `style()`."""
    drawn = {}
    for arm in scenario.arms:
        models = arm.trial.topology.models
        found = matrix.over_replications(record.cells[arm.name].alike)
        ends = matrix.ends(found, models) if models > 1 and found.size else None
        if ends is not None:
            alt = f"Correlations between the models of {arm.title}: from {ends[0]:.2f} to {ends[1]:.2f}."
            drawn[arm.name] = drawing(matrix.matrix(found, models), f"alike_{slug(arm.name)}", alt)
    return drawn


def lasting(scenario: Scenario) -> list[Lasting]:
    """The shocks, each once, and in which arms it comes where not in all."""
    found: dict[tuple[str, float, float], list[str]] = {}
    for arm in scenario.arms:
        for shock in arm.trial.shocks:
            found.setdefault((shock.name, shock.start, shock.start + shock.duration), []).append(arm.title)
    bands = []
    for (name, start, end), titles in found.items():
        until = f"to {span(end)}" if np.isfinite(end) and end < scenario.arms[0].trial.horizon else "to the end"
        where = "" if len(titles) == len(scenario.arms) else f" ({listed(titles)} only)"
        bands.append(Lasting(f"{human(name)}: {span(start)} {until}{where}", start, end))
    return bands


class When(NamedTuple):
    """What the timeline is given: what lasts, the first times of what happens, and until when (s)."""

    bands: list[Lasting]
    rows: list[Row]
    horizon: float

    @property
    def alt(self) -> str:
        """The picture in words."""
        said = [f"{row.title}, {row.note}" for row in self.rows]
        return (
            f"Lasting: {'; '.join(b.title for b in self.bands) or 'nothing'}. First times: {'; '.join(said) or 'none'}."
        )

    def figure(self, *, narrow: bool = False) -> Figure:
        """The timeline. Call within `style()`."""
        return timeline(self.bands, self.rows, self.horizon, narrow=narrow)


def when(record: Record, scenario: Scenario) -> tuple[When | None, list[Seen]]:
    """When things first happened in each replication, and the same as a list."""
    by_the_popular_rule = {seed(one.name) for one in scenario.arms[0].trial.instruments}
    seen = happened([record.cells[arm.name] for arm in scenario.arms], by_the_popular_rule)
    bands, rows = lasting(scenario), []
    for one in [e for e in seen if e.kind != "shock" and not e.name.endswith(" ends")][:ROWS]:
        arm = "every arm, alike" if one.arm is None else scenario.arms[one.arm].title
        share = percent(len(one.first) / max(record.replications, 1))
        middle = span(float(np.median(one.first)))
        what = (
            f"{human(one.name)} {threshold(scenario)}" if one.kind == "harm" else f"{human(one.kind)} {human(one.name)}"
        )
        rows.append(Row(arm, f"{what} in {share}, median {middle}", one.arm or 0, one.first))
    if not rows and not bands:
        return None, seen
    latest = max((float(row.first.max()) for row in rows), default=0.0)
    return When(bands, rows, max(scenario.arms[0].trial.horizon, latest)), seen


def events(record: Record, scenario: Scenario) -> tuple[tuple[Drawing, Drawing] | None, list[Seen]]:
    """When things first happened, wide and for a telephone, and the same as a list. Call within `style()`."""
    found, seen = when(record, scenario)
    if found is None:
        return None, seen
    return (
        drawing(found.figure(), "events", found.alt),
        drawing(found.figure(narrow=True), "events_narrow", found.alt),
    ), seen
