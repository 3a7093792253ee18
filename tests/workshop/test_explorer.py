"""One slider from isolated to shared, and what is shown where nobody can slide."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest
from matplotlib.figure import Figure

import simlab
from simlab.base.errors import InputError
from simlab.workshop.explorer import shares
from tests.farol import SCENARIO, ElFarol


@pytest.fixture(scope="module")
def scenario():
    return simlab.load(SCENARIO, using=[ElFarol])


@pytest.fixture(scope="module")
def explorer(scenario, tmp_path_factory):
    return simlab.workshop.explore(scenario, replications=4, jobs=1, out=tmp_path_factory.mktemp("explore") / "run")


def test_the_steps_lead_from_isolated_to_shared(explorer):
    assert explorer.arms == ("isolated", "share_5", "share_10", "share_15", "share_20")
    brains = [arm.trial.topology.brains for arm in explorer.results.scenario.arms]
    assert brains == [20, 16, 11, 6, 1]


@pytest.mark.parametrize(
    ("models", "steps", "found"), [(64, 5, [0, 16, 32, 48, 64]), (2, 5, [0, 2]), (3, 5, [0, 2, 3]), (10, 2, [0, 10])]
)
def test_one_that_shares_with_nobody_is_no_step(models, steps, found):
    assert shares(models, steps) == found


def test_it_is_played_once(explorer, scenario, monkeypatch):
    monkeypatch.setattr("simlab.lab.cohort.play", None)
    again = simlab.workshop.explore(scenario, replications=4, out=explorer.results.path)
    assert again.results.summary == explorer.results.summary


def test_pictures_of_one_step_and_of_all(explorer):
    assert isinstance(explorer.figure("share_10"), Figure)
    assert [len(figure.axes) for figure in (explorer.figure(2), explorer.figure(0), explorer.plot())] == [3, 2, 6]


def test_without_widgets_it_is_a_picture(explorer, monkeypatch):
    monkeypatch.setattr(sys.modules["simlab.workshop.explorer"], "find_spec", lambda name: None)
    shown = explorer._repr_mimebundle_()
    assert "<svg " in shown["text/html"]
    assert "all 20 share" in shown["text/html"]
    assert shown["text/plain"].startswith("<Explorer of el_farol from isolated to shared: ")
    with pytest.raises(InputError, match="pip install ipywidgets"):
        explorer.widget()


def test_with_widgets_the_slider_changes_the_picture(explorer, monkeypatch):
    told = {}

    def slider(options, value, description):
        told.update(options=options, value=value)
        return SimpleNamespace(observe=lambda show, names: told.update(show=show))

    picture = SimpleNamespace(value="")

    def html(value):
        picture.value = value
        return picture

    box = SimpleNamespace(
        _repr_mimebundle_=lambda: {"text/plain": "VBox", "application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    )
    fake = ModuleType("ipywidgets")
    fake.__spec__ = ModuleSpec("ipywidgets", None)
    fake.SelectionSlider, fake.HTML, fake.VBox = slider, html, lambda children: box
    monkeypatch.setitem(sys.modules, "ipywidgets", fake)
    shown = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "<svg " in shown["text/html"]
    assert [value for _, value in told["options"]] == list(explorer.arms)
    before = picture.value
    told["show"]({"new": "share_5"})
    assert "5 of 20 share" in picture.value != before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seam": "shared_brian"}, "did you mean `shared_brain`"),
        ({"steps": 1}, "at least 2"),
    ],
)
def test_what_cannot_be_explored_is_refused(scenario, given, says, tmp_path):
    with pytest.raises(InputError, match=says):
        simlab.workshop.explore(scenario, out=tmp_path / "x", **given)
    alone = simlab.load(SCENARIO, using=[ElFarol], world__el_farol__people=1, arms={"a": {"topology": "isolated"}})
    with pytest.raises(InputError, match="one model"):
        simlab.workshop.explore(alone, out=tmp_path / "x")
