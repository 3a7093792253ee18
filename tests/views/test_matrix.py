"""How alike models answer, as a picture with its numbers printed."""

import re

import numpy as np

from simlab.views.ink import drawing, style
from simlab.views.matrix import ends, in_words, matrix, over_replications, rows


def drawn(found, models):
    with style():
        svg = drawing(matrix(np.array(found), models), "m", "").svg
    return re.findall(r">([^<>]+)</text>", svg)


def test_every_number_is_printed_but_a_models_with_itself():
    texts = drawn([[1.0, 0.25], [-0.5, 1.0]], 2)
    assert [t for t in texts if "." in t] == ["0.25", "\N{MINUS SIGN}0.50"]
    assert texts.count("\N{EN DASH}") == 2
    assert ends(np.array([[1.0, 0.25], [-0.5, 1.0]]), 2) == (-0.5, 0.25)


def test_what_is_undefined_is_a_dash():
    assert "nan" not in drawn(np.full((3, 3), np.nan), 3)
    assert ends(np.full((3, 3), np.nan), 3) is None


def test_means_leave_out_what_is_undefined():
    alike = np.array([[[0.2]], [[np.nan]], [[0.4]]], np.float32)
    np.testing.assert_allclose(over_replications(alike), [[0.3]], rtol=1e-6)
    assert np.isnan(over_replications(alike[1:2])).all()


def test_many_models_are_shown_in_blocks_and_it_says_so():
    assert rows(3) == ["1", "2", "3"]
    assert rows(64)[:2] == ["1\N{EN DASH}8", "9\N{EN DASH}16"]
    assert "64 models are too many to show singly: rows are 8 blocks of 8 models" in in_words(64)
    assert "8 blocks of 2 or 3 models" in in_words(20)
    assert "between the predictions of two models" in in_words(8)
    assert (
        sum("." in t for t in drawn(np.full((8, 8), 0.5), 64)) == 64
    )  # the diagonal is other models of the same block
