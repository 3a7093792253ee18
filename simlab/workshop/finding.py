"""What a check found, and the luck it is played on."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from simlab.base.errors import SimlabError

HOUSE = Path(__file__).parents[1]
SALT = "the course plays on other luck than the notebooks"


class Finding(NamedTuple):
    """One thing that was looked at: whether it is as it should be, what was seen, and what to do about it."""

    what: str
    passed: bool
    seen: str = ""
    hint: str = ""


class Look(NamedTuple):
    """One thing to look at: `look` says what was seen and what to do, or None where all is well; `call` is how it calls the answer."""

    what: str
    look: Callable[[], tuple[str, str] | None]
    call: str


def looked(looks: list[Look]) -> Iterator[Finding]:
    """A finding for each; what raises has not passed, and the hint says where."""
    for what, look, call in looks:
        try:
            found = look()
        except NotImplementedError:
            found = "not written yet", f"it is called as `{call}`"
        except SimlabError as error:
            found = str(error), f"it is called as `{call}`"
        except Exception as error:  # an answer may be wrong in any way
            found = _said(error), f"it is called as `{call}`"
        yield Finding(what, found is None, *(found or ()))


def hidden(exercise: int, number: int) -> int:
    """The seed of a check; it is never shown."""
    return int.from_bytes(hashlib.sha256(f"{SALT} {exercise} {number}".encode()).digest()[:4], "little")


def _said(error: Exception) -> str:
    """An error in one line, with the place in the answer where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if not Path(frame.filename).is_relative_to(HOUSE)]
    where = f" in line {places[-1].lineno} of {places[-1].name}()" if places else ""
    return f"{type(error).__name__}: {error}{where}"
