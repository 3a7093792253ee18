"""Detectors on recorded metrics: what each saw, by the method of record and by the popular rule, and which alarms count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Bools, Floats, Ints
from simlab.base.errors import InputError
from simlab.base.par import parameters
from simlab.base.units import pretty, seconds
from simlab.detectors.detector import SCRAPES, Detector, watch
from simlab.results.metrics import GAP, Columns, Metrics, read, split
from simlab.results.tables import visible
from simlab.studies.instruments import instruments, links

RULES = ("record", "seed")
MOST_SCRAPES = 100_000  # what four detectors read in a minute or two

# What to do next. A cause is looked for before it is treated: a detector sees only what was recorded.
ADVICE = {
    "feedback_spiral": "Find out whether the models cause it: keep some cases out of their reach, or log random noise on the predictions "
    "and give it as --nudges; while it grows, fall back to the plain rule.",
    "model_correlation": "Look for what the models share (features, data, code, the moment of retraining) and split that before adding "
    "models: alike as they are, they will fail together. Models that are right are alike too: --set model_correlation.of=errors compares "
    "how they err.",
    "drift_acceleration": "Compare the features of now and of before: if the world moved, retrain on recent data; if a pipeline changed, "
    "mend it and do not retrain on what it sent.",
    "prediction_cascade": "Give the model at the end of the chain something measured in place of what the model before it says, or "
    "bound what it takes over; then look at the first model of the chain.",
}


class Alarm(NamedTuple):
    """Scrapes in a row that were above the threshold: when it began and with what value, and how long it lasted."""

    detector: str
    rule: str
    time: str | int | float  # as the file writes it
    since: float  # seconds since the first row
    value: float
    threshold: float
    scrapes: int
    lasted: float  # seconds from its first scrape to its last


class Sight(NamedTuple):
    """What one detector saw by one rule over `k` scrapes; where it could tell at none, `unable` says why."""

    detector: str
    rule: str
    shows: str
    times: Floats  # (k,) seconds since the first row, the last row of each scrape
    values: Floats  # (k,)
    threshold: float
    alarms: tuple[Alarm, ...]
    unable: str

    @property
    def told(self) -> int:
        """At how many scrapes it could tell."""
        return int(np.isfinite(self.values).sum())


class Watching(NamedTuple):
    """A recording and what the detectors saw in it. `counts` are the rules whose alarms count."""

    metrics: Metrics
    sights: tuple[Sight, ...]
    counts: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms that count, in their order in time."""
        found = [alarm for sight in self.sights if sight.rule in self.counts for alarm in sight.alarms]
        return sorted(found, key=lambda alarm: (alarm.since, alarm.detector, alarm.rule))

    def plain(self) -> list[dict[str, Any]]:
        """The alarms that count as JSON holds them; their rule is said where both count."""
        rows = [
            {"detector": a.detector, "time": a.time, "value": a.value, "threshold": a.threshold} for a in self.alarms
        ]
        both = len(self.counts) > 1
        return [row | {"rule": a.rule} if both else row for row, a in zip(rows, self.alarms, strict=True)]


def watch_file(
    path: str | Path,
    *,
    time: str,
    predictions: str,
    reality: str,
    features: str = "",
    nudges: str = "",
    reads: Sequence[str] = (),
    every: str | None = None,
    detectors: str = "",
    settings: Sequence[str] = (),
    rule: str = "record",
    sort: bool = False,
    average: bool = False,
) -> Watching:
    """Watch a CSV or Parquet file; columns and detectors are lists as one types them, such as `p1,p2` or `pred_*`.

    Raises InputError for what cannot be read or meant. See `read`, `instruments`, `links` and `watch_metrics`.
    """
    try:
        scrape = None if every is None else seconds(every, negative=False)
    except InputError as error:
        raise InputError(f"--every: {error}") from None
    columns = Columns(time, *map(split, (predictions, reality, features, nudges)))
    chosen = instruments(split(detectors), settings)
    metrics = read(path, columns, sort=sort, average=average)
    return watch_metrics(metrics, chosen, every=scrape, reads=links(reads, metrics.columns.predictions), rule=rule)


def watch_metrics(
    metrics: Metrics,
    detectors: Mapping[str, Detector[Any]],
    *,
    every: float | None = None,
    reads: tuple[tuple[int, ...], ...] = (),
    rule: str = "record",
) -> Watching:
    """Have each detector read the recording; `rule` is `record`, `seed` or `both`.

    A scrape is `every` seconds, or by default so many rows that there are at most 5,000. In every gap stands a scrape at which all is
    unknown, so that no change is taken across it; windows go on after it. Raises InputError for more than 100,000 scrapes.
    """
    rows = _with_gaps(metrics, every)
    sights: list[Sight] = []
    k = 0
    for name, detector in detectors.items():
        nudges = rows.nudges if rows.nudges.shape[1] else None
        seen = watch(
            detector, rows.times, rows.predictions, rows.reality, rows.features if rows.features.shape[1] else None,
            nudges=nudges, every=every, reads=reads,
        )  # fmt: skip
        k = len(seen.times)
        unable = _unable(name, metrics, k, reads)
        for one, values, threshold, shows in (
            ("record", seen.values, detector.limit, detector.shows),
            ("seed", seen.seeds, detector.seed_threshold, detector.seed_rule),
        ):
            alarms = tuple(_alarms(metrics, name, one, seen.times, values, threshold))
            sights.append(Sight(name, one, shows, seen.times, values, threshold, alarms, unable))
    notes = (*metrics.notes, *_told(metrics, rows, every, k), *_by_chance(detectors, metrics, k))
    return Watching(metrics, tuple(sights), RULES if rule == "both" else (rule,), notes)


class _Rows(NamedTuple):
    """The recording with rows of unknown values in its gaps; `added` are how many."""

    times: Floats
    predictions: Floats
    reality: Floats
    features: Floats
    nudges: Floats
    added: int


def _with_gaps(metrics: Metrics, every: float | None) -> _Rows:
    """Rows that are unknown in every gap, enough for a whole scrape; none where that would more than double the recording."""
    columns = (metrics.predictions, metrics.reality, metrics.features, metrics.nudges)
    rows, gaps = len(metrics.times), len(metrics.gaps)
    if every is not None and every <= 0:
        raise InputError("--every: expected a time above 0, e.g. --every '1 min'")
    if every is not None and metrics.times[-1] > MOST_SCRAPES * every:
        raise InputError(
            f"--every {pretty(every)}: {metrics.times[-1] / every:,.0f} scrapes; at most {MOST_SCRAPES:,}, "
            f"so give at least --every '{pretty(float(np.ceil(metrics.times[-1] / MOST_SCRAPES)))}'"
        )
    each = 1
    if every is None:
        block = -(-2 * rows // SCRAPES) if gaps else 1  # rows of a scrape at most, since no more than `rows` are added
        each = 2 * block - 1
    if not gaps or gaps * each > rows:
        return _Rows(metrics.times, *columns, 0)
    at = np.repeat(metrics.gaps, each)
    share = np.tile(np.arange(1, each + 1) / (each + 1), gaps)
    between = metrics.times[at - 1] + share * (metrics.times[at] - metrics.times[at - 1])
    predictions, reality, features, nudges = (np.insert(column, at, np.nan, axis=0) for column in columns)
    return _Rows(np.insert(metrics.times, at, between), predictions, reality, features, nudges, len(at))


def _alarms(metrics: Metrics, name: str, rule: str, times: Floats, values: Floats, threshold: float) -> Iterator[Alarm]:
    """The runs of scrapes above the threshold."""
    above: Bools = values > threshold  # NaN compares false
    edge = np.diff(np.concatenate([[0], above.astype(np.int8), [0]]))
    for start, end in zip(np.flatnonzero(edge == 1).tolist(), np.flatnonzero(edge == -1).tolist(), strict=True):
        row = int(np.searchsorted(metrics.times, times[start], side="right")) - 1
        lasted = float(times[end - 1] - times[start])
        yield Alarm(
            name,
            rule,
            metrics.stamp(row),
            float(metrics.times[row]),
            float(values[start]),
            threshold,
            end - start,
            lasted,
        )


def _unable(name: str, metrics: Metrics, scrapes: int, reads: tuple[tuple[int, ...], ...]) -> str:
    """The likeliest reason where a detector says nothing at all."""
    if name == "prediction_cascade" and not any(reads):
        return "nobody said which model reads which: give --reads"
    if name == "model_correlation" and metrics.predictions.shape[1] == 1:
        return "there is only one model"
    return f"too little is known in {scrapes:,} scrapes (longer ones hold more: --every), or nothing in it varies"


def _told(metrics: Metrics, rows: _Rows, every: float | None, scrapes: int) -> Iterator[str]:
    """What was done to have scrapes out of rows."""
    each = -(-len(rows.times) // SCRAPES)
    per = f"of {pretty(every)}" if every is not None else f"of {each:,} row{'s' if each > 1 else ''}"
    yield f"{len(metrics.times):,} instants, {_about(metrics.step)} apart in the median, read as {scrapes:,} scrapes {per}"
    gaps: Ints = metrics.gaps
    if len(gaps):
        steps = metrics.times[gaps] - metrics.times[gaps - 1]
        longest = int(np.argmax(steps))
        what = (
            "no statistical rule takes a change across them, and windows go on after them"
            if rows.added
            else "too many to be gaps of a regular recording, so windows go across them"
        )
        which = f"{_about(steps[longest])} before {visible(str(metrics.stamp(int(gaps[longest]))))}"
        many = "a gap" if len(gaps) == 1 else f"{len(gaps):,} gaps"
        yield f"{many} of more than {GAP} median steps ({'' if len(gaps) == 1 else 'the longest '}{which}): {what}"
    if metrics.reality.shape[1] > 1:
        pairs = zip(metrics.columns.predictions, metrics.columns.reality, strict=True)
        yield "reality by model: " + ", ".join(f"{visible(p)} against {visible(y)}" for p, y in pairs)


def _about(duration: float) -> str:
    return pretty(float(f"{duration:.4g}"))


def _by_chance(detectors: Mapping[str, Detector[Any]], metrics: Metrics, scrapes: int) -> Iterator[str]:
    """How often the methods of record alarm where nothing is wrong, as far as a detector has a parameter that says so; and in this file."""
    for name, detector in detectors.items():
        held = {key: getattr(detector, key) for key in parameters(type(detector))}
        if "false_alarm_every" in held:
            features = metrics.features.shape[1]
            left, every = max(scrapes - held["window"], 0), held["false_alarm_every"]
            share = f", which {features} features share" if features > 1 and held["of"] == "features" else ""
            yield (
                f"{name}: where nothing drifts it alarms by chance once in {every:,.0f} scrapes{share}; in the {left:,} scrapes of "
                f"this file after the reference the chance of a false alarm is {_percent(1 - (1 - 1 / every) ** left)}"
            )
        elif name == "feedback_spiral" and not metrics.nudges.shape[1]:
            left = max(scrapes - held["least"], 0)
            yield (
                f"{name}: passive, since no --nudges are given: it cannot tell feedback from confounding, and where predictions "
                f"are a random walk it alarms by chance at {held['level']:.2g} of scrapes; in the {left:,} of this file the chance of "
                f"a false alarm is then at most {_percent(min(held['level'] * left, 1.0))}"
            )


def _percent(p: float) -> str:
    return f"{100 * p:.2g}%"
