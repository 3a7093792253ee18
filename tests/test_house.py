"""The house rules of CONTRIBUTING.md, as tests: who may import what, where things live, how classes are made.

import-linter checks the floors too (`make test`); here every import statement is read, wherever it stands.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "simlab").rglob("*.py"))
DOOR = ("__init__", "__main__", "_door")
FLOORS = sorted({path.parent.name for path in (ROOT / "simlab").glob("*/__init__.py")} - {*DOOR})
WORLDS = sorted(path.stem for path in (ROOT / "simlab/worlds").glob("*.py") if path.stem != "__init__")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Law 2: the floor on which a heavy package enters. The first kind serves every floor after it, the second only its own.
ENTERS = {
    "numpy": "base",
    "scipy": "base",
    "threadpoolctl": "base",
    "networkx": "brains",
    "river": "detectors",
    "filelock": "results",
    "pandas": "results",
    "pyarrow": "results",
    "xarray": "results",
}
CONFINED = {
    "sklearn": "brains",
    "simpy": "lab",
    "pydantic": "scenario",
    "pydantic_core": "scenario",
    "ruamel": "scenario",
    "concurrent": "studies",
    "multiprocessing": "studies",
    "SALib": "studies",
    "distributed": "studies",
    "matplotlib": "views",
    "ipywidgets": "workshop",
    "click": "_door",
    "rich": "_door",
}
# Siblings that may be imported inside a folder whose parts must not know each other: its abstract base.
SHARED = {
    "brains": {"brain", "topology"},
    "detectors": {"detector"},
    "interventions": {"intervention"},
    "worlds": set(),
}
ABSTRACT = {"ABC", "Protocol", "NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag", "Exception"}
FORBIDDEN_CALLS = {"eval", "exec", "hasattr"}
FORBIDDEN_IMPORTS = {"random", "pickle", "shelve", "marshal", "dill", "joblib"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported name in full, wherever the statement stands; "." for a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." if node.level else f"{node.module}.{alias.name}" for alias in node.names)


def name_of(node: ast.expr) -> str:
    """`final` for `@final` and `@typing.final`, `dataclass` for `@dataclass(frozen=True)`, `Generic` for `Generic[S]`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def broken_imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Breaches of the two laws in `module`, e.g. "worlds.flash_crash"."""
    floor, _, part = module.partition(".")
    for name in imports(tree):
        package, *inside = name.split(".")
        if name == ".":
            yield "relative import"
        elif package == "simlab":
            if floor in DOOR:
                continue
            if not inside or inside[0] not in FLOORS:
                yield f"{name}: nobody imports the door"
            elif inside[0] > floor:
                yield f"{name}: {inside[0]} lies below {floor} in the listing"
            elif inside[0] == floor and floor in SHARED and inside[1] not in SHARED[floor] | {part}:
                yield f"{name}: parts of {floor}/ do not know each other"
        elif package in FORBIDDEN_IMPORTS:
            yield f"{name}: forbidden"
        elif package in CONFINED:
            if floor != CONFINED[package] and not (floor in DOOR and CONFINED[package] in DOOR):
                yield f"{name}: only in {CONFINED[package]}"
        elif package in ENTERS:
            if floor not in DOOR and floor < ENTERS[package]:
                yield f"{name}: enters in {ENTERS[package]}"
        elif package not in sys.stdlib_module_names:
            yield f"{name}: say in tests/test_house.py on which floor it enters"


def broken_habits(tree: ast.AST) -> Iterator[str]:
    """Classes neither abstract nor final, dataclasses that are not frozen, calls that the house does without."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            marks = {name_of(mark): mark for mark in node.decorator_list}
            bases = {name_of(base) for base in node.bases}
            if "final" not in marks and not bases & ABSTRACT and not any(base.endswith("Error") for base in bases):
                yield f"class {node.name} is neither abstract nor @final"
            mark = marks.get("dataclass")
            if mark and "frozen=True" not in ast.unparse(mark):
                yield f"dataclass {node.name} is not frozen"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield f"{node.func.id}() in line {node.lineno}"
        elif isinstance(node, ast.Attribute) and name_of(node.value) == "random" and node.attr.islower():
            yield f"random.{node.attr} in line {node.lineno}: luck comes from streams with a name"


def broken(module: str, source: str) -> list[str]:
    tree = ast.parse(source)
    return [*broken_imports(module, tree), *broken_habits(tree)]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "simlab").with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_every_file_keeps_the_house_rules(path: Path) -> None:
    assert broken(module_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("base.par", "from simlab.lab.loop import Loop", "below base"),
        ("base.par", "def f():\n    if True:\n        import simlab.worlds.flash_crash", "below base"),
        ("lab.loop", "import simlab", "door"),
        ("lab.loop", "from simlab import run", "door"),
        ("lab.loop", "from simlab.__main__ import main", "door"),
        ("lab.loop", "from .cast import Cast", "relative"),
        ("lab.loop", "from . import cast", "relative"),
        ("worlds.one", "from simlab.worlds.other import Other", "know each other"),
        ("brains.one", "from simlab.brains import other", "know each other"),
        ("interventions.one", "from simlab.interventions.other import Other", "know each other"),
        ("base.par", "import networkx", "enters in brains"),
        ("lab.loop", "def f():\n    import pandas as pd", "enters in results"),
        ("__main__", "import simpy", "only in lab"),
        ("worlds.one", "import simpy", "only in lab"),
        ("studies.runner", "from pydantic import BaseModel", "only in scenario"),
        ("results.store", "from concurrent.futures import Executor", "only in studies"),
        ("scenario.reader", "import matplotlib.pyplot as plt", "only in views"),
        ("views.report", "from rich.table import Table", "only in _door"),
        ("base.par", "import requests", "say in"),
        ("base.par", "import random", "forbidden"),
        ("results.store", "from pickle import loads", "forbidden"),
        ("lab.loop", "import numpy as np\nx = np.random.normal(size=3)", "streams"),
        ("lab.loop", "import numpy as np\nx = np.random.default_rng()", "streams"),
        ("lab.loop", "class Loop:\n    pass", "neither abstract nor @final"),
        ("lab.loop", "class Fast(Loop):\n    pass", "neither abstract nor @final"),
        ("lab.loop", "@final\n@dataclass\nclass Loop:\n    x: int", "not frozen"),
        ("lab.loop", "y = hasattr(x, 'tick')", "hasattr"),
        ("scenario.reader", "y = eval(x)", "eval"),
    ],
)
def test_a_planted_breach_is_seen(module: str, source: str, says: str) -> None:
    found = broken(module, source)
    assert len(found) == 1
    assert says in found[0]


def test_what_is_allowed_is_not_reported() -> None:
    source = """
import numpy as np
from collections.abc import Mapping
from simlab.base.world import World
from simlab.brains.brain import Brain

class Mind(NamedTuple):
    w: Array

class Wide(Brain[Mind], ABC):
    pass

class TooWide(ValueError):
    pass

@final
@dataclass(frozen=True, slots=True)
class Ridge(Brain[Mind]):
    stream = np.random.Generator(np.random.SFC64(1))
"""
    assert broken("brains.ridge", source) == []


def test_the_listing_is_the_layer_diagram() -> None:
    """`ls simlab/`, the contract of import-linter and the picture in CONTRIBUTING.md say the same."""
    layers = [layer.strip("()") for layer in PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]]
    layers = [layer for layer in layers if layer not in DOOR]
    assert layers == sorted(layers, reverse=True)
    assert set(FLOORS) <= set(layers)
    drawn = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = [drawn.index(f"\n      {floor}/") for floor in FLOORS]
    assert places == sorted(places)


def test_no_file_is_long() -> None:
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= (250 if path.parent == ROOT / "simlab/worlds" else 500), path


def test_there_are_worlds() -> None:
    assert "flash_crash" in WORLDS


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_has_a_scenario_a_test_and_a_twin(world: str) -> None:
    for where in ("scenarios/{}.yaml", "tests/worlds/test_{}.py", "tests/twins/{}.py"):
        assert (ROOT / where.format(world)).is_file(), where.format(world)


@pytest.mark.parametrize("world", WORLDS)
def test_a_twin_shares_no_code_with_what_it_checks(world: str) -> None:
    tree = ast.parse((ROOT / f"tests/twins/{world}.py").read_text(encoding="utf-8"))
    checked = ("simlab.worlds", "simlab.brains", "simlab.lab", "simlab.base.kernels")
    assert [name for name in imports(tree) if name == "simlab" or name.startswith(checked)] == []


def test_public_names_resolve() -> None:
    simlab = import_module("simlab")
    assert {"load", "open", "run"} <= set(simlab.__all__)
    assert set(simlab.__all__) <= set(dir(simlab))
    for name in simlab.__all__:
        getattr(simlab, name)


@pytest.mark.parametrize(("what", "allowed"), [("import simlab", set()), ("import simlab.__main__", {"click"})])
def test_the_door_opens_without_anything_heavy(what: str, allowed: set[str]) -> None:
    heavy = {*ENTERS, *CONFINED} - allowed
    code = f"import sys; {what}; print(sorted({heavy} & sys.modules.keys()))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def locked(file: str) -> dict[str, list[Requirement]]:
    """The pins of a lock file by canonical name; a name may be pinned once for each range of Pythons."""
    text = (ROOT / file).read_text(encoding="utf-8")
    pins: dict[str, list[Requirement]] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        pin, *hashes = entry.split("--hash=")
        assert hashes, entry
        assert all(digest.startswith("sha256:") for digest in hashes)
        assert "/" not in entry, "an address, or a local path"
        requirement = Requirement(pin)
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def test_the_lock_holds_every_dependency() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    base, test = locked("requirements.lock"), locked("requirements-test.lock")
    for wanted, pins in (
        (project["dependencies"] + groups["build"] + PROJECT["build-system"]["requires"], base),
        (project["optional-dependencies"]["test"], test),
    ):
        for requirement in map(Requirement, wanted):
            for pin in pins[canonicalize_name(requirement.name)]:
                version = next(iter(pin.specifier)).version
                assert requirement.specifier.contains(version), f"{pin} is not {requirement}: make lock"
    assert {name: list(map(str, pins)) for name, pins in base.items()}.items() <= {
        name: list(map(str, pins)) for name, pins in test.items()
    }.items()


def test_dependencies_are_what_is_imported() -> None:
    used = {name.split(".")[0] for path in SOURCES for name in imports(ast.parse(path.read_text(encoding="utf-8")))}
    extras = PROJECT["project"]["optional-dependencies"]
    names = [
        Requirement(line).name
        for line in [*PROJECT["project"]["dependencies"], *extras["parquet"], *extras["ml"], *extras["cluster"]]
    ]
    wanted = {{"scikit-learn": "sklearn"}.get(name, name).split(".")[0].replace("-", "_") for name in names}
    assert wanted == used - set(sys.stdlib_module_names) - {"simlab"}


def test_the_wheel_holds_the_package_and_its_scenarios_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    version = PROJECT["project"]["version"]
    files = [path for path in (ROOT / "simlab").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    code = {path.relative_to(ROOT).as_posix() for path in files}
    shipped = ROOT / "scenarios"
    data = {f"simlab/scenarios/{path.relative_to(shipped).as_posix()}" for path in shipped.rglob("*") if path.is_file()}
    about = {f"simlab-{version}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert held == code | data | about | {f"simlab-{version}.dist-info/licenses/LICENSE"}
    assert {"simlab/py.typed", "simlab/scenarios/flash_crash.yaml"} <= held
