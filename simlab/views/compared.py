"""A comparison in words: the verdict, and the tables for a terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simlab.scenario.describe import Section
from simlab.studies.compare import Contrasts, Pair, Row
from simlab.studies.statistics import FEW
from simlab.studies.summary import stands_clear
from simlab.views.pictures import unit_of
from simlab.views.verdict import Headline, headline
from simlab.views.words import DASH, count, human, interval, listed, number, percent, points, sentence, signed

TOLD = 3  # the most pairs, and further measures, that the verdict names
COLUMNS = ("measure", "A", "B", "B minus A", "95% interval", "pairs", "")


def verdict(found: Contrasts) -> str:
    """One sentence: the headline in both, whether it differs, and which other measures do; composed from the numbers alone."""
    top = topic(found)
    if len(found.pairs) == 1:
        pair = found.pairs[0]
        return sentence(_told(found, pair, top) + _others(found, pair)) + _lost(found) + "."
    said = [_briefly(found, pair, top) for pair in found.pairs[:TOLD]]
    more = len(found.pairs) - len(said)
    rows = [row for pair in found.pairs for row in pair.rows]
    clear = sum(row.clear for row in rows)
    tail = f"; and {count(more, 'more pair')}" if more else ""
    return (
        sentence(f"{top.label} from A to B: {'; '.join(said)}{tail}; of {len(rows)} differences {clear or 'none'} ")
        + ("is clear" if clear < 2 else "are clear")
        + _lost(found)
        + "."
    )


def topic(found: Contrasts) -> Headline:
    """What the verdict speaks of: P(harm) where both runs declare the same harm, else the mean of the headline measure."""
    top = headline(found.a.scenario)
    if not top.share or found.pairs[0].harm is not None:
        return top
    declared = found.a.scenario.arms[0].trial.world.measures[top.measure]
    return Headline(top.measure, f"the mean {human(top.measure)}", declared.unit, False, declared.worse)


def main_row(pair: Pair, top: Headline) -> Row:
    """The headline's row of a pair."""
    if top.share and pair.harm is not None:
        return pair.harm
    return next(row for row in pair.measures if row.measure == top.measure)


def called(found: Contrasts, pair: Pair) -> tuple[str, str]:
    """The two arms as the words call them."""
    a, b = (f"“{title}”" for title in pair.titles)
    return (f"{a} in A", f"{b} in B") if found.of_runs else (a, b)


def heading(found: Contrasts, pair: Pair) -> str:
    """What stands above a pair's table."""
    a, b = (f"“{title}”" for title in pair.titles)
    return f"{a}: B against A" if a == b and found.of_runs else f"{b} (B) against {a} (A)"


def _told(found: Contrasts, pair: Pair, top: Headline) -> str:
    row, (a, b) = main_row(pair, top), called(found, pair)
    both = f"{top.label} is {top.say(row.b.value)} in {b} and {top.say(row.a.value)} in {a}"
    if row.same:
        return f"{both}, and the same in every replication"
    if math.isnan(row.difference.value):
        return f"no verdict: {top.label} is undefined in one of the arms, or never defined in both"
    apart = top.say_difference(row.difference.value, row.difference.interval)
    if row.difference.interval is None:
        n = row.difference.n
        why = f"{count(n, 'pair')}, too few for an interval" if n < FEW else "too few unusual ones for an interval"
        return f"{why}: {both} ({apart})"
    if row.clear:
        return f"{both}: a difference of {apart.lstrip('+')}, clear for all measures together"
    if stands_clear(row.difference):
        return f"{both} ({apart} by itself); that is not clear among {len(pair.rows)} measures, one of which may differ by luck"
    return f"no difference found: {both} ({apart})"


def _briefly(found: Contrasts, pair: Pair, top: Headline) -> str:
    row = main_row(pair, top)
    title = f"“{pair.titles[0]}”" if pair.titles[0] == pair.titles[1] else " to ".join(called(found, pair))
    if row.same:
        return f"{title} the same in every replication ({top.say(row.a.value)})"
    alone = "not clear among all measures" if stands_clear(row.difference) else "no difference found"
    verdict = "clear" if row.clear else alone if row.difference.interval else "too few for an interval"
    apart = top.say_difference(row.difference.value, row.difference.interval)
    return f"{title} {top.say(row.a.value)} to {top.say(row.b.value)} ({apart}: {verdict})"


def _others(found: Contrasts, pair: Pair) -> str:
    """Which other measures differ, the clearest first."""
    row = main_row(pair, topic(found))
    rest = [one for one in pair.rows if one is not row]
    clear = sorted((one for one in rest if one.clear), key=_strength, reverse=True)
    if all(one.same for one in rest):
        return f"; all {len(rest)} other measures are the same too, to the bit" if rest else ""
    if not clear:
        return "; no other measure differs clearly"
    named = [
        f"{'harm' if one is pair.harm else human(one.measure)} ({_apart(one, pair, found)})" for one in clear[:TOLD]
    ]
    which = "clearest in " if len(clear) > TOLD else ""
    return f"; {len(clear)} of {len(rest)} other measures differ{'s' if len(clear) == 1 else ''} clearly: {which}{listed(named)}"


def _strength(row: Row) -> float:
    found = row.difference
    return abs(found.value) / (found.high - found.low) if found.high > found.low else math.inf


def _lost(found: Contrasts) -> str:
    said = []
    for kind in ("diverged", "failed"):
        a, b = (sum(getattr(pair, kind)[i] for pair in found.pairs) for i in (0, 1))
        said += [f"{count(a, 'replication')} {kind} in A, {b} in B"] if a or b else []
    return f" ({listed(said)})" if said else ""


def tables(found: Contrasts) -> Iterator[Section]:
    """The comparison for a terminal: what differs between the runs, then a table for each pair."""
    if found.of_runs:
        paths = f"A: {found.a.record.path}\nB: {found.b.record.path}"
        yield Section("Runs", paths)
        yield Section("They differ in", "\n".join(found.differ) or "nothing that is part of a run")
    for pair in found.pairs:
        if all(row.same for row in pair.rows):
            yield Section(heading(found, pair), f"the same to the bit in all {len(pair.rows)} rows")
        else:
            note = f"Intervals are each measure's own; `clear` allows for all {len(pair.rows)} of them together. Differences are B less A."
            yield Section(heading(found, pair), note, COLUMNS, rows_of(found, pair))


def rows_of(found: Contrasts, pair: Pair) -> tuple[tuple[str, ...], ...]:
    """The table of a pair, under `COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for row in pair.rows:
        share = row is pair.harm
        say = percent if share else number
        ci = row.difference.interval
        width = ci[1] - ci[0] if ci else 1.0
        ends = DASH if ci is None else _in_points(ci, width) if share else interval(ci)
        word = "same" if row.same else "clear" if row.clear else ""
        rows.append(
            (
                _named(row, pair, found),
                say(row.a.value),
                say(row.b.value),
                f"{points(row.difference.value, width)} points" if share else signed(row.difference.value),
                ends,
                f"{row.difference.n:,}",
                word,
            )
        )
    return tuple(rows)


def _in_points(ci: list[float], width: float) -> str:
    return " to ".join(points(end, width).removeprefix("+") for end in ci)


def unit(found: Contrasts, measure: str) -> str:
    """The unit of a measure, "" where it is a pure number."""
    declared = unit_of(found.a.scenario, found.a.record, measure)
    return "" if declared == "1" else declared


def _named(row: Row, pair: Pair, found: Contrasts) -> str:
    """The row's heading: what is compared, and in what unit."""
    if row is pair.harm:
        return headline(found.a.scenario).label
    return ", ".join(filter(None, (human(row.measure), unit(found, row.measure))))


def _apart(row: Row, pair: Pair, found: Contrasts) -> str:
    if row is pair.harm:
        return f"{points(row.difference.value)} points"
    return f"{signed(row.difference.value)} {unit(found, row.measure)}".rstrip()
