"""The seven drills on the toy world, whose loop gain, latencies and losses are known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from simlab._door import judging
from simlab.base.errors import InputError
from simlab.brains.topology import Schedule, wire
from simlab.interventions.canary import Canary
from simlab.interventions.kill_switch import KillSwitch
from simlab.lab.shocks import Shock
from simlab.lab.trial import NEVER, Hand, Harm, Trigger
from simlab.scenario.load import load
from simlab.scenario.scenario import USUAL, Arm, Limits, Scenario
from simlab.studies.readiness import Drill, Readiness, _blast, _gain, _Ground, readiness
from simlab.studies.runner import Progress
from simlab.studies.workers import Crew
from tests.lab.toy import Dice, Mean, Toy, trial

N = 192
NAMES = [
    "FEEDBACK ISOLATION",
    "BLAST RADIUS",
    "DRIFT DETECTION",
    "KILLSWITCH",
    "CORRELATION BREAKING",
    "OBJECTIVE ALIGNMENT",
    "CASCADE PREVENTION",
]


HARM = Harm("worst", above=50.0, cost="total")


def scenario(one=None, limits=USUAL, harm=HARM, **given):
    plan = {"horizon": 300.0, "stride": 2.0, "schedule": Schedule(every=5), "harm": harm}
    arm = Arm("plain", "Plain", "isolated", trial(one or Toy(), **(plan | given)))
    other = arm._replace(name="other")
    return Scenario("toy", "Toy", "", (arm, other), (), (), harm, (), (), N, 3, 0, {}, limits)


def drills(*args, **given):
    found = readiness(scenario(*args, **given), jobs=1)
    assert [drill.name for drill in found.drills] == NAMES
    return {drill.name: drill for drill in found.drills}


KILL = Hand("kill_switch", KillSwitch(), Trigger(measure="worst", above=40.0, median=10.0, spread=0.5))
CANARY = Hand("canary", Canary(first=0.001, step=100.0), Trigger(at=0.0))


MOVED = Shock("moved", "world", "set", start=150.0, values={"drift": 2.0})
SLOW = KILL._replace(trigger=KILL.trigger._replace(median=100.0))


@pytest.fixture(scope="module")
def good():
    """Independent answers of mean 0, which reality follows by half; a canary and a kill switch; nothing disturbs."""
    return drills(Toy(pull=0.5), brains=(Dice(),), hands=(CANARY, KILL))


@pytest.fixture(scope="module")
def bad():
    """One brain for all that says 1 first, which reality follows by 1.2; a slow operator; the world moves, the features do not."""
    return drills(
        Toy(pull=1.2),
        brains=(Mean(prior=1.0),),
        schedule=NEVER,
        topology=wire("shared", 3),
        hands=(SLOW,),
        shocks=(MOVED,),
    )


def test_the_gain_that_is_measured_is_that_of_the_world(good, bad):
    """Outcome = drift + pull * mean act: moving all predictions by 1 moves it by the pull."""
    assert good["FEEDBACK ISOLATION"].passed
    assert 0.5 < good["FEEDBACK ISOLATION"].value < 0.6
    assert not bad["FEEDBACK ISOLATION"].passed
    assert 1.2 < bad["FEEDBACK ISOLATION"].value < 1.3


def test_a_loop_that_has_run_to_its_bounds_is_not_flattered():
    """The market of gain 1.2 hits the bounds of its agents, where nothing moves any more; at rest the gain shows."""
    wild = replace(load("performative_sweep", replications=48), readiness=Limits(arm="gain_12"))
    ground = _Ground(wild, next(a for a in wild.arms if a.name == "gain_12"), 48, Crew(1))
    drill = _gain(ground)
    assert not drill.passed
    assert drill.value == pytest.approx(1.2, abs=0.1)


def test_the_blast_radius_is_the_share_that_is_exposed(good, bad):
    assert bad["BLAST RADIUS"].value == 1.0
    assert not bad["BLAST RADIUS"].passed
    assert good["BLAST RADIUS"].passed  # a third of 0.1%
    assert 0.001 / 3 < good["BLAST RADIUS"].value < 0.0015
    late = CANARY._replace(trigger=Trigger(at=299.0))
    blast = _blast(
        _Ground(scenario(brains=(Dice(),), hands=(late,), horizon=60.0), scenario(hands=(late,)).arms[0], 32, Crew(1))
    )
    assert blast.value == pytest.approx(1 / 3)  # everybody is exposed until it comes on


def test_drift_of_features_is_seen_and_drift_of_reality_is_not(good, bad):
    """The toy's features are noise: shifted by two standard deviations they alarm; when reality moves they show nothing."""
    assert good["DRIFT DETECTION"].passed
    assert not bad["DRIFT DETECTION"].passed
    assert bad["DRIFT DETECTION"].value < 0.2


def test_the_kill_switch_takes_as_long_as_its_operator(good, bad):
    """The 95th percentile of a lognormal with median 10 s and spread 0.5 is 10 exp(1.645 / 2) = 22.8 s."""
    assert good["KILLSWITCH"].passed
    assert 22.8 - 5 < good["KILLSWITCH"].value < 22.8 + 15
    assert f"nothing in {N} of {N} drills" in good["KILLSWITCH"].evidence
    assert not bad["KILLSWITCH"].passed
    assert bad["KILLSWITCH"].value > 100


def test_the_effective_number_of_models(good, bad):
    assert good["CORRELATION BREAKING"].value > 0.9
    assert not bad["CORRELATION BREAKING"].passed


def test_alignment_is_against_the_plain_rule(good, bad):
    """The loss is the sum of outcomes: 300 answers of 1 add 360 to it where reality follows by 1.2, answers of mean 0 nothing."""
    assert bad["OBJECTIVE ALIGNMENT"].value == pytest.approx(-360, abs=1e-6)
    assert not good["OBJECTIVE ALIGNMENT"].passed
    assert abs(good["OBJECTIVE ALIGNMENT"].value) < 10


def test_no_cascade_without_reading_one_another(good):
    assert good["CASCADE PREVENTION"].passed
    assert good["CASCADE PREVENTION"].evidence == "no model reads another"


def test_limits_are_overridden_and_what_cannot_be_measured_is_not_passed():
    found = drills(limits=Limits(kill=30.0, effective=0.9), brains=(Dice(),), harm=None, horizon=100.0)
    assert not found["OBJECTIVE ALIGNMENT"].passed
    assert found["OBJECTIVE ALIGNMENT"].value is found["KILLSWITCH"].value is None
    assert (found["KILLSWITCH"].threshold, found["KILLSWITCH"].default) == (30.0, 60.0)
    assert (found["CORRELATION BREAKING"].threshold, found["CORRELATION BREAKING"].default) == (0.9, 0.5)


def test_an_unknown_arm_is_refused_and_the_named_one_is_drilled():
    with pytest.raises(InputError, match="did you mean `plain`"):
        readiness(scenario(), "plane")


def test_the_same_bits_whatever_the_number_of_processes_and_json_as_promised():
    """Also: the arm that the scenario names is drilled."""
    short = replace(scenario(hands=(KILL,), limits=Limits(arm="other"), horizon=60.0), replications=32)
    here, there = (readiness(short, jobs=jobs) for jobs in (1, 2))
    assert here == there
    assert here.arm == "other"
    assert ("DON'T DEPLOY" in here.verdict) == (here.score < 7)
    plain = here.plain()
    assert (plain["of"], plain["score"]) == (7, sum(d["passed"] for d in plain["drills"]))
    assert {"name", "passed", "value", "threshold", "evidence"} <= plain["drills"][0].keys()
    assert all(isinstance(d["passed"], bool) for d in plain["drills"])
    assert not any(isinstance(d["value"], np.generic) for d in plain["drills"])


def test_progress_counts_the_drills_in_their_order():
    seen = []
    readiness(scenario(horizon=60.0), jobs=1, replications=30, progress=seen.append)
    assert [(one.done, one.total) for one in seen] == [(0, 7), *((i, 7) for i in range(7))]
    assert [one.cell for one in seen[1:]] == [name.lower() for name in NAMES]


def command(monkeypatch, *args):
    """`simlab readiness` in this process: what was drilled, and how it ended."""
    drilled = []

    def drill(made, arm, **how):
        drilled.append(arm)
        how["progress"] and how["progress"](Progress(0, 7, "blast radius", 0.0, 0))
        if arm == "shared_brain":
            raise KeyboardInterrupt
        return Readiness(
            made.name, arm, arm, 256, (Drill("BLAST RADIUS", "How far?", False, 0.5, 0.01, 0.01, "1", "seen"),)
        )

    monkeypatch.setattr("simlab.studies.readiness.readiness", drill)
    return drilled, CliRunner().invoke(judging.readiness, args, standalone_mode=False)


def test_an_unknown_arm_is_refused_before_any_is_drilled(monkeypatch, tmp_path):
    drilled, done = command(
        monkeypatch, "flash_crash", "--arm", "shared", "--arm", "shred", "--out", str(tmp_path / "out")
    )
    assert isinstance(done.exception, InputError)
    assert "unknown arm `shred`; did you mean `shared`?" in str(done.exception)
    assert (drilled, done.output) == ([], "")
    assert not (tmp_path / "out").exists()


def test_quiet_says_nothing_and_leaves_the_page(monkeypatch, tmp_path):
    drilled, done = command(monkeypatch, "flash_crash", "--quiet", "--strict", "--out", str(tmp_path / "out"))
    assert (drilled, done.output, done.return_value) == (["isolated"], "", 1)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".html", ".json"]
    _, loud = command(monkeypatch, "flash_crash", "--out", str(tmp_path / "out"))
    assert "flash_crash, isolated: 0 of 7 drills\n" in loud.stderr
    assert "DON'T DEPLOY" in loud.stdout


def test_an_interrupt_says_that_drills_are_not_kept(monkeypatch, tmp_path):
    more = ("--arm", "isolated", "--arm", "shared_brain", "--out", str(tmp_path / "out"))
    drilled, done = command(monkeypatch, "flash_crash", *more)
    assert drilled == ["isolated", "shared_brain"]
    assert done.return_value == 130
    assert "interrupted; the drills of shared_brain are not kept, and the same command begins anew" in done.stderr
    assert "goes on" not in done.output
    assert [path.name for path in (tmp_path / "out").glob("*.html")] == ["readiness_isolated.html"]
