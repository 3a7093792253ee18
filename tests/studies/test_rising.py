"""A claim over a study is undecided until the study was played into the run, and judged by its points from then on."""

from __future__ import annotations

from contextlib import nullcontext

from simlab.scenario.build import build
from simlab.scenario.reader import read
from simlab.studies.points import study_of
from simlab.studies.run import run
from simlab.views.studied import play_studies

YAML = """\
schema: 1
title: Larger limits, more orders
world: {flash_crash: {traders: 4}}
brain: {ridge: {}}
schedule: {every: 10 s}
run: {replications: 32, horizon: 1 min}
arms: {isolated: {topology: isolated}}
controls: {feedback_off: {vanishes: []}, no_stressor: {vanishes: []}}
studies: {limits: {because: "from nothing up", sweep: {world.flash_crash.limit: [0, 100, 10000]}}}
claims:
  - {measure: share, arm: isolated, over: limits, rises: true, because: "a trader without a limit orders nothing (algebra)"}
  - {measure: share, arm: isolated, over: limits, rises: false, because: "wrong on purpose"}
"""


def test_a_rise_is_judged_once_its_study_was_played(tmp_path):
    scenario = build(read(YAML.encode(), "mine.yaml"), "mine")
    before = run(scenario, jobs=1, out=tmp_path / "run").summary["claims"]
    assert [claim["verdict"] for claim in before] == ["undecided", "undecided"]
    study = study_of(scenario, "limits")
    told = play_studies(scenario, [study], None, tmp_path / "run", lambda name: nullcontext(), "simlab run mine.yaml")
    after = run(scenario, jobs=1, out=tmp_path / "run").summary["claims"]
    assert [claim["verdict"] for claim in after] == ["holds", "contradicted"]
    assert told.code == 1
