"""The sections of the report below its main figure, each from record and scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simlab.base.par import CHOSEN
from simlab.results.record import Record
from simlab.scenario.scenario import Arm, Scenario
from simlab.views import facts, matrix
from simlab.views.ink import Drawing
from simlab.views.markup import (
    Cell,
    Html,
    element,
    grid,
    pairs,
    paragraph,
    picture,
    prose,
    safe,
    section,
    table,
    together,
)
from simlab.views.pictures import measures, unit_of
from simlab.views.verdict import TOO_FEW, claim_counts, claim_verdict, headline, level, under_control, verdict
from simlab.views.verdict import controls_line as told_by_controls
from simlab.views.wiring import in_words, seen
from simlab.views.words import DASH, count, human, interval, number, opening, percent, quantity, sentence, signed, span

LEAD = 240  # characters of the story above the verdict

GOOD, BAD, OPEN = ("good", "✓"), ("bad", "✗"), ("open", "?")
LOOK = {
    "holds": GOOD,
    "refuted, as expected": GOOD,
    "hit": GOOD,
    "agrees": GOOD,
    "vanishes": GOOD,
    "contradicted": BAD,
    "miss": BAD,
    "differs": BAD,
    "remains": BAD,
}
LOOK |= {"undecided": OPEN, "undefined": OPEN}


def badge(word: str, text: str | None = None) -> Html:
    """A verdict as a word with a sign, so that colour alone says nothing."""
    css, sign = LOOK.get(word, ("", ""))
    return element("span", f"{sign} {text or word}".strip(), css=f"badge {css}".strip())


def chips(record: Record, scenario: Scenario) -> Html:
    """The counts at the top: claims by verdict, replications, and what was lost."""
    counts = claim_counts(record.summary.get("claims", ()))
    words = {
        "holds": f"{count(counts['holds'], 'claim')} hold{'s' if counts['holds'] == 1 else ''}",
        "contradicted": f"{counts['contradicted']} contradicted",
        "undecided": f"{counts['undecided']} undecided",
        "refuted, as expected": f"{count(counts['refuted, as expected'], 'popular claim')} refuted",
    }
    items = [
        element("li", f"{LOOK[kind][1]} {text}", css=LOOK[kind][0] if counts[kind] else "")
        for kind, text in words.items()
        if counts[kind] or kind != "refuted, as expected"
    ]
    if not any(counts.values()):
        items = [element("li", "no claims were tested")]
    items.append(
        element("li", f"{count(record.replications, 'replication')} of each of {count(len(scenario.arms), 'arm')}")
    )
    remains = [v for c in record.summary.get("controls", {}).values() for v in c["vanishes"] if v["holds"] is False]
    if remains:
        items.append(
            element("li", f"{LOOK['remains'][1]} {count(len(remains), 'effect')} left by a control", css=BAD[0])
        )
    marks = [facts.score(row, record)[1] for row in scenario.scoreboard]
    met, missed = marks.count("hit"), marks.count("miss") + marks.count("undefined")
    if met + missed:
        css, sign = BAD if missed else GOOD
        told = f"{missed or met} of {count(met + missed, 'published figure')} {'missed' if missed else 'met'}"
        items.append(element("li", f"{sign} {told}", css=css))
    for kind in ("diverged", "failed"):
        lost = sum((record.summary.get(kind) or {}).values())
        if lost:
            items.append(element("li", f"{lost} {kind}", css="open"))
    return together(items)


def verdict_line(record: Record, scenario: Scenario) -> Html:
    """The verdict, with its first clause in bold."""
    first, semicolon, rest = verdict(record.summary, scenario).partition(";")
    return together([element("strong", first + semicolon), Html(safe(rest))])


def controls_line(record: Record, scenario: Scenario) -> Html:
    """What the headline comes to under the controls, in a line."""
    said = told_by_controls(record.summary, scenario)
    return paragraph(said, "controls") if said else Html("")


def lead(scenario: Scenario, altered: str = "") -> Html:
    """What this is about, in a sentence or two, and in what the run is `altered` against it."""
    told = [prose(opening(scenario.story, LEAD), "lead")] if scenario.story else []
    return together(told + ([element("p", element("strong", altered), css="lead")] if altered else []))


def story(scenario: Scenario, altered: str = "") -> Html:
    """What the scenario is about, and in what the run is `altered` against it."""
    told = [prose(scenario.story)] if scenario.story else []
    return together([paragraph(altered, "soft"), *told] if altered else told)


def numbers(record: Record, scenario: Scenario) -> Html:
    """The table of arms and measures."""
    rows: list[Sequence[Cell]] = []
    groups = []
    for name in measures(scenario, record):
        unit = unit_of(scenario, record, name)
        groups.append(len(rows))
        for i, arm in enumerate(scenario.arms):
            found: Mapping[str, Any] = record.summary.get("arms", {}).get(arm.name, {}).get(name, {})
            title = (human(name) if unit in ("1", "") else f"{human(name)}, {unit}") if i == 0 else ""
            ci = found.get("ci95")
            middle = [number(found.get(key)) for key in ("mean", "median", "p05", "p95")]
            rows.append(
                [
                    title,
                    arm.title,
                    middle[0],
                    DASH if ci is None else interval(ci),
                    *middle[1:],
                    str(found.get("n", DASH)),
                ]
            )
    lost = [
        f"{arm.title}: {n} {kind}"
        for kind in ("diverged", "failed")
        for arm in scenario.arms
        if (n := (record.summary.get(kind) or {}).get(arm.name))
    ]
    raised = failures(record, scenario)
    notes = [f"Fewer than {TOO_FEW} replications: too few for an interval."] if record.replications < TOO_FEW else []
    notes += ["; ".join(lost) + ". Counted here; no mean or interval of a measure includes them."] if lost else []
    notes += ["Replications that raised: " + "; ".join(raised)] if raised else []
    return together(
        [
            table(
                ("measure", "arm", "mean", "95% interval", "median", "5%", "95%", "n"), rows, (2, 3, 4, 5, 6, 7), groups
            ),
            *(paragraph(text, "soft") for text in notes),
        ]
    )


def failures(record: Record, scenario: Scenario) -> list[str]:
    """The last line of the traceback of the first replication that raised in each arm."""
    found = []
    for arm in scenario.arms:
        for number_, why in list(record.cells[arm.name].failed.items())[:1]:
            lines = why.strip().splitlines() or ["no traceback"]
            found.append(f"{arm.title}, replication {number_}: {lines[-1]}")
    return found


def controls(record: Record, scenario: Scenario) -> Html:
    """Each control: what had to vanish, and what became of the headline and of the arms' differences under it."""
    top = headline(scenario)
    said = []
    for control in scenario.controls:
        found: Mapping[str, Any] = record.summary.get("controls", {}).get(control.name, {})
        rows: list[Sequence[Cell]] = []
        within = {v.measure: f"±{number(v.within)}" if v.within else "exactly 0" for v in control.vanishes}
        for v in found.get("vanishes", ()):
            word = "undecided" if v["holds"] is None else "vanishes" if v["holds"] else "remains"
            rows.append([human(v["measure"]), within[v["measure"]], badge(word), v["evidence"]])
        under = under_control(record.summary, control.name)
        levels: list[Sequence[Cell]] = [
            [
                arm.title,
                *(top.say(level(s, top, arm.name)) for s in (record.summary, under)),
                *(_difference(s, scenario.headline, arm.name) for s in (record.summary, found)),
            ]
            for arm in scenario.arms
        ]
        mean = f"mean {human(scenario.headline)} minus baseline"
        said += [
            element("h3", control.title),
            table(("must vanish", "to within", "found", "evidence"), rows),
            table(("arm", sentence(top.label), "under this control", mean, "under this control"), levels, (1, 2, 3, 4)),
        ]
    return together(said)


def _difference(summary: Mapping[str, Any], measure: str, arm: str) -> str:
    for c in summary.get("contrasts", ()):
        if c["measure"] == measure and c["arm"] == arm:
            return f"{signed(c['mean_difference'])} ({interval(c['ci95'])})"
    return DASH


def claims(record: Record) -> Html:
    """Every claim with what was found; a popular claim that is shipped as refuted is marked as one."""
    rows: list[Sequence[Cell]] = []
    for claim in record.summary.get("claims", ()):
        said = claim_verdict(claim)
        needed = claim.get("needed")
        more = (
            f" (about {needed:,} replications would decide)"
            if needed and needed > record.replications and said == "undecided"
            else ""
        )
        popular = " · popular claim" if not claim.get("expect", True) else ""
        rows.append([badge(said), f"{claim['claim']}{popular}", f"{claim['evidence']}{more}", claim.get("because", "")])
    return table(("verdict", "claim", "found", "because"), rows)


def wiring(drawn: Sequence[tuple[Arm, Drawing]], alike: Mapping[str, Drawing], record: Record) -> Html:
    """Each arm as a card: its wiring, what that means for failures, and how alike its models then answer."""
    cards = []
    for arm, one in drawn:
        pieces = [element("h3", arm.title), picture(one, in_words(arm.trial.topology, arm.trial.world.spec))]
        if arm.name in alike:
            agree = record.summary.get("arms", {}).get(arm.name, {}).get("agreement", {}).get("mean")
            said = f"The predictions of two of its models correlate at {number(agree, 2)} on average."
            pieces += [picture(alike[arm.name], said, "alike")]
        cards.append(together(pieces))
    blind = all(seen(arm.trial.world.spec) == "nothing" for arm, _ in drawn)
    who = "brains serve models, which here see nothing" if blind else "brains and feature views serve models"
    words = (
        f"Pools of data teach brains; {who}. A part that serves several models is filled in orange; the "
        "larger it is drawn, the more models fail with it, and the number in it says how many (its blast radius)."
    )
    models = {arm.trial.topology.models for arm, _ in drawn if arm.name in alike}
    words = " ".join([words, *(matrix.in_words(m) for m in sorted(models))])
    return together([paragraph(words, "soft caption"), grid(cards, "grid four")]) if cards else Html("")


def events(
    record: Record, scenario: Scenario, drawn: tuple[Drawing, Drawing] | None, seen: Sequence[facts.Seen]
) -> Html:
    """When things happened: a picture, and a table."""
    if drawn is None:
        return paragraph("Nothing was recorded as an event.", "soft")
    rows: list[Sequence[Cell]] = []
    for one in seen:
        arm = "every arm, alike" if one.arm is None else scenario.arms[one.arm].title
        n = record.replications
        share = percent(len(one.first) / n) if n else DASH
        rows.append(
            [
                human(one.kind),
                human(one.name),
                arm,
                f"{len(one.first):,}",
                share,
                f"{one.events:,}",
                span(float(np.median(one.first))),
            ]
        )
    words = (
        "Grey bands last as long as the shock. In each row a thin tick is the first time in one replication; the line holds "
        "90% of them, its thick part the middle 50%, and the symbol is their median."
    )
    return together(
        [
            picture(drawn[0], css="wide"),
            picture(drawn[1], css="narrow"),
            paragraph(words, "soft caption"),
            table(("event", "of", "arm", "replications", "share", "events", "median first time"), rows, (3, 4, 5, 6)),
        ]
    )


def scoreboard(record: Record, scenario: Scenario) -> Html:
    """Published figures beside the model's; only predicted rows can be hits or misses."""
    rows: list[Sequence[Cell]] = []
    marks = []
    for row in scenario.scoreboard:
        figure, mark = facts.score(row, record)
        marks.append(mark)
        unit = unit_of(scenario, record, row.measure or "")
        said = percent(figure) if "%" in row.published and unit == "1" else quantity(figure, unit)
        where = f"{row.stat} in {row.arm}{f' under {row.control}' if row.control else ''}" if row.arm else ""
        rows.append([row.what, row.published, said, where, badge(mark), row.source])
    if not rows:
        return Html("")
    predicted = sum(mark in ("hit", "miss", "undefined") for mark in marks)
    words = f"{marks.count('hit')} of {count(predicted, 'predicted figure')} hit. What was put in, fitted, or is algebra cannot be a hit."
    return together([paragraph(words), table(("figure", "published", "model", "which is", "", "source"), rows)])


def record_box(scenario: Scenario) -> Html:
    """What is told of the event, and what is on record."""
    cards = [pairs((sentence(human(str(key))), str(value)) for key, value in one.items()) for one in scenario.record]
    return grid(cards)


def parameters(scenario: Scenario) -> Html:
    """Every parameter with its unit, meaning, bounds and source; those without a source are counted."""
    found = facts.settings(scenario.arms)
    rows: list[Sequence[Cell]] = []
    groups = []
    for i, one in enumerate(found):
        first = i == 0 or found[i - 1].owner != one.owner
        if first:
            groups.append(i)
        source = badge("chosen") if one.par.source == CHOSEN else one.par.source
        unit = "" if one.par.unit == "1" else one.par.unit
        rows.append(
            [one.owner if first else "", human(one.name), one.value, unit, one.par.about, facts.bounds(one.par), source]
        )
    words = f"{facts.chosen(found)} of {count(len(found), 'parameter')} are chosen: no source gives them."
    return together(
        [
            paragraph(words),
            table(("of", "parameter", "value", "unit", "meaning", "bounds", "source"), rows, (2,), groups),
        ]
    )


def about_run(record: Record, scenario: Scenario, command: str) -> Html:
    """Settings, versions, and the command that gives the same numbers again."""
    return section(
        "Run it again",
        element("pre", command),
        table(("setting", "value"), facts.run_facts(record, scenario)),
        table(("where it came from", ""), facts.provenance(record)),
    )
