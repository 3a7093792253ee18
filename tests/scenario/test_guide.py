"""What it is, how it works, what to notice, what to try: for every shipped scenario, with commands that can be copied."""

import shlex
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from simlab.__main__ import cli
from simlab.scenario import guide
from simlab.scenario.describe import sections as describe
from simlab.scenario.guide import sections, things_to_try, variants
from simlab.scenario.load import load, shipped, tree
from simlab.scenario.reader import override

ROOT = Path(__file__).parents[2]
NOW = {
    "flash_crash",
    "oversight",
    "policing",
    "credit_bubble",
    "cascade_seams",
    "performative_gain",
}  # the rest by night
EVERY = [name if name in NOW else pytest.param(name, marks=pytest.mark.nightly) for name in shipped()]
HEADINGS = ["What is it", "How it works", "Things to notice", "Things to try"]


@cache
def loaded(name):
    return load(name)


def accepted(command):
    """Whether the command line reads these arguments; nothing is run."""
    name, verb, *rest = command
    assert name == "simlab"
    found = cli.get_command(None, verb)
    with found.make_context(verb, rest) as context:
        return bool(context.params)


@pytest.mark.parametrize("name", EVERY)
def test_every_scenario_has_a_guide(name):
    found = loaded(name)
    title, *rest = sections(found, [name])
    assert title.heading == found.title
    assert [section.heading for section in rest] == HEADINGS
    assert all(len(section.text) > 80 for section in rest)
    tries = list(things_to_try(found, [name]))
    assert len({command for _, command in tries}) == len(tries) >= 6
    assert all(command == tuple(shlex.split(shlex.join(command))) and accepted(command) for _, command in tries)
    said = " ".join(shlex.join(command) for _, command in tries)
    assert all(f"--only {study.name}" in said for study in found.studies)
    assert all(f"--control {control.name}" in said for control in found.controls)


@pytest.mark.parametrize("world", sorted(path.stem for path in (ROOT / "simlab" / "worlds").glob("[a-z]*.py")))
def test_the_scenario_of_each_world_says_which_of_your_metrics_set_it(world):
    """Its names are held against the world's parameters when it is read."""
    yours = tree(shipped()[world]).value["yours"].value
    assert len(yours) >= 3
    assert all(len(text.value) > 9 for text in yours.values())


def test_hands_that_act_at_once_are_described_without_their_latency():
    arms = next(section for section in describe(loaded("policing")) if section.heading == "Arms")
    own = {row[0]: row[3] for row in arms.rows}
    assert own["weighted"] == "interventions: [{importance_weight: {least: 0, at: 0 s}}], shocks: none"


@pytest.mark.parametrize("name", ["flash_crash", "credit_bubble"])
def test_what_is_set_can_be_set(name):
    tried = [c for _, c in things_to_try(loaded(name), [name]) if "--set" in c]
    assert tried
    for command in tried:
        load(name, dict([override(command[command.index("--set") + 1])]))


def test_equations_stay_and_paragraphs_flow():
    text = guide.method(type(loaded("cascade").arms[0].trial.world))
    assert "\n    e_i = gain e_{i-1} + n_i,   so   var e_L = s^2 (gain^2L - 1) / (gain^2 - 1)" in text
    assert "is read on a view with an error. A model" in text


def test_variants_are_those_of_the_same_world():
    assert [name for name, _ in variants(load("cascade_seams"))] == ["cascade"]
    assert "cascade_seams" in [name for name, _ in variants(load("cascade"))]
    assert (
        variants(load(ROOT / "scenarios/../scenarios/cascade.yaml")) == []
    )  # a file of one's own, as far as anybody knows


@pytest.mark.parametrize("name", ["flash_crash", "oversight"])
def test_at_80_columns_no_command_and_no_path_is_broken(name):
    told = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["describe", name]).output
    lines, found = told.splitlines(), loaded(name)
    for _, tried in things_to_try(found, [name]):
        assert f"    {shlex.join(tried)}" in lines
    for study in found.studies:
        assert all(f"{axis.path}:" in told for axis in study.axes if not study.brains)
    assert all(len(line.rstrip()) <= 80 for line in lines if not line.startswith("    "))
