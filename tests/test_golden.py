"""Every shipped scenario still gives the numbers that were last accepted (`make golden` accepts new ones)."""

from __future__ import annotations

import pytest

from simlab.scenario.load import load, shipped
from tests.golden import FOLDER, differences, gallery


@pytest.mark.parametrize("name", shipped())
def test_golden(name):
    found = differences(name)
    assert not found, "\n".join([*found[:20], "explain the difference, then accept it with `make golden`"])


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_has_its_golden_files(name):
    assert {path.suffix for path in FOLDER.glob(f"{name}.*")} == {".json", ".txt", ".svg"}


def test_the_table_of_scorecards_has_every_scenario_and_detector():
    """`make golden` writes it; the small runs above show when it has to be written anew."""
    lines = (FOLDER / "scorecard.md").read_text(encoding="utf-8").splitlines()
    for name in shipped():
        rows = [line for line in lines if line.startswith(f"| {name} |")]
        scenario = load(name)
        assert len(rows) == (2 * len(scenario.arms[0].trial.instruments) if scenario.harm else 0)


def test_the_gallery_is_that_of_the_golden_files():
    assert (FOLDER / "gallery.md").read_text(encoding="utf-8") == gallery()
