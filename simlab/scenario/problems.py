"""What is wrong with a scenario, and where: every problem at once, each with its place and its remedy."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, final

from simlab.base.errors import InputError

MOST_SHOWN = 40
WINDOW = 110
LONGEST_PATH = 200


@final
@dataclass(frozen=True, eq=False)
class Source:
    """A text that was read: its display name and its lines. An argument such as `--set a=1` is one line without numbers."""

    name: str
    lines: tuple[str, ...] = ()
    numbered: bool = True


class Mark(NamedTuple):
    """A place in a source: line and column from 0, and how many characters to underline."""

    source: Source
    line: int = 0
    column: int = 0
    length: int = 1

    def part(self, start: int, length: int) -> Mark:
        """The place of a piece of what is marked here."""
        return self._replace(column=self.column + start, length=length)


class Problem(NamedTuple):
    """One thing that must be put right. `path` is the YAML path, and `hint` what to write instead."""

    mark: Mark | None
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """The problem as it is printed: place, path and message, then the line with the hint at the caret."""
        path = self.path if len(self.path) <= LONGEST_PATH else f"{self.path[:LONGEST_PATH]}..."
        what = f"{path}: {self.message}" if path else self.message
        if self.mark is None:
            return _clean(what + (f"; {self.hint}" if self.hint else ""))
        source, line, column, _ = self.mark
        place = f"{source.name}:{line + 1}:{column + 1}" if source.numbered else source.name
        if not line < len(source.lines):
            return _clean(f"{place}: {what}" + (f"; {self.hint}" if self.hint else ""))
        return _clean(f"{place}: {what}") + "\n" + _excerpt(self.mark, self.hint)


@final
class ScenarioError(InputError):
    """A scenario that cannot be run; `problems` holds everything that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            shown.append(f"... and {len(self.problems) - MOST_SHOWN} more")
        count = len(self.problems)
        shown.append(f"{count} problem{'' if count == 1 else 's'}; nothing was run")
        super().__init__("\n".join(shown))


@final
class Problems:
    """Collects problems; the same one found twice (a value shared by several arms) is kept once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Mark | str, str], Problem] = {}
        self.faults = 0

    def add(self, mark: Mark | None, path: str, message: str, hint: str = "") -> None:
        """Note a problem; `faults` counts it even when it is known already."""
        self.faults += 1
        self._found.setdefault((mark or path, message), Problem(mark, path, message, hint))

    def also(self, others: Problems) -> None:
        """Take in what others found."""
        self.faults += others.faults
        self._found = self._found | others._found

    @property
    def found(self) -> list[Problem]:
        """The problems, in the order in which they were met."""
        return list(self._found.values())

    def stop_if_any(self) -> None:
        """Raise ScenarioError with all problems, in their order in the file, when there are any."""
        if self._found:
            raise ScenarioError(sorted(self._found.values(), key=_where))


def _where(problem: Problem) -> tuple[bool, int, int]:
    mark = problem.mark
    return (False, mark.line, mark.column) if mark and mark.source.numbered else (True, 0, 0)


def _excerpt(mark: Mark, hint: str) -> str:
    """The marked line with carets below it; a long line is cut to the part around the mark."""
    text, column = mark.source.lines[mark.line], mark.column
    start = max(0, column - WINDOW // 2) if len(text) > WINDOW else 0
    head, tail = ("..." if start else ""), ("..." if len(text) > start + WINDOW else "")
    shown = head + text[start : start + WINDOW] + tail
    before = head + text[start:column]
    carets = "^" * max(1, min(mark.length, len(text) - column, start + WINDOW - column))
    gutter = f"{mark.line + 1:5d} | " if mark.source.numbered else "      | "
    below = f"      | {' ' * _width(before)}{carets} {hint}"
    return f"{_clean(gutter + shown)}\n{_clean(below).rstrip()}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _clean(text: str) -> str:
    """The text with control, zero-width and direction characters made visible, one for one, for a terminal."""
    return "".join(
        " " if c == "\t" else c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
