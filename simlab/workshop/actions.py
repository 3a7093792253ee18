"""The twelve lines that a 3 AM playbook prints, each scored by playing it against every cause that its symptom can have.

A line that does something is done at once, at its earliest, and its harm is held against that of doing nothing, night by night. A
line that finds something out is scored twice: how often its statement is true under each cause, since a statement that is true of
all of them tells nothing, and what it costs to find it out first, before the playbook's first deed. Last comes the playbook to the
letter: its lines in order, each in its time, and what is conditional only where its condition is met. What is conditional is also
scored as done without asking, and the playbook's first action is the first of its lines that does anything.

A line helps or harms where the 95% interval of its effect lies wholly beyond a tenth of the harm that doing nothing lets happen, and
changes little where it lies wholly within; else it is open. Of a line that finds something out the effect is that of the delay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from simlab.base.arrays import Floats
from simlab.scenario.describe import Section
from simlab.studies.statistics import Estimate, mean
from simlab.views.words import MINUS, listed, number, percent, sentence, signed
from simlab.workshop.night import Deed, Night
from simlab.workshop.symptoms import SYMPTOMS, Line, Staging

LETTER = "the playbook to the letter"
MARGIN = 0.1  # of the harm that doing nothing lets happen
# By so much a statement's shares differ between causes at least.
APART = (
    (0.8, "it tells causes apart"),
    (0.4, "it tells them apart now and then"),
    (0.0, "it says nearly the same whatever the cause"),
)
APART_BY = (
    "A statement tells causes apart where these shares differ by {:.0%} or more, now and then where by {:.0%}.".format(
        *(least for least, _ in APART[:2])
    )
)
STUDY = 64  # nights of the study
LEGEND = (
    f"By the 95% interval of the change in harm, as a share of the harm of doing nothing: helps, all of it below {MINUS}{percent(MARGIN)}; "
    f"harms, above +{percent(MARGIN)}; changes little, between the two; open, anything else. Of a line that only finds something out "
    "it is the price of doing that first, and `true in` says in how many nights its statement holds."
)


class Judged(NamedTuple):
    """A line under one cause: how often its statement holds, and its effect on the harm, as a share of what nothing lets happen."""

    symptom: str
    words: str
    cause: str
    does: bool
    yes: float | None
    effect: Estimate  # in the unit of the cost; of what finds out, the price of the delay
    share: Estimate  # the same, of the harm that doing nothing lets happen
    verdict: str


def judged(night: Night) -> list[Judged]:
    """The three lines of a symptom's playbook, and the playbook to the letter, on one cause."""
    staging, nothing = night.staging, night.harm()
    harm = float(nothing.mean())
    found = []
    for line in staging.lines:
        yes = _yes(night, line, night.paged + (0 if line.verb else staging.takes(line.by)))
        if line.verb:
            done = night.harm((night.earliest(line.verb, _who(night, line)),))
            effect = done - nothing if yes is None else np.where(yes > 0, done - nothing, 0.0)
        else:
            effect = _delayed(night, staging.takes(line.by)) - _delayed(night, 0.0)
        found.append(_judge(night, line.words, bool(line.verb), yes, effect, harm))
        if line.only_if:
            found.append(_judge(night, f"{line.words}: done without asking", True, None, done - nothing, harm))
    found.append(_judge(night, LETTER, True, None, to_the_letter(night) - nothing, harm))
    return found


def to_the_letter(night: Night) -> Floats:
    """The harm in each night, `(r,)`, of the playbook's lines in order, each in its time; what is conditional asks first."""
    now, deeds, asked = night.paged, [], None
    for line in night.staging.lines:
        now += night.staging.takes(line.verb or line.by)
        if line.verb:
            deeds.append(Deed(line.verb, now, _who(night, line)))
            asked = _yes(night, line, now)  # the last line alone is conditional
    done = night.harm(tuple(deeds))
    return done if asked is None else np.where(asked > 0, done, night.harm())


def study(
    nights: int = STUDY,
    seed: int = 3,
    stagings: Iterable[Staging] = SYMPTOMS,
    progress: Callable[[str], None] | None = None,
) -> list[Judged]:
    """Every line under every cause of its symptom."""
    found = []
    for staging in stagings:
        for cause in staging.causes:
            if progress:
                progress(f"{staging.symptom}: {cause.name}")
            found += judged(Night(staging, cause, seed, staging.start, nights))
    return found


def sections(rows: list[Judged], nights: int) -> Iterator[Section]:
    """The study as tables: a sentence for each printed line, then every line under every cause."""
    told = tuple(sentences(rows))
    text = f"Each on {nights} nights, against doing nothing on the same nights. {LEGEND} " + APART_BY
    yield Section(
        "The playbook's twelve lines, and each playbook to the letter", text, ("symptom", "line", "found"), told
    )
    for symptom in dict.fromkeys(row.symptom for row in rows):
        lines = tuple(line_of(row) for row in rows if row.symptom == symptom)
        yield Section(symptom, "", COLUMNS, lines)


COLUMNS = ("line", "cause", "true in", "effect on the harm", "of the harm of doing nothing", "verdict")


def line_of(row: Judged) -> tuple[str, ...]:
    """A row of the table."""
    share = f"{signed(100 * row.share.value)}% ({number(100 * row.share.low)} to {number(100 * row.share.high)})"
    return (
        row.words,
        row.cause,
        percent(row.yes) if row.yes is not None else "",
        signed(row.effect.value),
        share,
        row.verdict,
    )


def sentences(rows: list[Judged]) -> list[tuple[str, str, str]]:
    """What was found about each line: symptom, line, and a sentence that says where it helps and where it fails."""
    found = []
    for symptom, words in dict.fromkeys((row.symptom, row.words) for row in rows):
        mine = [row for row in rows if (row.symptom, row.words) == (symptom, words)]
        if mine[0].does:
            by = {verdict: [row.cause for row in mine if row.verdict == verdict] for verdict in VERDICTS}
            said = "; ".join(f"{verdict} with {listed(causes)}" for verdict, causes in by.items() if causes)
        else:
            shares = [row.yes or 0.0 for row in mine]
            told = ", ".join(f"{percent(row.yes)} with {row.cause}" for row in mine)
            apart = next(said for least, said in APART if max(shares) - min(shares) >= least)
            said = f"true in {told}: {apart}"
            dear = [row.cause for row in mine if row.verdict == "harms"]
            said += f"; finding it out first harms with {listed(dear)}" if dear else ""
        found.append((symptom, words, sentence(said)))
    return found


VERDICTS = ("helps", "harms", "changes little", "open")


def verdict_of(share: Estimate) -> str:
    """Whether an effect, as a share of the harm of doing nothing, helps, harms, changes little, or is open."""
    if share.high < -MARGIN:
        return "helps"
    if share.low > MARGIN:
        return "harms"
    return "changes little" if share.low >= -MARGIN and share.high <= MARGIN else "open"


def _judge(night: Night, words: str, does: bool, yes: Floats | None, effect: Floats, harm: float) -> Judged:
    estimate = mean(effect)
    value, low, high = (float(x) / harm if harm > 0 else np.nan for x in estimate[:3])
    share = Estimate(value, low, high, estimate.n)
    true = None if yes is None else float(yes.mean())
    return Judged(night.staging.symptom, words, night.cause.name, does, true, estimate, share, verdict_of(share))


def _yes(night: Night, line: Line, time: float) -> Floats | None:
    return None if line.reading is None else night.says(line.reading, time, night.played())


def _delayed(night: Night, by: float) -> Floats:
    """The harm where the playbook's first deed comes so much later than it could, conditions aside."""
    first = night.staging.first_act
    deed = night.earliest(first.verb or "", _who(night, first))
    return night.harm((deed._replace(at=deed.at + by),))


def _who(night: Night, line: Line) -> tuple[int, ...] | None:
    """Whom a line is about: to isolate unaffected models spares those that are wrong, if not all are."""
    wrong = night.cause.models
    if line.verb != "isolate" or wrong is None:
        return None
    return tuple(m for m in range(night.trial.topology.models) if m not in wrong)
