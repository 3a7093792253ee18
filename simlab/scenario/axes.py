"""Axes of a study: which values a path takes, out of a YAML list or out of text such as `0:2:5`, `log:0.01:1:3`, `0 s:5 min:6`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from simlab.base.errors import InputError
from simlab.base.units import pretty, seconds
from simlab.scenario.keys import MOST_POINTS
from simlab.scenario.patch import put
from simlab.scenario.problems import Mark, Problem, ScenarioError, Source
from simlab.scenario.reader import Node, plain, read_text
from simlab.scenario.scenario import Axis
from simlab.scenario.walker import Walker

_RANGE = re.compile(r"(log:)?([^:,{}\[\]\"']+):([^:,{}\[\]\"']+)(?::([^:,]*))?")
_DASHED = re.compile(
    r"([+-]?[\d.]\S*(?: [a-z]+)?) *(?:-|\N{EN DASH}|\.{2,3}| to ) *([+-]?[\d.]\S*(?: [a-z]+)?)"
)  # as in a text
_WRITE = "write e.g. `0:2:5`, `log:0.01:1:3` or `0 s:5 min:6`"


def read_axis(walker: Walker, name: str, node: Node, path: str, design: str) -> Axis | None:
    """The axis called `name` (a dotted path) as written in `node`: a list of values, or the text of a range."""
    if isinstance(node.value, list):
        values = tuple(plain(entry) for entry in node.value)
        if len(values) < 2:
            hint = (values and _as_range(values[0], design)) or "write e.g. `[1, 2]`; a single one belongs under `set`"
            walker.fault(node, path, "expected at least two values", hint)
            return None
        twice = [entry for i, entry in enumerate(node.value) if values[i] in values[:i]]
        if twice:
            walker.fault(twice[0], path, f"`{plain(twice[0])}` is there twice", "remove one")
            return None
        return Axis(name, values)
    found = _RANGE.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
    if found is None:
        hint = _as_range(node.value, design) or f"{_WRITE}, or `[1, 2, 4]`"
        walker.fault(node, path, "expected a list of values or a range", hint)
        return None
    return _range(walker, name, node, path, design, found)


def _as_range(written: Any, design: str) -> str:
    """How a range is spelled that was written as `2.9-4.5`, `2.9..4.5` or `1 s to 4 s`; "" for anything else."""
    found = _DASHED.fullmatch(written.strip()) if isinstance(written, str) and len(written) < 100 else None
    sizes = [_size(_scalar(end.strip())) for end in found.groups()] if found else []
    if found is None or None in sizes:
        return ""
    spelled = f"{found[1].strip()}:{found[2].strip()}"
    return f"write `{spelled}:5` for five values" if design == "grid" else f"write `{spelled}`"


def _range(walker: Walker, name: str, node: Node, path: str, design: str, found: re.Match[str]) -> Axis | None:
    ends = [_scalar(found[i].strip()) for i in (2, 3)]
    sizes = [_size(end) for end in ends]
    if None in sizes or isinstance(ends[0], str) is not isinstance(ends[1], str):
        walker.fault(node, path, f"cannot read `{node.value:.60}` as a range of numbers or of times", _WRITE)
        return None
    low, high = (size for size in sizes if size is not None)
    count = found[4]
    if not low < high:
        walker.fault(node, path, "a range goes from its lowest to its highest value", _WRITE)
    elif found[1] and low <= 0:
        walker.fault(node, path, "equal ratios need a range above 0", "leave `log:` out, or begin above 0")
    elif design == "grid" and count is None:
        walker.fault(node, path, "a range in a grid says of how many values", f"write e.g. `{node.value.strip()}:5`")
    elif design != "grid" and count is not None:
        shorter = node.value.strip().rpartition(":")[0]
        walker.fault(node, path, f"`{design}` draws its own values", f"write `{shorter}`; `points` says how many")
    elif count is not None and not (re.fullmatch(r"\s*\d{1,6}\s*", count) and 2 <= int(count) <= MOST_POINTS):
        walker.fault(node, path, f"`{count.strip():.20}` values; expected from 2 to {MOST_POINTS:,}", _WRITE)
    else:
        return Axis(name, (), ends[0], ends[1], None if count is None else int(count), bool(found[1]))
    return None


def _scalar(text: str) -> Any:
    try:
        return read_text(text, Source(text, (text,), numbered=False)).value
    except ScenarioError:
        return None


def _size(end: Any) -> Fraction | None:
    """A number, or a time in seconds, exactly as written."""
    if isinstance(end, str):
        try:
            return Fraction(repr(seconds(end)))
        except InputError:
            return None
    return Fraction(repr(end)) if type(end) in (int, float) else None


def values_of(axis: Axis) -> tuple[Any, ...]:
    """The values of an axis of a grid. Steps are exact fractions of what was written: `0:0.3:4` is 0, 0.1, 0.2, 0.3."""
    if axis.low is None or axis.steps is None:
        return axis.listed
    return tuple(at(axis, Fraction(i, axis.steps - 1), 12) for i in range(axis.steps))


def at(axis: Axis, share: Fraction | float, digits: int = 6, *, whole: bool = False) -> Any:
    """The value of an axis at a share of its way, from 0 to 1; of a list, or of `whole` numbers, the one that covers that share.

    What is not an exact step is rounded to so many digits, so that it reads well and is the same on every machine.
    """
    if whole and type(axis.low) is type(axis.high) is int:
        return min(axis.low + int(share * (axis.high - axis.low + 1)), axis.high)
    if axis.low is None:
        return axis.listed[min(int(share * len(axis.listed)), len(axis.listed) - 1)]
    low, high = (_size(end) for end in (axis.low, axis.high))
    assert low is not None and high is not None, "the ends of a range were read before"  # noqa: S101, PT018
    if axis.log:
        value = float(f"{float(low) * float(high / low) ** float(share):.{digits}g}")
    elif isinstance(share, Fraction):
        value = float(low + (high - low) * share)
    else:
        value = float(f"{float(low) + float(high - low) * share:.{digits}g}")
    if isinstance(axis.low, str):
        return pretty(value)
    step = type(axis.low) is type(axis.high) is int and isinstance(share, Fraction) and value == int(value)
    return int(value) if step else value


def shown(axis: Axis) -> Any:
    """The axis as plain data that reads back as the same axis."""
    if axis.low is None:
        return list(axis.listed)
    return f"{'log:' if axis.log else ''}{axis.low}:{axis.high}{'' if axis.steps is None else f':{axis.steps}'}"


def argument(text: str) -> tuple[str, Node]:
    """The path and the values of a command line's `path=values`: `a,b,c`, or the text of a range.

    Raises ScenarioError when it cannot be read.
    """
    path, equals, values = text.partition("=")
    source = Source(text[:200], (text,), numbered=False)
    key = Mark(source, 0, 0, max(len(path), 1))
    if not equals or not path.strip() or not values.strip():
        hint = "write e.g. `world.flash_crash.limit=70,140,280` or `world.flash_crash.error=0:2:5`"
        raise ScenarioError([Problem(Mark(source, length=max(len(text), 1)), "", "expected path=values", hint)])
    start = len(path) + 1
    if _RANGE.fullmatch(values.strip()):
        return path.strip(), Node(values.strip(), Mark(source, 0, start, len(values)), key)
    entries = [read_text(piece, source, shift=start + shift) for shift, piece in _pieces(values)]
    return path.strip(), Node(entries, Mark(source, 0, start, len(values)), key)


def arguments(texts: Sequence[str]) -> dict[str, Node]:
    """The axes of a command line, by path. Raises ScenarioError when one cannot be read, or is given twice."""
    found: dict[str, Node] = {}
    for path, node in map(argument, texts):
        if path in found:
            raise ScenarioError([Problem(node.key, path, "given twice", "write all its values at once, e.g. `1,2,4`")])
        found[path] = node
    return found


def statistic(text: str) -> Node:
    """The value of a command line's `--stat`. Raises ScenarioError when it cannot be read."""
    source = Source(f"--stat {text[:200]}", (text,), numbered=False)
    return read_text(text, source)._replace(key=Mark(source, 0, 0, max(len(text), 1)))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas that stand outside brackets and quotes, each with where it begins."""
    start, depth, quote = 0, 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "," and not depth:
            yield start, text[start:i]
            start = i + 1
    yield start, text[start:]


def spread(path: str, tree: Node) -> list[str]:
    """The paths that `arms.*.rest` stands for: one for each arm in which everything but the last name of `rest` is there."""
    if not path.startswith("arms.*."):
        return [path]
    rest = path.removeprefix("arms.*.")
    names = [name for name, body in tree.value["arms"].value.items() if _reaches(body, rest.split(".")[:-1])]
    return [f"arms.{name}.{rest}" for name in names]


def _reaches(node: Node, keys: list[str]) -> bool:
    for key in keys:
        if isinstance(node.value, list) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
        elif isinstance(node.value, dict) and key in node.value:
            node = node.value[key]
        else:
            return False
    return True


def put_axes(tree: Node, values: Mapping[str, Node], walker: Walker) -> Node:
    """A copy of `tree` with every value at its path, or at all paths that it stands for."""
    for path, value in values.items():
        paths = spread(path, tree)
        if not paths:
            hint = "name an arm that has it, e.g. `arms.isolated.topology`"
            walker.fault(value.key, path, "no arm of the study has such an entry", hint)
        for one in paths:
            mark = value.key if one == path else value.mark
            tree = put(tree, one, value._replace(key=mark), walker)
    return tree
