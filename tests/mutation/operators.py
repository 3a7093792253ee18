"""One small change to a source at a time: what a slip of the hand might have written instead.

Comparisons, arithmetic, logic, constants, arguments that are swapped or left out, `min` for `max`, a statement that is dropped, a value
that is not returned. Words are left alone (texts, errors' arguments, annotations, decorators, docstrings), and so are `strict=` and
`dtype=`: of those, nearly all changes change nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from itertools import accumulate
from typing import NamedTuple

LEFT_ALONE = {"strict", "dtype"}  # keywords
COMPARED: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
WORKED_OUT: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
PAIRS = (("min", "max"), ("minimum", "maximum"), ("any", "all"), ("floor", "ceil"), ("zeros", "ones"))
CALLED = {name: other for pair in PAIRS for name, other in (pair, pair[::-1])}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mutant(NamedTuple):
    """One change: bytes `start` to `end` of the file at `path` become `text`. `function` is the one that it is in, `<module>` for none."""

    path: str
    line: int
    function: str
    before: str
    after: str
    start: int
    end: int
    text: str

    @property
    def name(self) -> str:
        """What it is called in a report; byte `start` tells two alike on one line apart."""
        return f"{self.path}:{self.line} {self.function} ({self.start}) {self.before} -> {self.after}"

    def of(self, source: bytes) -> bytes:
        """The changed source."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: str, source: str) -> list[Mutant]:
    """Every mutant of a source, in its order."""
    begins = [0, *accumulate(len(line.encode()) for line in source.splitlines(keepends=True))]
    found = []
    for node, function, new in _changes(ast.parse(source), "<module>"):
        after = ast.unparse(new)
        start, end = begins[node.lineno - 1] + node.col_offset, begins[node.end_lineno - 1] + node.end_col_offset  # type: ignore[operator, attr-defined]
        text = after if isinstance(new, ast.stmt) else f"({after})"
        found.append(Mutant(path, node.lineno, function, ast.unparse(node), after, start, end, text))  # type: ignore[attr-defined]
    return sorted(found, key=lambda one: (one.start, one.end, one.text))


def _changes(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """(what is changed, the function it is in, what it becomes) for a node and all below it."""
    yield from ((node, function, new) for new in _instead(node))
    yield from ((asked, function, ast.UnaryOp(ast.Not(), asked)) for asked in _asked(node))
    inside = function
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        inside = node.name if function == "<module>" else f"{function}.{node.name}"
    for child in _below(node):
        yield from _changes(child, inside)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that are no words."""
    if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, FUNCTIONS):
        yield from (*node.args.defaults, *(one for one in node.args.kw_defaults if one), *_undocumented(node))
    elif isinstance(node, (ast.ClassDef, ast.Module)):
        yield from _undocumented(node)
    elif isinstance(node, ast.AnnAssign):
        yield from (node.value,) if node.value else ()
    elif isinstance(node, ast.Call):
        yield from (node.func, *node.args)
        yield from (k.value for k in node.keywords if k.arg not in LEFT_ALONE)
    else:
        yield from ast.iter_child_nodes(node)


def _undocumented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> list[ast.stmt]:
    return node.body[ast.get_docstring(node, clean=False) is not None :]


def _instead(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may become."""
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for other in COMPARED[type(op)]:
                    yield _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])
        case ast.BinOp() if type(node.op) in WORKED_OUT and not (_is_text(node.left) or _is_text(node.right)):
            yield _with(node, op=WORKED_OUT[type(node.op)]())
        case ast.AugAssign() if type(node.op) in WORKED_OUT:
            yield _with(node, op=WORKED_OUT[type(node.op)]())
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp():
            yield node.operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Call():
            yield from _called(node)
        case ast.IfExp():
            yield _with(node, body=node.orelse, orelse=node.body)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case _:
            return


def _asked(node: ast.AST) -> list[ast.expr]:
    """What a branch, a loop or a filter asks, where it is plain: comparisons and logic are changed by themselves."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            asked = [test]
        case ast.comprehension(ifs=ifs):
            asked = ifs
        case _:
            return []
    return [one for one in asked if not isinstance(one, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant))]


def _called(node: ast.Call) -> Iterator[ast.AST]:
    if len(node.args) > 1 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        first, second, *more = node.args
        if ast.dump(first) != ast.dump(second):
            yield _with(node, args=[second, first, *more])
    for i, keyword in enumerate(node.keywords):
        if keyword.arg is not None and keyword.arg not in LEFT_ALONE:
            yield _with(node, keywords=[*node.keywords[:i], *node.keywords[i + 1 :]])
    if isinstance(node.func, ast.Name) and node.func.id in CALLED:
        yield _with(node, func=ast.Name(CALLED[node.func.id]))
    if isinstance(node.func, ast.Attribute) and node.func.attr in CALLED:
        yield _with(node, func=ast.Attribute(node.func.value, CALLED[node.func.attr]))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
