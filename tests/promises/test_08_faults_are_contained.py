"""Promise 8, faults are contained: a dead worker, a full disk, a second writer or a damaged file costs what it must, and no more."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simlab.__main__ import cli
from simlab.base.errors import StorageError
from simlab.results import disk, sweeps
from simlab.results.checks import check
from simlab.results.record import Record, verify
from simlab.studies.runner import trials
from tests.promises.family import posix, within
from tests.studies.fakes import MERGED, begun, contents, open_store, play, run, scenario
from tests.studies.market import YAML
from tests.test_cli import simlab


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An undisturbed run, to compare with."""
    path = tmp_path_factory.mktemp("done") / "run"
    run(path)
    return path


@pytest.fixture
def whole(done):
    """Its bytes."""
    return contents(done)


def flip(file, at):
    """One bit of a file, at a share of its length, or at a byte."""
    content = bytearray(file.read_bytes())
    content[at if isinstance(at, int) else int(at * len(content))] ^= 1
    file.write_bytes(content)


@posix
def test_worker_that_dies_once_costs_a_retry_and_no_bit(tmp_path, whole):
    run(tmp_path / "run", "die once", tmp_path / "mark", jobs=2)
    assert (tmp_path / "mark").exists()
    assert contents(tmp_path / "run") == whole


@posix
def test_cohort_that_kills_its_worker_is_failed_and_the_rest_go_on(tmp_path, whole):
    record = run(tmp_path / "run", "die", tmp_path / "mark", jobs=2)
    assert (tmp_path / "mark").read_text() == "died\n" * 2  # one retry
    failed = record.cells["shared"].failed
    assert [n for n in failed if n not in (5, 21, 37)] == list(range(8, 16))
    assert "SIGKILL" in failed[9]
    assert np.isnan(record.measures["loss"].sel(arm="shared")[8:16]).all()
    assert np.isfinite(record.measures["loss"].sel(arm="shared")[16:20]).all()
    assert record.cells["apart"].failed.keys() == {5, 21, 37}
    assert Record.open(tmp_path / "run").cells["shared"].failed == failed

    again = []  # the same command tries what was lost, and only that
    run(tmp_path / "run", progress=again.append)
    assert [step.done for step in again] == [112, 120]
    assert contents(tmp_path / "run") == whole
    assert not (tmp_path / "run" / "parts").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_cohort_that_raises_is_failed_with_its_traceback(tmp_path, jobs):
    record = run(tmp_path / "run", "raise", jobs=jobs)
    assert "RuntimeError: out of luck" in record.cells["shared"].failed[12]
    assert record.cells["apart"].failed.keys() == {5, 21, 37}


DEADLY = """\
import os, resource, signal
from dataclasses import dataclass
from typing import Annotated, final
import numpy as np
from simlab.base.par import Par
from simlab.brains.brain import Brain

@final
@dataclass(frozen=True)
class Deadly(Brain):
    answers = frozenset({"number"})
    how: Annotated[int, Par("1", "0 lives, 1 is killed in replication 9, 2 has no memory there", low=0)] = 0

    def start(self, r, b, p, spec, luck): return None
    def witness(self, mind, x, action, feedback, then): return None

    def predict(self, mind, x, luck):
        if 9 in luck._streams.numbers:
            if self.how == 1:
                os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
            if self.how == 2:
                used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
                before = resource.getrlimit(resource.RLIMIT_AS)
                resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, before[1]))
                try:
                    np.ones(2**26)
                finally:
                    resource.setrlimit(resource.RLIMIT_AS, before)
        return np.zeros(x.shape[:3])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_killed_and_out_of_memory_cost_their_replications_and_are_explained(tmp_path):
    """The real command: a killed worker loses its cohort after a retry; who has no memory for a cohort plays it one by one."""
    (tmp_path / "deadly.py").write_text(DEADLY)
    arms = "\n  killed: {topology: shared, brain: {deadly: {how: 1}}}\n  starved: {topology: shared, brain: {deadly: {how: 2}}}\n"
    text = (
        YAML[: YAML.index("\n  shared:")]
        + arms
        + "controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        text.replace("{ridge: {}}", "{deadly: {}}").replace("horizon: 15 s", "horizon: 1 s")
    )
    said = simlab("run", "mine.yaml", "--plugin", "deadly.py", "--jobs", "2", "--out", "run", cwd=tmp_path)
    assert said.returncode == 3, said.stderr
    assert "Traceback" not in said.stderr
    record = Record.open(tmp_path / "run")
    assert not record.cells["isolated"].failed
    assert np.isfinite(record.cells["isolated"].measures["drawdown"]).all()
    assert list(record.cells["starved"].failed) == [9]
    assert "MemoryError" in record.cells["starved"].failed[9]
    killed = record.cells["killed"].failed
    assert 9 in killed
    assert "died 2 times, the last time by signal 9 (SIGKILL)" in killed[9]
    assert "(killed, feedback_off:killed, no_stressor:killed): its worker process died 2 times" in said.stdout
    assert "run/failed.json" in said.stdout
    assert (tmp_path / "run" / "parts").is_dir()  # so that the same command tries again what was lost, and only that


@contextmanager
def full_after(writes):
    """No space is left at the write with this number, and at every later one."""
    count, fsync = iter(range(10_000)), os.fsync

    def full(file):
        if next(count) >= writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


@pytest.mark.parametrize("writes", range(0, 21, 4))
def test_disk_that_is_full_at_any_write_tears_nothing(tmp_path, whole, writes):
    path = tmp_path / "run"
    with full_after(writes), pytest.raises(StorageError, match="no space left; free some") as told:
        run(path)
    assert told.value.exit_code == 4
    assert not list(path.rglob("*.tmp"))
    if (path / "parts" / "run.json").exists():
        assert [one.wrong for one in check(path)] == [()]
    run(path)
    assert contents(path) == whole


@contextmanager
def mounted(path, options):
    """A small disk of our own; skips where that is not allowed."""
    path.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip("cannot mount a disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_real_disk_that_is_full_then_has_room_then_is_read_only(tmp_path, whole):
    place = tmp_path / "disk"
    with mounted(place, "size=48k"):
        with pytest.raises(StorageError, match="no space left; free some"):
            run(place / "run")
        kept = len(list(place.glob("run/parts/*.npz")))
        assert kept > 0
        subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
        steps = []
        run(place / "run", progress=steps.append)
        assert steps[0].done == 8 * kept  # what was finished is kept
        assert contents(place / "run") == whole
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        for path in ("run", "other"):
            with pytest.raises(StorageError, match=r"cannot be written \(read-only"):
                run(place / path)


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


@pytest.mark.skipif(sys.platform != "linux" or not Path("/sys/kernel").is_dir(), reason="needs /sys")
def test_read_only_place():
    with pytest.raises(StorageError, match="cannot be written"):
        run("/sys/kernel/simlab-run")


def test_second_writer_is_told_busy_within_a_second(tmp_path):
    with open_store(scenario(), tmp_path / "run"):
        began = time.monotonic()
        with pytest.raises(StorageError, match="busy"):
            open_store(scenario(), tmp_path / "run").__enter__()
        assert within(1, began)
    run(tmp_path / "run")


def test_second_writer_of_a_sweep_is_told_busy_within_a_second(tmp_path):
    with sweeps.held(tmp_path / "sweep", {"a": 1}):
        began = time.monotonic()
        with pytest.raises(StorageError, match="busy"), sweeps.held(tmp_path / "sweep", {"a": 1}):
            pass
        assert within(1, began)
    with sweeps.held(tmp_path / "sweep", {"a": 1}):
        pass


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


@pytest.mark.parametrize("name", [name for name in MERGED if name != "manifest.json"])
def test_damaged_or_missing_file_is_found_and_mended_by_the_same_command(tmp_path, whole, name, caplog):
    path = tmp_path / "run"
    for damage in (lambda file: flip(file, 0.6), lambda file: file.write_bytes(b""), Path.unlink):
        run(path)
        damage(path / name)
        for look in (Record.open, verify):
            with pytest.raises(
                StorageError, match=rf"{name} is (damaged|missing).*given again, plays what can no longer"
            ):
                look(path)
        run(path)
        assert contents(path) == whole
        assert f"{path / name} is" in caplog.text
        assert not (path / "parts").exists()


@pytest.mark.parametrize("name", ["measures.npz", "series.npz"])
def test_bit_that_flips_anywhere_in_the_arrays_is_mended_to_the_same_bytes(tmp_path, whole, name):
    """In arrays, their headers, and the archive's directory: what its own checksums cannot vouch for is played again."""
    path = tmp_path / "run"
    run(path, cohort=40)
    size = (path / name).stat().st_size
    for at in [*range(0, size, size // 8), *range(size - 400, size, 97), size - 12, size - 4]:
        flip(path / name, at)
        run(path, cohort=40)
        assert contents(path) == whole, at


def test_only_the_damaged_arm_is_played_again(tmp_path, done):
    path = tmp_path / "run"
    run(path)
    flip(path / "series.npz", (path / "series.npz").read_bytes().index(b"shared/drop") + 300)
    steps = []
    run(path, progress=steps.append)
    assert [step.done for step in steps] == [80, 88, 96, 104, 112, 120]
    assert {step.cell for step in steps} == {"shared"}
    assert contents(path) == contents(done)


def test_damaged_manifest_is_written_again_by_the_same_command(tmp_path, whole, caplog):
    """Its seal covers the checksums of all other files, so what can be written again is what was there; no step is played."""
    path = tmp_path / "run"
    run(path)
    size = (path / "manifest.json").stat().st_size
    text = (path / "manifest.json").read_bytes()
    for at in [*range(0, size, size // 12), text.index(b'"replications"') + 17, text.index(b'"check"') + 12, size - 2]:
        flip(path / "manifest.json", at)
        for look in (Record.open, verify):
            with pytest.raises(
                StorageError, match=r"manifest\.json: damaged.*report\.html.*given again with --out .*, writes it anew"
            ):
                look(path)
        steps = []
        run(path, progress=steps.append)
        assert not steps
        assert contents(path) == whole, at
    assert "manifest.json: damaged, or not written by simlab; written again, and nothing played" in caplog.text


def test_manifest_that_nothing_vouches_for_is_not_written_again(tmp_path):
    """Where another file is damaged too, or the numbers are of other libraries, or another run's."""
    path = tmp_path / "run"
    run(path)
    sealed = (path / "manifest.json").read_bytes()
    flip(path / "manifest.json", 0.5)
    flip(path / "measures.npz", 0.5)
    before = contents(path)
    with pytest.raises(StorageError, match=r"manifest\.json: damaged.*move its folder away.*begins anew"):
        run(path)
    flip(path / "measures.npz", 0.5)
    manifest = json.loads(sealed)
    manifest["versions"]["numpy"] = "1.0"
    del manifest["check"]
    (path / "manifest.json").write_text(disk.seal(manifest))
    flip(path / "manifest.json", 0.5)
    with pytest.raises(StorageError, match="begins anew"):
        run(path)
    assert contents(path).keys() == before.keys()


def test_damaged_manifest_of_a_run_with_losses_is_merged_again(tmp_path, whole):
    """The parts are still there, and say as much."""
    path = tmp_path / "run"
    run(path, "raise", jobs=1)
    flip(path / "manifest.json", 0.5)
    again = []
    run(path, progress=again.append)
    assert [step.done for step in again] == [112, 120]
    assert contents(path) == whole


def test_damaged_manifest_stays_where_another_run_is_refused(tmp_path):
    """Nothing of a run goes by a command that is not its own."""
    path = tmp_path / "run"
    run(path, "raise", jobs=1)
    flip(path / "manifest.json", 0.5)
    before = contents(path)
    with pytest.raises(StorageError, match="holds another run"), open_store(replace(scenario(), seed=8), path):
        pass
    assert contents(path) == before


def test_run_of_other_libraries_is_not_mended(tmp_path):
    path = tmp_path / "run"
    run(path)
    manifest = disk.unseal(path / "manifest.json")
    manifest["versions"]["numpy"] = "1.0"
    (path / "manifest.json").write_text(disk.seal(manifest))
    flip(path / "series.npz", 0.5)
    before = contents(path)
    with pytest.raises(StorageError, match=r"series\.npz is damaged(.|\n)*numpy: 1\.0 -> (.|\n)*anew with --out"):
        run(path)
    assert contents(path) == before


def verified(*paths):
    """Exit code and words of `simlab verify`."""
    found = CliRunner().invoke(cli, ["verify", *map(str, paths)], standalone_mode=False)
    assert found.exception is None
    return found.return_value or 0, found.output


def test_verify_names_what_is_damaged_and_what_mends_it(tmp_path, done):
    code, said = verified(done)
    assert code == 0
    assert "sound; a run; 5 files" in said
    assert "the report, its figures and timings have none: the command that made them makes them anew" in said
    begun(tmp_path / "begun")
    code, said = verified(tmp_path / "begun")
    assert code == 0
    assert "not finished (the command that began it resumes it); 3 files" in said
    run(tmp_path / "run")
    flip(tmp_path / "run" / "events.jsonl", 0.5)
    flip(min((tmp_path / "begun" / "parts").glob("*.npz")), 0.5)
    code, said = verified(tmp_path / "run", tmp_path / "begun", done)
    assert code == 4
    assert "run/events.jsonl is damaged: its checksum does not match\n" in said
    assert "its name no longer fits what it holds\n" in said
    assert said.count("the command that made it, given again, plays what can no longer be read\n") == 2
    assert f"{done}: sound" in said
    flip(tmp_path / "run" / "manifest.json", 0.5)
    said = verified(tmp_path / "run")[1]
    assert "cannot tell what" in said
    assert "writes it anew where all else is whole" in said
    assert verified(tmp_path / "nowhere") == (4, f"{tmp_path / 'nowhere'}: no such directory\n")
    assert verified(tmp_path)[0] == 4


def test_verify_looks_into_a_run_at_its_studies_and_into_a_sweep_at_its_points(tmp_path):
    (tmp_path / "mine.yaml").write_text(YAML)
    arguments = [
        "sweep",
        "mine.yaml",
        "world.flash_crash.limit=70,80",
        "--arms",
        "isolated,shared",
        "--replications",
        "2",
    ]
    run(tmp_path / "run")
    sweep = tmp_path / "run" / "studies" / "limits"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        again = [*arguments, "--jobs", "1", "--quiet", "--out", str(sweep)]
        CliRunner().invoke(cli, again, standalone_mode=False, catch_exceptions=False)
        code, said = verified(tmp_path / "run")
        assert code == 0
        assert "a run with 1 study and 2 points" in said
        point = min(sweep.glob("*/measures.npz"))
        flip(point, 0.3)
        flip(sweep / "sweep.csv", 0.3)
        code, said = verified(tmp_path / "run")
        assert code == 4
        assert f"{point} is damaged" in said
        assert f"{sweep / 'sweep.csv'} is damaged" in said
        CliRunner().invoke(cli, again, standalone_mode=False, catch_exceptions=False)
    assert verified(tmp_path / "run")[0] == 0
