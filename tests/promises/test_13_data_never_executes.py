"""Promise 13: names are looked up, never imported from data; no pickle, no eval, no tags; code runs only behind `--plugin`."""

from __future__ import annotations

import ast
import sys

import pytest

import simlab
from simlab.base.errors import InputError
from simlab.scenario.registry import HOUSE
from tests.bad_input.door import GOOD, ROOT, knock, refused

EXECUTES = {"eval", "exec", "compile", "__import__", "import_module"}
LOADS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
MAY = {  # what imports by a computed name, and where that name comes from
    "simlab/base/lazy.py": "the table of a package",
    "simlab/__init__.py": "its own table",
    "simlab/__main__.py": "its own table",
    "simlab/scenario/plugin.py": "what the user named by --plugin",
    "simlab/scenario/registry.py": "a listing of the house's folders",
}
SPY = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


def test_no_line_of_the_package_evaluates_or_unpickles():
    """By the syntax tree, so that strings and comments do not count."""
    seen = set()
    for path in sorted((ROOT / "simlab").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in EXECUTES:
                if (
                    getattr(node.func, "attr", "") == "compile"
                    and getattr(getattr(node.func, "value", None), "id", "") == "re"
                ):
                    continue
                if not (node.args and isinstance(node.args[0], ast.Constant)):
                    seen.add(name)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.partition(".")[0] for alias in node.names} | {
                    (getattr(node, "module", "") or "").partition(".")[0]
                }
                assert not names & LOADS, name
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert getattr(node.value, "value", None) is False, name
    assert seen <= set(MAY), seen - set(MAY)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os",
        "simlab.worlds.flash_crash",
        "__init__",
        "../kill_switch",
        "brain",
        "flash_crash.FlashCrash",
        "",
    ],
)
def test_a_name_is_looked_up_and_never_imported(name):
    before = set(sys.modules)
    assert [shelf.find(name) for shelf in HOUSE] == [None] * 4
    assert {module.partition(".")[0] for module in set(sys.modules) - before} <= {"simlab"}


@pytest.mark.parametrize("key", ["world", "brain", "detectors", "interventions"])
def test_a_file_beside_the_scenario_is_not_imported(tmp_path, key):
    """Though it has the very name that is asked for, and Python would find it."""
    (tmp_path / "spy.py").write_text(SPY)
    text = {
        "world": GOOD.replace("flash_crash: {traders: 4}", "spy: {}"),
        "brain": GOOD.replace("ridge:", "spy:"),
        "detectors": GOOD.replace("story:", "detectors: {spy: {}}\nstory:"),
        "interventions": GOOD.replace(
            "isolated: {topology: isolated}", "isolated: {topology: isolated, interventions: [spy]}"
        ),
    }[key]
    (tmp_path / "f.yaml").write_text(text)
    assert "unknown" in refused(tmp_path, "run", "f.yaml")
    assert not (tmp_path / "ran").exists()


def test_it_is_imported_when_it_is_named_by_plugin(tmp_path):
    (tmp_path / "spy_named.py").write_text(SPY)
    (tmp_path / "f.yaml").write_text(GOOD)
    assert knock(tmp_path, "validate", "f.yaml", "--plugin", "spy_named.py").code == 5  # it ran, and holds no class
    assert (tmp_path / "ran").exists()
    sys.path.remove(str(tmp_path.resolve()))
    del sys.modules["spy_named"]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch ran')",
        "!!python/object/apply:os.system ['touch ran']",
        "${touch ran}",
        "$(touch ran)",
        "{{7*7}}",
        "%(x)s",
    ],
)
def test_text_stays_text(tmp_path, text):
    (tmp_path / "f.yaml").write_text(GOOD)
    answer = knock(tmp_path, "validate", "f.yaml", "--set", f"title={text!r}")
    assert answer.code == 0
    assert simlab.load(GOOD, title=text).title == text
    assert not list(tmp_path.glob("**/ran"))


def test_a_document_that_needs_a_class_names_it_and_does_not_fetch_it():
    with pytest.raises(InputError, match="plugins"):
        simlab.load(GOOD, plugins={"flash_crash": "os.system"})
