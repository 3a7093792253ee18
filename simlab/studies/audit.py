"""The audit of a user's own architecture: what takes everything down, what feeds back, what fails or retrains together, what to change.

Five risks, each as a share of its limit, add up to one score. Every change is judged by that score of the changed
architecture, computed anew; a plan takes the best for its cost and looks again.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from simlab.scenario.architecture import Architecture, Limits
from simlab.studies.blast import Blast, blasts, widest
from simlab.studies.gains import Gains, cascade, closed, gains
from simlab.studies.mending import MOST_CHANGES, Change, changes
from simlab.studies.timetable import Timetable, at_once, timetable
from simlab.studies.together import SEED, Together, together, two

STEPS = 3  # of the plan
LEAST = 1e-3  # an improvement of the score below this is none


class Risks(NamedTuple):
    """The five risks: P(two models picked by traffic fail on the same day), the largest share that fails with one part, the
    closed-loop gain, the path gain, and the share of models that are busy retraining at the worst instant.
    """

    together: float
    blast: float
    loop: float
    cascade: float
    retraining: float

    def shares(self, limits: Limits) -> Risks:
        """Each as a share of its limit."""
        return Risks(*(value / limit for value, limit in zip(self, limits, strict=True)))

    def score(self, limits: Limits) -> float:
        """How far all of them together are, in limits."""
        return math.fsum(self.shares(limits))


class Mend(NamedTuple):
    """A change, the risks and the score after it, and by how much the score falls, in all and for one unit of its cost."""

    change: Change
    risks: Risks
    score: float
    better: float
    per_cost: float


class Audit(NamedTuple):
    """Everything that was found; `mends` the best for its cost first, those that help not at all left out; `plan` one after another."""

    architecture: Architecture
    blasts: tuple[Blast, ...]
    gains: Gains
    together: Together
    timetable: Timetable | None
    risks: Risks
    score: float
    considered: int
    mends: tuple[Mend, ...]
    plan: tuple[Mend, ...]

    @property
    def single_points(self) -> list[Blast]:
        """The parts whose loss takes more than half, the widest first."""
        return [blast for blast in self.blasts if blast.single_point]

    @property
    def runs_away(self) -> bool:
        """Whether the closed-loop gain is 1 or more."""
        return self.risks.loop >= 1 - 1e-9

    @property
    def alarming(self) -> bool:
        """Whether there is a single point of failure, or a loop that runs away."""
        return self.runs_away or bool(self.single_points)


def audit(architecture: Architecture) -> Audit:
    """The whole audit. The same architecture gives the same numbers."""
    found = risks(architecture)
    considered = changes(architecture)
    mends = _judged(architecture, considered)
    plan, now = list[Mend](), architecture
    while len(plan) < STEPS:
        best = (mends if not plan else _judged(now, changes(now)))[:1]
        if not best:
            break
        plan += best
        now = best[0].change.after
    return Audit(
        architecture,
        blasts(architecture),
        gains(architecture),
        together(architecture),
        timetable(architecture),
        found,
        found.score(architecture.limits),
        len(considered),
        tuple(mends),
        tuple(plan),
    )


def risks(architecture: Architecture) -> Risks:
    """The five risks of an architecture."""
    return Risks(
        two(architecture),
        widest(architecture),
        closed(architecture),
        cascade(architecture),
        at_once(architecture) / len(architecture.of("model")),
    )


def _judged(architecture: Architecture, considered: list[Change]) -> list[Mend]:
    """The changes that help, the best for its cost first; of equals the cheaper, then the one that was considered first."""
    before = risks(architecture).score(architecture.limits)
    found = []
    for change in considered:
        after = risks(change.after)
        score = after.score(architecture.limits)
        if before - score > LEAST:
            found.append(Mend(change, after, score, before - score, (before - score) / change.cost))
    return sorted(found, key=lambda mend: (-round(mend.per_cost, 9), mend.change.cost))


def document(found: Audit) -> dict[str, Any]:
    """The audit as plain data for JSON: keys and shapes are part of the interface."""
    limits = found.architecture.limits
    shares = found.risks.shares(limits)
    when = found.timetable
    return {
        "title": found.architecture.title,
        "alarming": found.alarming,
        "score": found.score,
        "risks": {
            name: {"value": value, "limit": limit, "share": share, "over": share >= 1 - 1e-9}
            for name, value, limit, share in zip(Risks._fields, found.risks, limits, shares, strict=True)
        },
        "single_points_of_failure": [blast.name for blast in found.single_points],
        "parts": [_part(found.architecture, blast) for blast in found.blasts],
        "gains": _gains(found.gains),
        "together": _together(found),
        "retraining": None if when is None else {**when._asdict(), "meetings": [m._asdict() for m in when.meetings]},
        "changes_considered": {"count": found.considered, "all": found.considered < MOST_CHANGES},
        "changes": [_mend(mend) for mend in found.mends],
        "plan": [_mend(mend) for mend in found.plan],
    }


def _part(architecture: Architecture, blast: Blast) -> dict[str, Any]:
    part = architecture.part(blast.name)
    return {
        **blast._asdict(),
        "single_point": blast.single_point,
        "fails": part.fails,
        "fails_is_default": part.chosen,
    }


def _gains(found: Gains) -> dict[str, Any]:
    return {
        "depth": found.depth,
        "chain": found.chain.path,
        "path_gain": found.cascade,
        "path": None if found.along is None else found.along.path,
        "closed_loop_gain": found.loop,
        "loops": [loop._asdict() for loop in found.loops],
        "all_loops_listed": found.complete,
    }


def _together(found: Audit) -> dict[str, Any]:
    one = found.together
    return {
        "as_wired": one.wired._asdict(),
        "every_part_owned": one.owned._asdict(),
        "standard_errors": one.errors._asdict(),
        "models": one.models,
        "consumers": one.consumers,
        "effective_models": None if math.isnan(one.effective) else one.effective,
        "correlation": found.architecture.correlation,
        "shared_parts": one.shared,
        "exact": one.exact,
        "states": one.states,
        "seed": None if one.exact else SEED,
    }


def _mend(mend: Mend) -> dict[str, Any]:
    return {
        "kind": mend.change.kind,
        "change": mend.change.words.replace("`", ""),
        "cost": mend.change.cost,
        "score": mend.score,
        "better": mend.better,
        "per_cost": mend.per_cost,
        "risks": mend.risks._asdict(),
    }
