"""A run that waits for an interval: stages that add to each other, the same bits as a plain run, resumed after an interrupt.

What the interval covers at the time it stops is measured in test_coverage.py.
"""

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.scenario.scenario import Until
from simlab.studies.run import prepared
from simlab.studies.runner import play_all
from simlab.studies.sequential import enough, stages, told, widest
from simlab.studies.statistics import mean
from tests.studies import fakes


def waiting(half_width=0.25, most=640, versus=None, measure="drop", **more):
    until = Until(measure, "mean", None, half_width, most, versus)
    run = {"horizon": 5.0, "replications": 40, "seed": 7}
    return fakes.scenario(until=until, resolved={"title": "Fake", "run": run | {"until": list(until)}}, **more)


def played(scenario, path, progress=None, **more):
    with fakes.open_store(scenario, path) as store:
        return play_all(scenario, store, jobs=1, play=fakes.play, progress=progress, **more)


def test_replications_double_until_every_arm_is_narrow_enough(tmp_path):
    """The half-width of a mean of n normals is about 1.96 / sqrt(n): 0.25 takes some 62 and so 80 replications, less those lost."""
    record = played(waiting(), tmp_path / "run")
    assert record.replications == 80
    for arm in record.arms:
        found = mean(record.cells[arm].measures["drop"])
        assert (found.high - found.low) / 2 <= 0.25
        before = mean(record.cells[arm].measures["drop"][:40])
        assert (before.high - before.low) / 2 > 0.25
    assert record.manifest["replications"] == 80


def test_it_is_a_plain_run_of_that_size(tmp_path):
    """Replication k is the same whatever is asked for: the arrays are those of a run told 80 at once."""
    plain, stepwise = fakes.scenario(replications=80), waiting()
    played(plain, tmp_path / "plain")
    played(stepwise, tmp_path / "run", cohort=7)
    arrays = fakes.MERGED[:4]
    assert fakes.contents(tmp_path / "run", arrays) == fakes.contents(tmp_path / "plain", arrays)


@pytest.mark.parametrize("after", [30, 120, 170, 239])
def test_an_interrupt_in_any_stage_is_resumed(tmp_path, after):
    """Three cells: the first stage ends at 120 replications in all, the second at 240."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    played(waiting(), whole)

    def interrupt(progress):
        if progress.done >= after and (after <= 120 or progress.total > 120):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        played(waiting(), broken, interrupt, cohort=10)
    again = []
    played(waiting(), broken, again.append)
    assert fakes.contents(broken) == fakes.contents(whole)
    assert all(progress.done > 0 for progress in again)  # what was played is not played again
    with fakes.open_store(waiting(), broken) as store:
        assert store.done
        assert store.record().replications == 80


def test_the_most_is_the_end(tmp_path):
    record = played(waiting(half_width=1e-6, most=100), tmp_path / "run")
    assert record.replications == 100
    assert stages(waiting(most=100)) == [40, 80, 100]
    assert stages(fakes.scenario()) == [40]
    said = told(waiting(half_width=1e-6, most=100), waiting(half_width=1e-6).until, record.cells, 100)
    assert (said["enough"], said["floor"], said["replications"]) == (False, 40, 100)


def test_the_floor_is_played_however_narrow(tmp_path):
    assert played(waiting(half_width=100.0), tmp_path / "run").replications == 40


@pytest.mark.parametrize("cohort", [None, 20])
def test_what_is_lost_does_not_narrow_anything(tmp_path, cohort):
    """Replication 9 of `shared` raises: its cohort is failed, is tried again in every stage, and the arm waits for the rest."""
    record = played(waiting(fault="raise"), tmp_path / "run", cohort=cohort)
    lost = record.cells["shared"].failed
    assert 9 in lost
    found = mean(record.cells["shared"].measures["drop"])
    assert (found.high - found.low) / 2 <= 0.25
    assert found.n <= record.replications - len(lost)


def test_the_widest_arm_decides_and_differences_are_paired(tmp_path):
    record = played(fakes.scenario(replications=64), tmp_path / "run")
    loss = Until("loss", "mean", None, 0.1, 640)
    found = widest(fakes.scenario(), loss, record.cells)
    halves = {arm: mean(record.cells[arm].measures["loss"]) for arm in record.arms}
    assert found.arm == max(halves, key=lambda arm: halves[arm].high - halves[arm].low)
    assert found.half == pytest.approx((halves[found.arm].high - halves[found.arm].low) / 2)
    apart = widest(fakes.scenario(), Until("drop", "mean", None, 0.1, 640, "apart"), record.cells)
    assert apart == ("shared", pytest.approx(0, abs=1e-12))  # the same luck in both: the shift alone
    harm = widest(fakes.scenario(), Until(None, "mean", None, 0.1, 640), record.cells)
    assert 0 < harm.half < 0.2


def test_the_summary_says_what_was_asked_and_how_narrow_it_became(tmp_path):
    scenario = waiting(half_width=0.25)
    record = played(scenario, tmp_path / "run")
    found = widest(scenario, scenario.until, record.cells)
    assert told(scenario, scenario.until, record.cells, 80) == {
        "what": scenario.until.what, "half_width": 0.25, "reached": found.half, "widest": found.arm, "enough": True,
        "replications": 80, "floor": 40, "most": 640,
    }  # fmt: skip
    narrow = scenario.until._replace(half_width=found.half)
    assert told(scenario, narrow, record.cells, 80)["enough"]  # as narrow as was asked


def test_no_interval_is_not_narrow(tmp_path):
    record = played(fakes.scenario(replications=20), tmp_path / "run")
    few = waiting()
    assert widest(few, few.until, record.cells).half == np.inf
    assert not enough(few, record.cells)
    assert enough(fakes.scenario(), record.cells)


def test_the_floor_may_not_pass_the_most():
    assert prepared(waiting(), replications=100).replications == 100
    with pytest.raises(InputError, match=r"at most run\.until\.most, 640"):
        prepared(waiting(), replications=1000)
