"""The summary of a run: every number that the verdict, the tables, the claims and `--json` show, computed once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from simlab.base.arrays import Floats
from simlab.lab.outcome import Outcome
from simlab.results.record import Record, cell_key
from simlab.scenario.scenario import Arm, Factorial, Scenario
from simlab.studies.claims import Finding, judge, vanished
from simlab.studies.effects import Effect, effects
from simlab.studies.harms import harmed
from simlab.studies.rising import points_of, tradeoffs_of
from simlab.studies.score import scorecard
from simlab.studies.sequential import told
from simlab.studies.statistics import Estimate, mean, share, share_difference

Measures = Mapping[str, Mapping[str, Floats]]


@np.errstate(invalid="ignore")  # infinite in both arms: their difference is undefined, as it should be
def summarise(scenario: Scenario, record: Record) -> dict[str, Any]:
    """Everything there is to say of a run, JSON-able, undefined numbers as None.

    The first arm is the baseline: contrasts are each other arm minus the first, paired by replication. A contrast is `clear`
    when 0 lies outside its interval at a level that holds for all arms together (Bonferroni), since a reader picks the largest.
    """
    plain = _measures(scenario.arms, record, None)
    controls = {c.name: _measures(c.arms, record, c.name) for c in scenario.controls}
    findings = [
        (claim, judge(claim, controls[claim.control] if claim.control else plain, points_of(record.path, claim)))
        for claim in scenario.claims
    ]
    summary = {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "replications": scenario.replications,
        "arms": _arms(plain),
        "contrasts": _contrasts(plain, beside_harm=scenario.harm is not None),
        "claims": [_finding(found) | {"expect": claim.expect, "because": claim.because} for claim, found in findings],
        "diverged": {arm.name: _diverged(record.cells[cell_key(arm.name)]) for arm in scenario.arms},
        "failed": {arm.name: len(record.cells[cell_key(arm.name)].failed) for arm in scenario.arms},
        "harm": _harm(scenario, record),
        "scorecard": scorecard(scenario, record),
        "controls": {
            control.name: {
                "title": control.title,
                "arms": _arms(controls[control.name]),
                "contrasts": _contrasts(controls[control.name], beside_harm=scenario.harm is not None),
                "vanishes": [
                    _finding(vanished(control, v, controls[control.name])) | {"measure": v.measure}
                    for v in control.vanishes
                ],
                "diverged": sum(_diverged(record.cells[cell_key(arm.name, control.name)]) for arm in control.arms),
                "failed": sum(len(record.cells[cell_key(arm.name, control.name)].failed) for arm in control.arms),
            }
            for control in scenario.controls
        },
    }
    if scenario.until is not None:
        summary["until"] = told(scenario, scenario.until, record.cells, record.replications)
    if found := tradeoffs_of(record.path, scenario):
        summary["tradeoff"] = found
    if scenario.factorial is not None:
        summary["factorial"] = _factorial(scenario, scenario.factorial, record, plain)
    return _plain(summary)  # type: ignore[no-any-return]


def contradicted(summary: Mapping[str, Any]) -> bool:
    """Whether the run says no to something the scenario expects: a claim, or a control under which an effect stayed."""
    against = [c["expect"] for c in summary["claims"] if c["verdict"] == "contradicted"]
    for_refuted = [not c["expect"] for c in summary["claims"] if c["verdict"] == "holds"]
    stayed = [v["verdict"] == "contradicted" for c in summary["controls"].values() for v in c["vanishes"]]
    return any(against) or any(for_refuted) or any(stayed)


def lost(summary: Mapping[str, Any]) -> tuple[int, int]:
    """How many replications failed and how many diverged, over arms and controls."""
    controls = summary["controls"].values()
    failed = sum(summary["failed"].values()) + sum(c["failed"] for c in controls)
    return failed, sum(summary["diverged"].values()) + sum(c["diverged"] for c in controls)


def exit_code(scenario: Scenario, summary: Mapping[str, Any]) -> int:
    """0 when nothing expected is contradicted, 1 when something is, 3 when replications failed or too many diverged."""
    failed, diverged = lost(summary)
    if failed or diverged > scenario.allow_diverged:
        return 3
    return 1 if contradicted(summary) else 0


def _measures(arms: tuple[Arm, ...], record: Record, control: str | None) -> dict[str, dict[str, Floats]]:
    return {arm.name: record.cells[cell_key(arm.name, control)].measures for arm in arms}


def _arms(measures: Measures) -> dict[str, dict[str, Any]]:
    return {arm: {name: _spread(x) for name, x in each.items()} for arm, each in measures.items()}


def _spread(x: Floats) -> dict[str, Any]:
    found, seen = mean(x), x[np.isfinite(x)]
    p05, median, p95 = np.quantile(seen, [0.05, 0.5, 0.95]) if len(seen) else (math.nan,) * 3
    return {"n": found.n, "mean": found.value, "median": median, "p05": p05, "p95": p95, "ci95": found.interval}


def _contrasts(measures: Measures, *, beside_harm: bool) -> list[dict[str, Any]]:
    """Paired contrasts of all measures; one that is looked at beside the chance of harm is clear at half the level."""
    (base, at_base), *others = measures.items()
    level, rows = joint(len(others) * (1 + beside_harm)), []
    for arm, each in others:
        for name, x in each.items():
            found, together = mean(x - at_base[name]), mean(x - at_base[name], level)
            rows.append(
                {
                    "measure": name,
                    "arm": arm,
                    "versus": base,
                    "mean_difference": found.value,
                    "ci95": found.interval,
                    "ci95_joint": together.interval,
                    "n": found.n,
                    "clear": stands_clear(together) and not _dust(x, at_base[name]),
                }
            )
    return rows


def _dust(x: Floats, y: Floats) -> bool:
    """Whether pairs differ by no more than rounding, as where the same is added up in another order: it has a sign, and no meaning."""
    both = np.isfinite(x) & np.isfinite(y)
    return bool((np.abs(x - y)[both] <= 1e-9 * np.maximum(np.abs(x), np.abs(y))[both]).all())


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "claim": found.text,
        "holds": found.holds,
        "verdict": found.verdict,
        "evidence": found.evidence,
        "estimate": found.estimate.value,
        "ci95": found.estimate.interval,
        "needed": found.needed,
    }


def _harm(scenario: Scenario, record: Record) -> dict[str, Any] | None:
    """How often harm came, per arm and control, with paired contrasts against the baseline."""
    harm = scenario.harm
    if harm is None:
        return None

    def struck(control: str | None, arms: tuple[Arm, ...]) -> dict[str, Floats]:
        return {arm.name: harmed(record.cells[cell_key(arm.name, control)]) for arm in arms}

    plain = struck(None, scenario.arms)
    base, *others = plain
    edge = {"above": harm.above} if math.isfinite(harm.above) else {"below": harm.below}
    return {
        "measure": harm.measure,
        **edge,
        "arms": {arm: _share(hit) for arm, hit in plain.items()},
        "contrasts": [
            {"arm": arm, "versus": base, **_difference(plain[arm], plain[base], len(others))} for arm in others
        ],
        "controls": {
            control.name: {arm: _share(hit) for arm, hit in struck(control.name, control.arms).items()}
            for control in scenario.controls
        },
    }


def _factorial(scenario: Scenario, design: Factorial, record: Record, plain: Measures) -> dict[str, Any]:
    """What each seam does to the chance of harm, and to the mean of every measure."""
    names = dict.fromkeys(name for arm in design.levels for name in plain[arm])
    hits = {arm: harmed(record.cells[cell_key(arm)]) for arm in design.levels} if scenario.harm else {}
    return {
        "seams": {seam: list(levels) for seam, levels in design.seams.items()},
        "levels": {arm: dict(levels) for arm, levels in design.levels.items()},
        "dropped": [{"levels": dict(levels), "why": why} for levels, why in design.dropped],
        "harm": [_effect(one) for one in effects(design, hits, hits=True)] if hits else None,
        "measures": {
            name: [_effect(one) for one in effects(design, {arm: plain[arm][name] for arm in design.levels})]
            for name in names
        },
    }


def _effect(found: Effect) -> dict[str, Any]:
    return {
        "seams": list(found.seams),
        "before": list(found.before),
        "after": list(found.after),
        "effect": found.estimate.value,
        "ci95": found.estimate.interval,
        "n": found.estimate.n,
        "over": found.over,
        "clear": found.clear,
    }


def _share(hit: Floats) -> dict[str, Any]:
    found = share(hit)
    return {"count": int(np.nansum(hit)), "n": found.n, "share": found.value, "ci95": found.interval}


def _difference(x: Floats, y: Floats, others: int) -> dict[str, Any]:
    found, together = share_difference(x, y), share_difference(x, y, joint(others))
    return {
        "difference": found.value,
        "ci95": found.interval,
        "ci95_joint": together.interval,
        "n": found.n,
        "clear": stands_clear(together),
    }


def joint(others: int) -> float:
    """The level of each of several intervals that hold together at 95%."""
    return 1 - 0.05 / max(others, 1)


def stands_clear(found: Estimate) -> bool:
    """Whether 0 lies outside an interval."""
    return found.low > 0 or found.high < 0


def _diverged(outcome: Outcome) -> int:
    return int(np.isfinite(outcome.diverged).sum())


def _plain(value: Any) -> Any:
    """Plain Python numbers, None for what is undefined."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
