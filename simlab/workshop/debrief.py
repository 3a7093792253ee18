"""The debrief of a drill, as one page: what was the matter, what was done, what it was worth, and what else could have been done.

Like a run's report it asks nothing of the network, and the same drill gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.results.disk import place, text
from simlab.results.disk import write as write_file
from simlab.views.courses import Course, courses
from simlab.views.ink import Drawing, drawing, style
from simlab.views.markup import Html, element, paragraph, picture, prose, section, table, together
from simlab.views.page import page
from simlab.views.sections import BAD, GOOD, OPEN
from simlab.views.words import count, listed, number, percent, sentence, signed
from simlab.workshop.actions import COLUMNS, judged, line_of
from simlab.workshop.drill import Drill, Score, clock
from simlab.workshop.night import Deed

KILLS = 8  # moments at which the models could have been killed
AGAINST = (
    "harm, your night",
    "mean over nights",
    "less nothing",
    "in nine nights of ten",
    "nights better",
    "nights worse",
)
NUMERIC = (1, 2, 3, 5, 6)


class Killed(NamedTuple):
    """Had you killed at second `at` after the page: the harm in each night `(r,)`, yours the first."""

    at: float
    harm: Floats


def write(drill: Drill, folder: str | Path) -> Path:
    """Write `debrief.html` and `script.txt` into a directory, each whole or not at all; return the page's path.

    Raises StorageError where the directory cannot be written.
    """
    whole = compose(drill)  # nothing is written before all is worked out
    folder = place(folder)
    write_file(folder / "script.txt", text(drill.script))
    write_file(folder / "debrief.html", text(whole))
    return folder / "debrief.html"


def compose(drill: Drill) -> str:
    """The page."""
    score, kills = drill.score(), killed(drill)
    with style():
        drawn = [_pictures(drill, score, kills, narrow) for narrow in (False, True)]
    night, cost = drill.night, _cost(drill)
    asked = "; ".join(f"{one.words} - {one.asks}" for one in night.staging.lines if one.asks)
    by_time = [(clock(one.at), one.harm) for one in kills]
    body = together(
        [
            *(picture(pair[0], css=css) for pair, css in zip(drawn, ("wide", "narrow"), strict=True)),
            section(
                "Had you killed at t = ...",
                paragraph(
                    f"All models switched off at that moment and nothing else, on {count(night.nights, 'night')} that differ by luck "
                    f"alone; yours is the first, and the band holds the middle nine tenths of them. Harm is {cost}."
                ),
                *(picture(pair[1], css=css) for pair, css in zip(drawn, ("wide", "narrow"), strict=True)),
                table(("had you killed at t =", *AGAINST), list(_rows(drill, by_time)), numeric=NUMERIC),
            ),
            section(
                "Every single action at its earliest",
                paragraph("Begun with the page, on the same nights. The oracle is the best of them on your own night."),
                table(("action", *AGAINST), list(_rows(drill, _options(drill, score))), numeric=NUMERIC),
            ),
            section(
                "What the playbook says",
                prose(
                    "The lines printed for this symptom, and all of them in order, on this cause. A deed helps or harms "
                    "where the 95% interval of its effect is beyond a tenth of the harm that doing nothing lets happen. "
                    "`simlab drill --actions` scores them on every cause."
                ),
                table(COLUMNS, [line_of(row) for row in judged(night)], numeric=(2, 3)),
                paragraph(f"How each is found out: {asked}."),
            ),
            section("What you did", table(("when", "line"), [(clock(e.at - night.paged), e.line) for e in drill.log])),
            section("The same night again", element("pre", command(drill)), element("pre", drill.script)),
        ]
    )
    return page(
        f"3 AM drill: {night.staging.symptom.lower()}",
        Html(escape(verdict(drill, score).replace("`", ""))),
        together(_chips(drill, score)),
        body,
        paragraph(f"The page said: {night.staging.page}", "lead"),
    )


def verdict(drill: Drill, score: Score) -> str:
    """What was the matter, what your night was worth, and whether that was luck."""
    night, many = drill.night, count(drill.night.nights, "such night")
    ends = f"harm was {number(score.you)}, and {number(score.nothing)} had you done nothing"
    if score.you == score.nothing:
        did = f"Harm was {number(score.you)}, as if nothing had been done"
    elif score.avoided is None or score.avoided < 0:
        did = f"You made it worse: {ends}"
    else:
        did = f"You avoided {percent(score.avoided)} of what the best single action would have: {ends}"
    best = "nothing could have been better than doing nothing"
    if score.best != "nothing":
        best = f"`{score.best}` at once would have left {number(score.oracle)}"
    over = f"On {many} the best is {'to do nothing' if score.all_best == 'nothing' else f'`{score.all_best}` at once'}"
    mine = f"what you did is worse than nothing in {percent(score.worse)} of them"
    return f"{sentence(night.cause.title)}. {did}; {best}. {over}; {mine}. It could be told: {night.cause.clue}."


def killed(drill: Drill) -> list[Killed]:
    """The harm had all models been killed at some moments from the page on, and nothing else been done."""
    night = drill.night
    first, last = night.paged + night.staging.takes("kill"), night.staging.horizon
    look = night.staging.look
    moments = first + (last - first) * (np.arange(KILLS) / KILLS) ** 1.7  # denser where it matters more
    on_time = dict.fromkeys(round(float(t) / look) * look for t in moments)
    return [Killed(at - night.paged, night.harm((Deed("kill", at),))) for at in on_time]


def command(drill: Drill) -> str:
    """The command that plays the same drill again from its script."""
    symptom = f" --symptom {drill.symptom}" if drill.symptom else ""
    return f"simlab drill --seed {drill.seed}{symptom} --script script.txt"


def _cost(drill: Drill) -> str:
    measure = drill.night.trial.measures[drill.staging.cost]
    unit = "" if measure.unit == "1" else f" ({measure.unit})"
    kind = ", as an average from the page on" if drill.staging.running else ", from the page on"
    return f"{measure.about.replace(', so far', '').replace(' so far', '')}{unit}{kind}"


def _chips(drill: Drill, score: Score) -> Iterator[Html]:
    if score.avoided is None:
        yield element("li", "doing nothing was best")
    else:
        css, sign = GOOD if score.avoided > 0.5 else BAD if score.avoided < 0 else OPEN
        yield element("li", f"{sign} your night: {percent(score.avoided)} of what could be avoided", css=css)
    if score.all_avoided is not None:
        told = f"{percent(score.all_avoided)} on average over {count(drill.night.nights, 'night')}"
        yield element("li", f"{told}, worse than nothing in {percent(score.worse)}")
    yield element("li", f"cause: {drill.cause.name}")
    yield element("li", f"oracle: {score.best}")
    yield element("li", f"seed {drill.seed}")


def _rows(drill: Drill, each: Iterable[tuple[str, Floats]]) -> Iterator[Sequence[str]]:
    """Courses by name against doing nothing, night by night."""
    nothing = drill.night.harm()
    for name, harm in each:
        less = harm - nothing
        spread = " to ".join(signed(float(end)) for end in np.quantile(less, (0.05, 0.95)))
        better, worse = percent(float((less < 0).mean())), percent(float((less > 0).mean()))
        yield (
            name,
            number(float(harm[0])),
            number(float(harm.mean())),
            signed(float(less.mean())),
            spread,
            better,
            worse,
        )


def _options(drill: Drill, score: Score) -> Iterator[tuple[str, Floats]]:
    """What was done, every single action at its earliest, and a night on which nothing goes wrong."""
    night = drill.night
    yield "what you did", night.harm(tuple(drill.deeds))
    for name, harm in night.table.items():
        yield f"{name} (oracle)" if name == score.best else name, harm
    yield "had nothing gone wrong", night.harm(trouble=False)


def _pictures(drill: Drill, score: Score, kills: Sequence[Killed], narrow: bool) -> tuple[Drawing, Drawing]:
    """Harm since the page on the player's own night, and the mean over nights by when the models were killed."""
    night, deeds, tail = drill.night, tuple(drill.deeds), "_narrow" if narrow else ""
    end, nothing, you = drill.staging.horizon - night.paged, night.played(), night.played(deeds)
    here = nothing.times >= night.paged
    times = nothing.times[here] - night.paged
    best = night.played(night.options[score.best])
    each = (("nothing done", nothing, 1), (f"oracle: {score.best}", best, 2), ("you", you, 0))
    lines = [Course(name, times, night.lost(outcome)[here, 0], i) for name, outcome, i in each]
    marks = [(deed.at - night.paged, deed.words) for deed in deeds]
    label = "time since the page"
    course = drawing(
        courses(lines, "harm since the page, your night", label, end, marks, narrow=narrow),
        f"course{tail}",
        f"Harm since the page on your night: you {number(score.you)}, nothing {number(score.nothing)}, oracle {number(score.oracle)}",
    )
    harm = np.array([one.harm for one in kills])
    low, high = np.quantile(harm, (0.05, 0.95), axis=1)
    line = Course("killed at t", np.array([one.at for one in kills]), harm.mean(axis=1), 3, (low, high), dots=True)
    levels = {"what you did": (float(night.harm(deeds).mean()), 0), "nothing done": (float(night.harm().mean()), 1)}
    told = listed([f"{clock(one.at)} {number(float(one.harm.mean()))}" for one in kills])
    title = "had you killed at t: mean harm"
    kill = drawing(
        courses([line], title, "t, since the page", end, levels=levels, narrow=narrow),
        f"kills{tail}",
        f"{sentence(title)}: {told}",
    )
    return course, kill
