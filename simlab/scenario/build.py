"""A document becomes a Scenario, or every problem in it is reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from simlab.base.errors import nearest
from simlab.base.par import parameters
from simlab.brains.topology import Schedule
from simlab.lab.trial import Harm
from simlab.scenario import factorial, keys
from simlab.scenario.axes import put_axes
from simlab.scenario.claiming import Claims, Names
from simlab.scenario.parts import Part, Parts, several, sides
from simlab.scenario.patch import only, put, put_all
from simlab.scenario.plugin import how_to_give
from simlab.scenario.problems import Problem
from simlab.scenario.reader import Node, join, plain, plant
from simlab.scenario.registry import HOUSE, Registry
from simlab.scenario.scenario import USUAL, Arm, Control, Factorial, Limits, Row, Scenario, Study, Vanish
from simlab.scenario.setup import Common, Setup, usual_stride
from simlab.scenario.stopping import until
from simlab.scenario.studying import Around, read_studies
from simlab.scenario.tracing import Tracing
from simlab.scenario.walker import Walker, show

WITH = "factorial.with"
DISPLAY = {"feedback_off": "nobody listens to the models", "no_stressor": "no shocks"}


def build(
    document: Node | Mapping[str, Any],
    name: str,
    path: str | None = None,
    overrides: Mapping[str, Node] | None = None,
    registry: Registry = HOUSE,
) -> Scenario:
    """The scenario that a document says; also the `resolved` document of another one, which gives an equal scenario.

    `overrides` are other values by dotted path; a study that cannot be played with them is left out, and kept as `unplayable`.
    Raises ScenarioError with every problem that was found.
    """
    walker = Walker()
    tree = plant(document)
    if not isinstance(tree.value, dict):
        walker.fault(tree, "", "a scenario is a mapping of keys", "begin with `schema: 1`")
        walker.problems.stop_if_any()
    for dotted, value in (overrides or {}).items():
        tree = put(tree, dotted, value, walker)
    scenario = _Builder(walker, registry, tree, lenient=bool(overrides)).scenario(name, path)
    return _whole(scenario, walker)


def rebuild(
    document: Node | Mapping[str, Any], name: str, registry: Registry = HOUSE, path: str | None = None
) -> Scenario:
    """The scenario of a stored document, which has no studies any more, and may be that of a study's point. Raises ScenarioError."""
    walker, tree = Walker(), plant(document)
    part = not (isinstance(tree.value, dict) and "controls" in tree.value and tree.value["controls"].value)
    return _whole(_Builder(walker, registry, tree, part=part, stored=True).scenario(name, path), walker)


def build_point(
    tree: Node, name: str, path: str | None, values: Mapping[str, Node], registry: Registry = HOUSE
) -> Scenario:
    """One point of a study: what its document `tree` says with `values` by path. It has no controls, and arms may play alike.

    Raises ScenarioError with every problem that was found.
    """
    walker = Walker()
    return _whole(_Builder(walker, registry, put_axes(tree, values, walker), part=True).scenario(name, path), walker)


def read_study(
    scenario: Scenario, name: str, document: Node | Mapping[str, Any], registry: Registry | None = None
) -> Study:
    """A study of `scenario` that is not in its file, checked as if it were. Raises ScenarioError with every problem that was found."""
    walker = Walker()
    builder = _Builder(walker, registry or scenario.registry, plant({**scenario.resolved, "studies": {name: document}}))
    found = _whole(builder.scenario(scenario.name, scenario.path), walker)
    return found.studies[0]


def _whole(scenario: Scenario | None, walker: Walker) -> Scenario:
    walker.problems.stop_if_any()
    assert scenario is not None, "a scenario without problems is built"  # noqa: S101
    return scenario


@final
class _Builder:
    """Reads one document; as a `part` of one, a study's point, it needs no controls, and its arms may play alike.

    `lenient` leaves out studies that cannot be played: with other values nobody asked for them. One that was `stored` has none.
    """

    def __init__(
        self, walker: Walker, registry: Registry, tree: Node,
        part: bool = False, lenient: bool = False, stored: bool = False,
    ) -> None:  # fmt: skip
        self._walker, self._registry, self._tree = walker, registry, tree
        self._part, self._lenient, self._stored = part, lenient, stored
        self._before = walker.faults
        self._parts = Parts(walker, registry)
        self._setup = Setup(walker, self._parts)
        self._top = walker.table(tree, "", keys.TOP)
        self._doc = {key: node for key, node in tree.value.items() if key in keys.TOP}
        for key in ("world", "brain"):
            self._doc.setdefault(key, Node({}))
        self._plugins()
        self._reported = {key for key in keys.TOP if key not in tree.value}

    def _plugins(self) -> None:
        """Refuse a document that needs classes which nobody gave; what follows from it says nothing more."""
        node, own = self._top["plugins"], dict(self._registry.own)
        for name, given in self._walker.mapping(node, "plugins", "{my_world: mine.MyWorld}").items() if node else ():
            if name not in own:
                one = str(given.value).rpartition(".")[2]
                hint = f"give {how_to_give(str(given.value))} or in Python `using=[{one}]`"
                self._walker.fault(given.place, join("plugins", name), f"needs {given.value}, no part of simlab", hint)
        if node:
            self._walker.problems.stop_if_any()

    def scenario(self, name: str, path: str | None) -> Scenario | None:
        """The whole scenario, or None after faults."""
        top, walker = self._top, self._walker
        world = self._parts.world(self._doc["world"]) if top["world"] else Part(None, None, {})
        spec = world.made.spec if world.made is not None else None
        brains = self._parts.brains(self._doc["brain"], "brain", spec) if top["brain"] else []
        _, rhythm = self._setup.rhythm(top["schedule"] or Node({}), "schedule", Schedule())
        run = self._run(world)
        harm, harm_shown = self._harm(world)
        beside = self._beside(world, harm)
        tick = world.made.tick if world.made is not None else None
        instruments, detectors = self._setup.instruments(top["detectors"], tick)
        told = {name: measure for brain in brains if brain.owner for name, measure in brain.owner.tells.items()}
        self._parts.readings = told | {name: shown for one in instruments for name, shown in one.readings().items()}
        shocks = self._shocks(world)
        set_by = {parameter: name for name, told in shocks.items() for parameter in told.get("world", {})}
        tracing = Tracing(walker, world, Path(path or ".").parent)
        traces, traced = tracing.traces(top["trace"], run.get("horizon"), set_by)
        common = Common(run.get("horizon"), run.get("stride"), run.get("warmup"), harm, instruments, traces)
        arms, bodies, arms_shown, design = self._arms(common)
        stat = Claims(walker, self._parts).stat
        waits, waits_shown = until(walker, run, world, list(bodies), top["harm"] is not None, stat)
        controls, controls_shown = self._controls(common, bodies, world)
        studies = top.get("studies")
        called = None if self._stored else list(walker.mapping(studies, "studies")) if studies else []
        names = Names(list(bodies), list(controls_shown), called)
        known = design is not None or top["factorial"] is None  # else nobody knows what its arms are called
        claims, claims_shown = Claims(walker, self._parts).read(top["claims"] if known else None, world, names)
        rows, rows_shown = self._rows(world, names) if known else ([], [])
        limits, limits_shown = self._limits(world, list(bodies)) if known else (USUAL, None)
        record, yours = self._record(), self._yours(world)
        if not self._part:
            self._refuse_twins(arms)
        if walker.faults > self._before:
            return None
        self._refuse_the_endless(arms, waits.most if waits else run["replications"], len(controls))
        resolved = {
            "schema": keys.SCHEMA, "title": top["title"], "story": top["story"], "record": [dict(r) for r in record],
            "yours": yours or None, "plugins": _plugged(arms, self._registry) or None,
            "world": world.shown, "brain": several(self._doc["brain"], brains), "schedule": rhythm,
            "run": show(keys.RUN, run) | ({"until": waits_shown} if waits else {}), "harm": harm_shown, "beside": beside,
            "detectors": detectors, "shocks": shocks, "trace": traced or None, "arms": arms_shown,
            "controls": controls_shown, "scoreboard": rows_shown, "claims": claims_shown,
            "readiness": limits_shown,
            "factorial": None if design is None else _tidy(plain(top["factorial"])),
        }  # fmt: skip
        resolved = {key: value for key, value in resolved.items() if value is not None}
        studies, unplayable = self._studies(resolved, world)
        return Scenario(
            name=name, title=top["title"], story=top["story"], arms=tuple(arms), controls=tuple(controls),
            claims=tuple(claims), harm=harm, record=record, scoreboard=tuple(rows), replications=run["replications"],
            seed=run["seed"], allow_diverged=run["allow_diverged"], resolved=resolved, readiness=limits, path=path,
            studies=studies, factorial=design, until=waits, beside=beside,
            series=run["series"] or "all", registry=self._registry, unplayable=unplayable,
        )  # fmt: skip

    def _run(self, world: Part) -> dict[str, Any]:
        node = self._top["run"]
        if node is None:
            return {}
        run = self._walker.table(node, "run", keys.RUN)
        if world.made is None or run["horizon"] is None:
            return run
        tick, inside = world.made.tick, node.value
        if run["horizon"] < tick:
            message = f"must be at least one tick of the world, {tick:g} s, not {run['horizon']:g} s"
            self._walker.fault(inside["horizon"], "run.horizon", message)
        elif run["horizon"] / tick > keys.MOST_TICKS:
            message = f"{run['horizon'] / tick:.3g} ticks of {tick:g} s; at most {keys.MOST_TICKS:.0e}"
            self._walker.fault(inside["horizon"], "run.horizon", message, "shorten the horizon")
        elif run["stride"] is None:
            if "stride" not in inside:
                run["stride"] = usual_stride(run["horizon"], tick)
        elif not tick <= run["stride"] <= run["horizon"]:
            message = f"must lie between one tick, {tick:g} s, and the horizon, not {run['stride']:g} s"
            self._walker.fault(inside.get("stride", node), "run.stride", message)
        if (
            run["warmup"] and run["warmup"] / tick > keys.MOST_TICKS
        ):  # longer than the horizon it may be: learn long, look closely
            message = f"{run['warmup'] / tick:.3g} ticks of {tick:g} s; at most {keys.MOST_TICKS:.0e}"
            self._walker.fault(inside["warmup"], "run.warmup", message, "shorten the warm-up")
        return run

    def _harm(self, world: Part) -> tuple[Harm | None, dict[str, Any] | None]:
        node, before = self._top["harm"], self._walker.faults
        if node is None:
            return None, None
        values = self._walker.table(node, "harm", keys.HARM)
        self._parts.crossing(values, node, "harm", world.owner)
        if values["cost"] is not None:
            self._parts.measure(values["cost"], node.value["cost"], "harm.cost", world.owner)
        if self._walker.faults > before:
            return None, None
        return Harm(**sides(values), cost=values["cost"], scrape=values["scrape"] or 0.0), show(keys.HARM, values)

    def _beside(self, world: Part, harm: Harm | None) -> str | None:
        """The measure drawn beside the headline, which shares its axis and so its unit."""
        name: str | None = self._top["beside"]
        if name is None or world.owner is None:
            return name
        node, measures = self._doc["beside"], world.owner.measures
        self._parts.measure(name, node, "beside", world.owner)
        headline = harm.measure if harm else next(iter(measures))
        units = [measures[one].unit for one in (name, headline) if one in measures]
        if name == headline or len(set(units)) > 1:
            what = "is the headline itself" if name == headline else f"is in {units[0]}, and {headline} in {units[1]}"
            self._walker.fault(node, "beside", f"{name} {what}", "name another measure in the headline's unit")
        return name

    def _shocks(self, world: Part) -> dict[str, Any]:
        """The shocks' documents, read here so that one that no arm meets is checked too."""
        spec = world.made.spec if world.made is not None else None
        found = self._setup.shocks(self._top["shocks"], world, spec)
        return {name: shown for name, (_, shown) in found.items()}

    def _arms(self, common: Common) -> tuple[list[Arm], dict[str, Node], dict[str, Any], Factorial | None]:
        node = self._top["arms"]
        bodies = self._walker.names(node, "arms", "arm", "{isolated: {topology: isolated}}") if node else {}
        example = "{isolated: {topology: isolated}}"
        if node is None and self._top["factorial"] is None:
            if not any(nearest(name, keys.TOP) in ("arms", "factorial") for name in self._tree.value.keys() - keys.TOP):
                hint = f"add e.g. `arms: {example}`"
                self._walker.fault(self._tree.place, "arms", f"missing; {keys.TOP['arms'].par.about}", hint)
        elif node and not bodies and isinstance(node.value, dict | None) and self._top["factorial"] is None:
            self._walker.fault(node.place, "arms", "expected at least one arm", f"write e.g. `{example}`")
        found, combined, shown, design = self._combinations(common, bodies)
        for name, body in bodies.items():
            if name in combined and set(body.value or ()) <= {"title"}:
                self._walker.table(body, f"arms.{name}", {"title": keys.ARM["title"]})
                continue
            arm, document = self._arm(name, body, common, None, closed=True, calm=False)
            if name not in combined:
                found |= {name: arm} if arm else {}
                shown[name] = document
            elif arm and design and name in found and found[name].trial != arm.trial:
                hint = f"it stands for {factorial.plainly(design.levels[name])}; choose another name, or give it a title only"
                self._walker.fault(body.place, f"arms.{name}", "does not play as its name says", hint)
        others = {name: body for name, body in bodies.items() if name not in combined}
        return list(found.values()), combined | others, shown, design

    def _combinations(
        self, common: Common, named: Mapping[str, Node]
    ) -> tuple[dict[str, Arm], dict[str, Node], dict[str, Any], Factorial | None]:
        """The arms of a factorial design; each is tried with a walker of its own, since one that cannot be played is no fault."""
        node, walker = self._top["factorial"], self._walker
        found = factorial.seams(walker, node) if node else None
        if node is None or found is None:
            return {}, {}, {}, None
        given = node.value.get("with")
        values = walker.table(given or Node({}), WITH, keys.WITH)
        tree = only(put_all(Node(self._doc), values["set"], f"{WITH}.set", walker), {"brain": values["brain"]}).value
        world = Parts(Walker(), self._registry).world(tree["world"]).made
        kinds = len(tree["brain"].value) if isinstance(tree["brain"].value, list) else 1
        arms: dict[str, Arm] = {}
        bodies: dict[str, Node] = {}
        levels: dict[str, Mapping[str, str]] = {}
        shown: dict[str, Any] = {}
        dropped = []
        for name, one in factorial.combinations(found, world.spec.models if world else 1, kinds):
            title = _title(name, named[name], one.title) if name in named else one.title
            body = one.body(node, given.value or {} if given else {}, title)
            trying = _Builder(Walker(), self._registry, self._tree)
            arm, document = trying._arm(name, body, common, None, True, False, path=WITH)
            problems = trying._walker.problems.found
            twin = factorial.twin(arm.trial, {known: a.trial for known, a in arms.items()}) if arm else None
            if arm and twin:
                why = f"plays as `{twin}`: {factorial.why_twin(one.levels, levels[twin], arm.trial)}"
                dropped.append((one.levels, why))
            elif problems and all(problem.path.startswith(f"{WITH}.topology") for problem in problems):
                dropped.append((one.levels, f"cannot be played: {problems[0].message}"))
            else:
                for problem in problems:
                    walker.problems.add(*problem)
                arms |= {name: arm._replace(wiring=factorial.plainly(one.levels))} if arm else {}
                bodies[name], levels[name], shown[name] = body, one.levels, document
        if len(bodies) < 2:
            told = "; ".join(dict.fromkeys(why for _, why in dropped))
            walker.fault(node.place, "factorial", "fewer than two combinations are left", told)
        return arms, bodies, shown, Factorial(found, levels, tuple(dropped))

    def _arm(
        self,
        name: str,
        body: Node,
        common: Common,
        patch: Node | None,
        closed: bool,
        calm: bool,
        where: str = "",
        path: str = "",
    ) -> tuple[Arm | None, dict[str, Any]]:
        """An arm, under a control's `patch` where there is one, with its document."""
        path = path or f"arms.{name}"
        values = self._walker.table(body, path, keys.ARM)
        values |= {"nodes": body.value or {}, "place": body.place}
        tree = put_all(Node(self._doc), values["set"], f"{path}.set", self._walker)
        tree = put_all(only(tree, {"brain": values["brain"]}), patch, where, self._walker)
        if values["topology"] is None or self._reported & {"world", "brain"}:
            return None, {}
        trial, shown, wiring = self._setup.trial(tree.value, values, path, common, closed, calm)
        title = _title(name, body)
        shown = {"title": title, **shown}
        if values["set"]:
            shown["set"] = _tidy(plain(values["set"]))
        return (Arm(name, title, wiring, trial) if trial else None), shown

    def _controls(
        self, common: Common, bodies: Mapping[str, Node], world: Part
    ) -> tuple[list[Control], dict[str, Any]]:
        node, walker = self._top["controls"], self._walker
        found = walker.names(node, "controls", "control", "{feedback_off: {}, no_stressor: {}}") if node else {}
        for name in keys.CONTROLS:
            if node and name not in found and isinstance(node.value, dict | None) and not self._part:
                hint = f"add `{name}: {{vanishes: []}}`: {DISPLAY[name]}"
                walker.fault(node.place, f"controls.{name}", "missing; every scenario has this control", hint)
        controls, documents = [], {}
        for name, body in found.items():
            path = f"controls.{name}"
            values = walker.table(body, path, keys.CONTROL)
            if name not in keys.CONTROLS and values["set"] is None and isinstance(body.value, dict | None):
                hint = f"add `set:`; without one only {' and '.join(keys.CONTROLS)} mean something"
                walker.fault(body.place, path, "changes nothing", hint)
            vanishes = self._vanishes(values["vanishes"], f"{path}.vanishes", world)
            arms = []
            for arm, arm_body in bodies.items():
                cell, _ = self._arm(
                    arm, arm_body, common, values["set"], name != "feedback_off", name == "no_stressor", f"{path}.set"
                )
                arms += [cell] if cell else []
            title = values["title"] or DISPLAY.get(name, name.replace("_", " "))
            controls.append(Control(name, title, vanishes, tuple(arms)))
            documents[name] = {"title": title, "vanishes": [v._asdict() for v in vanishes]}
            documents[name] |= {"set": _tidy(plain(values["set"]))} if values["set"] else {}
        return controls, documents

    def _vanishes(self, node: Node | None, path: str, world: Part) -> tuple[Vanish, ...]:
        found = []
        for i, entry in enumerate(self._walker.items(node, path, "[drawdown]") if node else ()):
            where = join(path, str(i))
            written = Node({"measure": entry}, entry.mark) if isinstance(entry.value, str) else entry
            values = self._walker.table(written, where, keys.VANISH)
            self._parts.measure(values["measure"], written, where, world.owner, at_the_end=True)
            found.append(Vanish(values["measure"], values["within"]))
        return tuple(found)

    def _rows(self, world: Part, names: Names) -> tuple[list[Row], list[dict[str, Any]]]:
        rows, shown = [], []
        node = self._top["scoreboard"]
        for i, entry in enumerate(self._walker.items(node, "scoreboard") if node else ()):
            path, before = f"scoreboard.{i}", self._walker.faults
            values = self._walker.table(entry, path, keys.ROW)
            if not isinstance(entry.value, dict):
                continue
            self._parts.measure(values["measure"], entry, f"{path}.measure", world.owner, at_the_end=True)
            for key, known in (("arm", names.arms), ("control", names.controls)):
                self._walker.one_of(values[key], known, entry.value.get(key, entry), f"{path}.{key}", key)
            if (values["measure"] is None) != (values["arm"] is None):
                self._walker.fault(entry.place, path, "`measure` and `arm` go together")
            if values["mark"] in ("predicted", "checked") and (
                values["measure"] is None or values["low"] is values["high"] is None
            ):
                hint = "write e.g. `measure: drawdown, arm: isolated, low: 0.04, high: 0.06`"
                self._walker.fault(entry.place, path, f"a {values['mark']} row says what a hit is", hint)
            if self._walker.faults == before:
                rows.append(Row(**values))
                shown.append(show(keys.ROW, values))
        return rows, shown

    def _limits(self, world: Part, arms: list[str]) -> tuple[Limits, dict[str, Any] | None]:
        node, before = self._top["readiness"], self._walker.faults
        if node is None:
            return USUAL, None
        values = self._walker.table(node, "readiness", keys.READINESS)
        given = self._walker.mapping(node, "readiness")
        self._walker.one_of(values["arm"], arms, given.get("arm", node), "readiness.arm", "arm")
        for key in ("truth", "proxy"):
            if values[key] is not None:
                self._parts.measure(values[key], given[key], f"readiness.{key}", world.owner, at_the_end=key == "proxy")
        return (USUAL if self._walker.faults > before else Limits(**values)), show(keys.READINESS, values)

    def _record(self) -> tuple[dict[str, str], ...]:
        node, found = self._top["record"], []
        text = keys.TOP["story"].par
        for i, entry in enumerate(
            self._walker.items(node, "record", "[{retelling: ..., record: ...}]") if node else ()
        ):
            path = f"record.{i}"
            given = self._walker.mapping(entry, path, "{retelling: ..., record: ...}")
            found.append({key: self._walker.value(v, join(path, key), str, text) for key, v in given.items()})
        return tuple(found)

    def _yours(self, world: Part) -> dict[str, str]:
        """From which metric a user sets which parameter of the world."""
        node, found = self._top["yours"], {}
        if node is None or world.owner is None:
            return {}
        example = "{arrivals: requests per second at the entry}"
        for name, text in self._walker.mapping(node, "yours", example).items():
            self._walker.one_of(name, parameters(world.owner), text, join("yours", name), "parameter")
            found[name] = self._walker.value(text, join("yours", name), str, keys.TOP["story"].par)
        return found

    def _studies(
        self, resolved: dict[str, Any], world: Part
    ) -> tuple[tuple[Study, ...], Mapping[str, tuple[Problem, ...]]]:
        """The studies, held against everything else, and what is wrong with those that are left out; documents go into `resolved`."""
        node = self._top["studies"]
        if node is None:
            return (), {}

        def point(tree: Node, walker: Walker) -> Scenario | None:
            return _Builder(walker, self._registry, tree, part=True).scenario("", None)

        measures = {**(world.owner.measures if world.owner else {}), **self._parts.readings}
        known = dict(resolved)

        def around(walker: Walker) -> Around:
            return Around(known, measures, "harm" in known, point, Claims(walker, self._parts).stat)

        found, documents, unplayable = read_studies(self._walker, node, around)
        for problem in () if self._lenient else (one for problems in unplayable.values() for one in problems):
            self._walker.problems.add(*problem)
        resolved |= {"studies": documents} if documents else {}
        return found, unplayable

    def _refuse_twins(self, arms: list[Arm]) -> None:
        """Two arms that play alike are one arm."""
        first: list[Arm] = []
        for arm in arms:
            twin = next((other for other in first if other.trial == arm.trial), None)
            if twin is None:
                first.append(arm)
                continue
            why = "they differ in nothing that this world can tell apart"
            if arm.trial.world.spec.views == 1 and "feature_store" in arm.wiring + twin.wiring:
                why = "this world shows all models one view, so sharing features changes nothing"
            place = self._top["arms"].value[arm.name].place
            self._walker.fault(place, f"arms.{arm.name}", f"plays exactly as arm `{twin.name}`", f"remove one: {why}")

    def _refuse_the_endless(self, arms: list[Arm], replications: int, controls: int) -> None:
        """Refuse a plan that nobody could wait for."""
        times = [(a.trial.horizon + a.trial.warmup) / a.trial.world.tick for a in arms]
        steps = sum(time * a.trial.world.spec.models for time, a in zip(times, arms, strict=True)) * replications
        steps *= 1 + controls
        if steps > keys.MOST_STEPS:
            message = f"{steps:.3g} steps of agents in all; at most {keys.MOST_STEPS:.0e} are run"
            mark = self._tree.value["run"].place
            self._walker.fault(
                mark, "run", message, "lower `run.replications` or `run.horizon`, or raise the world's tick"
            )


def _plugged(arms: list[Arm], registry: Registry) -> dict[str, str]:
    """The classes that arms are played with and that are no part of simlab, by the names they have here."""
    used = set()
    for trial in (arm.trial for arm in arms):
        used |= {type(trial.world), *map(type, trial.brains), *(type(hand.intervention) for hand in trial.hands)}
        used |= {type(instrument.detector) for instrument in trial.instruments}
    return {name: f"{one.__module__}.{one.__qualname__}" for name, one in registry.own if one in used}


def _title(name: str, body: Node, usual: str = "") -> str:
    """An arm's title, by default its name."""
    given = body.value.get("title") if isinstance(body.value, dict) else None
    return given.value if given is not None and isinstance(given.value, str) else usual or name.replace("_", " ")


def _tidy(document: Any) -> Any:
    """Plain data with the entries that say nothing left out."""
    if isinstance(document, dict):
        return {key: _tidy(value) for key, value in document.items() if value is not None}
    return document
