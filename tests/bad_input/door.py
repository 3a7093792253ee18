"""Knocking at the door: a command as a user gives it, in this process, and what is asked of every refusal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from simlab.__main__ import main

QUICK = 2.0  # seconds of CPU in which a refusal is told: a second here, imports and all, with room for a slow machine
ROOT = Path(__file__).parents[2]

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
    """`simlab ARGUMENTS` in `folder`; what the command would show as a traceback is raised here."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    began = time.process_time()
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch.object(sys, "argv", ["simlab", *arguments]),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Answer(int(str(code or 0)), out.getvalue(), err.getvalue(), time.process_time() - began)


def refused(folder: Path, *arguments: str, code: int = 2, stdin: str = "", most: float = QUICK) -> str:
    """What a refusal says: a few lines that a terminal shows as they are.

    It comes with its exit code within `most` seconds of CPU, and leaves nothing.
    """
    before = tree(folder)
    answer = knock(folder, *arguments, stdin=stdin)
    assert answer.code == code, answer.out + answer.err
    assert answer.seconds < most
    assert tree(folder) == before
    assert "Traceback" not in answer.err
    assert len(answer.err) < 4000
    assert all(char == "\n" or char.isprintable() for char in answer.err)
    return answer.err


def apart(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, without HOME, display and locale."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more}
    command = [sys.executable, "-m", "simlab", *arguments]
    return subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, timeout=60, check=False)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, by name; links are not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }
