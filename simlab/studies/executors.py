"""Who plays the cohorts: processes of our own, or any executor of `concurrent.futures`, those of Dask included.

Whoever it is does tasks one by one and hands back an Answer for each; who plays what, where and in which order changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias, final

from threadpoolctl import threadpool_limits

from simlab.base.errors import ExecutorError, InputError, did_you_mean
from simlab.results.differences import differences
from simlab.results.provenance import code_version, versions
from simlab.studies.workers import Answer, Crew, Task, available_cpus, perform

LOCAL, DASK = "local", "dask"
NAMES = (LOCAL, DASK, f"{DASK}:ADDRESS")
PATIENCE = 10  # seconds in which a scheduler must answer, and a first worker be there


class Workers(Protocol):
    """Who does tasks, `size` of them at a time."""

    @property
    def size(self) -> int:
        """How many tasks are under way at a time."""

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

    def __init__(self, ask: Callable[[], Place]) -> None:
        self._ask = ask
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
                    for future in wait(doing, return_when=FIRST_COMPLETED).done:
                        index, answer = doing.pop(future), _answer(future)
                        send(islice(coming, 1))
                        yield index, answer
        except (BrokenExecutor, CancelledError) as error:
            raise ExecutorError(
                f"the executor broke ({type(error).__name__}: {error}); the same command goes on from here"
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
        yield Hired(lambda: place)
    elif who is None or who == LOCAL:
        with Crew(jobs or available_cpus()) as crew:
            yield crew
    elif isinstance(who, str):
        kind, colon, address = who.partition(":")
        if kind != DASK or (colon and not address):
            raise InputError(f"unknown executor `{who}`; {did_you_mean(kind, NAMES)}")
        if find_spec("distributed") is None:
            raise InputError(f"executor `{who}` needs the package distributed: pip install 'simlab[cluster]'")
        with ExitStack() as ends:
            yield Hired(lambda: ends.enter_context(_dask(address, jobs)))
    else:
        yield who


@contextmanager
def _dask(address: str, jobs: int | None) -> Iterator[Place]:
    """A Dask cluster: the one whose scheduler has that address, or else one of our own on this machine."""
    import logging

    from distributed import Client, LocalCluster

    from simlab.studies.workers import without_main

    with ExitStack() as ends:
        if not address:
            jobs = jobs or available_cpus()
            with without_main():
                cluster = LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=0,  # no spilling: tasks answer once, and a plan is held against the memory beforehand
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    scheduler_kwargs={"allowed_failures": 1},  # one retry, as with our own
                )
            ends.enter_context(cluster)
        try:
            client = ends.enter_context(Client(address or cluster, timeout=PATIENCE))
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(f"executor `{DASK}:{address}`: no scheduler answers there ({error})") from None
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise InputError(
                f"executor `{DASK}:{address}`: no worker has joined in {PATIENCE} s; start some with `dask worker {address}`"
            ) from None
        yield Place(client.get_executor(), jobs or max(sum(client.nthreads().values()), 1))
