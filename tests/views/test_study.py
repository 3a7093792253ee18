"""Pictures and pages of sweeps, and studies in the report of their run."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from simlab.base.errors import InputError, StorageError
from simlab.results import sweeps
from simlab.views import report
from simlab.views.ink import style
from simlab.views.panels import even
from simlab.views.phase import STRONGEST
from simlab.views.points import Points
from simlab.views.study import figure, in_words, inside, show
from simlab.views.sweep_page import compose, write
from simlab.views.sweeps import Sweep
from simlab.views.words import MINUS
from tests.views import fixture
from tests.views.made import MEAN, axis, document
from tests.views.parsed import Page, text_of
from tests.views.test_report import AWKWARD

LOAD = axis("world.load_balancer.load", 0.1, 0.2, 0.4)
REFRESH = axis("world.load_balancer.refresh", "0.5 s", "2 s")
LATENCY = axis("arms.*.interventions.0.kill_switch.latency.median", "0 s", "30 s", "1 min", "5 min")
WIRING = axis("arms.b.topology", "isolated", {"wiring": "shared"})
OWN, ONE = [0.3, 0.31, 0.32, 0.33, 0.34, 0.35], [0.1, 0.31, 0.3, 0.5, 0.9, 0.36]
CLEAR = {"one": [True, False, False, True, True, False]}
INDEX = {"first": 0.5, "first_half": 0.1, "total": 0.7, "total_half": 0.1}


def plane(**more):
    return document(
        [LOAD, REFRESH], {"own": OWN, "one": ONE}, CLEAR, titles={"own": "each its own", "one": "one for all"}, **more
    )


def kinds():
    """A sweep of every kind of picture."""
    at = [(0.1 + 0.03 * i, "2 s", "a") for i in range(8)]
    free = [
        axis("world.a.load", low=0.1, high=0.5),
        axis("world.a.wait", low="1 s", high="8 s"),
        axis("world.a.rule", "a", "b"),
    ]
    own, one = [0.1 * i for i in range(8)], [0.1 * i + 0.05 for i in range(8)]
    return {
        "phase": plane(),
        "curves": document(
            [LATENCY], {"own": [0.1, 0.2, 0.3, 0.4], "one": [0.1, None, 0.5, 0.2]}, {"one": [False, False, True, True]}
        ),
        "choice": document([WIRING], {"own": [0.1, 0.2], "b": [0.3, 0.1]}),
        "alone": document([axis("world.a.limit", 1, 10, 100)], {"own": [1.5, 2.5, 20.0]}, asked=MEAN),
        "cube": document([LOAD, REFRESH, WIRING], {"own": OWN * 2, "one": ONE * 2}),
        "sobol": document(
            free, {"own": own, "one": one}, at=at, design="sobol", points=2, indices={"own": [INDEX] * 3, "one": None}
        ),
        "arms": document([], {"own": [0.1], "one": [0.3], "two": [0.2]}, {"one": [True]}, at=[()]),
        "few": plane(n=12),
        "undefined": document([LOAD], {"own": [None] * 3, "one": [None] * 3}),
    }


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_page_is_whole_inert_and_the_same_again(kind):
    made = kinds()[kind]
    page, drawn = compose(made, "simlab sweep market a=1,2")
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert not {"script", "iframe", "object", "embed", "form", "base", "img"} & {tag for tag, _ in parsed.tags}
    assert "//" not in page
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert not re.findall(r"url\((?!#)", page)
    assert "nan" not in re.findall(r"[a-z]+", text_of(page).lower())
    assert (page, drawn) == compose(made, "simlab sweep market a=1,2")
    described = [a["aria-label"] for tag, a in parsed.tags if tag == "svg"]
    assert all(re.search(r"\d", text) for text in described) or kind == "undefined"
    assert len({one.name for one in drawn}) == len(drawn)
    for one in drawn:
        ET.fromstring(one.file())
        assert one.width <= (
            400 if "narrow" in one.name or "indices" in one.name or "differences" in one.name else 1180
        )


def drawn_of(made, **more):
    with style():
        return figure(Points(made), **more)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_phase_diagram_has_every_number_and_says_which_are_not_clear(narrow):
    drawn = drawn_of(plane(), narrow=narrow)
    maps = [axes for axes in drawn.axes if len(axes.texts) >= 6]
    assert len(maps) == 3  # two arms, and their difference
    printed = [[text.get_text() for text in axes.texts if text.get_text()[-1:] in "%?0123456789"] for axes in maps]
    assert sorted(printed[0][:6]) == sorted(["30%", "31%", "32%", "33%", "34%", "35%"])
    assert printed[2][:6] == [f"{MINUS}20", "0?", f"{MINUS}2?", "+17", "+56", "+1?"]
    fills = maps[2].collections[0].get_facecolor()
    assert [alpha > 0 for *_, alpha in fills] == CLEAR["one"]  # the clear ones alone are coloured
    assert max(fills[:, 3]) == pytest.approx(STRONGEST)
    assert [red > 0.5 for (red, *_), clear in zip(fills, CLEAR["one"], strict=True) if clear] == [
        False,
        True,
        True,
    ]  # what raises
    assert maps[0].get_xlabel() == "load"
    assert "refresh (s)" in {axes.get_ylabel() for axes in maps}


def test_curves_show_time_with_its_unit_and_an_empty_mark_where_nothing_is_clear():
    levels, apart = drawn_of(kinds()["curves"]).axes
    assert levels.get_xlabel() == "kill switch latency (min)"
    assert [tick.get_text() for tick in levels.get_xticklabels()] == ["0", "0.5", "1", "5"]
    np.testing.assert_allclose(levels.get_xticks(), [0, 0.5, 1, 5])
    assert {"own", "one"} <= {text.get_text() for text in levels.texts}
    marks = [line for line in apart.lines if line.get_marker() == "s"]
    filled = {line.get_markerfacecolor(): len(line.get_xdata()) for line in marks}
    assert filled == {"#d55e00": 2, "#fffffe": 2}
    alone = drawn_of(kinds()["alone"]).axes
    assert len(alone) == 1
    assert alone[0].get_xscale() == "log"  # listed values 100 times apart
    assert alone[0].get_title(loc="left") == "the mean latency (s)"


def test_numbers_beside_each_other_have_the_same_decimals():
    assert [even(x, 0.766) for x in (0.766, 0.3, 0.0042, 0.0)] == ["0.766", "0.3", "0.004", "0"]
    assert [even(x, 0.766) for x in (0.00016, 6.2e-06)] == ["0.0002", "6e\N{MINUS SIGN}06"]  # not 0 when it is not
    assert [even(x, 75_000.0) for x in (75_000.0, 71_234.6)] == ["75,000", "71,235"]
    assert even(float("nan"), 1.0) == "\N{EN DASH}"


def test_the_alt_text_is_made_of_the_numbers():
    told = in_words(Points(kinds()["curves"])).replace(MINUS, "-")
    assert told == (
        "P(drawdown > 3%) over kill switch latency (min). own: 10% at 0 min, 20% at 30 s, 30% at 60 s, 40% at 5 min. one: 10% at 0 min, "
        "\N{EN DASH} at 30 s, 50% at 60 s, 20% at 5 min. one minus own: 0 at 0 min, \N{EN DASH} at 30 s, +20 at 60 s, -20 at 5 min; clear "
        "of 0 at 2 of 4."
    )
    told = in_words(Points(plane()))
    assert "each its own: from 30% at load 0.1, refresh 0.5 s to 35% at load 0.4, refresh 2 s" in told
    assert "clear of 0 at 3 of 6" in told


def test_the_page_says_what_was_asked_and_how_to_ask_again():
    page, _ = compose(plane(), "simlab sweep load_balancer world.load_balancer.load=0.1,0.2,0.4")
    told = text_of(page)
    assert "The order turns: compared with “each its own”, “one for all” lowers" in told
    assert "6 points, every combination" in told
    assert "64 replications of each of 2 arms at each point" in told
    assert "3 of 6 differences clear of 0" in told
    assert "simlab sweep load_balancer world.load_balancer.load=0.1,0.2,0.4" in told
    assert "world.load_balancer.refresh" in told
    assert "+56 (54 to 58) clear" in told
    assert f"{MINUS}2 ({MINUS}4 to 0) ?" in told or f"{MINUS}2 ({MINUS}4 to " in told
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["What varies", "Numbers", "Run it again"]


def test_every_text_is_shown_as_text():
    odd = plane() | {"title": AWKWARD, "because": AWKWARD}
    odd["arms"] = [arm | {"title": AWKWARD} for arm in odd["arms"]]
    odd["axes"] = [axis | {"name": AWKWARD, "about": AWKWARD} for axis in odd["axes"]]
    page, drawn = compose(odd, AWKWARD)
    assert "<script" not in page + "".join(one.file() for one in drawn)
    assert AWKWARD in text_of(page)


def test_writes_page_and_figures_into_its_own_directory(tmp_path):
    out = write(plane(), tmp_path / "sweep")
    assert out.read_text("utf-8").startswith("<!doctype html>")
    assert {path.name for path in (tmp_path / "sweep" / "figures").iterdir()} == {"sweep.svg", "sweep_narrow.svg"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "figures").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="a symbolic link"):
        write(plane(), tmp_path / "other")


@pytest.fixture
def run(tmp_path):
    """A run's directory that keeps two studies, and one that is not finished."""
    for name, made in (("phase", plane()), ("latency", kinds()["curves"] | {"title": "How late is too late"})):
        with sweeps.held(tmp_path / "studies" / name, {"name": name}) as folder:
            sweeps.finish(folder, made)
    with sweeps.held(tmp_path / "studies" / "begun", {"name": "begun"}):
        pass
    return tmp_path


def test_the_report_of_a_run_has_its_studies(run):
    made = fixture.scenario()
    page, drawn = report.compose(replace(fixture.record(made), path=run), made)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    at = headings.index("Study: How late is too late")
    assert headings[at + 1] == "Study: A phase diagram"
    assert headings[at - 1] == "Controls: what must vanish"
    told = text_of(page)
    assert "The order turns: compared with “each its own”, “one for all” lowers" in told
    assert "it was asked for" in told
    assert "<details>" in page
    assert {"study_phase", "study_phase_narrow", "study_latency", "study_latency_narrow"} <= {one.name for one in drawn}
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_report_of_a_run_without_studies_is_as_it_was(run, tmp_path_factory):
    made = fixture.scenario()
    plain = fixture.record(made)
    empty = replace(plain, path=tmp_path_factory.mktemp("empty"))
    assert report.compose(empty, made) == report.compose(plain, made)
    assert inside(None) == ([], [])
    (run / "studies").rename(run / "elsewhere")
    (run / "studies").symlink_to(run / "elsewhere")
    assert inside(run) == ([], [])  # links that lead elsewhere are not followed
    with pytest.raises(StorageError, match="is a link"):
        sweeps.place_of(run, "phase")


def test_a_damaged_study_is_said_and_the_report_goes_on(run):
    file = run / "studies" / "phase" / "sweep.json"
    file.write_bytes(file.read_bytes().replace(b"0.31", b"0.32", 1))
    found, drawn = inside(run)
    assert "Cannot be read" in found[1].text
    assert "damaged" in found[1].text
    assert {one.name for one in drawn} == {"study_latency", "study_latency_narrow"}


def test_a_notebook_shows_verdict_and_picture():
    found = Sweep(plane())
    told = found._repr_html_()
    assert found.verdict.split(",")[0] in told
    assert told.count("<svg") == 1
    assert "A phase" not in repr(found)
    with pytest.raises(InputError, match="nothing varies"):
        Sweep(kinds()["arms"]).plot()
    assert [one.name for one in show(kinds()["arms"]).drawn] == ["sweep_differences"]


def test_many_values_still_fit():
    wide = [axis("world.a.x", *range(30)), axis("world.a.y", *range(20))]
    n = 30 * 20
    arms = {f"arm{i}": [0.5] * n for i in range(3)}
    page, drawn = compose(document(wide, arms, titles={name: "a rather long title of an arm " + name for name in arms}))
    assert max(one.width for one in drawn) <= 1180
    assert "The first 400 of 1,800 rows; sweep.csv has them all." in text_of(page)
