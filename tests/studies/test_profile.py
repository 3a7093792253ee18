"""Where time goes: samples are counted for the floor that works, and the timer is given back."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from simlab.scenario.load import load
from simlab.studies.profile import ELSEWHERE, floor_of, profiled
from tests.bad_input.door import knock
from tests.studies import market

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no timer of CPU time")


def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_time_outside_the_lab_is_elsewhere_and_the_timer_ends():
    before = signal.getsignal(signal.SIGPROF)
    with profiled() as found:
        burn(0.2)
    assert found[ELSEWHERE] >= 10
    assert found[ELSEWHERE] >= 0.8 * sum(found.values())  # a sample may fall on the way in or out
    assert signal.getsignal(signal.SIGPROF) is before
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0


def test_a_cohort_spends_its_time_in_world_brains_and_noise():
    from simlab.lab.cohort import play

    trial = load("policing").arms[0].trial
    with profiled() as found:
        play(trial, 1, range(64))
    assert {"world", "brains", "noise", "loop"} <= set(found)
    assert found[ELSEWHERE] <= 0.1 * sum(found.values())


def test_helpers_belong_to_their_caller_and_what_is_measured_to_the_record():
    def frame(*calls):
        """A stack, innermost first, of (file, function)."""
        made = None
        for file, name in reversed(calls):
            code = type("Code", (), {"co_filename": file, "co_name": name})
            made = type("Frame", (), {"f_code": code, "f_back": made})
        return made

    base, world = ("/x/simlab/base/kernels.py", "fifo"), ("/x/simlab/worlds/ddos.py", "measure")
    loop, judge = ("/x/simlab/lab/loop.py", "_turn"), ("/x/simlab/lab/loop.py", "_judge")
    assert floor_of(frame(base, world, loop)) == "world"
    assert floor_of(frame(base, world, judge, loop)) == "recording"
    assert floor_of(frame(("/lib/simpy/core.py", "step"), ("/x/simlab/lab/conductor.py", "play"))) == "calendar"
    assert floor_of(frame(("/lib/numpy/einsum.py", "einsum"), ("/x/simlab/lab/streams.py", "row"))) == "noise"
    assert floor_of(None) == ELSEWHERE


def test_a_run_tells_its_profile_and_a_run_that_is_there_has_none(tmp_path):
    (tmp_path / "mine.yaml").write_text(market.YAML)
    command = ["run", "mine.yaml", "--out", "run", "--profile"]
    first, again = knock(tmp_path, *command), knock(tmp_path, *command)
    assert first.code == again.code
    assert "agent-steps per second" in first.err
    assert {"world", "store", "report"} <= {line.split()[0] for line in first.err.splitlines() if line}
    assert "nothing was played" in again.err


def test_a_profile_of_other_processes_is_refused(tmp_path):
    answer = knock(tmp_path, "run", "policing", "--profile", "--jobs", "2")
    assert answer.code == 2
    assert "this process only" in answer.err
