"""Parameters are held against their declarations when an object is built."""

from __future__ import annotations

import math

import pytest

from simlab.base.errors import ParameterError
from simlab.base.par import parameters
from tests.lab.toy import Toy


def test_declarations_are_read_in_order():
    declared = parameters(Toy)
    assert list(declared)[:3] == ["models", "pull", "drift"]
    assert declared["models"].kind is int
    assert declared["drift"].par.live


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": 0}, r"Toy\.models must be at least 1, not 0 \(models\)"),
        ({"models": 2.5}, "must be a whole number, not 2.5"),
        ({"models": True}, "must be a number, not True"),
        ({"noise": -0.1}, "noise must be at least 0, not -0.1"),
        ({"seconds": 0.0}, "seconds must be above 0 s, not 0.0"),
        ({"pull": math.nan}, "pull must be a finite number, not nan"),
        ({"pull": "1"}, "pull must be a number, not '1'"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ParameterError, match=message):
        Toy(**given)
