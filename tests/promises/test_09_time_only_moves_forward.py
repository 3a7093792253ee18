"""Promise 9: nan, negative, infinite or other delays are refused with the world's and the process's name; a Zeno loop within 2 s."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
import simpy

import simlab
from simlab.base.errors import SimlabError
from simlab.lab.cohort import play
from tests.bad_input.door import knock
from tests.promises.wayward import DELAYS, SCENARIO, Wayward

PLUGIN = str(Path(__file__).with_name("wayward.py"))


def trial(**parameters):
    return simlab.load(SCENARIO, using=[Wayward], world={"wayward": parameters}).arms[0].trial


def test_simpy_by_itself_lets_the_clock_run_backwards():
    """Why there is something to promise."""
    env, seen = simpy.Environment(), []

    def process():
        for delay in (5, float("nan")):
            yield env.timeout(delay)
            seen.append(env.now)

    env.process(process())
    env.process(iter_of(env, seen))
    env.run()
    assert any(not later >= earlier for earlier, later in pairwise(seen))


def iter_of(env, seen):
    yield env.timeout(9)
    seen.append(env.now)


@pytest.mark.parametrize("keeps", [*DELAYS, "foreign", "no wait"])
def test_a_delay_that_is_none_is_refused_at_the_call(keeps):
    with pytest.raises(SimlabError) as caught:
        play(trial(keeps=keeps), 3, range(4))
    assert str(caught.value).startswith("Wayward.happenings[0] at tick 3: ")
    assert "`yield calendar.wait(10)`" in str(caught.value)


def test_a_process_that_never_lets_time_move_is_named_within_2_s():
    began = time.process_time()
    with pytest.raises(
        SimlabError, match=r"^Wayward\.happenings\[0\] at tick 3: over 100000 events without time moving on"
    ):
        play(trial(keeps="zeno"), 3, range(4))
    assert time.process_time() - began < 2


def test_a_wait_past_the_end_of_time_never_comes_and_changes_nothing():
    far, well = (play(trial(keeps=keeps), 3, range(4)) for keeps in ("far", "well"))
    assert (far.series["level"] == well.series["level"]).all()


def test_a_user_is_told_so_in_one_line_with_the_exit_code_of_a_plugin(tmp_path):
    (tmp_path / "mine.yaml").write_text(SCENARIO.replace("wayward: {}", "wayward: {keeps: nan}"))
    answer = knock(tmp_path, "run", "mine.yaml", "--plugin", PLUGIN, "--jobs", "1", "--quiet", "--out", "run")
    assert answer.code == 5
    assert answer.err == (
        "Wayward.happenings[0] at tick 3: cannot wait nan ticks; expected a whole number of at least 0, e.g. `yield calendar.wait(10)`\n"
    )
