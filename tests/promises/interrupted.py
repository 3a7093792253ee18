"""Ctrl-C at the moments at which simlab imports something: `python -m tests.promises.interrupted EVERY ARGUMENTS...`

One command, as a process of its own each time, in which Ctrl-C comes when it is about to import its first module, its EVERY-th, and so
on, until it ends undisturbed. Prints how many there were; ends with a message when it is not ended by one line and code 130.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from types import ModuleType


class Interrupting:
    """A finder that finds nothing, and sends Ctrl-C at the import with this number."""

    def __init__(self, at: int) -> None:
        self.left = at

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            self.name = name
            os.kill(os.getpid(), signal.SIGINT)


def child(at: int, arguments: list[str], said: int) -> int:
    """The command as a process; returns its exit code."""
    pid = os.fork()
    if pid == 0:
        os.dup2(said, 2)
        os.dup2(said, 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["simlab", *arguments]
        from simlab._door import entry, stopping

        watch = stopping.at_once

        def from_now_on() -> None:
            watch()
            if not any(isinstance(finder, Interrupting) for finder in sys.meta_path):
                sys.meta_path.insert(0, Interrupting(at))  # type: ignore[arg-type]

        stopping.at_once = from_now_on
        entry.main()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    every, arguments, at, told = int(sys.argv[1]), sys.argv[2:], 1, 0
    while True:
        with tempfile.TemporaryFile() as said:
            code = child(at, arguments, said.fileno())
            said.seek(0)
            words = said.read().decode()
        if code == 0:
            break
        if (
            code != 130
            or words.splitlines()[-1:] != ["interrupted; the same command goes on from here"]
            or "Traceback" in words
        ):
            sys.exit(f"Ctrl-C at import {at}: exit code {code}, and it said\n{words}")
        at, told = at + every, told + 1
    print(told)


main()
