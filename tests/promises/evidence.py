"""What the tests of a world hold against what, read from their source: a test that was skipped, or asserts nothing, is no evidence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORLDS = sorted(path.stem for path in (ROOT / "simlab/worlds").glob("*.py") if path.stem != "__init__")
PLAYS = {"simlab.lab.cohort.play", "simlab.run", "simlab", "simlab.lab.loop.Loop"}
NOT_RUN = ("nightly", "skip", "xfail")


def source_of(world: str) -> str:
    """The source of a world's tests."""
    return (ROOT / f"tests/worlds/test_{world}.py").read_text(encoding="utf-8")


def named(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def asserts(node: ast.AST) -> bool:
    """Whether there is an `assert`, an assertion of NumPy's, or a helper called so."""
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    names = {
        part.attr if isinstance(part, ast.Attribute) else part.id
        for part in calls
        if isinstance(part, ast.Attribute | ast.Name)
    }
    return any(isinstance(part, ast.Assert) for part in ast.walk(node)) or any(
        name.startswith("assert_") for name in names
    )


def runs(test: ast.FunctionDef) -> bool:
    """Whether it is played at every commit."""
    marks = [
        ast.unparse(mark) for mark in test.decorator_list if not ast.unparse(mark).startswith("pytest.mark.parametrize")
    ]
    leaves = any("pytest.skip" in ast.unparse(part) for part in ast.walk(test) if isinstance(part, ast.Call))
    return not leaves and not any(word in mark for mark in marks for word in NOT_RUN)


def evidence(source: str) -> Iterator[tuple[ast.FunctionDef, set[str], bool]]:
    """Every test that is run and asserts something: itself, the full names of what it uses of other modules, whether it asserts.

    What it uses it may use through functions, classes and values of its own module.
    """
    tree = ast.parse(source)
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
    own: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {name: node.value for target in targets for name in named(target)}
    for test in own.values():
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_") and runs(test):
            reached, todo = set(), [test.name]
            while todo:
                name = todo.pop()
                if name not in reached:
                    reached.add(name)
                    inside = named(own[name]) | {arg.arg for arg in ast.walk(own[name]) if isinstance(arg, ast.arg)}
                    todo += [other for other in inside if other in own] if name in own else []
                    reached |= {other for other in inside if other in imported}
            sure = any(asserts(own[name]) for name in reached if name in own)
            yield test, {imported[name] for name in reached if name in imported}, sure
