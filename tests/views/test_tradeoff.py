"""The trade-off as a sentence, a picture and a page, from numbers made by hand."""

import numpy as np
import pytest
from click.testing import CliRunner

from simlab._door.studying import study
from simlab.results import sweeps
from simlab.scenario.registry import HOUSE
from simlab.studies.tradeoff import Split, tradeoff
from simlab.views import tradeoff as view
from simlab.views.ink import COLOURS, style
from simlab.views.points import Points
from simlab.views.study import inside, show
from simlab.views.sweep_page import compose
from simlab.views.turn import verdict
from simlab.views.words import MINUS
from tests.studies.coins import YAML, Coin, Sites
from tests.views.made import MEAN, axis, document
from tests.views.parsed import Page, text_of

ONE = np.array([1.0] * 16 + [0.0] * 48)
TWO = np.array([1.0] * 4 + [0.5] * 24 + [0.0] * 36)
FOUR = np.array([0.25] * 40 + [0.5] * 12 + [0.0] * 12)


ASKED = {**MEAN, "measure": "given_up", "unit": "1", "about": "share of the sites that no longer hire"}


def told(said=(ONE, TWO, FOUR)):
    brains = axis("arms.own.topology", 1, 2, 4)
    made = document([brains], {"own": [float(x.mean()) for x in said]}, asked=ASKED, n=len(said[0]))
    made["axes"][0] |= {"name": "brains", "kind": "number"}
    return made | {"tradeoff": tradeoff(Split("given_up", "own", 4, (1, 2, 4)), list(said))}


def test_the_verdict_speaks_of_all_three_and_of_the_mean():
    said = verdict(Points(told())).replace(MINUS, "-")
    assert said.startswith(
        "Given up, 4 models on 1 brain or on 4: P(any of them) rises from 25% to 81% (+56 points, joint 95% interval "
    )
    assert "; P(at least half) is not told apart (25% and 19%); " in said
    assert "P(all of them) falls from 25% to 0% (-25 points" in said
    assert said.endswith("; the mean share is not told apart (25% and 25%).")
    few = verdict(Points(told([x[::4] for x in (ONE, TWO, FOUR)])))
    assert few == "No verdict: 16 replications at a point, too few for an interval (at least 30 are needed)."


def test_lost_replications_are_said():
    made = told()
    made["rows"][1]["arms"]["own"]["diverged"] = 3
    assert verdict(Points(made)).endswith("(3 replications diverged or failed).")


@pytest.mark.parametrize("narrow", [False, True])
def test_the_picture_has_three_named_lines_with_their_numbers(narrow):
    with style():
        (axes,) = view.figure(told(), narrow=narrow).axes
    drawn = {
        line.get_color(): line.get_ydata()
        for line in axes.lines
        if len(line.get_xdata()) == 3 and line.get_linestyle() != "None"
    }
    assert set(drawn) == set(COLOURS[:3])
    np.testing.assert_allclose(drawn[COLOURS[0]], [16 / 64, 28 / 64, 52 / 64])
    np.testing.assert_allclose(drawn[COLOURS[1]], [16 / 64, 28 / 64, 12 / 64])
    np.testing.assert_allclose(drawn[COLOURS[2]], [16 / 64, 4 / 64, 0])
    assert {"any of them", "at least half", "all of them"} == {text.get_text() for text in axes.texts}
    assert len(axes.collections) == 3  # bands
    assert axes.get_xlabel() == "brains for 4 models"
    assert axes.get_title(loc="left") == "P(given up)"


def test_the_alt_text_is_made_of_the_numbers():
    assert view.in_words(told()) == (
        "How often any, at least half and all of 4 models are given up, over the number of brains. Any of them: 25% with 1 brain, 44% "
        "with 2 brains, 81% with 4 brains. at least half: 25% with 1 brain, 44% with 2 brains, 19% with 4 brains. all of them: 25% with 1 "
        "brain, 6.2% with 2 brains, 0% with 4 brains."
    )
    shown = show(told())
    assert shown.wide is not None
    assert shown.wide.alt == view.in_words(told())


def test_the_caption_says_where_the_lines_meet_only_if_they_do():
    assert view.caption(told()).endswith("With one brain all fail or none.")
    assert "With one brain" not in view.caption(told([TWO, TWO, FOUR]))


def test_it_is_a_section_of_its_runs_report_and_a_page(tmp_path):
    made = told()
    page, drawn = compose(made, "simlab study mine --only tradeoff")
    assert not Page(page).wrong
    shown = text_of(page)
    assert "25% (16% to 37%)" in shown  # Wilson (1927) at 16 of 64: 0.160 to 0.368
    assert "E[share²]" in shown
    assert {one.name for one in drawn} == {"sweep", "sweep_narrow"}
    place = tmp_path / "studies" / "tradeoff"
    place.mkdir(parents=True)
    sweeps.finish(place, made)
    (section,), pictures = inside(tmp_path)
    assert "Study: A phase diagram" in section.text
    assert "any of them" in section.text
    assert [one.name for one in pictures] == ["study_tradeoff", "study_tradeoff_narrow"]


def test_several_scenarios_lie_beside_each_other(tmp_path):
    path = view.write([("Hiring <b>", told()), ("Cascade", told([ONE, ONE, ONE]))], tmp_path / "out")
    page = path.read_text("utf-8")
    parsed = Page(page)
    assert not parsed.wrong
    assert not parsed.open
    assert path.name == "tradeoff.html"
    assert len([1 for tag, _ in parsed.tags if tag == "svg"]) == 2
    assert "Hiring <b>" in text_of(page)
    assert "P(any of them) is not told apart (25% and 25%)" in text_of(page)
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_command_plays_it_and_puts_several_on_one_page(tmp_path, monkeypatch):
    monkeypatch.setitem(HOUSE.worlds._found, "sites", Sites)
    monkeypatch.setitem(HOUSE.brains._found, "coin", Coin)
    for name, p in (("fair", 0.5), ("kind", 0.1)):
        (tmp_path / f"{name}.yaml").write_text(
            YAML.replace("p: 0.3", f"p: {p}").replace("title: Coins", f"title: {name}")
        )
    paths = [str(tmp_path / f"{name}.yaml") for name in ("fair", "kind")]
    more = ["--only", "tradeoff", "--replications", "40", "--jobs", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(study, [*paths, *more, "--json"], standalone_mode=False)
    assert done.exception is None
    assert f"trade-offs side by side: {tmp_path / 'out' / 'tradeoff.html'}" in done.stderr
    assert "tradeoff: Failed, 10 models on 1 brain or on 10: P(any of them) rises from" in done.stderr
    page = text_of((tmp_path / "out" / "tradeoff.html").read_text("utf-8"))
    assert page.index("fair") < page.index("kind")
    own = (tmp_path / "out" / "fair" / "report.html").read_text("utf-8")
    assert "Study: tradeoff" in own
