"""Other values by dotted path: `--set world.flash_crash.impact=0.2`, and the `set:` of arms and controls."""

from __future__ import annotations

from collections.abc import Mapping

from simlab.base.errors import did_you_mean
from simlab.scenario.keys import PATCHABLE
from simlab.scenario.problems import Mark
from simlab.scenario.reader import Node, join
from simlab.scenario.walker import Walker, describe


def put(tree: Node, path: str, value: Node, walker: Walker) -> Node:
    """A copy of `tree` with `value` at the dotted `path`; what is not there yet is added, for the reader to judge."""
    keys = path.split(".")
    at = [sum(len(key) + 1 for key in keys[:i]) for i in range(len(keys))]
    marks = [_piece(value.key, path, start, len(key)) for start, key in zip(at, keys, strict=True)]
    if not all(keys):
        walker.fault(value.key, path, "cannot read the path", "write names with single dots, e.g. `run.seed`")
        return tree

    def go(node: Node, depth: int) -> Node:
        if depth == len(keys):
            return value._replace(key=marks[-1])
        key, here = keys[depth], ".".join(keys[:depth])
        if isinstance(node.value, list):
            if key.isascii() and key.isdigit() and int(key) < len(node.value):
                entry = go(node.value[int(key)], depth + 1)
                return node._replace(value=[*node.value[: int(key)], entry, *node.value[int(key) + 1 :]])
            hint = f"write `{here}.0` to `{here}.{len(node.value) - 1}`" if node.value else ""
            walker.fault(marks[depth], path, f"`{here}` is a list and has no `{key}`", hint)
            return node
        if node.value is not None and not isinstance(node.value, dict):
            walker.fault(marks[depth], path, f"`{here}` is {describe(node.value)} and has nothing inside")
            return node
        inside = dict(node.value or {})
        inside[key] = go(inside.get(key, Node({}, marks[depth], marks[depth])), depth + 1)
        return node._replace(value=inside)

    return go(tree, 0)


def put_all(tree: Node, patch: Node | None, path: str, walker: Walker) -> Node:
    """A copy of `tree` with every value of a `set:` mapping, whose keys are dotted paths."""
    for key, value in walker.mapping(patch, path, "{world.flash_crash.impact: 0}").items() if patch else ():
        first = key.partition(".")[0]
        if first not in PATCHABLE:
            walker.fault(value.key, join(path, key), f"`{first}` cannot be set here", did_you_mean(first, PATCHABLE))
        else:
            tree = put(tree, key, value, walker)
    return tree


def only(tree: Node, keys: Mapping[str, Node | None]) -> Node:
    """A copy of a mapping in which the entries that are given replace those that were there."""
    return tree._replace(value={**tree.value, **{key: node for key, node in keys.items() if node is not None}})


def _piece(mark: Mark | None, path: str, start: int, length: int) -> Mark | None:
    """The place of one name in a dotted path; the whole path where it was quoted."""
    return mark.part(start, length) if mark is not None and mark.length == len(path) else mark
