"""Reads `run.until`: what a run waits for, as `harm <= 0.02` or as a mapping."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from simlab.base.units import NUMBER
from simlab.lab.score import SCORES
from simlab.scenario import keys
from simlab.scenario.parts import Part
from simlab.scenario.reader import Node
from simlab.scenario.scenario import Until
from simlab.scenario.walker import Walker, show

BRIEF = re.compile(
    rf"\s*(?:({'|'.join(keys.STATS)})\s+)?([a-z][a-z0-9_]*)(?:\s+minus\s+([a-z][a-z0-9_]*))?\s*<=\s*({NUMBER})\s*"
)
HARM = "harm"
TIMES = 16  # the most replications, in floors
FEWEST = 30  # below this there is no interval to wait for
PATH = "run.until"

Stat = Callable[[Node | str, str], tuple[Any, float | None]]


def until(
    walker: Walker, run: Mapping[str, Any], world: Part, arms: Collection[str], harm: bool, stat: Stat
) -> tuple[Until | None, dict[str, Any] | None]:
    """What a run waits for, with its document; None after faults, or where it waits for nothing."""
    node: Node | None = run.get("until")
    if node is None:
        return None, None
    before = walker.faults
    written = _spelt_out(walker, node)
    if written is None:
        return None, None
    values = walker.table(written, PATH, keys.UNTIL)
    given = written.value if isinstance(written.value, dict) else {}
    name, of_harm = values["measure"], values["measure"] == HARM
    if of_harm and not harm:
        hint = "declare it, e.g. `harm: {measure: drawdown, above: 0.03}`, or name a measure"
        walker.fault(given["measure"], f"{PATH}.measure", "this scenario declares no harm", hint)
    elif not of_harm and world.owner is not None:
        walker.one_of(
            name, [*world.owner.measures, *SCORES, HARM], given.get("measure", node), f"{PATH}.measure", "measure"
        )
    kind, exceeds = stat(values["stat"], PATH)
    if of_harm and "stat" in given:
        walker.fault(
            given["stat"].place, f"{PATH}.stat", "harm has no other statistic than how often it comes", "remove it"
        )
    walker.one_of(values["versus"], arms, given.get("versus", node), f"{PATH}.versus", "arm")
    floor = run["replications"]
    most = values["most"] if values["most"] is not None else floor and min(TIMES * floor, keys.MOST_REPLICATIONS)
    if floor is not None and floor < FEWEST:
        hint = f"set `run.replications`, the floor, to at least {FEWEST}; 256 is what coverage was measured with"
        walker.fault(node.place, PATH, f"fewer than {FEWEST} replications give no interval to wait for", hint)
    elif floor is not None and most is not None and most < floor:
        walker.fault(given["most"], f"{PATH}.most", f"must be at least `run.replications`, {floor}, not {most}")
    if walker.faults > before or most is None:
        return None, None
    found = Until(None if of_harm else name, kind, exceeds, values["half_width"], most, values["versus"])
    told = show(keys.UNTIL, values) | {"most": most}
    return found, told if of_harm else told | {"stat": kind if exceeds is None else {"exceeds": exceeds}}


def _spelt_out(walker: Walker, node: Node) -> Node | None:
    """The mapping that a brief `p95 drawdown minus isolated <= 0.01` stands for."""
    if not isinstance(node.value, str):
        return node
    found = BRIEF.fullmatch(node.value)
    if not found:
        hint = "write e.g. `harm <= 0.02`, `drawdown <= 0.001` or `p95 drawdown minus isolated <= 0.01`"
        walker.fault(node, PATH, f"cannot read `{node.value:.60}` as something to wait for", hint)
        return None
    stat, measure, versus, width = found.groups()
    inside: dict[str, Any] = {"measure": measure, "stat": stat, "versus": versus, "half_width": float(width)}
    return Node({key: Node(v, node.mark, node.mark) for key, v in inside.items() if v is not None}, node.mark, node.key)
