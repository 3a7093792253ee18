"""What a drill was worth, in words: a headline of one sentence, the harm of each course, and what there is to talk about afterwards."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from simlab.views.words import count, number, percent, sentence
from simlab.workshop.drill import LOOK, WIDE, Drill, Score, clock, span

SHORTEST = 5  # minutes of a debrief


class Reckoned(NamedTuple):
    """A course by its name: its mean harm over nights, and that of the player's own night."""

    name: str
    mean: float
    own: float


class Question(NamedTuple):
    """Something to talk about for some minutes, with what there is to go by."""

    minutes: int
    asks: str
    material: str


def headline(drill: Drill, score: Score) -> str:
    """One sentence: how much of what could be avoided was, on average over nights."""
    more = -saved(score.you, score.nothing)
    if score.avoided is None:
        if not drill.deeds:
            return "Nothing was done, and no action is sure to help"
        if score.you == score.nothing:
            return "No action is sure to help, and what you did changed nothing"
        if not score.clear:
            return "No action is sure to help, and what you did made no clear difference"
        return f"No action is sure to help, and what you did {_moved(more)} the harm by {share(abs(more))}"
    if not drill.deeds:
        spared = share(saved(score.oracle, score.nothing))
        return f"Nothing was done; {at_once(score.best)} would have spared {spared} of the harm"
    if score.you == score.nothing:
        return "What you did changed nothing"
    if not score.clear:
        return f"What you did made no clear difference over {count(drill.night.nights, 'night')}"
    if score.avoided < 0:
        return f"You made it worse: what you did raised the harm by {share(more)}"
    return f"You avoided {share(score.avoided)} of the harm that could be avoided"


def reckoned(drill: Drill, score: Score) -> list[Reckoned]:
    """What a player's score is made of: doing nothing, the player, the oracle, and what was best on the own night alone."""
    rows = [
        Reckoned("nothing done", score.nothing, score.own_nothing),
        Reckoned("what you did", score.you, score.own_you),
        Reckoned(f"oracle: {at_once(score.best)}", score.oracle, score.own_oracle),
    ]
    if score.own_best != score.best:
        mean = float(drill.night.table[score.own_best].mean())
        rows.append(Reckoned(f"best on your night alone: {at_once(score.own_best)}", mean, score.own_least))
    return rows


def verdict(drill: Drill, score: Score) -> str:
    """The headline, the harm, and what was the matter, as a terminal shows it."""
    nights = drill.night.nights
    heads = f"harm, {drill.staging.unit}", f"mean of {count(nights, 'night')}", "your night"
    rows = [heads, *((row.name, number(row.mean), number(row.own)) for row in reckoned(drill, score))]
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = [f"{headline(drill, score)}.", ""]
    lines += [f"  {name:{first}}  {mean:>{second}}  {own:>{len(heads[2])}}" for name, mean, own in rows]
    told = (
        f"What was the matter: {drill.cause.title}.",
        f"It could be told: {drill.cause.clue}.",
        f"Harm is against the same night without the trouble. The nights differ by luck alone; yours is the first. {worse(drill, score)}",
    )
    return "\n".join([*lines, "", *(line for text in told for line in textwrap.wrap(text, WIDE))])


def worse(drill: Drill, score: Score) -> str:
    """In how many nights what was done was worse than doing nothing; empty where nothing was done."""
    return f"What you did is worse than nothing in {percent(score.worse)} of them." if drill.deeds else ""


def saved(harm: float, nothing: float) -> float:
    """The share of the harm of doing nothing that is spared; below 0 where some is added."""
    return (nothing - harm) / abs(nothing) if nothing else 0.0


def share(part: float) -> str:
    """A share that may be more than the whole."""
    return percent(part) if part <= 1 else f"{100 * part:,.0f}%"


def at_once(name: str) -> str:
    """An action as begun with the page."""
    return "doing nothing" if name == "nothing" else f"{name} at once"


def questions(drill: Drill, score: Score) -> Iterator[Question]:
    """What to talk about, in as many minutes as the night would have taken at the pace of thinking."""
    night, staging = drill.night, drill.staging
    looks = (drill.now - night.paged) / staging.look
    whole = max(round(looks * LOOK / 60), SHORTEST)
    each = [max(round(whole * part), 1) for part in (0.15, 0.25, 0.2, 0.2)]
    each.append(max(whole - sum(each), 1))
    notes = [
        f"{clock(e.at - night.paged)} {e.line.removeprefix('note').strip()}" for e in drill.log if e.line[:4] == "note"
    ]
    believed = (
        f"Your notes: {'; '.join(notes)}." if notes else "No note was written: write down first what you took it for."
    )
    others = "; ".join(cause.title for cause in staging.causes if cause is not drill.cause)
    luck = "; ".join(
        f"{row.name} {number(row.mean)}, on your night {number(row.own)}" for row in reckoned(drill, score)
    )
    yield Question(each[0], "What did you believe, and when did you know?", believed)
    yield Question(
        each[1], "What would have told you sooner? Which figure did you not look at, or not believe?",
        f"{sentence(drill.cause.clue)}. The same page can also mean: {others}.",
    )  # fmt: skip
    yield Question(
        each[2], "When was it too late, and who may kill at that hour?",
        f"The trouble began {span(staging.paged)} before the page. {_first(drill)} The chart above says what each moment was worth.",
    )  # fmt: skip
    yield Question(
        each[3], "Was it the decision or the luck?",
        f"Mean harm ({staging.unit}): {luck}. {worse(drill, score)}".strip(),
    )  # fmt: skip
    yield Question(
        each[4], "What do you change tomorrow: an alarm, a default, a line of the playbook?",
        "What the playbook's lines are worth under this cause is below; `simlab drill --actions` scores them under every cause.",
    )  # fmt: skip


def _first(drill: Drill) -> str:
    """When the first action came into effect, and the harm until then."""
    if not drill.deeds:
        return "Nothing was done."
    night, deeds = drill.night, tuple(drill.deeds)
    harm = night.harmed(deeds).mean(axis=1)
    until = f"by then the harm was {number(float(harm[night.row(deeds[0].at)]))} of {number(float(harm[-1]))} in the end (means)"
    return f"Your first action, {deeds[0].words}, was in effect at {clock(deeds[0].at - night.paged)}; {until}."


def _moved(more: float) -> str:
    return "raised" if more > 0 else "lowered"
