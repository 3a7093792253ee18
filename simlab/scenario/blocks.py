"""The axis of a trade-off: an arm whose models are split over more and more brains, all else as it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simlab.brains.topology import Topology
from simlab.scenario.reader import Node, plain, plant
from simlab.scenario.scenario import Axis, Study
from simlab.scenario.walker import Walker

PARTS = ("brain_of", "view_of", "data_of", "taught_by", "kind_of", "share")  # what a split decides


def splits(body: Node) -> bool:
    """Whether a study, as written, splits models over `brains`."""
    given = body.value.get("brains") if isinstance(body.value, dict) else None
    return given is not None and given.value is not None


def checked(walker: Walker, values: Mapping[str, Any], body: Node, path: str) -> None:
    """Hold a study's `brains` against its other keys."""
    inside = body.value if isinstance(body.value, dict) else {}
    if not splits(body):
        if values["features"] is not None:
            walker.fault(inside["features"].key, f"{path}.features", "says nothing without `brains`", "remove it")
        return
    for key in ("sweep", "stat", "points"):
        if values[key] is not None:
            hint = "remove one of them" if key == "sweep" else "it asks how often any, half and all fail; remove it"
            walker.fault(inside[key].key, f"{path}.{key}", "does not go with `brains`", hint)
    if values["design"] != "grid":
        walker.fault(inside["design"], f"{path}.design", "does not go with `brains`", "remove it")
    if values["arms"] is not None and len(values["arms"]) != 1:
        hint = "name one; for another arm write another study"
        walker.fault(inside["arms"], f"{path}.arms", "the models of one arm are split over `brains`", hint)
    numbers = list(values["brains"] or ())
    if values["brains"] is None or None in numbers:
        return  # said already
    if len(numbers) < 2 or numbers != sorted(set(numbers)):
        hint = "write e.g. `brains: [1, 2, 5, 10]`"
        walker.fault(
            inside["brains"], f"{path}.brains", "expected at least two numbers, from the fewest to the most", hint
        )


def axis(
    walker: Walker, study: Study, written: Mapping[str, Any], wired: Topology, node: Node, path: str
) -> tuple[Axis, Node] | None:
    """The axis of a study with `brains`, written at `node`, and a node for each of its values; None after faults.

    `written` is the arm's `topology:`, and `wired` what it comes to. Brain `b` of `B` serves the models `m` with `m * B // M = b`, learns
    from what they experience, and stays as it was in all else: schedule, rounds, and who reads whom.
    """
    entries = node.value if isinstance(node.value, list) else [node] * len(study.brains)
    m, before = wired.models, walker.faults
    for number, entry in zip(study.brains, entries, strict=True):
        if number > m:
            walker.fault(entry, path, f"{number} brains for {m} models", f"write numbers from 1 to {m}")
    if walker.faults > before:
        return None
    rest = {key: value for key, value in written.items() if key not in PARTS}
    rest |= {"reads": [list(row) for row in wired.reads]} if wired.reads else {}
    rest |= {"view_of": list(range(m)) if study.features == "own" else [0] * m} if study.features != "blocks" else {}
    listed = [{**rest, "wiring": f"bulkheads({number})"} for number in study.brains]
    found = Axis(f"arms.{study.arms[0]}.topology", tuple(listed), called=study.brains)
    nodes = [
        plant(value)._replace(mark=entry.mark, key=entry.mark) for value, entry in zip(listed, entries, strict=True)
    ]
    return found, Node(nodes, node.mark, node.key)


def named(axis: Axis, value: Any) -> Any:
    """How a value of an axis is called."""
    return axis.called[axis.listed.index(value)] if axis.called else value


def place(axis: Axis, value: Node) -> str:
    """Which value of an axis it is, for a fault."""
    shown = plain(value)
    return f" with {named(axis, shown)} brains" if axis.called else f" where `{axis.path}` is {shown}"
