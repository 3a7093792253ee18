"""YAML that is refused, where, and with which words. The fuzz target begins with these too."""

from __future__ import annotations

from typing import NamedTuple

from tests.bad_input.door import GOOD


class Case(NamedTuple):
    """A file, the place `line:column` that is pointed at, and what is said there."""

    text: str | bytes
    place: str
    says: str


def changed(old: str, new: str, place: str, says: str) -> Case:
    """The good scenario with one thing changed."""
    assert GOOD.count(old) >= 1, old
    return Case(GOOD.replace(old, new, 1), place, says)


YAML = [
    Case("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3", "b.c: duplicate key `c`, on lines 3 and 4"),
    Case("a: 010", "1:4", "a: `010` is 10 in YAML 1.2 and was octal before|write `10`"),
    Case("a: .nan", "1:4", "a: `.nan` is not a finite number"),
    Case("a: -.inf", "1:4", "a: `-.inf` is not a finite number"),
    Case("a: 1.0e+400", "1:4", "a: `1.0e+400` is more than a number can hold"),
    Case("a: " + "9" * 5000, "1:4", "a: a number of 5,000 digits; at most 100 are read"),
    Case("a: !!python/object:os.system x", "1:4", "tags are not used in scenarios|remove it"),
    Case("a: !!python/object/apply:os.system ['id']", "1:4", "tags are not used in scenarios"),
    Case("a: !!binary aGk=", "1:4", "tags are not used in scenarios"),
    Case("a: !!set {x}", "1:4", "tags are not used in scenarios"),
    Case("a: !mine 1", "1:4", "tags are not used in scenarios"),
    Case("a: &x [1]\nb: [*x, *x]", "1:4", "anchors are not used in scenarios|write the value out"),
    Case(
        "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "1:4",
        "anchors are not used",
    ),
    Case("a: &x [*x]", "1:4", "anchors are not used"),
    Case("a: *x", "1:4", "alias `*x`: aliases are not used"),
    Case("<<: {a: 1}\nb: 2", "1:1", "<<: unknown key"),
    Case("", "1:1", "the file is empty|a scenario begins with `schema: 1`"),
    Case("# only words\n", "1:1", "the file is empty"),
    Case("a: 1\n---\nb: 2\n", "2:1", "a second document begins here|write one scenario in a file"),
    Case("%YAML 1.1\n---\na: 1\n", "2:1", "scenarios are YAML 1.2"),
    Case("a:\n\tb: 1", "2:1", "a tab in the indentation|indent with spaces"),
    Case("a: \0", "1:4", "U+0000 (a control character) cannot be seen"),
    Case("a: \x1b[31mred", "1:4", "U+001B (a control character) cannot be seen"),
    Case(b"a: 1\nb: \xff", "2:4", "byte 0xff is not valid UTF-8|save the file as UTF-8"),
    Case("a: 1".encode("utf-16"), "1:1", "byte 0xff is not valid UTF-8"),
    Case("a: b\u202ec", "1:5", "U+202E (RIGHT-TO-LEFT OVERRIDE) cannot be seen|remove it"),
    Case("a: b\u200bc", "1:5", "U+200B (ZERO WIDTH SPACE) cannot be seen"),
    Case('a: "b\\u200bc"', "1:4", "U+200B (ZERO WIDTH SPACE) cannot be seen"),
    Case('a: "\\ud800"', "1:4", "U+D800"),
    Case("h\u043erizon: 1", "1:1", "holds U+043E (CYRILLIC SMALL LETTER O)|did you mean `horizon`?"),
    Case("1: a", "1:1", "`1` is not a name|keys are words"),
    Case("? [a]\n: 1", "1:3", "a key must be a name, not a list or a mapping"),
    Case("a: b: c", "1:5", "not YAML"),
    Case("%YAML 1.11\n---\na: 1\n", "1:1", "not YAML: version minor part can only be 2 or 1"),
    Case("a: [1", "1:6", "not YAML: expected ',' or ']'"),
    Case("[" * 2000, "1:101", "nested more than 100 deep"),
    Case("- " * 2000, "1:201", "nested more than 100 deep"),
    Case("a: [" + "1, " * 20_000 + "]", "1:29996", "more than 10,000 names and values"),
    Case("{a: " * 15_000, "1:401", "nested more than 100 deep"),
    Case(":" * 60_000, "1:60000", "not YAML: mapping values are not allowed here"),
    Case("- 1", "1:1", "a scenario is a mapping of keys|begin with `schema: 1`"),
    Case("42", "1:1", "a scenario is a mapping of keys"),
]

H, R, S, T = "horizon: 1 min", "replications: 2", "seed: 7", "traders: 4"
ARMS, TITLE = "isolated: {topology: isolated}", "title: A small run"
VALUES = [
    changed(T, "tradres: 4", "4:23", "world.flash_crash.tradres: unknown parameter|did you mean `traders`?"),
    changed("title:", "titel:", "2:1", "titel: unknown key|did you mean `title`?"),
    changed("brain: {ridge: {}}\n", "", "1:1", "brain: missing; the learner|add e.g. `brain: {ridge: {}}`"),
    changed(f"{H}, ", "", "6:1", "run.horizon: missing|add e.g. `horizon: 30 min`"),
    changed("schema: 1\n", "", "1:1", "schema: missing|add e.g. `schema: 1`"),
    changed("schema: 1", "schema: 2", "1:9", "schema: must be at most 1, not 2"),
    changed(T, "traders: '4'", "4:32", 'expected a whole number, not the text "4"|write `4` without quotes'),
    changed(T, "traders: true", "4:32", "expected a whole number, not true"),
    changed(T, "traders: yes", "4:32", 'expected a whole number, not the text "yes"'),
    changed(T, "traders: [4]", "4:32", "expected a whole number, not a list"),
    changed(T, "traders: 0", "4:32", "world.flash_crash.traders: must be at least 1, not 0"),
    changed(T, "traders: -1", "4:32", "must be at least 1, not -1"),
    changed(T, "traders: 1.5", "4:32", "expected a whole number, not 1.5"),
    changed(T, "traders: 4.0", "4:32", "expected a whole number, not 4.0|write `4`"),
    changed(
        T,
        "traders: 1000000000000",
        "4:32",
        "world.flash_crash.traders: 1,000,000,000,000 models; expected from 1 to 1,000,000",
    ),
    changed(T, "traders: 4, alike: 1.2", "4:42", "world.flash_crash.alike: must be at most 1, not 1.2"),
    changed(H, "horizon: 0 s", "6:33", "run.horizon: must be above 0 s, not 0 s"),
    changed(H, "horizon: -1 s", "6:33", "run.horizon: must be above 0 s, not -1 s"),
    changed(H, "horizon: .inf", "6:33", "run.horizon: `.inf` is not a finite number"),
    changed(H, "horizon: inf s", "6:33", "run.horizon: cannot read `inf s` as a time|e.g. `30 min`"),
    changed(H, "horizon: nan s", "6:33", "run.horizon: cannot read `nan s` as a time"),
    changed(H, "horizon: 12:30:45", "6:33", "run.horizon: cannot read `12:30:45` as a time"),
    changed(H, "horizon: 1e400 s", "6:33", "run.horizon: `1e400 s` is more than a number can hold"),
    changed(H, "horizon: 0.1 s", "6:33", "run.horizon: must be at least one tick of the world, 0.5 s, not 0.1 s"),
    changed(H, "horizon: 1e17 s", "6:33", "run.horizon: 2e+17 ticks of 0.5 s; at most 1e+10|shorten the horizon"),
    changed(H, "horizon: 60", "6:33", "run.horizon: expected a time with its unit, not 60|write `60 s`"),
    changed(H, "horizon: 45 sec", "6:33", "run.horizon: unknown unit `sec`|did you mean `45 s`?"),
    changed(S, "seed: -1", "6:46", "run.seed: must be at least 0, not -1"),
    changed(S, f"seed: {2**200}", "6:46", f"run.seed: must be at most {2**64 - 1}, not {2**200}"),
    changed(S, "seed: abc", "6:46", 'run.seed: expected a whole number, not the text "abc"'),
    changed(R, "replications: 0", "6:21", "run.replications: must be at least 1, not 0"),
    changed(R, "replications: 1000000000000", "6:21", "run.replications: must be at most 10000000"),
    changed(
        f"{R}, {H}",
        "replications: 10000000, horizon: 1 week",
        "6:1",
        "steps of agents in all; at most 1e+12 are run|lower `run.repl",
    ),
    changed(
        "flash_crash:", "flash_crsh:", "4:9", "world.flash_crsh: unknown world `flash_crsh`|did you mean `flash_crash`?"
    ),
    changed("ridge:", "rigde:", "5:9", "brain.rigde: unknown brain `rigde`|did you mean `ridge`?"),
    changed(
        "story:",
        "detectors: {feedback_spirl: {}}\nstory:",
        "3:13",
        "unknown detector `feedback_spirl`|did you mean `feedback_spiral`?",
    ),
    changed(ARMS, "isolated: {topology: isolatd}", "9:24", "unknown wiring `isolatd`|did you mean `isolated`?"),
    changed(
        ARMS,
        "isolated: {topology: isolated, interventions: [kill_swich]}",
        "9:50",
        "unknown intervention `kill_swich`|`kill_switch`",
    ),
    changed("drawdown", "drawdwn", "7:17", "harm.measure: unknown measure `drawdwn`|did you mean `drawdown`?"),
    changed("above: 0.03", "above: .nan", "7:34", "harm.above: `.nan` is not a finite number"),
    changed(
        ARMS,
        "isolated: {topology: {reads: [[1], [0], [-1], [-1]]}}",
        "9:32",
        "models [0, 1] read each other in a circle|`lag: true`",
    ),
    changed(ARMS, "isolated: {topology: {reads: [[0], [-1], [-1], [-1]]}}", "9:32", "model 0 reads itself|`lag: true`"),
    changed(
        ARMS,
        "isolated: {topology: {reads: []}}",
        "9:32",
        "topology.reads: 0 entries; expected one for each of the 4 models",
    ),
    changed(ARMS, "isolated: {topology: {lag: true, reads: [[9], [0], [1], [2]]}}", "9:43", "there is no model 9"),
    changed(ARMS, "isolated: {topology: {lag: true, reads: [[1], [0, 2], [1], [2]]}}", "9:43", "all of one length"),
    changed(
        ARMS,
        "isolated: {topology: {reads: [[9], [-1], [-1], [-1]]}}",
        "9:32",
        "there is no model 9|they are 0 to 3, and -1 is none",
    ),
    changed(ARMS, "isolated: {topology: {brain_of: [0, 0, 2, 2]}}", "9:35", "must name every brain from 0 to"),
    changed(TITLE, "title: " + "x" * 20_000, "2:8", "title: 20,000 characters; at most 200|shorten it"),
    changed(
        "story: Four traders and a minute.", "story: " + "x" * 20_000, "3:8", "story: 20,000 characters; at most 8,000"
    ),
    changed(
        "flash_crash: {traders: 4}",
        "os.system: {}",
        "4:9",
        "world.os.system: unknown world `os.system`|needs `--plugin`",
    ),
    changed("flash_crash: {traders: 4}", "__import__('os'): {}", "4:9", "unknown world `__import__('os')`"),
    changed("flash_crash: {traders: 4}", "simlab.worlds.flash_crash: {}", "4:9", "unknown world"),
    changed("ridge:", "os.system:", "5:9", "brain.os.system: unknown brain `os.system`"),
    changed(ARMS, "CON: {topology: isolated}", "9:3", "arms.CON: arm `CON` is not a name"),
    changed(ARMS, "con: {topology: isolated}", "9:3", "arms.con: arm `con` has a meaning to the file system"),
    changed(ARMS, "'../x': {topology: isolated}", "9:3", "arm `../x` is not a name|write small letters"),
    changed(ARMS, "a" * 300 + ": {topology: isolated}", "9:3", "is not a name|at most 60"),
]
