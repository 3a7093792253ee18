"""Start-up: CPU time of commands, in processes of their own, and which heavy libraries they import."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "simlab --help": ["-m", "simlab", "--help"],
    "simlab list": ["-m", "simlab", "list"],
    "simlab validate flash_crash": ["-m", "simlab", "validate", "flash_crash"],
    "import simlab": ["-c", "import simlab"],
    "import simpy": ["-c", "import simpy"],
    "import numpy": ["-c", "import numpy"],
}


def cpu(arguments: list[str]) -> float:
    """Milliseconds of CPU, user and system."""
    there = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # as users have it
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=there)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(rounds: int) -> dict[str, float]:
    """Medians, each in turn, once what is imported has been compiled."""
    for arguments in COMMANDS.values():
        cpu(arguments)
    found: dict[str, list[float]] = {what: [] for what in COMMANDS}
    for _ in range(rounds):
        for what, arguments in COMMANDS.items():
            found[what].append(cpu(arguments))
    return {what: median(each) for what, each in found.items()}
