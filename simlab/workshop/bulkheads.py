"""Exercise 3: bulkheads. A design is wiring and learners for so many services; accidents show how far each one travels.

The answer is a function of the number of services that returns what a scenario would say, `{"topology": ..., "brain": [...]}`. The services
are markets of `performative` that do not touch each other (`cross` 0): what reality couples no wiring separates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from simlab.base.arrays import Array
from simlab.base.errors import InputError
from simlab.brains.topology import Topology, groups
from simlab.lab.shocks import Shock
from simlab.lab.trial import Trial
from simlab.scenario.load import load
from simlab.scenario.problems import ScenarioError
from simlab.workshop.finding import Look, hidden
from simlab.workshop.recording import Recording, record

SERVICES = 6
MORE = 9  # services, for which a design is only drawn
OFF = 0.5  # a prediction that an accident moved by so much is off; what is foreseen is about 2
BEGINS, LASTS, SIZE = 1500.0, 900.0, 10.0  # of accidents, in seconds, and how large
POISON = (
    30.0  # what outcomes are learnt as; among those of five others that still moves a shared pool by three times OFF
)
EXAMPLE = '{"topology": "isolated", "brain": [{"ridge": {}}]}'

CALLED = f"design({SERVICES})` and `design({MORE})"  # in backticks

CARRIED = "a pool, a brain, a round or a service that is read carries it on; see the failure domains above"

Design = Callable[[int], Mapping[str, Any]]
Seen = tuple[str, str] | None


def looks(design: Design) -> list[Look]:
    """What is looked at: the four bullets on the drawing, then accidents."""
    wired = cache(lambda services: _trial(design, services))

    def drawn(what: str, at: Callable[[Trial], Seen]) -> Look:
        """Of six services, and of more: what is written out for six is no design."""
        return Look(what, lambda: at(wired(SERVICES)) or _of(MORE, at(wired(MORE))), CALLED)

    def look(what: str, at: Callable[[Trial], Seen]) -> Look:
        return Look(what, lambda: at(wired(SERVICES)), CALLED)

    return [
        drawn("training data: no pool teaches two services", _data),
        drawn("feature stores: no store is read by two services", _stores),
        drawn("architectures: no learner serves more than half, and no two are the same", _kinds),
        drawn("failure domains: nothing is needed by two services", _domains),
        look("played: poisoned data of one service stays there", _poisoned),
        look("played: a wrong feature store misleads one service", _misled),
        look("played: a faulty release of one learner leaves half of the services", _released),
        look("played: every service foresees better than the last mean outcome", _foresees),
    ]


def _of(services: int, seen: Seen) -> Seen:
    return seen and (f"of {services} services: {seen[0]}", seen[1])


def _trial(design: Design, services: int) -> Trial:
    """The design, wired. Raises InputError for what a scenario would not say."""
    made = design(services)
    if not isinstance(made, Mapping) or not {"topology"} <= made.keys() <= {"topology", "brain"}:
        raise InputError(f"a design is a dictionary such as {EXAMPLE}, not {made!r:.80}")
    given = {
        "world.performative": {"models": services, "agents": 40, "cross": 0.0, "alike": 0.0},
        "run": {"replications": 1, "horizon": "40 min", "stride": "1 min", "seed": 1},
        "arms": {"only": {"topology": made["topology"], "brain": made.get("brain", [{"ridge": {}}])}},
        "shocks": {"moved": {"world": {"base": 2}, "start": "5 min"}},
        "controls": {"feedback_off": {"vanishes": []}, "no_stressor": {"vanishes": []}},
        "claims": [],
        "scoreboard": [],
        "studies": {},
        "detectors": {},
    }
    try:
        return load("performative", given).arms[0].trial
    except ScenarioError as error:  # in the words of a design, which knows of no arm
        raise InputError("; ".join(str(one).replace("arms.only.", "") for one in error.problems)) from None


def _data(trial: Trial) -> Seen:
    wired = trial.topology
    feeds = {pool: set(models) for pool, models in groups(wired.data_of).items()}
    taught: dict[int, set[int]] = {}
    for model, brain in enumerate(wired.brain_of):
        taught.setdefault(wired.taught_by[brain], set()).add(model)
    for pool in sorted(feeds):
        both = sorted(feeds[pool] | taught.get(pool, set()))
        if len(both) > 1:
            seen = f"pool {pool} is filled or learnt from by services {both}"
            if len(feeds[pool]) == 1 and len(wired.taught_by) < len(wired.brain_of):
                return (
                    seen,
                    "one brain answers for several, and so learns for them all; give each its own: `brain_of: [0, 1, 2, ...]`",
                )
            return seen, "give each its own: `data_of: [0, 1, 2, ...]`, and `taught_by` to match"
    return None


def _stores(trial: Trial) -> Seen:
    for view, models in sorted(groups(trial.topology.view_of).items()):
        if len(models) > 1:
            return f"store {view} is read by services {models}", "give each its own: `view_of: [0, 1, 2, ...]`"
    return None


def _kinds(trial: Trial) -> Seen:
    kinds = _kind_of(trial.topology)
    used = sorted(set(kinds))
    names = [type(trial.brains[kind]).__name__ for kind in used]
    share = {kind: kinds.count(kind) for kind in used}
    if max(share.values()) > (len(kinds) + 1) // 2:
        seen = f"{names[used.index(max(share, key=share.__getitem__))]} serves {max(share.values())} of {len(kinds)} services"
        if len(trial.brains) > 1:
            return (
                seen,
                f"{len(trial.brains)} learners are listed; `kind_of` says which of them each brain is, and is to deal them evenly",
            )
        return (
            seen,
            'list two learners or more, `"brain": [{...: {}}, {...: {}}]`; they are dealt out in turn, or as `kind_of` says',
        )
    if len(set(names)) < len(names):
        return (
            f"the learners are {', '.join(names)}",
            "the same learner with other settings has the same faults; list another one",
        )
    return None


def _domains(trial: Trial) -> Seen:
    graph = trial.topology.graph()
    wide = [(node, data["reach"]) for node, data in graph.nodes(data=True) if data["reach"] > 1]
    if not wide:
        return None
    (part, number), reach = max(wide, key=lambda one: one[1])
    hints = {
        "pool": "training data is shared",
        "view": "a feature store is shared",
        "brain": "one brain answers for several services, or its rounds reach others: `brain_of: [0, 1, 2, ...]`, `average_every: 0 s`",
        "round": "federated rounds pass on what one has learnt, also what is wrong: leave `average_every` out",
        "model": "a service that reads another falls with it: leave `reads` out",
    }
    return f"with {part} {number} fall {reach} of {trial.topology.models} services", hints[part]


def _poisoned(trial: Trial) -> Seen:
    first = 0
    off = _off(trial, Shock("accident", "evidence", "poisoned", BEGINS, LASTS, POISON, (first,)), 1)
    return _stays(off, [first], CARRIED)


def _misled(trial: Trial) -> Seen:
    hit = groups(trial.topology.view_of)[trial.topology.view_of[1]]
    off = _off(trial, Shock("accident", "features", "offset", BEGINS, LASTS, SIZE, tuple(hit)), 2)
    return _stays(off, [1], "give each service a store of its own" if len(hit) > 1 else CARRIED)


def _released(trial: Trial) -> Seen:
    kinds = _kind_of(trial.topology)
    hit = tuple(model for model in range(SERVICES) if kinds[model] == kinds[2])
    off = _off(trial, Shock("accident", "brain", "biased", BEGINS, LASTS, SIZE, hit), 3)
    if len(off) <= SERVICES // 2:
        return None
    hint = "let different learners serve different services" if len(hit) > SERVICES // 2 else CARRIED
    return f"services {off} are off, {len(off)} of {SERVICES}", hint


def _foresees(trial: Trial) -> Seen:
    seen = record(trial, hidden(3, 4))
    late = seen.times > 1200
    error, plain = (
        np.square(x[late]).mean(axis=0) for x in (seen.errors, seen.reality - seen.reality[~late].mean(axis=0))
    )
    worst = int((error / plain).argmax())
    if error[worst] < plain[worst]:
        return None
    return (
        f"service {worst} errs by {error[worst] ** 0.5:.2f}, and its mean outcome of the first 20 minutes by {plain[worst] ** 0.5:.2f}",
        (
            "isolation costs data; choose learners that answer a number from features and keep learning, e.g. ridge, sgd, mean"
        ),
    )


def _off(trial: Trial, accident: Shock, number: int) -> list[int]:
    """The services whose predictions an accident moves, on the same luck."""
    seed = hidden(3, number)
    calm, hit = (record(one, seed) for one in (trial, replace(trial, shocks=(*trial.shocks, accident))))
    return np.flatnonzero(_moved(calm, hit) > OFF).tolist()


def _moved(calm: Recording, hit: Recording) -> Array:
    """The largest change of each service's predictions while they are smoothed over ten instants, `(m,)`."""
    change = np.abs(hit.predictions - calm.predictions)
    rows = np.lib.stride_tricks.sliding_window_view(change, 10, axis=0).mean(axis=-1)
    return np.asarray(rows.max(axis=0))


def _stays(off: Sequence[int], allowed: Sequence[int], hint: str) -> Seen:
    beyond = [one for one in off if one not in allowed]
    return (f"service {allowed[0]} had the accident, and {beyond} are off as well", hint) if beyond else None


def _kind_of(wired: Topology) -> list[int]:
    return [wired.kind_of[brain] for brain in wired.brain_of]
