"""A finished run that the tests of this folder copy and spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

import simlab
from tests.bad_input.door import GOOD


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small run, without its report."""
    place = tmp_path_factory.mktemp("finished") / "run"
    simlab.run(simlab.load(GOOD), jobs=1, out=place, progress=lambda _: None)
    return place
