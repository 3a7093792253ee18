"""Typed values out of a tree, by the tables of `Parameter`; every fault is noted with its place and its remedy.

Nothing is coerced: `true` is not 1, `"3"` is not 3; a whole number serves where a number is asked. What cannot be
read becomes None and counts as a fault, so the reading goes on and finds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING
from typing import Any, final, get_args, get_origin

from simlab.base.errors import InputError, did_you_mean, nearest
from simlab.base.par import Par, Parameter
from simlab.base.units import pretty, seconds
from simlab.scenario.keys import TEXT, TITLE
from simlab.scenario.problems import Mark, Problems
from simlab.scenario.reader import Invalid, Node, join

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(10))}


@final
class Walker:
    """Reads values and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems = Problems()

    @property
    def faults(self) -> int:
        """How many faults were met; a section in which it grew is unusable."""
        return self.problems.faults

    def fault(self, node: Node | Mark | None, path: str, message: str, hint: str = "") -> None:
        """Note a fault at a node or a mark."""
        self.problems.add(node.mark if isinstance(node, Node) else node, path, message, hint)

    def mapping(self, node: Node, path: str, example: str = "") -> dict[str, Node]:
        """The entries of a mapping; nothing at all counts as an empty one."""
        if isinstance(node.value, dict):
            return node.value
        if node.value is not None:
            self._expected(node, path, "a mapping", f"write e.g. `{example}`" if example else "")
        return {}

    def items(self, node: Node, path: str, example: str = "") -> list[Node]:
        """The entries of a list."""
        if isinstance(node.value, list):
            return node.value
        if node.value is not None:
            self._expected(node, path, "a list", f"write e.g. `{example}`" if example else "")
        return []

    def names(self, node: Node, path: str, what: str, example: str) -> dict[str, Node]:
        """The entries of a mapping from names that the user chose."""
        found = self.mapping(node, path, example)
        for name, entry in found.items():
            if not NAME.fullmatch(name) or name in RESERVED:
                known = "has a meaning to the file system" if name in RESERVED else "is not a name"
                hint = "write small letters, digits and _, at most 60, e.g. `shared_brain`; `title` is free text"
                self.fault(entry.key, join(path, name[:60]), f"{what} `{name[:60]}` {known}", hint)
        return found

    def table(
        self, node: Node, path: str, table: Mapping[str, Parameter], what: str = "key", also: Collection[str] = ()
    ) -> dict[str, Any]:
        """Every value of a table, defaults filled in; keys of kind Node come as they are. `also` are other known keys."""
        given = self.mapping(node, path)
        misspelt = set()
        for name, entry in given.items():
            if name not in table and name not in also:
                misspelt.add(nearest(name, [*table, *also]))
                hint = did_you_mean(name, [*table, *also]) if table or also else f"there is no {what} here"
                self.fault(entry.key, join(path, name), f"unknown {what}", hint)
        values = {}
        for name, parameter in table.items():
            if name in given and not (given[name].value is None and parameter.default is not MISSING):
                values[name] = self.value(given[name], join(path, name), parameter.kind, parameter.par)
            elif parameter.default is MISSING:
                if isinstance(node.value, dict | None) and name not in misspelt:
                    what_for = f"missing; {parameter.par.about}"
                    self.fault(node.place, join(path, name), what_for, f"add e.g. `{name}: {example(parameter)}`")
                values[name] = None
            else:
                values[name] = parameter.default
        return values

    def value(self, node: Node, path: str, kind: Any, par: Par) -> Any:
        """One value of a declared type, within its bounds."""
        if kind is Node:
            return node
        value = node.value
        if isinstance(value, Invalid):
            self.problems.faults += 1
            return None
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                return self._expected(node, path, "a list", "write e.g. `[0, 1]`" if kind == tuple[int, ...] else "")
            item = get_args(kind)[0]
            return tuple(self.value(entry, join(path, str(i)), item, par) for i, entry in enumerate(value))
        if kind is float and par.unit == "s":
            return self._time(node, path, par)
        if kind is bool:
            return value if isinstance(value, bool) else self._expected(node, path, "true or false")
        if kind is str:
            return self._text(node, path, par)
        if type(value) is float and kind is int and value == int(value):
            wrong = par.why_not(value)
            if wrong:
                return self.fault(node, path, f"{wrong}, not {value}", par.about)
            return self._expected(node, path, "a whole number", f"write `{int(value)}`")
        if type(value) is not int and not (kind is float and type(value) is float):
            what = "a whole number" if kind is int else "a number"
            return self._expected(node, path, what, _unquote(value, par))
        wrong = par.why_not(value)
        if wrong:
            return self.fault(node, path, f"{wrong}, not {value}", par.about)
        return float(value) if kind is float else value

    def one_of(self, name: str | None, known: Collection[str], node: Node, path: str, what: str) -> bool:
        """Whether `name` is known; None was reported before."""
        if name is not None and name not in known:
            hint = did_you_mean(str(name), known) if known else f"there is no {what} here"
            self.fault(node, path, f"unknown {what} `{name:.60}`", hint)
        return name in known

    def _text(self, node: Node, path: str, par: Par) -> Any:
        value = node.value
        if not isinstance(value, str):
            shown = "true" if value is True else "false" if value is False else value
            scalar = not isinstance(value, dict | list) and value is not None
            return self._expected(node, path, "text", f'write `"{shown}"`' if scalar else "")
        most = TITLE if path.endswith("title") else TEXT
        if len(value) > most:
            return self.fault(node, path, f"{len(value):,} characters; at most {most:,}", "shorten it")
        wrong = par.why_not(value)
        if wrong:
            return self.fault(node, path, f"`{value[:60]}` {wrong.partition(';')[0]}", did_you_mean(value, par.choices))
        return value

    def _time(self, node: Node, path: str, par: Par) -> Any:
        value = node.value
        if not isinstance(value, str):
            number = type(value) in (int, float)
            if number and par.why_not(value):
                return self.fault(node, path, f"{par.why_not(value)}, not {value}", "write e.g. `30 s`")
            return self._expected(
                node, path, "a time with its unit", f"write `{value} s`" if number else "write e.g. `30 s`"
            )
        try:
            found = seconds(value)
        except InputError as error:
            message, _, hint = str(error).partition("; ")
            return self.fault(node, path, message, hint)
        wrong = par.why_not(found)
        return self.fault(node, path, f"{wrong}, not {value}", par.about) if wrong else found

    def _expected(self, node: Node, path: str, what: str, hint: str = "") -> Any:
        if isinstance(node.value, Invalid):
            self.problems.faults += 1
        else:
            self.fault(node, path, f"expected {what}, not {describe(node.value)}", hint)


def describe(value: Any) -> str:
    """A value in the words of an error message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f'the text "{value[:40]}{"..." if len(value) > 40 else ""}"'
    return f"{value!r:.60}"


def show(table: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a table as plain JSON data that read back as the same values; what is left out stays out."""
    return {
        name: _shown(values[name], parameter)
        for name, parameter in table.items()
        if parameter.kind is not Node and values.get(name) is not None
    }


def _shown(value: Any, parameter: Parameter) -> Any:
    if isinstance(value, tuple):
        return [_shown(item, parameter) for item in value]
    return pretty(value) if parameter.par.unit == "s" and type(value) in (int, float) else value


def example(parameter: Parameter) -> str:
    """A value that could be written for a parameter."""
    examples = {
        "schema": "1", "title": "What the scenario shows", "world": "{flash_crash: {}}", "brain": "{ridge: {}}",
        "run": "{replications: 256, horizon: 30 min, seed: 1}", "arms": "{isolated: {topology: isolated}}",
        "controls": "{feedback_off: {}, no_stressor: {}}", "topology": "isolated", "horizon": "30 min",
    }  # fmt: skip
    if parameter.name in examples:
        return examples[parameter.name]
    if parameter.par.choices:
        return parameter.par.choices[0]
    if parameter.par.unit == "s":
        return "30 s"
    number = parameter.par.low if parameter.par.low is not None else (parameter.par.above or 0) + 1
    return {str: "...", bool: "true"}.get(parameter.kind, f"{number:g}")


def _unquote(value: Any, par: Par) -> str:
    """The hint for text where a number was expected."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", value):
        return f"write `{value}` without quotes"
    number = re.match(r"[-+]?[0-9.]+", value) if isinstance(value, str) else None
    unit = "" if par.unit == "1" else f"a number in {par.unit}, "
    return f"write {unit}e.g. `{number[0]}`" if number else par.about
