"""Designs against what is known of them: strata, Saltelli's scheme, and the indices of the Ishigami function."""

import numpy as np
import pytest

from simlab.base.errors import InputError
from simlab.studies.design import indices, latin, saltelli

A, B = 7.0, 0.1


def ishigami(cube):
    """Ishigami & Homma (1990): sin x1 + a sin^2 x2 + b x3^4 sin x1 over (-pi, pi)^3."""
    x = (2 * cube - 1) * np.pi
    return np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])


def analytic():
    """Its first and total indices in closed form (Saltelli et al. 2000, Sensitivity Analysis, section 2.9.3)."""
    v1 = 0.5 * (1 + B * np.pi**4 / 5) ** 2
    v2 = A**2 / 8
    v13 = B**2 * np.pi**8 * (1 / 18 - 1 / 50)
    total = v1 + v2 + v13
    return np.array([v1, v2, 0]) / total, np.array([v1 + v13, v2, v13]) / total


def test_the_indices_of_the_ishigami_function():
    """Within four standard errors as resampling tells them (half a 95% interval is 1.96), and within 0.03 of the closed form."""
    first, total = analytic()
    assert first == pytest.approx([0.3139, 0.4424, 0], abs=1e-4)
    found = indices(ishigami(saltelli(4096, 3, 5)), 3, 5)
    for i, index in enumerate(found):
        assert abs(index.first - first[i]) < min(4 * index.first_half / 1.96, 0.03)
        assert abs(index.total - total[i]) < min(4 * index.total_half / 1.96, 0.03)
        assert 0 < index.first_half < 0.1


def test_an_additive_function_has_no_interactions():
    """y = x1 + 2 x2: first and total indices are 1/5 and 4/5."""
    cube = saltelli(1024, 2, 1)
    found = indices(cube @ np.array([1.0, 2.0]), 2, 1)
    for index, share in zip(found, (0.2, 0.8), strict=True):
        assert index.first == pytest.approx(share, abs=0.01)
        assert index.total == pytest.approx(share, abs=0.01)


def test_saltellis_points_change_one_axis_at_a_time():
    n, d = 8, 3
    blocks = saltelli(n, d, 3).reshape(n, d + 2, d)
    a, b = blocks[:, 0], blocks[:, -1]
    for i in range(d):
        for j in range(d):
            np.testing.assert_array_equal(blocks[:, 1 + i, j], (b if i == j else a)[:, j])
    for column in np.concatenate([a, b], axis=1).T:  # a Sobol sequence: one point in every eighth of every axis
        assert sorted((column * n).astype(int)) == list(range(n))


@pytest.mark.parametrize(("n", "d"), [(7, 2), (50, 5)])
def test_a_latin_hypercube_has_a_point_in_every_stratum(n, d):
    cube = latin(n, d, 4)
    assert cube.shape == (n, d)
    for column in cube.T:
        assert sorted((column * n).astype(int)) == list(range(n))


def test_a_design_is_the_same_for_the_same_seed_and_another_for_another():
    for draw in (latin, saltelli):
        np.testing.assert_array_equal(draw(16, 2, 0), draw(16, 2, 0))
        assert not np.array_equal(draw(16, 2, 0), draw(16, 2, 2**64 - 1))
    y = ishigami(saltelli(64, 3, 0))
    assert indices(y, 3, 0) == indices(y, 3, 0)  # SALib takes a seed of 0 for none


def test_where_there_are_no_indices():
    assert indices(np.full(16, 0.3), 2, 1) is None  # no variance to share out
    assert indices(np.r_[np.nan, np.arange(15.0)], 2, 1) is None
    with pytest.raises(InputError, match="power of two of points, not 12"):
        saltelli(12, 2, 1)
