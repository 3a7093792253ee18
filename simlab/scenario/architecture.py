"""ARCHITECTURE.yaml: who reads, trains on and depends on what in a system of models; read with places, as scenarios are.

    sources: {clicks: {shaped_by: {ranking: 0.4}}}
    stores: {features: {from: [clicks]}}
    models: {ranking: {reads: [features], trained_on: [clicks], retrain: {every: 1 day, busy: 30 min}}}
    consumers: {home_page: {uses: [ranking]}}

What a model does to reality comes back through `shaped_by`; that is the only link that runs against the flow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from simlab.base.errors import did_you_mean
from simlab.scenario import architecture_keys as keys
from simlab.scenario.load import find, tree
from simlab.scenario.reader import Node, join
from simlab.scenario.walker import Walker

if TYPE_CHECKING:
    import networkx

MOST_PARTS = 400
FOLDER = "architectures"
SLOW = ("trained_on", "shaped_by")  # what passes these arrives later: at the next training, or through reality
SILENT = ("runs_on", "fallback", "uses")  # what passes these is no error of a number


class Rhythm(NamedTuple):
    """When something retrains, in seconds: every `every`, first at `phase`, for `busy` each time, `on` which compute."""

    every: float
    phase: float = 0.0
    busy: float = 0.0
    on: str | None = None


class Part(NamedTuple):
    """A node: what it is, the probability that it fails by itself on a day, and whether that is a default.

    `weight` is a model's traffic or a consumer's weight. A model with a `fallback` fails only when that fails too. A
    consumer fails with one of its models, or, with `any_will_do`, when all of them fail. `slots` is how many retrainings a
    compute runs at once.
    """

    name: str
    kind: str
    fails: float = 0.0
    chosen: bool = True
    weight: float = 1.0
    fallback: str | None = None
    rhythm: Rhythm | None = None
    slots: int | None = None
    any_will_do: bool = False


class Link(NamedTuple):
    """An edge from what is depended on to what depends on it; `how` is the key that says so.

    Of an error of 1 in `source`, `gain` arrives in `target`; `chosen` when that is the default: what a part reads and learns from
    shares a gain of 1 evenly, so that it is off by 1 when all of that is.
    """

    source: str
    target: str
    how: str
    gain: float = 1.0
    chosen: bool = True


class Limits(NamedTuple):
    """Where each risk counts as 1."""

    together: float = keys.LIMITS["together"].default
    blast: float = keys.LIMITS["blast"].default
    loop: float = keys.LIMITS["loop"].default
    cascade: float = keys.LIMITS["cascade"].default
    retraining: float = keys.LIMITS["retraining"].default


class Costs(NamedTuple):
    """What each kind of change costs, in the user's own unit."""

    split: float = keys.COSTS["split"].default
    own_brain: float = keys.COSTS["own_brain"].default
    stagger: float = keys.COSTS["stagger"].default
    firewall: float = keys.COSTS["firewall"].default
    holdout: float = keys.COSTS["holdout"].default
    fallback: float = keys.COSTS["fallback"].default


class Relief(NamedTuple):
    """How much of a gain is left behind a firewall or a holdout, and how often a new fallback fails."""

    firewall: float = keys.RELIEF["firewall"].default
    holdout: float = keys.RELIEF["holdout"].default
    fallback: float = keys.DEFAULT_FAILS["fallback"]


_LIMITS, _COSTS, _RELIEF = Limits(), Costs(), Relief()


@final
@dataclass(frozen=True)
class Architecture:
    """A system of models, checked: every link joins two of its parts, and nothing depends on itself within an instant.

    `correlation` is that of a normal factor which the models' own failures have in common.
    """

    title: str
    parts: tuple[Part, ...]
    links: tuple[Link, ...]
    correlation: float = 0.0
    limits: Limits = _LIMITS
    costs: Costs = _COSTS
    relief: Relief = _RELIEF
    story: str = ""
    path: str | None = None

    def of(self, *kinds: str) -> list[Part]:
        """The parts of these kinds, in the order of the file."""
        return [part for part in self.parts if part.kind in kinds]

    def part(self, name: str) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)

    def graph(self, *left_out: str) -> networkx.DiGraph:
        """The links as a graph, but for those whose key is `left_out`; and all parts."""
        graph = linked(link for link in self.links if link.how not in left_out)
        graph.add_nodes_from(part.name for part in self.parts)
        return graph


def linked(links: Iterable[Link]) -> networkx.DiGraph:
    """Links as a directed graph with `gain`, `chosen` and `how`: all keys that make the link."""
    import networkx as nx

    graph = nx.DiGraph()
    for link in links:
        edge = (link.source, link.target)
        how = graph.edges[edge]["how"] if graph.has_edge(*edge) else ()
        graph.add_edge(*edge, gain=link.gain, chosen=link.chosen, how=(*how, link.how))
    return graph


def load(name_or_path: str | Path) -> Architecture:
    """The architecture in a file, or the shipped one of that name. Raises ScenarioError with every problem."""
    path = find(name_or_path, FOLDER)
    return build(tree(path), str(path))


def build(document: Node, path: str | None = None) -> Architecture:
    """The architecture that a document says. Raises ScenarioError with every problem that was found."""
    walker = Walker()
    if not isinstance(document.value, dict):
        walker.fault(document, "", "an architecture is a mapping of keys", "begin with `schema: 1`")
        walker.problems.stop_if_any()
    found = _Reader(walker, document).architecture(path)
    walker.problems.stop_if_any()
    assert found is not None, "an architecture without problems is built"  # noqa: S101
    return found


@final
class _Reader:
    """Reads one document."""

    def __init__(self, walker: Walker, document: Node) -> None:
        self._walker, self._document = walker, document
        self._top = walker.table(document, "", keys.TOP)
        self._kinds: dict[str, str] = {}
        self._places: dict[tuple[str, str], Node] = {}  # where a link is written
        self._entries: list[tuple[str, str, Node]] = []  # kind, path, entry
        self._fails = dict(keys.DEFAULT_FAILS)

    def architecture(self, path: str | None) -> Architecture | None:
        """The whole architecture, or None after faults."""
        walker, top = self._walker, self._top
        if top["fails"].value is not None:
            table = {
                kind: keys.TABLES["models"]["fails"]._replace(name=kind, default=p)
                for kind, p in keys.DEFAULT_FAILS.items()
            }
            self._fails |= walker.table(top["fails"], "fails", table, "kind of part")
        self._register()
        parts: list[Part] = []
        links: list[Link] = []
        for section, where, entry in self._entries:
            part, own = self._part(section, where, entry)
            parts.append(part)
            links += own
        self._refuse_nothing(parts)
        self._refuse_circles(links)
        scores = [
            walker.table(top[key], key, table)
            for key, table in (("limits", keys.LIMITS), ("costs", keys.COSTS), ("relief", keys.RELIEF))
        ]
        if walker.faults:
            return None
        limits, costs, relief = scores
        return Architecture(
            top["title"],
            tuple(parts),
            tuple(links),
            top["correlation"],
            Limits(**limits),
            Costs(**costs),
            Relief(**relief, fallback=self._fails["fallback"]),
            top["story"],
            path,
        )

    def _register(self) -> None:
        """Every part by its name, which no other has."""
        first: dict[str, Node] = {}
        for section, kind in keys.SECTIONS.items():
            node = self._top[section]
            shape = keys.TABLES[section]["example"]
            entries = self._walker.names(node, section, kind, shape.par.about)
            for name, entry in entries.items():
                if name in first:
                    line = first[name].key
                    where = f", on line {line.line + 1}" if line else ""
                    what = f"`{name[:60]}` is already the name of a {self._kinds[name]}{where}"
                    self._walker.fault(entry.key, join(section, name), what, "give each part a name of its own")
                    continue
                first[name], self._kinds[name] = entry, kind
                self._entries.append((section, join(section, name), entry))
        if len(self._entries) > MOST_PARTS:
            what = f"{len(self._entries)} parts; at most {MOST_PARTS} are audited"
            self._walker.fault(self._document, "", what, "write like parts as one")
            self._walker.problems.stop_if_any()

    def _part(self, section: str, path: str, entry: Node) -> tuple[Part, list[Link]]:
        """One part and the links that lead to it."""
        walker, kind, name = self._walker, keys.SECTIONS[section], path.partition(".")[2]
        table = {key: parameter for key, parameter in keys.TABLES[section].items() if key != "example"}
        values = walker.table(entry, path, table)
        found: list[tuple[str, str, Node]] = []  # source, how, where
        for key, kinds in keys.REFERENCES[section].items():
            given = values[key].value
            example = f"[{given:.60}]" if isinstance(given, str) else self._example(kinds)
            for i, item in enumerate(walker.items(values[key], join(path, key), example)):
                source = self._reference(item, join(path, f"{key}.{i}"), kinds, name)
                if source is not None and (source, key) in [(s, h) for s, h, _ in found]:
                    walker.fault(item, join(path, f"{key}.{i}"), f"`{source}` is named twice", "remove one of them")
                elif source is not None:
                    found.append((source, key, item))
        for key, kinds in keys.SINGLE[section].items():
            if values[key] is not None:
                item = entry.value[key]
                source = self._reference(item, join(path, key), kinds, name)
                found += [(source, key, item)] if source is not None else []
        carries = {source for source, how, _ in found if how not in SILENT}
        gains = self._gains(values.get("gain"), path, carries)
        even = 1 / max(len(carries), 1)
        links = [Link(s, name, how, gains.get(s, even), s not in gains) for s, how, _ in found]
        if kind == "source":
            links += self._shaped(values["shaped_by"], join(path, "shaped_by"), name)
        self._places |= {(s, name): item for s, _, item in found}
        if kind == "consumer" and not values["uses"].value:
            hint = f"write e.g. `uses: {self._example(('model',))}`"
            walker.fault(entry.place, join(path, "uses"), "a consumer uses at least one model", hint)
        rhythm = self._rhythm(values["retrain"], join(path, "retrain")) if "retrain" in values else None
        fails = values.get("fails")
        weight = next((values[key] for key in ("traffic", "weight") if key in values), 1.0)
        part = Part(
            name,
            kind,
            self._fails.get(kind, 0.0) if fails is None else fails,
            fails is None,
            1.0 if weight is None else weight,
            values.get("fallback"),
            rhythm,
            values.get("slots"),
            values.get("needs") == "any",
        )
        return part, links

    def _example(self, kinds: tuple[str, ...]) -> str:
        known = next((name for name, kind in self._kinds.items() if kind in kinds), "name")
        return f"[{known}]"

    def _reference(self, node: Node, path: str, kinds: tuple[str, ...], own: str) -> str | None:
        """The name of another part of one of these kinds; None after a fault."""
        name = node.value
        if not isinstance(name, str):
            self._walker.fault(node, path, "expected the name of a part", f"write e.g. `{self._example(kinds)[1:-1]}`")
            return None
        if name == own:
            self._walker.fault(
                node, path, f"`{name}` depends on itself", "what comes back through reality is `shaped_by` on a source"
            )
            return None
        if self._kinds.get(name) in kinds:
            return name
        known = [other for other, kind in self._kinds.items() if kind in kinds and other != own]
        what = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        said = (
            f"`{name}` is a {self._kinds[name]}; expected a {what}"
            if name in self._kinds
            else f"unknown {what} `{name:.60}`"
        )
        self._walker.fault(node, path, said, did_you_mean(name, known) if known else f"there is no {what} here")
        return None

    def _gains(self, node: Node | None, path: str, sources: Collection[str]) -> dict[str, float]:
        """The gains of links by the part they come from."""
        if node is None:
            return {}
        where = join(path, "gain")
        gains = {}
        for source, item in self._walker.mapping(node, where, "{ranking: 0.7}").items():
            if source not in sources:
                hint = did_you_mean(source, sources) if sources else "it reads nothing and learns from nothing"
                self._walker.fault(
                    item.key, join(where, source), f"it neither reads nor learns from `{source:.60}`", hint
                )
            gain = self._walker.value(item, join(where, source), float, keys.GAIN)
            gains[source] = 0.0 if gain is None else gain
        return gains

    def _shaped(self, node: Node, path: str, name: str) -> list[Link]:
        """The links through which models change a source."""
        links = []
        for model, item in self._walker.mapping(node, path, "{ranking: 0.4}").items():
            at = Node(model, item.key, item.key)
            gain = self._walker.value(item, join(path, model), float, keys.GAIN)
            if self._reference(at, join(path, model), ("model",), name) is not None and gain is not None:
                links.append(Link(model, name, "shaped_by", gain, False))
        return links

    def _rhythm(self, node: Node, path: str) -> Rhythm | None:
        """When something retrains; None when it is not said."""
        if node.value is None or node.value == {}:
            return None
        before = self._walker.faults
        values = self._walker.table(node, path, keys.RHYTHM)
        if values["on"] is not None:
            self._reference(node.value["on"], join(path, "on"), ("compute",), "")
        if self._walker.faults > before:
            return None
        if values["busy"] > values["every"]:
            self._walker.fault(
                node.value["busy"], join(path, "busy"), "a retraining must end before the next begins", "raise `every`"
            )
            return None
        return Rhythm(**values)

    def _refuse_nothing(self, parts: list[Part]) -> None:
        """An architecture has models, and shares that can be taken of them."""
        if not any(part.kind == "model" for part in parts):
            shown = self._top["models"]
            place = shown.place if "models" in self._document.value else self._document.place
            if isinstance(shown.value, dict | None):
                self._walker.fault(
                    place, "models", "there is no model", "write e.g. `models: {ranking: {reads: [features]}}`"
                )
        for section, key in (("models", "traffic"), ("consumers", "weight")):
            weights = [part.weight for part in parts if part.kind == keys.SECTIONS[section]]
            if weights and not any(weights):
                self._walker.fault(
                    self._top[section].place, section, f"every `{key}` is 0", "give at least one of them a share"
                )

    def _refuse_circles(self, links: list[Link]) -> None:
        """Nothing depends on itself within an instant."""
        import networkx as nx

        graph = nx.DiGraph((link.source, link.target) for link in links if link.how not in SLOW)
        for group in nx.strongly_connected_components(graph):
            if len(group) > 1:
                inside = graph.subgraph(group)
                circle = [source for source, _ in nx.find_cycle(inside, min(group))]
                place = self._places[circle[-1], circle[0]]
                said = " -> ".join(f"`{name}`" for name in (*circle, circle[0]))
                self._walker.fault(
                    place,
                    "",
                    f"{said} is a circle within one instant",
                    "what comes back later is `trained_on`, or `shaped_by` on a source",
                )


def exactly(seconds: float) -> Fraction:
    """A duration as the exact number that was written, to the microsecond: the shortest decimal that reads back as this float."""
    return Fraction(round(Fraction(repr(seconds)) * 1_000_000), 1_000_000)
