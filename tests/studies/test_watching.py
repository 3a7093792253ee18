"""Detectors on recordings: what is wrong raises its own alarm and no other, and what is well raises none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simlab.base.errors import InputError
from simlab.detectors.detector import SCRAPES
from simlab.results.metrics import Columns, Metrics, read
from simlab.studies.instruments import instruments, links
from simlab.studies.watching import ADVICE, _with_gaps, watch_file, watch_metrics

N = 400
SINCE = 200  # the row from which on something is wrong
MODELS = [f"p{i}" for i in range(4)]
HOW = {"time": "t", "predictions": "p*", "reality": "y", "features": "f1,f2"}


def luck(seed):
    return np.random.Generator(np.random.SFC64(seed))


def quiet(seed, rows=N):
    """Four models that have nothing in common, reality and features that stay as they are."""
    rng = luck(seed)
    table = {"t": 60.0 * np.arange(rows), **{name: rng.normal(size=rows) for name in MODELS}}
    return pd.DataFrame(table | {name: rng.normal(size=rows) for name in ("y", "f1", "f2")})


def correlated(seed, since=SINCE, rho=0.7):
    """From row `since` on the models share a part of what they say: the correlation of two is `rho`."""
    table, rng = quiet(seed), luck(seed + 1000)
    common = rng.normal(size=N - since)
    for name in MODELS:
        table.loc[since:, name] = np.sqrt(rho) * common + np.sqrt(1 - rho) * table.loc[since:, name]
    return table


def drifted(seed, since=SINCE, shift=2.0):
    """From row `since` on a feature is higher by `shift` standard deviations."""
    table = quiet(seed)
    table.loc[since:, "f2"] += shift
    return table


def spiralled(seed, since=SINCE, gain=1.1):
    """One model that is trained on what it caused: from row `since` on each answer is `gain` times what came of the one before."""
    table, noise = quiet(seed).drop(columns=MODELS[1:]), luck(seed + 1000).normal(size=N)
    said = np.zeros(N)
    for i in range(1, N):
        said[i] = (gain if i >= since else 0.5) * said[i - 1] + noise[i]
        if abs(said[i]) > 1e6:  # somebody pulled the plug
            said[i] = 0.0
    table["p0"], table["y"] = said, np.append(said[1:], 0.0)
    return table


def probed(seed, gain=1.3):
    """Models that have nothing in common, each with logged noise on what it says; what comes of it is `gain` times the noise."""
    table, rng = quiet(seed), luck(seed + 1000)
    for i, name in enumerate(MODELS):
        table[f"n{i}"] = rng.normal(size=N)
        table[f"y{i}"] = gain * table[f"n{i}"] + table[name] + rng.normal(size=N)
        table[name] += table[f"n{i}"]
    return table


@pytest.fixture
def file(tmp_path):
    def put(table, name="m.csv"):
        path = tmp_path / name
        table.to_csv(path, index=False)
        return path

    return put


def alarmed(watching):
    return {alarm.detector for alarm in watching.alarms}


@pytest.mark.parametrize("seed", range(1, 4))
def test_quiet_data_raise_no_alarm(file, seed):
    """By chance drift alarms at one in 10,000 scrapes, in 3 of 100 such recordings: the seeds are fixed."""
    watching = watch_file(file(quiet(seed)), **HOW, reads=("p1=p0", "p2=p1"))
    assert watching.alarms == []
    assert watching.plain() == []
    assert all(sight.told > N - 100 for sight in watching.sights if sight.rule == "record")


@pytest.mark.parametrize(
    ("made", "detector", "within"),
    [(correlated, "model_correlation", 60), (drifted, "drift_acceleration", 60), (spiralled, "feedback_spiral", 120)],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_each_trouble_raises_its_own_alarm_and_no_other(file, made, detector, within, seed):
    watching = watch_file(file(made(seed)), **HOW)
    assert alarmed(watching) == {detector}
    first = watching.alarms[0]
    assert SINCE <= first.since / 60 <= SINCE + within
    assert first.time == first.since  # the file counts in seconds
    assert first.value > first.threshold
    assert detector in ADVICE


@pytest.mark.parametrize(("gain", "expected"), [(1.3, {"feedback_spiral"}), (0.0, set()), (0.6, set())])
def test_with_logged_noise_the_gain_itself_is_found(file, gain, expected):
    how = HOW | {"reality": "y0,y1,y2,y3", "nudges": "n*"}
    watching = watch_file(file(probed(7, gain)), **how)
    assert alarmed(watching) == expected
    assert "reality by model: p0 against y0, p1 against y1, p2 against y2, p3 against y3" in watching.notes
    assert not any("passive" in note for note in watching.notes)


def test_a_cascade_is_seen_where_it_is_said_who_reads_whom(file):
    table, rng = quiet(3), luck(30)
    table["p1"] = table["y"] + 1.6 * (table["p0"] - table["y"]) + 0.1 * rng.normal(size=N)
    path = file(table)
    seen = watch_file(path, **HOW, detectors="prediction_cascade", reads=("p1=p0",))
    assert alarmed(seen) == {"prediction_cascade"}
    assert seen.sights[0].values[-1] == pytest.approx(1.6, abs=0.1)
    blind = watch_file(path, **HOW, detectors="prediction_cascade")
    assert blind.alarms == []
    assert blind.sights[0].told == 0
    assert blind.sights[0].unable == "nobody said which model reads which: give --reads"


def test_the_popular_rule_counts_only_where_asked_for(file):
    path = file(correlated(2, rho=0.95))
    both = {
        rule: watch_file(path, **HOW, detectors="model_correlation", rule=rule) for rule in ("record", "seed", "both")
    }
    rows = {rule: found.plain() for rule, found in both.items()}
    assert rows["record"]
    assert {tuple(row) for row in rows["record"] + rows["seed"]} == {("detector", "time", "value", "threshold")}
    assert {row["threshold"] for row in rows["seed"]} == {0.8}
    without = [{key: row[key] for key in row if key != "rule"} for row in rows["both"]]
    assert sorted(map(str, without)) == sorted(map(str, rows["record"] + rows["seed"]))
    assert {row["rule"] for row in rows["both"]} == {"record", "seed"}
    assert [sight.rule for sight in both["record"].sights] == ["record", "seed"]  # both are shown in any case


def test_an_alarm_is_a_run_of_scrapes_above_the_threshold(file):
    """Counted again here, one scrape at a time."""
    watching = watch_file(file(correlated(4)), **HOW, detectors="model_correlation", rule="both")
    for sight in watching.sights:
        runs, inside = [], False
        for time, value in zip(sight.times, sight.values, strict=True):
            if value > sight.threshold:
                runs = [*runs[:-1], [*runs[-1], time]] if inside else [*runs, [time]]
                inside = True
            else:
                inside = False
        assert [(a.since, a.scrapes, a.lasted) for a in sight.alarms] == [(r[0], len(r), r[-1] - r[0]) for r in runs]
    assert [a.since for a in watching.alarms] == sorted(a.since for a in watching.alarms)


def test_the_time_of_an_alarm_is_that_of_a_row_of_the_file(file):
    table, how = correlated(1), HOW | {"detectors": "model_correlation"}
    stamps = pd.date_range("2025-03-30", periods=N, freq="min", tz="Europe/Berlin").map(lambda t: t.isoformat())
    in_words = watch_file(file(table.assign(t=stamps)), **how)
    in_seconds = watch_file(file(table), **how)
    assert [a.time for a in in_words.alarms] == [
        (pd.Timestamp(stamps[0]) + pd.Timedelta(seconds=a.time)).tz_convert("UTC").isoformat().replace("+00:00", "Z")
        for a in in_seconds.alarms
    ]
    assert any("several zones" in note for note in in_words.notes)  # clocks went forward
    for suffix in ("Z", "+01:00"):
        kept = watch_file(
            file(table.assign(t=[f"2025-01-01T{i // 60:02}:{i % 60:02}:00{suffix}" for i in range(N)])), **how
        )
        assert kept.alarms
        assert all(a.time.endswith(suffix) for a in kept.alarms)


def test_scrapes_of_a_duration(file):
    path, how = file(quiet(1)), HOW | {"detectors": "model_correlation"}
    five = watch_file(path, **how, every="5 min")
    assert {len(s.times) for s in five.sights} == {N // 5}
    assert {len(s.times) for s in watch_file(path, **how).sights} == {N}
    assert "400 instants, 1 min apart in the median, read as 80 scrapes of 5 min" in five.notes


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"every": "5"}, "no unit; write e.g. `5 s`"),
        ({"every": "0 s"}, "--every: expected a time above 0"),
        ({"every": "-1 s"}, "a time cannot be negative"),
        ({"every": "1e-9 s"}, "at most 100,000, so give at least --every '1 s'"),
        ({"detectors": "feedback"}, "unknown detector `feedback`; did you mean `feedback_spiral`?"),
        ({"settings": ["feedback_spiral.windw=3"]}, "unknown parameter `windw`; did you mean `window`?"),
        ({"settings": ["feedback_spiral.window=3.5"]}, "expected a whole number (scrapes looked back on)"),
        ({"settings": ["feedback_spiral.window=2"]}, "FeedbackSpiral.window must be at least 3, not 2"),
        ({"settings": ["feedback_spiral.level=nan"]}, "must be a finite number"),
        ({"settings": ["model_correlation.of=error"]}, "did you mean `errors`?"),
        ({"settings": ["feedback_spiral"]}, "expected DETECTOR.PARAMETER=VALUE; write e.g."),
        ({"settings": ["spiral.window=3"]}, "expected DETECTOR.PARAMETER=VALUE; known: drift_acceleration, feedback_spiral"),
        ({"detectors": "model_correlation", "settings": ["feedback_spiral.window=5"]}, "known: model_correlation"),
        ({"reads": ["p1"]}, "--reads p1: expected MODEL=UPSTREAM, columns of --predictions; write e.g. --reads p3=p0"),
        ({"reads": ["p1=y"]}, "expected MODEL=UPSTREAM, columns of --predictions; known: p0, p1, p2, p3"),
        ({"reads": ["p1=p0,q"]}, "expected MODEL=UPSTREAM"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(file, more, says):
    with pytest.raises(InputError) as caught:
        watch_file(file(quiet(1, 50)), **HOW, **more)
    assert says in str(caught.value)


def test_parameters_are_set_by_name():
    found = instruments(
        ("model_correlation",),
        ("model_correlation.of=errors", "model_correlation.window=30", "model_correlation.risk=1e-4"),
    )
    assert list(found) == ["model_correlation"]
    assert (found["model_correlation"].of, found["model_correlation"].window, found["model_correlation"].risk) == (
        "errors",
        30,
        1e-4,
    )
    assert list(instruments()) == ["drift_acceleration", "feedback_spiral", "model_correlation", "prediction_cascade"]


def test_who_reads_whom():
    assert links((), ("a", "b")) == ()
    assert links(("b=a", " c = a , b "), ("a", "b", "c")) == ((), (0,), (0, 1))


def recording(times, gaps):
    n = len(times)
    column = np.arange(n, dtype=float)[:, None]
    columns = Columns("t", ("p",), ("y",))
    return Metrics(
        "m", columns, times, lambda row: row, column, column, column[:, :0], column[:, :0], np.array(gaps), 1.0, ()
    )


@pytest.mark.parametrize(("rows", "gaps"), [(100, [30, 31]), (5000, [10, 4999]), (12_345, [1, 6000, 6001, 12_344])])
def test_in_every_gap_stands_a_whole_scrape_of_unknown_values(rows, gaps):
    """Scrapes of so many rows that there are at most SCRAPES of them, counted from the first."""
    times = np.arange(rows, dtype=float)
    for i, gap in enumerate(gaps):
        times[gap:] += 50.0 + i
    found = _with_gaps(recording(times, gaps), None)
    assert (np.diff(found.times) > 0).all()
    np.testing.assert_array_equal(found.predictions[np.isfinite(found.predictions)], np.arange(rows))
    block = -(-len(found.times) // SCRAPES)
    empty = {
        start for start in range(0, len(found.times), block) if np.isnan(found.predictions[start : start + block]).all()
    }
    for gap in gaps:
        begin, end = np.searchsorted(found.times, (times[gap - 1], times[gap]))
        assert any(begin < start and start + block <= end for start in empty)


def test_no_change_is_taken_across_a_gap(file):
    """Predictions that jump by 1,000 over an hour of silence: the change is no change of a minute."""
    table = quiet(1).drop(columns=MODELS[1:])
    table.loc[SINCE:, "p0"] += 1000.0
    table.loc[SINCE:, "t"] += 3600.0
    watching = watch_file(file(table), **HOW, detectors="feedback_spiral", rule="both")
    record, seed = watching.sights
    assert record.alarms == ()
    assert np.nanmax(seed.values) > 1.5  # the sum of changes from one known answer to the next: it has the jump
    assert (
        "a gap of more than 10 median steps (61 min before 15600.0): no statistical rule takes a change across them"
        in "\n".join(watching.notes)
    )


def test_where_gaps_are_the_rule_windows_go_across_them():
    times = np.cumsum(np.tile([1.0, 1.0, 1.0, 20.0], 3000))
    gaps = np.flatnonzero(np.diff(times) > 10) + 1
    found = _with_gaps(recording(times, gaps), None)
    assert (found.added, len(found.times)) == (0, len(times))
    watching = watch_metrics(recording(times, gaps), instruments(("model_correlation",)))
    assert any(
        "too many to be gaps of a regular recording, so windows go across them" in note for note in watching.notes
    )


def test_too_little_to_tell_is_said(file):
    watching = watch_file(file(quiet(1, 12)), **HOW)
    assert watching.alarms == []
    assert {s.unable for s in watching.sights if s.told == 0 and s.detector != "prediction_cascade"} == {
        "too little is known in 12 scrapes (longer ones hold more: --every), or nothing in it varies"
    }


def test_a_file_and_its_arrays_say_the_same(file):
    path, how = file(correlated(2)), HOW | {"detectors": "model_correlation"}
    metrics = read(path, Columns("t", ("p*",), ("y",), ("f1", "f2")))
    assert watch_metrics(metrics, instruments(("model_correlation",))).plain() == watch_file(path, **how).plain()
