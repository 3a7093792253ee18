"""The fixed part of a scenario: every key with its type, meaning, bounds and default.

One table serves the reader, its messages and the JSON Schema. A key of kind `Node` has a shape of its
own, read where it is used; a default of None marks a key that may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, TypeAlias

from simlab.base.par import Par, Parameter
from simlab.brains.topology import AVERAGES
from simlab.scenario.reader import Node

Table: TypeAlias = Mapping[str, Parameter]

SCHEMA = 1
CONTROLS = ("feedback_off", "no_stressor")
MARKS = ("input", "fitted", "predicted", "checked")
STATS = ("mean", "median", "p95")
RULES = ("record", "seed")
SERIES = ("all", "quantiles")
PLACES = ("features", "brain", "feedback", "evidence", "world")
PATCHABLE = ("brain", "schedule", "shocks", "world")
MOST_MODELS = 1_000_000
MOST_TICKS = 10_000_000_000
MOST_STEPS = 1_000_000_000_000
MOST_REPLICATIONS = 10_000_000
MOST_POINTS = 10_000
DESIGNS = ("grid", "lhs", "sobol")
VIEWS = ("blocks", "own", "one")
SWEPT = ("arms", "brain", "harm", "run", "schedule", "shocks", "world")
FIXED = (
    "run.replications",
    "run.seed",
    "run.allow_diverged",
    "run.until",
    "run.series",
)  # what all points of a study have in common

TITLE = 200
TEXT = 8_000


def _key(
    kind: Any,
    about: str,
    default: Any = MISSING,
    unit: str = "1",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> Parameter:
    return Parameter("", kind, Par(unit, about, low=low, high=high, above=above, choices=choices), default)


def _table(**keys: Parameter) -> Table:
    return {name: key._replace(name=name) for name, key in keys.items()}


TOP = _table(
    schema=_key(int, "the version of this format", low=SCHEMA, high=SCHEMA),
    title=_key(str, "what the scenario shows, in a line"),
    story=_key(str, "what to watch, in a few sentences", ""),
    record=_key(Node, "what really happened, with sources: a list of mappings of texts", None),
    yours=_key(
        Node, "make it yours: from which of a system's own metrics to set a parameter of the world, by parameter", None
    ),
    plugins=_key(
        Node,
        "classes that are no part of simlab, by the names they have here; simlab writes it into a run's document",
        None,
    ),
    world=_key(Node, "the world and its parameters"),
    brain=_key(Node, "the learner and its hyper-parameters, or a list of several kinds"),
    schedule=_key(Node, "when brains retrain", None),
    run=_key(Node, "how long and how often the world is played"),
    harm=_key(Node, "what counts as harm: it begins when the measure is first seen to cross", None),
    beside=_key(str, "a measure drawn beside the headline in the first picture, in the same unit", None),
    detectors=_key(Node, "the detectors that watch, by name; by default all of them", None),
    shocks=_key(Node, "what reality or operations throw at the run, by name", None),
    trace=_key(
        Node,
        "recorded values that live parameters of the world follow, by parameter; no shock, so they stay under every control",
        None,
    ),
    arms=_key(Node, "the set-ups that are compared, by name; the first is the baseline", None),
    factorial=_key(Node, "arms that are all combinations of how the seams are wired", None),
    controls=_key(Node, "runs in which the effect must vanish, by name"),
    readiness=_key(Node, "what a design must keep to in the readiness drills, where not the usual", None),
    scoreboard=_key(Node, "published figures beside the model's", None),
    claims=_key(Node, "statements that are tested", None),
    studies=_key(Node, "what is played at many points, on demand (`simlab study`), by name", None),
)

RUN = _table(
    replications=_key(int, "replications of every arm", 256, low=1, high=MOST_REPLICATIONS),
    until=_key(Node, "an interval to wait for, from `replications` on: e.g. `harm <= 0.02`, half its width", None),
    horizon=_key(float, "simulated time of a replication", unit="s", above=0),
    stride=_key(float, "time between recorded values; by default a 300th of the horizon", None, unit="s", above=0),
    series=_key(
        str,
        "what is kept of values over time: all, each replication's own (the default), or quantiles over them (of values to 0.1%)",
        None,
        choices=SERIES,
    ),
    seed=_key(int, "what every random number depends on", 1, low=0, high=2**64 - 1),
    warmup=_key(float, "time before scores, harm and alarms count", 0.0, unit="s", low=0),
    allow_diverged=_key(int, "replications that may diverge without failing the run", 0, low=0),
)

UNTIL = _table(
    measure=_key(str, "the measure whose interval is asked for, or `harm` for how often harm comes"),
    stat=_key(Node, "mean, median, p95 or {exceeds: x} for the probability of exceeding x", "mean"),
    versus=_key(str, "the arm whose statistic is subtracted from that of every other; by default none", None),
    half_width=_key(float, "half the width of the 95% interval at which the run stops, in the widest arm", above=0),
    most=_key(int, "the most replications; by default 16 times the fewest", None, low=1, high=MOST_REPLICATIONS),
)

SCHEDULE = _table(
    every=_key(float, "time between retrainings of a brain; 0 s for never", 0.0, unit="s", low=0),
    jitter=_key(float, "how much earlier or later, at random", 0.0, unit="s", low=0),
    busy=_key(float, "how long a retraining takes", 0.0, unit="s", low=0),
    waits=_key(
        bool,
        "whether retrainings are done one after the other, and timers set anew when all that came up are done",
        False,
    ),
)

HARM = _table(
    measure=_key(str, "the measure that crosses"),
    above=_key(float, "harm begins when the measure is above this", None),
    below=_key(float, "harm begins when the measure is below this", None),
    cost=_key(str, "the measure that says how much was lost", None),
    scrape=_key(float, "time between two looks at the measure; by default every tick", None, unit="s", above=0),
)

SHOCK = _table(
    features=_key(Node, "what happens to the features that models see", None),
    brain=_key(Node, "what happens to brains", None),
    feedback=_key(Node, "what happens to answers on their way", None),
    evidence=_key(Node, "what happens to the outcomes that brains learn from", None),
    world=_key(Node, "live parameters of the world and the values they take", None),
    start=_key(float, "when it begins", 0.0, unit="s", low=0),
    duration=_key(float, "how long it lasts; to the end by default", None, unit="s", above=0),
    size=_key(Node, "how large it is: a number, or a duration for `feedback: delayed`", None),
    models=_key(tuple[int, ...], "the models it concerns; all by default", None, low=0),
)

TRACE = _table(
    file=_key(str, "a CSV or Parquet file, beside the scenario's own", None),
    column=_key(str, "the column that holds the values; by default the parameter's name", None),
    time=_key(str, "the column of times: seconds, a Unix epoch, or ISO 8601; the first row is time 0", None),
    every=_key(float, "the time from row to row, where there is no column of times", None, unit="s", above=0),
    gap=_key(float, "the longest time between two rows; by default ten times the usual", None, unit="s", above=0),
    values=_key(tuple[float, ...], "the values themselves, in the place of a file", None),
    times=_key(tuple[float, ...], "with `values`: seconds from the start, where not evenly spaced", None, low=0),
    unit=_key(str, "the unit of the values, as that of the parameter; or another of time, rate or share"),
    repeat=_key(bool, "whether the record begins anew when it is over", False),
    source=_key(str, "where the values come from", None),
)

ARM = _table(
    title=_key(str, "its name for display", None),
    topology=_key(Node, "who shares what"),
    brain=_key(Node, "a learner instead of the scenario's", None),
    schedule=_key(Node, "when brains retrain, instead of the scenario's", None),
    shocks=_key(tuple[str, ...], "the shocks it meets; all by default", None),
    interventions=_key(Node, "the hands on the loop", None),
    set=_key(Node, "other values, by dotted path", None),
)

TOPOLOGY = _table(
    wiring=_key(
        str, "isolated, feature_store, shared_data, shared_brain, shared, federated, bulkheads(k) or chain", "isolated"
    ),
    schedule=_key(str, "synchronised, staggered(m) or random(q)", "synchronised"),
    share=_key(float, "share of the models that are wired so; the rest are isolated", 1.0, low=0, high=1),
    brain_of=_key(tuple[int, ...], "the brain that answers for each model", None, low=0),
    view_of=_key(tuple[int, ...], "the feature view each model reads", None, low=0),
    data_of=_key(tuple[int, ...], "the evidence pool each model's experience goes to", None, low=0),
    taught_by=_key(tuple[int, ...], "the pool each brain learns from", None, low=0),
    kind_of=_key(tuple[int, ...], "which of the scenario's brains each brain is", None, low=0),
    reads=_key(tuple[tuple[int, ...], ...], "the upstream models each model also reads; -1 for none", None, low=-1),
    lag=_key(bool, "whether upstream predictions arrive a tick later", False),
    average_every=_key(float, "time between federated rounds; 0 s for never", 0.0, unit="s", low=0),
    average_by=_key(str, "how federated updates are combined", "mean", choices=AVERAGES),
    stragglers=_key(float, "probability that a brain is late for a federated round", 0.0, low=0, high=1),
)

SEAM = "levels, the first of which the others are held against: "
FACTORIAL = _table(
    brain=_key(Node, SEAM + "own, one or blocks(k); which brain answers for each model", None),
    features=_key(Node, SEAM + "own, one or blocks(k); which view each model reads", None),
    data=_key(Node, SEAM + "own, one or blocks(k); which pool its experience goes to, else that of its brain", None),
    schedule=_key(Node, SEAM + "synchronised, staggered(m) or random(q)", None),
    kind=_key(Node, SEAM + "same (the first brain of the list) or mixed (the brains of the list in turn)", None),
    reading=_key(Node, SEAM + "nobody or chain (the one before); which models each model reads", None),
    **{"with": _key(Node, "keys that all its arms have: brain, schedule, shocks, interventions, set", None)},
)

WITH = {name: key for name, key in ARM.items() if name not in ("title", "topology")}

HAND = _table(
    at=_key(float, "when it acts", None, unit="s", low=0),
    when=_key(Node, "the crossing at which it acts", None),
    latency=_key(Node, "time from trigger to effect: a duration, or its median and spread", None),
    lasts=_key(float, "how long it stays on; to the end by default", None, unit="s", above=0),
    scrape=_key(float, "time between two looks at the measure; 0 s for every tick", 0.0, unit="s", low=0),
    models=_key(tuple[int, ...], "the models it concerns; all by default", None, low=0),
)

WHEN = _table(
    measure=_key(str, "the measure that is watched", None),
    detector=_key(str, "the detector that is watched, instead of a measure", None),
    rule=_key(
        str,
        "which of the detector's rules: record for the statistical one, seed for the popular one",
        None,
        choices=RULES,
    ),
    above=_key(float, "acts when the measure is above this; for a detector, by default above its own limit", None),
    below=_key(float, "acts when the measure is below this", None),
)

DETECTOR = _table(
    scrape=_key(float, "time between two looks; by default that between recorded values", None, unit="s", above=0),
)

LATENCY = _table(
    median=_key(float, "median of the latency", unit="s", low=0),
    spread=_key(float, "standard deviation of its logarithm", 0.0, low=0),
)

CONTROL = _table(
    title=_key(str, "its name for display", None),
    set=_key(Node, "other values, by dotted path", None),
    vanishes=_key(Node, "the measures that must be zero: names, or {measure, within}", None),
)

VANISH = _table(
    measure=_key(str, "the measure whose mean must be zero"),
    within=_key(float, "to within this", 0.0, low=0),
)

CLAIM = _table(
    measure=_key(str, "the measure it is about"),
    stat=_key(Node, "mean, median, p95 or {exceeds: x} for the probability of exceeding x", "mean"),
    arm=_key(str, "the arm it is about", None),
    versus=_key(str, "the arm whose statistic is subtracted, replication by replication", None),
    ratio=_key(bool, "whether to divide by the statistic of `versus` instead", None),
    order=_key(tuple[str, ...], "arms from the lowest statistic to the highest, in the place of arm and side", None),
    over=_key(str, "the study from point to point of which the statistic rises or falls, in the place of a side", None),
    rises=_key(bool, "whether it rises `over` the study; false for falls", None),
    control=_key(str, "the control under which the arms are read", None),
    above=_key(float, "the statistic is above this", None),
    below=_key(float, "the statistic is below this", None),
    near=_key(float, "the statistic is near this, to `within`", None),
    within=_key(float, "how near", None, above=0),
    expect=_key(bool, "false for a popular claim that is shipped as refuted", True),
    because=_key(str, "where it comes from"),
)

READINESS = _table(
    arm=_key(str, "the arm that is drilled; by default the first", None),
    gain=_key(float, "the loop gain must be below this", 1.0, above=0),
    blast=_key(float, "the share of the traffic that a bad push reaches must be below this", 0.01, above=0, high=1),
    warned=_key(float, "drift must be seen before harm in more than this share", 0.95, low=0, high=1),
    false_alarms=_key(float, "and falsely in at most this share", 0.05, low=0, high=1),
    kill=_key(float, "the kill switch must act within this time", 60.0, unit="s", above=0),
    effective=_key(float, "the effective number of models, as a share of all, must be above this", 0.5, low=0, high=1),
    path_gain=_key(float, "the gain along any path of models must be below this", 1.0, above=0),
    truth=_key(str, "the measure of what the models are for; by default the cost of harm", None),
    proxy=_key(str, "the measure that stands for what they optimise", None),
)

ROW = _table(
    what=_key(str, "the quantity"),
    mark=_key(
        str,
        "whether the figure went into the model, was fitted, is predicted, or is algebra that a right program reproduces (checked)",
        choices=MARKS,
    ),
    published=_key(str, "the published figure, as text"),
    source=_key(str, "where it was published"),
    measure=_key(str, "the measure that corresponds", None),
    stat=_key(str, "its statistic", "median", choices=STATS),
    arm=_key(str, "the arm it is read from", None),
    control=_key(str, "the control under which the arm is read", None),
    low=_key(float, "the lowest value that is a hit", None),
    high=_key(float, "the highest value that is a hit", None),
)

STUDY = _table(
    title=_key(str, "its name for display", None),
    because=_key(str, "why these values"),
    sweep=_key(
        Node,
        "what varies, by dotted path: a list of values, or `low:high:count` with or without `log:` before it",
        None,
    ),
    brains=_key(
        tuple[int, ...],
        "numbers of brains over which the models are split, in the place of `sweep`: how often any, half and all of them fail",
        None,
        low=1,
    ),
    features=_key(
        str, "with `brains`: whether feature views are split as well, each model's own, or one", None, choices=VIEWS
    ),
    arms=_key(tuple[str, ...], "the arms it plays, the baseline first; all by default", None),
    also=_key(Node, "arms of this study alone, by name", None),
    set=_key(Node, "other values at all its points, by dotted path", None),
    measure=_key(str, "the measure it is about; by default the scenario's headline", None),
    stat=_key(Node, "harm, mean, median, p95 or {exceeds: x}; by default harm for the headline, else mean", None),
    replications=_key(
        int, "replications of every arm at every point; by default the scenario's", None, low=1, high=10_000_000
    ),
    design=_key(
        str, "all combinations, a Latin hypercube, or Sobol points for sensitivity indices", "grid", choices=DESIGNS
    ),
    points=_key(
        int,
        "how many points a Latin hypercube has, or from how many (a power of two) Sobol indices are computed",
        None,
        low=2,
    ),
)
