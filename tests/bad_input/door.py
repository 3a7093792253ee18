"""Knocking at the door: a command as a user gives it, in this process, and what it answers."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from simlab.__main__ import main

GOOD = """\
schema: 1
title: A small run
story: Four traders and a minute.
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
run: {replications: 2, horizon: 1 min, seed: 7}
harm: {measure: drawdown, above: 0.03}
arms:
  isolated: {topology: isolated}
  shared: {topology: shared}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
"""


class Answer(NamedTuple):
    """Exit code, both streams, and the seconds of CPU that it took."""

    code: int
    out: str
    err: str
    seconds: float


def knock(folder: Path, *arguments: str, stdin: str = "") -> Answer:
    """`simlab ARGUMENTS` in `folder`; a traceback of the command would be one of the test."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    began = time.process_time()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", io.StringIO(stdin)):
        with mock.patch.object(sys, "argv", ["simlab", *arguments]):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
    return Answer(int(code or 0), out.getvalue(), err.getvalue(), time.process_time() - began)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, by name; links are not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }
