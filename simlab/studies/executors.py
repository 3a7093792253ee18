"""Who plays the cohorts: processes of our own, or any executor of `concurrent.futures`, those of Dask included.

Whoever it is does tasks one by one and hands back an Answer for each; who plays what, where and in which order changes no bit.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, final

from threadpoolctl import threadpool_limits

from simlab.base.errors import ExecutorError, InputError, did_you_mean
from simlab.results.differences import differences
from simlab.results.provenance import code_version, versions
from simlab.studies.workers import LOOK, Answer, Crew, Task, available_cpus, perform

if TYPE_CHECKING:
    from distributed import LocalCluster

LOCAL, DASK = "local", "dask"
NAMES = (LOCAL, DASK, f"{DASK}:ADDRESS")
PATIENCE = 10  # seconds in which a scheduler must answer, and a first worker be there
STARTING = 120  # seconds in which workers of our own must be there, however busy the machine is


class Workers(Protocol):
    """Who does tasks, `size` of them at a time."""

    @property
    def size(self) -> int:
        """How many tasks are under way at a time."""

    @property
    def here(self) -> int:
        """How many of them take the memory of this machine; nobody is started for that."""

    def do(self, tasks: Iterable[Task]) -> Generator[tuple[int, Answer], None, None]:
        """Do the tasks, each asked for when there is room for it; yields (index, answer) in the order they are done."""


Who: TypeAlias = Executor | Workers | str | None


class Place(NamedTuple):
    """An executor, and how many tasks it is given at a time."""

    executor: Executor
    size: int


@final
class Hired:
    """An executor that does tasks for us; it is asked for when the first of them comes."""

    def __init__(self, ask: Callable[[], Place], here: int = 0) -> None:
        self._ask, self.here = ask, here
        self._place: Place | None = None

    @property
    def place(self) -> Place:
        """The executor, which is there from now on."""
        if self._place is None:
            self._place = self._ask()
        return self._place

    @property
    def size(self) -> int:
        """How many tasks are under way at a time."""
        return self.place.size

    def do(self, tasks: Iterable[Task]) -> Generator[tuple[int, Answer], None, None]:
        """Do the tasks; yields (index, answer) in the order they are done.

        A task whose worker died is answered with what its executor says of it. Raises ExecutorError when the executor takes no more,
        since it does not say which task broke it, and InputError where its workers would find other numbers.
        """
        executor, size = self.place
        here = {"simlab": code_version(), **versions()}
        coming = enumerate(tasks)
        doing: dict[Future[Answer], int] = {}

        def send(some: Iterable[tuple[int, Task]]) -> None:
            for index, (function, arguments) in some:
                doing[executor.submit(perform_as, here, function, arguments)] = index

        try:
            with threadpool_limits(1):  # threads share this process, whose limit each would lift when it is done
                send(islice(coming, size))
                while doing:
                    for future in wait(doing, LOOK, FIRST_COMPLETED).done:
                        index, answer = doing.pop(future), _answer(future)
                        send(islice(coming, 1))
                        yield index, answer
        except (BrokenExecutor, CancelledError) as error:
            raise ExecutorError(
                f"the executor broke ({': '.join(filter(None, (type(error).__name__, str(error))))}); "
                "the same command goes on from here"
            ) from error
        finally:
            for future in doing:
                future.cancel()


def _answer(future: Future[Answer]) -> Answer:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        raise
    except Exception as error:
        return Answer(why=f"its worker did not answer: {type(error).__name__}: {error}")


def perform_as(asked: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    """Do one task wherever this is, if the code and the libraries are those that were `asked` for, else refuse it."""
    here = {"simlab": code_version(), **versions()}
    if here != asked:
        told = "\n".join(differences(here, asked))
        return Answer(
            refused=InputError(f"a worker has other versions, whose bits may differ (there -> here):\n{told}")
        )
    return perform(function, arguments)


@contextmanager
def workers(who: Who = None, jobs: int | None = None) -> Iterator[Workers]:
    """Those who play: `jobs` processes, by default one a CPU, or whoever `who` names; what was started here is ended with the block.

    `who` is None or "local" (processes of our own), "dask" (a cluster on this machine), "dask:ADDRESS" (a scheduler's), an executor,
    which gets `jobs` tasks at a time, or the workers that an outer block yielded. Nothing is started before there is something to do.
    Raises InputError for a name that is none, or that needs a package which is not there.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs must be at least 1, not {jobs}")
    if isinstance(who, Executor):
        place = Place(who, jobs or available_cpus())
        here = isinstance(who, ThreadPoolExecutor | ProcessPoolExecutor)  # elsewhere there may be more memory, or less
        yield Hired(lambda: place, place.size if here else 0)
    elif who is None or who == LOCAL:
        with Crew(jobs or available_cpus()) as crew:
            yield crew
    elif isinstance(who, str):
        kind, colon, address = who.partition(":")
        if kind != DASK or (colon and not address):
            raise InputError(f"unknown executor `{who}`; {did_you_mean(kind, NAMES)}")
        if colon and not re.fullmatch(r"\S+:\d+", address):
            raise InputError(
                f"executor `{who}`: `{address}` is no address of a scheduler; expected e.g. dask:tcp://127.0.0.1:8786"
            )
        if find_spec("distributed") is None:
            raise InputError(
                f"executor `{who}` needs the package distributed: {sys.executable} -m pip install distributed"
            )
        with ExitStack() as ends:
            yield Hired(lambda: ends.enter_context(_dask(address, jobs)), 0 if address else jobs or available_cpus())
    else:
        yield who


@contextmanager
def _dask(address: str, jobs: int | None) -> Iterator[Place]:
    """A Dask cluster: the one whose scheduler has that address, or else one of our own on this machine."""
    import logging

    from distributed import Client, LocalCluster

    from simlab.studies.workers import without_interrupts, without_main

    log = logging.getLogger("distributed.client")  # what it says of a scheduler that is gone, we say in a line
    with ExitStack() as ends:
        ends.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        if not address:
            jobs = jobs or available_cpus()
            with without_interrupts():  # its threads and workers inherit that: the parent decides when to stop
                cluster = LocalCluster(
                    n_workers=0,
                    threads_per_worker=1,
                    memory_limit=0,  # no spilling: tasks answer once, and a plan is held against the memory beforehand
                    dashboard_address="127.0.0.1:0",  # no port that another cluster has taken, and none that others reach
                    silence_logs=logging.CRITICAL,
                    scheduler_kwargs={"allowed_failures": 1, "dashboard": False},  # one retry, as with our own
                )
                ends.push(partial(_end, cluster))
        try:
            client = ends.enter_context(Client(address or cluster, timeout=PATIENCE))
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"executor `{DASK}:{address}`: no scheduler answers there ({error}); start one with `dask scheduler`, "
                f"which says its address, and workers with `dask worker {address}`, or leave `--executor` out"
            ) from None
        if not address:
            with without_main():
                cluster.scale(jobs)
                client.wait_for_workers(jobs, timeout=STARTING)
        else:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise InputError(
                    f"executor `{DASK}:{address}`: no worker has joined in {PATIENCE} s; start some with `dask worker {address}`"
                ) from None
        yield Place(client.get_executor(), jobs or max(sum(client.nthreads().values()), 1))


def _end(cluster: LocalCluster, kind: type[BaseException] | None, *_: object) -> None:
    """End a cluster of our own; after an error or an interrupt at once, where its workers would finish what they do first."""
    nannies = list(cluster._created) if kind else []  # those that are still starting, too
    for nanny in nannies:
        nanny.close_gracefully()  # which only means that nobody takes its place
    deadline = time.monotonic() + 1
    while any(nanny.pid is None for nanny in nannies) and time.monotonic() < deadline:
        time.sleep(0.01)
    for nanny in nannies:
        with suppress(ProcessLookupError, TypeError):  # it has died already
            if sys.platform == "win32":
                os.kill(nanny.pid, signal.SIGTERM)  # which ends a process there and then
            else:
                os.kill(nanny.pid, signal.SIGKILL)
    cluster.close()
