"""YAML 1.2 with positions, and everything that is refused before it becomes data."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import override, plain, plant, read


def problems(text):
    with pytest.raises(ScenarioError) as caught:
        read(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return caught.value.problems, str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.", 1.0), ("-.5", -0.5), ("0x10", 16), ("0o17", 15), ("+3", 3), ("12:30:45", "12:30:45"),
        ("no", "no"), ("on", "on"),
        ("yes", "yes"), ("off", "off"), ("true", True), ("False", False), ("~", None), ("null", None), ("'3'", "3"), ('"true"', "true"),
        ("2010-05-06", "2010-05-06"), ("1_000", "1_000"), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, value):
    found = plain(read(f"a: {text}\n".encode(), "f.yaml"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_bom_and_crlf_are_accepted():
    assert plain(read(b"\xef\xbb\xbfa: 1\r\nb: [x, {c: 2}]\r\n", "f.yaml")) == {"a": 1, "b": ["x", {"c": 2}]}


def test_every_value_and_key_knows_its_place():
    node = read(b"a: 1\nb: {c: hello}\n", "f.yaml").value["b"].value["c"]
    assert (node.key.line, node.key.column, node.key.length) == (1, 4, 1)
    assert (node.mark.line, node.mark.column, node.mark.length) == (1, 7, 5)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3", "b.c: duplicate key `c`, on lines 3 and 4"),
        ("a: 010", "1:4", "write `10`"),
        ("a: .nan", "1:4", "not a finite number"),
        ("a: -.inf", "1:4", "not a finite number"),
        ("a: 1.0e+400", "1:4", "more than a number can hold"),
        ("a: " + "9" * 5000, "1:4", "5,000 digits"),
        ("a: !!python/object:os.system x", "1:4", "tags are not used"),
        ("a: !!binary aGk=", "1:4", "tags are not used"),
        ("a: !!set {x}", "1:4", "tags are not used"),
        ("a: &x [1]\nb: [*x, *x]", "1:4", "anchors are not used"),
        ("a: &x [*x]", "1:4", "anchors are not used"),
        ("a: *x", "1:4", "aliases are not used"),
        ("", "1:1", "empty"),
        ("# only words\n", "1:1", "empty"),
        ("a: 1\n---\nb: 2\n", "2:1", "second document"),
        ("%YAML 1.1\n---\na: 1\n", "2:1", "YAML 1.2"),
        ("a:\n\tb: 1", "2:1", "indent with spaces"),
        ("a: \0", "1:4", "U+0000"),
        (b"a: 1\nb: \xff", "2:4", "not valid UTF-8"),
        ("a: b\u202ec", "1:5", "U+202E"),
        ("a: b\u200bc", "1:5", "U+200B"),
        ('a: "b\\u200bc"', "1:4", "U+200B"),
        ('a: "\\ud800"', "1:4", "U+D800"),
        ("h\u043erizon: 1", "1:1", "did you mean `horizon`?"),
        ("1: a", "1:1", "not a name"),
        ("? [a]\n: 1", "1:3", "a key must be a name"),
        ("a: b: c", "1:5", "not YAML"),
        ("a: [1", "1:6", "not YAML"),
        ("[" * 2000, "1:101", "100 deep"),
        ("- " * 2000, "1:201", "100 deep"),
    ],
)
def test_what_is_refused(text, place, says):
    found, shown = problems(text)
    assert f"f.yaml:{place}:" in shown
    assert says in shown
    assert f"{len(found)} problem; nothing was run" in shown


def test_a_file_over_64_kb_is_refused_by_its_size():
    assert "65,537 bytes" in problems(b"a" * (64 * 1024 + 1))[1]


def test_several_problems_come_together_in_order():
    found, _ = problems("a: 010\nb: .nan\na: 2\n")
    assert [p.mark.line for p in found] == [0, 1, 2]


@pytest.mark.parametrize(
    "text", ["[" * 60_000, "x: 1\n" * 12_000, "a: [" + "1, " * 20_000 + "]", "{a: " * 15_000, ":" * 60_000]
)
def test_hostile_files_are_judged_within_a_second(text):
    began = time.process_time()
    problems(text) if not text.startswith("a: [") else read(text.encode(), "f.yaml")
    assert time.process_time() - began < 2  # a second here, with room for a slow machine


def test_the_excerpt_shows_the_line_and_the_caret():
    assert problems("a: 1\nbe: !!int 3")[1].splitlines()[1:3] == [
        "    2 | be: !!int 3",
        "      |     ^^^^^^^ remove it",
    ]


def test_a_long_line_is_cut_around_the_mark():
    rows = problems("a: [" + "1, " * 1000 + "010]")[1].splitlines()
    assert max(map(len, rows[1:3])) < 200
    assert rows[1][rows[2].index("^") :].startswith("010")


def test_terminal_controls_never_reach_the_terminal():
    assert "\x1b" not in problems("a: \x1b[31mred")[1]


@given(st.binary(max_size=300))
def test_any_bytes_give_a_tree_or_a_refusal(data):
    try:
        tree = read(data, "f.yaml")
    except ScenarioError:
        return
    plain(tree)


@given(st.text(alphabet="ab:,{}[]- \n\"'#&*!|>%@`?0.e\t", max_size=60))
def test_any_punctuation_gives_a_tree_or_a_refusal(text):
    try:
        plain(read(text.encode(), "f.yaml"))
    except ScenarioError:
        return


def test_an_override_stays_data():
    assert override("a.b=__import__('os').system('x')")[1].value == "__import__('os').system('x')"
    assert override("a.b=1e-3")[1].value == 0.001
    assert plain(override("a=[1, {b: x}]")[1]) == [1, {"b": "x"}]


@pytest.mark.parametrize(
    ("argument", "says"),
    [("a.b", "expected path=value"), ("=1", "expected path=value"), ("a=", "a value is missing"), ("a=.nan", "--set a=.nan: "),
     ("a=!!int 3", "tags are not used"), ("a=x\u202ey", "U+202E"), ("a=1\n---\n2", "second document")],
)  # fmt: skip
def test_an_override_that_cannot_be_read(argument, says):
    with pytest.raises(ScenarioError) as caught:
        override(argument)
    assert says in str(caught.value)


@pytest.mark.parametrize("data", [object(), math.nan, {"a": {1, 2}}, b"x", [math.inf]])
def test_only_plain_data_is_planted(data):
    with pytest.raises(ScenarioError, match="not plain data"):
        plant(data)
