"""`run.until` as it is written, brief or in full, and what is wrong with one."""

import json

import pytest

from simlab.scenario.build import build
from simlab.scenario.scenario import Until
from tests.scenario.test_build import changed, made, refused
from tests.scenario.toys import TOYS


def text(until, replications=256):
    return changed("replications: 4", f"replications: {replications}, until: {until}")


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("harm <= 0.02", Until(None, "mean", None, 0.02, 4096)),
        ("harm<=0.02", Until(None, "mean", None, 0.02, 4096)),
        ("harm minus isolated <= 2e-2", Until(None, "mean", None, 0.02, 4096, "isolated")),
        ("drawdown <= 0.001", Until("drawdown", "mean", None, 0.001, 4096)),
        ("p95 agreement minus blocks <= .5", Until("agreement", "p95", None, 0.5, 4096, "blocks")),
        ("{measure: loss, half_width: 1, most: 300}", Until("loss", "mean", None, 1.0, 300)),
        ("{measure: loss, stat: {exceeds: 2}, half_width: 1}", Until("loss", "exceeds", 2.0, 1.0, 4096)),
    ],
)
def test_it_is_read_and_kept(written, means):
    scenario = made(text(written))
    assert scenario.until == means
    assert (scenario.replications, scenario.most) == (256, means.most)
    again = build(json.loads(json.dumps(scenario.resolved)), "toy", "toy.yaml", registry=TOYS)
    assert again == scenario
    assert again.resolved == scenario.resolved


def test_without_it_nothing_is_stored():
    assert "until" not in made().resolved["run"]
    assert (made().until, made().most) == (None, 4)


@pytest.mark.parametrize(
    ("written", "says", "hint"),
    [
        ("harm < 0.02", "8:33: run.until: cannot read `harm < 0.02`", "write e.g. `harm <= 0.02`"),
        ("drawdwn <= 0.02", "run.until.measure: unknown measure `drawdwn`", "did you mean `drawdown`?"),
        ("harm minus isolatd <= 0.02", "run.until.versus: unknown arm `isolatd`", "did you mean `isolated`?"),
        ("harm <= 0", "run.until.half_width: must be above 0", ""),
        ("{measure: harm, stat: median, half_width: 1}", "run.until.stat: harm has no other statistic", "remove it"),
        ("{measure: loss, half_width: 1, most: 100}", "run.until.most: must be at least `run.replications`, 256", ""),
        ("{measure: loss}", "run.until.half_width: missing", "add e.g. `half_width: 1`"),
        ("{measure: loss, half_widt: 1}", "run.until.half_widt: unknown key", "did you mean `half_width`?"),
        ("{measure: loss, stat: medan, half_width: 1}", "run.until.stat: unknown statistic `medan`", "did you mean `median`?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(written, says, hint):
    shown = refused(text(written))
    assert says in shown
    assert hint in shown
    assert shown.endswith("1 problem; nothing was run")


def test_it_needs_an_interval_and_a_harm():
    assert "fewer than 30 replications give no interval to wait for" in refused(text("harm <= 0.1", 8))
    assert "this scenario declares no harm" in refused(
        text("harm <= 0.1").replace("harm: {measure: drawdown, above: 0.03, cost: loss}\n", "")
    )


def test_the_most_there_may_be_is_what_must_be_waited_for():
    shown = refused(text("{measure: loss, half_width: 1, most: 10000000}"))
    assert "8:1: run: 4.61e+12 steps of agents" in shown
