import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics.low_gradient import approach, calibrations, hessian, newton_mr
from spinfunnel.systems import system


@pytest.mark.parametrize("one", calibrations, ids=lambda one: one.name)
def test_the_calibrations_hold(one):
    assert all(row.ok for row in one.run(3))


def test_a_step_shortens_the_gradient_however_few_products_it_takes():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((60, 60))
    matrix, slope = matrix + matrix.T, rng.standard_normal(60)
    lengths = []
    for most in (1, 3, 10, 30, 200):
        step, changed, spent = newton_mr(matrix, slope, most, enough=1e-9)
        np.testing.assert_allclose(changed, matrix @ step, atol=1e-7)
        assert changed @ slope == pytest.approx(-(changed @ changed))
        assert spent <= most
        lengths.append(np.linalg.norm(changed + slope))
    assert sorted(lengths, reverse=True) == lengths
    assert lengths[-1] < 1e-8


def test_where_the_hessian_is_zero_along_the_gradient_nothing_is_done():
    step, changed, spent = newton_mr(np.diag([1.0, 0.0]), np.array([0.0, 1.0]), 10)
    assert (step == 0).all()
    assert (changed == 0).all()
    assert spent == 1


def test_searches_that_stall_are_told_from_those_that_arrive():
    surface = system("mueller-brown")
    found = approach(surface, surface.random(60, 1), longest=0.2)
    slopes = np.linalg.norm(surface.gradient(found.x), axis=1)
    assert set(found.ends) == {"stationary", "stalled"}
    assert slopes[found.converged].max() <= 1e-8
    assert slopes[~found.converged].min() > 1
    assert (found.slopes <= found.begun).all()


def test_a_search_that_runs_out_of_products_says_so():
    glass = system("spherical-pspin", size=30, seed=1)
    found = approach(glass, glass.random(3, 0), products=40)
    assert list(found.ends) == ["unfinished"] * 3
    assert (found.products <= 40).all()


def test_one_search_depends_on_no_other():
    glass = system("spherical-pspin", size=20, seed=1)
    x = glass.random(4, 0)
    together, alone = approach(glass, x), approach(glass, x[2:3])
    np.testing.assert_array_equal(together.x[2], alone.x[0])


def test_the_hessian_as_an_operator():
    glass = system("spherical-pspin", size=12, seed=1)
    x = glass.random(1, 0)[0]
    operator = hessian(glass, x)
    many = operator @ np.eye(12)
    np.testing.assert_allclose(many[:, 3], operator @ np.eye(12)[3], atol=1e-12)
    assert operator.shape == (12, 12)


@pytest.mark.parametrize(
    ("name", "x", "said"),
    [("sk", np.ones((1, 8)), "no gradient"), ("double-well", np.ones((1, 3)), "x must be")],
)
def test_bad_input(name, x, said):
    with pytest.raises(BadInput, match=said):
        approach(system(name, size=8) if name == "sk" else system(name), x)


def test_no_search_begins_where_the_energy_is_not_finite():
    with pytest.raises(BadInput, match="begin elsewhere"):
        approach(system("lj13"), np.zeros((1, 13, 3)))
