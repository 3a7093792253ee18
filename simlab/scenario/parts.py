"""A world, a brain, a detector or an intervention out of its `{name: {parameters}}`, and checks against the world."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

from simlab.base.errors import InputError, did_you_mean
from simlab.base.par import parameters
from simlab.base.world import Measure, Spec, World
from simlab.lab.score import SCORES
from simlab.scenario import keys
from simlab.scenario.reader import Node, join
from simlab.scenario.registry import Registry, Shelf
from simlab.scenario.walker import Walker, show


class Part(NamedTuple):
    """A world, brain or intervention: its class, the instance when there were no faults, and its full document."""

    owner: type[Any] | None
    made: Any
    shown: dict[str, Any]


@final
class Parts:
    """Reads parts with one walker and one registry."""

    def __init__(self, walker: Walker, registry: Registry) -> None:
        self._walker, self._registry = walker, registry
        self.readings: Mapping[str, Measure] = {}  # what brains tell and detectors show, once they have been read

    def world(self, node: Node) -> Part:
        """The world of a document."""
        part = self.part(node, "world", self._registry.worlds, "world")
        if isinstance(part.made, World) and not 1 <= part.made.spec.models <= keys.MOST_MODELS:
            models = part.made.spec.models
            place, path = node.place, "world"
            for name, body in node.value.items() if isinstance(node.value, dict) else ():
                for key, entry in body.value.items() if isinstance(body.value, dict) else ():
                    if entry.value == models:  # what says how many
                        place, path = entry, f"world.{name}.{key}"
            self._walker.fault(place, path, f"{models:,} models; expected from 1 to {keys.MOST_MODELS:,}")
            return part._replace(made=None)
        return part

    def brains(self, node: Node, path: str, spec: Spec | None) -> list[Part]:
        """The kinds of brain of a document, held against what the world asks."""
        several = node.value if isinstance(node.value, list) else [node]
        if not several:
            self._walker.fault(node, path, "expected at least one brain", "write e.g. `{ridge: {}}`")
        inside = [join(path, str(i)) if isinstance(node.value, list) else path for i in range(len(several))]
        shelf = self._registry.brains
        parts = [self.part(entry, where, shelf, "brain") for entry, where in zip(several, inside, strict=True)]
        for part, entry, where in zip(parts, several, inside, strict=True):
            wrong = part.made.why_not(spec) if part.made is not None and spec is not None else None
            if wrong and spec is not None:
                name, body = next(iter(entry.value.items()))
                kinds = {brain: shelf.find(brain) for brain in shelf.names()}
                fits = [brain for brain, kind in kinds.items() if kind and spec.asks in kind.answers]
                hint = f"brains that fit: {', '.join(fits) or 'none'}"
                self._walker.fault(body.place, join(where, name), wrong, hint)
        return parts

    def intervention(self, node: Node, path: str) -> Part:
        """An intervention; the keys of its trigger may stand among its parameters."""
        return self.part(node, path, self._registry.interventions, "intervention", keys.HAND)

    def detector(self, node: Node, path: str) -> Part:
        """A detector; how often it looks may stand among its parameters."""
        return self.part(node, path, self._registry.detectors, "detector", keys.DETECTOR)

    def detectors(self) -> list[str]:
        """The names of all detectors."""
        return self._registry.detectors.names()

    def part(self, node: Node, path: str, shelf: Shelf, what: str, also: Mapping[str, Any] | None = None) -> Part:
        """The one `{name: {parameters}}` of a kind."""
        walker, known = self._walker, shelf.names
        written = isinstance(node.value, str) and shelf.find(node.value) is not None
        usual = node.value if written else (known() or ["name"])[0] if not isinstance(node.value, dict) else ""
        given = walker.mapping(node, path, f"{what}: {{{usual}: {{}}}}")
        unknown = [name for name in given if shelf.find(name) is None]
        for name in unknown:
            place, where = given[name].place, join(path, name)
            hint = did_you_mean(name, known())
            hint += f"; a {what} of your own needs `--plugin`" if "did you mean" not in hint else ""
            walker.fault(place, where, f"unknown {what} `{name:.60}`", hint)
        if unknown or len(given) != 1:
            if not unknown and isinstance(node.value, dict | None):
                found = " and ".join(given) or "none"
                hint = f"write e.g. `{what}: {{{known()[0]}: {{}}}}`" if known() else ""
                walker.fault(node.place, path, f"expected one {what}, not {found}", hint)
            return Part(None, None, {})
        (name, body), before = next(iter(given.items())), walker.faults
        owner = shelf.find(name)
        assert owner is not None, "every name that was given is known"  # noqa: S101
        table = parameters(owner)
        values = walker.table(body, join(path, name), table, "parameter", also=also or ())
        shown = {name: show(table, values)}
        if walker.faults > before:
            return Part(owner, None, shown)
        return Part(owner, self.make(lambda: owner(**values), body, join(path, name), body.value), shown)

    def make(self, make: Callable[[], Any], node: Node, path: str, inside: Any = None) -> Any:
        """What `make` returns; its refusal becomes a fault, at the entry that it names when it names one."""
        try:
            return make()
        except (InputError, ArithmeticError, ValueError) as error:
            message, _, hint = str(error).partition("; ")
            named = re.match(r"\w+\.(\w+)[:\s]\s*", message)
            if named and isinstance(inside, dict) and named[1] in inside:
                self._walker.fault(inside[named[1]], join(path, named[1]), message[named.end() :], hint)
            else:
                self._walker.fault(node if inside is None else node.place, path, message, hint)
            return None

    def crossing(self, values: Mapping[str, Any], node: Node, path: str, world: type[Any] | None) -> None:
        """Check that a crossing names a measure of the world and exactly one side."""
        if world is not None:
            self.measure(values["measure"], node, f"{path}.measure", world)
        if (values["above"] is None) == (values["below"] is None) and isinstance(node.value, dict):
            self._walker.fault(node.place, path, "expected one of `above` and `below`", "write e.g. `above: 0.03`")

    def measure(
        self, name: str | None, node: Node, path: str, world: type[Any] | None, *, at_the_end: bool = False
    ) -> None:
        """Check that a measure exists; `node` is the entry that names it, or the mapping that holds it.

        What is read `at_the_end` may also be one of the scores that the loop keeps in every world, or what a brain or a detector
        shows.
        """
        inside = node.value.get("measure", node) if isinstance(node.value, dict) else node
        if world is not None:
            known = {**world.measures, **SCORES, **self.readings} if at_the_end else world.measures
            self._walker.one_of(name, known, inside, path, "measure")

    def models(self, models: tuple[int, ...] | None, node: Node, path: str, spec: Spec | None) -> None:
        """Check that the models an entry names are among those there are."""
        if models is None or spec is None or None in models:
            return
        at = node.value["models"]
        if not models:
            self._walker.fault(at, f"{path}.models", "names no model", "leave it out for all models")
        for i, model in enumerate(models):
            if model >= spec.models:
                last = spec.models - 1
                self._walker.fault(
                    at.value[i], f"{path}.models.{i}", f"there is no model {model}", f"they are 0 to {last}"
                )


def several(node: Node, brains: list[Part]) -> Any:
    """The document of a `brain:` entry, a list where it was written as one, so that dotted paths keep their meaning."""
    shown = [brain.shown for brain in brains]
    return shown if isinstance(node.value, list) else shown[0]


def sides(values: Mapping[str, Any]) -> dict[str, Any]:
    """A crossing's measure and its two sides, of which the absent one is infinite."""
    above, below = values.get("above"), values.get("below")
    return {
        "measure": values.get("measure"),
        "above": math.inf if above is None else above,
        "below": -math.inf if below is None else below,
    }
