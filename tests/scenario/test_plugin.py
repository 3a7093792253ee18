"""A user's own module: named explicitly, checked, remembered in the run's document, and asked for when the run is opened."""

from __future__ import annotations

import sys

import pytest

from simlab.base.errors import PluginError
from simlab.base.world import World
from simlab.brains.brain import Brain
from simlab.interventions.intervention import Intervention
from simlab.scenario import plugin
from simlab.scenario.build import build, rebuild
from simlab.scenario.load import load
from simlab.scenario.problems import ScenarioError
from simlab.scenario.registry import Registry, Shelf

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


@pytest.fixture
def house(monkeypatch):
    """A registry of its own, and a process that has adopted nothing."""
    monkeypatch.setattr(plugin, "_adopted", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield Registry(
        Shelf(World, "simlab.worlds"),
        Shelf(Brain, "simlab.brains"),
        Shelf(Intervention, "simlab.interventions"),
        Shelf(object, None),
    )
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]


def module(tmp_path, name, text=BRAIN):
    (tmp_path / f"{name}.py").write_text(text)
    return str(tmp_path / f"{name}.py")


def test_a_class_gets_the_name_of_its_words():
    names = ("Fads", "FlashCrash", "ABTest", "Sgd2Step")
    assert [plugin.name_of(type(name, (), {})) for name in names] == ["fads", "flash_crash", "ab_test", "sgd2_step"]


def test_its_classes_are_known_and_its_digest_is_kept(tmp_path, house):
    found = plugin.adopt(module(tmp_path, "mine_one"), house)
    assert list(found.classes) == ["twice_that"]  # what it imports from the house is not its own
    scenario = build(YAML, "own", registry=house)
    assert scenario.resolved["plugins"] == {"mine_one": found.digest}
    assert plugin.adopt(str(tmp_path / "mine_one.py"), house) is found
    assert rebuild(scenario.resolved, "own", house) == rebuild(scenario.resolved, "own", house)


def test_a_scenario_that_needs_none_says_nothing_of_one(tmp_path, house):
    before = build(YAML | {"brain": {"mean": {}}}, "own", registry=house)
    plugin.adopt(module(tmp_path, "mine_two"), house)
    assert build(YAML | {"brain": {"mean": {}}}, "own", registry=house) == before
    assert "plugins" not in before.resolved


def test_an_arm_with_a_brain_of_ones_own_needs_it_too(tmp_path, house):
    plugin.adopt(module(tmp_path, "mine_three"), house)
    arms = {**YAML["arms"], "own": {"topology": "isolated", "brain": {"twice_that": {}}}}
    found = build(YAML | {"brain": {"mean": {}}, "arms": arms}, "own", registry=house)
    assert list(found.resolved["plugins"]) == ["mine_three"]


def test_an_edit_is_another_digest(tmp_path, house):
    one = plugin.adopt(module(tmp_path, "mine_four"), house)
    del sys.modules["mine_four"]
    plugin._adopted.clear()
    fresh = house._replace(brains=Shelf(Brain, "simlab.brains"))
    assert plugin.adopt(module(tmp_path, "mine_four", BRAIN.replace("2.0", "3.0")), fresh).digest != one.digest


def test_a_run_says_what_it_needs_and_nothing_else(tmp_path, house):
    plugin.adopt(module(tmp_path, "mine_five"), house)
    document = build(YAML, "own", registry=house).resolved
    plugin._adopted.clear()
    with pytest.raises(ScenarioError, match=r"plugins\.mine_five: needs a module.*--plugin mine_five\.py") as caught:
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
            "`ridge` is taken in simlab; give the class Ridge another name",
        ),
        ("mine_f", BRAIN.replace('Annotated[float, Par("1", "what it multiplies by", low=0)]', "float"), "annotate it"),
        ("mine-g", BRAIN, "give the file a name such as `mine.py`"),
        ("json", BRAIN, "another module is called `json`"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, house, name, text, says):
    with pytest.raises(PluginError) as caught:
        plugin.adopt(module(tmp_path, name, text), house)
    assert says in str(caught.value)
    assert caught.value.exit_code == 5
    assert plugin.adopted() == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("mine_x.py", "no file"),
        ("no_such_module", "no such module"),
        ("a b", "neither a file nor a module"),
        ("{folder}/mine_on.py", "did you mean `{folder}/mine_one.py`?"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(tmp_path, house, given, says):
    module(tmp_path, "mine_one")
    with pytest.raises(PluginError) as caught:
        plugin.adopt(given.format(folder=tmp_path), house)
    assert says.format(folder=tmp_path) in str(caught.value)


def test_the_house_itself_is_as_it_was():
    assert "plugins" not in load("flash_crash").resolved
