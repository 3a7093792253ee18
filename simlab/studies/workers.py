"""Worker processes that die with their parent, and whose death costs only what they were doing.

A pool from the standard library does not do: after one killed worker `multiprocessing.Pool` hangs, and
`ProcessPoolExecutor` fails everything in flight without saying which task killed it. Here each worker has a pipe
of its own, so a death is known at once, by task, and only that worker is replaced.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias, cast, final

from simlab.base.errors import SimlabError

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

Task: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]

_log = logging.getLogger(__name__)  # where nobody listens, a warning goes to stderr, as a plain line
LOOK = 1.0  # s of one wait: a signal that comes just before it begins does not end it
TRIES = 2  # a worker's death costs one retry


class Answer(NamedTuple):
    """What became of a task: its value, or `why` there is none (a traceback, or how its worker died)."""

    value: Any = None
    why: str | None = None
    refused: SimlabError | None = None


def available_cpus() -> int:
    """The CPUs this process may use."""
    if sys.platform == "linux":
        found: int | None = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count()
    return found or 1


def perform(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    """Do one task here, with one BLAS thread: with more, a sum's last bits depend on how many are free."""
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1):
            return Answer(function(*arguments))
    except SimlabError as error:
        return Answer(refused=error)
    except Exception:
        return Answer(why=traceback.format_exc())


def can_travel(task: Task) -> bool:
    """Whether another process can read the task: a world defined in a script or a notebook is played here."""
    try:
        return b"__main__" not in bytes(ForkingPickler.dumps(task))  # what a pipe sends
    except Exception:  # an object may refuse with any error
        return False


@final
class Crew:
    """`size` worker processes; on leaving the `with` block they are killed, whatever they were doing.

    Workers are fresh interpreters that import what they need (a fork of a process with threads may deadlock), and
    they write nothing. Whoever has done one set of tasks does the next. Tasks are pickled to them and answers back; no pickle
    touches the disk.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers.values():
            worker.kill()
        for pipe in list(self._workers):
            self._bury(pipe)

    @property
    def here(self) -> int:
        """How many of them take the memory of this machine: all."""
        return self.size

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers alive now."""
        return [worker.pid for worker in self._workers.values() if worker.pid]

    def do(self, tasks: Iterable[Task]) -> Generator[tuple[int, Answer], None, None]:
        """Do the tasks, at most one at a time for each worker; yields (index, answer) in the order they are done.

        A task is asked for when a worker is free for it, so there may be more than fit into memory. One whose worker dies is
        tried once more on a new worker, then answered with how it died.
        """
        coming = enumerate(tasks)
        again: deque[tuple[int, Task]] = deque()
        deaths: dict[int, int] = {}
        doing: dict[Connection, tuple[int, Task]] = {}
        idle = list(self._workers)  # of tasks before
        for index, task in islice(coming, self.size):
            self._give(idle.pop() if idle else self._hire(), (index, task), doing)
        while doing:
            for pipe in cast("list[Connection]", connection.wait(list(doing), LOOK)):
                index, task = doing.pop(pipe)
                answer: Answer | None = None
                free: Connection | None = pipe
                try:
                    answer = pipe.recv()
                except (EOFError, OSError):
                    how, free = self._bury(pipe), None
                    deaths[index] = deaths.get(index, 0) + 1
                    if deaths[index] < TRIES:
                        again.append((index, task))
                        _log.warning("a worker process died, %s; what it was doing is done once more", how)
                    else:
                        answer = Answer(why=f"its worker process died {TRIES} times, the last time {how}")
                following = again.popleft() if again else next(coming, None)
                if following is not None:
                    self._give(free or self._hire(), following, doing)
                if answer is not None:
                    yield index, answer

    def _give(self, pipe: Connection, task: tuple[int, Task], doing: dict[Connection, tuple[int, Task]]) -> None:
        """Send a task; if the worker is dead, receiving the answer finds that out."""
        doing[pipe] = task
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.send(task[1])

    def _hire(self) -> Connection:
        context = get_context("spawn")
        here, there = context.Pipe()
        worker = context.Process(target=_work, args=(there, os.getpid()), daemon=True)
        with without_main(), without_interrupts():
            worker.start()
            self._workers[here] = worker
        there.close()
        return here

    def _bury(self, pipe: Connection) -> str:
        worker = self._workers.pop(pipe)
        worker.kill()
        worker.join()
        pipe.close()
        code = worker.exitcode or 0
        return f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}"


def _work(pipe: Connection, parent: int) -> None:
    """What a worker does, until its parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    _die_with(parent)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            try:
                function, arguments = pipe.recv()
                answer = perform(function, arguments)
            except (AttributeError, ImportError, TypeError, ValueError):  # this process cannot read the task
                answer = Answer(why=traceback.format_exc())
            pipe.send(answer)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even by SIGKILL; elsewhere the closed pipe ends it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before that call
            os._exit(1)


@contextmanager
def without_main() -> Iterator[None]:
    """Workers need nothing from the script that called us; running it again would demand a `__main__` guard in it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def without_interrupts() -> Iterator[None]:
    """A Ctrl-C that reaches a worker while it starts would print a traceback; ours is delivered a moment later."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # the first process of all starts it, and that lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
