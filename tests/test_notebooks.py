"""The notebooks run from top to bottom, and are committed without what a run leaves in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLAY = """
import os
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
seconds = 300 if os.environ.get("SIMLAB_QUICK") else 1800  # for a cell
NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def fonts() -> str:
    """Where this process keeps what it knows of the machine's fonts: a notebook that looks at all of them says so when it takes long."""
    import matplotlib.font_manager

    return matplotlib.get_cachedir()


NAMES = ("00_tour", "01_scenario", "02_seams", "03_detectors", "04_sweeps", "05_world", "06_data", "07_scaling")


def test_there_is_a_tour_and_a_notebook_for_each_part() -> None:
    assert tuple(path.stem for path in NOTEBOOKS) == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_what_to_predict_before_it_is_played(path: Path) -> None:
    if path.stem != "00_tour":
        text = "".join("".join(cell["source"]) for cell in cells(path, "markdown"))
        assert "**Question.**" in text
        assert "**Write down a prediction" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path, quick="1")


@pytest.mark.nightly
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_full(path: Path, tmp_path: Path) -> None:
    check(path, tmp_path, quick="")


def check(path: Path, tmp_path: Path, quick: str) -> None:
    """Play a notebook in a process of its own, at the small size or in full."""
    missing = [name for name in ("nbclient", "nbformat", "ipykernel") if find_spec(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{' and '.join(missing)} not installed (make test installs the test tools)")
    played = tmp_path / "played.ipynb"
    own = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "MPLCONFIGDIR": fonts(),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "SIMLAB_QUICK": quick,
    }
    command = [sys.executable, "-c", PLAY, str(path), str(tmp_path), str(played)]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [output for cell in cells(played) for output in cell["outputs"]]
    assert any("<strong>" in shown for shown in map(json.dumps, outputs))  # the verdict
    assert any("<svg" in shown for shown in map(json.dumps, outputs))  # and the main figure
    if path.stem == "02_seams" and find_spec("ipywidgets") is not None:
        (explorer,) = (
            output["data"] for output in outputs if "application/vnd.jupyter.widget-view+json" in str(output)
        )
        assert explorer["application/vnd.jupyter.widget-view+json"]["model_id"]
        assert "<svg" in "".join(explorer["text/html"])  # and pictures, for whoever cannot slide
    said = [output for output in outputs if output["output_type"] == "stream" and output["name"] == "stderr"]
    assert said == []
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == []
