"""A scenario in words and tables: what `simlab describe` shows. Plain data; the door draws it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from simlab.base.par import NO_LIMIT, Par, parameters
from simlab.base.units import pretty
from simlab.scenario.axes import shown
from simlab.scenario.factorial import title_of
from simlab.scenario.scenario import Arm, Factorial, Scenario, Study


class Section(NamedTuple):
    """A heading with a text, a table, or both. A line of the text that begins with four spaces is shown as it stands."""

    heading: str
    text: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(scenario: Scenario) -> Iterator[Section]:
    """Everything a scenario says in tables, from its record to its studies; `guide` has what comes before."""
    document = scenario.resolved
    for entry in scenario.record:
        yield Section("Record", "", ("", ""), tuple((key.replace("_", " "), text) for key, text in entry.items()))
    yield Section(
        "Run", ", ".join(f"{key.replace('_', ' ')} {_nested(value)}" for key, value in document["run"].items())
    )
    trial = scenario.arms[0].trial
    kinds = document["brain"] if isinstance(document["brain"], list) else [document["brain"]]
    yield _parameters("World", document["world"], type(trial.world))
    for kind, brain in zip(kinds, scenario.arms[0].trial.brains, strict=False):
        yield _parameters("Brain", kind, type(brain))
    if "yours" in document:
        known = parameters(type(trial.world))
        mine = tuple(
            (n, _unit(known[n].par), " ".join(text.split()), "live" if known[n].par.live else "")
            for n, text in document["yours"].items()
        )
        follow = "What is live may follow a record, by `trace:`." if any(row[-1] for row in mine) else ""
        yield Section("Make it yours", follow, ("parameter", "unit", "set it from", ""), mine)
    rhythm = {key: value for key, value in document["schedule"].items() if value is not False}
    plan = ", ".join(key if value is True else f"{key} {value}" for key, value in rhythm.items())
    never = rhythm.get("every") == pretty(0.0)
    yield Section("Retraining", "on no schedule: never, or after every answer" if never else plan)
    told = tuple((n, "" if m.unit == "1" else m.unit, m.about) for n, m in trial.world.measures.items())
    yield Section("Measures", "", ("measure", "unit", "what it is"), told)
    if "harm" in document:
        yield Section("Harm", _flat(document["harm"]))
    if document["shocks"]:
        rows = tuple((name, _flat(shock)) for name, shock in document["shocks"].items())
        yield Section("Shocks", "", ("shock", "what happens"), rows)
    if "trace" in document:
        followed = tuple(
            (name, told["source"], told["unit"], f"{len(told['values']):,}") for name, told in document["trace"].items()
        )
        yield Section("Traces", "", ("parameter", "follows", "unit", "values"), followed)
    if scenario.factorial:
        yield from _factorial(scenario.factorial, document["factorial"])
    yield Section("Arms", "", ("arm", "title", "wiring", "own"), tuple(_arm(a, document) for a in scenario.arms))
    yield Section("Controls", "", ("control", "title", "sets", "vanishes"), tuple(_controls(document["controls"])))
    if document["scoreboard"]:
        columns = ("what", "published", "mark", "source")
        board = tuple(tuple(str(row[key]) for key in columns) for row in document["scoreboard"])
        yield Section("Scoreboard", "", columns, board)
    if document["claims"]:
        yield Section("Claims", "", ("claim", "because"), tuple(claimed(claim) for claim in document["claims"]))
    if scenario.studies:
        heads = ("study", "title", "varies", "arms", "because")
        yield Section("Studies", "", heads, tuple(_study(study) for study in scenario.studies))


def _parameters(what: str, shown: Mapping[str, Any], owner: type[Any]) -> Section:
    name, values = next(iter(shown.items()))
    rows = tuple(
        (
            key,
            _flat(values[key]),
            _unit(p.par),
            _bounds(p.par),
            p.par.source,
            p.par.about + (" (live)" if p.par.live else ""),
        )
        for key, p in parameters(owner).items()
    )
    text = (owner.__doc__ or "").strip().partition("\n")[0]
    return Section(f"{what}: {name}", text, ("parameter", "value", "unit", "bounds", "source", "what it is"), rows)


def _arm(arm: Arm, document: Mapping[str, Any]) -> tuple[str, ...]:
    told = document["arms"][arm.name]
    own = {key: told[key] for key in ("brain", "schedule", "interventions", "set") if told.get(key)}
    own |= {"shocks": told["shocks"] or "none"} if told["shocks"] != list(document["shocks"]) else {}
    return arm.name, arm.title, arm.wiring, _flat(_brief(own))


def _brief(value: Any) -> Any:
    """A document without the scrapes and latencies of hands that act at once."""
    if isinstance(value, Mapping):
        idle = {"scrape": value.get("scrape") == pretty(0.0)}
        idle["latency"] = isinstance(late := value.get("latency"), Mapping) and late.get("median") == pretty(0.0)
        return {key: _brief(inside) for key, inside in value.items() if not idle.get(key)}
    return [_brief(inside) for inside in value] if isinstance(value, list) else value


def _factorial(design: Factorial, document: Mapping[str, Any]) -> Iterator[Section]:
    seams = tuple((seam, ", ".join(levels)) for seam, levels in design.seams.items())
    shared = _flat(document["with"]) if document.get("with") else ""
    text = f"{len(design.levels)} arms" + (f", all with {shared}" if shared else "")
    yield Section("Factorial", text, ("seam", "levels"), seams)
    if design.dropped:
        rows = tuple((title_of(levels), why) for levels, why in design.dropped)
        yield Section("Left out", "", ("combination", "why"), rows)


def _controls(controls: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, control in controls.items():
        vanishes = ", ".join(entry["measure"] for entry in control["vanishes"])
        yield name, control["title"], _flat(control.get("set", {})), vanishes


def claimed(claim: Mapping[str, Any]) -> tuple[str, str]:
    """What a claim says, from its document, and because of what."""
    stat = claim["stat"]
    what = f"{stat} {claim['measure']}" if isinstance(stat, str) else f"P({claim['measure']} > {stat['exceeds']:g})"
    what += f" in {claim['arm']}" if "arm" in claim else ""
    what += f" {'over' if claim.get('ratio') else 'minus'} {claim['versus']}" if "versus" in claim else ""
    what += f" under {claim['control']}" if "control" in claim else ""
    if "order" in claim:
        what += f" rises from arm to arm: {', '.join(claim['order'])}"
    elif "over" in claim:
        what += f" {'rises' if claim['rises'] else 'falls'} over the study {claim['over']}"
    else:
        side = next(side for side in ("above", "below", "near") if side in claim)
        what += f" is {side} {claim[side]:g}" + (f" within {claim['within']:g}" if side == "near" else "")
    return what + ("" if claim["expect"] else " (expected false)"), claim["because"]


def _study(study: Study) -> tuple[str, ...]:
    varies = "; ".join(f"{axis.path}: {_flat(shown(axis))}" for axis in study.axes)
    if study.brains:
        views = {"own": ", each model with its own features", "one": ", all with the same features"}
        varies = f"brains: {_flat(study.brains)}{views.get(study.features, '')}"
    return study.name, study.title, varies, ", ".join(study.arms), study.because


def _unit(par: Par) -> str:
    return {"1": "", "s": "time"}.get(par.unit, par.unit)


def _bounds(par: Par) -> str:
    def say(bound: float) -> str:
        return pretty(bound) if par.unit == "s" else f"{bound:g}"

    ends = ((">=", par.low), (">", par.above), ("<=", par.high), ("<", par.below))
    return ", ".join(par.choices) or " and ".join(f"{sign} {say(end)}" for sign, end in ends if end is not None)


def _flat(value: Any) -> str:
    """JSON-like data in one readable line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_nested(inside)}" for key, inside in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_nested(inside) for inside in value)
    if isinstance(value, float):
        return "no limit" if abs(value) >= NO_LIMIT else f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nested(value: Any) -> str:
    flat = _flat(value)
    return f"{{{flat}}}" if isinstance(value, Mapping) else f"[{flat}]" if isinstance(value, list | tuple) else flat
