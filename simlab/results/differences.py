"""What differs between two documents, in lines a person can read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any


def differences(there: Any, here: Any, at: str = "", most: int = 8) -> list[str]:
    """What differs between two documents, a line each, at most `most` of them."""
    lines = [f"  {path}: {short(old)} -> {short(new)}" for path, old, new in changed(there, here, at)]
    return lines[:most] + ([f"  and {len(lines) - most} more"] if len(lines) > most else [])


def changed(there: Any, here: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each path at which two documents differ, with the values there and here; "nothing" where one has none."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            inside = at if key == "document" else f"{at}.{key}".lstrip(".")
            yield from changed(there.get(key, "nothing"), here.get(key, "nothing"), inside)
    elif isinstance(there, list) and isinstance(here, list):
        for index, (old, new) in enumerate(zip_longest(there, here, fillvalue="nothing")):
            yield from changed(old, new, f"{at}[{index}]")
    elif there != here:
        yield at, there, here


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    said = value if isinstance(value, str) else f"{value:.12g}" if isinstance(value, float) else json.dumps(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
