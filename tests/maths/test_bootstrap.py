import numpy as np
import pytest

from spinfunnel.maths.bootstrap import calibrations, mean_of_pairs, mean_of_values


def test_one_astray_widens_the_interval_of_pairs():
    q = np.ones((16, 16))
    q[3, :] = q[:, 3] = 0.0
    found = mean_of_pairs(q, seed=0)
    assert found.value == pytest.approx(1 - 2 / 16)
    assert found.low < 0.9 < found.high <= 1


def test_what_is_on_the_diagonal_does_not_matter():
    q = np.full((5, 5), 0.3)
    other = q.copy()
    np.fill_diagonal(other, 7.0)
    assert mean_of_pairs(q, 1) == mean_of_pairs(other, 1)


def test_the_mean_of_values_covers_as_often_as_stated():
    rng = np.random.default_rng(0)
    found = [mean_of_values(rng.normal(1.0, 1.0, 40), seed) for seed in range(200)]
    inside = sum(one.low <= 1.0 <= one.high for one in found)
    assert 165 <= inside <= 194


def test_the_calibrations_hold():
    rows = [row for one in calibrations for row in one.run(3)]
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows
