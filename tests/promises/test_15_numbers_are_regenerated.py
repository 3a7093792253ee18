"""Promise 15. Numbers in the README and in notebooks are regenerated: by `make golden`, or by running what stands there, in CI."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.bench import table
from tests.golden import FOLDER, described
from tests.test_notebooks import NOTEBOOKS
from tests.test_readme import README, commands
from tests.workshop.test_course import MODULES

ROOT = Path(__file__).parents[2]
# A figure that somebody measured: a share, a time, a size, a factor. What defines a promise is none.
FIGURE = re.compile(r"\d[\d.,]*\s?(?:%|percentage points|points\b|times\b|ms\b|s\b|min\b|MB\b|GB\b|million\b|x\b)")
DEFINED = {"80%", "95%", "97%"}


def figures(text: str) -> set[str]:
    """Figures in prose: outside code, pictures and links, and the table that a benchmark wrote."""
    text = text.replace(table.text(json.loads(table.NUMBERS.read_text(encoding="utf-8"))), "")
    prose = re.sub(r"```.*?```|!\[.*?\]\(.*?\)|`[^`]*`|\[[^\]]*\]\(.*?\)", " ", text, flags=re.DOTALL)
    return set(FIGURE.findall(prose)) - DEFINED


def test_no_figure_in_the_readme_is_written_by_hand() -> None:
    """What is measured stands under the picture, where `make golden` writes it, in a file that is linked, or is printed by a command."""
    assert figures(README) == set()


def test_the_table_of_speeds_is_what_was_measured() -> None:
    """`python -m tests.bench --full --accept` writes both; a number changed by hand in either is seen."""
    found = json.loads(table.NUMBERS.read_text(encoding="utf-8"))
    assert table.placed(README, found) == README


@pytest.mark.parametrize(
    "planted", ["It is 40 times faster.", "P(fall) is 86%.", "A run takes 12 s.", "It needs 1.2 GB."]
)
def test_a_planted_figure_is_seen(planted: str) -> None:
    assert len(figures(f"{README}\n{planted}\n")) == 1


def test_another_number_under_the_picture_is_seen() -> None:
    verdict = (FOLDER / "flash_crash.txt").read_text(encoding="utf-8").splitlines()[0]
    altered = README.replace(verdict.rstrip("."), verdict.rstrip(".").replace("%", "0%"), 1)
    assert altered != README
    assert described(altered, "flash_crash", verdict) == README


def test_ci_runs_what_regenerates() -> None:
    assert "make test" in commands()
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    tested = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].partition("\n\n")[0]
    assert "pytest -n auto --dist worksteal" in tested
    assert not re.search(r"--(ignore|deselect)|-k ", tested)


def test_every_notebook_is_played_and_committed_without_numbers() -> None:
    committed = {path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts}
    assert committed == {*NOTEBOOKS, *MODULES}
    for path in committed:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), path
