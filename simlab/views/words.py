"""Numbers and names as a reader meets them; what is undefined is an en dash."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SPANS = ((2 * 86400.0, 86400.0, "day"), (2 * 3600.0, 3600.0, "h"), (120.0, 60.0, "min"))


def defined(x: float | None) -> bool:
    """Whether `x` is a number that can be shown."""
    return x is not None and math.isfinite(x)


def number(x: float | None, digits: int = 3) -> str:
    """`x` to so many significant digits, or an en dash: 12,300, 0.0123, 1.2e-07."""
    if x is None or not math.isfinite(x):
        return DASH
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(float(f"{x:.{digits - 1}e}"))))
    if not -5 < size < 7:
        return f"{x:.{digits - 1}e}".replace("-", MINUS)
    text = f"{x:,.{max(digits - 1 - size, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def signed(x: float | None, digits: int = 3) -> str:
    """`number` with its sign always shown."""
    return f"+{number(x, digits)}" if x is not None and x > 0 else number(x, digits)


def percent(share: float | None) -> str:
    """A share as a percentage: 41%, 7.2%, <0.1%; never rounded to 0 or to 100 when it is neither."""
    if share is None or not math.isfinite(share):
        return DASH
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1%"
    if 99.9 < value < 100:
        return ">99.9%"
    tight = value < 10 or value > 99
    return f"{value:.1f}".removesuffix(".0") + "%" if tight else f"{value:.0f}%"


def points(difference: float | None, width: float = 1.0) -> str:
    """A difference of shares in percentage points; finer when the interval is narrower than 2 points."""
    if difference is None or not math.isfinite(difference):
        return DASH
    text = f"{100 * difference:+.{0 if width >= 0.02 else 1}f}".replace("-", MINUS)
    return "0" if not text.strip(f"+{MINUS}0.") else text


def quantity(x: float | None, unit: str, digits: int = 3) -> str:
    """A number with its unit ("1" has none)."""
    shown = number(x, digits)
    if shown == DASH or unit in ("1", ""):
        return shown
    return f"{shown}%" if unit == "%" else f"{shown} {unit}"


def interval(ci: Sequence[float] | None, digits: int = 3) -> str:
    """A 95% interval as "0.1 to 0.3", or why there is none; values that were the same in every replication have none that says more."""
    if ci is not None and ci[0] == ci[1]:
        return "did not vary"
    return "too few for an interval" if ci is None else f"{number(ci[0], digits)} to {number(ci[1], digits)}"


def human(name: str) -> str:
    """An identifier as words; a detector's reading by the popular rule, `x_seed`, is called so."""
    words = name.replace("_", " ")
    return f"{words.removesuffix(' seed')} (popular rule)" if words.endswith(" seed") else words


def listed(items: Sequence[str]) -> str:
    """Items as a list in a sentence: a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def short(text: str, most: int) -> str:
    """The text, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def count(n: int, what: str) -> str:
    """A number of things: 1 replication, 2 replications."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def sentence(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def slug(name: str) -> str:
    """A file name that stays where it is put."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:60] or "unnamed"


def clock(seconds: float) -> tuple[float, str]:
    """The unit in which a span of so many seconds is read: its length in seconds, and its name."""
    return next(((length, name) for least, length, name in SPANS if seconds >= least), (1.0, "s"))


def span(seconds: float | None) -> str:
    """A time in seconds as one reads it."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    length, name = clock(abs(seconds))
    return f"{number(seconds / length)} {name}"


def opening(text: str, most: int) -> str:
    """The first sentences of a text, as many as fit into so many characters; the first one is cut if it does not."""
    said = ""
    for one in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        if said and len(said) + 1 + len(one) > most:
            break
        said = f"{said} {one}".strip()
    return short(said, most)
