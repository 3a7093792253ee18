"""The mutants are what they are said to be: one change each, that can be read, at the place that is told, and the same for a seed."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from tests.mutation.__main__ import MUTATED, NAMES, ROOT, against, population, report
from tests.mutation.operators import mutants

SOURCE = '''\
"""Words."""

LINES: dict[str, int] = {}


@cache(maxsize=4)
def worth(a: Annotated[int, 3], b=0.5):
    """Words, 1 < 2."""
    if a <= b and not a:
        raise ValueError(f"{a + 1} is no number")
    π = min(a, b, key=f)
    total += -π
    return zip(a, "x" + "y", strict=True)
'''


def changes(line: str) -> set[str]:
    return {one.after for one in mutants("x.py", line)}


@pytest.mark.parametrize(
    ("line", "become"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a == b is c", {"a != b is c", "a == b is not c"}),
        ("a + b", {"a - b"}),
        ("a // b", {"a / b"}),
        ("a and b", {"a or b"}),
        ("a &= b", {"a |= b"}),
        ("not a", {"a"}),
        ("3", {"4"}),
        ("0.25", {"0.5"}),
        ("0.0", {"1.0"}),
        ("True", {"False"}),
        ("f(a, b)", {"f(b, a)", "pass"}),
        ("x = f(a, k=b)", {"f(a)"}),
        ("x = a.min(b)", {"a.max(b)"}),
        ("x = [a for a in b if a]", {"not a"}),
        ("x = a if b else c", {"c if b else a", "not b"}),
        ("raise f(1, 2)", {"pass"}),
        ("while a: break", {"not a", "continue"}),
        ("x = 'a' + b", set()),
        ("from a import b", set()),
    ],
)
def test_each_slip(line: str, become: set[str]) -> None:
    assert changes(line) == become


def test_words_are_left_alone() -> None:
    found = mutants("x.py", SOURCE)
    assert {one.after for one in found} == {
        "a < b", "a > b", "a <= b or not a", "a", "pass", "min(b, a, key=f)", "min(a, b)", "max(a, b, key=f)", "1.0",
        "total -= -π", "π", "return None", "zip('x' + 'y', a, strict=True)",
    }  # fmt: skip
    assert {one.function for one in found} == {"worth"}
    for one in found:
        changed = one.of(SOURCE.encode()).decode()
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(SOURCE))
        (was, is_now), *more = [
            pair for pair in zip(SOURCE.splitlines(), changed.splitlines(), strict=True) if pair[0] != pair[1]
        ]
        assert not more
        assert SOURCE.splitlines()[one.line - 1] == was
        assert is_now != was


def test_what_is_drawn_compiles_and_is_drawn_again() -> None:
    everyone = population()
    assert len({one.name + one.text for one in everyone}) == len(everyone) > 1000
    assert {Path(one.path).stem for one in everyone} >= set(NAMES)
    assert all(list(ROOT.glob(pattern)) for pattern in MUTATED)
    for one in random.Random(3).sample(everyone, 100):
        compile(one.of((ROOT / one.path).read_bytes()), one.path, "exec")
    first, again = (random.Random(1).sample(those, 20) for those in (everyone, population()))
    assert first == again


def test_tests_that_enter_the_function_are_played_its_own_first_then_the_quickest() -> None:
    (one,) = mutants("simlab/studies/ratios.py", "def of(): x = a + b")
    enters = ["simlab/studies/ratios.py::of"]
    tests = {
        "tests/lab/test_loop.py::quick": {"cost": 0.1, "enters": enters},
        "tests/lab/test_loop.py::slow": {"cost": 2.0, "enters": enters},
        "tests/studies/test_ratios.py::own": {"cost": 3.0, "enters": enters},
        "tests/studies/test_ratios.py::too_slow": {"cost": 30.0, "enters": enters},
        "tests/lab/test_loop.py::elsewhere": {"cost": 0.1, "enters": ["simlab/studies/ratios.py::other"]},
    }
    assert [test.partition("::")[2] for test in against(one, tests)] == ["own", "quick", "slow"]
    (outside,) = mutants("simlab/studies/ratios.py", "FEW = 30")
    assert "tests/lab/test_loop.py::elsewhere" in against(outside, tests)


def test_the_score_counts_what_no_test_comes_to_against_it() -> None:
    told = report({"a.py:1 (0) x -> y": "noticed", "a.py:2 (9) x -> y": "nobody", "b.py:1 (0) x -> y": "late"})
    rows = {line.split()[0]: line.split()[1:] for line in told.splitlines() if line}
    assert rows["a.py"][:3] == ["2", "1", "50%"]
    assert rows["all"] == ["3", "2", "67%", "21%", "to", "94%"]  # Wilson (1927): 2 of 3
    assert "  nobody    a.py:2 (9) x -> y" in told.splitlines()
