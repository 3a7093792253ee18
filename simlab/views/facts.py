"""What the report says beside its figures: scoreboard, parameters, settings, events; from record and scenario."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.par import CHOSEN, NO_LIMIT, Par, parameters
from simlab.brains.topology import Schedule
from simlab.lab.outcome import Outcome
from simlab.lab.shocks import Shock
from simlab.lab.trial import Hand, Trigger
from simlab.results.record import Record, cell_key
from simlab.scenario.scenario import Arm, Row, Scenario
from simlab.views.tally import stopped
from simlab.views.words import DASH, human, listed, number, quantity, span


def statistic(values: Floats, stat: str) -> float | None:
    """A mean, median or p95 of the defined values, or None when there are none."""
    kept = values[np.isfinite(values)]
    if not kept.size:
        return None
    if stat == "mean":
        return float(kept.mean())
    return float(np.quantile(kept, 0.95 if stat == "p95" else 0.5))


def score(row: Row, record: Record) -> tuple[float | None, str]:
    """The model's figure for a row of the scoreboard, and "hit" or "miss" if predicted, "agrees" or "differs" if checked, or its mark."""
    cell = cell_key(row.arm or record.arms[0], row.control)
    values = record.cells[cell].measures.get(row.measure or "") if cell in record.cells else None
    figure = None if values is None else statistic(values, row.stat)
    if row.mark not in ("predicted", "checked"):
        return figure, row.mark
    if figure is None:
        return None, "undefined"
    inside = (row.low is None or figure >= row.low) and (row.high is None or figure <= row.high)
    yes, no = ("hit", "miss") if row.mark == "predicted" else ("agrees", "differs")
    return figure, yes if inside else no


class Setting(NamedTuple):
    """One parameter as it was run: whose it is, its name, its value (by arm where arms differ), and what it is."""

    owner: str
    name: str
    value: str
    par: Par


def settings(arms: Sequence[Arm]) -> list[Setting]:
    """The parameters of every world, brain and intervention of the arms, each once."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    pars: dict[tuple[str, str], Par] = {}
    for arm in arms:
        for owner, thing in _things(arm):
            for name, declared in parameters(type(thing)).items():
                found.setdefault((owner, name), {})[arm.title] = _shown(getattr(thing, name))
                pars[owner, name] = declared.par
    rows = []
    for (owner, name), values in found.items():
        alike = len(set(values.values())) == 1
        text = (
            next(iter(values.values())) if alike else "; ".join(f"{value} ({title})" for title, value in values.items())
        )
        some = f" ({listed(list(values))} only)" if alike and len(values) < len(arms) else ""
        rows.append(Setting(owner, name, text + some, pars[owner, name]))
    return rows


def _things(arm: Arm) -> list[tuple[str, Any]]:
    trial = arm.trial
    brains = [
        (f"brain {type(b).__name__}{'' if len(trial.brains) == 1 else f' {i + 1}'}", b)
        for i, b in enumerate(trial.brains)
    ]
    return [
        (f"world {type(trial.world).__name__}", trial.world),
        *brains,
        *((f"hand {h.name}", h.intervention) for h in trial.hands),
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, float) and abs(value) >= NO_LIMIT:
        return "no limit"
    return number(value, 6) if isinstance(value, int | float) else str(value)


def bounds(par: Par) -> str:
    """The bounds of a parameter, as "0 to 1" or "> 0"."""
    if par.choices:
        return ", ".join(par.choices)
    if par.low is not None and par.high is not None:
        return f"{number(par.low)} to {number(par.high)}"
    ends = (("≥ ", par.low), (">\u00a0", par.above), ("≤ ", par.high), ("<\u00a0", par.below))
    return ", ".join(f"{sign}{number(end)}" for sign, end in ends if end is not None) or "any"


def chosen(rows: Sequence[Setting]) -> int:
    """How many parameters have no source but our choice."""
    return sum(row.par.source == CHOSEN for row in rows)


class Seen(NamedTuple):
    """One sort of event in one arm (None: the same in all): how many, and the first time in each replication, `(k,)` s."""

    kind: str
    name: str
    arm: int | None
    events: int
    first: Floats


def happened(outcomes: Sequence[Outcome], aside: Collection[str] = ()) -> list[Seen]:
    """The events of every arm, by sort, but for the alarms named in `aside`; `arm` is the arm's place in `outcomes`."""
    first: dict[tuple[str, str, int], dict[int, float]] = {}
    total: dict[tuple[str, str, int], int] = {}
    for i, outcome in enumerate(outcomes):
        for event in outcome.events:
            if event.kind == "alarm" and event.name in aside:
                continue
            key = (event.kind, event.name, i)
            total[key] = total.get(key, 0) + 1
            times = first.setdefault(key, {})
            times[event.replication] = min(event.time, times.get(event.replication, event.time))
    rows = []
    for kind, name, i in sorted(first):
        same = [first.get((kind, name, j)) == first[kind, name, i] for j in range(len(outcomes))]
        alike = len(outcomes) > 1 and all(same)
        if not (alike and i):
            own = first[kind, name, i]
            each = np.array([own[r] for r in sorted(own)])
            rows.append(Seen(kind, name, None if alike else i, total[kind, name, i], each))
    return rows


def disturbance(shock: Shock) -> str:
    """A shock in words."""
    lasts = f" for {span(shock.duration)}" if np.isfinite(shock.duration) else " to the end"
    size = f", size {number(shock.size)}" if shock.size else ""
    values = "".join(f", {human(name)} = {number(value)}" for name, value in shock.values.items())
    who = "" if shock.models is None else f", {len(shock.models)} models"
    return f"{human(shock.name)}: {shock.where} {shock.effect} from {span(shock.start)}{lasts}{size}{values}{who}"


def reaction(hand: Hand) -> str:
    """An intervention and what sets it off, in words."""
    when: Trigger = hand.trigger
    if when.measure is not None:
        sign, edge = (">", when.above) if np.isfinite(when.above) else ("<", when.below)
        why = f"when {human(when.measure)} {sign} {number(edge)}"
    else:
        why = f"at {span(when.at)}" if np.isfinite(when.at) else "never"
    late = f", {span(when.median)} later (median)" if when.median else ""
    lasts = f", for {span(when.lasts)}" if np.isfinite(when.lasts) else ""
    return f"{human(hand.name)} {why}{late}{lasts}"


def rhythm(plan: Schedule) -> str:
    """When brains retrain, in words."""
    return f"every {span(plan.every)}, {plan.how}" + (", on timers that wait" if plan.waits else "")


def run_facts(record: Record, scenario: Scenario) -> list[tuple[str, str]]:
    """The settings of the run, as name and value."""
    trial = scenario.arms[0].trial
    plan = trial.schedule
    retrain = rhythm(plan) if plan.every else "never, or after every answer"
    pairs = [
        ("replications", f"{record.replications:,}"),
        *([("stopped", stopped(record.summary["until"]))] if record.summary.get("until") else []),
        ("seed", str(record.summary.get("seed", scenario.seed))),
        ("horizon", span(trial.horizon) + (f" after a warm-up of {span(trial.warmup)}" if trial.warmup else "")),
        ("tick", quantity(trial.world.tick, "s")),
        ("recorded every", span(trial.stride) + (", quantiles only" if scenario.series == "quantiles" else "")),
        ("models", f"{trial.topology.models:,}"),
        ("retraining", retrain),
        ("shocks", "; ".join(disturbance(s) for s in trial.shocks) or "none"),
    ]
    for name, told in scenario.resolved.get("trace", {}).items():
        pairs.append((f"{name} follows", f"{told['source']} ({len(told['values']):,} values)"))
    for arm in scenario.arms:
        if arm.trial.hands:
            pairs.append((f"hands in {arm.title}", "; ".join(reaction(h) for h in arm.trial.hands)))
        if arm.trial.schedule != plan:
            own = arm.trial.schedule
            pairs.append((f"retraining in {arm.title}", rhythm(own)))
    return pairs


def provenance(record: Record) -> list[tuple[str, str]]:
    """What the manifest says of where the run came from, and how long it took."""
    pairs = [("run", str(record.summary.get("run") or record.manifest.get("run") or DASH))]
    for key, value in record.manifest.items():
        if isinstance(value, str) and key in ("version", "created_by"):
            pairs.append((key, value))
        elif isinstance(value, Mapping) and key in ("versions", "machine"):
            pairs.append((key, ", ".join(f"{k} {_words(v)}" for k, v in value.items())))
    return pairs + [(human(name), value) for name, value in timings(record).items()]


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def timings(record: Record) -> dict[str, str]:
    """The wall-clock facts that the run left beside its results, if it did."""
    file = None if record.path is None else record.path / "timings.json"
    if file is None or not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError:
        return {}
    told = found.items() if isinstance(found, dict) else ()
    return {
        str(k): number(v, 4) if isinstance(v, int | float) else v for k, v in told if isinstance(v, int | float | str)
    }


def command(record: Record, scenario: Scenario) -> str:
    """The command that reproduces a run without overrides; the call, where it needs classes of somebody's own."""
    seed = record.summary.get("seed", scenario.seed)
    if scenario.registry.own:
        names = ", ".join(one.__name__ for _, one in scenario.registry.own)
        return f"simlab.run(simlab.load(..., using=[{names}]), replications={record.replications}, seed={seed})"
    return shlex.join(
        [
            "simlab",
            "run",
            scenario.path or scenario.name,
            "--replications",
            str(record.replications),
            "--seed",
            str(seed),
        ]
    )


def met(record: Record, scenario: Scenario) -> list[str]:
    """How many published figures the model meets, in a line, where it is held against any."""
    marks = [score(row, record)[1] for row in scenario.scoreboard]
    asked = sum(mark in ("hit", "miss", "undefined") for mark in marks)
    return [f"published figures: {marks.count('hit')} of {asked} met"] if asked else []
