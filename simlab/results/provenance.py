"""What a run came from: which code, which libraries, which machine."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

_DECIDES = ("base", "brains", "detectors", "interventions", "lab", "worlds")


@cache
def code_version() -> str:
    """The package's version and a digest of the sources that decide the numbers, as "0.1.0+1a2b3c4d".

    The version alone would let a run that was interrupted, then resumed after a world was edited, mix two
    models in one record, and would present yesterday's model as done.
    """
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for folder in _DECIDES:
        for path in sorted((root / folder).rglob("*.py")):
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{package_version('simlab')}+{found.hexdigest()[:8]}"


@cache
def package_version(name: str) -> str:
    """The installed version of a distribution, or "unknown" (a bare checkout)."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """The versions that the bits of a result depend on."""
    return {
        "python": platform.python_version(),
        **{name: package_version(name) for name in ("numpy", "scipy", "simpy", "networkx")},
    }


def machine() -> dict[str, Any]:
    """The machine, as far as bits depend on it: `exp` and `log` differ between processors."""
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "simd": list(built.get("SIMD Extensions", {}).get("found", [])),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
