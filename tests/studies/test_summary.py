"""What a summary says of a run, where algebra says what it must: counts, edges, effects, and when the answer is no."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from simlab.lab.trial import Harm
from simlab.results.record import Record, cell_key
from simlab.scenario.scenario import Factorial
from simlab.studies.compare import Side, as_json, compare_arms
from simlab.studies.effects import effects
from simlab.studies.summary import contradicted, exit_code, lost, summarise
from tests.promises.test_06_honest_statistics import outcome, summary
from tests.views import fixture

N = 64
X = np.arange(N) / N  # above 0.5 in 31 replications, which is harm


def recorded(values, controls=None):
    """A record of arms with these values, and the scenario it is of."""
    made = fixture.scenario(tuple(values), replications=N, claims=(), resolved={"world": {"market": {}}})
    cells = {arm: outcome(x, 0) for arm, x in values.items()}
    held = controls or {}
    cells |= {cell_key(arm, "feedback_off"): outcome(held.get(arm, 0 * X), 0) for arm in values}
    return made, Record.of(cells, list(values), ["feedback_off"], fixture.Market.measures)


@pytest.mark.parametrize(("harm", "edge"), [({"above": 0.03}, {"above": 0.03}), ({"below": -1.0}, {"below": -1.0})])
def test_harm_has_the_edge_that_was_declared_and_its_counts(harm, edge):
    found = summary(X, X > 0.25, harm=Harm("drawdown", **harm))["harm"]
    assert {key: found[key] for key in ("above", "below") if key in found} == edge
    assert [(arm["count"], arm["n"]) for arm in found["arms"].values()] == [(31, N), (47, N)]
    (contrast,) = found["contrasts"]
    assert contrast["difference"] == 16 / N


def test_the_spread_of_a_measure_is_that_of_its_values():
    values = np.random.default_rng(8).permutation(np.append(np.arange(101.0), [math.nan, math.inf]))
    told = summary(values, values)["arms"]["isolated"]["loss"]
    assert (told["n"], told["p05"], told["median"], told["p95"], told["mean"]) == (101, 5, 50, 95, 50)


def test_rounding_in_some_and_nothing_at_all_in_the_others_is_no_difference():
    """Half of the pairs are both 0, and the others differ in their last digits, all to one side."""
    x = np.where(np.arange(N) % 2, 0.0, X + 1)
    rows = summary(x, x * (1 + 1e-12))["contrasts"]
    assert {row["clear"] for row in rows} == {False}
    assert {row["clear"] for row in summary(x, x * 1.001)["contrasts"]} == {True}


def test_the_effects_of_a_table_are_told_as_they_were_worked_out():
    """Of a table that is a sum of its seams: 2 for one, 8 for the other, and nothing for both together."""
    g = np.random.default_rng(9)
    seams = {"brain": ("own", "one"), "features": ("own", "one")}
    levels = dict(
        zip(fixture.WIRINGS, (dict(zip(seams, c, strict=True)) for c in product(*seams.values())), strict=True)
    )
    noise = g.normal(size=N)
    values = {
        arm: noise + 2.0 * (at["brain"] == "one") + 8.0 * (at["features"] == "one") + 0.01 * g.normal(size=N)
        for arm, at in levels.items()
    }
    design = Factorial(seams, levels, (({"brain": "two"}, "there are but two"),))
    made, record = recorded(values)
    found = summarise(replace(made, factorial=design), record)["factorial"]
    assert found["seams"] == {seam: list(each) for seam, each in seams.items()}
    assert found["levels"] == levels
    assert found["dropped"] == [{"levels": {"brain": "two"}, "why": "there are but two"}]
    told = {tuple(row["seams"]): row for row in found["measures"]["loss"]}
    for seam, size in ((("brain",), 2), (("features",), 8), (("brain", "features"), 0)):
        row = told[seam]
        assert row["effect"] == pytest.approx(size, abs=0.02)
        assert row["ci95"][0] < row["effect"] < row["ci95"][1]
        assert (row["before"], row["after"]) == (["own"] * len(seam), ["one"] * len(seam))
        assert (row["n"], row["over"], row["clear"]) == (N, 3 - len(seam), bool(size))
    struck = {tuple(row["seams"]): row["effect"] for row in found["harm"]}
    (exact, *_) = effects(design, {arm: (x > 0.5).astype(float) for arm, x in values.items()}, hits=True)
    assert struck["brain",] == exact.estimate.value


@pytest.mark.parametrize(
    ("expected", "verdict", "stays", "says_no"),
    [
        (True, "holds", "holds", False),
        (True, "undecided", "undecided", False),
        (True, "contradicted", "holds", True),
        (False, "holds", "holds", True),
        (False, "contradicted", "holds", False),
        (True, "holds", "contradicted", True),
    ],
)
def test_the_answer_is_no_where_what_is_expected_is_contradicted(expected, verdict, stays, says_no):
    told = {
        "claims": [{"expect": True, "verdict": "holds"}, {"expect": expected, "verdict": verdict}],
        "controls": {"off": {"vanishes": [{"verdict": "holds"}, {"verdict": stays}], "failed": 0, "diverged": 0}},
        "failed": {"a": 0},
        "diverged": {"a": 0},
    }
    made = fixture.scenario()
    assert contradicted(told) == says_no
    assert exit_code(made, told) == int(says_no)
    for kind, spared in (("failed", 3), ("diverged", int(says_no))):
        for place in (told, told["controls"]["off"]):
            was, place[kind] = place[kind], {"a": 2} if place is told else 2
            assert lost(told) == ((2, 0) if kind == "failed" else (0, 2))
            assert exit_code(replace(made, allow_diverged=1), told) == 3
            assert exit_code(replace(made, allow_diverged=2), told) == spared
            place[kind] = was


def test_a_comparison_as_plain_data_holds_harm_first_declared_and_every_measure():
    made, record = recorded({"isolated": X, "shared": X + 0.25})
    found = compare_arms(Side(record, made), "isolated", "shared")
    (pair,) = as_json(found)["pairs"]
    assert pair["harm"]["difference"] == 16 / N
    assert pair["harm"]["clear"]
    assert not pair["harm"]["same"]
    rows = {row["measure"]: row for row in pair["measures"]}
    assert rows["loss"]["difference"] == pytest.approx(0.25)
    assert (rows["loss"]["a"], rows["loss"]["n"]) == (pytest.approx(X.mean()), N)
    (bare,) = as_json(compare_arms(Side(record, replace(made, harm=None)), "isolated", "shared"))["pairs"]
    assert bare["harm"] is None
