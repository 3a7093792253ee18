"""Promise 5. Every world reproduces a closed form, a threshold or a published figure: a test without its twin plays it and says which.

Read from the sources of those tests: it shows that there is one and that it is run, and they themselves show the rest.
"""

from __future__ import annotations

import ast
import re

import pytest

from tests.promises.evidence import PLAYS, WORLDS, evidence, source_of

# A source with its year, a formula, a number with its law, or algebra by name.
SAYS_WHICH = re.compile(
    r"\b(?:19|20)\d\d\b|[=^/<>]|\b(?:algebra|E\[|exp|ln|log|sqrt|fixed point|(?:four|4) standard errors)", re.I
)


def theories(source: str) -> list[str]:
    """The names of the tests that hold what was played against theory."""
    return [
        test.name
        for test, uses, sure in evidence(source)
        if sure
        and uses & PLAYS
        and not any(used.startswith("tests.twins.") for used in uses)
        and SAYS_WHICH.search(ast.get_docstring(test) or "")
    ]


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_held_against_theory(world: str) -> None:
    assert theories(source_of(world))


GOOD = '''
from simlab.lab.cohort import play
from tests.twins.market import Exchange

def test_spread():
    """Kyle (1985): lambda = sigma / (2 u)."""
    assert play(1, 2, 3) == 0.5
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("    assert play(1, 2, 3) == 0.5", "    play(1, 2, 3)"),
        ("play(1, 2, 3)", "0.5"),
        ("Kyle (1985): lambda = sigma / (2 u).", "It looks right."),
        ("== 0.5", "== Exchange()"),
        ("def test", "@pytest.mark.nightly\ndef test"),
    ],
)
def test_a_test_that_shows_nothing_is_seen(old: str, new: str) -> None:
    assert bool(theories(GOOD.replace(old, new) if old else GOOD)) == (old == "")
