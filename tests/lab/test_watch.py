"""Detectors in the loop: what they are shown, when they alarm, what a hand makes of it, and that they only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import pytest

from simlab.base.arrays import Floats
from simlab.base.errors import InputError
from simlab.base.world import Feedback, Spec
from simlab.brains.topology import Schedule
from simlab.detectors.detector import Detector, Frame, Reading, Subject
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.cohort import join, play
from simlab.lab.disturb import Disturbances
from simlab.lab.shocks import Shock
from simlab.lab.trial import Hand, Instrument, Trigger
from simlab.lab.watch import Turn, Watch, frame, subject
from tests.lab.toy import Mean, Toy, trial

FRAMES: list[Frame] = []


class Last(NamedTuple):
    subject: Subject


@final
@dataclass(frozen=True)
class Level(Detector[Last]):
    """Shows the mean outcome by the method of record, and the mean prediction by the popular rule; keeps every frame."""

    shows: ClassVar = "mean outcome"
    seed_rule: ClassVar = "prediction > 0.5"
    seed_threshold: ClassVar = 0.5
    edge: ClassVar = 1.4

    @property
    def limit(self) -> float:
        return self.edge

    def start(self, subject: Subject) -> Last:
        FRAMES.clear()
        return Last(subject)

    def read(self, state: Last, frame: Frame) -> Reading:
        FRAMES.append(frame)
        return Reading(level(frame.reality), level(frame.predictions))


def level(a: Floats) -> Floats:
    return np.array(a[-1].mean(axis=(1, 2)))


WATCHED = {"instruments": (Instrument("level", Level(), 5.0),)}


def says(value):
    return {"brains": (Mean(prior=value),)}


def alarms(outcome, name="level"):
    return {e.replication: e.time for e in outcome.events if (e.kind, e.name) == ("alarm", name)}


def test_frames_come_at_every_scrape_with_what_was_said_and_what_came_of_it():
    """A toy without noise: the outcome is 1 + 0.5 * what was said, and a frame shows the turn before the scrape."""
    play(trial(Toy(noise=0.0), **says(0.4), **WATCHED), 1, range(3))
    assert [f.times.tolist() for f in FRAMES] == [[t] for t in np.arange(5.0, 40.0, 5.0)]
    for f in FRAMES:
        assert (f.predictions.shape, f.features.shape, f.nudges.shape) == ((1, 3, 3, 1), (1, 3, 3, 1), (1, 3, 3))
        np.testing.assert_allclose(f.predictions, 0.4)
        np.testing.assert_allclose(f.reality, 1.2)
        assert not f.nudges.any()


def test_a_warm_up_is_not_watched():
    outcome = play(trial(Toy(noise=0.0), **says(1.0), warmup=20.0, **WATCHED), 1, range(2))
    assert FRAMES[0].times == [5.0]
    assert alarms(outcome) == {0: 5.0, 1: 5.0}


def test_the_first_alarm_of_each_rule_is_an_event_and_the_readings_are_recorded():
    """Outcomes of 1.5 are above 1.4 from the first scrape, after a shock at 20 only from 25; predictions of 1 above 0.5 at once."""
    drift = Shock("drift", "world", "set", start=20.0, values={"drift": 1.5})
    late = play(trial(Toy(noise=0.0), **says(0.0), shocks=(drift,), **WATCHED), 1, range(2))
    assert alarms(late) == {0: 25.0, 1: 25.0}
    assert alarms(late, "level_seed") == {}
    np.testing.assert_array_equal(late.measures["level"], [1.5, 1.5])
    assert np.isnan(late.series["level"][0]).all()
    soon = play(trial(Toy(noise=0.0), **says(1.0), **WATCHED), 1, range(2))
    assert alarms(soon) == alarms(soon, "level_seed") == {0: 5.0, 1: 5.0}


def test_watching_changes_nothing():
    """Everything but the readings and their alarms is the same, to the bit, with noise and learning."""
    plain = trial(schedule=Schedule(every=5))
    seen = play(trial(schedule=Schedule(every=5), **WATCHED), 3, range(5))
    unseen = play(plain, 3, range(5))
    for name, values in unseen.series.items():
        np.testing.assert_array_equal(seen.series[name], values)
    assert [e for e in seen.events if e.kind != "alarm"] == unseen.events


def test_the_same_at_any_cohort_size():
    watched = trial(schedule=Schedule(every=5), **WATCHED)
    whole = play(watched, 3, range(7))
    for size in (1, 2):
        parts = join([play(watched, 3, range(at, min(at + size, 7))) for at in range(0, 7, size)])
        assert parts.events == whole.events
        np.testing.assert_array_equal(parts.series["level"], whole.series["level"])


def test_a_detector_sets_off_a_hand():
    """The reading crosses at 5; with a latency of 3 the models act for 8 of the 40 ticks."""
    hand = Hand("kill", KillSwitch(), Trigger(measure="level", above=1.4, median=3.0))
    outcome = play(trial(Toy(noise=0.0), **says(1.0), hands=(hand,), **WATCHED), 1, range(2))
    np.testing.assert_allclose(outcome.measures["total"], 40 + 0.5 * 8)
    assert alarms(outcome, "kill") == {0: 5.0, 1: 5.0}


def test_a_hand_on_a_reading_that_nobody_takes_is_refused():
    with pytest.raises(InputError, match="unknown measure `level`"):
        trial(hands=(Hand("kill", KillSwitch(), Trigger(measure="level", above=1.4)),))


def test_a_bad_push_turns_numbers_round():
    """Saying -1 for 10 of 40 ticks instead of 1 costs 0.5 * 2 a tick."""
    push = Shock("push", "brain", "garbled", start=10.0, duration=10.0)
    outcome = play(trial(Toy(noise=0.0), **says(1.0), shocks=(push,)), 1, range(1))
    np.testing.assert_allclose(outcome.measures["total"], 40 * 1.5 - 10)


@pytest.mark.parametrize(
    ("asks", "said", "turned"),
    [
        ("choice", [[0, 2, 3]], [[1, 3, 0]]),
        ("shares", [[[0.1, 0.2, 0.3, 0.4]]], [[[0.4, 0.3, 0.2, 0.1]]]),
        ("number", [[2.0, -1.0, 0.5]], [[-2.0, 1.0, -0.5]]),
    ],
)
def test_what_is_garbled(asks, said, turned):
    """A choice is the next one, shares go to the others in reverse, a number changes its sign; and only while it lasts, where it is."""
    said = np.array(said)
    push = Shock("push", "brain", "garbled")
    models = said.shape[1]
    spec = Spec(models, asks, models, features=1, choices=4 if asks != "number" else 0)
    here = Disturbances(spec)
    here.begin(push, np.zeros((1, models, 1)), 1)
    np.testing.assert_array_equal(here.prediction(said), turned)
    here.end(push, np.zeros((1, models, 1)), 1)
    np.testing.assert_array_equal(here.prediction(said), said)


def test_a_stale_view_stands_still_until_the_shock_is_over():
    here = Disturbances(Spec(2, "number", 2, features=1))
    views = [np.full((1, 2, 1), float(i)) for i in range(3)]
    first = Shock("first", "features", "stale", models=(0,))
    here.begin(first, views[0], 1)
    views[0][:] = 7  # what was seen is kept, not the array that it was in
    np.testing.assert_array_equal(here.features(views[1])[0, :, 0], [0, 1])
    np.testing.assert_array_equal(here.features(views[2])[0, :, 0], [0, 2])
    here.end(first, views[2], 1)
    np.testing.assert_array_equal(here.features(views[1]), views[1])


def test_shares_choices_and_counts_as_detectors_see_them():
    """Shares stay; a choice is the share of its questions; counts of each option become shares, unseen answers unknown."""
    shares = Spec(models=2, asks="shares", case=(), choices=2)
    said = np.array([[[0.2, 0.8], [1.0, 0.0]]])
    found = Feedback(np.array([[[3.0, 1.0], [0.0, 0.0]]]))
    shown = frame(Turn(np.zeros((1, 1), int), said, found, 0.0), shares, 7.0)
    np.testing.assert_array_equal(shown.predictions[0], said)
    np.testing.assert_array_equal(shown.reality[0], [[[0.75, 0.25], [np.nan, np.nan]]])
    assert shown.features.shape == (1, 1, 0, 0)

    choice = Spec(models=2, asks="choice", case=(4,), features=1, choices=3)
    said = np.array([[[0, 0, 2, 1], [2, 2, 2, 2]]])
    seen = Feedback(np.array([[[4.0, 8.0], [1.0, 1.0]]]), weight=np.array([[[3.0, 1.0], [0.0, 0.0]]]))
    board = np.broadcast_to(np.array([[[[5.0]], [[6.0]]]]), (1, 2, 4, 1))
    shown = frame(Turn(board, said, seen, 0.0), choice, 7.0)
    np.testing.assert_array_equal(shown.predictions[0, 0], [[0.5, 0.25, 0.25], [0, 0, 1]])
    np.testing.assert_array_equal(shown.reality[0, 0, :, 0], [5.0, np.nan])
    np.testing.assert_array_equal(shown.features[0, 0, :, 0], [5.0, 6.0])


def test_where_nothing_was_answered_reality_is_unknown():
    shown = frame(Turn(np.zeros((2, 3, 1)), np.ones((2, 3)), None, 0.0), Spec(models=3, features=1), 7.0)
    assert shown.reality.shape == (1, 2, 3, 1)
    assert np.isnan(shown.reality).all()
    assert (shown.predictions == 1).all()
    assert shown.nudges.shape == (1, 2, 3)


def test_numbers_are_averaged_over_cases_and_answers_by_their_weight():
    """Of 100 cases 64 samples of the features are shown. Answers that were not seen may be anything."""
    spec = Spec(models=2, case=(10, 10), features=3)
    x = np.arange(600.0).reshape(1, 2, 10, 10, 3)
    said = np.arange(200.0).reshape(1, 2, 10, 10)
    outcome = np.array([[[1.0, 4.0, np.nan], [7.0, 8.0, 9.0]]])
    weight = np.array([[[3.0, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    shown = frame(Turn(x, said, Feedback(outcome, weight), np.array([[0.5, -0.5]])), spec, 7.0)
    np.testing.assert_array_equal(shown.predictions[0, 0, :, 0], [49.5, 149.5])
    np.testing.assert_array_equal(shown.reality[0, 0, :, 0], [7 / 4, np.nan])
    np.testing.assert_array_equal(shown.features[0, 0], x.reshape(200, 3)[:64])
    np.testing.assert_array_equal(shown.nudges[0, 0], [0.5, -0.5])
    assert shown.times == [7.0]
    told = subject(spec, x, (), 1, 5.0)
    assert told == Subject(1, 2, 1, 64, 3, 5.0, ())
    bare = frame(Turn(x, said, Feedback(np.array([[[1.0, 2.0], [4.0, 8.0]]])), 0.0), spec, 7.0)
    np.testing.assert_array_equal(bare.reality[0, 0, :, 0], [1.5, 6])


def test_a_frame_is_a_copy():
    """Worlds may write over what they gave, and a detector keeps what it saw."""
    x, said, outcome = np.ones((1, 2, 1)), np.ones((1, 2)), np.ones((1, 2))
    shown = frame(Turn(x, said, Feedback(outcome), 0.0), Spec(models=2, features=1), 7.0)
    for given in (x, said, outcome):
        given[:] = 9
    assert (shown.features == 1).all()
    assert (shown.predictions == 1).all()
    assert (shown.reality == 1).all()


def test_a_rule_alarms_once_in_each_replication():
    """Above its limit, and not at it; each rule for itself."""
    watch = Watch(Instrument("level", Level()), Subject(3, 1, 1, 0, 0, 5.0, ()))
    shown = frame(Turn(np.zeros((3, 1, 1)), np.zeros((3, 1)), None, 0.0), Spec(models=1, features=1), 5.0)

    def heard(outcomes, said):
        watch.read(
            shown._replace(
                reality=np.array(outcomes).reshape(1, 3, 1, 1), predictions=np.array(said).reshape(1, 3, 1, 1)
            )
        )
        return [(name, rows.tolist()) for name, rows, _ in watch.alarms()]

    assert heard([1.4, 1.5, np.nan], [0.5, 0.5, 0.5]) == [("level", [1])]
    assert heard([1.5, 1.5, np.nan], [0.5, 0.6, 0.5]) == [("level", [0]), ("level_seed", [1])]
    assert heard([1.5, 1.5, 1.5], [0.6, 0.6, 0.6]) == [("level", [2]), ("level_seed", [0, 2])]
    assert heard([1.5, 1.5, 1.5], [0.6, 0.6, 0.6]) == []
