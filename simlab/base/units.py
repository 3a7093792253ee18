"""Durations as people write them, such as `30 min`, and the seconds they are."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from simlab.base.errors import InputError, nearest

UNITS: dict[str, Fraction] = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "day": Fraction(86_400),
    "week": Fraction(604_800),
}

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

_OTHER = {
    "ms": "msec msecs millisecond milliseconds",
    "s": "sec secs second seconds S",
    "min": "m mins minute minutes",
    "h": "hr hrs hour hours H",
    "day": "d days D",
    "week": "w wk weeks W",
}
_MEANT = {other: unit for unit, others in _OTHER.items() for other in others.split()}


def seconds(text: str, *, negative: bool = True) -> float:
    """The seconds in a duration such as `30 min`, rounded once.

    Raises InputError, with the corrected form, for a unit that is missing or unknown, for nan and infinities,
    for more than a float can hold, and (unless `negative`) for less than nothing.
    """
    found = re.fullmatch(rf"\s*({NUMBER})\s*([^\W\d]*)\s*", text[:200], re.ASCII)
    if not found or len(text) > 200:
        raise InputError(f"cannot read `{_short(text)}` as a time; write a number and a unit, e.g. `{_example(text)}`")
    number, unit = found[1], found[2]
    if not unit:
        raise InputError(f"`{_short(number)}` has no unit; write e.g. `{_short(number)} s`")
    if unit not in UNITS:
        meant = _MEANT.get(unit) or nearest(unit, [*UNITS, *_MEANT]) or "s"
        right = f"{_short(number)} {_MEANT.get(meant, meant)}"
        raise InputError(f"unknown unit `{unit}`; did you mean `{right}`? (known: {', '.join(UNITS)})")
    value = float(number)
    if value and math.isfinite(value):
        try:
            value = float(Fraction(number) * UNITS[unit])
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise InputError(f"`{_short(text)}` is more than a number can hold")
    if value < 0 and not negative:
        raise InputError(f"a time cannot be negative; write e.g. `{_short(number.lstrip('-'))} {unit}`")
    return value


def unit_called(word: str) -> str | None:
    """The unit that a word such as `week`, `Weeks` or `hour` names, or None."""
    return word.lower() if word.lower() in UNITS else _MEANT.get(word.lower())


def pretty(value: float) -> str:
    """A time in seconds as a person would write it; `seconds` reads the very same number back."""
    if not abs(value) < 1e15:
        return f"{value!r} s"
    for unit in ("week", "day", "h", "min", "s", "ms"):
        shown = f"{float(Fraction(value) / UNITS[unit]):.12g}"
        plain = "e" not in shown and len(shown) <= 6 and float(shown) >= (0.1 if unit == "s" else 1)
        if plain and (unit != "week" or shown.isdigit()) and seconds(f"{shown} {unit}") == value:
            return f"{shown} {unit}"
    return f"{int(value) if value == int(value) and math.copysign(1, value) > 0 else value!r} s"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _example(text: str) -> str:
    """The corrected form of what was probably meant."""
    found = re.match(rf"\s*({NUMBER})\s*(\w*)", text[:40], re.ASCII)
    if not found:
        return "30 min"
    near = _MEANT.get(found[2]) or nearest(found[2], [*UNITS, *_MEANT]) or "s"
    return f"{found[1]} {_MEANT.get(near, near)}"
