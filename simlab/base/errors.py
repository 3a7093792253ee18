"""The errors a user can meet, each with the exit code it ends a command with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MANY = 30  # names beyond which a list is no help to somebody who mistyped one


class SimlabError(Exception):
    """Anything simlab refuses; `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(SimlabError):
    """Invalid input: nothing was run and nothing was written."""

    exit_code = 2


class ParameterError(InputError):
    """A parameter outside its declared type or bounds."""


class StorageError(SimlabError):
    """A run directory that is full, busy, corrupt, or holds another run."""

    exit_code = 4


class ExecutorError(SimlabError):
    """An executor that broke while cohorts were played: some are missing, and what was finished is kept."""

    exit_code = 3


class PluginError(SimlabError):
    """A module named with `--plugin` that cannot be used."""

    exit_code = 5


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known spelling closest to `word`, or None when nothing is close."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as "did you mean `precincts`? (known: busy_rate, precincts)", or "known: busy_rate, precincts" where none is near.

    Of many names only the nearest is told, if there is one.
    """
    names = sorted(known)
    guess = nearest(word, names)
    if guess and len(names) > MANY:
        return f"did you mean `{guess}`?"
    told = f"known: {', '.join(names) or 'none'}"
    return f"did you mean `{guess}`? ({told})" if guess else told
