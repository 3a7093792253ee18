"""Worlds, brains, detectors and interventions that do not come with simlab: from a file, a notebook, or a factory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
import pytest

import simlab
from simlab import Intervention, Par
from simlab.base.errors import InputError
from simlab.brains.ridge import Ridge
from simlab.detectors.detector import Detector
from simlab.results.fingerprint import fingerprint
from simlab.scenario.registry import snake
from tests.brains.stage import LeastSquares
from tests.farol import SCENARIO, ElFarol

ROOT = Path(__file__).parents[1]


@final
@dataclass(frozen=True)
class Halve(Intervention):
    """Everybody believes half of what is said."""

    seam = "prediction"
    factor: Annotated[float, Par("1", "what predictions are multiplied by", low=0, high=1)] = 0.5

    def apply(self, value: Any, on: Any, moment: Any) -> Any:
        return np.where(on, self.factor * value, value)


def test_a_world_from_anywhere_is_run_with_arms_controls_and_report(tmp_path):
    scenario = simlab.load(SCENARIO, using=[ElFarol])
    results = simlab.run(scenario, out=tmp_path / "run", jobs=2)
    assert scenario.name == "el_farol"
    assert dict(results.measures.sizes) == {"arm": 2, "replication": 8}
    page = results.report(tmp_path / "report").read_text("utf-8")
    assert "simlab.run(simlab.load(..., using=[ElFarol]), replications=8, seed=1994)" in page
    again = simlab.open(tmp_path / "run", using=[ElFarol])
    assert again.verdict == results.verdict
    with pytest.raises(InputError, match=r"plugins\.el_farol: needs tests\.farol\.ElFarol.*using=\[ElFarol\]"):
        simlab.open(tmp_path / "run")


def test_a_mapping_is_a_scenario_too():
    from ruamel.yaml import YAML

    given = YAML(typ="safe").load(SCENARIO)
    assert simlab.load(given, using=[ElFarol]) == simlab.load(SCENARIO, using=[ElFarol])
    with pytest.raises(InputError, match=r"run\.horizn"):
        simlab.load(given | {"run": {"horizn": "1 day"}}, using=[ElFarol])


def test_everything_can_be_added_under_a_name_of_choice(tmp_path):
    own = {"bar": ElFarol, "plain": simlab.brains.Estimator(LeastSquares), "halve": Halve}
    scenario = simlab.load(
        SCENARIO,
        using=own,
        world={"bar": {"people": 5}},
        brain={"plain": {"memory": 30}},
        arms={
            "as_is": {"topology": "isolated"},
            "halved": {"topology": "isolated", "interventions": [{"halve": {"at": "0 s"}}]},
        },
    )
    assert scenario.arms[0].trial.world == ElFarol(people=5)
    found = simlab.run(scenario, out=tmp_path / "run").to_xarray()
    assert np.isfinite(found["missed"]).all()


def test_a_sweep_finds_the_classes_again(tmp_path):
    scenario = simlab.load(SCENARIO, using=[ElFarol])
    swept = simlab.sweep(scenario, {"world.el_farol.error": [0, 0.5]}, replications=4, out=tmp_path / "sweep", jobs=1)
    assert len(swept.to_pandas()) == 4


def test_brains_of_one_name_are_not_taken_for_each_other(tmp_path):
    stiff, loose = (simlab.brains.Estimator(lambda penalty=penalty: LeastSquares(penalty)) for penalty in (1e9, 1.0))
    arms = {name: {"topology": "isolated", "brain": {name: {}}} for name in ("stiff", "loose")}
    scenario = simlab.load(SCENARIO, using={"el_farol": ElFarol, "stiff": stiff, "loose": loose}, arms=arms)
    swept = simlab.sweep(
        scenario, {"world.el_farol.error": [0.5, 0.6]}, stat="mean", replications=2, out=tmp_path / "s", jobs=1
    )
    found = swept.to_pandas().pivot(index="point", columns="arm", values="value")
    assert (found["stiff"] != found["loose"]).all()


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ([Ridge], r"`ridge` is the name of another brain; write e\.g\. `using=\{'my_ridge': Ridge\}`"),
        ([int], "`int` is no class derived from one of World, Brain, Intervention, Detector"),
        ({"x": ElFarol()}, "`x` is no class derived from"),
        ([simlab.World], "World lacks `fallback`, `measure`"),
        ([Detector], "Detector lacks"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_remedy(own, says):
    with pytest.raises(InputError, match=says):
        simlab.load(SCENARIO, using=own)


def test_a_class_that_is_no_dataclass_is_told_so():
    thawed = type("Thawed", (Halve,), {})
    with pytest.raises(InputError, match=r"Thawed is no frozen dataclass; write `@dataclass\(frozen=True\)`"):
        simlab.load(SCENARIO, using=[thawed])


@pytest.mark.parametrize(
    ("name", "says"),
    [("ElFarol", "el_farol"), ("MyWorld", "my_world"), ("QTable", "q_table"), ("SGDModel", "sgd_model")],
)
def test_names(name, says):
    assert snake(name) == says


CELL = """
import sys, numpy as np, simlab
from tests.brains.stage import LeastSquares
from tests.farol import SCENARIO, ElFarol

SCALE = {scale}

class Guess:
    def fit(self, x, y): self.mean = y.mean()
    def predict(self, x): return np.full(len(x), SCALE * self.mean)

guess = simlab.brains.Estimator(Guess)
arms = {{"isolated": {{"topology": "isolated"}}, "own": {{"topology": "isolated", "brain": {{"guess": {{}}}}}}}}
scenario = simlab.load(SCENARIO, using=[ElFarol, guess], arms=arms)
results = simlab.run(scenario, jobs=2)
print(results.path, float(results.measures["missed"].sel(arm="own").mean()))
"""


def test_one_arm_from_a_script_and_another_from_a_module_in_two_processes(tmp_path):
    """What cannot travel to a worker is played here, and a script that was edited is another run."""

    def play(scale, **more):
        (tmp_path / "cell.py").write_text(CELL.format(scale=scale))
        env = os.environ | {"PYTHONPATH": str(ROOT), **more}
        out = subprocess.run(
            [sys.executable, "cell.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert out.returncode == 0, out.stderr
        return out.stdout.split()

    first = play(1.0, PYTHONHASHSEED="1")
    assert play(1.0, PYTHONHASHSEED="2") == first
    other = play(-3.0)
    assert other[0] != first[0]
    assert other[1] != first[1]


def test_a_fingerprint_is_of_what_a_class_does():
    def made(body, **names):
        space = {"__name__": "cell", **names}
        exec(compile(f"class A:\n    def f(self): return {body}\n", "cell", "exec"), space)
        space["A"].__module__ = "cell"
        return fingerprint([("a", space["A"])])

    assert made("1") == made("1")
    assert made("1") != made("2")
    assert made("K", K=1) == made("K", K=1)
    assert made("K", K=1) != made("K", K=2)
    assert made("K", K=np.zeros(3)) != made("K", K=np.ones(3))
    assert made("0 in {'a', 'b', 'c'}") == made("0 in {'a', 'b', 'c'}")
