"""Checks: a stub fails with its hint, a solution passes, and one that is subtly wrong fails where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.scenario.load import load
from simlab.workshop import balancer, check, example, finding, monitors
from simlab.workshop.checks import KINDS

COURSE = Path(__file__).parents[2] / "notebooks/workshop"
MODULES = {1: "3_exercise_load_balancer", 2: "4_exercise_monitors", 3: "5_exercise_bulkheads"}


def solution(exercise, *changes):
    """The answer in the solution, with each `(old, new)` replaced."""
    source = (COURSE / f"solutions/exercise_{exercise}.py").read_text("utf-8")
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return answer_in(exercise, source)


def stub(exercise):
    """The answer as the notebook has it."""
    cells = json.loads((COURSE / f"{MODULES[exercise]}.ipynb").read_text("utf-8"))["cells"]
    (found,) = [cell for cell in cells if "stub" in cell["metadata"].get("tags", [])]
    helpers = {"np": np, "alike": lambda table: np.corrcoef(table.T)[np.triu_indices(table.shape[1], 1)].mean()}
    return answer_in(exercise, "".join(found["source"]), helpers)


def answer_in(exercise, source, known=None):
    names = dict(known or {})
    exec(compile(source, f"exercise_{exercise}", "exec"), names)
    return names[KINDS[exercise][0]]


def failed(checked):
    return [one.what.split(":")[0] for one in checked.findings if not one.passed]


@pytest.mark.parametrize("exercise", MODULES)
def test_the_solution_passes(exercise, capsys):
    assert check(exercise, solution(exercise)).passed
    assert capsys.readouterr().out.endswith("All of it holds.\n")


@pytest.mark.parametrize(
    ("exercise", "hints"),
    [
        (
            1,
            [
                "exploit:",
                "it is not updated; write `self.latency[backend] +=",
                "in proportion to `self.rates`",
                "revive()",
            ],
        ),
        (
            2,
            [
                "recording.nudges",
                "the product of the slopes",
                "correlate recording.errors",
                "the drift of their difference",
            ],
        ),
        (
            3,
            [
                "data_of: [0, 1, 2, ...]",
                "view_of: [0, 1, 2, ...]",
                "list two learners or more",
                "feature store is shared",
            ],
        ),
    ],
)
def test_the_stub_fails_with_its_hints(exercise, hints, capsys):
    found = check(exercise, stub(exercise))
    told = capsys.readouterr().out
    assert not found.passed
    for hint in hints:
        assert hint in told
    assert told.endswith(f"Mend the first, and call `check({exercise}, {KINDS[exercise][0]})` again.\n")


EXPLORES = "it explores a tenth and exploits the rest"
LATENCIES, ERRORS = "it keeps a moving average of latencies", "it keeps a moving average of errors"
KILLED, REVIVED = "its kill switch sends by nominal rates alone", "it comes back, and has gone on learning"
MOVES = "self.latency[backend] += self.step * (latency - self.latency[backend])"
MEAN = """n = self.n = getattr(self, "n", [0] * len(self.rates))
        n[backend] += 1
        self.latency[backend] += (latency - self.latency[backend]) / n[backend]"""
DEAF = f"""if self.killed:
            return
        {MOVES}"""
UNLEARNT = "self.__init__(self.rates, self.rng)"
ALIKE = "enumerate([sum(self.rates) / len(self.rates)] * len(self.rates))"
BAD_BALANCERS = {
    "ignores errors": ("PENALTY = 1.0", "PENALTY = 0.0", ["it leaves a backend that fails fast", "played"]),
    "no kill switch": ("self.killed = True", "pass", [KILLED]),
    "deaf while killed": (MOVES, DEAF, [REVIVED]),
    "killed to all alike": ("enumerate(self.rates)", ALIKE, [KILLED]),
    "explores when killed": ("if self.killed:", "if self.killed and self.rng.random() > 0.3:", [KILLED]),
    "latency not updated": (MOVES, "pass", None),
    "errors not updated": ("self.errors[backend] += self.step *", "self.errors[backend] += 0 *", None),
    "wrong way round": (MOVES, MOVES.replace("self.step", "(1 - self.step)"), [LATENCIES]),
    "step left out": ("rng, explore, step\n", "rng, explore, 0.05\n", [LATENCIES, ERRORS]),
    "mean of all": (MOVES, MEAN, [LATENCIES, "it follows a backend that degrades"]),
    "never explores": ("if self.rng.random() < self.explore", "if False", [EXPLORES]),
    "explores a fifth": ("< self.explore", "< 2 * self.explore", [EXPLORES]),
    "explores the first only": ("int(self.rng.random() * len(self.rates))", "0", [EXPLORES, "played"]),
    "revive forgets": ('meanwhile."""\n        self.killed = False', f'meanwhile."""\n        {UNLEARNT}', [REVIVED]),
}  # fmt: skip


GOOD_BALANCERS = {
    "begins at the first answer": (
        MOVES,
        "old = self.latency[backend]\n        self.latency[backend] = latency if not old else old + self.step * (latency - old)",
    ),
    "keeps dictionaries": ("self.latency = [0.0] * len(rates)", "self.latency = dict.fromkeys(range(len(rates)), 0.0)"),
    "explores the others": (
        "return int(self.rng.random() * len(self.rates))",
        "best = min(range(len(self.rates)), key=lambda i: self.latency[i] + self.errors[i])\n"
        "            return (best + 1 + int(self.rng.random() * (len(self.rates) - 1))) % len(self.rates)",
    ),
    "a penalty of its own": ("PENALTY = 1.0", "PENALTY = 0.4"),
}


@pytest.mark.parametrize("name", GOOD_BALANCERS)
def test_a_balancer_that_is_right_in_another_way_passes(name):
    old, new = GOOD_BALANCERS[name]
    changes = [(old, new)]
    if name == "keeps dictionaries":
        changes.append(("zip(self.latency, self.errors,", "zip(self.latency.values(), self.errors,"))
    assert check(1, solution(1, *changes)).passed


@pytest.mark.parametrize("name", BAD_BALANCERS)
def test_a_balancer_that_is_subtly_wrong_fails_where_it_is(name):
    old, new, where = BAD_BALANCERS[name]
    found = check(1, solution(1, (old, new)))
    assert not found.passed
    if where is not None:
        assert failed(found) == where


def test_a_wrong_average_is_named(capsys):
    check(1, solution(1, BAD_BALANCERS["mean of all"][:2]))
    assert "it is the mean of all answers, which forgets nothing" in capsys.readouterr().out
    check(1, solution(1, BAD_BALANCERS["wrong way round"][:2]))
    assert "the weights are the wrong way round" in capsys.readouterr().out


def test_the_played_bar_is_what_choosing_at_random_cannot_reach():
    """All alike, 1/8 of the requests meet 12 s in 60 at 50% errors, and all meet 0.1%."""
    (trial,) = (arm.trial for arm in load("load_balancer_exercise").arms if arm.name == "exercise")
    assert trial.world.rates == balancer.PLAYED_RATES
    (errors,) = (shock for shock in trial.shocks if shock.name == "errors")
    least = errors.values["faulty"] / len(trial.world.rates) * errors.duration / trial.horizon
    assert least == pytest.approx(0.0125)
    assert least > balancer.MOST > trial.world.error


BAD_MONITORS = {
    "always": ("return bool(", "return True or bool(", [f"{m.name}" for m in monitors.MONITORS]),
    "never": ("return bool(", "return False and bool(", [f"{m.name}" for m in monitors.MONITORS]),
    "predictions for errors": ("np.corrcoef(recording.errors.T)", "np.corrcoef(recording.predictions.T)", ["correlated"]),
    "depth for gain": ("return bool(arrives[-1] > 1)", "return len(recording.reads) > 3", ["cascades"]),
    "one side": ("abs(drift.difference[-1]) > 1", "drift.difference[-1] > 1", ["departs"]),
    "no error bar": ("> 4 * gain.together_error", "> 0", ["feeds_back"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MONITORS)
def test_a_monitor_that_is_subtly_wrong_fails_where_it_is(name):
    old, new, where = BAD_MONITORS[name]
    assert failed(check(2, solution(2, (old, new)))) == where


def test_hidden_runs_of_both_departures_are_looked_at():
    seeds = [finding.hidden(2, 300 + number) for number in range(monitors.RUNS)]
    assert {seed % 2 for seed in seeds} == {0, 1}


def test_examples_are_not_the_hidden_runs():
    seeds = {finding.hidden(2, 100 * place + number) for place in range(4) for number in range(monitors.RUNS)}
    assert len(seeds) == 4 * monitors.RUNS
    assert not seeds & set(range(1, 5))
    assert list(example(2)) == [one.name for one in monitors.MONITORS]


BAD_DESIGNS = {
    "one learner": ('[{"ridge": {}}, {"mean": {}}]', '[{"ridge": {}}, {"ridge": {"penalty": 2}}]', "architectures"),
    "seven of eight alike": ("service % 2 for", "int(service == 0) for", "architectures"),
    "one store": ('"view_of": own', '"view_of": [0] * services', "feature stores"),
    "shared pool": ('"data_of": own', '"data_of": [0] * services', None),
    "federated": ('"topology": {', '"topology": {"average_every": "5 min",', "failure domains"),
    "reads a neighbour": ('"topology": {', '"topology": {"reads": [[-1]] + [[0]] * (services - 1),', "failure domains"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DESIGNS)
def test_a_design_that_is_subtly_wrong_fails_where_it_is(name):
    old, new, where = BAD_DESIGNS[name]
    changes = [(old, new)] + ([('"taught_by": own', '"taught_by": [0] * services')] if name == "shared pool" else [])
    found = check(3, solution(3, *changes))
    assert not found.passed
    if where is not None:
        assert failed(found)[0] == where


def test_an_accident_is_seen_to_travel():
    """Played, and not only drawn: poisoned data in a shared pool, and federated rounds, reach services that had no accident."""
    for name in ("shared pool", "federated"):
        old, new, _ = BAD_DESIGNS[name]
        changes = [(old, new)] + (
            [('"taught_by": own', '"taught_by": [0] * services')] if name == "shared pool" else []
        )
        found = {one.what: one for one in check(3, solution(3, *changes)).findings}
        assert not found["played: poisoned data of one service stays there"].passed, name


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ((4, int), r"`check\(1, MyBalancer\)`, `check\(2, MyMonitors\)`, `check\(3, design\)`"),
        ((stub, 1), r"which exercise\?"),
        ((True, int), r"which exercise\?"),
        ((1, lambda: 0), r"answered by a class, .*; write `check\(1, MyBalancer\)`"),
        ((2, {}), r"write `check\(2, MyMonitors\)`"),
        ((3, {}), r"answered by a function, .*; write `check\(3, design\)`"),
        ((3, int), r"answered by a function"),
    ],
)
def test_a_wrong_call_is_answered_with_the_right_one(call, says):
    with pytest.raises(InputError, match=says):
        check(*call)


def test_what_raises_has_not_passed_and_says_where(capsys):
    class Broken:
        def __init__(self, *given, **named):
            self.table = {}

        def choose(self):
            return self.table["best"]

    found = check(1, Broken)
    told = capsys.readouterr().out
    assert found.right == 0
    assert "KeyError: 'best' in line" in told or "has no attribute 'learn'" in told
    assert "it is called as `balancer.learn(backend, 0.02, False)`" in told

    class Empty:
        pass

    assert check(2, Empty).right == 0
    assert "write `def feeds_back(self, recording):` in the class" in capsys.readouterr().out
    assert check(3, lambda services: {"topology": "isolatd"}).right == 0
    assert "isolated" in capsys.readouterr().out
    assert check(3, lambda services: "isolated").right == 0
    assert "a design is a dictionary" in capsys.readouterr().out


def test_seeds_are_not_shown(capsys):
    for exercise in MODULES:
        check(exercise, stub(exercise))
    told = capsys.readouterr().out
    assert "seed" not in told
    for number in range(10):
        assert str(finding.hidden(1, number)) not in told
