"""YAML 1.2 to a plain tree in which every key and value knows its place. Data never becomes an object.

The parser's events are read one by one, so size, depth, length, tags and aliases are refused before anything is built;
scalars are resolved here, by YAML 1.2's core schema.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

from simlab.scenario.problems import Mark, Problem, Problems, ScenarioError, Source

MOST_BYTES = 64 * 1024
MOST_DEPTH = 100
MOST_NODES = 10_000  # ten times what the largest shipped scenario has; the parser takes 30 microseconds for each
LONGEST_NUMBER = 100

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)

# Small Cyrillic and Greek letters that look like Latin ones; used for the suggestion only.
_LOOKS = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u03bf\u03b1\u03bd", "aeopcyxioav")


class Invalid(NamedTuple):
    """Stands for a scalar that was already reported."""


class Node(NamedTuple):
    """A value with its place; `value` is None, a bool, int, float, str, Invalid, a list of nodes or a dict of nodes by name.

    `mark` is the value's place and `key` that of the name it is filed under. A tree made from plain data has no marks.
    """

    value: Any
    mark: Mark | None = None
    key: Mark | None = None

    @property
    def place(self) -> Mark | None:
        """Where to point when the entry as a whole is meant."""
        return self.key or self.mark


def read(data: bytes, name: str) -> Node:
    """The tree of a YAML document; `name` is shown in problems. Raises ScenarioError with everything that is wrong."""
    if len(data) > MOST_BYTES:
        raise ScenarioError(
            [Problem(None, "", f"{name}: {len(data):,} bytes; a scenario has at most {MOST_BYTES:,} (64 kB)")]
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        at = error.start - (data.rfind(b"\n", 0, error.start) + 1)
        source = Source(name)
        what = f"byte 0x{data[error.start]:02x} is not valid UTF-8"
        raise ScenarioError([Problem(Mark(source, line, at), "", what, "save the file as UTF-8")]) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return read_text(text, Source(name, tuple(text.split("\n"))))


def read_text(text: str, source: Source, shift: int = 0, under: str = "") -> Node:
    """The tree of YAML in `text`; for an argument, `shift` is where it begins in its one line, and `under` the path it is for."""
    problems = Problems()
    for line, row in enumerate(text.split("\n")):
        _refuse_hidden(row, Mark(source, line, shift), problems, under)
        indent = row[: len(row) - len(row.lstrip(" \t"))]
        if "\t" in indent and row.strip():
            problems.add(Mark(source, line, indent.index("\t")), "", "a tab in the indentation", "indent with spaces")
    problems.stop_if_any()
    tree = _Composer(source, shift, problems, under).compose(text)
    problems.stop_if_any()
    return tree


def override(argument: str, option: str = "--set") -> tuple[str, Node]:
    """The dotted path and the value of `path=value`. Raises ScenarioError when it cannot be read."""
    path, equals, value = argument.partition("=")
    source = Source(f"{option} {argument[:200]}", (argument,), numbered=False)
    if not equals or not path.strip():
        hint = "write e.g. `--set run.seed=7`"
        raise ScenarioError([Problem(Mark(source, length=len(argument)), "", "expected path=value", hint)])
    if len(value) > MOST_BYTES:
        message = f"a value of {len(value):,} characters; at most {MOST_BYTES:,}"
        raise ScenarioError([Problem(Mark(Source(source.name, numbered=False)), path, message)])
    if not value.strip():
        hint = f"write e.g. `{option} {path}=1`"
        raise ScenarioError([Problem(Mark(source, 0, len(path), 1), path, "a value is missing", hint)])
    node = read_text(value, source, shift=len(path) + 1, under=path.strip())
    return path.strip(), node._replace(key=Mark(source, 0, len(path) - len(path.lstrip()), len(path.strip())))


def plant(data: Any, path: str = "", depth: int = 0) -> Node:
    """A tree without places, from plain Python or JSON data. Raises ScenarioError for anything else, and for what no file may hold."""
    if isinstance(data, Node):
        return data
    if depth > MOST_DEPTH:
        raise ScenarioError(
            [Problem(None, path[:60], f"nested more than {MOST_DEPTH} deep", "nest less, and in no circle")]
        )
    if isinstance(data, Mapping):
        return Node({str(key): plant(value, join(path, str(key)), depth + 1) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return Node([plant(value, join(path, str(i)), depth + 1) for i, value in enumerate(data)])
    if type(data) is str:
        problems = Problems()
        _refuse_hidden(data, None, problems, path)
        problems.stop_if_any()
        return Node(data)
    if data is None or type(data) is bool or (type(data) is int and abs(data) < 10**LONGEST_NUMBER):
        return Node(data)
    if type(data) is float and math.isfinite(data):
        return Node(data)
    if type(data) is int:
        raise ScenarioError([Problem(None, path, f"a number of more than {LONGEST_NUMBER} digits")])
    raise ScenarioError(
        [Problem(None, path, f"{data!r:.60} is not plain data", "use numbers, text, true or false, lists, mappings")]
    )


def plain(node: Node) -> Any:
    """The data of a tree, without places."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(value) for value in node.value] if isinstance(node.value, list) else node.value


def join(path: str, key: str) -> str:
    """The YAML path of an entry."""
    return f"{path}.{key}" if path else key


def _refuse_hidden(text: str, mark: Mark | None, problems: Problems, path: str = "", whole: bool = False) -> None:
    """Report characters that cannot be seen or that reorder what is seen."""
    for at, char in enumerate(text):
        if char > "\x7e" or char < " ":
            kind = unicodedata.category(char)
            if kind in ("Cc", "Cf", "Zl", "Zp", "Cs") and char not in "\t\n":
                name = unicodedata.name(char, "a control character")
                where = mark if whole or mark is None else mark.part(at, 1)
                problems.add(where, path, f"U+{ord(char):04X} ({name}) cannot be seen", "remove it")
                return


@final
class _Composer:
    """Builds the tree from the parser's events with a stack of its own, so depth costs nothing."""

    def __init__(self, source: Source, shift: int, problems: Problems, under: str = "") -> None:
        self._source, self._shift, self._problems, self._under = source, shift, problems, under
        self._open: list[tuple[Node, str]] = []  # containers being filled, each with its path
        self._keys: list[tuple[str, Mark] | None] = []  # the key awaiting its value in each of them

    def compose(self, text: str) -> Node:
        """The one document in `text`."""
        root: Node | None = None
        nodes = 0
        for event in self._events(text):
            kind = type(event).__name__
            mark = self._mark(event)
            if kind == "DocumentStartEvent":
                if root is not None:
                    self._fail(mark, "a second document begins here", "write one scenario in a file")
                if event.version is not None and tuple(event.version) != (1, 2):
                    self._fail(mark, "scenarios are YAML 1.2", "remove the %YAML line")
            elif kind == "AliasEvent":
                self._fail(mark, f"alias `*{event.anchor}`: aliases are not used in scenarios", "write the value out")
            elif kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
                nodes += 1
                if nodes > MOST_NODES:
                    self._fail(mark, f"more than {MOST_NODES:,} names and values", "write fewer in one scenario")
                node = self._begin(event, kind, mark)
                root = node if root is None else root
            elif kind in ("SequenceEndEvent", "MappingEndEvent"):
                self._open.pop()
                self._keys.pop()
        if root is None:
            raise ScenarioError(
                [Problem(Mark(self._source), "", "the file is empty", "a scenario begins with `schema: 1`")]
            )
        return root

    def _begin(self, event: Any, kind: str, mark: Mark) -> Node:
        path = self._path()
        if event.tag is not None:
            self._fail(mark, f"tag `{event.tag:.60}`: tags are not used in scenarios", "remove it")
        if event.anchor is not None:
            self._fail(mark, f"anchor `&{event.anchor:.60}`: anchors are not used in scenarios", "write the value out")
        naming = bool(self._open) and isinstance(self._open[-1][0].value, dict) and self._keys[-1] is None
        if kind == "ScalarEvent":
            if naming:
                self._keys[-1] = self._key(event, mark)
                return self._open[-1][0]
            value = event.value if event.style else _scalar(event.value, mark, path, self._problems)
            if event.style and isinstance(value, str):
                _refuse_hidden(value, mark, self._problems, path, whole=True)
            return self._file(value, mark)
        if naming:
            self._fail(mark, "a key must be a name, not a list or a mapping")
        if len(self._open) >= MOST_DEPTH:
            problem = Problem(mark, "", f"nested more than {MOST_DEPTH} deep", "write less deeply nested YAML")
            raise ScenarioError([problem])
        node = self._file([] if kind == "SequenceStartEvent" else {}, mark)
        self._open.append((node, path))
        self._keys.append(None)
        return node

    def _file(self, value: Any, mark: Mark) -> Node:
        """Put a value in the container that is being filled."""
        if not self._open:
            return Node(value, mark)
        inside = self._open[-1][0].value
        if isinstance(inside, list):
            entry = Node(value, mark)
            inside.append(entry)
            return entry
        key = self._keys[-1]
        assert key is not None, "a mapping's values follow its keys"  # noqa: S101
        self._keys[-1] = None
        name, at = key
        node = Node(value, mark, at)
        if name in inside:
            first = inside[name].key
            message = f"duplicate key `{name}`, on lines {first.line + 1} and {at.line + 1}"
            self._problems.add(at, self._path(name), message, "remove one of them")
        inside[name] = node
        return node

    def _key(self, event: Any, mark: Mark) -> tuple[str, Mark]:
        name = event.value
        path = self._path(name)
        if not event.style and not isinstance(_scalar(name, mark, path, Problems()), str):
            self._problems.add(mark, path, f"`{name:.60}` is not a name", "keys are words")
        elif not name.isascii():
            odd = next(c for c in name if not c.isascii())
            latin = unicodedata.normalize("NFKC", name).translate(_LOOKS)
            hint = f"did you mean `{latin}`?" if latin.isascii() else "keys are written in plain ASCII letters"
            what = f"key `{name:.60}` holds U+{ord(odd):04X} ({unicodedata.name(odd, 'unnamed')})"
            self._problems.add(mark, path, what, hint)
        return name, mark

    def _path(self, key: str | None = None) -> str:
        if not self._open:
            return join(self._under, key) if key else self._under
        node, path = self._open[-1]
        if isinstance(node.value, list):
            return join(path, str(len(node.value)))
        waiting = self._keys[-1]
        name = key if key is not None else waiting[0] if waiting else ""
        return join(path, name) if name else path

    def _events(self, text: str) -> Iterator[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            yield from YAML(typ="safe", pure=True).parse(text)
        except MarkedYAMLError as error:
            at = error.problem_mark or error.context_mark
            mark = Mark(self._source, at.line, at.column + self._shift) if at else Mark(self._source)
            self._fail(mark, f"not YAML: {error.problem or error.context}")
        except (YAMLError, ValueError, RecursionError, AssertionError) as error:  # the last for `%YAML 1.11`
            self._fail(Mark(self._source), f"not YAML: {str(error).splitlines()[0]:.200}")

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Mark(self._source, start.line, start.column + self._shift, max(length, 1))

    def _fail(self, mark: Mark, message: str, hint: str = "") -> None:
        self._problems.add(mark, self._path(), message, hint)
        self._problems.stop_if_any()


def _scalar(text: str, mark: Mark, path: str, problems: Problems) -> Any:
    """A plain scalar by YAML 1.2's core schema: `1e-3` is a number; `no`, `on` and `12:30:45` are text."""
    if text in _WORDS:
        return _WORDS[text]
    whole = _INT.fullmatch(text)
    if not whole and not _FLOAT.fullmatch(text):
        if _ODD.fullmatch(text):
            problems.add(mark, path, f"`{text}` is not a finite number")
            return Invalid()
        return text
    if len(text) > LONGEST_NUMBER:
        problems.add(mark, path, f"a number of {len(text):,} digits; at most {LONGEST_NUMBER} are read")
        return Invalid()
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        plain_form = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text)
        message = f"`{text}` is {plain_form} in YAML 1.2 and was octal before"
        problems.add(mark, path, message, f"write `{plain_form}`, or quote it if it is text")
        return Invalid()
    if whole:
        return int(text, 0)
    value = float(text)
    if not math.isfinite(value):
        problems.add(mark, path, f"`{text}` is more than a number can hold")
        return Invalid()
    return value
