"""A Grafana dashboard of an export: static JSON, to be imported; nothing here talks to Grafana.

It reads samples only, and nothing that a rule records, so it shows an export that was put into a database as it shows a replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simlab.results.disk import dumps
from simlab.results.openmetrics import EVENTS, HARMED, Clock, date
from simlab.scenario.scenario import Scenario
from simlab.views.alerts import Alerting, alarming, alertings
from simlab.views.words import human, sentence

ARM = '{arm=~"$arm",control=""}'
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDE, _HIGH = 12, 8  # of 24 columns


def dashboard(scenario: Scenario, run: str, clock: Clock, length: float) -> str:
    """The dashboard as JSON; `length` is that of the run in seconds of the export's clock."""
    panels = list(_panels(scenario))
    for i, panel in enumerate(panels):
        panel["id"] = i + 1
        panel["gridPos"] = {"x": _WIDE * (i % 2), "y": _HIGH * (i // 2), "w": _WIDE, "h": _HIGH}
    return dumps(
        {
            "uid": f"simlab-{run}",
            "title": f"simlab: {scenario.title}",
            "tags": ["simlab"],
            "schemaVersion": 38,
            "editable": True,
            "timezone": "utc",
            "time": {"from": date(clock.start), "to": date(clock.start + length)},
            "templating": {"list": [_source(), _arms()]},
            "panels": panels,
        }
    )


def expressions(board: dict[str, Any]) -> list[str]:
    """Every expression of a dashboard, with its variable set to all arms."""
    return [target["expr"].replace("$arm", ".*") for panel in board["panels"] for target in panel["targets"]]


def _panels(scenario: Scenario) -> Iterator[dict[str, Any]]:
    if scenario.harm is not None:
        yield _panel(
            "Replications that came to harm",
            [(f"avg without (replication) ({HARMED}{ARM})", "{{arm}}")],
            "percentunit",
            f"{human(scenario.harm.measure)}, as the scenario declares it",
        )
    yield _panel(
        "Alerts firing",
        [('count by (alertname, arm) (ALERTS{alertstate="firing",arm=~"$arm"})', "{{alertname}}, {{arm}}")],
        "none",
        "Of a server that evaluates the rule file; none where samples were only imported",
    )
    told = alertings(scenario)
    for one in told:
        if not one.popular:
            popular = next(other for other in told if other.popular and other.measure.startswith(one.measure))
            yield _reading(one)
            yield _panel(
                f"{sentence(human(one.measure))}: replications above the threshold",
                [
                    (alarming(one, ARM), "{{arm}}, statistical rule"),
                    (alarming(popular, ARM), "{{arm}}, popular rule"),
                ],
                "percentunit",
                f"statistical: {one.expr}; popular: {popular.expr}",
            )
    if scenario.harm is not None and scenario.harm.measure is not None:
        yield _panel(
            "Events so far",
            [(f"sum by (kind, name) ({EVENTS}_total{ARM})", "{{kind}}: {{name}}")],
            "none",
            "Shocks, harms, alarms and hands on the switch, over all replications",
        )


def _reading(one: Alerting) -> dict[str, Any]:
    """The median over replications, and the threshold."""
    panel = _panel(
        f"{sentence(human(one.measure))}: median reading",
        [(f"quantile by (arm) (0.5, {one.metric}{ARM} >= -Inf)", "{{arm}}")],
        "none",
        f"{one.summary}. The line is the limit, {one.limit}",
    )
    steps = [{"color": "green", "value": None}, {"color": "red", "value": float(one.limit)}]
    panel["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
    panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] = {"mode": "line"}
    return panel


def _panel(title: str, targets: Sequence[tuple[str, str]], unit: str, about: str) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "description": about,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": unit, **({"min": 0, "max": 1} if unit == "percentunit" else {}), "custom": {}},
            "overrides": [],
        },
        "options": {
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": _SOURCE, "expr": expr, "legendFormat": legend, "range": True}
            for i, (expr, legend) in enumerate(targets)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _arms() -> dict[str, Any]:
    query = f"label_values({HARMED}, arm)"
    return {
        "name": "arm",
        "label": "Arm",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "arms"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
