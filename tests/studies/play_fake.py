"""Play the fake scenario, as a process of its own: python -m tests.studies.play_fake DIR JOBS [FAULT [MARK]]."""

from __future__ import annotations

import signal
import sys

from simlab.studies.runner import play_all, stop_on_sigterm
from tests.studies.fakes import open_store, play, scenario


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    path, jobs, *fault = sys.argv[1:]
    fake = scenario(*fault)
    with stop_on_sigterm(), open_store(fake, path) as store:
        play_all(fake, store, jobs=int(jobs), cohort=8, play=play)


main()
