"""The points of a study: which values its axes take together, and the scenario that is played there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from simlab.base.errors import InputError, did_you_mean
from simlab.base.par import Par, parameters
from simlab.base.units import seconds
from simlab.scenario import axes as reading
from simlab.scenario import keys
from simlab.scenario.build import build_point, read_study
from simlab.scenario.problems import Mark, Problem, ScenarioError, Source
from simlab.scenario.reader import Node, plain, plant
from simlab.scenario.registry import Registry
from simlab.scenario.scenario import Axis, Scenario, Study
from simlab.scenario.studying import document, ready
from simlab.scenario.walker import Walker
from simlab.studies.design import latin, saltelli

MOST_PROBLEMS = 40


class Point(NamedTuple):
    """One point: a value for each axis, as the YAML writes it, and the scenario there, without controls and claims."""

    values: tuple[Any, ...]
    scenario: Scenario


def plan(
    scenario: Scenario,
    axes: Mapping[str, Any],
    *,
    arms: Sequence[str] | None = None,
    measure: str | None = None,
    stat: Any = None,
    design: str = "grid",
    points: int | None = None,
    registry: Registry | None = None,
) -> Study:
    """A study that is not in the scenario's file, checked as if it were; values are as in YAML. Raises ScenarioError."""
    title = f"{scenario.title}: {' and '.join(short(path) for path in axes)}"[: keys.TITLE]
    document = {
        "title": title,
        "because": "",
        "sweep": {path: _as_written(path, values) for path, values in axes.items()},
        "arms": None if arms is None else list(arms),
        "measure": measure,
        "stat": stat,
        "design": design,
        "points": points,
    }
    return read_study(scenario, "sweep", {key: value for key, value in document.items() if value is not None}, registry)


def study_of(scenario: Scenario, name: str, replications: int | None = None) -> Study:
    """One of a scenario's own studies, with another number of replications if one is given.

    Raises InputError for an unknown one, and ScenarioError for one that cannot be played with the values that were given.
    """
    if name in scenario.unplayable:
        raise ScenarioError(scenario.unplayable[name])
    known = {study.name: study for study in scenario.studies}
    if name not in known:
        what = (
            f"unknown study `{name}`; {did_you_mean(name, known)}"
            if known
            else "no `studies:` there; `simlab sweep` needs none"
        )
        raise InputError(f"{scenario.name}: {what}")
    return known[name] if replications is None else known[name]._replace(replications=None)


def _as_written(path: str, values: Any) -> Node:
    """The values of an axis with a place: the argument that they came from."""
    if isinstance(values, Node):
        return values
    tree = plant(list(values) if isinstance(values, tuple | range) else values, path)
    if not isinstance(tree.value, list):
        return tree._replace(mark=_mark(path, tree.value), key=_mark(path, tree.value))
    inside = [entry._replace(mark=_mark(path, plain(entry))) for entry in tree.value]
    return Node(inside, _mark(path, plain(tree)), Mark(Source(path, numbered=False)))


def base_of(scenario: Scenario, study: Study, registry: Registry | None = None) -> Scenario:
    """The arms of a study before anything varies. Raises ScenarioError."""
    walker = Walker()
    tree = document(scenario.resolved, study, walker)
    walker.problems.stop_if_any()
    return build_point(tree, scenario.name, scenario.path, {}, registry or scenario.registry)


def points(base: Scenario, study: Study, registry: Registry | None = None) -> list[Point]:
    """Every point of a study, built and checked; `base` is its `base_of`.

    Raises InputError where they are too many, and ScenarioError with what is wrong at which values.
    """
    tree, found = ready(base), []
    problems: dict[str, Problem] = {}
    for values in coordinates(base, study):
        given = {axis.path: _planted(axis.path, value) for axis, value in zip(study.axes, values, strict=True)}
        try:
            found.append(Point(values, build_point(tree, base.name, base.path, given, registry or base.registry)))
        except ScenarioError as error:
            where = ", ".join(f"{axis.path}={value}" for axis, value in zip(study.axes, values, strict=True))
            told = [p if p.mark else p._replace(message=f"{p.message} (at {where})"[:400]) for p in error.problems]
            problems |= {str(problem): problem for problem in told}
            if len(problems) > MOST_PROBLEMS:
                break
    if problems:
        raise ScenarioError(problems.values())
    _refuse_the_endless(found)
    return found


def coordinates(base: Scenario, study: Study) -> list[tuple[Any, ...]]:
    """The values of all axes at every point, in the order of the design; the last axis of a grid goes fastest."""
    d = len(study.axes)
    if study.design == "grid":
        each = [reading.values_of(axis) for axis in study.axes]
        _refuse_many(math.prod(len(values) for values in each))
        return list(product(*each))
    n = study.points or 0
    _refuse_many(n if study.design == "lhs" else n * (d + 2))
    cube = latin(n, d, base.seed) if study.design == "lhs" else saltelli(n, d, base.seed)
    whole = [type(_at(base.resolved, axis.path)) is int for axis in study.axes]
    rows = cube.tolist()
    return [
        tuple(reading.at(axis, share, whole=w) for axis, share, w in zip(study.axes, row, whole, strict=True))
        for row in rows
    ]


def _refuse_many(points: int) -> None:
    if points > keys.MOST_POINTS:
        raise InputError(
            f"{points:,} points; at most {keys.MOST_POINTS:,} are played: give fewer values, or a coarser design"
        )


def _refuse_the_endless(found: list[Point]) -> None:
    steps = sum(
        arm.trial.horizon / arm.trial.world.tick * arm.trial.world.spec.models * point.scenario.replications
        for point in found
        for arm in point.scenario.arms
    )
    if steps > keys.MOST_STEPS:
        raise InputError(
            f"{steps:.3g} steps of agents at {len(found):,} points; at most {keys.MOST_STEPS:.0e} are run: give fewer points, arms "
            "or replications, or a shorter horizon"
        )


def _planted(path: str, value: Any) -> Node:
    mark = _mark(path, value)
    return Node(plant(value, path).value, mark, mark)


def _mark(path: str, value: Any) -> Mark:
    return Mark(Source(f"{path}={value}"[:200], numbered=False))


def _at(resolved: Mapping[str, Any], path: str) -> Any:
    """What stands at a path in a document, or None."""
    here: Any = resolved
    for key in path.split("."):
        if isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict | Mapping) and key in here:
            here = here[key]
        else:
            return None
    return here


def facts(base: Scenario, study: Study) -> list[dict[str, Any]]:
    """What is to be said of each axis, as plain data: its path and name, unit and meaning, kind, and its values or ends."""
    names = [short(axis.path) for axis in study.axes]
    found = []
    for axis, name in zip(study.axes, names, strict=True):
        if axis.called:
            found.append(_called(axis))
            continue
        par = _par(base, axis.path)
        found.append(
            {
                "path": axis.path,
                "name": axis.path if names.count(name) > 1 else name,
                "kind": kind(axis),
                "unit": par.unit if par else "1",
                "about": par.about if par else "",
                "log": axis.log,
                "written": reading.shown(axis),
                "values": list(reading.values_of(axis)),
            }
        )
    return found


def _called(axis: Axis) -> dict[str, Any]:
    """What is to be said of an axis whose values are known by numbers of brains."""
    return {
        "path": axis.path,
        "name": "brains",
        "kind": "number",
        "unit": "1",
        "about": "over how many brains the models are split, in blocks",
        "log": False,
        "written": list(axis.called),
        "values": list(axis.called),
    }


def kind(axis: Axis) -> str:
    """What an axis is made of: "number", "time" or "choice"."""
    values = axis.listed if axis.low is None else (axis.low, axis.high)
    if all(type(value) in (int, float) for value in values):
        return "number"
    return "time" if all(map(_is_time, values)) else "choice"


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(seconds(value))
    except InputError:
        return False


def short(path: str) -> str:
    """A path in a word or three: what is varied, without where it stands."""
    parts = path.split(".")
    if parts[0] in ("world", "brain"):
        parts = parts[-1:]
    elif parts[0] == "arms":
        last = max((i for i, part in enumerate(parts) if part.isdigit()), default=1)
        parts = parts[last + 1 :]
        parts = parts[:-1] if parts[-1] == "median" and len(parts) > 1 else parts
    else:
        parts = parts[1:]
    return " ".join(parts).replace("_", " ")


def _par(base: Scenario, path: str) -> Par | None:
    """What is declared of the parameter at a path, where that is easily known."""
    first, *rest = path.split(".")
    trial = base.arms[0].trial
    tables = {"run": keys.RUN, "schedule": keys.SCHEDULE, "harm": keys.HARM}
    if first in tables and len(rest) == 1:
        known = tables[first]
    elif first == "world" and len(rest) == 2:
        known = parameters(type(trial.world))
    elif first == "brain" and len(rest) >= 2:
        kinds = base.resolved["brain"]
        at = int(rest[0]) if rest[0].isdigit() and isinstance(kinds, list) else 0
        if at >= len(trial.brains):
            return None
        known = parameters(type(trial.brains[at]))
    else:
        known = {**keys.HAND, **keys.LATENCY, **keys.TOPOLOGY, **keys.SHOCK}
    return known[rest[-1]].par if rest and rest[-1] in known else None
