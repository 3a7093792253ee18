"""A run as OpenMetrics text (openmetrics.io, version 1.0.0): what an exporter beside the models would have shown, sample by sample.

Names follow Prometheus' conventions: `simlab_` first, base units at the end (a percentage becomes a ratio,
hours become seconds, millions of dollars become dollars). What was not known yet is left out; what became unknown again is NaN, so that no
old value is taken for a new one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Array, Floats
from simlab.base.errors import InputError
from simlab.base.units import seconds
from simlab.lab.outcome import Outcome
from simlab.results.record import Record, cell_key

START = 1_704_067_200.0  # 2024-01-01T00:00:00Z
SHORTEST, LONGEST = 1.0, 60.0  # seconds between two scrapes: a value older than five minutes is none to Prometheus
HARMED, EVENTS, INFO = "simlab_run_harmed", "simlab_run_events", "simlab_run"
OWN = {  # metrics of a run that are no measures of it
    HARMED: "1 from the instant on at which the declared harm began, else 0",
    f"{EVENTS}_total": "shocks, harms, alarms, hands on the switch and other events so far",
    f"{INFO}_info": "which run this is",
}

_BASE = {
    "1": ("", 1.0),
    "%": ("ratio", 0.01),
    "s": ("seconds", 1.0),
    "ms": ("seconds", 1e-3),
    "min": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
    "day": ("seconds", 86_400.0),
    "week": ("seconds", 604_800.0),
    "kg": ("grams", 1e3),
    "M": ("", 1e6),
    "M$": ("dollars", 1e6),
    "USD": ("dollars", 1.0),
    "1/s": ("per_second", 1.0),
    "m/s": ("meters_per_second", 1.0),
    "sd": ("standard_deviations", 1.0),
}
_ODD = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


class Clock(NamedTuple):
    """The time of an export.

    `start` is the epoch second of the first recorded instant, `first` its simulated second, and one simulated
    second takes `scale` seconds.
    """

    start: float
    first: float
    scale: float
    step: float  # seconds between two recorded instants, by this clock

    def at(self, times: Floats) -> Floats:
        """Epoch seconds."""
        return np.asarray(self.start + (times - self.first) * self.scale)


class Family(NamedTuple):
    """A measure as a metric: its name in Prometheus, its unit there, the factor that leads to it, and what it is."""

    name: str
    unit: str
    factor: float
    about: str


class History(NamedTuple):
    """One replication of one arm, plain or under a control, moved by `shift` seconds of the export's clock."""

    scenario: str
    arm: str
    control: str | None
    replication: int
    outcome: Outcome
    shift: float = 0.0

    @property
    def labels(self) -> dict[str, str]:
        """What its samples are told apart by."""
        control = {} if self.control is None else {"control": self.control}
        return {"scenario": self.scenario, "arm": self.arm, **control, "replication": str(self.replication)}

    @property
    def harm(self) -> float:
        """The simulated second at which harm began, or inf."""
        return min(
            (e.time for e in self.outcome.events if e.replication == self.replication and e.kind == "harm"),
            default=np.inf,
        )


def clock_of(record: Record, start: float = START, step: str | None = None) -> Clock:
    """The clock of an export: the run's own pace where its instants are 1 s to 1 min apart, else as near to that as can be.

    Raises InputError for a run with fewer than two recorded instants, or a step that is no time.
    """
    times = max((outcome.times for outcome in record.cells.values()), key=len)
    if len(times) < 2:
        raise InputError("this run recorded fewer than two instants; there is nothing to export")
    stride = float(np.median(np.diff(times)))
    took = min(max(stride, SHORTEST), LONGEST) if step is None else seconds(step, negative=False)
    if not 0.001 <= took <= 1e9:
        raise InputError(f"--step {step}: expected at least 1 ms between two recorded instants")
    took = round(took, 3)
    return Clock(start, float(times[0]), took / stride, took)


def epoch(text: str) -> float:
    """The epoch second of a date such as `2024-01-01T00:00:00Z`. Raises InputError for what is none, or has no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 0 <= found.timestamp() <= 4e9:
        raise InputError(f"--start {text[:40]}: expected a date with its zone, e.g. 2024-01-01T00:00:00Z")
    return found.timestamp()


def date(stamp: float) -> str:
    """An epoch second as a date in UTC."""
    return datetime.fromtimestamp(stamp, UTC).isoformat().replace("+00:00", "Z")


def histories(record: Record, replications: int, *, controls: bool) -> list[History]:
    """The first so many replications of every arm, and with `controls` of every arm under each; failed ones are left out."""
    if record.only_quantiles:
        raise InputError(
            "this run kept only quantiles of its series, and no replication's own; play it with `run.series: all`"
        )
    name = record.manifest["scenario"]
    cells = [(arm, control) for control in (None, *(record.controls if controls else ())) for arm in record.arms]
    found = []
    for arm, control in cells:
        outcome = record.cells.get(cell_key(arm, control))
        if outcome is not None and len(outcome.times):
            numbers = [i for i in range(min(replications, len(outcome.replications))) if i not in outcome.failed]
            found += [History(name, arm, control, i, outcome) for i in numbers]
    return found


def families(record: Record) -> dict[str, Family]:
    """Every measure of a run as a metric, by the measure's name."""
    found = {}
    for name, measure in record.about.items():
        plain = re.sub(r"[^a-zA-Z0-9_]", "_", name)
        unit, factor = _BASE.get(measure.unit, ("", 1.0))
        ending = f"_{unit}" if unit else ""
        about = measure.about if factor == 1 else f"{measure.about} ({measure.unit}, times {factor:g})"
        found[name] = Family(f"simlab_{plain.removesuffix(ending)}{ending}", unit, factor, about)
    return found


def openmetrics(
    record: Record, told: Collection[History], clock: Clock, only: Collection[str] | None = None
) -> Iterator[str]:
    """The samples of histories at every recorded instant, a chunk of lines at a time; `only` names the metrics wanted."""
    for family, history, values in _series(record, told, only):
        if isinstance(values, str):
            yield values
            continue
        first = _first(values)
        if first is not None:
            stamps = _stamps(clock.at(history.outcome.times) + history.shift)
            texts = _texts(values)
            yield "".join([f"{family} {v} {t}\n" for v, t in zip(texts[first:], stamps[first:], strict=True)])
    yield "# EOF\n"


def instant(record: Record, told: Collection[History], at: int, only: Collection[str] | None = None) -> str:
    """What a live exporter shows at one recorded instant: the same without times, which the one who scrapes adds."""
    lines, described = [], ""
    for family, _, values in _series(record, told, only):
        if isinstance(values, str):
            described = values
            continue
        first = _first(values)
        if first is not None and first <= at < len(values):
            lines += [described, f"{family} {_texts(values[at : at + 1])[0]}\n"]
            described = ""
    return "".join([*lines, "# EOF\n"])


def older(text: str) -> str:
    """The same in the text format 0.0.4, which knows no info and calls a counter by its whole name."""
    for name, kind, called, then in (
        (INFO, "info", f"{INFO}_info", "gauge"),
        (EVENTS, "counter", f"{EVENTS}_total", "counter"),
    ):
        text = text.replace(f"# TYPE {name} {kind}\n# HELP {name} ", f"# TYPE {called} {then}\n# HELP {called} ")
    return text


def labelled(name: str, labels: Mapping[str, str]) -> str:
    """A series as text: `simlab_loss_dollars{arm="isolated"}`."""
    inside = ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items() if value)
    return f"{name}{{{inside}}}"


def escaped(text: str) -> str:
    """A text as it stands between quotes, in one line."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def values_of(history: History, measure: str, factor: float = 1.0) -> Array:
    """What was recorded of a measure in one history, `(t,)` float32, in the unit of its metric; NaN where it was unknown."""
    series = history.outcome.series.get(measure)
    if series is None:
        return np.full(len(history.outcome.times), np.nan, np.float32)
    own = series[:, history.replication]
    return own if factor == 1 else (own.astype(np.float64) * factor).astype(np.float32)


def shown(values: Array) -> list[str]:
    """Numbers as text, the shortest that reads back as the same float32."""
    return _texts(values)


def _series(
    record: Record, told: Collection[History], only: Collection[str] | None
) -> Iterator[tuple[str, History, Array | str]]:
    """Family by family: its description as text, then each series with its name and values. A history stands in for none."""
    if not told:
        return
    some = next(iter(told))
    for measure, family in families(record).items():
        if (only is None or family.name in only) and any(_known(history, measure) for history in told):
            yield "", some, _described(family.name, "gauge", family.unit, family.about)
            for history in told:
                yield labelled(family.name, history.labels), history, values_of(history, measure, family.factor)
    if only is None or HARMED in only:
        yield (
            "",
            some,
            _described(HARMED, "gauge", "", OWN[HARMED]),
        )
        for history in told:
            harmed = (history.outcome.times >= history.harm).astype(np.float32)
            yield labelled(HARMED, history.labels), history, harmed
    if only is None or f"{EVENTS}_total" in only:
        yield (
            "",
            some,
            _described(EVENTS, "counter", "", OWN[f"{EVENTS}_total"]),
        )
        kinds = {(e.kind, e.name, e.model) for history in told for e in history.outcome.events}
        for history in told:
            own = [e for e in history.outcome.events if e.replication == history.replication]
            for kind, name, model in sorted(kinds):
                when = np.sort([e.time for e in own if (e.kind, e.name, e.model) == (kind, name, model)])
                so_far = np.searchsorted(when, history.outcome.times, side="right").astype(np.float32)
                which = {"kind": kind, "name": name, **({"model": str(model)} if model >= 0 else {})}
                yield labelled(f"{EVENTS}_total", {**history.labels, **which}), history, so_far
    if only is None or f"{INFO}_info" in only:
        yield "", some, _described(INFO, "info", "", OWN[f"{INFO}_info"])
        facts = {key: str(record.manifest.get(key, "")) for key in ("scenario", "run", "seed", "version")}
        yield labelled(f"{INFO}_info", facts), some, np.ones(len(some.outcome.times), np.float32)


def _described(name: str, kind: str, unit: str, about: str) -> str:
    told = f"# UNIT {name} {unit}\n" if unit else ""
    return f"# TYPE {name} {kind}\n{told}# HELP {name} {escaped(about)}\n"


def _known(history: History, measure: str) -> bool:
    return _first(values_of(history, measure)) is not None


def _first(values: Array) -> int | None:
    """Where a value is known for the first time."""
    known = ~np.isnan(values)
    return int(np.argmax(known)) if known.any() else None


def _texts(values: Array) -> list[str]:
    texts: list[str] = values.astype(str).tolist()
    return texts if np.isfinite(values).all() else [_ODD.get(text, text) for text in texts]


def _stamps(times: Floats) -> list[str]:
    """Epoch seconds to the millisecond, which is what Prometheus keeps."""
    whole = np.rint(times * 1000).astype(np.int64).tolist()
    return [str(ms // 1000) if ms % 1000 == 0 else f"{ms // 1000}.{ms % 1000:03d}" for ms in whole]
