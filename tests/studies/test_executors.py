"""Whoever plays the cohorts, the bytes are the same, and a worker's death costs what it was doing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from simlab.base.errors import ExecutorError, InputError
from simlab.results.record import Record
from simlab.studies import executors
from simlab.studies.executors import Hired, Place, Workers, perform_as, workers
from simlab.studies.runner import play_all
from simlab.studies.workers import Crew
from tests.promises.family import needs_dask, posix
from tests.studies.fakes import contents, open_store, play, scenario


def run(path: Path, who: object, fault: str = "", mark: object = "", **options: object) -> Record:
    fake = scenario(fault, mark)
    with open_store(fake, path) as store:
        return play_all(fake, store, executor=who, cohort=8, play=play, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "run"
    run(path, None, jobs=1)
    return contents(path)


@pytest.fixture(scope="module")
def dask() -> Iterator[Workers]:
    with workers("dask", 2) as crew:
        yield crew


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


def test_threads_change_no_bit_and_share_one_blas_thread(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(3) as pool:
        run(tmp_path / "plain", pool, jobs=3)
        counted = run(tmp_path / "counted", pool, "count threads", jobs=3)
    assert contents(tmp_path / "plain") == whole
    assert counted.cells["shared"].failed.keys() == {5, 21, 37}


def test_an_executor_gets_so_many_tasks_at_a_time_and_the_next_when_one_is_done() -> None:
    under_way: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        hired = Hired(lambda: Place(pool, 3))
        given = iter(range(20))

        def tasks() -> Iterator[tuple[object, tuple[int]]]:
            for i in given:
                under_way.append(i - len(answers))
                yield abs, (-i,)

        answers: dict[int, object] = {}
        for index, answer in hired.do(tasks()):
            answers[index] = answer.value
    assert answers == {i: i for i in range(20)}
    assert max(under_way) <= 3


@pytest.mark.parametrize(
    ("who", "here"),
    [
        (None, 2),
        ("local", 2),
        pytest.param("dask", 2, marks=needs_dask),
        pytest.param("dask:tcp://127.0.0.1:9", 0, marks=needs_dask),
    ],
)
def test_whose_memory_they_take_is_known_before_anybody_is_started(who: str | None, here: int) -> None:
    with workers(who, 2) as crew:
        assert crew.here == here
    with ThreadPoolExecutor(1) as pool, workers(pool, 3) as crew:
        assert crew.here == 3
    with workers(Unknown()) as crew:
        assert crew.here == 0


class Unknown(Executor):
    """Somebody's executor: it may be anywhere."""


@posix
def test_a_pool_that_breaks_ends_the_run_which_goes_on_elsewhere(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """`ProcessPoolExecutor` does not say whose worker died, so nobody is blamed, and nothing that was finished is lost."""
    with processes() as pool, pytest.raises(ExecutorError, match="the same command goes on from here") as said:
        run(tmp_path / "run", pool, "die once", tmp_path / "mark", jobs=2)
    assert said.value.exit_code == 3
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert list((tmp_path / "run" / "parts").glob("0000.*.npz"))
    run(tmp_path / "run", None, "die once", tmp_path / "mark", jobs=1)
    assert contents(tmp_path / "run") == whole


@needs_dask
def test_a_cluster_of_our_own_is_reached_from_this_machine_alone(dask: Workers) -> None:
    """And by a port that nobody else has: another may be there."""
    scheduler = dask.place.executor._client.cluster.scheduler
    (place,) = {socket.getsockname() for socket in scheduler.http_server._sockets.values()}
    assert place[0] == "127.0.0.1"
    assert place[1] != 8787
    assert scheduler.address.startswith("tcp://127.0.0.1:")


@needs_dask
def test_dask_changes_no_bit(tmp_path: Path, whole: dict[str, bytes], dask: Workers) -> None:
    run(tmp_path / "run", dask)
    assert contents(tmp_path / "run") == whole


@needs_dask
@posix
def test_a_cohort_that_kills_its_dask_worker_is_failed_and_the_rest_go_on(tmp_path: Path, dask: Workers) -> None:
    failed = run(tmp_path / "run", dask, "die", tmp_path / "mark").cells["shared"].failed
    assert (tmp_path / "mark").read_text() == "died\n" * 2  # one retry
    assert [n for n in failed if n not in (5, 21, 37)] == list(range(8, 16))
    assert "KilledWorker" in failed[9]


@needs_dask
def test_a_scheduler_that_is_not_there_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    with pytest.raises(InputError, match=r"dask:tcp://127\.0\.0\.1:9`: no scheduler answers there"):
        run(tmp_path / "run", "dask:tcp://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


def test_a_worker_with_other_versions_refuses() -> None:
    answer = perform_as({"simlab": "0.0.0+00000000"}, abs, (-1,))
    assert answer.value is None
    assert answer.refused is not None
    assert "other versions" in str(answer.refused)
    assert "0.0.0+00000000" in str(answer.refused)


@pytest.mark.parametrize("name", ["daks", "dask:", "threads", "Local", ""])
def test_unknown_executors_are_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match="unknown executor") as said, workers(name):
        pass
    assert said.value.exit_code == 2
    assert "dask" in str(said.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://127.0.0.1", "nonsense://x:y"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(InputError, match="is no address of a scheduler"), workers(f"dask:{address}"):
        pass


def test_without_the_extra_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="-m pip install distributed"), workers("dask"):
        pass


def test_nobody_is_started_where_nothing_is_left_to_play(tmp_path: Path) -> None:
    run(tmp_path / "run", None, jobs=1)

    def ask() -> Place:
        raise AssertionError("nothing is left to play")

    assert run(tmp_path / "run", Hired(ask)).replications == 40


@posix
def test_one_crew_serves_several_runs(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with Crew(2) as crew:
        run(tmp_path / "one", crew)
        before = sorted(crew.pids)
        run(tmp_path / "two", crew)
        assert sorted(crew.pids) == before
        os.kill(before[0], signal.SIGKILL)  # between two runs
        run(tmp_path / "three", crew)
    assert all(contents(tmp_path / name) == whole for name in ("one", "two", "three"))
