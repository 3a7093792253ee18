"""The pictures one by one, and what is said where a picture was asked for that there is not."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from simlab.base.errors import InputError
from simlab.views.results import Results
from simlab.views.sweeps import Sweep
from tests.views import fixture, made


@pytest.fixture(scope="module")
def results():
    scenario = fixture.scenario()
    return Results(fixture.record(scenario), scenario)


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda plot: plot(), "P(drawdown > 3%)"),
        (lambda plot: plot.fan("loss"), "mean loss (USD)"),
        (lambda plot: plot.fan(arms="shared"), "all shared"),
        (lambda plot: plot.distribution(), "drawdown"),
        (lambda plot: plot.distribution("loss", arms=["isolated", "shared"]), "loss (USD)"),
        (lambda plot: plot.difference(), "P(drawdown > 3%), points"),
        (lambda plot: plot.difference("volume"), "mean volume (1/min)"),
        (lambda plot: plot.correlation("isolated"), "9\N{EN DASH}16"),
        (lambda plot: plot.wiring("feature_store"), "all 64"),
        (lambda plot: plot.timeline(), "seller"),
    ],
)
def test_each_picture_is_a_figure_that_a_notebook_shows(results, draw, says):
    figure = draw(results.plot)
    assert isinstance(figure, Figure)
    assert figure.get_label()  # what it says in words
    shown = figure._repr_html_()
    assert "<svg " in shown
    assert "background: #fff" in shown
    assert says in shown.replace("&gt;", ">")


def test_a_picture_of_two_arms_has_their_panels_only(results):
    figure = results.plot.fan("loss", arms=["isolated", "shared"])
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["isolated", "all shared"]
    assert len(figure.axes) == 3
    whole = results.plot.fan("loss")  # and every arm keeps its colour
    colours = [axes.lines[-1].get_color() for axes in (figure.axes[0], figure.axes[1])]
    assert colours == [axes.lines[-1].get_color() for axes in (whole.axes[0], whole.axes[3])]


def test_the_mean_beside_a_fan_is_the_mean(results):
    figure = results.plot.fan("loss", arms="shared")
    (value,) = [line.get_xdata()[0] for line in figure.axes[-1].lines if line.get_marker() == "^"]
    assert value == pytest.approx(float(results.measures["loss"].sel(arm="shared").mean()))


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda plot: plot.fan("los"), r"unknown measure `los`; did you mean `results\.plot\.fan\('loss'\)`"),
        (lambda plot: plot.difference("volum"), r"results\.plot\.difference\('volume'\)"),
        (
            lambda plot: plot.correlation("share"),
            r"unknown arm `share`; did you mean `results\.plot\.correlation\('shared'\)`",
        ),
        (lambda plot: plot.distribution(arms=["isolatd"]), r"results\.plot\.distribution\(arms=\['isolated'\]\)"),
        (lambda plot: plot.wiring("zzz"), r"unknown arm `zzz`; known: isolated, "),
        (lambda plot: plot.phase(), r"keeps no study with two axes; play one: `simlab\.sweep\("),
        (lambda plot: plot.phase("x"), r"no study `x`"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_call(results, draw, says):
    with pytest.raises(InputError, match=says):
        draw(results.plot)


def test_one_arm_has_no_difference_and_one_model_no_correlation():
    alone = fixture.scenario(("isolated",))
    plot = Results(fixture.record(alone, n=40), alone).plot
    with pytest.raises(InputError, match="one arm only"):
        plot.difference()
    single = replace(alone, arms=(alone.arms[0]._replace(trial=fixture.trial(traders=1)),))
    with pytest.raises(InputError, match="it has one model"):
        Results(fixture.record(single, n=40), single).plot.correlation()


def test_a_sweep_over_two_axes_has_a_phase_diagram_and_one_over_one_has_not():
    load, refresh = made.axis("world.load", 0.1, 0.2), made.axis("world.refresh", 1, 2)
    two = Sweep(made.document([load, refresh], {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.2, 0.2, 0.5, 0.5]}))
    one = Sweep(made.document([load], {"a": [0.1, 0.2], "b": [0.2, 0.3]}))
    assert isinstance(two.plot.phase(), Figure)
    assert isinstance(two.plot(), Figure)
    with pytest.raises(InputError, match=r"varies load; `sweep\.plot\(\)` draws it"):
        one.plot.phase()


def test_one_dataset(results):
    whole = results.to_xarray()
    assert dict(whole.sizes) == {"arm": 4, "replication": 256, "time": 361}
    assert whole["drawdown"].dims == ("arm", "replication")
    assert whole["drawdown_over_time"].dims == ("arm", "time", "replication")
    assert whole["loss"].attrs["unit"] == "USD"
    assert list(whole["title"].values[:2]) == ["isolated", "shared feature store"]
    crossed = (whole["drawdown_over_time"] > fixture.EDGE).any("time")
    np.testing.assert_array_equal(np.isfinite(whole["harmed"]), crossed)
    assert not whole["failed"].any()
    assert all(isinstance(value, str | int | float) for value in whole.attrs.values())
    off = results.to_xarray("feedback_off")
    assert float(off["drawdown"].mean()) < float(whole["drawdown"].mean())
    with pytest.raises(InputError, match="did you mean `feedback_off`"):
        results.to_xarray("feedback")


def test_parquet_gives_the_same_back_with_units(results, tmp_path):
    import pandas as pd
    from pyarrow.parquet import read_schema

    paths = results.to_parquet(tmp_path / "out")
    assert [path.name for path in paths] == ["measures.parquet", "series.parquet", "events.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(paths[0]), results.to_pandas(), check_dtype=False)
    series = pd.read_parquet(paths[1])
    assert list(series.columns) == ["arm", "time", "replication", "drawdown", "loss", "volume"]
    assert len(series) == 4 * 361 * 256
    assert len(pd.read_parquet(paths[2])) == len(results.events)
    schema = read_schema(paths[0])
    assert schema.field("loss").metadata[b"unit"] == b"USD"
    assert b'"replications":256' in schema.metadata[b"simlab"].replace(b" ", b"")
