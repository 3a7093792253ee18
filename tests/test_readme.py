"""Every command and example of the README, run as written: here, or by `.ci/run`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import FOLDER, described

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BINARIES = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("sh")).splitlines()
    return [bare for line in lines if (bare := line.partition(" #")[0].strip())]


def test_the_two_commands_are_there() -> None:
    assert commands()[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith("simlab ")])
def test_ci_runs_what_installs(command: str) -> None:
    ran = [line.strip() for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()]
    assert command in ran


def test_the_picture_is_that_of_the_golden_run_and_says_its_verdict() -> None:
    """`make golden` draws the picture and writes its alt text."""
    pictures = re.findall(r"!\[([^\n]*)\]\((.*?)\)", README)
    assert [path for _, path in pictures] == ["results/golden/flash_crash.svg"]
    verdict = (FOLDER / "flash_crash.txt").read_text(encoding="utf-8").splitlines()[0]
    assert described(README, "flash_crash", verdict) == README
    assert (ROOT / pictures[0][1]).read_text(encoding="utf-8").startswith("<svg ")


def told() -> list[str]:
    return [command for command in commands() if command.startswith("simlab ")]


def needs_others(line: str) -> bool:
    """Whether a line finds, or shows, what another one left."""
    return "results/small" in line or "results/half" in line or line.endswith(" results")


def follow(command: list[str], desk: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=desk, env=env, capture_output=True, text=True, check=False)


def obey(line: str, desk: Path) -> None:
    """With another parameter a claim may well be contradicted: exit 1."""
    done = follow(["bash", "-c", line], desk)
    assert done.returncode in ({0, 1} if "--set" in line else {0}), f"{line}\n{done.stderr}"


@pytest.mark.parametrize("line", [line for line in told() if not needs_others(line)])
def test_a_command_that_stands_alone(line: str, tmp_path: Path) -> None:
    obey(line, tmp_path)


def test_the_rest_can_be_followed_from_top_to_bottom(tmp_path: Path) -> None:
    """One test, since later lines find what earlier ones left."""
    for line in filter(needs_others, told()):
        obey(line, tmp_path)
    for block in blocks("python"):
        done = follow([sys.executable, "-c", block], tmp_path)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    for line in README.partition("## What a run leaves behind")[2].partition("##")[0].split("`"):
        if re.fullmatch(r"[a-z]+\.(html|csv|json|jsonl|npz)", line):
            assert (tmp_path / "results/small" / line).is_file(), line
    assert (tmp_path / "results/small-report" / "report.html").is_file()
