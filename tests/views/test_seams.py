"""Which seam does it? The verdict, the pictures and the table, from numbers made by hand and from a run."""

import numpy as np
import pytest

import simlab
from simlab.scenario.build import build
from simlab.scenario.load import load
from simlab.views.ink import style
from simlab.views.report import compose
from simlab.views.seams import drawings, section, verdict
from simlab.views.words import MINUS
from tests.views.parsed import Page

DESIGN = {"brain": ["own", "one"], "features": ["own", "one"], "data": ["own", "one"]}
DOCUMENT = {
    "schema": 1,
    "title": "Which seam",
    "world": {"flash_crash": {"traders": 4}},
    "brain": {"ridge": {}},
    "schedule": {"every": "20 s"},
    "run": {"replications": 32, "horizon": "1 min"},
    "harm": {"measure": "drawdown", "above": 0.03},
    "factorial": DESIGN,
    "controls": {"feedback_off": {}, "no_stressor": {}},
}


@pytest.fixture(scope="module")
def scenario():
    return build(DOCUMENT, "seams")


def row(seams, effect, half, clear=False, over=4, n=256):
    ci = None if half is None or effect is None else [effect - half, effect + half]
    return {"seams": [*seams], "before": ["own"] * len(seams), "after": ["one"] * len(seams), "effect": effect,
            "ci95": ci, "n": n, "over": over, "clear": clear}  # fmt: skip


def summary(*rows, dropped=()):
    return {
        "factorial": {
            "seams": DESIGN,
            "dropped": list(dropped),
            "harm": list(rows),
            "measures": {"drawdown": list(rows)},
        }
    }


def told(found, scenario):
    return verdict(found, scenario).replace(MINUS, "-")


def test_the_seam_that_does_the_damage(scenario):
    rows = (
        row(["brain"], 0.01, 0.02),
        row(["features"], 0.12, 0.03, clear=True),
        row(["data"], -0.05, 0.02, clear=True),
        row(["brain", "features"], 0.06, 0.04, clear=True, over=2),
    )
    said = told(summary(*rows), scenario)
    assert said == (
        "The features do it: shared features instead of own features raises P(drawdown > 3%) (+12 points, 95% interval 9 to 15), "
        "averaged over 4 combinations of the others; pooled data instead of own data: -5 points; the brain: no effect found; "
        "one brain with shared features: +6 points beyond the sum of the two."
    )


def test_no_seam_is_found(scenario):
    said = told(summary(row(["brain"], 0.01, 0.02), row(["features"], -0.02, 0.05), row(["data"], 0.0, 0.01)), scenario)
    assert said == (
        "No seam is found to do it: the largest effect on P(drawdown > 3%) is that of shared features instead of own features "
        "(-2 points, 95% interval -7 to 3)."
    )


def test_what_only_helps(scenario):
    said = told(summary(row(["brain"], -0.11, 0.02, clear=True), row(["features"], 0.0, 0.05)), scenario)
    assert said.startswith("The brain helps: one brain instead of own brain lowers P(drawdown > 3%) (-11 points")


def test_what_cannot_be_told(scenario):
    said = told(summary(row(["brain"], 0.3, 0.02, clear=True, over=1), row(["data"], None, None, over=0)), scenario)
    assert said.endswith("; nothing can be told of the features and data alone.")
    assert "averaged" not in said
    assert verdict(summary(row(["brain"], None, None, over=0)), scenario).startswith("Nothing can be told of any seam")
    assert verdict(summary(row(["brain"], 0.1, None, n=4)), scenario).startswith("4 replications tell nothing")


def test_left_out_combinations_are_shown(scenario):
    given = summary(
        row(["brain"], 0.1, 0.01), dropped=[{"levels": {"brain": "one", "data": "own"}, "why": "cannot be <played>"}]
    )
    shown = section(given, scenario, []).text
    assert "1 combination left out" in shown
    assert "one brain, the first model&#x27;s data: cannot be &lt;played&gt;" in shown


def test_pictures_say_their_numbers(scenario):
    with style():
        harm, drawdown = drawings(
            summary(row(["brain"], 0.1, 0.02, clear=True), row(["data"], None, None, over=0)), scenario
        )
    assert harm.alt == "Effects on P(drawdown > 3%), points. brain: own to one: +10 points."
    assert drawdown.alt == "Effects on mean drawdown. brain: own to one: +0.1 (0.08 to 0.12)."


def test_a_run_has_the_section_and_its_numbers_are_those_of_the_arms(tmp_path):
    scenario = build({**DOCUMENT, "factorial": {"brain": ["own", "one"], "features": ["own", "one"]}}, "seams")
    results = simlab.run(scenario, jobs=1, out=tmp_path / "run")
    page, drawn = compose(results.record, results.scenario)
    assert Page(page).wrong == []
    assert "<h2>Which seam does it?</h2>" in page
    assert any(one.name == "seam_harm" for one in drawn)
    x = results.measures["volume"]
    one, own = ([arm for arm in x.arm.values if f"features_{level}" in arm] for level in ("one", "own"))
    by_hand = float((x.sel(arm=one).mean("arm") - x.sel(arm=own).mean("arm")).mean())
    found = next(e for e in results.summary["factorial"]["measures"]["volume"] if e["seams"] == ["features"])
    assert found["effect"] == pytest.approx(by_hand)
    again = simlab.open(results.path)
    assert again.scenario.factorial == scenario.factorial
    assert np.isfinite(by_hand)


def test_reports_without_a_design_have_no_such_section():
    assert load("flash_crash").factorial is None
