"""Exercise 2: four monitors that detect feedback loops, each on runs that hold one and runs that only look so.

The answer is a class with four methods, each taking a `Recording` and returning True or False:

    feeds_back   does what the models say change the data that they learn from?
    cascades     does an error that enters upstream arrive larger downstream?
    correlated   do the models err together?
    departs      have predictions and reality moved apart?

Each pair of runs is alike in what a first thought would look at: in both, predictions follow reality, which moves as far; in both, four
models read others; in both, models decide alike (most where they are innocent) and err as much; in both, predictions drift. What tells
them apart is what the monitor is for. They are shown in a mixed order, so that it is no use to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from simlab.base.errors import InputError
from simlab.lab.streams import generator
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.workshop.finding import Look, hidden
from simlab.workshop.recording import Recording, record

RUNS = 3  # of each kind are checked

Patch = Mapping[str, Any]


class Monitor(NamedTuple):
    """What a monitor is asked, how its runs are made from a seed, and what to do where it misses or raises a false alarm."""

    name: str
    loop: str
    innocent: str
    make: Callable[[int, bool], Trial]
    missed: str
    alarmed: str


def looks(answer: type[Any]) -> list[Look]:
    """Two for each monitor: its hidden runs with a loop, and those without."""
    found = []
    for place, monitor in enumerate(MONITORS):
        for right in (True, False):
            what = f"{monitor.name}: {monitor.loop if right else monitor.innocent}"
            call = f"MyMonitors().{monitor.name}(recording)"
            found.append(Look(what, _look(answer, monitor, right, 100 * place), call))
    return found


def examples() -> dict[str, tuple[Recording, Recording]]:
    """For each monitor a recording on which it is to say True, and one on which it is to say False."""
    return {one.name: (_recorded(one, seed, True), _recorded(one, seed, False)) for seed, one in enumerate(MONITORS, 1)}


def _look(answer: type[Any], monitor: Monitor, right: bool, first: int) -> Callable[[], tuple[str, str] | None]:
    def look() -> tuple[str, str] | None:
        ask = getattr(answer(), monitor.name, None)
        if ask is None:
            return "there is no such method", f"write `def {monitor.name}(self, recording):` in the class"
        wrong = 0
        for number, kind in _mixed(first, right):
            said = ask(_recorded(monitor, hidden(2, number), kind))
            if not isinstance(said, bool | np.bool_):
                raise InputError(f"a monitor says True or False, not {type(said).__name__} {said!r:.60}")
            wrong += kind is right and bool(said) is not right
        if not wrong:
            return None
        said = f"it says {not right} of {wrong} of {RUNS} runs"
        return said, monitor.missed if right else monitor.alarmed

    return look


def _mixed(first: int, right: bool) -> list[tuple[int, bool]]:
    """All runs of a monitor, with a loop and without, in an order that nobody can foretell."""
    runs = [(number, kind) for number in range(first, first + RUNS) for kind in (True, False)]
    draws = generator(hidden(2, first), int(right), "order").random(len(runs))
    return [runs[i] for i in draws.argsort(kind="stable")]


@cache
def _recorded(monitor: Monitor, seed: int, right: bool) -> Recording:
    """A run that is looked at again and again, and that nobody may change."""
    made = record(monitor.make(seed, right), seed)
    for kept in (made.times, made.predictions, made.reality, made.nudges):
        kept.flags.writeable = False
    return made


def _markets(patch: Patch, closed: bool = True) -> Trial:
    """Two hours of five markets with a model each (`performative`)."""
    given = {
        "world.performative": {"models": 5, "agents": 40},
        "run.horizon": "2 h",
        "arms": {"only": {"topology": "isolated"} | {key: patch[key] for key in patch if key == "interventions"}},
        "shocks": patch["shocks"],
    }
    return _trial("performative", given, closed)


def _chain(patch: Patch) -> Trial:
    """120 days of five stages with a model each (`cascade`)."""
    world, topology = patch["world"], patch["topology"]
    given = {
        "world.cascade": world,
        "run.horizon": "120 day",
        "arms": {"only": {"topology": topology}},
        "shocks": patch.get("shocks", {}),
    }
    return _trial("cascade", given, True)


def _trial(name: str, given: Patch, closed: bool) -> Trial:
    """The only arm of a scenario of which nothing is left but its world, brain and schedule."""
    bare: dict[str, Any] = {"claims": [], "scoreboard": [], "studies": {}, "detectors": {}}
    bare["controls"] = {"feedback_off": {"vanishes": []}, "no_stressor": {"vanishes": []}}
    trial = load(name, {**bare, **given}).arms[0].trial
    return replace(trial, closed=closed)


def _size(seed: int, low: float, high: float) -> float:
    """A size that is known to nobody before the run."""
    return low + (high - low) * float(generator(seed, 0, "size").random())


def _moves(seed: int, times: float) -> dict[str, Any]:
    """A fundamental that goes up, down and up again, so many times as far."""
    sizes = _size(seed, 1.5, 2.5), -_size(seed, 0.5, 1.5), _size(seed, 2.0, 3.0)
    return {
        f"move_{i}": {"world": {"base": times * size}, "start": f"{30 * i + 20} min", "duration": "30 min"}
        for i, size in enumerate(sizes)
    }


def _feeding(seed: int, right: bool) -> Trial:
    probe = [{"probe": {"size": 1, "common": True, "at": "0 s"}}]
    times = 1.0 if right else 2.0  # what the loop adds: reality moves as far in both
    return _markets({"shocks": _moves(seed, times), "interventions": probe}, closed=right)


def _cascading(seed: int, right: bool) -> Trial:
    push = {"brain": "biased", "size": _size(seed, 4.0, 7.0), "models": [0], "start": "60 day", "duration": "2 day"}
    return _chain({"world": {"gain": 1.3 if right else 0.6}, "topology": "chain", "shocks": {"push": push}})


def _erring(seed: int, right: bool) -> Trial:
    """Blurred views of things that differ, shared; or each its own clear view of one thing, of which fewer items show as large errors."""
    if right:
        world = {"gain": 0.0, "alike": 0.9, "error": _size(seed, 0.6, 0.8), "items": 80}
        return _chain({"world": world, "topology": "feature_store"})
    world = {"gain": 0.0, "alike": 1.0, "error": _size(seed, 0.1, 0.2), "items": 4}
    return _chain({"world": world, "topology": "isolated"})


def _departing(seed: int, right: bool) -> Trial:
    """A model that is off from the middle on, or (by the seed) one that is no longer trained while the world moves; or one that follows."""
    size = _size(seed, 2.0, 3.0)
    moved = {"moved": {"world": {"base": size}, "start": "40 min"}}
    if not right:
        return _markets({"shocks": moved}, closed=False)
    if seed % 2:
        return _markets({"shocks": {"off": {"brain": "biased", "size": size, "start": "40 min"}}}, closed=False)
    stale = {"frozen": {"brain": "frozen", "start": "30 min"}}
    return _markets({"shocks": moved | stale}, closed=False)


MONITORS = (
    Monitor(
        "feeds_back",
        "agents act on what the models say",
        "predictions follow reality, and nobody listens",
        _feeding,
        "regress reality on recording.nudges: noise that you added has no other cause, so what follows it is your doing",
        "that predictions and reality move together is what a good model does; ask what in recording.reality follows recording.nudges, "
        "which predictions contain anyway, and give it an error bar",
    ),
    Monitor(
        "cascades",
        "errors grow along the chain",
        "as long a chain, in which errors die out",
        _cascading,
        "take the slope of each model's error on the error of the model that it reads, and multiply along the chain",
        "a depth says how far an error can travel; whether it arrives larger says the product of the slopes, against 1",
    ),
    Monitor(
        "correlated",
        "models that share a feature store err together",
        "models that are right about the same world",
        _erring,
        "correlate recording.errors between models",
        "models that are right about the same world decide alike; correlate recording.errors, not recording.predictions",
    ),
    Monitor(
        "departs",
        "the model moved, or only the world did",
        "the world moved, and the model followed",
        _departing,
        "compare where predictions are at the end with where reality is, in standard deviations of reality at the start",
        "a drift of predictions alone is what a model does that follows the world; look at the drift of their difference",
    ),
)
