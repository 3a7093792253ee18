"""Commands as processes, with every process that they start, recognised by a mark in their environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARK = "SIMLAB_TEST"
START = 0.11  # seconds in which a Python with NumPy starts, where nobody else asks for the machine
PATIENCE = 120.0  # seconds after which what has not begun never will
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra `cluster`")


def environment(mark: str = "") -> dict[str, str]:
    """That of a process which imports this checkout, with one BLAS thread, so that it may fork."""
    return os.environ | {MARK: mark or uuid.uuid4().hex, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def members(mark: str, besides: int = 0, seconds: float = 20) -> list[int]:
    """The processes with this mark that are still there after so many seconds."""
    found: list[int] = []
    wait_until(lambda: not found_now(mark, besides, found), seconds)
    return found


def found_now(mark: str, besides: int, found: list[int]) -> list[int]:
    """The processes with this mark now, also left in `found`."""
    found.clear()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != besides:
            try:
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler on this machine and its workers, one thread each: its address, and their processes, itself first."""
    place, dask = folder / "scheduler.json", [sys.executable, "-m", "dask"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]]
    commands += [
        ["worker", "--scheduler-file", str(place), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    ] * workers
    begun = []
    with (folder / "dask.said").open("wb") as said:
        try:
            for command in commands:
                one = subprocess.Popen([*dask, *command], cwd=folder, env=environment(), stdout=said, stderr=said)
                begun.append(one)  # one by one, so that whoever was begun is ended
            assert wait_until(lambda: _address(place)), (folder / "dask.said").read_text()
            yield _address(place), begun
        finally:
            for process in begun:
                process.kill()
            for process in begun:
                process.wait()


def _address(place: Path) -> str:
    """What a scheduler's file says, or "" while it is not whole: it is there before it is written."""
    try:
        return str(json.loads(place.read_text())["address"])
    except (FileNotFoundError, ValueError):
        return ""


class Family:
    """`python -m MODULE ARGUMENTS` as a process, in a session of its own."""

    def __init__(self, module: str, *arguments: object, cwd: Path = ROOT, **more: str) -> None:
        self.mark = uuid.uuid4().hex
        command = [sys.executable, "-m", module, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(self.mark) | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def members(self) -> list[int]:
        return members(self.mark, seconds=0)

    def is_gone(self) -> bool:
        return not members(self.mark)

    def end(self, seconds: float = PATIENCE) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=seconds)
        return self.process.returncode, said


def within(seconds: float, began: float) -> bool:
    """Whether no more than so many seconds went by since `began`; where others use the machine too, seconds are as long as a start."""
    took, again = time.monotonic() - began, time.monotonic()
    if took < seconds:
        return True
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return took < seconds * (time.monotonic() - again) / START


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether it becomes true within so many seconds; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True
