"""Ctrl-C: once ends what is going on and everything finished is kept; twice ends at once."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import final

CODE = 128 + signal.SIGINT  # what a shell shows for a program that Ctrl-C ended
SAYS = "interrupted; the same command goes on from here"
_SHOW_CURSOR = "\x1b[?25h"


@final
class Interrupted(KeyboardInterrupt):
    """Ctrl-C. A plain KeyboardInterrupt that passes through an `exec` makes Python end by the signal and not with our exit code."""


def at_once() -> None:
    """From here on Ctrl-C says so and ends the process: nothing is begun yet, or nothing is left to do.

    This and `watch` are for the door, in the main thread. Where Ctrl-C is ignored, as in a shell's background job, it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _first):
        signal.signal(signal.SIGINT, _idle)


def at_last() -> None:
    """From here on Ctrl-C is not heard. As it ends, Python hands signals back to the system, where one more would decide the exit code."""
    if signal.getsignal(signal.SIGINT) in (_idle, _first, _again):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def watch() -> None:
    """From here on Ctrl-C raises Interrupted; the next one ends the process, whatever it is cleaning up."""
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _idle):
        signal.signal(signal.SIGINT, _first)


def _idle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    with suppress(OSError, ValueError, AttributeError):  # nobody reads
        os.write(sys.stderr.fileno(), f"\n{SAYS}\n".encode())
    os._exit(CODE)


def _first(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    signal.signal(number, _again)
    raise Interrupted


def _again(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Nothing is left to be lost: locks go with the process, workers notice, and the next command sweeps what is half-written."""
    with suppress(Exception):  # a progress bar hides the cursor
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(CODE)
