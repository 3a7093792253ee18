"""A trial is refused for what cannot be played, with the words that say why; and its instants are whole ticks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pytest

from simlab.base.errors import InputError, ParameterError
from simlab.brains.brain import Brain
from simlab.brains.topology import Schedule, Topology, wire
from simlab.interventions.circuit_breaker import CircuitBreaker
from simlab.interventions.intervention import Intervention
from simlab.interventions.kill_switch import KillSwitch
from simlab.interventions.probe import Probe
from simlab.lab.score import SCORES
from simlab.lab.shocks import Shock
from simlab.lab.traces import Trace
from simlab.lab.trial import Hand, Harm, Instrument, Trial, Trigger
from tests.lab.test_watch import Level
from tests.lab.toy import Averages, Choices, Dice, Mean, Picks, Toy, trial

TOY = Toy(seconds=2.0)
KILL, BREAK = KillSwitch(), CircuitBreaker()


@final
@dataclass(frozen=True)
class Counts(Brain[Averages]):
    """Has no weights to average, and tells something; never played."""

    answers: ClassVar = frozenset({"number"})
    tells: ClassVar = {"doubted": SCORES["agreement"]}

    def start(self, r, b, p, spec, luck):
        raise NotImplementedError

    def predict(self, mind, x, luck):
        raise NotImplementedError

    def witness(self, mind, x, action, feedback, then):
        raise NotImplementedError


def of(**given):
    return trial(TOY, **given)


def hand(intervention=KILL, models=None, **trigger):
    return (Hand("h", intervention, Trigger(**trigger), models),)


def kinds(*numbers):
    return Topology((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), numbers)


WATCHED = (Instrument("level", Level()),)
REFUSED = {
    "topology wires 4 models, and the world has 3": lambda: of(topology=wire("isolated", 4)),
    "topology wires 2 models, and the world has 3": lambda: of(topology=wire("isolated", 2)),
    "topology.kind_of names brain kind 1; there are 1": lambda: of(topology=kinds(0, 1, 0)),
    "topology.kind_of names brain kind 2; there are 2": lambda: of(topology=kinds(0, 2, 1), brains=(Mean(), Dice())),
    "topology.reads: what an upstream model says is one feature more, so models can read each other only where they are asked for "
    "numbers and given features; this world asks for choice from 4 features": lambda: Trial(
        Choices(), (Picks(),), wire("chain", 3), 40.0, 1.0
    ),
    "brain Picks answers choice, and the world asks for number": lambda: of(brains=(Mean(), Picks())),  # even unused
    "topology.average_every: brain Counts has no weights that could be averaged": lambda: of(
        brains=(Counts(),), topology=wire("federated", 3, average_every=10.0)
    ),
    "schedule.waits: a timer that waits is set after each turn, and with `random(q)` turns are left out": lambda: of(
        schedule=Schedule(every=10, busy=1, how="random", chance=0.5, waits=True)
    ),
    "schedule.jitter must be below schedule.every (10 s) where timers wait, not 10 s": lambda: of(
        schedule=Schedule(every=10, jitter=10, waits=True)
    ),
    "schedule.jitter must be below schedule.every (10 s) where timers wait, not 12 s": lambda: of(
        schedule=Schedule(every=10, jitter=12, waits=True)
    ),
    "hand `h` must end: say how long it lasts, e.g. `lasts: 5 min`": lambda: of(hands=hand(BREAK, at=0.0)),
    "hand `h` adds noise to numbers, and the world Choices asks for choice": lambda: Trial(
        Choices(), (Picks(),), wire("isolated", 3), 40.0, 1.0, hands=hand(Probe(size=1.0), at=0.0)
    ),
    "shock `s` shifts numbers, and this world asks for choice": lambda: Trial(
        Choices(), (Picks(),), wire("isolated", 3), 40.0, 1.0, shocks=(Shock("s", "brain", "biased"),)
    ),
    "trace of `noise`: not a live parameter; known: drift": lambda: of(traces=(Trace("noise", (0.0,), (1.0,)),)),
    "trace of `drfit`: not a live parameter; did you mean `drift`? (known: drift)": lambda: of(
        traces=(Trace("drfit", (0.0,), (1.0,)),)
    ),
    "trace of `doors`: not a live parameter; this world has none": lambda: Trial(
        Choices(), (Picks(),), wire("isolated", 3), 40.0, 1.0, traces=(Trace("doors", (0.0,), (1.0,)),)
    ),
    "unknown measure `wurst`; did you mean `worst`? (known: latest, total, worst)": lambda: of(
        harm=Harm("wurst", above=1.0)
    ),
    "unknown measure `totl`; did you mean `total`? (known: latest, total, worst)": lambda: of(
        harm=Harm("worst", above=1.0, cost="totl")
    ),
    "unknown measure `lvl`; did you mean `level`? (known: latest, level, level_seed, total, worst)": lambda: of(
        instruments=WATCHED, hands=hand(measure="lvl", above=1.0)
    ),
    "unknown measure `level`; known: latest, total, worst": lambda: of(
        instruments=WATCHED, harm=Harm("level", above=1.0)
    ),  # an instrument can set off a hand, and is no harm
    "run.horizon must be at least one tick (2 s) and finite, not 1.9 s": lambda: of(horizon=1.9),
    "run.horizon must be at least one tick (2 s) and finite, not inf s": lambda: of(horizon=math.inf),
    "run.horizon must be at least one tick (2 s) and finite, not nan s": lambda: of(horizon=math.nan),
    "run.stride must be at least one tick (2 s) and finite, not 1 s": lambda: of(stride=1.0),
    "run.stride must be at least one tick (2 s) and finite, not inf s": lambda: of(stride=math.inf),
    "run.warmup must be at least 0 s and finite, not -1 s": lambda: of(warmup=-1.0),
    "run.warmup must be at least 0 s and finite, not inf s": lambda: of(warmup=math.inf),
    "run.warmup must be at least 0 s and finite, not nan s": lambda: of(warmup=math.nan),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_played_is_refused(words):
    expected = ParameterError if words.startswith("run.") else InputError
    with pytest.raises(expected, match=f"^{re.escape(words)}"):
        REFUSED[words]()


def test_a_hand_is_asked_about_the_brains_of_its_models_only():
    """The kill switch suits anybody; a hand that needs a brain which the models it concerns have not is refused."""
    asked = []

    @final
    @dataclass(frozen=True)
    class Asks(Intervention):
        seam: ClassVar = "action"

        def why_not(self, setting):
            asked.append((setting.world, setting.brains, setting.topology.models))
            return "is not wanted" if len(setting.brains) > 1 else None

        def apply(self, value, on, moment):
            return value

    given = {"brains": (Mean(), Dice()), "topology": kinds(1, 0, 1)}
    for models, brains in (((1,), (Mean(),)), ((0, 2), (Dice(),))):
        assert of(hands=hand(Asks(), models), **given).hands[0].models == models
        assert asked.pop() == (TOY, brains, 3)
    for models in (None, (0, 1)):
        with pytest.raises(InputError, match=r"^hand `h` is not wanted$"):
            of(hands=hand(Asks(), models), **given)
        assert asked.pop()[1] == (Mean(), Dice())


@pytest.mark.parametrize(
    "given",
    [
        {"horizon": 2.0, "stride": 2.0, "warmup": 0.0},
        {"topology": kinds(1, 0, 1), "brains": (Mean(), Dice())},
        {"schedule": Schedule(every=10, jitter=9.9, waits=True)},
        {"schedule": Schedule(every=10, how="random", chance=0.5)},
        {"schedule": Schedule(every=10, jitter=20)},  # timetables need no such thing
        {"schedule": Schedule(every=0, jitter=1, waits=True)},
        {"brains": (Counts(),)},  # no weights, but no rounds either
        {"brains": (Mean(), Counts()), "topology": wire("federated", 3, average_every=10.0)},  # not one that takes part
        {"hands": hand(BREAK, at=0.0, lasts=1e9)},
        {"hands": hand(KILL, measure="level_seed", above=1.0), "instruments": WATCHED},
        {"shocks": (Shock("s", "brain", "biased"),)},
        {"topology": wire("chain", 3)},
        {"harm": Harm("worst", below=0.0, cost="total")},
    ],
)
def test_what_can_be_played_is_not_refused(given):
    assert of(**given).horizon > 0


def test_a_trace_is_held_to_the_bounds_of_its_parameter_at_both_ends():
    for values in ((1.0, math.inf), (-math.inf, 1.0)):
        with pytest.raises(ParameterError, match="drift must be a finite number"):
            of(traces=(Trace("drift", (0.0, 1.0), values),))


def test_what_is_recorded():
    """The world's measures, the scores, what brains tell, and both readings of a detector."""
    found = replace(of(instruments=WATCHED), brains=(Mean(), Counts()))
    shown = ["level", "level_seed"]
    assert list(found.measures) == [*Toy.measures, "prediction_error", "agreement", "doubted", *shown]
    assert list(found.readings) == shown
    assert list(found.told) == ["doubted"]
    of_record, popular = found.readings.values()
    assert (of_record.about, popular.about) == (
        "mean outcome; alarm above 1.4",
        "by the popular rule `prediction > 0.5`",
    )
    for shown in (of_record, popular):
        assert (shown.unit, shown.bound, shown.may_be_undefined) == ("1", math.inf, True)
    assert WATCHED[0].limits() == {"level": 1.4, "level_seed": 0.5}


@pytest.mark.parametrize(
    ("seconds", "ticks"), [(0.0, 0), (1e-9, 1), (1.0, 1), (2.9, 1), (3.1, 2), (40.0, 20), (41.1, 21)]
)
def test_a_time_is_the_nearest_number_of_ticks_and_at_least_one(seconds, ticks):
    assert of().ticks(seconds) == ticks


@pytest.mark.parametrize(
    ("horizon", "stride", "expected"),
    [(8.0, 2.0, [0, 2, 4, 6, 8]), (9.0, 4.0, [0, 4, 8]), (7.0, 4.0, [0, 4, 8]), (6.0, 4.9, [0, 4]), (4.0, 10.0, [0])],
)
def test_recorded_instants_are_whole_strides_up_to_the_horizon(horizon, stride, expected):
    """Times are rounded to ticks of 2 s: 9 s are 4 of them, and so are 7 s; 4.9 s are 2."""
    times = of(horizon=horizon, stride=stride).times()
    np.testing.assert_array_equal(times, expected)
    assert times.dtype == np.float64


def test_unless_told_a_trial_has_no_schedule_and_its_hands_and_harm_no_edges():
    bare = of()
    assert (bare.schedule, bare.warmup, bare.closed, bare.harm) == (Schedule(), 0, True, None)
    assert bare.schedule.every == 0
    assert Harm("x") == ("x", math.inf, -math.inf, None, 0)
    assert Trigger() == (math.inf, None, math.inf, -math.inf, 0, 0, 0, math.inf)
