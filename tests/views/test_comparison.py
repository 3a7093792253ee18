"""A comparison in words and on a page."""

import json
import re
from dataclasses import replace

import pytest

from simlab.results.disk import plain
from simlab.studies.compare import Side, compare_arms, compare_runs
from simlab.views.compared import tables, verdict
from simlab.views.comparison import Comparison, compose, document
from tests.studies.test_compare import side
from tests.views.parsed import Page


@pytest.fixture(scope="module")
def run():
    found = side()
    fewer = {
        key: outcome._replace(measures={name: outcome.measures[name] for name in ("drawdown", "loss")})
        for key, outcome in found.record.cells.items()
    }
    return found._replace(record=replace(found.record, cells=fewer))


def test_a_clear_difference_is_told_with_its_interval(run):
    said = verdict(compare_arms(run, "isolated", "feature_store"))
    found = compare_arms(run, "isolated", "feature_store").pairs[0].harm
    points = f"{100 * found.difference.value:.0f} points"
    assert said.startswith("P(drawdown > 3%) is ")
    assert f"a difference of {points}, 95% interval" in said
    assert "clear for all measures together; 2 of 2 other measures differ clearly: loss (+" in said


def test_measures_are_compared_in_their_units(run):
    found = compare_arms(run, "isolated", "feature_store")
    assert re.search(r"differ clearly: loss \(\+[\d.,]+ USD\)", verdict(found))
    (section,) = tables(found)
    assert [row[0] for row in section.rows] == ["P(drawdown > 3%)", "drawdown", "loss, USD"]
    _, drawn = compose(Comparison(found))
    assert any("mean loss (USD)" in one.alt for one in drawn)


def test_no_difference_is_not_called_equal(run):
    same = verdict(compare_arms(run, "isolated", "shared_brain"))
    assert "the same in every replication; all 2 other measures are the same too, to the bit." in same
    scales = {"isolated": 0.0112, "feature_store": 0.034, "shared_brain": 0.011, "shared": 0.036}
    near = compare_runs(run, side(scales=scales), ["isolated"])
    assert verdict(near).startswith("No difference found: P(drawdown > 3%) is ")


def test_few_pairs_are_too_few():
    few = side(n=20)
    assert verdict(compare_arms(few, "isolated", "shared")).startswith("20 pairs, too few for an interval: P(drawdown")


def test_two_runs_are_told_pair_by_pair(run):
    other = side(version="2", bad=3)
    found = compare_runs(run, other)
    said = verdict(found)
    assert said.startswith("P(drawdown > 3%) from A to B: “isolated” ")
    assert "and 1 more pair" in said
    assert said.endswith("(0 replications diverged in A, 12 in B).")
    sections = list(tables(found))
    assert sections[1].text == "  version: 1 -> 2"
    assert sections[2].heading == "“isolated”: B against A"


def test_the_page_is_inert_and_whole(run, tmp_path):
    found = Comparison(compare_runs(run, side(version="<b>2")), "simlab compare a b")
    page, drawn = compose(found)
    read = Page(page)
    assert read.wrong == []
    assert read.open == []
    assert "<b>2" not in page
    assert not re.search(r"(src|href)=.?https?:", page)
    assert page.count("<svg") == len(drawn) == 3  # harm and two measures
    assert found.report(tmp_path) == tmp_path / "comparison.html"
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert stored["verdict"] == found.verdict
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {f"{one.name}.svg" for one in drawn}


def test_the_alt_text_is_made_of_the_numbers(run):
    _, drawn = compose(Comparison(compare_arms(run, "isolated", "feature_store")))
    assert "isolated to shared feature store: +" in drawn[0].alt


def test_numbers_for_other_programs(run):
    found = Comparison(compare_arms(run, "isolated", "shared"))
    frame = found.to_pandas()
    assert list(frame["measure"]) == ["harm", "drawdown", "loss"]
    assert (frame["b"] - frame["a"]).to_numpy() == pytest.approx(frame["difference"].to_numpy())
    told = plain(document(found), lambda _: None)
    assert told["pairs"][0]["harm"]["difference"] == pytest.approx(frame["difference"][0])
    assert "<svg" in found._repr_html_()
    assert found.plot().axes


def test_an_arm_of_two_names(run):
    found = compare_runs(run, Side(run.record, run.scenario)._replace(record=replace(run.record)), ["isolated:shared"])
    assert next(iter(list(tables(found))[2:])).heading == "“all shared” (B) against “isolated” (A)"
