"""YAML 1.2 with positions, and everything that is refused before it becomes data."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import MOST_NODES, override, plain, plant, read


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


def test_several_problems_come_together_in_order():
    found, _ = problems("a: 010\nb: .nan\na: 2\n")
    assert [p.mark.line for p in found] == [0, 1, 2]


@pytest.mark.parametrize(
    "text", ["[" * 60_000, "x: 1\n" * 12_000, "a: [" + "1, " * 20_000 + "]", "{a: " * 15_000, ":" * 60_000]
)
def test_hostile_files_are_judged_within_a_second(text):
    began = time.process_time()
    problems(text)
    assert time.process_time() - began < 2  # a second here, with room for a slow machine


def test_as_many_names_and_values_as_are_allowed_are_read():
    most = MOST_NODES - 3  # the mapping, its name and the list
    assert read(f"a: [{'1, ' * most}]".encode(), "f.yaml").value["a"].value[-1].value == 1
    found, said = problems(f"a: [{'1, ' * (most + 1)}]")
    assert len(found) == 1
    assert "f.yaml:1:29996: a.9997: more than 10,000 names and values" in said


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


NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda name: name not in ("null", "true", "false"))
VALUES = st.none() | st.booleans() | st.integers(-(10**90), 10**90) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=20)
TREES = st.recursive(
    VALUES | WORDS, lambda some: st.lists(some, max_size=4) | st.dictionaries(NAMES, some, max_size=4), max_leaves=20
)


@given(TREES)
def test_json_is_yaml_and_reads_back_as_it_was(tree):
    """But for one thing: an escaped pair of surrogates is one character in JSON, and two that are refused in YAML."""
    assert plain(read(json.dumps(tree, ensure_ascii=False).encode(), "f.json")) == tree
    assert plain(plant(tree)) == tree


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
