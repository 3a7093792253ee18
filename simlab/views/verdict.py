"""The verdict: one sentence composed from the measured contrasts, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from simlab.brains.topology import Topology
from simlab.scenario.scenario import Arm, Scenario
from simlab.views.words import count, human, listed, number, percent, points, quantity, sentence, signed

TOO_FEW = 30  # below this many replications no interval is given
PARTS = (("features", "view_of"), ("brain", "brain_of"), ("data", "data_of"))


class Contrast(NamedTuple):
    """An arm against the baseline: the figure in each, their difference, its 95% interval, and how many pairs.

    It is `clear` when it differs from 0 at a level that holds for all arms together, and `joint` is the interval at that level: the
    one to be told of an arm that was picked out.
    """

    arm: str
    here: float | None
    there: float | None
    difference: float | None
    ci: tuple[float, float] | None
    n: int
    clear: bool
    joint: tuple[float, float] | None = None


class Headline(NamedTuple):
    """What a scenario is judged by: P(harm) where harm is declared, else the mean of its headline measure."""

    measure: str
    label: str
    unit: str
    share: bool
    worse: str  # "higher", "lower" or "neither"

    def say(self, x: float | None) -> str:
        """A value of it."""
        return percent(x) if self.share else quantity(x, self.unit)

    def say_difference(self, difference: float | None, ci: Sequence[float] | None, *, joint: bool = False) -> str:
        """A difference, with its interval if there is one: "+34 points, 95% interval 28 to 40"; `joint` where it was picked of several."""
        if self.share:
            width = ci[1] - ci[0] if ci is not None else 1.0
            text = f"{points(difference, width)} points"
            ends = [points(end, width).removeprefix("+") for end in ci or ()]
        else:
            unit = "" if self.unit in ("1", "") else f" {self.unit}"
            text = signed(difference) + unit
            ends = [number(end) for end in ci or ()]
        return f"{text}, {'joint ' * joint}95% interval {ends[0]} to {ends[1]}" if ci is not None else text


def headline(scenario: Scenario) -> Headline:
    """What the verdict speaks of."""
    harm, name = scenario.harm, scenario.headline
    declared = scenario.arms[0].trial.world.measures[name]
    if harm is None:
        return Headline(name, f"the mean {human(name)}", declared.unit, False, declared.worse)
    return Headline(name, f"P({human(name)} {threshold(scenario)})", declared.unit, True, "higher")


def threshold(scenario: Scenario) -> str:
    """The harm's threshold as "> 3%"; a pure number below 1 reads best as a percentage."""
    harm = scenario.harm
    if harm is None:
        return ""
    above = harm.above < float("inf")
    edge = harm.above if above else harm.below
    unit = scenario.arms[0].trial.world.measures[harm.measure].unit
    shown = percent(edge) if unit == "1" and 0 < edge < 1 else quantity(edge, unit)
    return f"{'>' if above else '<'} {shown}"


def contrasts(summary: Mapping[str, Any], scenario: Scenario) -> list[Contrast]:
    """Each other arm against the first, in the headline's terms; from the summary alone."""
    base = scenario.arms[0].name
    top = headline(scenario)
    harm = summary.get("harm") or {}
    measured = harm.get("contrasts", ()) if top.share else summary.get("contrasts", ())
    rows = {c["arm"]: c for c in measured if c["versus"] == base and c.get("measure", top.measure) == top.measure}
    return [
        _contrast(arm.name, level(summary, top, arm.name), level(summary, top, base), rows) for arm in scenario.arms[1:]
    ]


def level(summary: Mapping[str, Any], top: Headline, arm: str) -> float | None:
    """The headline's value in an arm, or None where it is undefined."""
    if top.share:
        found = (summary.get("harm") or {}).get("arms", {}).get(arm, {}).get("share")
    else:
        found = summary.get("arms", {}).get(arm, {}).get(top.measure, {}).get("mean")
    return None if found is None else float(found)


def _contrast(arm: str, here: float | None, there: float | None, rows: Mapping[str, Any]) -> Contrast:
    row = rows.get(arm, {})
    ci = row.get("ci95")
    joint = row.get("ci95_joint", ci)
    difference = row.get("difference", row.get("mean_difference"))
    if difference is None and here is not None and there is not None:
        difference = here - there
    return Contrast(
        arm,
        here,
        there,
        difference,
        None if ci is None else (ci[0], ci[1]),
        int(row.get("n") or 0),
        bool(row.get("clear")),
        None if joint is None else (joint[0], joint[1]),
    )


def shares(topology: Topology, base: Topology) -> tuple[str, ...]:
    """Which parts more models have in common than in `base`."""
    sizes = {part: [len(set(getattr(t, field))) for t in (topology, base)] for part, field in PARTS}
    return tuple(part for part, (here, there) in sizes.items() if here < there)


def shared_alone(arm: Arm, base: Arm) -> tuple[str, ...]:
    """Which parts an arm shares that the baseline does not, where that is all in which they differ; else none.

    Only then is it a surprise that it does better.
    """
    new, old = arm.trial.topology, base.trial.topology
    if replace(arm.trial, topology=old) != base.trial or shares(old, new):
        return ()
    fields = ("brain_of", "view_of", "data_of", "taught_by", "kind_of")
    same = replace(new, **{field: getattr(old, field) for field in fields})
    return shares(new, old) if same == old else ()


def cause(arm: Arm, base: Arm) -> str:
    """What the arm does that the baseline does not: a seam where the wiring alone differs, else its title."""
    seams = shared_alone(arm, base)
    if not seams:
        return f"“{arm.title}”"
    return f"sharing the {seams[0]} alone" if len(seams) == 1 else f"sharing {listed(seams)}"


def causes(scenario: Scenario) -> dict[str, str]:
    """The cause of each arm against the first, by name; arms of which the same would be said are told apart by their titles."""
    base, *others = scenario.arms
    said = {arm.name: cause(arm, base) for arm in others}
    return {
        arm.name: said[arm.name] if [*said.values()].count(said[arm.name]) == 1 else f"“{arm.title}”" for arm in others
    }


def verdict(summary: Mapping[str, Any], scenario: Scenario) -> str:
    """One sentence: which arm differs most from the baseline, by how much, and what made no difference.

    Composed only from the contrasts and counts in `summary`; an arm counts as different when its
    contrast is clear of 0 for all arms together. Fewer than 30 replications give no verdict but say what was seen.
    """
    top = headline(scenario)
    base = scenario.arms[0]
    there = level(summary, top, base.name)
    found = [c for c in contrasts(summary, scenario) if c.difference is not None]
    if there is None or (len(scenario.arms) > 1 and not found):
        said = f"No verdict: {top.label} is undefined in {'the baseline' if there is None else 'every other arm'}"
    elif not found:
        said = f"{top.label} is {top.say(there)} in “{base.title}”, with nothing to compare it with"
    elif all(c.ci is None for c in found):
        said = _too_few(summary, scenario, found)
    elif any(c.clear for c in found):
        said = _different(summary, scenario, found)
    else:
        said = _no_difference(scenario, found) + _but(summary, scenario)
    return sentence(said) + _lost(summary) + "."


def _most(found: Sequence[Contrast]) -> Contrast:
    return max(found, key=lambda c: abs(c.difference or 0.0))


def _different(summary: Mapping[str, Any], scenario: Scenario, found: Sequence[Contrast]) -> str:
    top, base = headline(scenario), scenario.arms[0]
    arms, by = {arm.name: arm for arm in scenario.arms}, causes(scenario)
    most = _most([c for c in found if c.clear])
    up = (most.difference or 0.0) > 0
    alike = [c for c in found if c.clear and _told(top, c) == _told(top, most)]
    more = all(shared_alone(arms[c.arm], base) for c in alike)
    better = top.worse != "neither" and up == (top.worse == "lower") and more
    who, plural = _together([by[c.arm] for c in alike], len(found))
    verb = ("raise" if up else "lower") + ("" if plural else "s")
    said = (
        f"{who} {verb} {top.label} from {top.say(most.there)} "
        f"({base.title}) to {top.say(most.here)} ({_size(top, most, found)})"
        f"{': better than the baseline, not worse' if better else ''}"
    )
    rest = [c for c in found if c not in alike]
    also = [c for c in rest if c.clear and ((c.difference or 0.0) > 0) == up]
    against = [c for c in rest if c.clear and c not in also]
    for group, verb in (
        (also, "also raises it" if up else "also lowers it"),
        (against, "lowers it" if up else "raises it"),
    ):
        if group:
            said += (
                "; "
                + listed(_most_of([_small(by[c.arm], c, top) for c in group]))
                + f" {verb if len(group) == 1 else verb.replace('s it', ' it')}"
            )
    cost, rows = _costs(summary, scenario)
    none = [by[c.arm] for c in rest if not c.clear and c.arm not in rows]
    dear = [f"{by[c.arm]} ({_change(cost, rows[c.arm])})" for c in rest if not c.clear and c.arm in rows]
    said += f"; {listed(_most_of(none))}: no difference found" if none else ""
    but = f"only in {cost.label}" if none else f"no difference found in that, but in {cost.label}"
    return said + (f"; {but}: {listed(_most_of(dear))}" if dear else "")


def _size(top: Headline, most: Contrast, found: Sequence[Contrast]) -> str:
    """A difference that was picked out of several, with an interval that holds for all of them together."""
    return top.say_difference(most.difference, most.joint, joint=len(found) > 1)


def _told(top: Headline, c: Contrast) -> tuple[str, str]:
    """A contrast as a reader is told it: arms of which the same is told need not be told one by one."""
    return top.say(c.here), top.say_difference(c.difference, c.joint)


def _together(causes: Sequence[str], others: int) -> tuple[str, bool]:
    """Those of which the same is said, as a subject, and whether it is a plural; by number where they are all there are."""
    if len(causes) == others > 3:
        return f"each of the other {others} arms", False
    return listed(_most_of(causes)), len(causes) > 1


def _most_of(things: Sequence[str]) -> list[str]:
    """The first three, and how many more: a sentence is not a table."""
    return [*things] if len(things) <= 3 else [*things[:2], f"{len(things) - 2} more"]


def _small(by: str, c: Contrast, top: Headline) -> str:
    short = top.say_difference(c.difference, c.ci).split(",")[0]
    return f"{by} ({short})"


def _no_difference(scenario: Scenario, found: Sequence[Contrast]) -> str:
    top, base = headline(scenario), scenario.arms[0]
    levels = {x for c in found for x in (c.here, c.there)}
    if top.share and len(levels) == 1 and levels <= {0.0, 1.0}:
        how = "no harm in any arm" if levels == {0.0} else "harm in every replication of every arm"
        return f"{how}: {top.label} is {top.say(found[0].there)}, in {count(found[0].n, 'replication')} of each"
    most = _most(found)
    title = next(arm.title for arm in scenario.arms if arm.name == most.arm)
    which = "its difference" if len(found) == 1 else "the largest difference"
    return (
        f"no difference found: {top.label} is {top.say(most.there)} in “{base.title}” and {top.say(most.here)} in “{title}” "
        f"({which}, {_size(top, most, found)})"
    )


def _costs(summary: Mapping[str, Any], scenario: Scenario) -> tuple[Headline, dict[str, Mapping[str, Any]]]:
    """What harm costs, or else the measure that crosses, and the clear contrasts of its mean by arm; none where no harm is declared."""
    harm, base = scenario.harm, scenario.arms[0]
    name = scenario.headline if harm is None else harm.cost or harm.measure
    declared = base.trial.world.measures[name]
    rows = {
        c["arm"]: c
        for c in summary.get("contrasts", ())
        if harm is not None and (c["measure"], c["versus"]) == (name, base.name) and c.get("clear")
    }
    return Headline(name, f"mean {human(name)}", declared.unit, False, declared.worse), rows


def _change(top: Headline, row: Mapping[str, Any]) -> str:
    """The difference of a mean, without its interval."""
    return top.say_difference(row["mean_difference"], None)


def _but(summary: Mapping[str, Any], scenario: Scenario) -> str:
    """What differs most where harm is as frequent: its cost, or else the measure that crosses; "" where nothing does."""
    top, rows = _costs(summary, scenario)
    if not rows:
        return ""
    base = scenario.arms[0]
    most = max(rows.values(), key=lambda c: abs(c["mean_difference"]))
    title = next(arm.title for arm in scenario.arms if arm.name == most["arm"])
    here, there = (top.say(level(summary, top, arm)) for arm in (most["arm"], base.name))
    several = len(scenario.arms) > 2  # of which it was picked
    ci = most.get("ci95_joint", most["ci95"]) if several else most["ci95"]
    change = top.say_difference(most["mean_difference"], ci, joint=several)
    return f"; but {top.label} is {there} in “{base.title}” and {here} in “{title}” ({change})"


def _too_few(summary: Mapping[str, Any], scenario: Scenario, found: Sequence[Contrast]) -> str:
    top, base = headline(scenario), scenario.arms[0]
    most = _most(found)
    title = next(arm.title for arm in scenario.arms if arm.name == most.arm)
    n = int(summary.get("replications") or 0)
    return (
        f"{count(n, 'replication')}, too few for an interval (at least {TOO_FEW} are needed): {top.label} was {top.say(most.here)} "
        f"in “{title}” and {top.say(most.there)} in “{base.title}”"
    )


def _lost(summary: Mapping[str, Any]) -> str:
    lost = [(sum((summary.get(kind) or {}).values()), kind) for kind in ("diverged", "failed")]
    said = [f"{count(n, 'replication')} {kind}" for n, kind in lost if n]
    return f" ({listed(said)})" if said else ""


def controls_line(summary: Mapping[str, Any], scenario: Scenario) -> str:
    """What the headline is in the arms under each control, and what should have vanished there but did not; "" without controls."""
    top = headline(scenario)
    said: list[str] = []
    for control in scenario.controls:
        under = under_control(summary, control.name)
        found = [level(under, top, arm.name) for arm in control.arms]
        stayed = [human(v["measure"]) for v in under.get("vanishes", ()) if v["holds"] is False]
        but = f", but {listed(stayed)} {'does' if len(stayed) == 1 else 'do'} not vanish" if stayed else ""
        said.append(f"with “{control.title}”, {'' if said else f'{top.label} is '}{_in_all(top, found)}{but}")
    return f"Compare the controls: {'; '.join(said)}." if said else ""


def under_control(summary: Mapping[str, Any], control: str) -> dict[str, Any]:
    """The summary of a control in the form of the whole: arms, contrasts, and how often harm came."""
    struck = (summary.get("harm") or {}).get("controls", {}).get(control, {})
    return {**summary.get("controls", {}).get(control, {}), "harm": {"arms": struck}}


def _in_all(top: Headline, found: Sequence[float | None]) -> str:
    known = sorted(x for x in found if x is not None)
    if not known:
        return "undefined"
    low, high = top.say(known[0]), top.say(known[-1])
    where = "" if len(found) == 1 else " in every arm" if len(known) == len(found) else " where it is defined"
    return low + where if low == high else f"still {low} to {high}, by arm"


def claim_verdict(claim: Mapping[str, Any]) -> str:
    """How one row of `summary["claims"]` turned out: "holds", "contradicted", "undecided", or "refuted, as expected"."""
    holds, expect = claim.get("holds"), claim.get("expect", True)
    if holds is None:
        return "undecided"
    if bool(holds) != bool(expect):
        return "contradicted"
    return "holds" if expect else "refuted, as expected"


def claim_counts(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims turned out which way."""
    found = [claim_verdict(c) for c in claims]
    return {kind: found.count(kind) for kind in ("holds", "contradicted", "undecided", "refuted, as expected")}
