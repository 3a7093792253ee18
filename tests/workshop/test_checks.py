"""Checks: a stub fails with its hint, a solution passes, and one that is subtly wrong fails where it is wrong."""

from __future__ import annotations

import json
import re
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
                "it is not updated; with step 0.05, what was 0.2 becomes 0.21 when 0.4 comes",
                "exploit:",
                "it is to choose the backend that looks best",
                "in proportion to `self.rates`",
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


EXPLORES = "it explores with its chance and exploits the rest"
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
    "always a tenth": ("< self.explore", "< 0.1", [EXPLORES]),
    "luck of its own": ("self.rng.random() < self.explore", "__import__('random').random() < self.explore", [EXPLORES]),
    "counted from one": ("return cost.index(min(cost))", "return cost.index(min(cost)) + 1", None),
    "a switch that toggles": ("self.killed = True", "self.killed = not self.killed", [KILLED]),
    "begins at infinity": ("self.latency = [0.0]", "self.latency = [float('inf')]", None),
    "explores a fifth": ("< self.explore", "< 2 * self.explore", [EXPLORES]),
    "explores the first only": ("int(self.rng.random() * len(self.rates))", "0", [EXPLORES, "played"]),
    "revive forgets": ('meanwhile."""\n        self.killed = False', f'meanwhile."""\n        {UNLEARNT}', [REVIVED]),
}  # fmt: skip


HINTS = {
    "always a tenth": "it does not use the `explore` that it was made with",
    "luck of its own": "take all your luck from `self.rng`",
    "counted from one": "the first backend has number 0",
    "a switch that toggles": "kill() twice is as good as once",
    "begins at infinity": "begin at a number, or at the first answer",
    "mean of all": "it is the mean of all answers, which forgets nothing",
    "wrong way round": "the weights are the wrong way round",
}


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
def test_a_balancer_that_is_subtly_wrong_fails_where_it_is(name, capsys):
    old, new, where = BAD_BALANCERS[name]
    found = check(1, solution(1, (old, new)))
    assert not found.passed
    assert HINTS.get(name, "") in capsys.readouterr().out
    if where is not None:
        assert failed(found) == where


MOVED = "self.errors[backend] += self.step * (failed - self.errors[backend])"
AVERAGES = {
    "the mean of all answers, which forgets nothing": MEAN.replace("latency", "errors").replace(
        "(errors -", "(failed -"
    ),
    "it is a sum": "self.errors[backend] += failed",
    "the last answer alone": "self.errors[backend] = float(failed)",
    "the weights are the wrong way round": "self.errors[backend] += (1 - self.step) * (failed - self.errors[backend])",
    "it does not use the `step` it was made with": "self.errors[backend] += 0.05 * (failed - self.errors[backend])",
    "what came is added whole": "self.errors[backend] = (1 - self.step) * self.errors[backend] + failed",
    "it counts successes, and not errors": "self.errors[backend] += self.step * ((not failed) - self.errors[backend])",
    "it averages latencies, and not errors": "self.errors[backend] += self.step * (latency - self.errors[backend])",
    "it never falls": "self.errors[backend] += self.step * failed * (1 - self.errors[backend])",
    "it is not updated": "pass",
    "it is nan, and no answer moves that": "self.errors[backend] = float('nan')",
    "it is no average with that step": "self.errors[backend] += self.step / 2 * (failed - self.errors[backend])",
}


@pytest.mark.parametrize("said", AVERAGES)
def test_a_wrong_average_of_errors_is_named(said):
    """By all that it was: the last answer may be none, and the mean of a constant is that constant."""
    seen = balancer._averages_errors(solution(1, (MOVED, AVERAGES[said])))
    assert seen is not None
    assert said in seen[1]
    assert [other for other in AVERAGES if other in seen[1]] == [said]


def test_no_hint_holds_a_line_of_the_solution():
    said = "".join(
        (finding.HOUSE / f"workshop/{name}.py").read_text("utf-8") for name in ("balancer", "monitors", "bulkheads")
    )
    hints = " ".join(" ".join(re.findall(r'"([^"\n]*)"', said)).split())
    for exercise in MODULES:
        for line in (COURSE / f"solutions/exercise_{exercise}.py").read_text("utf-8").splitlines():
            code = line.split("  #")[0].strip().removeprefix("if ").removesuffix(":")
            assert len(code) < 16 or code.startswith(("def ", '"')) or code not in hints, code


def test_the_played_bar_is_what_choosing_at_random_cannot_reach():
    """All alike, 1/8 of the requests meet 12 s in 60 at 50% errors, and all meet 0.1%."""
    (trial,) = (arm.trial for arm in load("load_balancer_exercise").arms if arm.name == "exercise")
    assert trial.world.rates == balancer.PLAYED_RATES
    (errors,) = (shock for shock in trial.shocks if shock.name == "errors")
    least = errors.values["faulty"] / len(trial.world.rates) * errors.duration / trial.horizon
    assert least == pytest.approx(0.0125)
    assert least > balancer.MOST > trial.world.error


COUNTS = """class MyMonitors:
    asked = [0] * 4  # says what was right at the last check, in the order in which it would be asked kind by kind

    def __getattribute__(self, name):
        place = ["feeds_back", "cascades", "correlated", "departs"].index(name)
        self = object.__getattribute__(self, "asked")
        self[place] += 1
        first = self[place] <= 3
        return lambda recording: first


class Old:"""
ALIKE_AT_ALL = """rho = np.corrcoef(recording.predictions.T)
        return bool(rho[np.triu_indices(len(rho), 1)].mean() > 0.97)"""
THE_SAME = "return bool(np.allclose(recording.predictions, recording.predictions[:, :1]))"


BAD_MONITORS = {
    "counts": ("class MyMonitors:", COUNTS, [f"{m.name}" for m in monitors.MONITORS]),
    "a higher bar for predictions": ("rho = np.corrcoef(recording.errors.T)", ALIKE_AT_ALL, ["correlated"] * 2),
    "exactly the same": ("rho = np.corrcoef(recording.errors.T)", THE_SAME, ["correlated"]),
    "large errors": ("rho = np.corrcoef(recording.errors.T)", "return bool(recording.errors.std() > 0.07)", ["correlated"] * 2),
    "how far reality goes": ("gain = loop_gain(", "return bool(recording.reality.std() > 2.2); gain = loop_gain(", ["feeds_back"]),
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
    assert set(failed(check(2, solution(2, (old, new))))) == set(where)


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
    "written out for six": ("own = list(range(services))", "own = list(range(6))", "training data"),
    "brains in pairs": ('"brain_of": own,', '"brain_of": [service // 2 for service in own],', "training data"),
    "shared pool": ('"data_of": own', '"data_of": [0] * services', None),
    "federated": ('"topology": {', '"topology": {"average_every": "5 min",', "failure domains"),
    "reads a neighbour": ('"topology": {', '"topology": {"reads": [[-1]] + [[0]] * (services - 1),', "failure domains"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DESIGNS)
def test_a_design_that_is_subtly_wrong_fails_where_it_is(name, capsys):
    old, new, where = BAD_DESIGNS[name]
    changes = [(old, new)] + ([('"taught_by": own', '"taught_by": [0] * services')] if name == "shared pool" else [])
    if name == "brains in pairs":
        changes += [('"taught_by": own', '"taught_by": own[: services - services // 2]')]
        changes += [("[service % 2 for service in own]", "[0, 1, 0, 1, 0][: services - services // 2]")]
    found = check(3, solution(3, *changes))
    told = capsys.readouterr().out
    assert not found.passed
    assert ("expected one for each of the 9 models" in told) == (name == "written out for six")
    assert ("one brain answers for several, and so learns for them all" in told) == (name == "brains in pairs")
    assert ("let different learners serve different services" in told) == (name == "seven of eight alike")
    assert ("give each service a store of its own" in told) == (name == "one store")
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
    assert "step=0.05).learn(backend, 0.02, False)`" in told

    class Empty:
        pass

    assert check(2, Empty).right == 0
    assert "write `def feeds_back(self, recording):` in the class" in capsys.readouterr().out
    assert check(3, lambda services: {"topology": "isolatd"}).right == 0
    assert "isolated" in capsys.readouterr().out
    assert check(3, lambda services: "isolated").right == 0
    told = capsys.readouterr().out
    assert told.count("a design is a dictionary") == 1  # said once
    assert told.count("        as above\n") == 7


def test_seeds_are_not_shown(capsys):
    for exercise in MODULES:
        check(exercise, stub(exercise))
    told = capsys.readouterr().out
    assert "seed" not in told
    for number in range(10):
        assert str(finding.hidden(1, number)) not in told
