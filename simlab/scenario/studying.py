"""Studies of a scenario, read and checked: every value of every axis is built once at the door, by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

from simlab.base.errors import did_you_mean
from simlab.lab.score import SCORES
from simlab.scenario import axes, blocks, keys
from simlab.scenario.patch import put
from simlab.scenario.problems import Problem
from simlab.scenario.reader import Node, join, plain, plant
from simlab.scenario.scenario import Axis, Scenario, Study
from simlab.scenario.setup import usual_stride
from simlab.scenario.walker import Walker, show

UNPLAYED = (
    "beside",
    "controls",
    "factorial",
    "claims",
    "scoreboard",
    "record",
    "readiness",
    "studies",
)  # what a point of a study does not have


class Around(NamedTuple):
    """What a study is read against.

    `resolved` is the scenario's document, `build` makes a scenario without controls out of a tree (or notes faults with a walker),
    `stat` reads a statistic, `measures` are the world's, `harm` says whether harm is declared.
    """

    resolved: Mapping[str, Any]
    measures: Mapping[str, Any]
    harm: bool
    build: Callable[[Node, Walker], Scenario | None]
    stat: Callable[[Node | str, str, tuple[str, ...]], tuple[Any, float | None]]


class Studies(NamedTuple):
    """Studies in their order, the document of each by name, and what is wrong with those that cannot be played."""

    found: tuple[Study, ...]
    documents: Mapping[str, Any]
    unplayable: Mapping[str, tuple[Problem, ...]]


def read_studies(walker: Walker, node: Node, around: Callable[[Walker], Around], path: str = "studies") -> Studies:
    """All studies, each read by itself, so that one which cannot be played does not keep anybody from the others."""
    example = "{limits: {sweep: {world.flash_crash.limit: [70, 140, 280]}, because: ...}}"
    found, documents, unplayable = [], {}, {}
    for name, body in walker.names(node, path, "study", example).items():
        own = Walker()
        study, document = Studying(own, around(own)).study(name, body, join(path, name))
        if study:
            found.append(study)
            documents[name] = document
        else:
            unplayable[name] = tuple(own.problems.found)
    return Studies(tuple(found), documents, unplayable)


@final
class Studying:
    """Reads studies with one walker."""

    def __init__(self, walker: Walker, around: Around) -> None:
        self._walker, self._around = walker, around

    def study(self, name: str, body: Node, path: str) -> tuple[Study | None, dict[str, Any]]:
        """One study, with its document; None after faults."""
        walker, before = self._walker, self._walker.faults
        values = walker.table(body, path, keys.STUDY)
        blocks.checked(walker, values, body, path)
        split = blocks.splits(body)
        given = [] if split else self._axes(values["sweep"], body, join(path, "sweep"), values["design"])
        self._points(values, body, path)
        also = (
            walker.names(values["also"], join(path, "also"), "arm", "{killed: {topology: shared}}")
            if values["also"]
            else {}
        )
        arms = self._arms(values["arms"], also, body, path)
        arms = arms[:1] if split else arms
        stat, exceeds = self._measured(values, body, path)
        if walker.faults > before:
            return None, {}
        study = Study(
            name=name, title=values["title"] or name.replace("_", " "), because=values["because"], axes=tuple(a for a, _ in given),
            arms=arms, also=plain(Node(also)), set=plain(values["set"] or Node({})), measure=values["measure"], stat=stat,
            exceeds=exceeds, replications=values["replications"], design=values["design"], points=values["points"],
            brains=values["brains"] or (), features=values["features"] or "blocks",
        )  # fmt: skip
        base = self._base(study, values["set"], also, path)
        if base is not None and split:
            given, study = self._split(study, base, body.value["brains"], join(path, "brains"))
        if base is not None:
            self._try(base, given, path)
        shown = show(keys.STUDY, values) | {"title": study.title, "arms": list(arms)}
        shown |= {} if split else {"sweep": {axis.path: axes.shown(axis) for axis in study.axes}}
        shown |= {"also": dict(study.also)} if study.also else {}
        shown |= {"set": dict(study.set)} if study.set else {}
        shown |= {"stat": stat if exceeds is None else {"exceeds": exceeds}} if stat and not split else {}
        return (study if walker.faults == before else None), shown

    def _axes(self, node: Node | None, body: Node, path: str, design: str) -> list[tuple[Axis, Node]]:
        """The axes, each with its node."""
        example = "{world.flash_crash.limit: [70, 140, 280]}"
        given = self._walker.mapping(node, path, example) if node is not None else {}
        if not given and (node is None or isinstance(node.value, dict | None)) and isinstance(body.value, dict):
            self._walker.fault(
                node.place if node else body.place, path, "nothing varies", f"write e.g. `sweep: {example}`"
            )
        found = []
        for name, entry in given.items():
            if self._may_vary(name, entry, join(path, name)):
                axis = axes.read_axis(self._walker, name, entry, join(path, name), design)
                found += [(axis, entry)] if axis else []
        return found

    def _may_vary(self, name: str, entry: Node, path: str) -> bool:
        first = name.partition(".")[0]
        if first not in keys.SWEPT or "." not in name:
            known = (
                did_you_mean(first, keys.SWEPT) if first not in keys.SWEPT else "write a whole path, e.g. `run.horizon`"
            )
            self._walker.fault(entry.key, path, f"`{name:.60}` is not something that is played", known)
        elif name in keys.FIXED:
            key = "replications" if name == "run.until" else name.partition(".")[2]
            hint = f"all points have the same, so that they meet the same luck; give `{key}` for all of them"
            self._walker.fault(entry.key, path, f"`{name}` cannot vary from point to point", hint)
        else:
            return True
        return False

    def _points(self, values: Mapping[str, Any], body: Node, path: str) -> None:
        """Hold the number of points against the design."""
        points, design = values["points"], values["design"]
        place = body.value.get("points", body) if isinstance(body.value, dict) else body
        if design == "grid" and points is not None:
            self._walker.fault(place, f"{path}.points", "a grid has as many points as its values give", "remove it")
        elif design in ("lhs", "sobol") and points is None and isinstance(body.value, dict):
            self._walker.fault(
                body.place, f"{path}.points", f"missing; how many points `{design}` draws", "add e.g. `points: 64`"
            )
        elif design == "sobol" and points is not None and points & (points - 1):
            near = 1 << (points - 1).bit_length()
            self._walker.fault(
                place, f"{path}.points", f"must be a power of two, not {points}", f"write {near // 2} or {near}"
            )

    def _arms(self, names: tuple[str, ...] | None, also: Mapping[str, Node], body: Node, path: str) -> tuple[str, ...]:
        ours = self._around.resolved["arms"]
        for name, node in also.items():
            if name in ours:
                self._walker.fault(
                    node.key, f"{path}.also.{name}", "the scenario has an arm of this name", "choose another"
                )
        known = [*ours, *also]
        for i, name in enumerate(names or ()):
            at = body.value["arms"].value[i]
            if self._walker.one_of(name, known, at, f"{path}.arms.{i}", "arm") and name in (names or ())[:i]:
                self._walker.fault(at, f"{path}.arms.{i}", f"`{name}` is there twice", "remove one")
        if names is not None and not names:
            self._walker.fault(body.value["arms"], f"{path}.arms", "names no arm", "leave it out for all arms")
        return tuple(known if names is None else names)

    def _measured(self, values: Mapping[str, Any], body: Node, path: str) -> tuple[Any, float | None]:
        """The statistic; and check the measure."""
        name, node = values["measure"], values["stat"]
        inside = body.value if isinstance(body.value, dict) else {}
        known = {**self._around.measures, **SCORES}
        if name is not None:
            self._walker.one_of(name, known, inside["measure"], f"{path}.measure", "measure")
        if blocks.splits(body):
            self._share(name, known, inside.get("measure", body), f"{path}.measure")
            return "mean", None
        if node is None:
            return None, None
        if node.value != "harm":
            return self._around.stat(node, path, ("harm",))
        if not self._around.harm:
            self._walker.fault(node, f"{path}.stat", "this scenario declares no harm", "write e.g. `mean`")
        elif name not in (None, self._around.resolved["harm"]["measure"]):
            hint = "leave `measure` out, or write e.g. `{exceeds: 0.5}`"
            self._walker.fault(node, f"{path}.stat", f"harm is declared by another measure than `{name}`", hint)
        return "harm", None

    def _share(self, name: str | None, known: Mapping[str, Any], node: Node, path: str) -> None:
        """Refuse a measure that cannot be a share of the models."""
        hint = "name a measure that is a share of the models, from 0 to 1"
        if name is None:
            self._walker.fault(node.place, path, "missing; `brains` asks how many of the models fail", hint)
        elif name in known and known[name].unit != "1":
            message = f"`{name}` is in {known[name].unit}, so it is no share of the models"
            self._walker.fault(node, path, message, hint)

    def _base(self, study: Study, fixed: Node | None, also: Mapping[str, Node], path: str) -> Scenario | None:
        """The arms of a study before anything varies; what is wrong with them is told at its place."""
        walker = Walker()
        tree = document(self._around.resolved, study, walker, fixed, also, join(path, "set"))
        base = self._around.build(tree, walker) if not walker.faults else None
        self._note(walker, fixed, path, "")
        return base

    def _split(self, study: Study, base: Scenario, node: Node, path: str) -> tuple[list[tuple[Axis, Node]], Study]:
        """The axis of a study with `brains`, and the study with it."""
        arm = base.arms[0]
        found = blocks.axis(
            self._walker, study, base.resolved["arms"][arm.name]["topology"], arm.trial.topology, node, path
        )
        return ([found], study._replace(axes=(found[0],))) if found else ([], study)

    def _try(self, base: Scenario, given: list[tuple[Axis, Node]], path: str) -> None:
        """Build every value once, by itself: what is wrong with it is told at its place."""
        for axis, node in given:
            for value in self._values(axis, node):
                walker = Walker()
                self._around.build(axes.put_axes(ready(base), {axis.path: value}, walker), walker)
                self._note(walker, value, path, blocks.place(axis, value))
                if walker.faults and axis.low is not None:
                    break

    def _note(self, found: Walker, node: Node | None, path: str, where: str) -> None:
        """What was found wrong with a point; a fault without a place in the file is told at the value that makes it one."""
        for problem in found.problems.found:
            if problem.mark is not None:
                self._walker.fault(problem.mark, problem.path, problem.message, problem.hint)
            else:
                self._walker.fault(node, problem.path or path, problem.message + where, problem.hint)

    def _values(self, axis: Axis, node: Node) -> list[Node]:
        """The values of an axis as nodes at their places; of a range that is drawn from, its ends."""
        if axis.low is None:
            return [entry._replace(key=node.key) for entry in node.value]
        ends = axes.values_of(axis) if axis.steps else (axis.low, axis.high)
        return [Node(value, node.mark, node.key) for value in ends]


def ready(base: Scenario) -> Node:
    """The document of a study's arms, ready for its axes: an interval of recording that is the usual one follows the horizon."""
    trial, resolved = base.arms[0].trial, dict(base.resolved)
    if trial.stride == usual_stride(trial.horizon, trial.world.tick):
        resolved["run"] = {key: value for key, value in resolved["run"].items() if key != "stride"}
    return plant(resolved)


def document(
    resolved: Mapping[str, Any],
    study: Study,
    walker: Walker,
    fixed: Node | None = None,
    also: Mapping[str, Node] | None = None,
    path: str = "set",
) -> Node:
    """The document of a study's arms before anything varies; `fixed` and `also` are its own nodes, where their places are known."""
    once = {key: value for key, value in resolved["run"].items() if key != "until"}
    tree = plant({key: value for key, value in resolved.items() if key not in UNPLAYED} | {"controls": {}, "run": once})
    own = also if also is not None else plant(study.also).value
    arms = tree.value["arms"].value | own
    tree.value["arms"] = Node({name: arms[name] for name in study.arms})
    for key, value in walker.mapping(fixed or plant(study.set), path).items():
        first = key.partition(".")[0]
        if first not in keys.SWEPT or key in keys.FIXED:
            known = (
                f"`{key.partition('.')[2]}` is a key of the study"
                if key in keys.FIXED
                else did_you_mean(first, keys.SWEPT)
            )
            walker.fault(value.key, join(path, key), f"`{key:.60}` cannot be set here", known)
        else:
            tree = axes.put_axes(tree, {key: value}, walker)
    if study.replications is not None:
        tree = put(tree, "run.replications", Node(study.replications), walker)
    return tree
