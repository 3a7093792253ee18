"""Questions that a run answers, in the words of a claim: `P(harm) shared`, `mean drawdown shared minus isolated`."""

from __future__ import annotations

import re
from typing import NamedTuple

from simlab.base.arrays import Floats
from simlab.base.errors import InputError, did_you_mean
from simlab.results.record import Record, cell_key
from simlab.studies.claims import statistic
from simlab.studies.harms import harmed

EXAMPLES = "`P(harm) shared`, `P(drawdown > 0.03) shared` or `mean drawdown shared minus isolated`"
_CHANCE = re.compile(r"P\(\s*(\w+)\s*(?:>\s*([-+.\deE]+)\s*)?\)")
_STAT = re.compile(r"(mean|median|p95)\s+(\w+)")
_WHERE = re.compile(r"\s+(\w+)(?:\s+minus\s+(\w+))?(?:\s+under\s+(\w+))?\s*")


class Question(NamedTuple):
    """A statistic of a measure in an arm, less that of `versus`, under a control; the measure "harm" is whether harm came."""

    stat: str
    measure: str
    arm: str
    line: float | None = None
    versus: str | None = None
    control: str | None = None

    @property
    def chance(self) -> bool:
        """Whether the answer is a probability."""
        return self.stat in ("harm", "exceeds") and self.versus is None


def ask(text: str) -> Question | None:
    """The question that a text puts, or None where it is none that a run can answer by itself."""
    begin = _CHANCE.match(text) or _STAT.match(text)
    rest = _WHERE.fullmatch(text, begin.end()) if begin else None
    if begin is None or rest is None:
        return None
    arm, versus, control = rest.groups()
    if begin.re is _STAT:
        return Question(begin[1], begin[2], arm, None, versus, control)
    if begin[2] is None:
        return Question("harm", "harm", arm, None, versus, control) if begin[1] == "harm" else None
    try:
        return Question("exceeds", begin[1], arm, float(begin[2]), versus, control)
    except ValueError:
        return None


def answer(question: Question, record: Record) -> float:
    """What a run found. Raises InputError, with the nearest name, where it has no such arm, measure or control."""
    if question.control is not None and question.control not in record.controls:
        raise InputError(f"unknown control `{question.control}`; {did_you_mean(question.control, record.controls)}")
    x, *other = (_values(question, arm, record) for arm in (question.arm, question.versus) if arm is not None)
    stat = "mean" if question.stat == "harm" else question.stat
    return statistic(stat, x, other[0] if other else None, line=question.line).value


def _values(question: Question, arm: str, record: Record) -> Floats:
    """What is asked about, replication by replication, `(r,)`."""
    if arm not in record.arms:
        raise InputError(f"unknown arm `{arm}`; {did_you_mean(arm, record.arms)}")
    cell = record.cells[cell_key(arm, question.control)]
    if question.measure == "harm":
        return harmed(cell)
    if question.measure not in cell.measures:
        raise InputError(f"unknown measure `{question.measure}`; {did_you_mean(question.measure, cell.measures)}")
    return cell.measures[question.measure]
