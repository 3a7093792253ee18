"""Retrainings that meet, against a clock that is looked at every minute."""

from math import lcm

import numpy as np
import pytest

from simlab.studies.timetable import at_once, timetable
from tests.studies.architectures import made

JOBS = [
    [(60, 0, 10), (60, 0, 10)],
    [(60, 0, 10), (60, 10, 10)],
    [(60, 0, 10), (90, 5, 20), (40, 37, 7)],
    [(7, 3, 7), (5, 1, 2), (3, 2, 1)],
    [(1440, 120, 30), (10_080, 100, 360), (720, 60, 45), (90, 0, 9)],
    [(12, 40, 5), (18, 7, 11)],
]


def by_the_minute(jobs):
    """How many are busy in each minute of the hyperperiod, one minute after the other."""
    period = lcm(*(every for every, _, _ in jobs))
    return [[(minute - phase) % every < busy for every, phase, busy in jobs] for minute in range(period)]


def architecture(jobs, more=""):
    models = ", ".join(
        f"m{i}: {{trained_on: [d], retrain: {{every: {e} min, phase: {p} min, busy: {b} min{more}}}}}"
        for i, (e, p, b) in enumerate(jobs)
    )
    return made(f"sources: {{d: }}\ncompute: {{gpus: {{slots: 1}}}}\nmodels: {{{models}}}")


@pytest.mark.parametrize("jobs", JOBS)
def test_what_is_busy_at_once_is_what_a_clock_shows(jobs):
    found = timetable(architecture(jobs, ", on: gpus"))
    seen = by_the_minute(jobs)
    counts = [sum(row) for row in seen]
    assert found.exact
    assert found.period == found.seen == 60 * len(seen)
    assert found.most == max(counts) == at_once(architecture(jobs))
    assert found.at == 60 * counts.index(max(counts))
    assert found.who == tuple(f"m{i}" for i, here in enumerate(seen[counts.index(max(counts))]) if here)
    assert found.share == pytest.approx(sum(n >= 2 for n in counts) / len(counts))
    met = {meeting.part: meeting for meeting in found.meetings}
    assert met["gpus"].most == met["d"].most == found.most
    assert met["gpus"].share == pytest.approx(found.share)
    assert (met["gpus"].slots, met["d"].slots) == (1, None)
    assert met["gpus"].over == pytest.approx(sum(n > 1 for n in counts) / len(counts))
    begins = [sum((minute - p) % e == 0 for e, p, _ in jobs) for minute in range(len(seen))]
    assert found.begin == max(begins)


def test_only_what_has_a_timetable_and_in_common_meets():
    found = timetable(
        made(
            "sources: {d: , e: }\nstores: {f: {from: [d]}}\n"
            "models: {a: {trained_on: [f], retrain: {every: 1 h, busy: 1 min}}, b: {trained_on: [d], retrain: {every: 1 h, busy: 1 min}}, "
            "c: {trained_on: [e], retrain: {every: 1 h, busy: 1 min}}, x: }"
        )
    )
    assert [(met.part, met.who) for met in found.meetings] == [("d", ("a", "b"))]
    assert (found.models, found.most) == (4, 3)


def test_a_brain_keeps_all_its_models_busy_but_counts_once_for_each():
    text = (
        "brains: {{b: {{retrain: {{every: 1 h, busy: 20 min}}}}}}\n"
        "models: {{m: {{brain: b, retrain: {{every: 1 h, phase: {}, busy: 10 min}}}}, n: {{brain: b}}}}"
    )
    inside, after = (timetable(made(text.format(phase))) for phase in ("5 min", "30 min"))
    assert (inside.most, inside.who, inside.share) == (2, ("m", "n"), pytest.approx(1 / 3))
    assert (after.most, after.share) == (2, pytest.approx(1 / 3))


def test_instants_meet_too_though_they_take_no_time():
    jobs = (
        "models: {{a: {{retrain: {{every: 0.1 s}}}}, b: {{retrain: {{every: 0.3 s, phase: {} s}}}}, "
        "c: {{retrain: {{every: 1 s, phase: 50 ms, busy: 1 ms}}}}}}"
    )
    met, missed = timetable(made(jobs.format("0.2"))), timetable(made(jobs.format("0.25")))
    assert (met.most, met.at, met.share) == (2, pytest.approx(0.2), 0)
    assert (missed.most, missed.at, missed.who) == (2, pytest.approx(1.05 + 1), ("b", "c"))
    assert (met.period, missed.period) == (3, 3)


def test_a_point_inside_a_span_is_one_model_busy_once():
    text = "brains: {b: {retrain: {every: 1 h, busy: 20 min}}}\nmodels: {m: {brain: b, retrain: {every: 1 h, phase: 10 min}}}"
    assert timetable(made(text)).most == 1


def test_a_hyperperiod_that_is_too_long_is_cut_and_said_to_be():
    """They drift apart by 3 us a second: 0.1 s of overlap is used up after a third of the 100,000 s that are looked at."""
    found = timetable(
        made("models: {a: {retrain: {every: 0.999998 s, busy: 0.1 s}}, b: {retrain: {every: 1.000001 s, busy: 0.1 s}}}")
    )
    assert not found.exact
    assert found.seen == pytest.approx(100_000, rel=1e-3)
    assert found.period == pytest.approx(0.999998 * 1_000_001)
    assert found.share == pytest.approx(0.1 / 2 / 3, rel=1e-3)


def test_without_timetables_there_is_nothing_to_say():
    assert timetable(made("models: {a: }")) is None
    assert at_once(made("models: {a: }")) == 0
    alone = timetable(made("sources: {d: }\nbrains: {b: {trained_on: [d], retrain: {every: 1 h}}}\nmodels: {a: }"))
    assert (alone.most, alone.who, alone.begin) == (0, (), 0)


@pytest.mark.parametrize("seed", range(5))
def test_random_timetables_agree_with_the_clock(seed):
    g = np.random.Generator(np.random.PCG64(seed))
    jobs = [(int(e), int(g.integers(0, 200)), int(g.integers(1, e + 1))) for e in g.choice([4, 6, 9, 10, 12, 15], 5)]
    found = timetable(architecture(jobs))
    counts = [sum(row) for row in by_the_minute(jobs)]
    assert (found.most, found.share) == (max(counts), pytest.approx(sum(n >= 2 for n in counts) / len(counts)))
