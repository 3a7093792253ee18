"""A scenario in the manner of NetLogo's info tab: what it is, how it works, what to notice, and what to try.

All of it comes from what scenarios and worlds hold already: the story, the world's method section, the claims, and the studies, variants,
arms and controls, each with a command that runs.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simlab.base.errors import InputError
from simlab.base.par import CHOSEN, parameters
from simlab.base.units import pretty
from simlab.scenario.describe import Section, claimed
from simlab.scenario.load import shipped, title
from simlab.scenario.scenario import Scenario

FEW = 3  # claims that are put as questions
STEP = "    "  # before a line that is shown as it stands: an equation, a command


def sections(scenario: Scenario, called: Sequence[str] = (), more: Sequence[str] = ()) -> Iterator[Section]:
    """The four sections, after the title. A command names the scenario as it was `called` and goes on with `more`."""
    yield Section(scenario.title)
    yield Section("What is it", scenario.story.strip())
    yield Section("How it works", method(type(scenario.arms[0].trial.world)))
    yield Section("Things to notice", "\n".join(f"- {text}" for text in notice(scenario)))
    tries = things_to_try(scenario, called or (scenario.name,), more)
    yield Section("Things to try", "\n".join(f"{what}:\n{STEP}{shlex.join(command)}" for what, command in tries))


def method(owner: type[object]) -> str:
    """The method section of a class: the docstring of its module, or its own where the module has none.

    A paragraph is one line, and what is indented (an equation) stays as it was written.
    """
    text = inspect.cleandoc(getattr(sys.modules.get(owner.__module__), "__doc__", None) or owner.__doc__ or "")
    lines: list[str] = []
    for line in text.splitlines():
        flows = bool(line.strip()) and not line.startswith(STEP)
        if flows and lines and lines[-1] and not lines[-1].startswith(STEP):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)


def notice(scenario: Scenario) -> list[str]:
    """What the story tells to watch, and the first claims as questions with what the model says to them."""
    story = re.split(r"(?<=[.?!])\s+(?=[A-Z])", " ".join(scenario.story.split()))
    found = [text for text in story if re.match(r"(Watch|Follow|Compare|Then compare|Notice|Look)\b", text)]
    for claim in scenario.resolved.get("claims", ())[:FEW]:
        what, because = claimed(claim)
        said = what.removesuffix(" (expected false)")
        answer = "It is not" if what != said else "It is expected"
        found.append(f"Is it true that {said}? {answer}: {' '.join(because.split()).removesuffix('.')}.")
    if scenario.factorial:
        seams = " or the ".join(scenario.factorial.seams)
        found.append(f"Is it the {seams} that moves {scenario.headline}, and does each do so alone or only together?")
    if not found:
        found.append(f"How does {scenario.headline} differ between the arms, and from {scenario.controls[0].title}?")
    return found


def things_to_try(
    scenario: Scenario, called: Sequence[str], more: Sequence[str] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What to try, each with the arguments of a command."""

    def command(verb: str, *rest: str) -> tuple[str, ...]:
        return "simlab", verb, *called, *rest, *more

    first, last = scenario.arms[0], scenario.arms[-1]
    yield "Play it, and read the report", command("run")
    for study in scenario.studies:
        yield study.title, command("study", "--only", study.name)
    if first is not last:
        what = f"“{last.title}” against “{first.title}”, measure by measure"
        yield what[0].upper() + what[1:], command("compare", first.name, last.name)
    for control in scenario.controls:
        told = ("--arm", last.name, "--replication", "0", "--control", control.name, "--ticks", "0:5")
        yield f"The first ticks of “{last.title}” under the control “{control.title}”", command("trace", *told)
    world = scenario.arms[0].trial.world
    kind = next(iter(scenario.resolved["world"]))
    for name, other in _halved(world)[:FEW]:
        par = parameters(type(world))[name].par
        value = pretty(other) if par.unit == "s" else f"{other:.12g}"
        yield f"With half of `{name}`, {par.about}", command("run", "--set", f"world.{kind}.{name}={value}")
    for name, text in variants(scenario):
        yield text, ("simlab", "run", name, *more)
    yield "How early detectors warn, and how often in vain", command("score")
    yield "The seven readiness drills", command("readiness", "--arm", last.name)


def variants(scenario: Scenario) -> list[tuple[str, str]]:
    """Other shipped scenarios in the same world, by name and title; none for a scenario that is not shipped."""
    known = shipped()
    if known.get(scenario.name) != Path(scenario.path or ""):
        return []
    world = next(iter(scenario.resolved["world"]))
    family = [name for name in known if name != scenario.name and (name == world or name.startswith(f"{world}_"))]
    return [(name, title(known[name])) for name in family]


def _halved(world: Any) -> list[tuple[str, float]]:
    """Real parameters of a world that may be halved as they are, with their halves: those that were chosen, the live ones first."""
    found = []
    for name, (_, kind, par, _) in parameters(type(world)).items():
        if kind is float and par.source == CHOSEN and getattr(world, name):
            try:
                other = dataclasses.replace(world, **{name: getattr(world, name) / 2})
            except (InputError, ArithmeticError, ValueError):
                continue
            if (other.spec, other.tick) == (world.spec, world.tick):
                found.append((not par.live, name, getattr(other, name)))
    return [(name, half) for _, name, half in sorted(found, key=lambda one: one[0])]
