"""A user's own module: named explicitly, checked, noted in the run's document, and asked for when the run is opened."""

from __future__ import annotations

import sys

import pytest

from simlab.base.errors import PluginError
from simlab.scenario.build import build, rebuild
from simlab.scenario.load import load
from simlab.scenario.plugin import plugin, registry_of
from simlab.scenario.problems import ScenarioError
from simlab.studies.runner import run_of

BRAIN = """\
from dataclasses import dataclass
from typing import Annotated, final
from simlab.base.par import Par
from simlab.brains.moving_average import MovingAverage
from simlab.brains.brain import Brain

@final
@dataclass(frozen=True)
class TwiceThat(Brain):
    answers = frozenset({"number"})
    times: Annotated[float, Par("1", "what it multiplies by", low=0)] = 2.0

    def start(self, r, b, p, spec, luck): return None
    def predict(self, mind, x, luck): return x[..., 0] * self.times
    def witness(self, mind, x, action, feedback, then): return None
"""

YAML = {
    "schema": 1,
    "title": "own",
    "world": {"performative": {"agents": 5}},
    "brain": {"twice_that": {}},
    "run": {"replications": 2, "horizon": "1 min"},
    "arms": {"isolated": {"topology": "isolated"}},
    "controls": {"feedback_off": {}, "no_stressor": {}},
}


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test imports does not stay."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]


def module(tmp_path, name, text=BRAIN):
    (tmp_path / f"{name}.py").write_text(text)
    return str(tmp_path / f"{name}.py")


def test_its_classes_are_known_and_the_document_says_whose_they_are(tmp_path):
    found = plugin(module(tmp_path, "mine_one"))
    assert [one.__name__ for one in found.classes] == ["TwiceThat"]  # what it imports from the house is not its own
    registry = registry_of((found, plugin(str(tmp_path / "mine_one.py"))))
    scenario = build(YAML, "own", registry=registry)
    assert scenario.resolved["plugins"] == {"twice_that": "mine_one.TwiceThat"}
    assert rebuild(scenario.resolved, "own", registry) == rebuild(scenario.resolved, "own", registry)


def test_a_scenario_that_needs_none_says_nothing_of_one(tmp_path):
    registry = registry_of((plugin(module(tmp_path, "mine_two")),))
    plain = YAML | {"brain": {"mean": {}}}
    assert build(plain, "own", registry=registry) == build(plain, "own")
    assert "plugins" not in build(plain, "own").resolved


def test_an_arm_with_a_brain_of_ones_own_needs_it_too(tmp_path):
    registry = registry_of((plugin(module(tmp_path, "mine_three")),))
    arms = {**YAML["arms"], "own": {"topology": "isolated", "brain": {"twice_that": {}}}}
    found = build(YAML | {"brain": {"mean": {}}, "arms": arms}, "own", registry=registry)
    assert list(found.resolved["plugins"]) == ["twice_that"]


def test_an_edit_is_another_run(tmp_path):
    def run(text):
        registry = registry_of((plugin(module(tmp_path, "mine_four", text)),))
        del sys.modules["mine_four"]
        return run_of(build(YAML, "own", registry=registry)).hash

    assert run(BRAIN) == run(BRAIN)
    assert run(BRAIN) != run(BRAIN.replace("x[..., 0] * self", "x[..., 0] + 0.5 * self"))


def test_a_run_says_what_it_needs_and_nothing_else(tmp_path):
    document = build(YAML, "own", registry=registry_of((plugin(module(tmp_path, "mine_five")),))).resolved
    with pytest.raises(
        ScenarioError, match=r"plugins\.twice_that: needs mine_five\.TwiceThat.*`--plugin mine_five\.py`"
    ) as caught:
        rebuild(document, "own")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("mine_a", "x = 1", "holds no class derived from World, Brain, Intervention, Detector"),
        ("mine_b", "def f(:", "line 1: invalid syntax"),
        ("mine_c", "1 / 0", "cannot be imported: ZeroDivisionError"),
        ("mine_d", "import no_such_thing", "cannot be imported: No module named 'no_such_thing'"),
        (
            "mine_e",
            BRAIN.replace("TwiceThat", "Ridge"),
            "`ridge` is the name of another brain",
        ),
        ("mine_f", BRAIN.replace('Annotated[float, Par("1", "what it multiplies by", low=0)]', "float"), "annotate it"),
        ("mine-g", BRAIN, "give the file a name such as `mine.py`"),
        ("json", BRAIN, "another module is called `json`"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, name, text, says):
    with pytest.raises(PluginError) as caught:
        registry_of((plugin(module(tmp_path, name, text)),))
    assert says in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("mine_x.py", "no file"),
        ("no_such_module", "no such module"),
        ("a b", "neither a file, a module nor installed"),
        ("{folder}/mine_on.py", "did you mean `{folder}/mine_one.py`?"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(tmp_path, given, says):
    module(tmp_path, "mine_one")
    with pytest.raises(PluginError) as caught:
        plugin(given.format(folder=tmp_path))
    assert says.format(folder=tmp_path) in str(caught.value)


def test_the_house_itself_is_as_it_was():
    assert "plugins" not in load("flash_crash").resolved
