"""How a run differs from the scenario whose story is told: values by `--set`, other replications, another seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simlab.results.differences import changed, short
from simlab.scenario.build import rebuild
from simlab.scenario.load import shipped, tree
from simlab.scenario.problems import ScenarioError
from simlab.scenario.scenario import Scenario
from simlab.studies.runner import ASIDE

FEW = 6  # differences that are named one by one


def altered(scenario: Scenario) -> str:
    """In what a run differs from its scenario as it was written, in a sentence; "" where it does not, or nobody can know.

    That is the file it came from, or the shipped scenario of its name, as far as it tells the same story.
    """
    file = Path(scenario.path) if scenario.path else shipped().get(scenario.name)
    there = _document(file, scenario) if file else None
    if file is None or there is None or there["story"] != scenario.story:
        return ""
    found = list(changed(there, {key: value for key, value in scenario.resolved.items() if key not in ASIDE}))
    if not found:
        return ""
    told = [_said(*one) for one in found[:FEW]] + ([f"and {len(found) - FEW} more"] if len(found) > FEW else [])
    where = "as shipped" if shipped().get(scenario.name) == file else f"as in {file.name}"
    return f"Told {where}; in this run {'; '.join(told)}."


def _document(file: Path, scenario: Scenario) -> Mapping[str, Any] | None:
    """What a file says, resolved; None where it cannot be read any more."""
    try:
        whole = tree(file)
        kept = {key: node for key, node in whole.value.items() if key not in ASIDE}
        return rebuild(whole._replace(value=kept), scenario.name, scenario.registry, str(file)).resolved
    except (ScenarioError, AttributeError):
        return None


def _said(path: str, old: Any, new: Any) -> str:
    if old == "nothing":
        return f"{path} is {short(new)}"
    return f"{path} is {short(new)}, not {short(old)}" if new != "nothing" else f"{path} is left out"
