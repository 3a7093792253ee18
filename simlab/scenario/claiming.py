"""Reads the claims of a document: what they are about, and that each says one thing that can be tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, final

from simlab.scenario import keys
from simlab.scenario.parts import Part, Parts
from simlab.scenario.reader import Node, plain
from simlab.scenario.scenario import Claim
from simlab.scenario.walker import Walker, show

EXAMPLE = "[{measure: drawdown, stat: mean, arm: isolated, above: 0, because: ...}]"
SIDES = ("above", "below", "near")


class Names(NamedTuple):
    """What claims may name."""

    arms: list[str]
    controls: list[str]
    studies: list[str] | None  # None where nobody knows any more


@final
class Claims:
    """Reads claims with one walker."""

    def __init__(self, walker: Walker, parts: Parts) -> None:
        self._walker, self._parts = walker, parts

    def read(self, node: Node | None, world: Part, names: Names) -> tuple[list[Claim], list[dict[str, Any]]]:
        """The claims without faults, and their documents."""
        claims, shown = [], []
        for i, entry in enumerate(self._walker.items(node, "claims", EXAMPLE) if node else ()):
            path, before = f"claims.{i}", self._walker.faults
            values = self._walker.table(entry, path, keys.CLAIM)
            if not isinstance(entry.value, dict):
                continue
            self._parts.measure(values["measure"], entry, f"{path}.measure", world.owner, at_the_end=True)
            self._names(values, entry, path, names)
            if values["order"] is not None:
                self._order(values, entry, path)
            elif values["over"] is not None:
                self._over(values, entry, path)
            else:
                self._side(values, entry, path)
            stat, exceeds = self.stat(values["stat"], path)
            if self._walker.faults == before:
                arm = values["arm"] or values["order"][0]
                claims.append(Claim(**(values | {"arm": arm, "stat": stat, "exceeds": exceeds})))
                told = show(keys.CLAIM, values) | {"stat": stat if exceeds is None else {"exceeds": exceeds}}
                shown.append(told)
        return claims, shown

    def _names(self, values: Mapping[str, Any], entry: Node, path: str, names: Names) -> None:
        """Hold every arm, control and study that a claim names against those there are."""
        kinds = (
            ("arm", names.arms, "arm"),
            ("versus", names.arms, "arm"),
            ("control", names.controls, "control"),
            ("over", names.studies, "study"),
        )
        for key, known, what in kinds:
            if known is None:
                continue
            self._walker.one_of(values[key], known, entry.value.get(key, entry), f"{path}.{key}", what)
        for i, arm in enumerate(values["order"] or ()):
            self._walker.one_of(arm, names.arms, entry.value["order"].value[i], f"{path}.order.{i}", "arm")

    def _side(self, values: Mapping[str, Any], entry: Node, path: str) -> None:
        """Hold a claim to an arm, and to exactly one of above, below, and near with within."""
        self._needs_arm(entry, path)
        given = [side for side in SIDES if side in entry.value]
        if len(given) != 1:
            message = f"expected one of above, below and near, not {' and '.join(given) or 'none'}"
            self._walker.fault(entry.place, path, message, "write e.g. `above: 0.05` or `near: 0.567, within: 0.01`")
        elif (given == ["near"]) != ("within" in entry.value):
            self._walker.fault(
                entry.place, path, "`near` and `within` go together", "write e.g. `near: 0.567, within: 0.01`"
            )
        if values["versus"] is not None and values["versus"] == values["arm"]:
            self._walker.fault(entry.value["versus"], f"{path}.versus", "is the arm itself", "name another arm")
        if values["ratio"] and values["versus"] is None:
            hint = "add e.g. `versus: isolated`"
            self._walker.fault(entry.value["ratio"].place, f"{path}.ratio", "divides by nothing without `versus`", hint)
        if values["rises"] is not None:
            hint = "add e.g. `over: load`, the name of a study"
            self._walker.fault(entry.value["rises"].place, f"{path}.rises", "says nothing without `over`", hint)

    def _order(self, values: Mapping[str, Any], entry: Node, path: str) -> None:
        """Hold an ordering to two arms or more, each once, and to nothing else."""
        self._only(entry, path, "order", "arm", "versus", "ratio", "over", "rises", "within", *SIDES)
        order, at = values["order"], entry.value["order"]
        if len(order) < 2:
            self._walker.fault(at, f"{path}.order", "expected at least two arms", "write e.g. `[isolated, shared]`")
        for i, arm in enumerate(order):
            if arm is not None and arm in order[:i]:
                self._walker.fault(at.value[i], f"{path}.order.{i}", f"names `{arm:.60}` twice", "remove one of them")

    def _over(self, values: Mapping[str, Any], entry: Node, path: str) -> None:
        """Hold a rise over a study to an arm and a direction, and to nothing else."""
        self._needs_arm(entry, path)
        self._only(entry, path, "over", "versus", "ratio", "control", "within", *SIDES)
        if values["rises"] is None and "rises" not in entry.value:
            hint = "add e.g. `rises: true`"
            self._walker.fault(entry.place, f"{path}.rises", "missing; whether the statistic rises or falls", hint)

    def _needs_arm(self, entry: Node, path: str) -> None:
        if "arm" not in entry.value:
            message = f"missing; {keys.CLAIM['arm'].par.about}"
            self._walker.fault(entry.place, f"{path}.arm", message, "add e.g. `arm: isolated`")

    def _only(self, entry: Node, path: str, key: str, *others: str) -> None:
        for other in others:
            if other in entry.value:
                what = f"given together with `{key}`"
                self._walker.fault(entry.value[other].place, f"{path}.{other}", what, "keep one of them")

    def stat(self, node: Node | str, path: str, more: tuple[str, ...] = ()) -> tuple[Any, float | None]:
        """A statistic, with the line of `exceeds`; `more` are other words that may stand there."""
        if isinstance(node, str):
            return node, None
        if isinstance(node.value, dict):
            table = {"exceeds": keys.HARM["above"]._replace(name="exceeds", default=None)}
            exceeds = self._walker.table(node, f"{path}.stat", table)["exceeds"]
            if not node.value:
                self._walker.fault(node, f"{path}.stat", "expected a statistic", "write e.g. `{exceeds: 0.03}`")
            return "exceeds", exceeds
        stat = node.value if isinstance(node.value, str) else str(plain(node))
        self._walker.one_of(stat, (*more, *keys.STATS, "{exceeds: x}"), node, f"{path}.stat", "statistic")
        return stat, None
