"""Every shipped scenario still gives the numbers that were last accepted (`make golden` accepts new ones)."""

from __future__ import annotations

import pytest

from simlab.scenario.load import shipped
from tests.golden import FOLDER, differences


@pytest.mark.parametrize("name", shipped())
def test_golden(name):
    found = differences(name)
    assert not found, "\n".join([*found[:20], "explain the difference, then accept it with `make golden`"])


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_has_its_golden_files(name):
    assert {path.suffix for path in FOLDER.glob(f"{name}.*")} == {".json", ".txt", ".svg"}
