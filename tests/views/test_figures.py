import re
import xml.etree.ElementTree as ET
from html import unescape

import matplotlib as mpl
import numpy as np
import pytest

from simlab.base.world import Spec
from simlab.brains.topology import wire
from simlab.views import figures
from simlab.views.figures import Band, Level, Scale, bands, exceedance
from simlab.views.ink import COLOURS, FAINT, INK, PAPER, drawing, style, thin
from simlab.views.wiring import in_words, kept, parts, wiring

AWKWARD = r"<b>$\frac{$ & 市场"


def band(title="isolated", t=2000, r=40):
    times = np.arange(t, dtype=float)
    return Band(title, "nothing shared", times, np.random.default_rng(1).normal(size=(t, r)), np.arange(r))


def main(title="isolated", *, narrow=False):
    levels = [Level(title, 0.4, (0.3, 0.5), "40%"), Level("other", None, None, "\N{EN DASH}")]
    with style():
        return drawing(
            figures.main_figure(
                [band(title), band("other")], levels, Scale("drawdown", edge=1.0, edge_text="harm"), "P", narrow=narrow
            ),
            "main",
            "words",
        )


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("arms", [1, 4, 8])
def test_the_labels_of_a_panel_are_not_printed_over_each_other(arms, narrow):
    """The edge of harm and the share that crosses it stand at the same height, and panels may be narrow."""
    levels = [Level("x", 1.0, None, "100%", True, (True, False))] * arms
    with style():
        figure = figures.main_figure(
            [band(t=50)] * arms,
            levels,
            Scale("true gain", edge=0.0, edge_text="harm > 2,500 requests"),
            "P",
            narrow=narrow,
        )
        figure.canvas.draw()
        edge, share = (text.get_window_extent() for text in figure.axes[0].texts[:2])
    assert not edge.overlaps(share)


def test_bands_are_the_quantiles_of_what_is_defined():
    values = np.vstack([np.arange(101.0), np.r_[np.arange(100.0) * 0 + 7, np.nan], np.full(101, np.nan)])
    q = bands(values)
    assert q[:, 0].tolist() == [5, 25, 50, 75, 95]
    assert q[:, 1].tolist() == [7] * 5
    assert np.isnan(q[:, 2]).all()


def test_exceedance_counts_what_lies_above():
    x, p = exceedance(np.array([3.0, 1, 2, np.nan, 4]))
    assert x.tolist() == [1, 2, 3, 4]
    assert p.tolist() == [0.75, 0.5, 0.25, 0]
    assert exceedance(np.array([np.nan]))[0].size == 0


def test_curves_have_at_most_300_points():
    assert len(thin(10**6)) == 300
    assert thin(3).tolist() == [0, 1, 2]
    with style():
        drawn = drawing(figures.distributions([("a", np.arange(10_000.0))], Scale("x")), "x", "")
    for path in re.findall(r' d="([^"]*)"', drawn.svg + main().svg):
        assert len(re.findall("[ML]", path)) <= 2 * 300 + 4  # a band goes out and back, a step has two corners


@pytest.mark.parametrize("narrow", [False, True])
def test_the_same_bytes_when_drawn_again(narrow):
    assert main(narrow=narrow) == main(narrow=narrow)
    assert "date" not in main().svg.lower()


def test_text_is_shown_as_it_is_written():
    root = ET.fromstring(main(AWKWARD).file())
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert AWKWARD in shown


def test_on_the_page_a_picture_takes_the_pages_colours_and_ids_of_its_own():
    drawn = main(AWKWARD)
    inline = drawn.inline()
    for colour in (INK, FAINT, PAPER):
        assert colour in drawn.svg
        assert not re.search(rf"(?<!, ){colour}", inline)
    ids = re.findall(r'\bid="([^"]*)"', inline)
    used = re.findall(r'(?:href="#|url\(#)([^")]*)', inline)
    assert ids
    assert used
    assert all(name.startswith("main-") for name in ids)
    assert set(used) <= set(ids)
    assert "http" not in inline
    assert 'role="img" aria-label="words"' in inline


def test_the_users_own_settings_stay():
    before = dict(mpl.rcParams)
    main()
    assert dict(mpl.rcParams) == before


def test_all_undefined_is_drawn_empty():
    nothing = Band("a", "", np.arange(3.0), np.full((3, 2), np.nan), np.arange(2))
    with style():
        figures.main_figure([nothing], [Level("a", None, None, "\N{EN DASH}")], Scale("x"), "P")
        figures.forest([(1, Level("a", None, None, "\N{EN DASH}"))], "x", str)
        figures.distributions([("a", np.array([np.nan]))], Scale("x"))


def test_wiring_in_words():
    assert in_words(wire("isolated", 64)) == "Nothing is shared. Blast radius 1 of 64, depth 1."
    assert in_words(wire("feature_store", 64)) == "One feature view for all 64 models. Blast radius 64 of 64, depth 1."
    assert (
        in_words(wire("shared", 64))
        == "One data pool, brain and feature view for all 64 models. Blast radius 64 of 64, depth 1."
    )
    assert "4 of 4 brains shared, by up to 16 models each" in in_words(wire("bulkheads(4)", 64))
    assert in_words(wire("chain", 5)) == "Nothing is shared. Models read other models. Blast radius 5 of 5, depth 5."
    assert "averaged every 10 min" in in_words(wire("federated", 4, average_every=600.0))


def test_a_view_that_is_no_choice_of_the_wiring_is_not_shared_by_it():
    """A world that shows nothing has no view, and one that shows all the same has one whatever is wired; both are not "shared"."""
    blind, public = Spec(models=9, asks="shares", states=1, choices=2), Spec(models=9, features=3)
    for name, said in (("isolated", "Nothing is shared."), ("shared", "One data pool and brain for all 9 models.")):
        reach = 1 if name == "isolated" else 9
        one = wire(name, 9).canonical(blind)
        assert in_words(one, blind) == f"{said} Blast radius {reach} of 9, depth 1."
        told = f"{said} All models see the one view that this world has. Blast radius {reach} of 9, depth 1."
        assert in_words(one, public) == told
        assert "view" not in {part.part for part in parts(one, blind)} | {part.part for part in parts(one, public)}
    own = Spec(models=9, views=9, features=3)
    assert in_words(wire("feature_store", 9).canonical(own), own).startswith("One feature view for all 9 models.")
    lone, one = (wire(name, 9).canonical(blind) for name in ("isolated", "shared"))
    with style():
        nothing, public_view, shared = (
            drawing(wiring(*given), "w", "").svg for given in ((lone, blind), (lone, public), (one, blind))
        )
    assert "1 view" not in nothing
    assert "the world's" in unescape(public_view)
    filled = [COLOURS[1] in svg for svg in (nothing, public_view, shared)]
    assert filled == [False, False, True]


@pytest.mark.parametrize(("arms", "columns"), [(1, 1), (4, 4), (5, 3), (6, 3), (7, 4), (9, 3), (10, 4)])
def test_panels_stand_in_rows_as_even_as_they_get(arms, columns):
    """At most four in a row, in as few rows as that takes, and then as few in a row as that takes."""
    with style():
        levels = [Level("a", 0.5, None, "0.5")] * arms
        figure = figures.main_figure([band(t=3, r=2)] * arms, levels, Scale("x"), "P")
    assert len({round(axes.get_position().x0, 3) for axes in figure.axes[:arms]}) == columns


def test_what_is_drawn_beside_an_arm_is_its_median_and_is_named_once():
    times, values = np.arange(4.0), np.full((4, 3), 0.9)
    other = np.array([[0.1, 0.2, 0.6]] * 4)
    arms = [Band(t, "", times, values, np.arange(3), other, "crime share") for t in ("a", "b")]
    with style():
        figure = figures.main_figure(arms, [Level(t, 0.9, None, "0.9") for t in ("a", "b")], Scale("x"), "P")
    lines = [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes[:2]]
    assert all([0.2] * 4 in drawn for drawn in lines)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("crime share") == 1
    low, top = figure.axes[0].get_ylim()
    assert low < 0.2 < 0.9 < top


def test_parts_count_what_is_shared():
    found = {p.part: p for p in parts(wire("shared_brain", 8))}
    assert (found["brain"].total, found["brain"].shared, found["brain"].reach) == (1, 1, 8)
    assert (found["view"].total, found["view"].shared, found["view"].reach) == (8, 0, 1)


@pytest.mark.parametrize("name", ["isolated", "shared", "bulkheads(4)", "chain", "shared_data"])
def test_the_wiring_of_many_models_stays_legible(name):
    nodes, total = kept(wire(name, 64))
    for part in ("pool", "brain", "model", "view"):
        assert 1 <= sum(node[0] == part for node in nodes) <= 5
    assert total["model"] == 64
    with style():
        assert "64 models" in drawing(wiring(wire(name, 64)), "w", "").svg
