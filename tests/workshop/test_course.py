"""The course: its notebooks run, each says what it is for and how long it takes, and half of the time is debriefing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from simlab.workshop import Predictions
from tests.test_notebooks import PLAY, ROOT, cells, fonts

COURSE = ROOT / "notebooks/workshop"
MODULES = sorted(COURSE.glob("*.ipynb"))
GUIDE = (COURSE / "FACILITATOR.md").read_text("utf-8")
ROWS = re.findall(r"^\| (\d):(\d\d) \| (\d):(\d\d) \| (.+?) \| (\d+) \| (\d+) \| (\d+) \|$", GUIDE, re.MULTILINE)


def text(path):
    return "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))


def code(path):
    return ["".join(cell["source"]) for cell in cells(path)]


def title(path):
    return text(path).splitlines()[0].removeprefix("# ")


def minutes(path):
    """All minutes of a module, and those of play and of debrief."""
    found = re.search(r"^\*\*Minutes:\*\* (\d+) \((?:set-up|(\d+) play, (\d+) debrief)", text(path), re.MULTILINE)
    assert found, path
    return tuple(int(number or 0) for number in found.groups())


def test_there_are_seven_modules():
    assert [path.stem[0] for path in MODULES] == list("0123456")
    assert [title(path).split(".")[0] for path in MODULES] == [f"Module {n}" for n in range(7)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_says_what_it_is_for(path):
    shown = text(path)
    for heading in ("**Minutes:**", "**Questions**\n\n- ", "**Objectives**\n\n- ", "## Key points\n\n- "):
        assert heading in shown, heading
    if path.stem[0] not in "06":
        places = [shown.index(f"\n## {step}") for step in ("Predict", "Run", "Investigate")]
        places += [shown.index("odify"), shown.index("\n## Debrief")]
        assert places == sorted(places)
        assert re.search(r"\n## .*[Mm]ake", shown)


def test_the_day_is_half_a_day_and_half_of_it_is_debriefing():
    """210 minutes with breaks; the debrief is as long as the play, in the notebooks and in the guide alike."""
    of = {title(path): minutes(path) for path in MODULES}
    for whole, play, debrief in list(of.values())[1:]:
        assert whole == play + debrief
    assert sum(play for _, play, _ in of.values()) == sum(debrief for *_, debrief in of.values()) == 90
    clock = 0
    for h0, m0, h1, m1, what, whole, play, debrief in ROWS:
        assert clock == 60 * int(h0) + int(m0)
        clock = 60 * int(h1) + int(m1)
        assert clock - 60 * int(h0) - int(m0) == int(whole)
        assert what == "Break" or of.pop(what) == (int(whole), int(play), int(debrief))
    assert (clock, of) == (210, {})
    assert "| **210** | **90** | **90** |" in GUIDE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_run_comes_after_its_prediction(path):
    """No cell plays but through `run` or `settle` of a book, and every book has predicted in a cell before."""
    predicted = set()
    for cell in code(path):
        assert "simlab.run(" not in cell
        for node in ast.walk(ast.parse(cell)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            book = ast.unparse(node.func.value)
            if node.func.attr == "predict":
                predicted.add(book)
            elif node.func.attr in ("run", "settle"):
                assert book in predicted, cell
                assert "predict(" not in cell


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_committed_without_outputs(path):
    for cell in cells(path):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_runs_from_top_to_bottom(path, tmp_path):
    missing = [name for name in ("nbclient", "nbformat", "ipykernel") if find_spec(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{' and '.join(missing)} not installed (make test installs the test tools)")
    if path.stem == "6_debrief":
        book = Predictions("1", tmp_path / "predictions.json")
        book.predict("a thing", 1, 0, 2)
        book.settle("a thing", 1)
    played = tmp_path / "played.ipynb"
    own = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "MPLCONFIGDIR": fonts()}
    env = os.environ | {"PYTHONPATH": str(ROOT)} | own
    command = [sys.executable, "-c", PLAY, str(path), str(tmp_path), str(played)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shown = json.dumps([cell["outputs"] for cell in cells(played)])
    kept = json.loads((tmp_path / "predictions.json").read_text("utf-8"))["predictions"]
    assert kept
    assert all(row["found"] is not None for row in kept)
    if path.stem[0] in "123":
        assert "<strong>" in shown
        assert "<svg" in shown
    if path.stem[0] in "345":
        assert "Mend the first, and call `check(" in shown
    if path.stem == "6_debrief":
        assert "1 of 1 intervals held the answer" in shown


def test_solutions_are_named_where_they_are():
    for number, path in zip((1, 2, 3), MODULES[3:6], strict=True):
        assert (COURSE / f"solutions/exercise_{number}.py").is_file()
        assert f"`solutions/exercise_{number}.py`" in text(path)


def test_the_guide_quotes_errors_as_they_are():
    said = "".join(Path(ROOT / f"simlab/workshop/{name}.py").read_text("utf-8") for name in ("predictions",))
    for quoted in (
        "predict first, and run then",
        "what is said now is no prediction",
        "was answered by another run",
        "not a file of predictions",
    ):
        assert quoted in said
        assert quoted in GUIDE
