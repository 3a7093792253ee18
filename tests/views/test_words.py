import math

import pytest

from simlab.views.words import (
    clock,
    human,
    interval,
    listed,
    number,
    opening,
    percent,
    points,
    quantity,
    short,
    signed,
    slug,
    span,
)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "\N{EN DASH}"),
        (math.nan, "\N{EN DASH}"),
        (math.inf, "\N{EN DASH}"),
        (0, "0"),
        (12345.6, "12,346"),
        (0.012345, "0.0123"),
        (-2.5, "\N{MINUS SIGN}2.5"),
        (99.96, "100"),
        (1.2e-7, "1.20e\N{MINUS SIGN}07"),
        (3e9, "3.00e+09"),
    ],
)
def test_numbers(x, text):
    assert number(x) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.414, "41%"),
        (0.0721, "7.2%"),
        (0.07, "7%"),
        (0, "0%"),
        (1, "100%"),
        (1e-5, "<0.1%"),
        (0.9999, ">99.9%"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_share_is_never_rounded_to_never_or_always(share, text):
    assert percent(share) == text


def test_points_are_finer_where_the_interval_is():
    assert points(0.344) == "+34"
    assert points(-0.344) == "\N{MINUS SIGN}34"
    assert points(0.0034, width=0.01) == "+0.3"
    assert points(0.0) == points(-1e-9) == "0"
    assert points(None) == "\N{EN DASH}"


def test_units_signs_and_intervals():
    assert quantity(3.5, "s") == "3.5 s"
    assert quantity(3.5, "1") == "3.5"
    assert quantity(3.5, "%") == "3.5%"
    assert quantity(None, "s") == "\N{EN DASH}"
    assert (signed(2), signed(-2), signed(0)) == ("+2", "\N{MINUS SIGN}2", "0")
    assert interval(None) == "too few for an interval"
    assert interval((-1, 2)) == "\N{MINUS SIGN}1 to 2"


def test_times_are_read_in_their_own_unit():
    assert clock(1800) == (60.0, "min")
    assert span(1800) == "30 min"
    assert span(86400 * 3) == "3 day"
    assert span(math.inf) == "\N{EN DASH}"


def test_names():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert short("abcdef", 4) == "abc…"
    assert slug("../../Etc/Passwd") == "etc-passwd"
    assert slug("$") == "unnamed"


def test_the_opening_is_whole_sentences():
    text = "One ball, 2.5 cm wide, falls.  It\nbounces! Does it? Nobody knows."
    assert opening(text, 41) == "One ball, 2.5 cm wide, falls. It bounces!"
    assert opening(text, 40) == "One ball, 2.5 cm wide, falls."
    assert opening(text, 10) == "One ball,…"


def test_what_never_varied_and_popular_rules_are_said():
    """An interval of no width looks like certainty; `x_seed` is how a detector's reading by the popular rule is stored."""
    assert interval([0.5, 0.5]) == "did not vary"
    assert interval([0.0, 0.0]) == "did not vary"
    assert interval([0.1, 0.3]) == "0.1 to 0.3"
    assert interval(None) == "too few for an interval"
    assert human("feedback_spiral_seed") == "feedback spiral (popular rule)"
    assert (human("feedback_spiral"), human("seed")) == ("feedback spiral", "seed")
