"""How a file of alerting rules would have done in a run: a real Prometheus evaluates it over every history.

Histories (a replication of an arm, plain or under a control) are laid one after the other on one clock, as far apart as the rules look
back. So a rule may add up whatever labels it likes: at any instant there is one history only. Prometheus evaluates each `expr` at the
interval of its group; from that, pending and firing follow as in its own rule manager (`for`, `keep_firing_for`; state by label set). What
a recording rule records is computed and stored first. Words are those of the scorecard: an alarm warns when it comes before harm, and is
false where harm never came.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError, SimlabError, did_you_mean
from simlab.results.disk import storage
from simlab.results.openmetrics import OWN, Clock, History, families, histories, labelled, openmetrics
from simlab.results.record import Record
from simlab.results.tables import visible
from simlab.scenario.problems import Problems
from simlab.scenario.scenario import Scenario
from simlab.studies.prometheus import Rule, Series, Server, check, import_samples, serving
from simlab.studies.ratios import mean_ratio
from simlab.studies.rules import RUNNING, RuleFile, matched, misnamed, names, selectors
from simlab.studies.statistics import FEW, Estimate, median_of, share_of

LOOKBACK = 300.0  # seconds for which Prometheus takes a value for current
LARGEST = 1 << 20  # bytes of a rule file
MOST_SAMPLES = 20_000_000  # that are laid before the server: a few minutes, and 3 GB of text on the way
ANY = "any of them"
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


class Page(NamedTuple):
    """An alert that began to fire: in which history, and when, in simulated seconds."""

    history: int
    time: float


class Score(NamedTuple):
    """What one alert did.

    Histories: `harmed` and `calm`; `early`, `late` and `false` are those whose first page came before harm, once it had begun, and where
    none came. `precision` is early / (early + false), `recall` early / harmed, times are in seconds.
    """

    alert: str
    pages: int
    harmed: int
    calm: int
    early: int
    late: int
    false: int
    precision: Estimate
    recall: Estimate
    lead: Estimate
    false_a_day: Estimate  # pages in calm histories a simulated day
    note: str = ""


class Backtest(NamedTuple):
    """What a rule file did in a run; the last score is that of all alerts together, where there are several."""

    scores: list[Score]
    histories: int
    replications: int
    harm_at: float  # seconds, the median
    days: float  # simulated, of the calm histories
    clock: Clock
    recorded: list[str]
    warnings: list[str]  # what may be misspelt though it can be evaluated

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "histories": self.histories,
            "replications": self.replications,
            "harm_at": self.harm_at,
            "calm_days": self.days,
            "scale": self.clock.scale,
            "recorded": self.recorded,
            "warnings": self.warnings,
            "alerts": [_plain(score) for score in self.scores],
        }


def backtest(
    rules: Path, record: Record, scenario: Scenario, replications: int, clock: Clock, only: Collection[str] = ()
) -> Backtest:
    """Evaluate the alerts of a rule file, or `only` those so named, over the first so many replications of every arm and control.

    Raises InputError where no harm is declared, Prometheus is missing, the file is no valid rule file, a rule reads a metric or a label
    that the run has not, or an expression fails.
    """
    if scenario.harm is None:
        raise InputError(f"{scenario.name} declares no harm, so there is nothing that an alert could warn of")
    text = _contents(rules)
    with tempfile.TemporaryDirectory(prefix="simlab-") as temporary:
        folder = Path(temporary)
        copy = folder / "rules.yml"
        copy.write_bytes(text)
        file = RuleFile(rules, text)
        file.said(check(copy), str(copy)).stop_if_any()
        (folder / "data").mkdir()
        config = f"global: {{evaluation_interval: {math.ceil(clock.step * 1000)}ms}}\n"
        with serving(folder, copy, config) as server:
            found = server.rules()
        alerts = _chosen(rules, sorted((rule for rule in found if rule.alert), key=file.order), only)
        recording = [rule for rule in found if not rule.alert]
        records = _needed(alerts, recording)
        needed = [*records, *alerts]
        known = {family.name for family in families(record).values()} | {rule.name for rule in recording} | {*OWN}
        wrong = _unasked(file, needed)
        wrong.also(misnamed(needed, known, file))
        sound = [rule for rule in needed if names([rule]) - {None} <= known]  # of which more may be wrong
        if not sound:
            wrong.stop_if_any()
        try:
            levels = list(_levels(rules, [rule for rule in records if rule in sound]))
            told = laid_out(
                [one for one in histories(record, replications, controls=True) if _counts(one)], clock, needed
            )
            _import(folder, record, told, clock, sound)
            for level in levels:
                with serving(folder) as server:
                    wrong.also(matched(server, level, file).problems)
                    lines = [line for rule in level for line in _recorded(server, rule, told, clock)]
                samples = folder / "recorded.txt"
                samples.write_text("".join([*lines, "# EOF\n"]), "utf-8", newline="\n")
                import_samples(samples, folder / "data")
            with serving(folder) as server:
                match = matched(server, sound, file)
                wrong.also(match.problems)
                wrong.stop_if_any()
                pages = [_pages(server, rule, told, clock) for rule in alerts]
        except SimlabError:
            wrong.stop_if_any()  # it may be what they are about
            raise
    notes = [_note(rule, match.empty) if not rung else "" for rule, rung in zip(alerts, pages, strict=True)]
    scores = [score(name, rung, told, note) for name, rung, note in zip(_named(alerts), pages, notes, strict=True)]
    if len(scores) > 1:
        scores.append(score(ANY, [page for rung in pages for page in rung], told))
    when = [history.harm for history in told if math.isfinite(history.harm)]
    at = float(np.median(when)) if when else math.nan
    days = sum(_length(history) for history in told if math.isinf(history.harm)) / 86_400
    used = len({history.replication for history in told})
    return Backtest(scores, len(told), used, at, days, clock, [rule.name for rule in records], match.odd)


def laid_out(told: Sequence[History], clock: Clock, rules: Collection[Rule]) -> list[History]:
    """Histories one after the other, as far apart as the rules look back; each begins at the same phase of every group's interval."""
    if not told:
        raise InputError("this run has no replication that was played to its end")
    longest = max(_length(history) for history in told) * clock.scale
    back = max((sum(durations(rule.query)) for rule in rules), default=0.0)
    slot = math.ceil((longest + LOOKBACK + back + 2 * clock.step) * 1000)
    beat = math.lcm(*{round(rule.every * 1000) for rule in rules}, round(clock.step * 1000))
    slot = -(-slot // beat) * beat if beat <= 10 * slot else slot
    return [history._replace(shift=i * slot / 1000) for i, history in enumerate(told)]


def durations(query: str) -> list[float]:
    """Every duration of an expression in seconds, as in `[5m]`, `[1h30m:1m]` and `offset 1d`."""
    found = re.findall(r"(?<![\w.])((?:\d+(?:ms|[smhdwy]))+)(?!\w)", query)
    return [sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", one)) for one in found]


def firing(active: Collection[int], span: tuple[int, int], rule: Rule) -> list[tuple[int, int]]:
    """The spells for which an alert fires, first and last evaluation of each; of those in `span`, its expression is `active` at some.

    As in Prometheus' rule manager: pending from the first active evaluation, firing once that is `for` ago, pending no more at the first
    evaluation that is not active; firing goes on through `keep_firing_for` of evaluations that are not.
    """
    found: list[tuple[int, int]] = []
    since: int | None = None  # active since
    begun: int | None = None  # firing since
    quiet: int | None = None  # firing, and not active, since
    for at in range(span[0], span[1] + 1):
        if at in active:
            quiet = None
            since = at if since is None else since
            if begun is None and (at - since) * rule.every >= rule.hold - 1e-9:
                begun = at
        elif begun is not None:
            quiet = at if quiet is None else quiet
            if (at - quiet) * rule.every >= rule.keep - 1e-9:
                found.append((begun, at - 1))
                begun = since = quiet = None
        else:
            since = None
    return found if begun is None else [*found, (begun, span[1])]


def score(name: str, pages: Sequence[Page], told: Sequence[History], note: str = "") -> Score:
    """What an alert that paged so comes to. Replications share their luck between arms, and intervals allow for it."""
    numbers = sorted({history.replication for history in told})
    row = {number: i for i, number in enumerate(numbers)}
    first, rung = np.full(len(told), math.inf), np.zeros(len(told))
    for page in pages:
        first[page.history] = min(first[page.history], page.time)
        rung[page.history] += 1
    harm = np.array([history.harm for history in told])
    owner = np.array([row[history.replication] for history in told])
    harmed, paged = np.isfinite(harm), np.isfinite(first)
    early = harmed & (first < harm)

    def each(which: Any, weight: Any = 1.0) -> Floats:
        """Summed up by replication."""
        return np.bincount(owner, which * weight, minlength=len(numbers)).astype(np.float64)

    of_early, of_false = each(early), each(~harmed & paged)
    days = np.array([_length(history) for history in told]) / 86_400
    return Score(
        name,
        len(pages),
        int(harmed.sum()),
        int((~harmed).sum()),
        int(early.sum()),
        int((harmed & paged & ~early).sum()),
        int(of_false.sum()),
        share_of(of_early, of_early + of_false),
        share_of(of_early, each(harmed)),
        median_of(harm[early] - first[early], owner[early], len(numbers)),
        _rate(each(~harmed, rung), each(~harmed, days), float(each(~harmed).max(initial=1.0))),
        note,
    )


def _rate(pages: Floats, days: Floats, together: float) -> Estimate:
    """Pages a day. Without any, up to the rate at which 39 of 40 runs would have shown one, if `together` arms share all their luck."""
    if pages.sum() or int((days > 0).sum()) < FEW:
        return mean_ratio(pages, days)
    return Estimate(0.0, 0.0, -math.log(0.025) * together / float(days.sum()), len(days))


def _contents(rules: Path) -> bytes:
    if not rules.is_file():
        raise InputError(f"{rules}: no such file; name a file of Prometheus rules")
    with storage(rules):
        text = rules.read_bytes()
    if len(text) > LARGEST:
        raise InputError(f"{rules}: {len(text):,} bytes; a rule file of at most {LARGEST:,} is read")
    return text


def _chosen(rules: Path, alerts: list[Rule], only: Collection[str]) -> list[Rule]:
    if not alerts:
        raise InputError(f"{rules}: no alerting rule in it; there is nothing to backtest")
    known = {rule.name for rule in alerts}
    for name in only:
        if name not in known:
            raise InputError(f"{rules}: no alert `{name}`; {did_you_mean(name, known)}")
    return [rule for rule in alerts if not only or rule.name in only]


def _unasked(file: RuleFile, found: Sequence[Rule]) -> Problems:
    """What only a server that has been running can know."""
    problems = Problems()
    for rule in found:
        for name in sorted(RUNNING & names([rule])):
            what = f"{rule.name}: reads {name}, which only a running server has"
            problems.add(file.metric(rule, name), "", what, "give the alert's own condition")
    return problems


def _import(folder: Path, record: Record, told: Sequence[History], clock: Clock, rules: Sequence[Rule]) -> None:
    """The metrics that the rules name, or all where a rule selects them by a pattern."""
    read = names(rules)
    only = None if None in read else {name for name in read if name}
    known = [family.name for family in families(record).values()]
    size = sum(len(one.outcome.times) for one in told) * sum(only is None or name in only for name in known)
    if size > MOST_SAMPLES:
        raise InputError(
            f"{size:,} samples would be laid before Prometheus, more than {MOST_SAMPLES:,}; lower --replications"
        )
    samples = folder / "samples.txt"
    with samples.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(openmetrics(record, told, clock, only))
    if samples.stat().st_size > len("# EOF\n"):
        import_samples(samples, folder / "data")
    samples.unlink()


def _needed(alerts: Sequence[Rule], records: Sequence[Rule]) -> list[Rule]:
    """The recording rules that alerts read, or that those read."""
    read = names(alerts)
    found: list[Rule] = []
    while new := [rule for rule in records if rule.name in read and rule not in found]:
        found += new
        read |= names(new)
    return [rule for rule in records if rule in found]


def _levels(rules: Path, records: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Recording rules, those first that read no other."""
    left = list(records)
    while left:
        waiting = {rule.name for rule in left}
        ready = [rule for rule in left if not waiting & names([rule])]
        if not ready:
            raise InputError(
                f"{rules}: {', '.join(sorted(waiting))} record each other in a circle; that has no value at any instant"
            )
        yield ready
        left = [rule for rule in left if rule not in ready]


def _answers(server: Server, rule: Rule, told: Sequence[History], clock: Clock) -> list[Series]:
    every = round(rule.every * 1000)
    start = round(clock.start * 1000)
    stop = round((clock.start + told[-1].shift + _length(told[-1]) * clock.scale) * 1000)
    try:
        return server.over(rule.query, start, stop, every)
    except InputError as error:
        raise InputError(
            f"{rule.name}: fails on this run: {visible(str(error), 400)}\n  expr: {visible(rule.query, 400)}"
        ) from None


def _recorded(server: Server, rule: Rule, told: Sequence[History], clock: Clock) -> Iterator[str]:
    """What a recording rule records. Where a value vanishes stands NaN: text has no stale markers."""
    every = round(rule.every * 1000)
    yield f"# TYPE {rule.name} unknown\n"
    for series in _answers(server, rule, told, clock):
        labels = {key: value for key, value in series.labels.items() if key != "__name__"} | dict(rule.labels)
        named = labelled(rule.name, labels)
        vanished = {at + every for at in series.values} - series.values.keys()
        for at in sorted(series.values.keys() | vanished):
            yield f"{named} {series.values.get(at, 'NaN')} {at / 1000:.3f}\n"


def _pages(server: Server, rule: Rule, told: Sequence[History], clock: Clock) -> list[Page]:
    """Every time that an alert began to fire."""
    every, start = round(rule.every * 1000), round(clock.start * 1000)
    spans: list[tuple[int, int]] = []
    for history in told:
        begin = round(history.shift * 1000)
        end = begin + round(_length(history) * clock.scale * 1000)
        spans.append((-(-begin // every), end // every))
    begins = np.array([first for first, _ in spans])
    found = []
    for series in _answers(server, rule, told, clock):
        ticks = np.array([(at - start) // every for at in series.values], dtype=np.int64)
        place = np.searchsorted(begins, ticks, side="right") - 1
        for i in np.unique(place[place >= 0]).tolist():
            for at, _ in firing(set(ticks[place == i].tolist()), spans[i], rule):
                since = (at * every / 1000 - told[i].shift) / clock.scale
                found.append(Page(i, clock.first + since))
    return found


def _counts(history: History) -> bool:
    """As in the scorecard: what diverged before it came to harm counts nowhere."""
    lost = float(history.outcome.diverged[history.replication])
    return math.isnan(lost) or history.harm < lost


def _length(history: History) -> float:
    """Simulated seconds from the first recorded instant to the last."""
    return float(history.outcome.times[-1] - history.outcome.times[0])


def _note(rule: Rule, empty: Collection[str]) -> str:
    """Why an alert never paged, where what it reads has no sample."""
    missing = sorted({one.name for one in selectors(rule.query) if one.name in empty and one.name})
    return f"no sample of {', '.join(missing)} in these histories" if missing else ""


def _named(alerts: Sequence[Rule]) -> list[str]:
    """Names of alerts; those that stand twice with what tells them apart."""
    names = [rule.name for rule in alerts]
    return [
        f"{rule.name} ({rule.labels.get('severity') or rule.group} {names[: i + 1].count(rule.name)})"
        if names.count(rule.name) > 1
        else rule.name
        for i, rule in enumerate(alerts)
    ]


def _plain(one: Score) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in one._asdict().items():
        if isinstance(value, Estimate):
            told |= {key: value.value, f"{key}_ci95": value.interval}
        else:
            told[key] = value
    return told
