"""The scorecard counted by hand: who was warned and how early, who was not, and who cried wolf."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pytest

from simlab.detectors.detector import Detector, Frame, Reading, Subject
from simlab.lab.outcome import Event, Outcome
from simlab.lab.trial import Instrument
from simlab.results.record import Record, cell_key
from simlab.studies.harms import harmed
from simlab.studies.score import of_all, scorecard
from simlab.studies.statistics import median_of, share_of
from tests.views import fixture

N = 80
NEVER = math.inf


@final
@dataclass(frozen=True)
class Bell(Detector[None]):
    """Never asked: its alarms are written by hand."""

    shows: ClassVar = "nothing"
    seed_rule: ClassVar = "any"
    seed_threshold: ClassVar = 0.75

    @property
    def limit(self) -> float:
        return 0.25

    def start(self, subject: Subject) -> None:
        raise NotImplementedError

    def read(self, state: None, frame: Frame) -> Reading:
        raise NotImplementedError


def outcome(harm=NEVER, alarm=NEVER, diverged=math.nan, name="bell", numbers=None, failed=(), shown=math.nan):
    """Replications that came to harm, heard the alarm and diverged at these seconds, `(n,)` or the same for all."""
    numbers = range(N) if numbers is None else numbers
    each = [np.broadcast_to(x, len(numbers)) for x in (harm, alarm, diverged)]
    events = [
        Event(i, float(t), kind, of, value=1.0)
        for kind, of, times in (("harm", "drawdown", each[0]), ("alarm", name, each[1]))
        for i, t in zip(numbers, times, strict=True)
        if math.isfinite(t)
    ]
    measures = dict.fromkeys(fixture.Market.measures, np.zeros(len(numbers)))
    series = {"bell": np.full((1, len(numbers)), shown, np.float32)}
    return Outcome(
        np.array(numbers), measures, np.array([0.0]), series, events, np.array(each[2]), dict.fromkeys(failed, "")
    )


QUIET = outcome()


def card(isolated=QUIET, shared=QUIET, off=(QUIET, QUIET), **given):
    """Every row, by rule and arm."""
    made = fixture.scenario(("isolated", "shared"), claims=(), **given)
    watched = replace(made.arms[0].trial, instruments=(Instrument("bell", Bell()),))
    made = replace(made, arms=(made.arms[0]._replace(trial=watched), made.arms[1]))
    cells = {"isolated": isolated, "shared": shared}
    cells |= {cell_key(arm, "feedback_off"): one for arm, one in zip(cells, off, strict=True)}
    found = scorecard(made, Record.of(cells, ["isolated", "shared"], ["feedback_off"], fixture.Market.measures))
    return found and {(row["rule"], row["arm"]): row for row in found}


def spread(**parts):
    """So many of each, e.g. `a=(20, 100.0)`: 20 times 100."""
    return np.concatenate([np.full(count, value) for count, value in parts.values()])


HARM = np.repeat([100.0, NEVER], [50, 30])
ALARM = spread(early=(20, 60.0), at_once=(10, 100.0), late=(10, 140.0), none=(10, NEVER), wolf=(12, 50.0), calm=(18, NEVER))  # fmt: skip


def test_an_alarm_warns_that_comes_before_the_harm():
    """Of 50 that came to harm at 100 s 20 were warned at 60 s; an alarm at the same second, or later, is none. 12 of 30 cried wolf."""
    row = card(outcome(HARM, ALARM))["record", "isolated"]
    assert (row["detector"], row["limit"], row["reads"]) == ("bell", 0.25, False)
    assert (row["harmed"], row["warned"], row["lead"], row["harm_at"]) == (50, 20 / 50, 40, 100)
    assert (row["calm"], row["false"]) == (30, 12 / 30)
    hit = np.repeat([1.0, 0.0], [20, 30])
    assert row["warned_ci95"] == pytest.approx(share_of(hit, np.ones(50)).interval)
    assert row["lead_ci95"] is None  # 20 leads are too few
    assert row["false_ci95"] == pytest.approx(share_of(np.repeat([1.0, 0.0], [12, 18]), np.ones(30)).interval)


def test_each_rule_has_its_own_alarms_and_limit():
    told = card(outcome(HARM, ALARM, name="bell_seed"))
    assert told["seed", "isolated"]["warned"] == 20 / 50
    assert told["seed", "isolated"]["limit"] == 0.75
    assert told["record", "isolated"]["warned"] == 0
    assert math.isnan(told["record", "isolated"]["lead"])
    assert [key for key in told if key[1] is None] == [("record", None), ("seed", None)]
    assert [row["rule"] for row in of_all(told.values())] == ["record", "seed"]


def test_the_first_alarm_counts_whatever_the_order_of_what_was_noted():
    both = outcome(HARM, ALARM)
    again = [Event(i, 20.0, "alarm", "bell") for i in range(5)] + [Event(i, 90.0, "alarm", "bell") for i in range(10)]
    row = card(both._replace(events=both.events + again))["record", "isolated"]
    assert row["warned"] == 20 / 50
    assert row["lead"] == 40  # 5 of 80 s and 15 of 40 s


def test_a_lead_is_a_median_whose_replications_share_their_luck():
    """In two arms: 40 leads of 10 to 400 s in one, and the same in the other, tell as much as 40."""
    lead = 10.0 * np.arange(1, 41)
    one = outcome(np.repeat([500.0, NEVER], 40), np.r_[500 - lead, np.full(40, NEVER)])
    told = card(one, one)
    row = told["record", None]
    assert (row["harmed"], row["lead"], row["calm"]) == (80, 205, 80 + 160)
    owner = np.tile(np.arange(40), 2)
    assert row["lead_ci95"] == median_of(np.tile(lead, 2), owner, N).interval
    assert told["record", "shared"]["lead_ci95"] == median_of(lead, np.arange(40), N).interval


def test_over_all_means_arms_and_controls_paired_by_replication():
    """Harm in two of four cells for the same 40 replications, one of them warned: half of the pairs of trials."""
    struck = np.repeat([100.0, NEVER], 40)
    warned = outcome(struck, np.where(np.isfinite(struck), 50.0, NEVER))
    told = card(warned, QUIET, (QUIET, outcome(struck)))
    row = told["record", None]
    assert (row["harmed"], row["warned"], row["calm"], row["false"]) == (80, 0.5, 240, 0)
    tries, hits = np.repeat([2.0, 0.0], 40), np.repeat([1.0, 0.0], 40)
    assert row["warned_ci95"] == share_of(hits, tries).interval
    assert row["false_ci95"] == share_of(np.zeros(N), np.repeat([2.0, 4.0], 40)).interval
    assert told["record", "isolated"]["harmed"] == 40
    assert told["record", "shared"]["harmed"] == 0
    assert math.isnan(told["record", "shared"]["harm_at"])


def test_the_time_of_harm_is_the_median_of_those_that_count():
    times = np.r_[np.full(30, 100.0), np.full(31, 300.0), np.full(19, NEVER)]
    assert card(outcome(times))["record", "isolated"]["harm_at"] == 300
    gone = np.r_[np.full(29, math.nan), 90.0, np.full(20, 300.0), np.full(30, math.nan)]
    row = card(outcome(times, diverged=gone))["record", "isolated"]
    assert (row["harmed"], row["harm_at"]) == (
        29 + 11,
        100,
    )  # what diverges at the very second of harm is lost before it
    left = card(outcome(times, failed=range(30, 41)))["record", "isolated"]
    assert (left["harmed"], left["harm_at"], left["calm"]) == (50, 100, 19)


def test_what_is_lost_counts_nowhere():
    """Diverged before harm, or without it, or failed: neither warned nor calm. After harm it counts."""
    gone = np.r_[np.full(10, 200.0), np.full(70, math.nan)]
    row = card(outcome(HARM, ALARM, gone))["record", "isolated"]
    assert (row["harmed"], row["warned"]) == (50, 20 / 50)
    gone[:10] = 70.0
    row = card(outcome(HARM, ALARM, gone))["record", "isolated"]
    assert (row["harmed"], row["warned"], row["calm"]) == (40, 10 / 40, 30)
    gone = np.r_[np.full(74, math.nan), np.full(6, 5.0)]
    row = card(outcome(HARM, ALARM, gone, failed=[50, 51]))["record", "isolated"]
    assert (row["harmed"], row["calm"], row["false"]) == (50, 22, 10 / 22)
    soon = np.r_[np.full(19, 10.0), ALARM[19:]]
    assert card(outcome(HARM, soon))["record", "isolated"]["lead"] == 90
    row = card(outcome(HARM, soon, failed=range(19)))["record", "isolated"]
    assert (row["harmed"], row["warned"], row["lead"]) == (31, 1 / 31, 40)


def test_replications_are_known_by_their_numbers():
    numbers = list(range(1000, 1000 + N))
    cells = {"isolated": outcome(HARM, ALARM, numbers=numbers), "shared": outcome(numbers=numbers)}
    quiet = outcome(numbers=numbers)
    assert card(**cells, off=(quiet, quiet))["record", "isolated"]["warned"] == 20 / 50


def test_a_detector_that_ever_showed_something_reads():
    told = card(QUIET, QUIET, (QUIET, outcome(shown=np.r_[0.1, np.full(N - 1, math.nan)])))
    assert told["record", None]["reads"]
    assert not told["record", "isolated"]["reads"]
    assert not told["seed", None]["reads"]
    kept = outcome()._replace(series={}, quantiles={"bell": np.zeros((1, 101), np.float32)})
    assert card(kept)["record", "isolated"]["reads"]


def test_without_a_declared_harm_there_is_no_card():
    assert card(harm=None) is None


@pytest.mark.parametrize(
    ("harm", "diverged", "failed", "expected"),
    [
        (NEVER, math.nan, False, 0.0),
        (100.0, math.nan, False, 1.0),
        (100.0, 200.0, False, 1.0),  # harm came first
        (100.0, 100.0, False, math.nan),
        (100.0, 50.0, False, math.nan),
        (NEVER, 50.0, False, math.nan),
        (NEVER, math.nan, True, math.nan),
    ],
)
def test_who_came_to_harm(harm, diverged, failed, expected):
    """An alarm is no harm, and neither is that of another replication."""
    mine = outcome(harm, 10.0, diverged, numbers=[7], failed=[7] if failed else [])
    other = [Event(8, 1.0, "harm", "drawdown")]
    joined = mine._replace(replications=np.array([7, 8]), diverged=np.r_[mine.diverged, math.nan], events=mine.events + other)  # fmt: skip
    np.testing.assert_array_equal(harmed(joined), [expected, 1.0])
