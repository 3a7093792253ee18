"""The rules of an export, and every defect that is told of those often printed: all held against the real promtool."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest

import simlab
from simlab.results.openmetrics import clock_of, histories, openmetrics
from simlab.studies.prometheus import import_samples, serving
from simlab.views.alerts import PRINTED, alertings, defects, duration, rules, runbook, unit_test
from simlab.views.grafana import dashboard, expressions
from simlab.views.prometheus import wanted
from tests.alerting import made, needs_prometheus

BOOK = "https://runbooks.example/simlab"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return simlab.open(made(tmp_path_factory.mktemp("made")))


def promtool(folder, *args):
    done = subprocess.run(["promtool", *args], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def fires(folder, expr, series, at="30m", record=None):
    """Which alerts `expr` makes of series `{name: values}`, a value a minute: their labels at `at`."""
    first = [{"record": record[0], "expr": record[1]}] if record else []
    (folder / "r.yml").write_text(
        json.dumps({"groups": [{"name": "g", "rules": [*first, {"alert": "A", "expr": expr}]}]})
    )
    told = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": told, "alert_rule_test": [{"eval_time": at, "alertname": "A"}]}
    (folder / "t.yml").write_text(json.dumps({"rule_files": ["r.yml"], "evaluation_interval": "1m", "tests": [test]}))
    code, said = promtool(folder, "test", "rules", "t.yml")
    assert code in (0, 1), said
    assert code == 0 or "got:[" in said.replace(" ", "").replace("\n", ""), said
    return re.findall(r"Labels:\s*\{([^}]*)\}", said.partition("got:")[2])


def printed(alert):
    return next(one for one in PRINTED if one.alert == alert).expr


def own(alert):
    return next(text for one, text in defects({}) if one.alert == alert)


@needs_prometheus
def test_a_spiral_as_printed_fires_on_a_healthy_busy_service(tmp_path):
    """A hundred predictions and ten changes a minute, for ever; and never where labels differ; and at a standstill."""
    expr = printed("FeedbackSpiral")
    busy = {"model_predictions": "0+100x60", "reality_changes": "0+10x60"}
    assert len(fires(tmp_path, expr, busy)) == 1
    assert len(fires(tmp_path, expr, busy, "59m")) == 1
    apart = {'model_predictions{model="a"}': "0+100x60", "reality_changes": "0+10x60"}
    assert fires(tmp_path, expr, apart) == []
    still = {"model_predictions": "0+1x60", "reality_changes": "7+0x60"}
    assert len(fires(tmp_path, expr, still)) == 1


@needs_prometheus
def test_a_spiral_corrected_is_the_gain_of_the_loop(tmp_path):
    """Reality is `gain` times the noise on the predictions, and noise of its own a tenth as large."""
    luck = np.random.Generator(np.random.PCG64(3))
    nudge, other = luck.normal(size=(2, 90))
    record = next(one.record for one in PRINTED if one.alert == "FeedbackSpiral")
    for gain, count in ((0.5, 0), (0.97, 0), (1.1, 1), (1.5, 1)):
        series = {
            name: " ".join(f"{x:.6f}" for x in values)
            for name, values in (("model_nudge", nudge), ("model_outcome", gain * nudge + 0.1 * other))
        }
        found = fires(tmp_path, own("FeedbackSpiral"), series, "80m", record)
        assert len(found) == count, gain


@needs_prometheus
def test_a_correlation_as_printed_fires_on_the_diagonal(tmp_path):
    """Three models that have nothing in common: three alerts at once, each for a model that is like itself."""

    def matrix(off):
        names = "abc"
        return {
            f'model_correlation_matrix{{x="{i}",y="{j}"}}': f"{1 if i == j else off}x60" for i in names for j in names
        }

    assert len(fires(tmp_path, printed("DangerousCorrelation"), matrix(0), "0m")) == 3
    assert len(fires(tmp_path, printed("DangerousCorrelation"), matrix(0.9))) == 3 + 6  # every pair twice
    assert fires(tmp_path, own("DangerousCorrelation"), matrix(0)) == []
    assert fires(tmp_path, own("DangerousCorrelation"), matrix(0.28)) == []
    assert len(fires(tmp_path, own("DangerousCorrelation"), matrix(0.29))) == 1


@needs_prometheus
def test_a_drift_as_printed_is_refused_and_with_deriv_silent(tmp_path):
    """A stability index that rises from 0 to 1 in ten minutes is as large a drift as there is; it is .1/60 a second."""
    expr = printed("RealityDriftingFast")
    steep, flat = {"feature_distribution_distance": "0+0.1x60"}, {"feature_distribution_distance": "0.3x60"}
    assert fires(tmp_path, expr.replace("derivative", "deriv"), steep) == []
    assert len(fires(tmp_path, own("RealityDriftingFast"), steep)) == 1
    assert fires(tmp_path, own("RealityDriftingFast"), flat) == []


@needs_prometheus
def test_a_cascade_as_printed_counts_models(tmp_path):
    """Four models beside each other fire; a chain of three does not."""
    beside = {f'model_dependencies{{model="{i}"}}': "1x60" for i in range(4)}
    chain = {f'model_dependencies{{model="{i}"}}': f"{min(i, 1)}x60" for i in range(3)}
    assert len(fires(tmp_path, printed("PredictionCascade"), beside)) == 1
    assert fires(tmp_path, printed("PredictionCascade"), chain) == []
    deep = {f'model_chain_depth{{model="{i}"}}': f"{i}x60" for i in range(5)}
    assert len(fires(tmp_path, own("PredictionCascade"), deep)) == 1
    assert fires(tmp_path, own("PredictionCascade"), dict(list(deep.items())[:4])) == []


@needs_prometheus
@pytest.mark.parametrize("one", PRINTED, ids=lambda one: one.alert)
def test_what_parses_is_said_rightly(tmp_path, one):
    def check(text):
        (tmp_path / "r.yml").write_text(text)
        return promtool(tmp_path, "check", "rules", "r.yml")

    code, said = check(json.dumps({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": one.expr}]}]}))
    assert (code == 0) == one.parses, said
    assert one.parses or 'unknown function with name "derivative"' in said
    assert check(json.dumps({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": own(one.alert)}]}]}))[0] == 0
    code, said = check(json.dumps([{"alert": "A", "expr": own(one.alert)}]))
    assert code == 1
    assert "cannot unmarshal !!seq" in said
    ranged = one.expr.replace("_matrix", "_matrix[5m]")
    code, _ = check(json.dumps({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": ranged}]}]}))
    assert code == (0 if one.parses and ranged == one.expr else 1)


@needs_prometheus
def test_the_rules_are_valid_and_the_run_is_their_unit_test(results, tmp_path):
    clock = clock_of(results.record)
    told = histories(results.record, 2, controls=False)
    (tmp_path / "r.yml").write_text(rules(results.scenario, clock, BOOK))
    test = unit_test(results.scenario, told, clock, "r.yml", BOOK)
    (tmp_path / "t.yml").write_text(test)
    code, said = promtool(tmp_path, "check", "rules", "r.yml")
    assert code == 0, said
    assert "17 rules found" in said
    code, said = promtool(tmp_path, "test", "rules", "t.yml")
    assert code == 0, said[:2000]
    assert "eval_time: 50s\n        alertname: FeedbackSpiral\n        exp_alerts:" in test  # where it is above 1 first
    (tmp_path / "t.yml").write_text(test.replace('2.0 2.0"', '0.5 0.5"'))  # a test that can fail
    assert promtool(tmp_path, "test", "rules", "t.yml")[0] == 1


def test_every_page_leads_to_a_heading_of_the_runbook(results):
    """Headings as Markdown's readers make anchors of them: small letters."""
    text = runbook(results.scenario, "r.yml")
    anchors = {f"{BOOK}#{heading.lower()}" for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    urls = set(re.findall(r'runbook_url: "(.*)"', rules(results.scenario, clock_of(results.record), BOOK)))
    assert urls == anchors
    assert len(urls) == 4
    pages = [one.name for one in alertings(results.scenario) if one.labels["severity"] == "page"]
    assert pages == ["FeedbackSpiral"]  # alone of the four it grows while nobody acts
    for one in PRINTED:
        assert one.act in text
        assert one.check in text


def test_thresholds_are_those_of_the_detectors(results):
    """By hand: (Phi^-1(.05) / Phi^-1(.001))^2 = (1.6449 / 3.0902)^2 = .2833; and those that are printed."""
    limits = {one.name: float(one.limit) for one in alertings(results.scenario)}
    assert limits["DangerousCorrelation"] == pytest.approx((1.644854 / 3.090232) ** 2, abs=1e-5)
    assert limits["FeedbackSpiral"] == limits["PredictionCascade"] == 1.0
    for one in PRINTED:
        assert f"> {limits[one.alert + 'AsPrinted']:g}" in one.expr


@needs_prometheus
def test_every_expression_of_the_dashboard_parses(results, tmp_path):
    text = dashboard(results.scenario, "0123456789ab", clock_of(results.record), 195.0)
    board = json.loads(text)
    told = expressions(board)
    assert len(told) >= 14
    assert "$" not in "".join(told)
    listed = [{"record": f"own:x{i}", "expr": expr} for i, expr in enumerate(told)]
    (tmp_path / "r.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": listed}]}))
    code, said = promtool(tmp_path, "check", "rules", "r.yml")
    assert code == 0, said


def test_the_dashboard_reads_only_what_is_exported(results):
    """Every metric of it is one of the samples', or ALERTS; so it needs no rule to have been evaluated at their time."""
    board = json.loads(dashboard(results.scenario, "0123456789ab", clock_of(results.record), 195.0))
    names = {name for expr in expressions(board) for name in re.findall(r"[\w:]*simlab_\w+[\w:]*|ALERTS", expr)}
    exported = wanted(results.record, results.scenario, every=False)
    assert exported is not None
    assert names <= exported | {"ALERTS"}


@needs_prometheus
def test_the_dashboard_shows_samples_that_were_imported(results, tmp_path):
    """In the arm `shared` one replication of two is above the limit from 100 s to 145 s, and one comes to harm at 100 s."""
    clock = clock_of(results.record)
    told = histories(results.record, 2, controls=False)
    only = wanted(results.record, results.scenario, every=False)
    (tmp_path / "samples.txt").write_text("".join(openmetrics(results.record, told, clock, only)))
    (tmp_path / "data").mkdir()
    import_samples(tmp_path / "samples.txt", tmp_path / "data")
    board = json.loads(dashboard(results.scenario, "0123456789ab", clock, 195.0))
    at = round((clock.start + 110) * 1000)
    shown = {}
    with serving(tmp_path) as server:
        for panel in board["panels"]:
            found = [server.over(target["expr"].replace("$arm", ".*"), at, at, 1) for target in panel["targets"]]
            shown[panel["title"]] = [{one.labels.get("arm", ""): one.values[at] for one in series} for series in found]
    spiral = shown["Feedback spiral: replications above the threshold"][0]
    assert (spiral["shared"], spiral["isolated"]) == ("0.5", "0")
    harmed = shown["Replications that came to harm"][0]
    assert (harmed["shared"], harmed["isolated"]) == ("0.5", "1")
    empty = [title for title, series in shown.items() if not any(series)]
    assert empty == [
        "Alerts firing",
        "Prediction cascade: median reading",
    ]  # no server has run; that reading is unknown


def test_durations_are_written_as_prometheus_has_them():
    assert [duration(x) for x in (5.0, 60.0, 0.5, 2.25)] == ["5s", "60s", "500ms", "2250ms"]
