"""When things happen: bands for what lasts, quantiles for the rest."""

from dataclasses import replace

import numpy as np
import pytest

from simlab.lab.shocks import Shock
from simlab.views import pictures
from simlab.views.ink import drawing, style
from simlab.views.timeline import Band, Row, timeline
from tests.views import fixture


@pytest.fixture(scope="module")
def made():
    return fixture.scenario()


@pytest.mark.parametrize("narrow", [False, True])
def test_the_marks_are_the_quantiles(narrow):
    first = np.arange(101.0) * 60
    with style():
        figure = timeline([Band("a", 600, np.inf)], [Row("t", "n", 0, first)], 7000.0, narrow=narrow)
    lines = [line.get_xdata() for line in figure.axes[0].lines]
    assert [5, 95] in [list(x) for x in lines]
    assert [25, 75] in [list(x) for x in lines]
    assert [50] in [list(x) for x in lines]
    assert [t.get_text() for t in figure.axes[0].texts] == ["a", "t", "n"]


def test_a_shock_is_a_band_and_harm_a_row_an_arm(made):
    record = fixture.record(made, n=50)
    with style():
        (wide, narrow), seen = pictures.events(record, made)
    assert "Lasting: seller: 10 min to 25 min." in wide.alt
    share = record.summary["harm"]["arms"]["shared"]["share"]
    assert f"all shared, drawdown > 3% in {100 * share:.0f}%, median" in wide.alt
    assert "shock seller" not in wide.alt
    assert narrow.width == 340
    assert {one.kind for one in seen} == {"harm", "shock"}


def test_a_shock_of_some_arms_says_which(made):
    one, *rest = made.arms
    shocks = (*one.trial.shocks, Shock("noise", "features", "offset", size=1.0, start=60.0))
    arms = (one._replace(trial=replace(one.trial, shocks=shocks)), *rest)
    bands = pictures.lasting(replace(made, arms=arms))
    assert [band.title for band in bands] == ["seller: 10 min to 25 min", "noise: 60 s to the end (isolated only)"]


def test_nothing_at_all():
    alone = fixture.scenario(("isolated",), controls=(), harm=None)
    arm = alone.arms[0]
    bare = replace(alone, arms=(arm._replace(trial=replace(arm.trial, shocks=(), harm=None)),))
    record = fixture.record(bare, n=40)
    cells = {key: cell._replace(events=[]) for key, cell in record.cells.items()}
    assert pictures.events(replace(record, cells=cells), bare) == (None, [])


def test_long_titles_are_cut():
    with style():
        svg = drawing(timeline([], [Row("x" * 300, "y" * 300, 7, np.array([1.0]))], 10.0), "t", "").svg
    assert "x" * 100 not in svg


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("start", [0.0, 0.3, 0.49, 0.51, 0.9])
def test_long_names_of_bands_are_whole_and_stay_inside(start, narrow):
    """Words break into lines where there is no room beside the start of a band, and rows below make room for them."""
    title = "crime moves: 500 day to the end (own, crime moves and weighted by 1/p, crime moves only)"
    with style():
        figure = timeline(
            [Band(title, start * 100, np.inf)], [Row("t", "n", 0, np.array([50.0]))], 100.0, narrow=narrow
        )
        (axes,) = figure.axes
        name = axes.texts[0]
        box, below = name.get_window_extent(), axes.texts[1].get_window_extent()
    assert " ".join(name.get_text().split()) == title
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert box.y0 > below.y0
    assert box.y1 <= figure.bbox.height
