"""How far a run is, live in a notebook. IPython is asked only where a notebook has loaded it already."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any, final

from simlab.studies.runner import Progress

EVERY = 0.2  # seconds between two pictures


def bar(name: str) -> Callable[[Progress], None] | None:
    """What shows the progress of a run below the cell that began it; None outside notebooks, where nothing is shown."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":  # a terminal, or no shell at all
        return None
    return _Bar(name, import_module("IPython.display").display)


@final
class _Bar:
    """A bar that is drawn when playing begins and becomes a line of text when it is done."""

    def __init__(self, name: str, display: Callable[..., Any]) -> None:
        self._name, self._display = name, display
        self._handle: Any = None
        self._drawn = 0.0

    def __call__(self, progress: Progress) -> None:
        now, whole = time.monotonic(), progress.done >= progress.total
        if self._handle is not None and not whole and now - self._drawn < EVERY:
            return
        self._drawn = now
        shown = {"text/plain": in_words(self._name, progress), "text/html": in_html(self._name, progress)}
        if self._handle is None:
            self._handle = self._display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def in_words(name: str, progress: Progress) -> str:
    """How far it is, how long it took, and while it goes on how long it will take."""
    said = f"{name}: {progress.done:,} of {progress.total:,} replications, {progress.seconds:.1f} s"
    if not 0 < progress.done < progress.total or progress.seconds <= 0:
        return said
    left = progress.seconds * (progress.total - progress.done) / progress.done
    return f"{said}, {left:.0f} s to go ({progress.cell})"


def in_html(name: str, progress: Progress) -> str:
    """The same with a bar."""
    said = f'<small style="font-family: monospace">{escape(in_words(name, progress))}</small>'
    if progress.done >= progress.total:
        return said
    return f'<progress value="{progress.done}" max="{progress.total}" style="width: 14em"></progress> {said}'
