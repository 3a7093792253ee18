"""Rules for the four horsemen, for Prometheus; the run as their unit test; and what is wrong with those often printed.

Text only, without a YAML library: every text in it is ours, or quoted as JSON, which YAML reads as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Bools
from simlab.base.units import pretty
from simlab.results.openmetrics import HARMED, Clock, History, labelled, shown, values_of
from simlab.scenario.scenario import Scenario
from simlab.views.words import human, sentence

TESTED = 2  # replications of each arm that are played in the unit test
PRINTED_ENDING = "AsPrinted"
CHANGES = 8  # at most so many changes of each alert are checked in it


class Printed(NamedTuple):
    """An alert as it is often printed, what is wrong with it, and two corrections: on metrics of one's own, and on a detector's reading."""

    alert: str
    detector: str
    expr: str
    parses: bool
    wrong: tuple[str, ...]
    own: str
    means: str
    summary: str
    check: str
    act: str
    beware: str
    severity: str
    record: tuple[str, str] | None = None  # what the correction needs recorded: a name and an expression


_SLOPE = "model:loop_gain:slope1h"
_GAIN = (
    "(avg_over_time((model_nudge * model_outcome)[1h:1m])"
    " - avg_over_time(model_nudge[1h:1m]) * avg_over_time(model_outcome[1h:1m]))"
    " / stdvar_over_time(model_nudge[1h:1m])"
)
_ERROR = (
    "sqrt(clamp_min(stdvar_over_time(model_outcome[1h:1m]) / stdvar_over_time(model_nudge[1h:1m])"
    f" - {_SLOPE} ^ 2, 0) / count_over_time(model_nudge[1h:1m]))"
)
_MATRIX = (
    "(sum(model_correlation_matrix) - sqrt(count(model_correlation_matrix)))"
    " / (count(model_correlation_matrix) - sqrt(count(model_correlation_matrix)))"
)

LIST = (
    "As a whole: a bare list of alerts is no rule file; Prometheus wants `groups:`, each with a name and its `rules:`. And none says who "
    "is to be woken (`severity`), in which arm or how far above its limit it is (`description`), or what to do (`runbook_url`)."
)
SEVERITY = (
    "A page is for what grows while nobody acts; a ticket for a risk or a cause, to be looked at by day. "
    "`simlab alerts backtest` says what each is worth here: make it a page if that is much, and mute it if it is nothing."
)
POPULAR = (
    "What the printed thresholds would say if they were given what they mean: `_seed` is the popular rule as the detector reads it. "
    "No pages: `simlab alerts backtest` says what they are worth."
)
PRINTED = (
    Printed(
        "FeedbackSpiral",
        "feedback_spiral",
        "rate(model_predictions[5m]) / rate(reality_changes[5m]) > 1.5",
        True,
        (
            "It compares volumes. A healthy service that predicts more than 1.5 times as often as the world changes fires for ever.",
            "Where the two counters carry different labels no pair matches, and it can never fire.",
            "Where nothing changes it divides by 0, and +Inf is above 1.5: it fires because the world stands still.",
        ),
        f"{_SLOPE} - 3 * {_ERROR} > 1",
        "add small random noise to the predictions and export it beside its outcome, once that is known, a new pair a minute; the gain "
        "is the slope of the outcome on the noise, less three standard errors, and a loop runs away where it is above 1",
        "The models' answers come back to them amplified",
        "Compare cases that the models did not decide (a random share, a holdout) with those they did. If both move "
        "alike, the world moves and no loop.",
        "Fall back to the plain rule while it grows; keep some cases out of the models' reach to see whether they cause it.",
        "Retraining on what the loop made feeds it. Look first what the plain rule would do now: where models lean against "
        "a shock, killing them lets it through.",
        "page",
        (_SLOPE, _GAIN),
    ),
    Printed(
        "DangerousCorrelation",
        "model_correlation",
        "model_correlation_matrix > 0.8",
        True,
        (
            "Every model correlates 1 with itself: with the diagonal in the matrix it fires from the first scrape on, for ever.",
            "Each pair stands in it twice, and pages twice.",
        ),
        f"{_MATRIX} > {{limit}}",
        "the mean of all pairs without the diagonal, n(n-1) entries of n x n; the limit is the correlation at which half of many "
        "models that fail 1 time in 20 fail together 1 time in 1,000",
        "The models answer so alike that they will fail together",
        "Which models agree, and where? Alike and right is harmless: look at the cases in which they were wrong.",
        "Look for what they share (features, data, code, the moment of retraining) and split that before adding models.",
        "More models of the same kind are no remedy, and none need be switched off: it tells of a risk, not of an outage.",
        "ticket",
    ),
    Printed(
        "RealityDriftingFast",
        "drift_acceleration",
        "derivative(feature_distribution_distance[10m]) > 0.1",
        False,
        (
            'PromQL has no such function (unknown function with name "derivative"), and one such rule has the whole file refused.',
            "With deriv() it parses and is silent: that is a slope per second, and .1 a second are 60 in the ten minutes.",
        ),
        "delta(feature_distribution_distance[10m]) > 0.1",
        "delta() is what a gauge rose by in the ten minutes",
        "What the models see has left what they learned from",
        "Which features moved, and when? One at a stroke: a pipeline, or a deployment. Those that the models' own actions move: a loop.",
        "Compare features of now and before: retrain if the world moved, mend the pipeline if that changed.",
        "Retraining on a broken feature learns what is broken.",
        "ticket",
    ),
    Printed(
        "PredictionCascade",
        "prediction_cascade",
        "sum(model_dependencies) > 3",
        True,
        (
            "A sum of dependencies is a size, not a depth: four models that each read one table fire, and nothing is deep there.",
            "A chain of three that reads nothing else stays below it, however much it amplifies.",
        ),
        "max(model_chain_depth) > 3",
        "the length of the longest chain, worked out where the wiring is known. A depth says how far an error can travel, "
        "not whether it grows",
        "An error grows on its way from model to model",
        "Compare the error of each model with that of the model it reads, from the first on. Where the ratio jumps the chain is to be cut.",
        "Give the last model of the chain something measured in place of what the model before it says.",
        "Retraining a late model on the errors of an early one teaches it to expect them.",
        "ticket",
    ),
)


class Alerting(NamedTuple):
    """An alert on one reading of a detector."""

    name: str
    metric: str
    measure: str
    limit: str
    popular: bool
    summary: str
    act: str
    printed: Printed | None

    @property
    def expr(self) -> str:
        """Its condition."""
        return f"{self.metric} > {self.limit}"

    @property
    def labels(self) -> dict[str, str]:
        """What it adds to the labels of a series."""
        if self.popular:
            return {"rule": "popular", "severity": "info"}
        return {"rule": "statistical", "severity": self.printed.severity if self.printed else "ticket"}

    def annotations(self, arm: str, replication: str, value: str, runbook: str) -> dict[str, str]:
        """What a page says; `runbook` is where the runbook lies."""
        where = f"{human(self.measure)} reads {value}, above {self.limit}, in arm {arm}, replication {replication}."
        return {
            "description": f"{sentence(where)} {self.act}",
            "runbook_url": f"{runbook}#{self.name.removesuffix(PRINTED_ENDING).lower()}",
            "summary": self.summary,
        }


def alertings(scenario: Scenario) -> list[Alerting]:
    """The alerts of a scenario's detectors: by the statistical rule, then by the popular one."""
    known = {one.detector: one for one in PRINTED}
    found = []
    for popular in (False, True):
        for instrument in scenario.arms[0].trial.instruments:
            printed = known.get(instrument.name)
            measure = list(instrument.readings())[popular]
            name = printed.alert if printed else "".join(sentence(part) for part in instrument.name.split("_"))
            summary = printed.summary if printed else f"{instrument.name} is above its threshold"
            act = printed.act if printed else "Look what it measures."
            if popular:
                name, summary = f"{name}{PRINTED_ENDING}", f"By the popular rule: {summary[0].lower()}{summary[1:]}"
            limit = f"{instrument.limits()[measure]:.6g}"
            found.append(Alerting(name, f"simlab_{measure}", measure, limit, popular, summary, act, printed))
    return found


def rules(scenario: Scenario, clock: Clock, runbook: str) -> str:
    """A rule file: shares over replications as recording rules, the alerts by the statistical rule, and those by the popular one.

    `runbook` is where pages lead.
    """
    told = alertings(scenario)
    limits = {one.name: one.limits()[one.name] for one in scenario.arms[0].trial.instruments}
    lines = [
        *_comment(
            f"Alerts on the four horsemen, for the metrics of `simlab export` of {scenario.name}. Check: promtool check rules"
        ),
        *_comment(pace(clock)),
        *_comment("Alerts by the statistical rule have no `for:`, since the readings already allow for chance."),
        *_comment(SEVERITY),
        "#",
        *_comment(LIST),
        "groups:",
        "  - name: simlab_shares",
        f"    interval: {duration(clock.step)}",
        "    rules:",
    ]
    for one in told:
        lines += [
            f"      - record: {share(one)}",
            f"        expr: {alarming(one)}  # >= -Inf: known",
        ]
    lines += [f"      - record: arm:{HARMED}:share", f"        expr: avg without (replication) ({HARMED})"]
    for name, popular in (("simlab_four_horsemen", False), ("simlab_as_printed", True)):
        if popular:
            lines += ["", *_comment(POPULAR, "  ")]
        lines += [
            *([] if popular else [""]),
            f"  - name: {name}",
            f"    interval: {duration(clock.step)}",
            "    rules:",
        ]
        for one in told:
            if one.popular == popular:
                lines += _alert(one, limits, runbook)
    return "\n".join(lines) + "\n"


def defects(limits: dict[str, float]) -> Iterator[tuple[Printed, str]]:
    """Each alert as often printed, with its correction on metrics of one's own."""
    for one in PRINTED:
        yield one, one.own.replace("{limit}", f"{limits.get(one.detector, 0.283):.3g}")


def share(one: Alerting) -> str:
    """The recorded metric that holds the share of replications whose reading is above the threshold."""
    return f"arm:{one.metric}:share_alarming"


def runbook(scenario: Scenario, file: str) -> str:
    """What to do about each alert, as Markdown; `runbook_url` of the alerts leads to its headings."""
    parts = ["# When an alert fires", SEVERITY]
    for one in alertings(scenario):
        if not one.popular:
            parts += [f"## {one.name}", f"{one.summary}: `{one.expr}`. Severity: {one.labels['severity']}."]
            if one.printed is not None:
                parts += [
                    f"- Is it so? {one.printed.check}\n- Do: {one.printed.act}\n- Beware: {one.printed.beware}\n"
                    f"- How good it is: `simlab alerts backtest {file} RUN --alert {one.name}`"
                ]
    parts += [
        "## No alert at all",
        "Silence is no good news where nothing is scraped: alert on `up == 0`, and on `absent()` of a reading, as for any other exporter.",
    ]
    return "\n\n".join(parts) + "\n"


def alarming(one: Alerting, matchers: str = "") -> str:
    """The expression for that share; of replications whose reading is known."""
    return f"avg without (replication) (({one.metric}{matchers} >= -Inf) > bool {one.limit})"


def unit_test(scenario: Scenario, told: Sequence[History], clock: Clock, file: str, runbook: str) -> str:
    """The run as a file for `promtool test rules`: readings of some replications, and what fires when.

    What is expected is worked out from the readings by a plain comparison, at the changes of each alert and just before them.
    """
    played = [one for one in told if one.control is None and one.replication < TESTED]
    step = duration(clock.step)
    lines = [
        *_comment(f"The run as a unit test of {file}: promtool test rules"),
        *_comment(f"{pace(clock)} Replications 0 to {TESTED - 1} of each arm."),
        f"rule_files: [{file}]",
        f"evaluation_interval: {step}",
        "tests:",
        f"  - name: {json.dumps(scenario.name)}",
        f"    interval: {step}",
        "    input_series:",
    ]
    alerts = alertings(scenario)
    texts: dict[tuple[str, int], list[str]] = {}
    for one in alerts:
        for i, history in enumerate(played):
            values = values_of(history, one.measure)
            if not np.isnan(values).all():
                texts[one.name, i] = known = shown(values)
                first = int(np.argmax(~np.isnan(values)))
                lines.append(f"      - series: {_quoted(labelled(one.metric, history.labels))}")
                lines.append(
                    f"        values: {_quoted(' '.join([*([f'_x{first}'] if first else []), *known[first:]]))}"
                )
    lines.append("    alert_rule_test:")
    for one in alerts:
        own = [i for i in range(len(played)) if (one.name, i) in texts]
        over = np.array([[float(text) > float(one.limit) for text in texts[one.name, i]] for i in own])
        for at in _moments(over):
            fires = [(played[i], texts[one.name, i][at]) for i, row in zip(own, over, strict=True) if row[at]]
            lines += _expected(one, at, clock, fires, runbook)
    return "\n".join(lines) + "\n"


def duration(seconds: float) -> str:
    """A time as Prometheus writes it."""
    ms = round(seconds * 1000)
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def pace(clock: Clock) -> str:
    """How the export's clock goes."""
    if clock.scale == 1:
        return f"One recorded instant every {duration(clock.step)}, at the run's own pace."
    simulated = clock.step / clock.scale
    return (
        f"One recorded instant every {duration(clock.step)}, which stand for {simulated:,.6g} simulated seconds: windows and `for:` are in "
        "the first, not in the second."
    )


def prometheus_yml(clock: Clock, rule_file: str, target: str) -> str:
    """The configuration of a server that scrapes `simlab replay`."""
    every = duration(clock.step)
    return "\n".join(
        [
            "# prometheus --config.file=prometheus.yml --storage.tsdb.path=DATA, beside "
            f"`simlab replay RUN --every '{pretty(clock.step)}'`",
            f"global: {{scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {every}}}",
            f"rule_files: [{rule_file}]",
            "scrape_configs:",
            "  - job_name: simlab",
            f"    static_configs: [{{targets: [{_quoted(target)}]}}]",
            "",
        ]
    )


def _alert(one: Alerting, limits: dict[str, float], runbook: str) -> Iterator[str]:
    if one.printed is not None and not one.popular:
        own = {printed.alert: text for printed, text in defects(limits)}[one.printed.alert]
        yield f"      # As often printed: {one.printed.expr}"
        yield from _comment("\n".join(f"- {wrong}" for wrong in one.printed.wrong), "      ")
        yield "      # On metrics of your own:"
        if one.printed.record is not None:
            yield f"      #   record {one.printed.record[0]}: {one.printed.record[1]}"
        yield f"      #   {own}"
        yield from _comment(f"({one.printed.means})", "      ")
        yield "      # Here, on what the detector reads:"
    yield f"      - alert: {one.name}"
    yield f"        expr: {one.expr}"
    yield f"        labels: {{{', '.join(f'{key}: {value}' for key, value in one.labels.items())}}}"
    yield "        annotations:"
    for key, value in _template(one, runbook).items():
        yield f"          {key}: {_quoted(value)}"


def _template(one: Alerting, runbook: str) -> dict[str, str]:
    value = '{{ $value | printf "%.3g" }}'
    return one.annotations("{{ $labels.arm }}", "{{ $labels.replication }}", value, runbook)


def _expected(
    one: Alerting, at: int, clock: Clock, fires: Sequence[tuple[History, str]], runbook: str
) -> Iterator[str]:
    yield f"      - eval_time: {duration(at * clock.step)}"
    yield f"        alertname: {one.name}"
    if fires:
        yield "        exp_alerts:"
    for history, text in fires:
        value = "+Inf" if float(text) == np.inf else f"{float(text):.3g}"
        labels = {**history.labels, **one.labels}
        said = one.annotations(history.arm, str(history.replication), value, runbook)
        yield f"          - exp_labels: {_quoted(labels)}"
        yield f"            exp_annotations: {_quoted(said)}"


def _moments(over: Bools) -> list[int]:
    """The first and the last instant, and some of those at which a series begins or ceases to be over, each with the one before."""
    if not over.size:
        return []
    changes = np.flatnonzero((over[:, 1:] != over[:, :-1]).any(axis=0)) + 1
    if len(changes) > CHANGES:
        changes = changes[np.linspace(0, len(changes) - 1, CHANGES).astype(int)]
    return sorted({0, over.shape[1] - 1, *changes.tolist(), *(changes - 1).tolist()})


def _quoted(value: Any) -> str:
    """As JSON, which YAML reads too."""
    return json.dumps(value, ensure_ascii=True)


def _comment(text: str, indent: str = "") -> Iterator[str]:
    import textwrap

    for line in text.split("\n"):
        yield from (f"{indent}# {part}" for part in textwrap.wrap(line, 116 - len(indent), subsequent_indent="  "))
