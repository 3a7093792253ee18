"""One runnable Trial out of one document: its world, brains, wiring, shocks and hands."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, final

from simlab.base.errors import InputError, did_you_mean
from simlab.base.par import Par, parameters
from simlab.base.units import pretty
from simlab.base.world import Spec
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule, Topology, groups, schedule, wire
from simlab.lab.shocks import EFFECTS, Shock
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Harm, Instrument, Trial, Trigger, seed
from simlab.scenario import keys
from simlab.scenario.parts import Part, Parts, several, sides
from simlab.scenario.reader import Node, join
from simlab.scenario.walker import Walker, describe, show

SIZED = {"offset": "1", "scaled": "1", "biased": "1", "poisoned": "1", "shifted": "1", "delayed": "s"}


class Common(NamedTuple):
    """What all arms share; None where it could not be read."""

    horizon: float | None
    stride: float | None
    warmup: float | None
    harm: Harm | None
    instruments: tuple[Instrument, ...] = ()
    traces: tuple[Trace, ...] = ()


class Wired(NamedTuple):
    """A read `topology:` entry."""

    topology: Topology | None
    schedule: Schedule | None
    wiring: str
    shown: dict[str, Any]


@final
class Setup:
    """Puts trials together from the parts of a document."""

    def __init__(self, walker: Walker, parts: Parts) -> None:
        self._walker, self._parts = walker, parts

    def rhythm(self, node: Node | None, path: str, base: Schedule) -> tuple[Schedule | None, dict[str, Any]]:
        """When brains retrain; keys that are left out are those of `base`. With its document."""
        if node is None:
            return base, {}
        table = {name: key._replace(default=getattr(base, name)) for name, key in keys.SCHEDULE.items()}
        before = self._walker.faults
        values = self._walker.table(node, path, table)
        if self._walker.faults > before:
            return None, {}
        return dataclasses.replace(base, **values), show(keys.SCHEDULE, values)

    def trial(
        self, doc: Mapping[str, Node], arm: Mapping[str, Any], path: str, common: Common, closed: bool, calm: bool
    ) -> tuple[Trial | None, dict[str, Any], str]:
        """The trial of one arm, its document, and its wiring as written. `calm` leaves all shocks out."""
        before = self._walker.faults
        world = self._parts.world(doc["world"])
        own = f"{path}.brain" if arm["brain"] else "brain"
        base, _ = self.rhythm(doc.get("schedule"), "schedule", Schedule())
        own_base, rhythm = self.rhythm(arm["schedule"], f"{path}.schedule", base or Schedule())
        spec: Spec | None = world.made.spec if world.made is not None else None
        brains = self._parts.brains(doc["brain"], own, spec)
        wired = self._topology(arm["topology"], f"{path}.topology", spec, brains, own_base)
        shocks = self.shocks(doc.get("shocks"), world, spec)
        names = list(shocks) if arm["shocks"] is None else arm["shocks"]
        for i, name in enumerate(arm["shocks"] or ()):
            self._walker.one_of(name, shocks, arm["nodes"]["shocks"].value[i], f"{path}.shocks.{i}", "shock")
        given = arm["interventions"], f"{path}.interventions"
        hands, hands_shown = self._hands(*given, world.owner, spec, common.instruments)
        shown = {
            "topology": wired.shown,
            "shocks": [name for name in names if name in shocks],
            "interventions": hands_shown,
        }
        shown |= {"brain": several(doc["brain"], brains)} if arm["brain"] else {}
        shown |= {"schedule": rhythm} if rhythm else {}
        if self._walker.faults > before or None in (spec, wired.topology, common.horizon, common.stride):
            return None, shown, wired.wiring
        chosen = () if calm else tuple(shocks[name][0] for name in names if name in shocks)
        fields: dict[str, Any] = {
            "world": world.made, "brains": tuple(brain.made for brain in brains),
            "topology": wired.topology, "schedule": wired.schedule,
            "horizon": common.horizon, "stride": common.stride, "warmup": common.warmup or 0.0,
            "shocks": chosen, "hands": hands, "instruments": common.instruments, "harm": common.harm, "closed": closed,
            "traces": common.traces,
        }  # fmt: skip
        try:
            return Trial(**fields), shown, wired.wiring
        except InputError as error:
            self._walker.fault(arm["place"], path, str(error))
            return None, shown, wired.wiring

    def shocks(
        self, node: Node | None, world: Part, spec: Spec | None
    ) -> dict[str, tuple[Shock | None, dict[str, Any]]]:
        """The shocks of a document by name, each with its document; None for one with faults."""
        example = "{outage: {brain: down, start: 10 min, duration: 1 min}}"
        found = self._walker.names(node, "shocks", "shock", example) if node else {}
        return {name: self._shock(name, entry, world, spec) for name, entry in found.items()}

    def _shock(self, name: str, node: Node, world: Part, spec: Spec | None) -> tuple[Shock | None, dict[str, Any]]:
        walker, path, before = self._walker, f"shocks.{name}", self._walker.faults
        values = walker.table(node, path, keys.SHOCK)
        places = [place for place in keys.PLACES if values[place] is not None]
        if len(places) != 1:
            what = f"expected one of {', '.join(keys.PLACES)}, not {' and '.join(places) or 'none'}"
            walker.fault(node.place, path, what, f"write e.g. `{name}: {{brain: down, start: 10 min}}`")
            return None, {}
        where: Any = places[0]
        changes: dict[str, Any] = {}
        effect = "set"
        if where == "world":
            changes = self._live(values["world"], f"{path}.world", world)
        else:
            written = values[where]
            effect = written.value if isinstance(written.value, str) else describe(written.value)
            walker.one_of(effect, EFFECTS[where], written, f"{path}.{where}", "effect")
        size = 0.0
        if effect in SIZED:
            if values["size"] is None:
                hint = "add e.g. `size: 5 s`" if SIZED[effect] == "s" else "add e.g. `size: 0.1`"
                walker.fault(node.place, f"{path}.size", f"missing; how large `{effect}` is", hint)
            else:
                par = Par(SIZED[effect], "how large the shock is", low=0 if SIZED[effect] == "s" else None)
                size = walker.value(values["size"], f"{path}.size", float, par)
        elif values["size"] is not None:
            walker.fault(values["size"].place, f"{path}.size", f"`{effect}` has no size", "remove it")
        self._parts.models(values["models"], node, path, spec)
        if walker.faults > before:
            return None, {}
        duration = math.inf if values["duration"] is None else values["duration"]
        shown: dict[str, Any] = {where: effect}
        if where == "world":
            shown = {"world": show(parameters(world.owner), changes)} if world.owner else {}
        if effect in SIZED:
            shown["size"] = pretty(size) if SIZED[effect] == "s" else size
        shown |= show(keys.SHOCK, values)
        return Shock(name, where, effect, values["start"], duration, size, values["models"], changes), shown

    def _live(self, node: Node, path: str, world: Part) -> dict[str, Any]:
        """The live parameters that a shock on the world sets."""
        if world.owner is None:
            return {}
        live = {name: p._replace(default=None) for name, p in parameters(world.owner).items() if p.par.live}
        values = self._walker.table(node, path, live, what="live parameter")
        changes = {name: value for name, value in values.items() if value is not None}
        if not node.value:
            self._walker.fault(node, path, "expected the live parameters that change", did_you_mean("", live))
        elif world.made is not None:
            self._parts.make(lambda: dataclasses.replace(world.made, **changes), node, path, node.value)
        return changes

    def _topology(
        self, node: Node | None, path: str, spec: Spec | None, brains: list[Part], base: Schedule | None
    ) -> Wired:
        if node is None or node.value is None:
            self._walker.fault(node and node.place, path, "expected a wiring", "write e.g. `isolated`")
            return Wired(None, None, "", {})
        written = Node({"wiring": node}, node.mark, node.key) if isinstance(node.value, str) else node
        before = self._walker.faults
        values = self._walker.table(written, path, keys.TOPOLOGY)
        shown = show(keys.TOPOLOGY, values)
        if self._walker.faults > before:
            return Wired(None, None, "", shown)
        extra = [values["schedule"]] if values["schedule"] != "synchronised" else []
        extra += [f"share {values['share']:g}"] if values["share"] < 1 else []
        wiring = ", ".join([values["wiring"], *extra])
        at = dict(written.value)
        rhythm = self._parts.make(
            lambda: schedule(values["schedule"], base or Schedule()), at.get("schedule", node), f"{path}.schedule"
        )
        given = {name: values[name] for name in keys.TOPOLOGY if name not in ("wiring", "schedule", "share")}
        given = {name: value for name, value in given.items() if value is not None}
        if spec is None:
            return Wired(None, rhythm, wiring, shown)
        for name in ("brain_of", "view_of", "data_of", "reads"):
            if name in given and len(given[name]) != spec.models:
                message = f"{len(given[name])} entries; expected one for each of the {spec.models} models"
                self._walker.fault(at[name], join(path, name), message)
        lists = [name for name, value in given.items() if isinstance(value, tuple)]
        place = at[lists[0]] if lists else at.get("wiring", node)

        def made(models: int = spec.models) -> Topology:
            topology = _wire(values["wiring"], models, len(brains), values["share"], given).canonical(spec)
            _suits(topology, [brain.made for brain in brains])
            return topology

        topology = self._parts.make(made, place, path) if self._walker.faults == before else None
        return Wired(topology, rhythm, wiring, shown)

    def instruments(self, node: Node | None, tick: float | None) -> tuple[tuple[Instrument, ...], dict[str, Any]]:
        """The detectors of a document, all there are where it names none, each with its document."""
        walker, found = self._walker, []
        shown: dict[str, Any] = {}
        every = {name: Node(None) for name in self._parts.detectors()}
        given = (
            every if node is None or node.value is None else walker.mapping(node, "detectors", "model_correlation: {}")
        )
        for name, body in given.items():
            path = join("detectors", name)
            part = self._parts.detector(Node({name: body}, body.mark, body.key), "detectors")
            scrape = (
                walker.table(body, path, keys.DETECTOR, "parameter", also=list(parameters(part.owner)))["scrape"]
                if part.owner
                else None
            )
            if scrape is not None and tick is not None and scrape < tick:
                walker.fault(
                    body.value["scrape"], join(path, "scrape"), f"must be at least one tick of the world, {tick:g} s"
                )
            if part.made is not None:
                found.append(Instrument(name, part.made, scrape))
                shown[name] = part.shown[name] | show(keys.DETECTOR, {"scrape": scrape})
        return tuple(found), shown

    def _hands(
        self,
        node: Node | None,
        path: str,
        world: type[Any] | None,
        spec: Spec | None,
        instruments: tuple[Instrument, ...],
    ) -> tuple[tuple[Hand, ...], list[dict[str, Any]]]:
        hands: list[Hand] = []
        shown = []
        example = "[{kill_switch: {at: 10 min}}]"
        for i, entry in enumerate(self._walker.items(node, path, example) if node else ()):
            where = join(path, str(i))
            written = Node({entry.value: Node(None, entry.mark, entry.mark)}) if isinstance(entry.value, str) else entry
            part = self._parts.intervention(written, where)
            shown.append(part.shown)
            if part.owner is None:
                continue
            name, body = next(iter(written.value.items()))
            trigger, models, told = self._trigger(body, join(where, name), world, spec, part.owner, instruments)
            part.shown[name].update(told)
            count = sum(hand.name.split("#")[0] == name for hand in hands)
            if trigger is not None and part.made is not None:
                hands.append(Hand(f"{name}#{count + 1}" if count else name, part.made, trigger, models))
        return tuple(hands), shown

    def _trigger(
        self,
        node: Node,
        path: str,
        world: type[Any] | None,
        spec: Spec | None,
        owner: type[Any],
        instruments: tuple[Instrument, ...],
    ) -> tuple[Trigger | None, tuple[int, ...] | None, dict[str, Any]]:
        walker, before = self._walker, self._walker.faults
        values = walker.table(node, path, keys.HAND, "parameter", also=list(parameters(owner)))
        self._parts.models(values["models"], node, path, spec)
        shown = show(keys.HAND, values)
        latency: dict[str, Any] = {"median": 0.0, "spread": 0.0}
        if values["latency"] is not None:
            written = values["latency"]
            brief = not isinstance(written.value, dict)
            written = Node({"median": written}, written.mark, written.key) if brief else written
            latency = walker.table(written, f"{path}.latency", keys.LATENCY)
        shown["latency"] = show(keys.LATENCY, latency)
        when: dict[str, Any] = {}
        if values["when"] is not None:
            when = walker.table(values["when"], f"{path}.when", keys.WHEN)
            shown["when"] = show(keys.WHEN, when)
            if when["measure"] is when["detector"] is None:
                hint = "write e.g. `{measure: drawdown, above: 0.02}` or `{detector: model_correlation}`"
                walker.fault(values["when"].place, f"{path}.when", "expected a `measure` or a `detector`", hint)
            elif when["detector"] is None:
                self._parts.crossing(when, values["when"], f"{path}.when", world)
            else:
                when = self._reading(when, values["when"], f"{path}.when", instruments)
            if values["at"] is not None:
                walker.fault(values["when"].key, f"{path}.when", "given together with `at`", "keep one of them")
        else:
            values["at"] = values["at"] or 0.0
            shown["at"] = show(keys.HAND, values)["at"]
        if walker.faults > before:
            return None, None, shown
        lasts = math.inf if values["lasts"] is None else values["lasts"]
        at = math.inf if when else values["at"]
        return Trigger(at, **sides(when), scrape=values["scrape"], **latency, lasts=lasts), values["models"], shown

    def _reading(
        self, when: dict[str, Any], node: Node, path: str, instruments: tuple[Instrument, ...]
    ) -> dict[str, Any]:
        """A crossing of a detector's reading, by default above the detector's own limit."""
        known = {one.name: one for one in instruments}
        given = node.value["detector"]
        for other in ("measure", "below"):
            if when[other] is not None:
                self._walker.fault(
                    node.value[other], join(path, other), "does not go with `detector`", "remove one of them"
                )
        if not self._walker.one_of(when["detector"], known, given, join(path, "detector"), "detector"):
            return {}
        name = when["detector"] if when["rule"] in (None, "record") else seed(when["detector"])
        above = known[when["detector"]].limits()[name] if when["above"] is None else when["above"]
        return {"measure": name, "above": above, "below": None}


def usual_stride(horizon: float, tick: float) -> float:
    """The interval of recording where none is chosen: a 300th of the horizon in whole ticks, seconds."""
    return max(round(horizon / 300 / tick), 1) * tick


def _wire(wiring: str, models: int, kinds: int, share: float, given: dict[str, Any]) -> Topology:
    """The preset with single fields given; unless told otherwise a brain is taught by the pool of its first model."""
    base = wire(wiring, models, kinds=kinds, share=share, average_every=given.get("average_every", 0.0))
    brain, data = given.get("brain_of", base.brain_of), given.get("data_of", base.data_of)
    if max(brain) >= models:
        raise InputError(f"topology.brain_of must hold numbers from 0 to {models - 1}")
    b, served = range(max(brain) + 1), groups(tuple(brain))
    fields = {"taught_by": tuple(data[served[i][0]] if i in served else 0 for i in b)}
    fields["kind_of"] = tuple(i % kinds for i in b)
    return dataclasses.replace(base, **(fields | given))


def _suits(topology: Topology, brains: list[Brain[Any] | None]) -> None:
    """Raise InputError where a kind of brain cannot work in this wiring."""
    served, fed = groups(topology.brain_of), groups(topology.data_of)
    for b, pool in enumerate(topology.taught_by):
        brain = brains[topology.kind_of[b]] if topology.kind_of[b] < len(brains) else None
        if brain is not None and brain.online and served[b] != fed[pool]:
            raise InputError(
                f"brain {type(brain).__name__} learns from each answer at once and has no evidence to share; "
                "give each brain the pool of its own models, or choose a brain that is retrained"
            )
    sizes = {len(models) for models in served.values()}
    if topology.average_every > 0 and len(sizes) > 1:
        raise InputError("federated rounds average brains that serve equally many models; these do not")
