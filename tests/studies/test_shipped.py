"""The studies that are shipped, re-run small: what a report shows of each is there, with finite numbers and its picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import unescape
from typing import Any, NamedTuple

import pytest

from simlab.results.sweeps import place_of
from simlab.scenario.axes import values_of
from simlab.scenario.build import rebuild
from simlab.scenario.load import load
from simlab.studies.readiness import DEFAULTS, readiness
from simlab.studies.run import run
from simlab.studies.sweep import sweep
from simlab.views import readiness as drills
from simlab.views import scorecard, seams, study
from simlab.views.ink import style

N = 30  # replications: the fewest with an interval


class Small(NamedTuple):
    """How a scenario is made small: other values, the arms that stay, and those that its studies play (all of theirs by default)."""

    values: Mapping[str, Any]
    arms: tuple[str, ...]
    playing: tuple[str, ...] | None = None


WINDOWS = {"window": 12, "least": 8}  # looks, fewer than usual, so that detectors can tell within a short run
MARKET = {
    "run.horizon": "3 min", "harm.above": 0.002, "world.flash_crash.traders": 8, "shocks.sell_program.start": "90 s",
    "shocks.sell_program.duration": "80 s",
}  # fmt: skip
BALANCERS = {
    "run.horizon": "30 s",
    "harm.above": 0.1,
    "shocks.brownout.start": "18 s",
    "shocks.brownout.duration": "8 s",
}
PATROLS = {"run.horizon": "250 day", "harm.above": 0.65}
SHORT = {
    "flash_crash": {
        "run.horizon": "45 s", "schedule.every": "15 s", "shocks.sell_program.start": "10 s", "shocks.sell_program.duration": "30 s",
    },
    "load_balancer": {"run.horizon": "6 s", "run.warmup": "1 s", "shocks.brownout.start": "2 s", "shocks.brownout.duration": "3 s"},
    "load_balancer_stale": {"run.horizon": "6 s", "run.warmup": "1 s"},
    "policing": {"run.horizon": "40 day"},
}  # fmt: skip
SCENARIOS = {
    "flash_crash": Small(MARKET, ("isolated", "feature_store")),
    "load_balancer": Small(BALANCERS, ("greedy_shared", "kill_weighted"), ("greedy_shared", "kill_weighted")),
    "load_balancer_stale": Small({"harm.above": 0.1}, ("heavy_own", "heavy_shared"), ("own", "one")),
    "policing": Small(PATROLS, ("isolated", "pooled", "weighted")),
}
STUDIES = {"load_balancer": {"kill"}, "load_balancer_stale": {"phase"}}  # that are re-run
SEAMS = {
    "flash_crash_seams": MARKET | SHORT["flash_crash"],
    "load_balancer_seams": BALANCERS | SHORT["load_balancer"],
    "policing_seams": PATROLS | SHORT["policing"],
}


def small(name, values, arms=None):
    """A shipped scenario in `N` replications, with some of its arms and without controls, and without what names the others."""
    found = load(name, values, N)
    gone = ("claims", "scoreboard", "readiness", "studies", *(("factorial",) if arms else ()))
    document = {key: value for key, value in found.resolved.items() if key not in gone} | {"controls": {}}
    document["detectors"] = {
        one: body | {key: value for key, value in WINDOWS.items() if key in body}
        for one, body in document["detectors"].items()
    }
    if arms:
        document["arms"] = {arm: document["arms"][arm] for arm in arms}
    return rebuild(document, name), found.studies


def ends(one, name):
    """A study of a scenario at both ends of each axis, over the shortest horizon, in as many replications as the run."""
    axes = (axis._replace(listed=(values_of(axis)[0], values_of(axis)[-1])) for axis in one.axes)
    arms = SCENARIOS[name].playing or one.arms
    return one._replace(axes=tuple(axes), replications=None, set=SHORT[name], arms=arms)


def finite(*values):
    return bool(values) and all(isinstance(x, int | float) and math.isfinite(x) for x in values)


def headings(*sections):
    return [unescape(name) for one in sections for name in re.findall(r"<h2>(.*?)</h2>", one.text)]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "load_balancer_stale"])
def test_the_scorecard_of_a_shipped_scenario(name, tmp_path):
    scenario, _ = small(name, SCENARIOS[name].values, SCENARIOS[name].arms)
    card = run(scenario, jobs=1, out=tmp_path / "run").summary["scorecard"]
    over_all = [row for row in card if row["arm"] is None]
    assert len(over_all) == 8  # four detectors by two rules
    assert len(card) == 8 * (1 + len(scenario.arms))
    assert sum(row["reads"] for row in over_all) >= 5
    for row in (one for one in over_all if one["reads"]):
        assert row["harmed"] + row["calm"] == N * len(scenario.arms)
        assert row["harmed"] > 0  # harm was set so low that it comes
        assert finite(row["warned"], row["limit"])
        assert (row["false"] is None) == (row["calm"] == 0)
    with style():
        drawn = scorecard.drawings(card)
    assert drawn is not None
    assert "<svg" in scorecard.section(card, drawn, {arm.name: arm.title for arm in scenario.arms}).text
    assert re.search(r"warned of \d", drawn[0].alt)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_studies_of_a_shipped_scenario(name, tmp_path):
    scenario, studies = small(name, SCENARIOS[name].values, SCENARIOS[name].arms)
    asked = STUDIES.get(name, {"phase", "kill"})
    studies = [ends(one, name) for one in studies if one.name in asked]
    assert len(studies) == len(asked)
    for one in studies:
        document, _ = sweep(scenario, one, jobs=1, out=place_of(tmp_path, one.name))
        assert len(document["rows"]) == 2 ** len(one.axes)
        for row in document["rows"]:
            for arm, found in row["arms"].items():
                assert (found["n"], found["failed"]) == (N, 0)
                assert finite(found["value"])
                assert arm == one.arms[0] or finite(found["difference"])
    sections, drawn = study.inside(tmp_path)
    assert set(headings(*sections)) == {f"Study: {one.title}" for one in studies}
    assert all("<svg" in section.text for section in sections)
    assert {f"study_{one.name}" for one in studies} <= {one.name for one in drawn}


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "load_balancer_stale"])
def test_the_drills_of_a_shipped_scenario(name):
    scenario, _ = small(name, {**SCENARIOS[name].values, **SHORT[name]}, SCENARIOS[name].arms)
    found = readiness(scenario, jobs=1)
    assert [drill.name for drill in found.drills] == list(DEFAULTS)
    for drill in found.drills:
        assert drill.value is None or finite(drill.value)
        assert drill.value is not None or not drill.passed
        assert finite(drill.threshold)
    assert any(drill.value is not None for drill in found.drills)
    with style():
        drawn = drills.drawings(found)
    assert found.verdict in drawn[0].alt
    assert drills.body(found, drawn).text.count("<svg") == 2


@pytest.mark.parametrize("name", SEAMS)
def test_the_factorial_of_a_shipped_scenario(name, tmp_path):
    scenario, _ = small(name, SEAMS[name])
    record = run(scenario, jobs=1, out=tmp_path / "run")
    found = record.summary["factorial"]
    assert len(found["levels"]) == len(scenario.arms) >= 6
    assert len(found["harm"]) >= len(found["seams"])
    for effect in [*found["harm"], *found["measures"][scenario.headline]]:
        if len(effect["seams"]) == 1:
            assert finite(effect["effect"])
            assert effect["n"] == N
        else:  # an interaction needs cells that may have been left out
            assert finite(effect["effect"]) or found["dropped"]
    with style():
        drawn = seams.drawings(record.summary, scenario)
    assert drawn
    assert "<svg" in seams.section(record.summary, scenario, drawn).text
