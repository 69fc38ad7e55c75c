import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import saddles
from spinfunnel.dynamics.descent import descend
from spinfunnel.dynamics.langevin import Quadratic
from spinfunnel.dynamics.saddles import climb, modes
from spinfunnel.systems import system


@pytest.mark.parametrize("one", saddles.calibrations, ids=lambda one: one.name)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert all(row.ok for row in rows), rows


def test_one_seed_gives_the_same_bits_and_one_search_depends_on_no_other():
    glass = system("spherical-pspin", size=20)
    minima = descend(glass, glass.random(4, 0)).final
    found, again = (climb(glass, minima, [1, 2, 3, 4], seed=5) for _ in range(2))
    few = climb(glass, minima[:2], [1, 2], seed=5)
    np.testing.assert_array_equal(found.x, again.x)
    np.testing.assert_array_equal(found.x[:2], few.x)


def test_what_does_not_converge_says_so():
    glass = system("spherical-pspin", size=20)
    found = climb(glass, glass.random(3, 0), [1, 1, 1], most=2)
    assert not found.converged.any()
    assert (found.slopes > 1e-8).all()
    assert (found.steps == 2).all()


def test_where_everything_is_flat_nothing_is_climbed():
    flat = Quadratic(np.zeros(3))
    found = climb(flat, np.ones((1, 3)), [2])
    assert found.converged.all()
    assert (found.flat == 3).all()
    assert (found.index == 0).all()


@pytest.mark.parametrize("p", [2, 3])
def test_some_dimensions_of_many_lead_to_the_same_as_all(monkeypatch, p):
    """No Hessian is made: the ends are stationary all the same, and of p = 2 the same."""
    glass = system("spherical-pspin", size=60, seed=2) if p == 3 else system("spherical-pspin?p=2", size=60)
    minima = descend(glass, glass.random(4, 1)).final
    whole = climb(glass, minima, [0, 1, 2, 4])
    monkeypatch.setattr(saddles, "DENSE", 59)
    monkeypatch.setattr(saddles, "KRYLOV", 40)
    found = climb(glass, minima, [0, 1, 2, 4])
    assert found.spectra.shape[1] <= 40
    assert found.converged.all()
    assert np.abs(np.linalg.norm(glass.gradient(found.x), axis=1)).max() < 1e-8
    assert found.index.tolist() == [0, 1, 2, 4]
    if p == 2:
        np.testing.assert_allclose(found.energies, whole.energies, atol=1e-9)


def test_modes_of_many_coordinates_hold_the_gradient_and_the_extremes(monkeypatch):
    well = Quadratic(np.linspace(-1, 5, 200))
    x = np.random.default_rng(0).standard_normal(200)
    monkeypatch.setattr(saddles, "DENSE", 100)
    slope = well.gradient(x[None])[0]
    values, vectors = modes(well, x, slope[:, None])
    np.testing.assert_allclose(vectors @ (vectors.T @ slope), slope, atol=1e-10)
    np.testing.assert_allclose(values[[0, -1]], [-1, 5], atol=1e-6)
    assert len(values) <= saddles.KRYLOV


class Broken(Quadratic):
    """An energy, a gradient or a Hessian that is not finite."""

    def __init__(self, what):
        super().__init__(np.array([1.0, 2.0]))
        object.__setattr__(self, "what", what)

    def energy(self, x):
        return super().energy(x) + (math.inf if self.what == "energy" else 0)

    def gradient(self, x):
        return super().gradient(x) * (math.nan if self.what == "gradient" else 1)

    def hvp(self, x, v):
        return super().hvp(x, v) * (math.nan if self.what == "Hessian" else 1)


@pytest.mark.parametrize("what", ["energy", "gradient", "Hessian"])
def test_what_is_not_finite_is_one_line(what):
    with pytest.raises(BadInput, match=what):
        climb(Broken(what), np.ones((1, 2)), [1])


def test_bad_input():
    with pytest.raises(BadInput, match="no gradient"):
        climb(system("sk", size=8), np.ones((1, 8)), [1])
    well = system("double-well")
    for x, directions in ((np.ones((1, 3)), [1]), (np.ones((2, 2)), [1]), (np.ones((1, 2)), [3])):
        with pytest.raises(BadInput, match="directions"):
            climb(well, x, directions)
    with pytest.raises(BadInput, match="passed"):
        climb(well, np.ones((1, 2)), [1], passed=[0, 1])
