"""The JSON Schema of scenarios, for completion and hints in an editor: units, bounds and sources in the descriptions.

It says what a single key may hold. What only shows when keys are held against each other (an arm that a
claim names, two arms that play alike) is `build`'s to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, get_args, get_origin

from simlab.base.par import CHOSEN, Par, Parameter, parameters
from simlab.base.units import NUMBER, UNITS, pretty
from simlab.brains.topology import SCHEDULES
from simlab.lab.shocks import EFFECTS
from simlab.scenario import keys
from simlab.scenario.factorial import LEVELS, PARTS
from simlab.scenario.keys import TEXT, TITLE
from simlab.scenario.reader import Node
from simlab.scenario.registry import HOUSE, Registry, Shelf
from simlab.scenario.stopping import BRIEF
from simlab.scenario.walker import NAME

Json = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
ANY_NAME = f"^{NAME.pattern}$"


def schema(registry: Registry = HOUSE) -> Json:
    """The JSON Schema (draft 7) of a scenario's YAML, with every world, brain and intervention there is."""
    brain = _choice(registry.brains)
    brains = {"anyOf": [brain, {"type": "array", "items": brain, "minItems": 1}]}
    patch = {"type": "object", "propertyNames": {"pattern": rf"^({'|'.join(keys.PATCHABLE)})\."}}
    schedule = _table(keys.SCHEDULE)
    vanish = {"anyOf": [{"type": "string"}, _table(keys.VANISH)]}
    topology = {"anyOf": [{"type": "string"}, _table(keys.TOPOLOGY)]}
    inside: Json = {
        "brain": brains,
        "schedule": schedule,
        "interventions": _hands(registry.interventions),
        "set": patch,
    }
    arm = _table(keys.ARM, topology=topology, **inside)
    control = _optional(_table(keys.CONTROL, set=patch, vanishes={"type": "array", "items": vanish}))
    exceeds = {
        "type": "object",
        "properties": {"exceeds": {"type": "number"}},
        "required": ["exceeds"],
        "additionalProperties": False,
    }
    statistic: Json = {"anyOf": [{"enum": list(keys.STATS)}, exceeds]}
    claim = _table(keys.CLAIM, stat=statistic)
    waits = {"anyOf": [{"type": "string", "pattern": rf"^{BRIEF.pattern}$"}, _table(keys.UNTIL, stat=statistic)]}
    top = _table(
        keys.TOP,
        record=_list({"type": "object", "additionalProperties": {"type": "string"}}),
        yours={"type": "object", "additionalProperties": {"type": "string"}},
        plugins={"type": "object", "additionalProperties": {"type": "string"}},
        world=_choice(registry.worlds),
        brain=brains,
        schedule=schedule,
        run=_table(keys.RUN, until=waits),
        harm=_table(keys.HARM),
        detectors=_detectors(registry.detectors),
        shocks=_named(_shock(registry.worlds)),
        trace={"type": "object", "additionalProperties": _table(keys.TRACE)},
        arms={**_named(arm), "minProperties": 1},
        factorial={**_table(keys.FACTORIAL, **_seams(), **{"with": _table(keys.WITH, **inside)}), "minProperties": 1},
        controls={**_named(control), "required": list(keys.CONTROLS)},
        readiness=_table(keys.READINESS),
        scoreboard=_list(_table(keys.ROW)),
        claims=_list(claim),
        studies=_named(_study(exceeds)),
    )
    either = [{"required": ["arms"]}, {"required": ["factorial"]}]
    return {"$schema": DIALECT, "title": "simlab scenario", **top, "anyOf": either}


def _seams() -> dict[str, Json]:
    """The levels of each seam of a factorial design."""
    blocks = {"type": "string", "pattern": r"^blocks\([1-9][0-9]*\)$"}
    rhythm = {"type": "string", "pattern": rf"^({'|'.join(SCHEDULES)})(\([0-9.]+\))?$"}
    found: dict[str, Json] = {}
    for seam, known in LEVELS.items():
        words = {"enum": [level for level in known if "(" not in level]}
        level = rhythm if seam == "schedule" else {"anyOf": [words, blocks]} if seam in PARTS else words
        found[seam] = {"type": "array", "items": level, "minItems": 1, "uniqueItems": True}
    return found


def _study(exceeds: Json) -> Json:
    arm = {"$ref": "#/properties/arms/additionalProperties"}
    swept = rf"^({'|'.join(keys.SWEPT)})\."
    values = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 2}]}
    paths = {"type": "object", "propertyNames": {"pattern": swept}}
    stat = {"anyOf": [{"enum": ["harm", *keys.STATS]}, exceeds]}
    sweep = {**paths, "additionalProperties": values, "minProperties": 1}
    return _table(keys.STUDY, sweep=sweep, also=_named(arm), set=paths, stat=stat)


def _table(table: Mapping[str, Parameter], **shapes: Json) -> Json:
    """An object with the keys of a table; `shapes` are those of its keys of kind Node."""
    required = [name for name, parameter in table.items() if parameter.default is MISSING]
    found: Json = {"type": "object", "additionalProperties": False}
    found["properties"] = {name: _entry(parameter, shapes.get(name, {})) for name, parameter in table.items()}
    return found | ({"required": required} if required else {})


def _entry(parameter: Parameter, shape: Json) -> Json:
    kind, par = parameter.kind, parameter.par
    found = dict(shape) if kind is Node else _value(kind, par)
    found["description"] = _about(par)
    if kind is str and parameter.name in ("title", "story", "because"):
        found["maxLength"] = TITLE if parameter.name == "title" else TEXT
    if parameter.default not in (MISSING, None) and kind is not Node:
        found["default"] = _plain(parameter.default, par)
    if parameter.default is None and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def _value(kind: Any, par: Par) -> Json:
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], par)}
    if kind is float and par.unit == "s":
        return _duration()
    if kind is str:
        return {"type": "string", **({"enum": list(par.choices)} if par.choices else {})}
    if kind is bool:
        return {"type": "boolean"}
    found: Json = {"type": "integer" if kind is int else "number"}
    bounds = {"minimum": par.low, "maximum": par.high, "exclusiveMinimum": par.above, "exclusiveMaximum": par.below}
    return found | {name: bound for name, bound in bounds.items() if bound is not None}


def _duration() -> Json:
    return {"type": "string", "pattern": rf"^\s*{NUMBER}\s*({'|'.join(UNITS)})\s*$", "examples": ["30 min"]}


def _about(par: Par) -> str:
    """Meaning, unit, bounds of a time, and source, in a line."""
    limits = {"at least": par.low, "at most": par.high, "above": par.above, "below": par.below}
    told = [f"{word} {pretty(limit)}" for word, limit in limits.items() if par.unit == "s" and limit is not None]
    unit = ["a time"] if par.unit == "s" else [f"in {par.unit}"] if par.unit != "1" else []
    source = [f"source: {par.source}"] if par.source != CHOSEN else []
    return "; ".join([par.about, *unit, *told, *source, *(["may change while the run goes on"] if par.live else [])])


def _plain(value: Any, par: Par) -> Any:
    if isinstance(value, tuple):
        return [_plain(item, par) for item in value]
    return pretty(value) if par.unit == "s" else value


def _choice(shelf: Shelf) -> Json:
    """One `{name: {parameters}}` of a kind."""
    return {
        "type": "object",
        "properties": {name: _described(shelf, name) for name in shelf.names()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _described(shelf: Shelf, name: str) -> Json:
    owner = shelf.find(name)
    found = _optional(_table(parameters(owner))) if owner else {}
    first = (getattr(owner, "__doc__", None) or name).strip().partition("\n")[0]
    return {**found, "description": first}


def _detectors(shelf: Shelf) -> Json:
    """A mapping from detectors to their parameters, and how often each looks."""
    found = {}
    for name in shelf.names():
        owner = shelf.find(name)
        found[name] = _optional(_table({**keys.DETECTOR, **(parameters(owner) if owner else {})}))
    return {"type": "object", "properties": found, "additionalProperties": False}


def _hands(shelf: Shelf) -> Json:
    """A list of interventions, each a name or a name with its trigger and parameters."""
    when = _table(keys.WHEN)
    latency = {"anyOf": [_duration(), _table(keys.LATENCY)]}
    bodies = {}
    for name in shelf.names():
        owner = shelf.find(name)
        own = parameters(owner) if owner else {}
        bodies[name] = _optional(_table({**keys.HAND, **own}, when=when, latency=latency))
    choice = {**_choice(shelf), "properties": bodies}
    return _list({"anyOf": [{"enum": shelf.names()}, choice]})


def _shock(worlds: Shelf) -> Json:
    live: Json = {}
    for name in worlds.names():
        owner = worlds.find(name)
        own = parameters(owner) if owner else {}
        live |= {key: _entry(parameter, {}) for key, parameter in own.items() if parameter.par.live}
    places: Json = {place: {"enum": list(effects)} for place, effects in EFFECTS.items() if place != "world"}
    places["world"] = {"type": "object", "minProperties": 1}
    if len(worlds.names()) == 1:  # with several, one name may mean different things
        places["world"] |= {"properties": live, "additionalProperties": False}
    return _table(keys.SHOCK, **places, size={"anyOf": [{"type": "number"}, _duration()]})


def _named(shape: Json) -> Json:
    return {"type": "object", "additionalProperties": shape, "propertyNames": {"pattern": ANY_NAME}}


def _list(shape: Json) -> Json:
    return {"type": "array", "items": shape}


def _optional(shape: Json) -> Json:
    """The shape, or nothing at all: `ridge:` is short for `ridge: {}`."""
    return {**shape, "type": ["object", "null"]}
