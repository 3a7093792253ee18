"""The same models, written for others; and what is said of one that is not installed."""

from __future__ import annotations

import sys
from functools import cache


@cache
def left_out(name: str, why: str) -> None:
    """Say of a rival that it cannot be measured here: once, however many tables it would be in."""
    print(f"{name} is left out: {why}", file=sys.stderr)
