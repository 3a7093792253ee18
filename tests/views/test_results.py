import subprocess
import sys

import pytest

from simlab.views.results import Results
from tests.views import fixture


@pytest.fixture(scope="module")
def results():
    made = fixture.scenario()
    return Results(fixture.record(made), made)


def test_the_labelled_faces(results):
    assert dict(results.measures.sizes) == {"arm": 4, "replication": 256}
    assert results.measures["loss"].attrs["unit"] == "USD"
    assert dict(results.series.sizes) == {"arm": 4, "time": 361, "replication": 256}
    assert list(results.to_pandas().columns) == ["arm", "replication", "drawdown", "loss", "volume"]
    assert len(results.to_pandas()) == 4 * 256
    assert set(results.events["kind"]) == {"harm", "shock"}
    assert len(results.claims) == 4
    assert results.verdict in repr(results)


def test_plot_is_a_figure_with_a_panel_an_arm_and_one_beside(results):
    from matplotlib.figure import Figure

    figure = results.plot()
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 5
    assert [axes.get_title(loc="left") for axes in figure.axes[:4]] == [arm.title for arm in results.scenario.arms]
    limits = {axes.get_ylim() for axes in figure.axes[:4]}
    assert len(limits) == 1


def test_in_a_notebook(results):
    shown = results._repr_html_()
    assert "<strong>" in shown
    assert '<svg style="max-width: 100%' in shown
    assert "<script" not in shown
    assert "shared feature store" in shown


def test_report(results, tmp_path):
    assert results.report(tmp_path / "r").read_text("utf-8").startswith("<!doctype html>")


def test_draws_without_a_window_and_without_pyplot():
    code = (
        "import sys; from tests.views import fixture; from simlab.views.results import Results; s = fixture.scenario(('isolated',));"
        "assert 'matplotlib' not in sys.modules; Results(fixture.record(s, n=40), s).plot(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={"PATH": "/usr/bin", "DISPLAY": "", "HOME": "/nonexistent", "MPLCONFIGDIR": "/tmp"},
    )
