"""A user's file of Prometheus rules: what promtool says of it, what its expressions select, and where that stands in the file.

Expressions come as the server writes them back, in one spelling, so selectors can be picked out of the text; whether one selects anything
is asked of the server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, final

from simlab.base.errors import did_you_mean, nearest
from simlab.scenario.problems import Mark, Problems, Source
from simlab.studies.prometheus import Rule, Server

RUNNING = {"ALERTS", "ALERTS_FOR_STATE"}  # which a server keeps of its own alerts
_FIELDS = {
    "RuleGroups": ("groups",),
    "RuleGroup": ("name", "interval", "limit", "rules"),
    "Rule": ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"),
}
_SHAPES = {
    "RuleGroups": "`groups:`, each with a name and its `rules:`",
    "RuleGroup": "a group: `name:` and `rules:`",
    "Rule": "a rule: `alert:` or `record:`, and `expr:`",
    "string": "text",
}
_KINDS = {
    "seq": "a list",
    "map": "a mapping",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}
_QUOTED = r'"(?:\\.|[^"\\])*"'
_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
    r"""|(?P<range>\[[^\]]*\])|(?P<number>[\d.][\w.]*)|(?P<word>[a-zA-Z_:][\w:]*)|(?P<sign>\S)"""
)
_MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")""")
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = _LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_IN_GROUP = r'group ".*", rule \d+, "(.*?)": '
_FILLED = re.compile(r"\{\{(?!-?\s*/\*).*?\}\}", re.DOTALL)  # but comments
_SCRAPED = {"instance", "job"}  # which every series has that a server fetches
_LABEL = re.compile(r"\$labels\.(\w+)")
_PLAIN = re.compile(r"[\w -]+(\|[\w -]+)*")


class Matcher(NamedTuple):
    """One condition on a label: `arm="shared"`; `value` as it stands between the quotes."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        """As PromQL has it."""
        return f'{self.label}{self.op}"{self.value}"'


class Selector(NamedTuple):
    """What an expression selects: a metric by name, or `name` None where matchers alone do, and its matchers."""

    name: str | None
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        """As PromQL has it."""
        return f"{self.name or ''}{{{','.join(map(str, self.matchers))}}}"


def selectors(query: str) -> list[Selector]:
    """Every selector of an expression as Prometheus prints it, in order, each once."""
    tokens = [(match.lastgroup, match.group()) for match in _TOKEN.finditer(query)]
    tokens += [("end", ""), ("end", "")]
    found: list[Selector] = []
    at = 0
    while at < len(tokens) - 2:
        (kind, text), after = tokens[at], tokens[at + 1][1]
        at += 1
        if kind == "word" and text.lower() in _LISTS and after == "(":
            at = _closed(tokens, at, ")")
        elif text == "{" or (kind == "word" and text.lower() not in _WORDS and after not in ("(", "by", "without")):
            name = None if text == "{" else text
            matchers: tuple[Matcher, ...] = ()
            if text == "{" or after == "{":
                end = _closed(tokens, at, "}")
                matchers, at = _matchers(tokens[at:end]), end
            exact = [one for one in matchers if one.label == "__name__" and one.op == "="]
            if name is None and exact:
                name, matchers = exact[0].value, tuple(one for one in matchers if one is not exact[0])
            found.append(Selector(name, matchers))
    return list(dict.fromkeys(found))


def names(rules: Collection[Rule]) -> set[str | None]:
    """The metrics that rules read; None among them where one selects by a pattern."""
    return {one.name for rule in rules for one in selectors(rule.query)}


@final
class RuleFile:
    """The text of a rule file, for the places of what is wrong in it."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._lines = tuple(text.decode("utf-8", "replace").split("\n"))
        self._source = Source(str(path), self._lines)

    def said(self, output: str, checked: str) -> Problems:
        """What promtool says of the file, which it knows as `checked`."""
        problems = Problems()
        for row in output.splitlines():
            line = row.strip().removeprefix(f"{checked}:").strip()
            if line and not line.startswith(("Checking ", "FAILED")) and line != "yaml: unmarshal errors:":
                mark, message, hint = self._placed(line)
                problems.add(mark, "", message, hint)
        return problems

    def order(self, rule: Rule) -> tuple[int, int]:
        """Where a rule stands, to sort by; the server tells groups by their names."""
        mark = self.rule(rule)
        return (mark.line, mark.column) if mark else (len(self._lines), 0)

    def rule(self, rule: Rule) -> Mark | None:
        """The place of its name, of the first that is so named."""
        kind = "alert" if rule.alert else "record"
        return next(self._find(rf"\b{kind}[\"']?\s*:\s*[\"']?{_whole(rule.name)}"), None)

    def metric(self, rule: Rule, name: str) -> Mark | None:
        """The place of a metric in the expression of a rule."""
        return self._near(rule, _whole(name))

    def matcher(self, rule: Rule, one: Matcher) -> Mark | None:
        """The place of a matcher in the expression of a rule."""
        value = re.escape(re.sub(r"\\(.)", r"\1", one.value))
        pattern = rf"(?P<mark>\b{one.label}\s*{re.escape(one.op)}\s*\\?[\"'`]{value}\\?[\"'`])"
        return self._near(rule, pattern) or self._near(rule, _whole(one.label))

    def _near(self, rule: Rule, pattern: str) -> Mark | None:
        """What is next behind a rule's name; or else what is last before it, since keys may stand in any order."""
        start = self.rule(rule)
        found = list(self._find(pattern))
        behind = [mark for mark in found if start is None or mark[1:3] > start[1:3]]
        return next(iter(behind or found[::-1]), start)

    def _find(self, pattern: str) -> Iterator[Mark]:
        for number, line in enumerate(self._lines):
            code = re.sub(r"(?:^|\s)#.*", "", line)
            for match in re.finditer(pattern, code):
                yield Mark(self._source, number, match.start("mark"), len(match["mark"]))

    def _placed(self, line: str) -> tuple[Mark | None, str, str]:
        """A line of promtool's as place, message and hint."""
        if match := re.match(r"(\d+):(\d+): (?:\d+:\d+: )?(.*)", line):
            return self._of_rule(int(match[1]) - 1, int(match[2]) - 1, match[3])
        if match := re.match(r"(?:yaml: )?line (\d+): (.*)", line):
            return self._of_line(int(match[1]) - 1, match[2])
        if match := re.match(r'not a valid duration string: "(.*)"', line):
            mark = next(self._find(rf"(?P<mark>{re.escape(match[1])})"), None)
            return mark, f"`{match[1]}` is no duration", "write e.g. `5m`"
        if match := re.match(_IN_GROUP, line):
            place = next(self._find(rf"\b(?:alert|record)[\"']?\s*:\s*[\"']?{_whole(match[1])}"), None)
            return place, re.sub(_IN_GROUP, r"\1: ", line), ""
        return None, f"{self._source.name}: {line}", ""

    def _of_rule(self, number: int, column: int, said: str) -> tuple[Mark, str, str]:
        """An expression that does not parse is shown where it stops to: promtool counts within it."""
        mark = Mark(self._source, number, column)
        said = re.sub(_IN_GROUP, r"\1: ", said)
        match = re.search(r"could not parse expression: (?:(\d+):(\d+): )?", said)
        row = self._lines[number][column:] if number < len(self._lines) else ""
        if match is None or match[1] is None or not row:
            return mark, said, ""
        told = said.replace(match.group(), "")
        within, inside = int(match[1]) - 1, int(match[2]) - 1
        if row[0] == "|" and number + 1 + within < len(self._lines):
            first = self._lines[number + 1]
            return Mark(self._source, number + 1 + within, len(first) - len(first.lstrip()) + inside), told, ""
        return mark.part(inside + (row[0] in "\"'"), 1) if within == 0 and row[0] != ">" else mark, told, ""

    def _of_line(self, number: int, said: str) -> tuple[Mark | None, str, str]:
        if "tab character" in said:  # which it counts a line too early
            return next(self._find(r"^ *(?P<mark>\t)"), None), "a tab in the indentation", "indent with spaces"
        line = self._lines[number] if number < len(self._lines) else ""
        mark = Mark(self._source, number, len(line) - len(line.lstrip(" -")), len(line.strip(" -")))
        if match := re.match(r"field (\S+) not found in type (?:rulefmt\.)?(\w+)", said):
            known = _FIELDS.get(_type(match[2]), ())
            where = self._part(mark, match[1])
            return where, f"unknown field `{match[1]}`", did_you_mean(match[1], known) if known else ""
        if match := re.match(r"cannot unmarshal !!(\w+)(?: `.*`)? into (?:\[\])?(?:rulefmt\.)?(\w+)", said):
            kind = _type(match[2])
            return mark, f"expected {_SHAPES.get(kind, match[2])}; found {_KINDS.get(match[1], match[1])}", ""
        return mark, said, ""

    def _part(self, mark: Mark, word: str) -> Mark:
        at = self._lines[mark.line].find(word) if mark.line < len(self._lines) else -1
        return mark._replace(column=at, length=len(word)) if at >= 0 else mark


def misnamed(rules: Sequence[Rule], known: Collection[str], file: RuleFile) -> Problems:
    """Metrics that rules read and neither the run has nor a rule records."""
    problems = Problems()
    listed = False
    for rule in rules:
        for name in sorted({one.name for one in selectors(rule.query) if one.name} - {*known, *RUNNING}):
            hint = f"did you mean `{nearest(name, known)}`?" if nearest(name, known) else ""
            if not hint:
                hint = "leave it out by naming the other alerts with --alert"
                hint, listed = hint if listed else f"{hint}; the run has: {', '.join(sorted(known))}", True
            problems.add(file.metric(rule, name), "", f"{rule.name}: `{name}` is no metric of this run", hint)
    return problems


class Matched(NamedTuple):
    """What a server makes of the selectors of some rules."""

    problems: Problems  # matchers that never match
    odd: list[str]  # negative matchers that exclude nothing, and labels to group by that no series has
    empty: set[str]  # metrics without a sample


def matched(server: Server, rules: Sequence[Rule], file: RuleFile) -> Matched:
    """Ask a server that holds the samples which matchers match, alone and together."""
    found = Matched(Problems(), [], set())
    told: dict[Selector, _Answer] = {}
    for rule in rules:
        labels: set[str] = set()
        read = selectors(rule.query)
        for selector in read:
            if selector not in told:
                told[selector] = _ask(server, selector)
            answer = told[selector]
            labels |= {*answer.labels}
            if answer.empty is not None:
                found.empty.add(answer.empty)
            for one, message, hint in answer.wrong:
                found.problems.add(file.matcher(rule, one), "", f"{rule.name}: {message}", hint)
            found.odd.extend(f"{rule.name}: {text}" for text in answer.odd)
        for label in _grouped(rule.query) if labels else ():
            if label not in labels:
                found.odd.append(
                    f"{rule.name}: nothing that it reads has a label `{label}`; {did_you_mean(label, labels)}"
                )
        if all(told[selector].labels for selector in read):  # else nobody knows what labels there are
            for label in _filled(rule, labels):
                found.odd.append(
                    f"{rule.name}: no series that it reads has a label `{label}` to fill in; {did_you_mean(label, labels)}"
                )
    return found


class _Answer(NamedTuple):
    """Of one selector: the metric without a sample, if so; what never matches; what excludes nothing; the labels there are."""

    empty: str | None
    wrong: list[tuple[Matcher, str, str]]
    odd: list[str]
    labels: Collection[str] = ()


def _ask(server: Server, selector: Selector) -> _Answer:
    def series(which: object) -> list[Mapping[str, str]]:
        found: list[Mapping[str, str]] = server.get("/api/v1/series", **{"match[]": str(which)})
        return found

    if selector.name is None:
        nothing = (
            [] if series(selector) else [(selector.matchers[0], f"`{selector}` selects no series of this run", "")]
        )
        return _Answer(None, nothing, [])
    have = series(Selector(selector.name))
    if not have:
        return _Answer(selector.name, [], [])
    labels = sorted({label for one in have for label in one} - {"__name__"})
    wrong: list[tuple[Matcher, str, str]] = []
    odd = []
    for one in selector.matchers:
        alone = series(Selector(selector.name, (one,)))
        values = sorted({each.get(one.label, "") for each in have} - {""})
        parts = one.value.split("|") if one.op == "=~" and _PLAIN.fullmatch(one.value) else [one.value]
        missing = [part for part in parts if part and part not in values] if len(parts) > 1 else []
        if not alone and not values:
            what = f"`{one}` matches nothing: no series of {selector.name} has a label `{one.label}`"
            wrong.append((one, what, did_you_mean(one.label, labels)))
        elif not alone:
            hint = did_you_mean(one.value, values)
            wrong.append((one, f"`{one}` matches no series of {selector.name}", hint))
        elif missing:
            what = f"`{missing[0]}` of `{one}` matches no series of {selector.name}"
            wrong.append((one, what, did_you_mean(missing[0], values)))
        elif one.op.startswith("!") and one.value and len(alone) == len(have):
            odd.append(f"`{one}` excludes no series of {selector.name}")
    if not wrong and not series(selector):
        each = " and ".join(f"`{one}`" for one in selector.matchers)
        wrong.append((selector.matchers[0], f"no series of {selector.name} has {each} together", ""))
    return _Answer(None, wrong, odd, labels)


def _closed(tokens: Sequence[tuple[str | None, str]], at: int, sign: str) -> int:
    """The token behind the next `sign`."""
    while at < len(tokens) - 2 and tokens[at][1] != sign:
        at += 1
    return at + 1


def _grouped(query: str) -> list[str]:
    """Labels that an expression groups or joins by, but for those that it may make itself."""
    lists = re.findall(rf"\b(?:{'|'.join(sorted(_LISTS))})\s*\(([^()]*)\)", re.sub(_QUOTED, '""', query))
    made = set(re.findall(_QUOTED, query))
    found = [label.strip() for one in lists for label in one.split(",")]
    return [label for label in dict.fromkeys(found) if label and f'"{label}"' not in made]


def _filled(rule: Rule, labels: Collection[str]) -> list[str]:
    """Labels that the texts of a rule fill in, and that neither what it reads has nor its expression makes."""
    texts = [*rule.labels.values(), *rule.annotations.values()]
    asked = [label for text in texts for part in _FILLED.findall(text) for label in _LABEL.findall(part)]
    made = {one.strip('"') for one in re.findall(_QUOTED, rule.query)}
    made |= {one.label for selector in selectors(rule.query) for one in selector.matchers}  # which `absent` gives
    return [
        label for label in dict.fromkeys(asked) if label not in labels and label not in made and label not in _SCRAPED
    ]


def _matchers(tokens: Sequence[tuple[str | None, str]]) -> tuple[Matcher, ...]:
    text = "".join(token for _, token in tokens)
    return tuple(Matcher(label, op, value[1:-1]) for label, op, value in _MATCHER.findall(text))


def _type(name: str) -> str:
    """`RuleNode` and `ruleGroups` by one name."""
    return (name[:1].upper() + name[1:]).removesuffix("Node")


def _whole(word: str) -> str:
    return rf"(?<![\w:])(?P<mark>{re.escape(word)})(?![\w:])"
