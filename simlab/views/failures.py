"""What is said of replications that failed: how many, where, why, and whether trying again helps."""

from __future__ import annotations

from collections import Counter

from simlab.results.record import Record
from simlab.views.words import count

NAMED = 3  # reasons that are told; failed.json has them all


def failures(record: Record) -> list[str]:
    """A line for each of the commonest reasons, with the cells it befell, and where the tracebacks are; nothing where nothing failed."""
    why = Counter(_last(said) for outcome in record.cells.values() for said in outcome.failed.values())
    lines = []
    for reason, n in why.most_common(NAMED):
        cells = [cell for cell, o in record.cells.items() if any(_last(said) == reason for said in o.failed.values())]
        where = ", ".join(cells[:3]) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")
        lines.append(f"failed: {count(n, 'replication')} ({where}): {reason}")
    if why:
        kept = f"; all reasons and tracebacks are in {record.path / 'failed.json'}" if record.path else ""
        lost = record.manifest.get("lost", 0)
        again = (
            f"the same command tries {count(lost, 'lost replication')} again" if lost else "they fail again at each try"
        )
        lines.append(f"{again}{kept}")
    return lines


def _last(said: str) -> str:
    """The last line of a traceback, which is the error."""
    return (said.strip().splitlines() or ["no reason given"])[-1].strip()[:200]
