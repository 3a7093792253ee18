"""The keys of ARCHITECTURE.yaml: type, meaning, bounds and default of each."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any

from simlab.base.par import Par, Parameter
from simlab.scenario.keys import SCHEMA, Table
from simlab.scenario.reader import Node

NOTHING = Node(None)

SECTIONS = {
    "sources": "source",
    "stores": "store",
    "compute": "compute",
    "brains": "brain",
    "fallbacks": "fallback",
    "models": "model",
    "consumers": "consumer",
}

# Chosen, and shown in every report: the probability that a part fails by itself on a given day.
DEFAULT_FAILS = {"source": 0.01, "store": 0.01, "compute": 0.005, "brain": 0.01, "fallback": 0.001, "model": 0.02}

GAIN = Par("1", "how much of an error of 1 passes on", low=0, high=1_000)


def _table(**keys: tuple[Any, Par, Any]) -> Table:
    return {name.strip("_"): Parameter(name.strip("_"), *key) for name, key in keys.items()}


def _inside(about: str) -> tuple[Any, Par, Any]:
    """A key whose value has a shape of its own; nothing when it is left out."""
    return Node, Par("1", about), NOTHING


def _name(about: str) -> tuple[Any, Par, Any]:
    return str, Par("1", about), None


def _at_most_1(about: str, default: float | None) -> tuple[Any, Par, Any]:
    return float, Par("1", about, low=0, high=1), default


def _above_0(about: str, default: float, high: float | None = None) -> tuple[Any, Par, Any]:
    return float, Par("1", about, above=0, high=high), default


_FAILS = _at_most_1("the probability that it fails by itself on a given day", None)
_GAINS = _inside(
    "how much of an error in each of these passes on to it; by default 1, shared evenly by all that it reads or learns from"
)
_RETRAIN = _inside("when it is retrained: every, phase, busy, on")

TOP = _table(
    schema=(int, Par("1", "the version of this format", low=SCHEMA, high=SCHEMA), MISSING),
    title=(str, Par("1", "what the architecture is, in a line"), MISSING),
    story=(str, Par("1", "what it does, in a few sentences"), ""),
    sources=_inside("where data comes from, by name"),
    stores=_inside("feature stores and other things that are computed from data, by name"),
    compute=_inside("machines that models run or are trained on, by name"),
    brains=_inside("learners that several models share, by name"),
    fallbacks=_inside("plain rules that answer when a model cannot, by name"),
    models=_inside("models, by name"),
    consumers=_inside("who acts on the models' answers, by name"),
    correlation=(float, Par("1", "correlation of the normal factor behind the models' own failures", low=0, high=0.99), 0.0),
    fails=_inside("the probability that a part fails on a given day, by its kind, where the part does not say"),
    limits=_inside("where each risk counts as 1"),
    costs=_inside("what each kind of change costs"),
    relief=_inside("how much of a gain is left behind a firewall or a holdout"),
)  # fmt: skip

# `example` is no key: it is what a message shows when the whole section is misshapen.
TABLES: dict[str, Table] = {
    "sources": _table(
        example=_inside("{clicks: {shaped_by: {ranking: 0.4}}}"),
        shaped_by=_inside("the models whose answers change what is observed here, each with its gain"),
        fails=_FAILS,
    ),
    "stores": _table(
        example=_inside("{features: {from: [clicks]}}"),
        from_=_inside("sources, stores and models that it is computed from"),
        gain=_GAINS,
        fails=_FAILS,
    ),
    "compute": _table(
        example=_inside("{trainers: {slots: 2}}"),
        slots=(int, Par("1", "how many retrainings it has room for at once", low=1, high=1_000_000), None),
        fails=_FAILS,
    ),
    "brains": _table(
        example=_inside("{embeddings: {trained_on: [clicks]}}"),
        trained_on=_inside("sources, stores and models that it learns from"),
        gain=_GAINS,
        retrain=_RETRAIN,
        fails=_FAILS,
    ),
    "fallbacks": _table(
        example=_inside("{popularity: {reads: [orders]}}"),
        reads=_inside("sources and stores that the rule reads"),
        fails=_FAILS,
    ),
    "models": _table(
        example=_inside("{ranking: {reads: [features]}}"),
        reads=_inside("sources, stores and models that it reads when it answers"),
        trained_on=_inside("sources, stores and models that it learns from"),
        brain=_name("the shared brain that answers for it"),
        runs_on=_inside("compute that it runs on"),
        gain=_GAINS,
        retrain=_RETRAIN,
        traffic=(float, Par("1", "its share of the traffic, relative to the other models", low=0), 1.0),
        fallback=_name("the fallback or other model that answers when it cannot"),
        fails=_FAILS,
    ),
    "consumers": _table(
        example=_inside("{home_page: {uses: [ranking]}}"),
        uses=_inside("the models whose answers it acts on"),
        needs=(str, Par("1", "whether it needs all of them, or any one will do", choices=("all", "any")), "all"),
        weight=(float, Par("1", "how much it matters, relative to the other consumers", low=0), 1.0),
    ),
}

_DATA = ("source", "store", "model")

# Which kinds of parts each key may name: in a list, or singly.
REFERENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "sources": {},
    "stores": {"from": _DATA},
    "compute": {},
    "brains": {"trained_on": _DATA},
    "fallbacks": {"reads": ("source", "store")},
    "models": {"reads": _DATA, "trained_on": _DATA, "runs_on": ("compute",)},
    "consumers": {"uses": ("model",)},
}
SINGLE: dict[str, dict[str, tuple[str, ...]]] = {
    section: {"brain": ("brain",), "fallback": ("fallback", "model")} if section == "models" else {}
    for section in SECTIONS
}

RHYTHM = _table(
    every=(float, Par("s", "time between two retrainings", low=0.001, high=3e9), MISSING),
    phase=(float, Par("s", "when the first one begins", low=0, high=3e9), 0.0),
    busy=(float, Par("s", "how long one takes", low=0, high=3e9), 0.0),
    on=_name("the compute on which it is trained"),
)

LIMITS = _table(
    together=_above_0("probability that two models, picked at random by traffic, fail on the same day", 0.01, 1),
    blast=_above_0("share of traffic or of consumers that fails with one part", 0.5, 1),
    loop=_above_0("closed-loop gain: what is left of an error after a turn through reality or training", 1.0),
    cascade=_above_0("path gain: what arrives of an error in one model in another that reads it", 1.0),
    retraining=_above_0("share of the models that are busy retraining at the worst instant", 0.5, 1),
)

COSTS = _table(
    split=_above_0("one more copy of a shared part", 1.0),
    own_brain=_above_0("a brain of its own for a model", 1.0),
    stagger=_above_0("another timetable of retrainings", 1.0),
    firewall=_above_0("a check between two parts that damps what passes", 1.0),
    holdout=_above_0("data that a model's answers do not touch", 1.0),
    fallback=_above_0("a plain rule that answers when a model cannot", 1.0),
)

RELIEF = _table(
    firewall=_at_most_1("share of an error that still passes a firewall", 0.5),
    holdout=_at_most_1("share of a source that a model still shapes when the rest is held out", 0.9),
)
