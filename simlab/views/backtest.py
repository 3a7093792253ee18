"""A backtest of alerting rules in words and a table."""

from __future__ import annotations

from collections.abc import Iterator

from simlab.scenario.describe import Section
from simlab.scenario.scenario import Scenario
from simlab.studies.backtest import Backtest, Score
from simlab.studies.statistics import FEW, Estimate
from simlab.views.alerts import pace
from simlab.views.words import DASH, count, human, interval, number, percent, span


def sections(found: Backtest, scenario: Scenario, rules: str, played: int) -> Iterator[Section]:
    """What each alert of a rule file would have done in a run, for a terminal."""
    first = found.scores[0]
    base = first.harmed / max(first.harmed + first.calm, 1)
    told = (
        f"{found.histories:,} histories: replications 0 to {found.replications - 1} of the {played:,} that were played, in all arms "
        f"and controls. {first.harmed:,} came to harm, after {span(found.harm_at)} in the median: an alert that fires at once and "
        f"everywhere has that lead, a precision of {percent(base)}, and misses nothing. {pace(found.clock)}"
    )
    if found.recorded:
        told += f" Recorded first: {', '.join(found.recorded)}."
    columns = ("alert", "pages", "precision", "recall", "median lead", "late", "false pages a day")
    yield Section(f"{rules} in {scenario.title}", told, columns, tuple(_row(one) for one in found.scores))
    again = [f"{one.alert}: {one.note}" for one in found.scores if one.note] + found.warnings
    if again:
        yield Section("Look again", "\n".join(again))
    words = (
        "Precision: of the histories paged before any harm, those in which it came. Recall: of those that came to harm, those paged "
        "before. Late: first paged once harm had begun. False pages a day: in histories without harm, by simulated time. "
        f"Harm is {human(scenario.harm.measure if scenario.harm else scenario.headline)} as the scenario declares it. "
        "An alert sees what a detector read at the recorded instant after it, so leads may be an instant shorter than in `simlab score`. "
        f"In brackets: 95% intervals; arms share their luck, so they rest on {count(found.replications, 'replication')}"
        + (f", and fewer than {FEW} give none." if found.replications < FEW else ".")
    )
    yield Section("How to read it", words)


def _row(one: Score) -> tuple[str, ...]:
    if one.note:
        return (one.alert, "0", "no sample", "", "", "", "")
    rate = number(one.false_a_day.value) if one.calm else DASH
    return (
        one.alert,
        f"{one.pages:,}",
        _share(one.precision),
        _share(one.recall),
        span(one.lead.value),
        f"{one.late:,}",
        rate if one.false_a_day.interval is None or not one.calm else f"{rate} ({interval(one.false_a_day.interval)})",
    )


def _share(found: Estimate) -> str:
    ci = found.interval
    return percent(found.value) if ci is None else f"{percent(found.value)} ({interval([100 * x for x in ci])}%)"
