"""Exercises that check themselves: `check(1, MyBalancer)`, `check(2, MyMonitors)`, `check(3, design)`.

What is found is printed, with a hint and the corrected call; everything is played on luck that is not in the notebooks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from simlab.base.errors import InputError
from simlab.workshop import balancer, bulkheads, monitors
from simlab.workshop.finding import Finding, Look, looked

KINDS: dict[int, tuple[str, bool, Callable[[Any], list[Look]]]] = {
    1: ("MyBalancer", True, balancer.looks),
    2: ("MyMonitors", True, monitors.looks),
    3: ("design", False, bulkheads.looks),
}


class Checked(NamedTuple):
    """What a check found, in its order."""

    exercise: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether all is as it should be."""
        return all(one.passed for one in self.findings)

    @property
    def right(self) -> int:
        """How many findings passed."""
        return sum(one.passed for one in self.findings)

    def __repr__(self) -> str:
        return f"<exercise {self.exercise}: {self.right} of {len(self.findings)} passed>"


def check(exercise: int, answer: Any) -> Checked:
    """Check the answer to an exercise, and print what was found.

    Exercise 1 and 2 are answered by a class, 3 by a function. Raises InputError, with the corrected call, for anything else.
    """
    if isinstance(exercise, bool) or not isinstance(exercise, int) or exercise not in KINDS:
        calls = ", ".join(f"`check({number}, {name})`" for number, (name, _, _) in KINDS.items())
        raise InputError(f"which exercise? {calls}")
    name, is_class, looks = KINDS[exercise]
    call = f"check({exercise}, {name})"
    if is_class and not isinstance(answer, type):
        raise InputError(f"exercise {exercise} is answered by a class, not {_short(answer)}; write `{call}`")
    if not is_class and not (callable(answer) and not isinstance(answer, type)):
        raise InputError(f"exercise {exercise} is answered by a function, not {_short(answer)}; write `{call}`")
    found = Checked(exercise, tuple(looked(looks(answer))))
    print(told(found, f"check({exercise}, {answer.__name__})"))
    return found


def told(found: Checked, call: str) -> str:
    """What was found, a line each, and what to do about it."""
    lines, known = [], set()
    for one in found.findings:
        lines.append(f"  {'pass' if one.passed else 'FAIL'}  {one.what}")
        if (one.seen, one.hint) in known:
            lines.append("        as above")
            continue
        lines += [f"        {one.seen}"] if one.seen else []
        lines += [f"        -> {one.hint}"] if one.hint else []
        known |= {(one.seen, one.hint)} - {("", "")}
    end = "All of it holds." if found.passed else f"Mend the first, and call `{call}` again."
    return "\n".join([f"Exercise {found.exercise}: {found.right} of {len(found.findings)}", *lines, end])


def example(exercise: int) -> Any:
    """Something to try an answer on before it is checked: recordings for exercise 2. Raises InputError for the others."""
    if exercise != 2:
        raise InputError("there are examples for exercise 2: write `example(2)`")
    return monitors.examples()


def _short(answer: Any) -> str:
    return f"{type(answer).__name__} {answer!r:.60}"
