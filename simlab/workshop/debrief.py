"""The debrief of a drill, as one page: what was the matter, what was done, what it was worth, and what else could have been done.

Like a run's report it asks nothing of the network, and the same drill gives the same bytes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.results.disk import directory, place, storage, text
from simlab.results.disk import write as write_file
from simlab.views.courses import Course, courses
from simlab.views.ink import Drawing, drawing, style
from simlab.views.markup import Html, element, paragraph, picture, prose, section, table, together
from simlab.views.page import page
from simlab.views.sections import BAD, GOOD, OPEN
from simlab.views.words import count, listed, number, percent, sentence, signed
from simlab.workshop.actions import COLUMNS, LEGEND, judged, line_of
from simlab.workshop.drill import LEAST, LOOK, Drill, Score, clock
from simlab.workshop.night import Deed, Night
from simlab.workshop.verdict import SHORTEST, at_once, headline, questions, saved, share

KILLS = 8  # moments at which the models could have been killed
PAUSE = 0.05  # s between courses that are played ahead, in which a player's line goes first
AGAINST = (
    "your night",
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


def write_debrief(drill: Drill, folder: str | Path | None = None) -> Path:
    """Write `debrief.html` and `script.txt` into a directory (results/drills/KEY-SEED), each whole or not at all; return the page's path.

    Another drill's debrief there is kept: this one then goes beside it, into `folder-2` and so on. Raises StorageError where the
    directory cannot be written.
    """
    folder = directory(folder) if folder is not None else Path("results", "drills", f"{drill.staging.key}-{drill.seed}")
    whole = compose(drill)  # nothing is written before all is worked out
    files = {"script.txt": f"# {command(drill)}\n{drill.script}", "debrief.html": whole}
    with storage(folder):
        free = place(next(there for there in _places(folder) if _free(there, files)))
    for name, content in files.items():
        write_file(free / name, text(content))
    return free / "debrief.html"


def ahead(drill: Drill) -> None:
    """Play what a debrief needs whatever the player does, course by course, so that it is there when the drill is over."""
    night = drill.night
    for deeds in [*night.options.values(), *([Deed("kill", at)] for at in moments(night))]:
        night.played(tuple(deeds))
        time.sleep(PAUSE)
    judged(night)


def compose(drill: Drill) -> str:
    """The page."""
    score, kills = drill.score(), killed(drill)
    with style():
        drawn = [_pictures(drill, score, kills, narrow) for narrow in (False, True)]
    night, cause = drill.night, drill.cause
    asked = "; ".join(f"{one.words} - {one.asks}" for one in night.staging.lines if one.asks)
    by_time = [(clock(one.at), one.harm) for one in kills]
    talk = list(questions(drill, score))
    body = together(
        [
            *(picture(pair[0], css=css) for pair, css in zip(drawn, ("wide", "narrow"), strict=True)),
            paragraph(f"Harm is {_cost(drill)}; below 0 it is better than that."),
            section(
                "Had you killed at t = ...",
                paragraph(told_of(kills, score, drill), "verdict"),
                *(picture(pair[1], css=css) for pair, css in zip(drawn, ("wide", "narrow"), strict=True)),
                paragraph(
                    f"All models switched off at t and nothing else, on {count(night.nights, 'night')} that differ by luck alone; "
                    f"yours is the first. The band holds the middle nine tenths of them. Harm in {night.staging.unit}."
                ),
                table(("had you killed at t =", *AGAINST), list(_rows(drill, by_time)), numeric=NUMERIC),
            ),
            section(
                f"To talk about, {sum(one.minutes for one in talk)} min",
                paragraph(
                    f"As long as what was played takes at {LOOK:g} s a look, but no less than {SHORTEST} min. "
                    "First without this page, then with what it says."
                ),
                *(
                    element("div", element("h3", f"{i}. {one.asks} ({one.minutes} min)"), prose(one.material))
                    for i, one in enumerate(talk, 1)
                ),
            ),
            section(
                "Every single action at its earliest",
                paragraph(
                    f"Begun with the page, on the same nights; harm in {night.staging.unit}. The oracle has the least mean harm over the "
                    "nights: it knows the cause, but not the luck. What was best on your own night may have been so by luck."
                ),
                table(("action", *AGAINST), list(_rows(drill, _options(drill, score))), numeric=NUMERIC),
            ),
            section(
                "What the playbook says",
                prose(f"The lines printed for this symptom, and all of them in order, on this cause. {LEGEND}"),
                table(COLUMNS, [line_of(row) for row in judged(night)], numeric=(2, 3)),
                paragraph(f"How each is found out: {asked}."),
            ),
            section(
                "What you did, and saw",
                table(("when", "line"), [(clock(e.at - night.paged), e.line) for e in drill.log]),
                element("pre", "\n".join(f"> {e.line}\n{e.seen}" for e in drill.log)) if drill.log else Html(""),
            ),
            section(
                "The same night again",
                paragraph("From the directory of this page:"),
                element("pre", command(drill)),
            ),
        ]
    )
    return page(
        f"3 AM drill: {night.staging.symptom.lower()}",
        Html(escape(f"{headline(drill, score)}.")),
        together(_chips(drill, score)),
        body,
        paragraph(f"The page said: {night.staging.page}", "lead"),
        paragraph(f"What was the matter: {cause.title}. It could be told: {cause.clue}.", "controls"),
    )


def moments(night: Night) -> list[float]:
    """Seconds at which all models could have been killed, from the page on, denser where it matters more."""
    look, first, last = night.staging.look, night.paged + night.staging.takes("kill"), night.staging.horizon
    each = first + (last - first) * (np.arange(KILLS) / KILLS) ** 1.7
    return list(dict.fromkeys(round(float(t) / look) * look for t in each))


def killed(drill: Drill) -> list[Killed]:
    """The harm had all models been killed at some moments from the page on, and nothing else been done."""
    night = drill.night
    return [Killed(at - night.paged, night.harm((Deed("kill", at),))) for at in moments(night)]


def told_of(kills: Sequence[Killed], score: Score, drill: Drill) -> str:
    """What the first moment is worth, until when a kill spares half as much, and from when on nothing."""
    gains = [score.nothing - float(one.harm.mean()) for one in kills]
    most, little = gains[0], LEAST * abs(score.nothing)
    mine = next((deed for deed in drill.deeds if deed.verb == "kill" and deed.models is None), None)
    yours = f" You killed at {clock(mine.at - drill.night.paged)}." if mine else " You never killed them all."
    if most <= little:
        never = max(gains) <= little
        return f"A kill at {clock(kills[0].at)} {_worth(most, score)}{'; nor would any later one have helped' * never}.{yours}"
    half = [one.at for one, gain in zip(kills, gains, strict=True) if gain >= most / 2]
    until = next((a.at for a, b in pairwise(kills) if b.at not in half), kills[-1].at)
    told = f"A kill at {clock(kills[0].at)} {_worth(most, score)}; until {clock(until)} it spares at least half as much"
    late = next((one.at for one, gain in zip(kills, gains, strict=True) if one.at > until and gain <= little), None)
    tail = f", from {clock(late)} on nothing" if late is not None else ""
    return f"{told}{tail}.{yours}"


def command(drill: Drill) -> str:
    """The command that plays the same drill again from its script."""
    symptom = f" --symptom {drill.symptom}" if drill.symptom else ""
    return f"simlab drill --seed {drill.seed}{symptom} --script script.txt"


def _cost(drill: Drill) -> str:
    measure = drill.night.trial.measures[drill.staging.cost]
    unit = "" if measure.unit == "1" else f" ({measure.unit})"
    kind = "as an average from the page on" if drill.staging.running else "from the page on"
    what = measure.about.replace(", so far", "").replace(" so far", "").partition(";")[0]
    return f"what the trouble costs {kind}: {what}{unit}, beyond the same night without the trouble"


def _worth(gain: float, score: Score) -> str:
    """What a kill changes, as a share of the harm of doing nothing."""
    part = saved(score.nothing - gain, score.nothing)
    return (
        "changes hardly anything"
        if abs(part) <= LEAST
        else f"{'spares' if part > 0 else 'adds'} {share(abs(part))} of the harm"
    )


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (folder.with_name(f"{folder.name}-{i}") for i in itertools.count(2))


def _free(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether nothing else is there: no such file, or the very same."""
    each = ((folder / name, content) for name, content in files.items())
    return all(not path.exists() or path.read_bytes() == content.encode() for path, content in each)


def _chips(drill: Drill, score: Score) -> Iterator[Html]:
    if score.avoided is None:
        yield element("li", "no action is sure to help")
    else:
        css, sign = GOOD if score.avoided > 0.5 else BAD if score.avoided < 0 else OPEN
        told = "made it worse" if score.avoided < 0 else f"{share(score.avoided)} of what could be avoided"
        yield element("li", f"{sign} {told}", css=css)
    if drill.deeds:
        yield element("li", f"worse than nothing in {percent(score.worse)} of {count(drill.night.nights, 'night')}")
    yield element("li", f"oracle: {at_once(score.best)}")
    yield element("li", f"best on your night alone: {at_once(score.own_best)}")
    yield element("li", f"cause: {drill.cause.name}")
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
    """What was done, and every single action at its earliest."""
    night = drill.night
    yield "what you did", night.harm(tuple(drill.deeds))
    for name, harm in night.table.items():
        marks = ["oracle"] * (name == score.best) + ["best on your night"] * (name == score.own_best)
        yield f"{name} ({', '.join(marks)})" if marks else name, harm


def _pictures(drill: Drill, score: Score, kills: Sequence[Killed], narrow: bool) -> tuple[Drawing, Drawing]:
    """Harm since the page on the player's own night, and the mean over nights by when the models were killed."""
    night, deeds, tail = drill.night, tuple(drill.deeds), "_narrow" if narrow else ""
    end, instants, unit = drill.staging.horizon - night.paged, night.played().times, drill.staging.unit
    here = instants >= night.paged
    times = instants[here] - night.paged
    each = (
        ("nothing done", (), 1),
        (f"oracle: {at_once(score.best)}", night.options[score.best], 2),
        ("you", deeds, 0),
    )
    lines = [Course(name, times, night.harmed(done)[here, 0], i) for name, done, i in each]
    marks = [(deed.at - night.paged, deed.words) for deed in deeds]
    label = "time since the page"
    course = drawing(
        courses(lines, f"harm since the page, your night ({unit})", label, end, marks, narrow=narrow),
        f"course{tail}",
        f"Harm since the page on your night ({unit}): you {number(score.own_you)}, nothing {number(score.own_nothing)}, "
        f"oracle {number(score.own_oracle)}",
    )
    harm = np.array([one.harm for one in kills])
    low, high = np.quantile(harm, (0.05, 0.95), axis=1)
    line = Course("killed at t", np.array([one.at for one in kills]), harm.mean(axis=1), 3, (low, high), dots=True)
    levels = {"what you did": (float(night.harm(deeds).mean()), 0), "nothing done": (float(night.harm().mean()), 1)}
    told = listed([f"{clock(one.at)} {number(float(one.harm.mean()))}" for one in kills])
    yours = [(time, f"you: {words}") for time, words in marks if words == "kill"][:1]
    title = f"had you killed at t: mean harm ({unit})"
    kill = drawing(
        courses([line], title, "t, since the page", end, yours, levels, narrow=narrow),
        f"kills{tail}",
        f"{sentence(title)}: {told}",
    )
    return course, kill
