"""One slider from isolated to shared, and what is shown where nobody can slide."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import simlab
from simlab.base.errors import InputError
from simlab.workshop.explorer import shares
from tests.farol import SCENARIO, ElFarol
from tests.test_notebooks import ROOT


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
    with pytest.raises(InputError, match=r"pip install 'simlab\[notebook\]'"):
        explorer.widget()


def test_with_widgets_the_slider_changes_the_picture(explorer):
    """The real widgets, moved as by hand; the static pictures stay beside them for a document that nobody can touch."""
    pytest.importorskip("ipywidgets")
    shown = explorer._repr_mimebundle_()
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "<svg " in shown["text/html"]
    slider, picture = explorer.widget().children
    assert slider.value == explorer.arms[-1]
    assert [arm for _, arm in slider.options] == list(explorer.arms)
    before = picture.value
    slider.value = "share_5"
    assert "5 of 20 share" in picture.value != before
    slider.index = len(explorer.arms) - 1
    assert picture.value == before


LIVE = """
import sys
import nbformat
from nbclient import NotebookClient
from nbclient.util import run_sync

cells = [
    "from tests.farol import SCENARIO, ElFarol; import simlab",
    f"explorer = simlab.workshop.explore(simlab.load(SCENARIO, using=[ElFarol]), replications=4, jobs=1, out={sys.argv[1]!r})",
    "explorer",
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
client = NotebookClient(notebook, timeout=120, kernel_name="python3")
with client.setup_kernel():
    for place in range(3):
        client.execute_cell(notebook.cells[place], place)
    (shown,) = (one for one in notebook.cells[2].outputs if one.output_type == "execute_result")
    box = client.widget_state[shown.data["application/vnd.jupyter.widget-view+json"]["model_id"]]
    slider, picture = (name.removeprefix("IPY_MODEL_") for name in box["children"])
    before = client.widget_state[picture]["value"]
    message = {"comm_id": slider, "data": {"method": "update", "state": {"index": 1}, "buffer_paths": []}}
    client.kc.shell_channel.send(client.kc.session.msg("comm_msg", message))  # as the browser does
    after = None
    while after is None:  # until the picture says that it changed; the time-out is an error
        said = run_sync(client.kc.get_iopub_msg)(timeout=60)
        if said["msg_type"] == "comm_msg" and said["content"]["comm_id"] == picture:
            after = said["content"]["data"]["state"].get("value")
print("<svg " in shown.data["text/html"], "all 20 share" in before, "5 of 20 share" in after, before == after)
"""


@pytest.mark.nightly
def test_the_slider_is_live_in_a_notebook(explorer, tmp_path):
    """Moved from outside through the messages of Jupyter, in a kernel of its own, the slider changes the picture there."""
    for name in ("nbclient", "nbformat", "ipykernel", "ipywidgets"):
        pytest.importorskip(name)
    env = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, "-c", LIVE, str(explorer.results.path)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["True", "True", "True", "False"]


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
