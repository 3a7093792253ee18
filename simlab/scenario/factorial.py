"""Factorial designs: every combination of how the seams are wired becomes an arm, so that each seam's part can be told.

    factorial: {brain: [own, one], features: [own, one], with: {shocks: []}}

| seam | levels |
|---|---|
| brain | own, one, blocks(k): which brain answers for each model |
| features | own, one, blocks(k): which view it reads |
| data | own, one, blocks(k): which pool its experience goes to; where it is no seam, to the brain that answers for it |
| schedule | synchronised, staggered(m), random(q) |
| kind | same (all brains are the first of the list), mixed (the brains of the list in turn) |
| reading | nobody, chain: which models each model reads, none or the one before |

The first level of each seam is what the others are held against. `with` holds for all arms. What cannot be played, or plays as another
combination does, is left out, and the scenario says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from simlab.base.errors import InputError, did_you_mean
from simlab.brains.topology import Schedule, schedule
from simlab.lab.trial import NEVER, Trial
from simlab.scenario import keys
from simlab.scenario.reader import Node, join, plant
from simlab.scenario.walker import Walker

MOST = 64  # combinations
LONGEST = 60  # characters of an arm's name
PARTS = {"brain": "brain_of", "features": "view_of", "data": "data_of"}
SHARING = ("own", "one", "blocks(2)")
LEVELS = dict.fromkeys(PARTS, SHARING) | {
    "schedule": ("synchronised", "staggered(1)", "random(0.5)"),
    "kind": ("same", "mixed"),
    "reading": ("nobody", "chain"),
}


PRESETS = {  # (brain, features, data): the wiring that has these levels
    ("own", "own", "own"): "isolated",
    ("own", "one", "own"): "feature_store",
    ("own", "own", "one"): "shared_data",
    ("one", "own", "one"): "shared_brain",
    ("one", "one", "one"): "shared",
}


class Combination(NamedTuple):
    """One arm to be: its level in each seam, its title, and its `topology:` entry."""

    levels: Mapping[str, str]
    title: str
    topology: Mapping[str, Any]

    def body(self, place: Node, common: Mapping[str, Node], title: str) -> Node:
        """The arm as if it had been written where the design is, with what all arms have in common."""
        wiring = plant(self.topology)._replace(mark=place.mark, key=place.key)
        inside = {**common, "title": plant(title), "topology": wiring}
        return Node(inside, place.mark, place.key)


def expand(document: Node | Mapping[str, Any], factorial: Node | Mapping[str, Any]) -> Node:
    """A scenario's document in which a factorial design takes the place of the arms; give it to `build`.

    What names arms (claims, the scoreboard), and what belongs to the scenario that it comes from (studies), is left out.
    """
    tree = plant(document)
    gone = ("arms", "factorial", "claims", "scoreboard", "readiness", "studies")
    kept = {key: node for key, node in tree.value.items() if key not in gone}
    return tree._replace(value={**kept, "factorial": plant(factorial)})


def seams(walker: Walker, node: Node, path: str = "factorial") -> dict[str, tuple[str, ...]] | None:
    """The levels of each seam of a written design; None after faults."""
    before = walker.faults
    values = walker.table(node, path, keys.FACTORIAL, "seam")
    found: dict[str, tuple[str, ...]] = {}
    for seam in LEVELS:
        if values[seam] is not None:
            at = join(path, seam)
            given = walker.value(values[seam], at, tuple[str, ...], keys.FACTORIAL[seam].par)
            found[seam] = tuple(given or ())
            _check(walker, seam, values[seam], at)
    found = {seam: found[seam] for seam in (node.value if isinstance(node.value, dict) else ()) if seam in found}
    if walker.faults > before:
        return None
    if all(len(levels) < 2 for levels in found.values()):
        walker.fault(node.place, path, "expected a seam with two levels", "write e.g. `{brain: [own, one]}`")
        return None
    count = 1
    for levels in found.values():
        count *= len(levels)
    if count > MOST:
        walker.fault(node.place, path, f"{count} combinations; at most {MOST}", "leave out a seam or some levels")
        return None
    return found


def combinations(found: Mapping[str, tuple[str, ...]], models: int, kinds: int) -> Iterator[tuple[str, Combination]]:
    """Every combination of levels, by the name of its arm, for `models` models and `kinds` kinds of brain."""
    every = [dict(zip(found, chosen, strict=True)) for chosen in product(*found.values())]
    names = [name_of(levels) for levels in every]
    if max(map(len, names)) > LONGEST:
        names = [name_of(levels, 1) for levels in every]
    for name, levels in zip(names, every, strict=True):
        given = {seam: levels.get(seam, "own") for seam in ("brain", "features")}
        given["data"] = levels.get("data", given["brain"])
        parts = {seam: _part(level, models) for seam, level in given.items()}
        preset = PRESETS.get((given["brain"], given["features"], given["data"]))
        topology: dict[str, Any] = {"wiring": preset} if preset else {}
        if not preset:
            topology |= {field: list(parts[seam]) for seam, field in PARTS.items()}
        brains = max(parts["brain"]) + 1
        if "kind" in levels:
            topology["kind_of"] = [i % kinds if levels["kind"] == "mixed" else 0 for i in range(brains)]
        if "schedule" in levels:
            topology["schedule"] = levels["schedule"]
        if levels.get("reading") == "chain":
            topology["reads"] = [[m - 1] for m in range(models)]
        yield name, Combination(levels, title_of(levels), topology)


def name_of(levels: Mapping[str, str], length: int | None = None) -> str:
    """The name of a combination's arm: `brain_one__features_own`, or `b_one__f_own` where names would be too long."""
    return "__".join(f"{seam[:length]}_{_slug(level)}" for seam, level in levels.items())


def plainly(levels: Mapping[str, str]) -> str:
    """A combination as it was written: "brain one, features own"."""
    return ", ".join(f"{seam} {level}" for seam, level in levels.items())


def title_of(levels: Mapping[str, str]) -> str:
    """A combination in words: "one brain, own features, own data"."""
    return ", ".join(words(seam, level, levels) for seam, level in levels.items())


def words(seam: str, level: str, levels: Mapping[str, str] | None = None) -> str:
    """A level of a seam in words. A brain that serves several models with data of their own learns from the first of them only."""
    name, _, number = level.rstrip(")").partition("(")
    if seam == "data" and level == "own" and levels and levels.get("brain", "own") != "own":
        return "the first model's data" if levels["brain"] == "one" else "the data of the first model in each block"
    said = {
        "own": f"own {seam}",
        "one": {"brain": "one brain", "features": "shared features", "data": "pooled data"}.get(seam, level),
        "blocks": f"{seam} in {number} blocks",
        "synchronised": "retrained together",
        "staggered": f"staggered by {number or 1}",
        "random": f"retrained with chance {number}",
        "same": "one kind",
        "mixed": "mixed kinds",
        "nobody": "alone",
        "chain": "chained",
    }
    return said.get(name, level)


def twin(trial: Trial, others: Mapping[str, Trial]) -> str | None:
    """The first of `others` that plays as `trial` does."""
    mine = _canonical(trial)
    return next((name for name, other in others.items() if _canonical(other) == mine), None)


def _canonical(trial: Trial) -> Trial:
    """The trial with the one schedule that stands for all that play like its own."""
    plan, brains = trial.schedule, trial.topology.brains
    if not plan.every or all(brain.online for brain in trial.brains):
        plan = NEVER
    elif plan.how == "staggered" and plan.size >= brains:
        plan = Schedule(plan.every, plan.jitter, plan.busy, waits=plan.waits)
    return replace(trial, schedule=plan)


def why_twin(levels: Mapping[str, str], others: Mapping[str, str], trial: Trial) -> str:
    """Why two combinations cannot be told apart."""
    differ = [seam for seam in levels if levels[seam] != others[seam]]
    if differ == ["features"] and trial.world.spec.views == 1:
        return "this world shows all models one view"
    if differ == ["schedule"]:
        if all(brain.online for brain in trial.brains):
            return "its brains learn from each answer at once and are never retrained"
        return "there is no retraining" if not trial.schedule.every else "there is but one group to retrain"
    if differ == ["kind"]:
        return "there is one kind of brain" if len(trial.brains) == 1 else "one brain is of one kind"
    return "they differ in nothing that this world can tell apart"


def _check(walker: Walker, seam: str, node: Node, path: str) -> None:
    """Hold each level against those of its seam."""
    known, met = LEVELS[seam], set()
    for i, entry in enumerate(node.value if isinstance(node.value, list) else ()):
        level, where = entry.value, join(path, str(i))
        if not isinstance(level, str):
            continue
        if level in met:
            walker.fault(entry, where, f"level `{level:.60}` is there twice", "remove one of them")
        met.add(level)
        if seam == "schedule":
            try:
                schedule(level, Schedule(every=1.0))
            except InputError as error:
                message, _, hint = str(error).partition("; ")
                walker.fault(entry, where, message, hint)
        elif level not in known and not (seam in PARTS and re.fullmatch(r"blocks\([1-9][0-9]{0,6}\)", level)):
            walker.fault(entry, where, f"unknown level `{level:.60}`", did_you_mean(level, known))
    if isinstance(node.value, list) and not node.value:
        walker.fault(node, path, "expected at least one level", f"write e.g. `[{', '.join(known[:2])}]`")


def _part(level: str, models: int) -> tuple[int, ...]:
    """Which part each model has, `(m,)`."""
    if level in ("own", "one"):
        return tuple(range(models)) if level == "own" else (0,) * models
    blocks = min(int(level[len("blocks(") : -1]), models)
    return tuple(m * blocks // models for m in range(models))


def _slug(level: str) -> str:
    short = {"synchronised": "sync", "staggered": "staggered_1"}.get(level, level)
    return re.sub(r"[^a-z0-9]+", "_", short).strip("_")
