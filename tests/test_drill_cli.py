"""The command `simlab drill`, as one meets it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simlab.__main__ import cli
from simlab._door import drilling
from simlab.base.errors import InputError
from simlab.workshop import actions
from simlab.workshop import drill as engine
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
    assert f"GM: cause: {Drill(3).cause.title}" in done.output
    assert "GM: harm (sd a slot) of each action at its earliest" in done.output
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
    done = run("--seed", "3", "--think", "0", "--out", "my drill")
    assert done.return_value == 130
    assert list(place.iterdir()) == []
    told = next(line for line in done.output.splitlines() if "printf" in line)
    words = shlex.split(told)
    lines = words[2 : words.index("|")]
    assert lines == ["look", "note it's odd", "kill 0-1"]
    assert words[words.index("|") + 1 :] == ["simlab", "drill", "--seed", "3", "--out", "my drill", "--script", "-"]


def test_a_player_who_errs_is_told_and_the_night_goes_on_while_thinking(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, "kil", "", "kill")
    now = iter(range(0, 10_000, 40))  # the clock is asked before and after each question
    monkeypatch.setattr(engine.time, "monotonic", lambda: float(next(now)))
    held: list[Drill] = []
    monkeypatch.setattr(drilling, "_debrief", lambda drill, out: held.append(drill))
    done = run("--seed", "3")
    assert "did you mean `kill`" in done.output
    assert "went by while you thought" in done.output
    assert "the input ends here, which is taken for `done`" in done.output
    script = held[0].script
    assert script.splitlines()[0].startswith("wait ")
    assert "kill\n" in script
    assert script.endswith("done\n")
    assert played(script, 3).script == script


def test_help_is_a_verb_and_a_pipe_shows_what_it_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "_debrief", lambda drill, out: 0)
    done = run("--seed", "3", "--think", "0", stdin="help\nlook\n")
    assert done.output.count("route-rules [MODELS]") == 2
    assert "[+0:00]> look\n[+10:00] dashboards" in done.output


def test_lines_after_the_end_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "_debrief", lambda drill, out: 0)
    done = run("--seed", "3", "--script", "-", stdin="\ufeffdone\r\nkill\r\n")
    assert "not played, since the drill was over:\n  stdin:2: kill" in done.output


def test_a_script_has_a_size(place: Path) -> None:
    (place / "long.txt").write_text("look\n" * 20_000, encoding="utf-8")
    done = run("--seed", "3", "--script", "long.txt")
    assert isinstance(done.exception, InputError)
    assert "larger than 64,000 bytes" in str(done.exception)


@pytest.mark.parametrize("given", [["--gm"], ["--script", "-"], ["--out", "x"]])
def test_scoring_the_playbook_takes_nothing_of_a_drill(place: Path, given: list[str]) -> None:
    done = run("--actions", *given)
    assert isinstance(done.exception, click.UsageError)
    assert given[0] in str(done.exception.message)


def test_the_playbook_of_one_symptom_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "STUDY", 2)
    done = run("--actions", "--symptom", "users")
    assert done.return_value == 0
    assert "Reintroduce" in done.output
    assert "Isolate" not in done.output
    assert "did you mean `users`" in str(run("--actions", "--symptom", "user").exception)
