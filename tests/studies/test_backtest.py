"""A backtest of alerting rules: what they should have done is arithmetic, and pending and firing are held against promtool."""

from __future__ import annotations

import json
import math
import os
import subprocess

import numpy as np
import pytest

import simlab
from simlab.base.errors import InputError
from simlab.results.openmetrics import clock_of, histories
from simlab.studies.backtest import ANY, LOOKBACK, Page, _counts, _import, backtest, durations, firing, laid_out, score
from simlab.studies.prometheus import Rule, tools
from simlab.studies.score import scorecard
from tests.alerting import made, needs_prometheus

RULES = """
groups:
  - name: own
    interval: 5s
    rules:
      - alert: Over
        expr: simlab_feedback_spiral > 1
      - alert: Held
        expr: simlab_feedback_spiral > 1
        for: 20s
      - alert: Kept
        expr: simlab_feedback_spiral > 1
        keep_firing_for: 60s
      - alert: Sum  # of one history, though no label is left
        expr: sum(simlab_feedback_spiral) > 1
      - record: own:most
        expr: max_over_time(simlab_feedback_spiral[10s])
      - alert: Recorded
        expr: own:again > 1
      - alert: Foreign  # a metric of the run, which has no sample in it
        expr: simlab_prediction_cascade{arm!="other"} > 0.8
      - alert: Gone
        expr: absent(simlab_feedback_spiral)
  - name: another
    interval: 5s
    rules:
      - record: own:again
        expr: own:most
      - record: own:unread
        expr: simlab_drawdown
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return simlab.open(made(tmp_path_factory.mktemp("made")))


def run(results, folder, text, replications=2):
    path = folder / "own.yml"
    path.write_text(text)
    return backtest(path, results.record, results.scenario, replications, clock_of(results.record))


@pytest.fixture(scope="module")
def found(results, tmp_path_factory):
    return run(results, tmp_path_factory.mktemp("rules"), RULES)


@needs_prometheus
@pytest.mark.parametrize(
    ("alert", "pages", "early", "late", "false", "lead"),
    [
        ("Over", 4, 1, 1, 1, 50.0),
        ("Held", 3, 1, 1, 1, 30.0),  # from 70 s on, the last instant; the single instant of the calm one is too short
        ("Kept", 3, 1, 1, 1, 50.0),  # 45 s apart: one page
        ("Sum", 4, 1, 1, 1, 50.0),
        ("Recorded", 4, 1, 1, 1, 50.0),
        ("Foreign", 0, 0, 0, 0, math.nan),
        ("Gone", 0, 0, 0, 0, math.nan),  # not even at the borders of histories
        (ANY, 18, 1, 1, 1, 50.0),
    ],
)
def test_counts_are_those_of_arithmetic(found, alert, pages, early, late, false, lead):
    one = next(one for one in found.scores if one.alert == alert)
    assert (one.pages, one.early, one.late, one.false) == (pages, early, late, false)
    assert (one.harmed, one.calm) == (3, 21)
    np.testing.assert_equal(one.lead.value, lead)
    np.testing.assert_equal(one.precision.value, 0.5 if pages else math.nan)
    assert one.recall.value == pytest.approx(early / 3)
    assert one.recall.interval is None  # of two replications


@needs_prometheus
def test_false_pages_a_day_are_those_of_calm_histories(found):
    """Two pages in 21 histories of 195 s."""
    one = found.scores[0]
    assert one.false_a_day.value == pytest.approx(2 / (21 * 195 / 86_400))
    assert found.days == pytest.approx(21 * 195 / 86_400)


@needs_prometheus
def test_an_alert_on_a_reading_is_as_good_as_its_detector_in_the_scorecard(results, found):
    """The run's own alarms, judged by the scorecard, which knows nothing of Prometheus."""
    card = scorecard(results.scenario, results.record)
    row = next(row for row in card if (row["detector"], row["rule"], row["arm"]) == ("feedback_spiral", "record", None))
    one = found.scores[0]
    assert (one.recall.value, one.lead.value) == (row["warned"], row["lead"])
    assert (one.harmed, one.calm, one.false / one.calm) == (row["harmed"], row["calm"], row["false"])
    assert found.harm_at == row["harm_at"]


def test_what_diverged_before_harm_counts_nowhere(results):
    (one, *_) = histories(results.record, 1, controls=False)

    def lost_at(second):
        return one._replace(outcome=one.outcome._replace(diverged=np.array([second])))

    assert [_counts(lost_at(second)) for second in (math.nan, 99.0, 101.0)] == [True, False, True]  # harm is at 100 s


def test_more_samples_than_a_server_takes_are_refused(results, tmp_path, monkeypatch):
    monkeypatch.setattr("simlab.studies.backtest.MOST_SAMPLES", 100)
    clock = clock_of(results.record)
    rule = Rule("g", "A", "simlab_drawdown > 1", True)
    with pytest.raises(InputError, match="more than 100; lower --replications"):
        _import(tmp_path, results.record, histories(results.record, 2, controls=True), clock, [rule])


@needs_prometheus
def test_only_what_alerts_read_is_recorded_and_a_rule_on_nothing_says_so(found):
    assert found.recorded == ["own:again", "own:most"]
    assert {one.alert: one.note for one in found.scores}[
        "Foreign"
    ] == "no sample of simlab_prediction_cascade in these histories"
    assert [one.alert for one in found.scores] == ["Over", "Held", "Kept", "Sum", "Recorded", "Foreign", "Gone", ANY]
    assert json.loads(json.dumps(found.plain()))["alerts"][0]["alert"] == "Over"


@needs_prometheus
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "- alert: A\n  expr: x > 1\n",
            "own.yml:1:3: expected `groups:`, each with a name and its `rules:`; found a list",
        ),
        (
            "groups: [{name: a, rules: [{alert: A, expr: 'derivative(x[10m]) > 1'}]}]",
            'unknown function with name "derivative"',
        ),
        ("groups: [{name: a, rules: [{alert: A, expr: 'x >'}]}]", "unexpected end of input"),
        ("groups: [{name: a, rules: [{record: a, expr: x}]}]", "no alerting rule"),
        (
            "groups: [{name: a, rules: [{record: a, expr: b}, {record: b, expr: a}, {alert: A, expr: a > 1}]}]",
            "in a circle",
        ),
        ("groups: [{name: a, rules: [{alert: A, expr: 'ALERTS > 0'}]}]", "reads ALERTS"),
        (
            "groups: [{name: a, rules: [{alert: A, expr: 'simlab_drawdown * on() {__name__=~\"simlab_d.*\"} > 0'}]}]",
            "A: fails on this run: .*many-to-many",
        ),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(results, tmp_path, text, says):
    with pytest.raises(InputError, match=f"(?s){says}"):
        run(results, tmp_path, text, 1)


def test_without_prometheus_it_says_so(results, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(InputError, match="promtool and prometheus: not found on the PATH") as refused:
        tools()
    assert refused.value.exit_code == 2


def test_what_is_no_rule_file_is_refused_before_anything_starts(results, tmp_path):
    clock = clock_of(results.record)
    for path, says in ((tmp_path, "no such file"), (tmp_path / "none.yml", "no such file")):
        with pytest.raises(InputError, match=says):
            backtest(path, results.record, results.scenario, 2, clock)
    (tmp_path / "long.yml").write_bytes(b"#" * (1 << 21))
    with pytest.raises(InputError, match="at most"):
        backtest(tmp_path / "long.yml", results.record, results.scenario, 2, clock)


@needs_prometheus
def test_pending_and_firing_are_those_of_prometheus(tmp_path):
    """`promtool test rules` at every instant, over patterns that nobody chose."""
    luck = np.random.Generator(np.random.PCG64(8))
    kinds = [(0, 0), (15, 0), (0, 15), (10, 25), (7, 7), (30, 5)]
    patterns = [luck.uniform(size=60) < level for level in (0.2, 0.5, 0.8, 0.95)]
    rules, series, expected = [], [], []
    for k, pattern in enumerate(patterns):
        series.append({"series": f'x{{n="{k}"}}', "values": " ".join(str(int(on)) for on in pattern)})
    for hold, keep in kinds:
        name = f"For{hold}Keep{keep}"
        rules.append({"alert": name, "expr": "x > 0", "for": f"{hold}s", "keep_firing_for": f"{keep}s"})
        rule = Rule("g", name, "x > 0", True, float(hold), float(keep), 5.0)
        fires = [
            {
                at
                for first, last in firing(set(np.flatnonzero(p).tolist()), (0, 59), rule)
                for at in range(first, last + 1)
            }
            for p in patterns
        ]
        for at in range(60):
            alerts = [{"exp_labels": {"n": str(k)}} for k, own in enumerate(fires) if at in own]
            expected.append({"eval_time": f"{5 * at}s", "alertname": name, "exp_alerts": alerts})
    (tmp_path / "r.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    test = {"interval": "5s", "input_series": series, "alert_rule_test": expected}
    (tmp_path / "t.yml").write_text(json.dumps({"rule_files": ["r.yml"], "evaluation_interval": "5s", "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", "t.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:2000]


def test_durations_are_found_wherever_they_stand():
    query = 'rate(x[5m]) + max_over_time(y[1h30m:30s] offset 1d) > 3 and z5m{a="b"} > 2'
    assert durations(query) == [300.0, 5400.0, 30.0, 86_400.0]


def test_histories_lie_as_far_apart_as_rules_look_back(results):
    clock = clock_of(results.record)
    rule = Rule("g", "A", "rate(x[1h]) > 1", True, every=30.0)
    told = laid_out(histories(results.record, 2, controls=True), clock, [rule])
    apart = np.diff([one.shift for one in told])
    assert (apart >= 195 + LOOKBACK + 3600).all()
    assert (apart % 30 == 0).all()


def test_a_score_without_pages_has_no_precision_and_a_bound_on_false_ones(results):
    """Of 30 calm replications of a day each without a page, the rate is up to -ln(.025) / 30 a day (a Poisson count of 0)."""
    (one, *_) = histories(results.record, 1, controls=False)
    calm = one.outcome._replace(events=[], times=np.array([0.0, 86_400.0]))
    told = [one._replace(outcome=calm, replication=i) for i in range(30)]
    nothing = score("A", [], told)
    assert math.isnan(nothing.precision.value)
    assert nothing.false_a_day.interval == pytest.approx([0.0, -math.log(0.025) / 30])
    once = score("A", [Page(3, 10.0), Page(3, 20.0)], told)
    assert (once.false, once.pages, once.precision.value) == (1, 2, 0.0)
    assert once.false_a_day.value == pytest.approx(2 / 30)
