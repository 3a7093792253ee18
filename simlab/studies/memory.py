"""How much memory there is for this process: the system's, or its container's where that is less."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup") if sys.platform == "linux" else PROC  # elsewhere neither is there


def available() -> int | None:
    """Bytes that may still be taken: what the system has, or what its cgroup (a container's limit) leaves; None where nobody tells."""
    found = [*_system(), *_groups()]
    return max(min(found), 0) if found else None


def resident() -> int:
    """Bytes that this process takes now, or a usual figure where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int((PROC / "self" / "statm").read_text("ascii").split()[1]) * _told("SC_PAGE_SIZE")
    return 150_000_000


def _system() -> Iterator[int]:
    try:
        for line in (PROC / "meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
                return
    except OSError:
        pass
    with suppress(OSError, ValueError):  # macOS tells what there is, and not what is free of it
        yield _told("SC_PHYS_PAGES") * _told("SC_PAGE_SIZE")


def _told(name: str) -> int:
    """A number that the system tells of itself; raises ValueError where it tells none."""
    if sys.platform == "win32":
        raise ValueError(name)
    return os.sysconf(name)


def _groups() -> Iterator[int]:
    """What each cgroup around this process leaves, version 2 or 1; the page cache that it could drop counts as free."""
    try:
        lines = (PROC / "self" / "cgroup").read_text("ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        top = CGROUP / "memory" if kinds else CGROUP
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if kinds
            else ("memory.max", "memory.current", "inactive_file")
        )
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder == top.parent:
                break
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None:
                yield most - used + _counted(folder / "memory.stat", cache)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # not there, or "max"
        return None


def _counted(path: Path, name: str) -> int:
    try:
        return sum(int(line.split()[1]) for line in path.read_text("ascii").splitlines() if line.split()[0] == name)
    except (OSError, ValueError, IndexError):
        return 0
