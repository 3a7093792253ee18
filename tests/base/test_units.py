"""Durations as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.base.errors import InputError
from simlab.base.units import pretty, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30 min", 1800), ("5 s", 5), ("0.5 s", 0.5), ("1000 day", 86_400_000), ("2 h", 7200), ("1 week", 604_800),
        ("100 ms", 0.1), ("  7  h ", 25_200), ("30min", 1800), ("1e-3 s", 0.001), ("-3 s", -3), (".5 min", 30),
    ],
)  # fmt: skip
def test_durations_are_read(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("45 sec", "`45 s`"), ("2 days", "`2 day`"), ("1000 dayz", "`1000 day`"), ("5 m", "`5 min`"), ("3 hr", "`3 h`"),
        ("5 S", "`5 s`"), ("5", "no unit; write e.g. `5 s`"), ("nan s", "cannot read"), ("inf s", "cannot read"),
        ("", "`30 min`"), ("five s", "cannot read"), ("1_000 s", "cannot read"), ("\u0663 s", "cannot read"),
        ("1e400 s", "more than a number"), ("1e308 week", "more than a number"), ("1 s 2 s", "cannot read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_to_write(text, says):
    with pytest.raises(InputError) as caught:
        seconds(text)
    assert says in str(caught.value)


def test_a_tiny_exponent_is_nothing_and_takes_no_time():
    assert seconds("1e-999999999 s") == 0


def test_less_than_nothing_is_refused_where_asked():
    with pytest.raises(InputError, match="`3 min`"):
        seconds("-3 min", negative=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1800, "30 min"),
        (0.5, "0.5 s"),
        (0.05, "50 ms"),
        (5400, "1.5 h"),
        (86_400_000, "1000 day"),
        (0, "0 s"),
        (90, "1.5 min"),
    ],
)
def test_times_are_shown_as_people_write_them(value, text):
    assert pretty(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_shown_reads_back_as_the_same_number(value):
    shown = seconds(pretty(value))
    assert shown == value
    assert math.copysign(1, shown) == math.copysign(1, value) or value == 0
