"""The command `simlab drill`, as one meets it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from simlab.__main__ import cli
from simlab._door import drilling
from simlab.base.errors import InputError
from simlab.workshop.drill import Drill, played


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str, end: type[BaseException] = EOFError) -> None:
    """A player who gives these lines and then ends the session."""
    given: Iterator[str] = iter(lines)

    def ask(prompt: str) -> str:
        line = next(given, None)
        if line is None:
            raise end
        return line

    monkeypatch.setattr("builtins.input", ask)


def run(*args: str, stdin: str | None = None):
    return CliRunner().invoke(cli, ["drill", *args], input=stdin, standalone_mode=False)


def test_a_script_is_played_and_debriefed(place: Path) -> None:
    (place / "mine.txt").write_text("look\nhuman\n", encoding="utf-8")
    done = run("--seed", "3", "--script", "mine.txt")
    assert done.return_value == 0
    assert "USERS COMPLAINING" in done.output
    assert "> human\n" in done.output
    page = place / "results/drills/users-3/debrief.html"
    assert page.is_file()
    before = done.output.partition("working out")[0]
    assert Drill(3).cause.title not in before


def test_the_facilitator_sees_the_cause_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "_debrief", lambda drill, out: 0)
    done = run("--seed", "3", "--script", "-", "--gm", stdin="note nothing\n")
    assert f"GM: {Drill(3).cause.name}" in done.output
    assert "GM: timeline" in done.output


def test_a_bad_script_is_refused_with_its_lines(place: Path) -> None:
    (place / "mine.txt").write_text("look\nkil\n", encoding="utf-8")
    done = run("--seed", "3", "--script", "mine.txt")
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    assert "mine.txt:2: unknown verb `kil`; did you mean `kill`?" in str(done.exception)
    assert not (place / "results").exists()


@pytest.mark.parametrize("script", ["missing.txt", "."])
def test_a_script_that_is_no_file_is_refused(place: Path, script: str) -> None:
    done = run("--seed", "3", "--script", script)
    assert isinstance(done.exception, InputError)
    assert f"cannot read `{script}`" in str(done.exception)


def test_an_interrupted_drill_leaves_nothing_and_says_how_to_get_the_debrief(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, "look", "note it's odd", "kill 0-1", end=KeyboardInterrupt)
    done = run("--seed", "3", "--think", "0")
    assert done.return_value == 130
    assert list(place.iterdir()) == []
    told = next(line for line in done.output.splitlines() if "printf" in line)
    words = shlex.split(told)
    lines = words[2 : words.index("|")]
    assert lines == ["look", "note it's odd", "kill 0-1"]
    assert words[words.index("|") + 1 :] == ["simlab", "drill", "--seed", "3", "--script", "-"]


def test_a_player_who_errs_is_told_and_the_night_goes_on_while_thinking(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, "kil", "kill")
    now = iter(range(0, 1000, 40))  # every question takes 40 s: two looks and a rest
    monkeypatch.setattr(drilling.time, "monotonic", lambda: float(next(now)))
    held: list[Drill] = []
    monkeypatch.setattr(drilling, "_debrief", lambda drill, out: held.append(drill))
    done = run("--seed", "3")
    assert "did you mean `kill`" in done.output
    assert held[0].script == "wait 1200\nwait 1200\nkill\ndone\n"
    assert played(held[0].script, 3).script == held[0].script
