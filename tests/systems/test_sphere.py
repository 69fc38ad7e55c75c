"""The spherical p-spin glass: its tensor, its derivatives on the sphere, the planted field."""

import itertools

import numpy as np
import pytest

from spinfunnel.systems.protocols import Native
from spinfunnel.systems.sphere import calibrations, spherical_pspin, symmetric
from spinfunnel.testing import check_system


@pytest.mark.parametrize(
    ("size", "given"),
    [
        (25, {}),
        (1, {}),
        (2, {"p": 5}),
        (12, {"p": 2}),
        (7, {"p": 4}),
        (5, {"p": 5, "eps": 1.3, "degree": 3}),
        (12, {"p": 2, "eps": -0.7, "degree": 2}),
    ],
)
def test_promises_are_kept(size, given):
    if size > 1:
        check_system(spherical_pspin(size, 3, **given))
    else:
        assert np.abs(spherical_pspin(1).gradient(np.ones((1, 1)))).max() < 1e-15


@pytest.mark.parametrize("p", [2, 3, 4])
def test_symmetric_is_the_mean_over_all_orders(p):
    tensor = np.random.default_rng(0).standard_normal((4,) * p)
    orders = [np.transpose(tensor, order) for order in itertools.permutations(range(p))]
    assert symmetric(tensor) == pytest.approx(np.mean(orders, axis=0), abs=1e-14)


def test_energy_is_the_sum_over_all_tuples():
    n, x = 5, np.random.default_rng(1).standard_normal((3, 5))
    glass = spherical_pspin(n, 4, eps=0.8, degree=2)
    sums = np.einsum("ijk,bi,bj,bk->b", glass.couplings, x, x, x) / n
    pulled = 0.8 * n * (x @ glass.native / n) ** 2
    assert glass.energy(x) == pytest.approx(sums - pulled)


def test_the_field_adds_to_the_same_glass():
    plain, pulled = spherical_pspin(20, 7), spherical_pspin(20, 7, eps=2.0, degree=3)
    assert isinstance(pulled, Native)
    assert not isinstance(plain, Native)
    x = plain.random(5, 0)
    m = x @ pulled.native / 20
    assert pulled.energy(x) - plain.energy(x) == pytest.approx(-2.0 * 20 * m**3)
    assert (pulled.native**2).sum() == pytest.approx(20)


def test_the_hessian_is_symmetric_and_blind_to_the_radius():
    glass = spherical_pspin(15, 2, eps=1.0, degree=2)
    x = np.repeat(glass.random(1, 0), 15, axis=0)
    hessian = glass.hvp(x, np.eye(15))
    assert hessian == pytest.approx(hessian.T, abs=1e-12)
    assert np.abs(hessian @ x[0]).max() < 1e-12


def test_odd_orders_are_odd_and_even_ones_have_one_state_of_two():
    for p in (2, 3, 4):
        glass = spherical_pspin(8, p=p)
        x = glass.random(4, 0)
        assert glass.energy(-x) == pytest.approx((-1) ** p * glass.energy(x))
        assert glass.overlap(x, -x) == pytest.approx((-1.0) ** p)
    assert spherical_pspin(8, p=2, eps=1.0).overlap(x, -x) == pytest.approx(-1)
    assert spherical_pspin(8, p=2, eps=1.0, degree=2).overlap(x, -x) == pytest.approx(1)


def test_points_are_spread_evenly_on_the_sphere():
    x = spherical_pspin(6).random(20_000, 1)
    assert (x**2).sum(axis=1) == pytest.approx(6)
    assert x.T @ x / 20_000 == pytest.approx(np.eye(6), abs=0.05)


def test_calibrations_hold():
    assert all(row.ok and abs(row.sigma or 0) < 4 for known in calibrations for row in known.run(0))
