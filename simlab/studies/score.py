"""The scorecard: how early each detector would have warned of the declared harm, how often it missed it, and how often it cried wolf."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.lab.outcome import Outcome
from simlab.lab.trial import Instrument
from simlab.results.record import Record, cell_key
from simlab.scenario.keys import RULES
from simlab.scenario.scenario import Scenario
from simlab.studies.statistics import Estimate, median_of, share_of


class Told(NamedTuple):
    """What one rule did in one cell, per replication `(n,)`: when harm came and when it first alarmed (infinite: never), and which count.

    A replication that failed, or diverged before it came to harm, counts nowhere.
    """

    harm: Floats
    alarm: Floats
    counts: Floats


def scorecard(scenario: Scenario, record: Record) -> list[dict[str, Any]] | None:
    """Each detector and rule over all arms and controls (`arm` None), then in each arm; None without a declared harm.

    `warned` is the share of the harmed replications in which the first alarm came before harm did, `lead` the median time between the two
    where it came, in seconds, and `false` the share of those never harmed in which there was an alarm all the same. Whoever cries from
    the first second on has a lead of `harm_at`, the median time of harm, and a `false` of 1. Replications of several arms share their
    luck: the intervals allow for it. `reads` is False where the detector never showed anything.
    """
    if scenario.harm is None:
        return None
    plain = {arm.name: record.cells[cell_key(arm.name)] for arm in scenario.arms}
    under = [record.cells[cell_key(arm.name, c.name)] for c in scenario.controls for arm in c.arms]
    rows = []
    for instrument in scenario.arms[0].trial.instruments:
        for name, rule in zip(instrument.readings(), RULES, strict=True):
            rows.append(_row(instrument, name, rule, None, [*plain.values(), *under]))
            rows += [_row(instrument, name, rule, arm, [outcome]) for arm, outcome in plain.items()]
    return rows


def _row(instrument: Instrument, name: str, rule: str, arm: str | None, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    told = [(_told(outcome, name), outcome) for outcome in outcomes]
    harmed = np.sum([t.counts * np.isfinite(t.harm) for t, _ in told], axis=0)
    warned = np.sum([t.counts * (t.alarm < t.harm) * np.isfinite(t.harm) for t, _ in told], axis=0)
    calm = np.sum([t.counts * np.isinf(t.harm) for t, _ in told], axis=0)
    false = np.sum([t.counts * np.isinf(t.harm) * np.isfinite(t.alarm) for t, _ in told], axis=0)
    early = [(t.counts > 0) & (t.alarm < t.harm) & np.isfinite(t.harm) for t, _ in told]
    when = [t.harm[(t.counts > 0) & np.isfinite(t.harm)] for t, _ in told]
    lead = np.concatenate([t.harm[here] - t.alarm[here] for (t, _), here in zip(told, early, strict=True)])
    owner = np.concatenate([np.flatnonzero(here) for here in early])
    return {
        "detector": instrument.name,
        "rule": rule,
        "arm": arm,
        "limit": instrument.limits()[name],
        "reads": any(np.isfinite((o.series or o.quantiles).get(name, np.nan)).any() for _, o in told),
        "harmed": int(harmed.sum()),
        "harm_at": float(np.median(np.concatenate(when))) if harmed.any() else math.nan,
        **_told_as("warned", share_of(warned, harmed)),
        **_told_as("lead", median_of(lead, owner, len(harmed))),
        "calm": int(calm.sum()),
        **_told_as("false", share_of(false, calm)),
    }


def _told_as(name: str, found: Estimate) -> dict[str, Any]:
    return {name: found.value, f"{name}_ci95": found.interval}


def _told(outcome: Outcome, name: str) -> Told:
    lost = np.where(np.isnan(outcome.diverged), math.inf, outcome.diverged)
    first = {kind: np.full(len(lost), math.inf) for kind in ("harm", "alarm")}
    place = {number: i for i, number in enumerate(outcome.replications.tolist())}
    for event in outcome.events:  # by time within a replication
        if event.kind == "harm" or (event.kind == "alarm" and event.name == name):
            at = place[event.replication]
            first[event.kind][at] = min(first[event.kind][at], event.time)
    harm = np.where(first["harm"] < lost, first["harm"], math.inf)
    fine = np.isinf(lost) | np.isfinite(harm)
    fine &= ~np.isin(outcome.replications, list(outcome.failed))
    return Told(harm, first["alarm"], fine.astype(np.float64))


def of_all(card: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows over all arms."""
    return [row for row in card if row["arm"] is None]
