"""Promise 4. Every vectorised kernel agrees with its slow, readable twin: each world has such a test, it is run, and it plays both.

Read from the sources of those tests, which themselves hold the kernels against the twins.
"""

from __future__ import annotations

import pytest

from tests.promises.evidence import PLAYS, WORLDS, evidence, source_of

NAME = "test_kernel_equals_its_twin"


def held_against_its_twin(world: str, source: str) -> bool:
    return any(
        test.name == NAME
        and sure
        and uses & PLAYS
        and any(f"{used}.".startswith(f"tests.twins.{world}.") for used in uses)
        for test, uses, sure in evidence(source)
    )


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_held_against_its_twin(world: str) -> None:
    assert held_against_its_twin(world, source_of(world))


GOOD = f"""
from simlab.lab.cohort import play
from tests.twins.market import Exchange

def both():
    return play(1, 2, 3), Exchange()

def {NAME}():
    kernel, twin = both()
    assert kernel == twin
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("    assert kernel == twin\n", ""),
        (f"def {NAME}", f"@pytest.mark.nightly\ndef {NAME}"),
        (f"def {NAME}", f"@pytest.mark.skipif(True)\ndef {NAME}"),
        ("    kernel, twin", "    pytest.skip('later')\n    kernel, twin"),
        ("play(1, 2, 3)", "Exchange()"),
        (", Exchange()", ", 7"),
        (NAME, "test_something_else"),
    ],
)
def test_a_test_that_shows_nothing_is_seen(old: str, new: str) -> None:
    assert held_against_its_twin("market", GOOD.replace(old, new) if old else GOOD) == (old == "")
