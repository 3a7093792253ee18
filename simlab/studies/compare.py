"""Two arms side by side, or the same arms of two runs: every measure and the chance of harm, paired by replication.

Pairs are replications that met the same luck: two arms of one run, or runs of the same world, seed and replications. Anything
else is refused, since the difference of unpaired runs has another, wider interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.base.errors import InputError, did_you_mean
from simlab.lab.outcome import Outcome
from simlab.results.differences import differences
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Scenario
from simlab.studies.harms import harmed
from simlab.studies.statistics import Estimate, mean, share, share_difference
from simlab.studies.summary import joint, stands_clear


class Side(NamedTuple):
    """A run: what it found, and the scenario that was played."""

    record: Record
    scenario: Scenario


class Row(NamedTuple):
    """One measure in both arms: its means (or the chance of harm) in A and B, and B minus A, pair by pair.

    `clear` of 0 at a level that holds for all rows together; `same` where no pair differs at all.
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Estimate
    clear: bool
    same: bool


class Pair(NamedTuple):
    """Two arms that met the same luck: how they are called, harm first where it is declared alike, then every measure of both.

    `diverged` and `failed` count the replications that were lost in A and in B.
    """

    a: str
    b: str
    titles: tuple[str, str]
    harm: Row | None
    measures: tuple[Row, ...]
    diverged: tuple[int, int]
    failed: tuple[int, int]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Harm, if any, and the measures."""
        return (*((self.harm,) if self.harm else ()), *self.measures)


class Contrasts(NamedTuple):
    """What was compared: one pair of arms of one run, or pairs from two runs, and in what these `differ` (then -> now)."""

    a: Side
    b: Side
    pairs: tuple[Pair, ...]
    differ: tuple[str, ...] = ()

    @property
    def of_runs(self) -> bool:
        """Whether two runs are compared, and not two arms of one."""
        return self.a.record is not self.b.record


def compare_arms(side: Side, a: str, b: str) -> Contrasts:
    """Arm `b` of a run against its arm `a`. Raises InputError for an unknown arm, or one and the same."""
    two_arms(side.scenario, a, b)
    return Contrasts(side, side, _pairs(side, side, [(a, b)]))


def two_arms(scenario: Scenario, a: str, b: str) -> tuple[Arm, Arm]:
    """Two different arms of a scenario, by name. Raises InputError where there are none."""
    if a == b:
        raise InputError(f"`{a:.60}` is compared with itself; name two of {', '.join(x.name for x in scenario.arms)}")
    return _arm(scenario, a), _arm(scenario, b)


def compare_runs(a: Side, b: Side, arms: Sequence[str] = ()) -> Contrasts:
    """Arms of run B against those of run A: each that is in both, or `arms`, written `x`, or `x:y` for x in A and y in B.

    Raises InputError, with what differs, when the runs are not of the same world, seed and replications, and for unknown arms.
    """
    there, here = identity(a), identity(b)
    apart = differences(there, here)
    if apart:
        raise InputError(
            "these runs are not paired: their replications did not meet the same luck (A -> B):\n"
            + "\n".join(apart)
            + f"\nplay both with the same, e.g. --seed {there['seed']} --replications {there['replications']}"
        )
    if arms:
        chosen = [(x, y or x) for x, _, y in (arm.partition(":") for arm in arms)]
    else:
        chosen = [(arm, arm) for arm in a.record.arms if arm in b.record.arms]
        if not chosen:
            raise InputError(
                f"no arm is in both runs; A has {', '.join(a.record.arms)}, and B {', '.join(b.record.arms)}; "
                "name two, e.g. "
                f"--arm {a.record.arms[0]}:{b.record.arms[0]}"
            )
    keys = ("version", "versions", "document")
    then, now = ({key: side.record.manifest.get(key) for key in keys} for side in (a, b))
    said = differences(then, now)
    return Contrasts(a, b, _pairs(a, b, chosen), tuple(said))


def identity(side: Side) -> dict[str, Any]:
    """What two runs must have in common for their replications to meet the same luck."""
    document = side.record.manifest.get("document", side.scenario.resolved)
    return {
        "world": next(iter(document["world"])),
        "seed": side.record.manifest.get("seed", side.scenario.seed),
        "replications": side.record.replications,
    }


def as_json(found: Contrasts) -> dict[str, Any]:
    """The comparison as plain data; undefined numbers are NaN still."""
    return {
        "a": str(found.a.record.path),
        "b": str(found.b.record.path),
        **identity(found.a),
        "differ": list(found.differ),
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "diverged": list(pair.diverged),
                "failed": list(pair.failed),
                "harm": _row(pair.harm) if pair.harm else None,
                "measures": [_row(row) for row in pair.measures],
            }
            for pair in found.pairs
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "measure": row.measure,
        "a": row.a.value,
        "b": row.b.value,
        "difference": row.difference.value,
        "ci95": row.difference.interval,
        "n": row.difference.n,
        "clear": row.clear,
        "same": row.same,
    }


def _pairs(a: Side, b: Side, chosen: Sequence[tuple[str, str]]) -> tuple[Pair, ...]:
    """Every pair, with one level for all rows of all pairs: a reader looks for the largest."""
    found = []
    for x, y in chosen:
        arms = _arm(a.scenario, x, "" if a is b else " in A"), _arm(b.scenario, y, "" if a is b else " in B")
        outcomes = a.record.cells[x], b.record.cells[y]
        alike = a.scenario.harm is not None and a.scenario.harm == b.scenario.harm
        found.append((arms, outcomes, alike))
    rows = sum(alike + len(_shared(*outcomes)) for _, outcomes, alike in found)
    return tuple(_pair(arms, outcomes, alike, joint(rows), a.scenario) for arms, outcomes, alike in found)


def _pair(
    arms: tuple[Arm, Arm], outcomes: tuple[Outcome, Outcome], alike: bool, level: float, scenario: Scenario
) -> Pair:
    harm = None
    if alike and scenario.harm is not None:
        hit = harmed(outcomes[0]), harmed(outcomes[1])
        clear = stands_clear(share_difference(hit[1], hit[0], level))
        apart = share_difference(hit[1], hit[0])
        harm = Row(scenario.harm.measure, share(hit[0]), share(hit[1]), apart, clear, _same(*hit))
    names = _shared(*outcomes)
    first = [name for name in names if name == scenario.headline]
    x, y = (outcome.measures for outcome in outcomes)
    rows = [_of_means(name, x[name], y[name], level) for name in dict.fromkeys([*first, *names])]
    return Pair(
        arms[0].name,
        arms[1].name,
        (arms[0].title, arms[1].title),
        harm,
        tuple(rows),
        (_diverged(outcomes[0]), _diverged(outcomes[1])),
        (len(outcomes[0].failed), len(outcomes[1].failed)),
    )


@np.errstate(invalid="ignore")  # as in the summary
def _of_means(name: str, x: Floats, y: Floats, level: float) -> Row:
    return Row(name, mean(x), mean(y), mean(y - x), stands_clear(mean(y - x, level)), _same(x, y))


def _same(x: Floats, y: Floats) -> bool:
    return bool(np.array_equal(x, y, equal_nan=True) and np.isfinite(x).any())


def _shared(x: Outcome, y: Outcome) -> list[str]:
    return [name for name in x.measures if name in y.measures]


def _arm(scenario: Scenario, name: str, where: str = "") -> Arm:
    arms: Mapping[str, Arm] = {arm.name: arm for arm in scenario.arms}
    if name not in arms:
        raise InputError(f"unknown arm `{name:.60}`{where}; {did_you_mean(name, arms)}")
    return arms[name]


def _diverged(outcome: Outcome) -> int:
    return int(np.isfinite(outcome.diverged).sum())
