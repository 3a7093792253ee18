"""Record: labelled faces of stored arrays, the same from memory and from disk."""

from __future__ import annotations

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.lab.outcome import Event, Outcome
from simlab.results.export import summary_csv
from simlab.results.parts import merged
from simlab.results.record import Record
from simlab.studies.runner import play_all
from tests.studies.fakes import MEASURES, open_store, play, scenario


def outcome(first, count, times=(0.0, 1.0), scale=1.0):
    numbers = np.arange(first, first + count)
    return Outcome(
        replications=numbers,
        measures={"drop": scale * numbers.astype(float)},
        times=np.array(times),
        series={"drop": np.add.outer(np.array(times), scale * numbers).astype(np.float32)},
        events=[Event(int(n), 1.0, "harm", "drop", -1, 0.5) for n in numbers],
        diverged=np.full(count, np.nan),
        failed={},
    )


@pytest.fixture
def record():
    cells = {"a": outcome(0, 3), "b": outcome(0, 3, scale=10.0), "off:a": outcome(0, 3, scale=0.0)}
    return Record.of(cells, ["a", "b"], ["off"], MEASURES)


def test_measures_are_labelled_by_arm_and_replication(record):
    drop = record.measures["drop"]
    assert drop.dims == ("arm", "replication")
    assert drop.attrs == {"unit": "1", "about": "how far it fell"}
    assert drop.sel(arm="b").values.tolist() == [0.0, 10.0, 20.0]
    assert "off:a" not in drop.arm


def test_series_are_labelled_by_arm_time_and_replication(record):
    drop = record.series["drop"]
    assert drop.dims == ("arm", "time", "replication")
    assert drop.dtype == np.float32
    assert drop.sel(arm="b", time=1.0, replication=2).item() == 21.0


def test_series_of_arms_with_other_times_are_aligned():
    record = Record.of({"a": outcome(0, 2), "b": outcome(0, 2, times=(0.0, 0.5, 1.0))}, ["a", "b"])
    assert record.series.time.values.tolist() == [0.0, 0.5, 1.0]
    a = record.series["drop"].sel(arm="a", replication=1).values
    assert a[[0, 2]].tolist() == [1.0, 2.0]
    assert np.isnan(a[1])


def test_events_and_table_have_one_row_each(record):
    columns = ["arm", "replication", "time", "kind", "name", "model", "value"]
    assert record.events.columns.tolist() == columns
    assert record.events[["arm", "replication"]].values.tolist() == [[a, n] for a in "ab" for n in range(3)]
    table = record.to_pandas()
    assert table.columns.tolist() == ["arm", "replication", "drop"]
    assert table["drop"].tolist() == [0.0, 1.0, 2.0, 0.0, 10.0, 20.0]


def test_control_shows_its_own_cells(record):
    off = record.control("off")
    assert off.arms == ("a",)
    assert off.measures["drop"].values.tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(InputError, match="did you mean `off`"):
        record.control("of")


def test_record_without_anything_has_empty_faces():
    empty = Record.of({}, [])
    assert (empty.replications, len(empty.events), len(empty.to_pandas()), len(empty.claims)) == (0, 0, 0, 0)
    assert dict(empty.measures.sizes) == {"arm": 0, "replication": 0}
    assert dict(empty.series.sizes) == {"arm": 0, "time": 0, "replication": 0}


def test_record_from_disk_equals_the_one_from_memory(tmp_path):
    fake = scenario()
    with open_store(fake, tmp_path / "run") as store:
        kept = play_all(fake, store, jobs=1, play=play)
    opened = Record.open(tmp_path / "run")
    assert opened.manifest == kept.manifest
    assert opened.about == kept.about
    assert (opened.arms, opened.controls, list(opened.cells)) == (kept.arms, kept.controls, list(kept.cells))
    for one, other in ((opened, kept), (opened.control("feedback_off"), kept.control("feedback_off"))):
        assert one.measures.identical(other.measures)
        assert one.series.identical(other.series)
        assert one.events.equals(other.events)
        assert one.to_pandas().equals(other.to_pandas())
    for cell, outcome in kept.cells.items():
        assert opened.cells[cell].failed == outcome.failed == {n: f"Traceback: replication {n}" for n in (5, 21, 37)}
        assert np.array_equal(opened.cells[cell].diverged, outcome.diverged, equal_nan=True)
        assert opened.cells[cell].events == outcome.events


def test_merging_puts_every_replication_in_its_place():
    whole = merged([outcome(3, 2), outcome(0, 3)], 6, ["drop"])
    assert whole.measures["drop"][:5].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(whole.measures["drop"][5])
    assert whole.series["drop"][1, :5].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [event.replication for event in whole.events] == [0, 1, 2, 3, 4]


def test_csv_has_the_controls_below_the_arms():
    found = {"n": 2, "mean": 1.0, "median": 1.0, "p05": 0.5, "p95": 1.5, "ci95": [0.25, 1.75]}
    summary = {"arms": {"a": {"drop": found}}, "controls": {"off": {"arms": {"a": {"drop": found | {"mean": -2.0}}}}}}
    assert summary_csv(summary).splitlines()[1:] == [
        ",a,drop,2,1.0,1.0,0.5,1.5,0.25,1.75",
        "off,a,drop,2,-2.0,1.0,0.5,1.5,0.25,1.75",
    ]
