"""Axes: which values a list or a range stands for, on the command line and in a file."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest

from simlab.base.units import seconds
from simlab.scenario.axes import arguments, at, put_axes, read_axis, shown, spread, values_of
from simlab.scenario.problems import ScenarioError
from simlab.scenario.reader import Node, plain, plant
from simlab.scenario.scenario import Axis
from simlab.scenario.walker import Walker


def axis(text, design="grid"):
    walker = Walker()
    ((path, node),) = arguments([f"world.market.impact={text}"]).items()
    found = read_axis(walker, path, node, path, design)
    walker.problems.stop_if_any()
    return found


def refused(text, design="grid"):
    with pytest.raises(ScenarioError) as caught:
        axis(text, design)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("70,140,280", (70, 140, 280)),
        (" 10 s, 1 min", ("10 s", "1 min")),
        ("isolated,shared", ("isolated", "shared")),
        ("0:2:5", (0, 0.5, 1, 1.5, 2)),
        ("0.1:0.6:6", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),  # and not 0.30000000000000004
        ("8:64:8", (8, 16, 24, 32, 40, 48, 56, 64)),
        ("log:0.01:1:3", (0.01, 0.1, 1)),
        ("0 s:5 min:6", ("0 s", "1 min", "2 min", "3 min", "4 min", "5 min")),
        ("-1:1:3", (-1, 0, 1)),
        ("[609, 379],[494, 494]", ([609, 379], [494, 494])),
        (
            "{wiring: federated, average_every: 10 s},shared",
            ({"wiring": "federated", "average_every": "10 s"}, "shared"),
        ),
        ('"a,b",true', ("a,b", True)),
    ],
)
def test_lists_and_ranges(text, values):
    assert values_of(axis(text)) == values
    assert [type(value) for value in values_of(axis("8:64:8"))] == [int] * 8


def test_equal_ratios_and_distances():
    """A range of times steps in seconds; a logarithmic one in ratios."""
    found = [seconds(value) for value in values_of(axis("log:1 s:100 s:3"))]
    assert found == pytest.approx([1, 10, 100])
    x = values_of(axis("log:3:300:7"))
    assert [b / a for a, b in pairwise(x)] == pytest.approx([10 ** (1 / 3)] * 6)


@pytest.mark.parametrize(
    ("text", "design", "says"),
    [
        ("7", "grid", "at least two values"),
        ("1,2,1", "grid", "`1` is there twice"),
        ("1:2", "grid", "write e.g. `1:2:5`"),
        ("1:2:5", "lhs", "write `1:2`; `points` says how many"),
        ("2:1:5", "grid", "from its lowest to its highest"),
        ("log:0:1:5", "grid", "above 0"),
        ("1 s:2:5", "grid", "cannot read `1 s:2:5` as a range"),
        ("a:b:5", "grid", "cannot read `a:b:5` as a range"),
        ("0:1:1", "grid", "expected from 2 to 10,000"),
        ("0:1:20000", "grid", "expected from 2 to 10,000"),
        ("0:1:x", "grid", "expected from 2 to 10,000"),
        (".inf:1:3", "grid", "cannot read"),
        ("2.9-4.5", "grid", "write `2.9:4.5:5` for five values"),
        ("2.9..4.5", "lhs", "write `2.9:4.5`"),
        ("-1 to 1e-3", "grid", "write `-1:1e-3:5` for five values"),
        ("1 s-5 min", "grid", "write `1 s:5 min:5` for five values"),
        ("all-shared", "grid", "a single one belongs under `set`"),
    ],
)
def test_what_is_no_axis_is_refused_at_its_place(text, design, says):
    told = refused(text, design)
    assert says in told
    assert f"world.market.impact={text}" in told
    assert "^" in told


@pytest.mark.parametrize("text", ["a.b", "=1,2", "a.b=", "a.b=1,"])
def test_an_argument_that_cannot_be_read(text):
    with pytest.raises(ScenarioError):
        arguments([text])


def test_a_path_given_twice_is_refused():
    with pytest.raises(ScenarioError, match="given twice"):
        arguments(["a.b=1,2", "a.b=3,4"])


def test_a_range_that_is_drawn_from():
    found = axis("log:0.01:1", "lhs")
    assert (found.low, found.high, found.steps, found.log) == (0.01, 1, None, True)
    assert at(found, 0.5) == 0.1
    assert at(axis("0 s:1 min", "lhs"), 0.25) == "15 s"
    assert at(axis("0:1", "lhs"), 1 / 3) == 0.333333  # as it is written in a table
    assert [at(axis("1:4", "lhs"), u, whole=True) for u in (0.0, 0.24, 0.26, 0.99, 1.0)] == [1, 1, 2, 4, 4]
    assert [at(axis("a,b", "lhs"), u) for u in (0.0, 0.49, 0.5, 1.0)] == ["a", "a", "b", "b"]
    assert at(axis("0:1:3"), Fraction(1, 2)) == 0.5


@pytest.mark.parametrize(
    ("text", "design"), [("0:2:5", "grid"), ("log:1 s:1 min:4", "grid"), ("1,2", "grid"), ("0:1", "sobol")]
)
def test_an_axis_reads_back(text, design):
    found = axis(text, design)
    walker = Walker()
    assert read_axis(walker, found.path, plant(shown(found)), "x", design) == found
    assert not walker.faults


TREE = {
    "arms": {"a": {"interventions": [{"kill": {"at": 0}}]}, "b": {"topology": "shared"}, "c": {"interventions": []}}
}


def test_a_star_stands_for_every_arm_that_has_it():
    tree = plant(TREE)
    assert spread("arms.*.interventions.0.kill.latency", tree) == ["arms.a.interventions.0.kill.latency"]
    assert spread("arms.*.topology", tree) == ["arms.a.topology", "arms.b.topology", "arms.c.topology"]
    assert spread("world.x", tree) == ["world.x"]
    walker = Walker()
    put = plain(put_axes(tree, {"arms.*.interventions.0.kill.at": Node(7)}, walker))
    assert put["arms"]["a"]["interventions"][0]["kill"]["at"] == 7
    assert put["arms"]["b"] == TREE["arms"]["b"]
    assert not walker.faults
    put_axes(tree, {"arms.*.interventions.3.kill.at": Node(7)}, walker)
    assert walker.faults == 1


def test_no_value_is_lost_to_rounding():
    """Steps are exact fractions, rounded once: the ends are what was written, and the middle is the middle."""
    for low, high, n in ((0.1, 0.7, 7), (1e-9, 3e-9, 3), (0, 1, 11)):
        found = values_of(Axis("x", (), low, high, n))
        assert (found[0], found[-1]) == (low, high)
        assert all(
            math.isclose(value, low + (high - low) * i / (n - 1), rel_tol=1e-15) for i, value in enumerate(found)
        )
