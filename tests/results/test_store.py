"""The store: whole or not at all, the same bytes whatever the cohorts, and nothing foreign ever touched."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from simlab.base.errors import StorageError
from simlab.results import disk, provenance
from simlab.results.record import Record, verify
from simlab.results.store import Store, run_directory, run_hash
from simlab.studies.runner import play_all, run_of, trials
from tests.studies.fakes import MERGED, contents, open_store, play, scenario


def run(path, fake=None, cohort=16, **options) -> Record:
    fake = fake or scenario()
    with open_store(fake, path) as store:
        return play_all(fake, store, jobs=1, cohort=cohort, play=play, **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An uninterrupted run, to compare with."""
    path = tmp_path_factory.mktemp("done") / "run"
    run(path)
    return path


def begun(path, fake=None, cohorts=2, cohort=16) -> Store:
    """A run of which only some cohorts of the first cell were played."""
    fake = fake or scenario()
    with open_store(fake, path) as store:
        for number in range(cohorts):
            stretch = range(number * cohort, (number + 1) * cohort)
            store.keep("apart", play(trials(fake)["apart"], fake.seed, stretch))
    return store


@pytest.mark.parametrize("cohort", [1, 7, 64])
def test_cohort_size_changes_no_bit(tmp_path, done, cohort):
    run(tmp_path / "run", cohort=cohort)
    assert contents(tmp_path / "run") == contents(done)


def test_order_of_cohorts_changes_no_bit(tmp_path, done):
    fake = scenario()
    with open_store(fake, tmp_path / "run") as store:
        for cell, first, stop in reversed(store.missing()):
            for start in reversed(range(first, stop, 8)):
                store.keep(cell, play(trials(fake)[cell], fake.seed, range(start, start + 8)))
        assert store.missing() == []
        store.merge()
    assert contents(tmp_path / "run") == contents(done)


def test_done_directory_holds_only_what_is_promised(done):
    assert sorted(path.name for path in done.iterdir() if path.name != ".lock") == sorted((*MERGED, "timings.json"))


def test_resume_plays_only_what_is_missing_and_ends_the_same(tmp_path, done):
    begun(tmp_path / "run", cohorts=2)
    with open_store(scenario(), tmp_path / "run") as store:
        assert store.missing() == [("apart", 32, 40), ("shared", 0, 40), ("feedback_off:shared", 0, 40)]
    run(tmp_path / "run", cohort=7)
    assert contents(tmp_path / "run") == contents(done)


@pytest.mark.parametrize("damage", ["torn", "flipped", "emptied"])
def test_damaged_part_is_played_again(tmp_path, done, damage):
    begun(tmp_path / "run")
    part = min((tmp_path / "run" / "parts").glob("0000.*.npz"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes({"torn": content[:700], "flipped": content, "emptied": b""}[damage])
    with open_store(scenario(), tmp_path / "run") as store:
        assert store.missing()[0] == ("apart", 0, 16)
    run(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(done)


def test_part_of_another_run_is_not_accepted(tmp_path):
    begun(tmp_path / "run")
    begun(tmp_path / "other", scenario(seed=8))
    for part in (tmp_path / "run" / "parts").glob("*.npz"):
        part.unlink()
    for part in (tmp_path / "other" / "parts").glob("*.npz"):
        part.rename(tmp_path / "run" / "parts" / part.name)
    with pytest.raises(StorageError, match="a part of `apart` of run"):
        run(tmp_path / "run")


def test_done_run_is_not_played_again(tmp_path):
    def never(*given):
        raise AssertionError("played again")

    first = run(tmp_path / "run")
    fake = scenario()
    with open_store(fake, tmp_path / "run") as store:
        again = play_all(fake, store, jobs=1, play=never)
    assert again.measures.identical(first.measures)
    assert again.series.identical(first.series)
    assert again.events.equals(first.events)


@pytest.mark.parametrize("finished", [True, False])
def test_another_run_is_refused_with_what_differs(tmp_path, finished):
    run(tmp_path / "run") if finished else begun(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    edited = scenario(seed=8, resolved={"title": "Fake", "run": {"horizon": 6.0}, "arms": {"apart": {}}})
    with pytest.raises(StorageError) as refused:
        open_store(edited, tmp_path / "run").__enter__()
    assert refused.value.exit_code == 4
    for line in ("seed: 7 -> 8", "run.horizon: 5 -> 6", "arms.shared: {} -> nothing", "--out"):
        assert line in str(refused.value)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_another_version_of_the_code_is_another_run(tmp_path):
    fake = scenario()
    begun(tmp_path / "run", fake)
    with pytest.raises(StorageError, match=r"version: .* -> 0\.0\.1"):
        Store(tmp_path / "run", run_of(fake, "0.0.1")).__enter__()


def test_unfinished_run_of_other_libraries_is_refused(tmp_path, monkeypatch):
    begun(tmp_path / "run")
    installed = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda: installed | {"numpy": "1.0"})
    with pytest.raises(StorageError, match=r"numpy: .* -> 1\.0"):
        open_store(scenario(), tmp_path / "run").__enter__()


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", "parts/notes.txt", "measures.npz"])
def test_foreign_files_are_never_touched(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(StorageError, match=r"not simlab's|not written by simlab"):
        run(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "mine"


def test_foreign_files_beside_a_run_stay(tmp_path):
    begun(tmp_path / "run")
    mine = [tmp_path / "run" / "notes.txt", tmp_path / "run" / "parts" / "notes.txt"]
    for path in mine:
        path.write_text("mine")
    run(tmp_path / "run")
    assert [path.read_text() for path in mine] == ["mine", "mine"]
    assert sorted(path.name for path in mine[1].parent.iterdir()) == ["notes.txt"]


def test_paths_that_cannot_be_a_run_directory(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for path, why in {
        tmp_path / "file": "a file",
        tmp_path / "file" / "below": "a file, not a directory",
        tmp_path / "link": "symbolic link",
        tmp_path / ("x" * 300): "too long",
        "nul\0here": "NUL",
    }.items():
        with pytest.raises(StorageError, match=why):
            run(path)
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.skipif(sys.platform != "linux" or not Path("/sys/kernel").is_dir(), reason="needs /sys")
def test_read_only_place():
    with pytest.raises(StorageError, match="cannot be written"):
        run("/sys/kernel/simlab-run")


def test_second_writer_is_told_busy_within_a_second(tmp_path):
    with open_store(scenario(), tmp_path / "run"):
        began = time.monotonic()
        with pytest.raises(StorageError, match="busy"):
            open_store(scenario(), tmp_path / "run").__enter__()
        assert time.monotonic() - began < 1
    run(tmp_path / "run")


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_full_disk_tears_nothing(tmp_path, done):
    """A limit on the size of files stands for a full disk: the write stops in the middle, with an OSError."""
    begun(tmp_path / "run", cohorts=1)
    fake = scenario()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_store(fake, tmp_path / "run") as store:
        before = sorted((tmp_path / "run").rglob("*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(StorageError, match="no space left"):
                store.keep("apart", play(trials(fake)["apart"], fake.seed, range(16, 32)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert sorted((tmp_path / "run").rglob("*")) == before
        assert store.missing()[0] == ("apart", 16, 40)
    run(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(done)


@pytest.mark.parametrize("name", MERGED)
def test_flipped_byte_is_found(tmp_path, name):
    path = tmp_path / "run"
    run(path)
    content = bytearray((path / name).read_bytes())
    content[len(content) * 2 // 3] ^= 1
    (path / name).write_bytes(content)
    for look in (Record.open, verify, lambda _: run(path)):
        with pytest.raises(StorageError, match=f"{name}.*damaged"):
            look(path)


def test_missing_file_is_found(tmp_path):
    run(tmp_path / "run")
    (tmp_path / "run" / "series.npz").unlink()
    with pytest.raises(StorageError, match=r"series\.npz is missing"):
        Record.open(tmp_path / "run")


def test_unfinished_and_unknown_directories_cannot_be_opened(tmp_path):
    begun(tmp_path / "run")
    with pytest.raises(StorageError, match="not finished"):
        Record.open(tmp_path / "run")
    with pytest.raises(StorageError, match="not a run directory"):
        Record.open(tmp_path)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_pickle_in_a_results_file_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("run")
    run(path)
    with (path / "measures.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, **{"apart/drop": np.array([Trap()], dtype=object)})
    manifest = disk.unseal(path / "manifest.json")
    manifest["files"]["measures.npz"] = disk.digest(path / "measures.npz")
    (path / "manifest.json").write_text(disk.seal(manifest))
    with pytest.raises(StorageError, match="not arrays that simlab wrote"):
        Record.open(path)
    assert not Path("sprung").exists()


def test_manifest_cannot_point_outside(tmp_path):
    run(tmp_path / "run")
    (tmp_path / "secret").write_text("")
    manifest = disk.unseal(tmp_path / "run" / "manifest.json")
    manifest["files"]["../secret"] = disk.digest(tmp_path / "secret")
    (tmp_path / "run" / "manifest.json").write_text(disk.seal(manifest))
    with pytest.raises(StorageError, match="secret is missing"):
        Record.open(tmp_path / "run")


def test_summary_is_stored_replaced_and_checked(tmp_path):
    fake = scenario(replications=4)
    numbers = {"n": 4, "mean": 0.5, "median": float("nan"), "p05": 0.0, "p95": 1.0, "ci95": None}
    summary = {"seed": 7, "arms": {"=cmd|' /C calc'!A0": {"drop": numbers}}, "claims": [{"claim": "it fell"}]}
    with open_store(fake, tmp_path / "run") as store:
        play_all(fake, store, jobs=1, play=play)
        assert store.finish(summary).claims["claim"].tolist() == ["it fell"]
        first = (tmp_path / "run" / "manifest.json").read_bytes()
        store.finish(summary)
        assert (tmp_path / "run" / "manifest.json").read_bytes() == first
    opened = Record.open(tmp_path / "run")
    assert opened.summary["arms"]["=cmd|' /C calc'!A0"]["drop"]["median"] is None
    assert (tmp_path / "run" / "summary.csv").read_text().splitlines() == [
        "control,arm,measure,n,mean,median,p05,p95,ci95_low,ci95_high",
        ",'=cmd|' /C calc'!A0,drop,4,0.5,,0.0,1.0,,",
    ]
    with open_store(fake, tmp_path / "run") as store:
        store.finish(summary | {"claims": []})
    assert Record.open(tmp_path / "run").summary["claims"] == []
    (tmp_path / "run" / "summary.csv").write_text("")
    with pytest.raises(StorageError, match=r"summary\.csv is damaged"):
        Record.open(tmp_path / "run")


def test_wall_clock_facts_live_in_timings_alone(done):
    assert json.loads((done / "timings.json").read_text())["cohort"] == 16
    assert "cohort" not in (done / "manifest.json").read_text()


def test_hash_names_what_decides_the_numbers():
    base = ({"arms": {"a": 1, "b": 2}, "models": [0, 1]}, 7, 40, "1.0")
    assert run_hash(*base) == run_hash({"arms": {"a": 1, "b": 2}, "models": (0, np.int64(1))}, 7, 40, "1.0")
    others = [
        ({"arms": {"b": 2, "a": 1}, "models": [0, 1]}, 7, 40, "1.0"),  # the first arm is the baseline
        ({"arms": {"a": 1, "b": 2}, "models": [0, 1.5]}, 7, 40, "1.0"),
        (base[0], 8, 40, "1.0"),
        (base[0], 7, 41, "1.0"),
        (base[0], 7, 40, "1.1"),
    ]
    hashes = [run_hash(*base), *(run_hash(*other) for other in others)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(name) == 12 for name in hashes)


def test_default_directory_is_confined():
    assert run_directory("../../etc", "abc") == Path("results/_etc/abc")
    assert run_directory("flash_crash", "abc") == Path("results/flash_crash/abc")
    assert run_directory("x", "abc", "here") == Path("here")
