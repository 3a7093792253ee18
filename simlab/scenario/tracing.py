"""The `trace:` of a document: recorded values, from a file or written out, that live parameters of the world follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, final

from simlab.base.errors import InputError, did_you_mean
from simlab.base.par import Parameter, parameters
from simlab.base.units import UNITS, pretty, unit_called
from simlab.lab.traces import Trace
from simlab.results.recorded import series
from simlab.scenario import keys
from simlab.scenario.parts import Part
from simlab.scenario.reader import Node
from simlab.scenario.walker import Walker, show

MOST_ROWS = 1_000_000
EXAMPLE = "{demand: {file: demand.csv, time: t, unit: 1/day}}"


class Rows(NamedTuple):
    """What was recorded: times in seconds from 0 on, values as they were written, where each stands, and whence they come.

    `counted` is the column of times whose numbers were read as seconds, if any.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    places: tuple[str, ...]
    source: str
    counted: str | None = None

    @property
    def misread(self) -> str:
        """The unit that the column of times is called after, where its numbers were read as seconds: `week`; else ""."""
        unit = unit_called(self.counted or "") or ""
        return "" if unit == "s" else unit


def factor(unit: str, wanted: str) -> float | None:
    """What turns a value in `unit` into one in `wanted`; None where nothing does. Known are times, rates (`1/day`), and %."""
    if unit == wanted:
        return 1.0
    if (unit, wanted) in (("%", "1"), ("1", "%")):
        return 0.01 if unit == "%" else 100.0
    over = unit.startswith("1/"), wanted.startswith("1/")
    bare = unit.removeprefix("1/"), wanted.removeprefix("1/")
    if over[0] is not over[1] or not set(bare) <= UNITS.keys():
        return None
    return float(UNITS[bare[1]] / UNITS[bare[0]] if over[0] else UNITS[bare[0]] / UNITS[bare[1]])


@final
class Tracing:
    """Reads the traces of a document; files are looked for beside the scenario's own, in `folder`."""

    def __init__(self, walker: Walker, world: Part, folder: Path) -> None:
        self._walker, self._world, self._folder = walker, world, folder

    def traces(
        self, node: Node | None, horizon: float | None, set_by: Mapping[str, str]
    ) -> tuple[tuple[Trace, ...], dict[str, Any]]:
        """The traces, each with a document that holds its values, so that it needs no file any more.

        `set_by` names the shock that sets a parameter: two masters are refused.
        """
        owner = self._world.owner
        if node is None or owner is None:
            return (), {}
        live = {name: p for name, p in parameters(owner).items() if p.par.live}
        found, shown = [], {}
        for name, body in self._walker.mapping(node, "trace", EXAMPLE).items():
            path = f"trace.{name}"
            if name not in live:
                hint = did_you_mean(name, live) if live else "this world has no parameter that may change during a run"
                self._walker.fault(body.key, path, "not a live parameter of the world", hint)
                continue
            if name in set_by:
                what = f"the shock `{set_by[name]}` sets {name} too"
                self._walker.fault(
                    body.key, path, what, f"take `shocks.{set_by[name]}` out, and what arms and claims make of it"
                )
                continue
            read = self._trace(body, path, live[name], horizon)
            if read is not None:
                found.append(read[0])
                shown[name] = read[1]
        return tuple(found), shown

    def _trace(
        self, node: Node, path: str, parameter: Parameter, horizon: float | None
    ) -> tuple[Trace, dict[str, Any]] | None:
        before = self._walker.faults
        values = self._walker.table(node, path, keys.TRACE)
        if self._walker.faults > before:
            return None
        by = factor(values["unit"], parameter.par.unit)
        if by is None:
            what = f"`{values['unit']}` is not the unit of {parameter.name} and cannot be turned into it"
            self._walker.fault(node.value["unit"], f"{path}.unit", what, f"give it in {parameter.par.unit}")
            return None
        rows = self._rows(values, node, path, parameter.name)
        if rows is None:
            return None
        if len(rows.times) < 2:
            what = f"{rows.places[0] if rows.places else 'no row'}: is all there is, and a record has two rows or more"
            self._walker.fault(node.place, path, what, f"for a constant give the world's own `{parameter.name}`")
            return None
        scaled = tuple(value * by for value in rows.values)
        for value, read, place in zip(scaled, rows.values, rows.places, strict=True):
            wrong = parameter.par.why_not(value)
            if parameter.kind is int and value != int(value):
                wrong = wrong or "must be a whole number"
            if wrong:
                what = (
                    f"{wrong}, not {read:.6g}" if by == 1 else f"{wrong}, not {value:.6g} ({read:.6g} {values['unit']})"
                )
                self._walker.fault(node.place, path, f"{place}: {what}", parameter.par.about)
                return None
        typed = tuple(int(value) for value in scaled) if parameter.kind is int else scaled
        for value in (max(typed), min(typed)):  # bounds that the world draws itself, told once and not by every arm
            wrong = self._refusal(parameter.name, value)
            if wrong:
                self._walker.fault(node.place, path, f"{rows.places[typed.index(value)]}: {wrong}", parameter.par.about)
                return None
        tick = self._world.made.tick if self._world.made is not None else 0.0
        steps = [later - time for time, later in pairwise(rows.times)]
        if steps and 0 < min(steps) < tick * (1 - 1e-9):
            what = f"rows are {pretty(min(steps))} apart, and the world goes in ticks of {pretty(tick)}"
            hint = (
                f"if a row is a {rows.misread}, write `every: 1 {rows.misread}` in the place of `time: {rows.counted}`"
            )
            if not rows.misread:
                hint = "average them to one row a tick" + (f"; `{rows.counted}` counts seconds" if rows.counted else "")
            self._walker.fault(node.place, path, what, hint)
            return None
        last = rows.times[-1] - rows.times[-2] if len(rows.times) > 1 else values["every"] or math.inf
        ends = rows.times[-1] + last  # the last value holds as long as the one before
        if horizon is not None and not values["repeat"] and ends < horizon * (1 - 1e-9):
            what = f"covers {pretty(ends)} of the {pretty(horizon)} that are played"
            hint = "shorten `run.horizon`, or say `repeat: true` to begin it anew"
            if rows.misread:
                hint = f"`{rows.counted}` counts seconds: write `every: 1 {rows.misread}` in its place; or {hint}"
            self._walker.fault(node.place, path, what, hint)
            return None
        shown = show(keys.TRACE, {**values, "file": None, "time": None, "column": None, "every": None, "gap": None})
        shown |= {"values": list(rows.values), "times": list(rows.times), "source": rows.source, "every": f"{last!r} s"}
        try:
            trace = Trace(parameter.name, rows.times, typed, ends if values["repeat"] else math.inf)
        except InputError as error:
            self._walker.fault(node.place, path, str(error))
            return None
        return trace, {key: value for key, value in shown.items() if value != "inf s"}

    def _refusal(self, name: str, value: float) -> str:
        """Why the world cannot take another value of one of its parameters, or ""."""
        try:
            if self._world.made is not None:
                replace(self._world.made, **{name: value})
        except InputError as error:
            return str(error)
        return ""

    def _rows(self, values: dict[str, Any], node: Node, path: str, name: str) -> Rows | None:
        """The rows of a file, or those that are written out."""
        walker, here = self._walker, node.place
        if (values["file"] is None) == (values["values"] is None):
            what = "expected one of `file` and `values`" + ("" if values["file"] is None else ", not both")
            walker.fault(here, path, what, "write e.g. `file: demand.csv`")
            return None
        written = values["values"]
        if written is not None:
            times = values["times"]
            if not written or (times is None and values["every"] is None) or len(times or written) != len(written):
                walker.fault(here, path, "expected values and their distance, or a time for each", "add `every: 1 day`")
                return None
            times = times or tuple(i * values["every"] for i in range(len(written)))
            return Rows(
                times, written, tuple(f"value {i + 1}" for i in range(len(written))), values["source"] or "written out"
            )
        if (values["time"] is None) == (values["every"] is None):
            what = "expected one of `time`, the column of times, and `every`, the time from row to row"
            walker.fault(here, path, what, "write e.g. `time: t`")
            return None
        file, column = self._folder / values["file"], values["column"] or name
        try:
            found = series(file, column, values["time"], values["every"], values["gap"])
        except InputError as error:
            walker.fault(node.value["file"], f"{path}.file", str(error))
            return None
        if len(found.values) > MOST_ROWS:
            walker.fault(
                node.value["file"], f"{path}.file", f"{len(found.values):,} rows; at most {MOST_ROWS:,}", "shorten it"
            )
            return None
        source = values["source"] or f"column {column} of {Path(values['file']).name}"
        counted = values["time"] if found.counted else None
        return Rows(tuple(found.times.tolist()), tuple(found.values.tolist()), found.places, source, counted)
