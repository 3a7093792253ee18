"""The dashboard as Grafana imports it: held against the fields that its documentation of the dashboard's JSON names.

grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/; fields and values of a time series panel as in
Grafana's own schema of version 38. Only what the dashboard uses is listed, so a new field must be looked up before it is entered.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import simlab
from simlab.results.openmetrics import clock_of
from simlab.views.alerts import alertings
from simlab.views.grafana import dashboard
from tests.alerting import made

# A value: its type, a set of allowed values, a list of one kind, a mapping whose keys are all needed but for those with "?".
SOURCE = {"type": {"prometheus"}, "uid": {"${source}"}}
STEP = {"color": {"green", "red"}, "value": (float, type(None))}
PANEL = {
    "id": int,
    "type": {"timeseries"},
    "title": str,
    "description": str,
    "datasource": SOURCE,
    "gridPos": {"x": int, "y": int, "w": int, "h": int},
    "fieldConfig": {
        "defaults": {
            "unit": {"percentunit", "none"},
            "min?": int,
            "max?": int,
            "custom": {"thresholdsStyle?": {"mode": {"line"}}},
            "thresholds?": {"mode": {"absolute"}, "steps": [STEP]},
        },
        "overrides": [dict],
    },
    "options": {
        "legend": {"showLegend": bool, "displayMode": {"list"}, "placement": {"bottom"}, "calcs": [str]},
        "tooltip": {"mode": {"multi"}, "sort": {"desc"}},
    },
    "targets": [{"refId": str, "datasource": SOURCE, "expr": str, "legendFormat": str, "range": bool}],
}
VARIABLE = {
    "name": str,
    "label": str,
    "type": {"datasource", "query"},
    "query": (str, dict),
    "hide?": int,
    "datasource?": SOURCE,
    "refresh?": int,
    "includeAll?": bool,
    "allValue?": str,
    "multi?": bool,
    "current?": {"text": str, "value": str},
}
BOARD = {
    "uid": str,
    "title": str,
    "tags": [str],
    "schemaVersion": {38},
    "editable": bool,
    "timezone": {"utc"},
    "time": {"from": str, "to": str},
    "templating": {"list": [VARIABLE]},
    "panels": [PANEL],
}


def odd(value: Any, kind: Any, path: str = "board") -> list[str]:
    """Where a value is not of its kind."""
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{path}: {value!r}"]
        return [each for i, one in enumerate(value) for each in odd(one, kind[0], f"{path}.{i}")]
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{path}: {value!r}"]
        known = {key.removesuffix("?"): inner for key, inner in kind.items()}
        found = [f"{path}.{key}: unknown" for key in value.keys() - known.keys()]
        found += [f"{path}.{key}: missing" for key in kind if not key.endswith("?") and key not in value]
        return found + [
            each for key in value.keys() & known.keys() for each in odd(value[key], known[key], f"{path}.{key}")
        ]
    if isinstance(kind, set):
        return [] if value in kind else [f"{path}: {value!r}"]
    allowed = kind if isinstance(kind, tuple) else (kind,)
    return [] if type(value) in allowed else [f"{path}: {value!r}"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return simlab.open(made(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def board(results):
    return json.loads(dashboard(results.scenario, "0123456789ab", clock_of(results.record), 195.0))


def test_every_field_is_one_that_grafana_documents(board):
    assert odd(board, BOARD) == []
    assert odd({**board, "title": 3, "panel": []}, BOARD) == ["board.panel: unknown", "board.title: 3"]  # it can fail
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])  # what Grafana takes for one


def test_panels_lie_side_by_side_and_are_told_apart(board):
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & taken
        assert max(x for x, _ in own) < 24  # columns
        taken |= own
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for key in ("id", "title", "description"):
        assert len({panel[key] for panel in board["panels"]}) == len(board["panels"]), key


def test_variables_are_declared_before_they_are_used(board):
    declared = {one["name"]: one for one in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([board["panels"], declared["arm"]["datasource"]])))
    assert used == set(declared) == {"source", "arm"}
    assert (declared["source"]["type"], declared["source"]["query"]) == ("datasource", "prometheus")


def test_legends_name_labels_that_the_expressions_keep(board):
    kept = {"arm"}  # of a series of ours; and those that an aggregation keeps
    for panel in board["panels"]:
        for target in panel["targets"]:
            by = re.search(r"by \(([^)]*)\)", target["expr"])
            labels = set(by[1].replace(" ", "").split(",")) if by else kept
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == labels & {
                "arm",
                "alertname",
                "kind",
                "name",
            }


def test_a_reading_is_shown_with_its_limit(results, board):
    limits = [float(one.limit) for one in alertings(results.scenario) if not one.popular]
    drawn = [panel["fieldConfig"]["defaults"].get("thresholds") for panel in board["panels"]]
    assert [one["steps"][1]["value"] for one in drawn if one] == limits
    shares = [
        p["fieldConfig"]["defaults"]
        for p in board["panels"]
        if "Replications" in p["title"] or "replications" in p["title"]
    ]
    assert [(one["unit"], one["min"], one["max"]) for one in shares] == [("percentunit", 0, 1)] * 5
