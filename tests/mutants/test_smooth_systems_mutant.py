"""Planted bugs in surfaces, sphere, clusters and their oracles: each turns a calibration, or the kit, red."""

import math
from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.systems import complexity, lennard_jones, sphere, surfaces
from spinfunnel.testing import check_system

MODULES = (surfaces, sphere, lennard_jones, complexity)


def red(module, *words):
    """Run the calibrations of a module, or those of these names; give the quantities that fail."""
    return [
        row.quantity
        for known in module.calibrations
        if not words or known.name in words
        for row in known.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_originals_are_green(module):
    assert red(module) == []


# Surfaces.


def other_jet(monkeypatch, name, change):
    """Make a surface whose jet is changed."""
    right = getattr(surfaces, name)

    def wrong():
        made = right()
        return replace(made, jet=lambda x: change(*made.jet(x)))

    monkeypatch.setattr(surfaces, name, wrong)


def test_a_gradient_that_is_slightly_off_moves_the_minima(monkeypatch):
    other_jet(monkeypatch, "mueller_brown", lambda energy, slope, bend: (energy, slope + 1e-4, bend))
    assert any(quantity.startswith("x of the minimum") for quantity in red(surfaces))


def test_a_hessian_that_is_slightly_off(monkeypatch):
    other_jet(monkeypatch, "mueller_brown", lambda energy, slope, bend: (energy, slope, bend * 1.001))
    with pytest.raises(AssertionError, match="v H v"):
        check_system(surfaces.mueller_brown())


def test_a_height_that_is_slightly_off(monkeypatch):
    other_jet(monkeypatch, "curvy_valley", lambda energy, slope, bend: (energy * 1.001, slope, bend))
    assert red(surfaces) == ["saddle +0, energy"]


def test_saddles_that_newton_is_not_allowed_to_find(monkeypatch):
    right = surfaces.stationary_points
    monkeypatch.setattr(
        surfaces, "stationary_points", lambda of: tuple(point for point in right(of) if point.index == 0)
    )
    assert "saddles" in red(surfaces)


# The sphere.


def test_couplings_that_are_one_order_of_the_indices_alone(monkeypatch):
    monkeypatch.setattr(sphere, "symmetric", lambda tensor: tensor)
    assert "its square" in red(sphere, "curvature")
    with pytest.raises(AssertionError, match="gradient must be"):
        check_system(sphere.spherical_pspin(10))


def test_couplings_of_the_other_convention(monkeypatch):
    right = sphere.symmetric
    monkeypatch.setattr(sphere, "symmetric", lambda tensor: right(tensor) / math.sqrt(2))
    assert {"E H H'/N at q = 1.0", "gradient squared, a direction", "its square"} <= set(red(sphere))


def test_a_flat_hessian_that_forgets_the_sphere(monkeypatch):
    right = sphere.Sphere.hvp

    def wrong(self, x, v):
        radial = np.einsum("bi,bi->b", x, self.slope(x, self.summed(x))[1]) / self.size
        return right(self, x, v) + radial[:, None] * self.tangent(x, v)

    monkeypatch.setattr(sphere.Sphere, "hvp", wrong)
    assert "Hessian at eigenvector 0" in red(sphere, "pairs")
    with pytest.raises(AssertionError, match="v H v"):
        check_system(sphere.spherical_pspin(10))


def test_a_gradient_that_leaves_the_sphere(monkeypatch):
    right = sphere.Sphere.tangent
    monkeypatch.setattr(sphere.Sphere, "tangent", lambda self, x, v: right(self, x, v) + 0.1 * x)
    assert "gradient at all eigenvectors" in red(sphere, "pairs")


# Clusters.


def test_pairs_counted_twice(monkeypatch):
    right = lennard_jones.LennardJones.energy_and_gradient
    monkeypatch.setattr(
        lennard_jones.LennardJones,
        "energy_and_gradient",
        lambda self, x: tuple(2 * part for part in right(self, x)),
    )
    found = red(lennard_jones)
    assert "energy, all pairs at rest" in found
    assert "energy of the shape from geometry; literature" in found


def test_a_hessian_of_the_wrong_stiffness(monkeypatch):
    right = lennard_jones.LennardJones.hvp
    monkeypatch.setattr(lennard_jones.LennardJones, "hvp", lambda self, x, v: right(self, x, v) / 2)
    assert red(lennard_jones) == ["curvature of the bond"]


def test_a_shape_that_is_not_the_best(monkeypatch):
    monkeypatch.setattr(lennard_jones, "octahedron", lambda: lennard_jones.icosahedron(2)[:38])
    assert "energy of the shape from geometry; literature" in red(lennard_jones)


@pytest.mark.parametrize(
    ("method", "wrong", "says"),
    [
        (
            "propose",
            lambda x, memory, data, rng: (memory.__setitem__(slice(None), 0.3), (0.0, 0.0))[1],
            "add up",
        ),
        ("prepare", lambda x, memory, data: 0.0, "prepare must give"),
        ("accept", lambda x, memory, data: None, "add up"),
    ],
)
def test_the_kit_finds_moves_that_do_not_cost_what_they_say(monkeypatch, method, wrong, says):
    monkeypatch.setattr(lennard_jones.LennardJones, method, staticmethod(wrong))
    with pytest.raises(AssertionError, match=says):
        check_system(lennard_jones.lj(7))


def test_an_overlap_that_minds_the_numbering(monkeypatch):
    def in_order(x):
        i, j = np.triu_indices(x.shape[1], 1)
        return np.linalg.norm(x[:, i] - x[:, j], axis=-1)

    system = lennard_jones.lj(9)
    x = system.random(2, 0)
    assert system.overlap(x, x[:, ::-1]) == pytest.approx(1)
    monkeypatch.setattr(lennard_jones, "sorted_distances", in_order)
    assert (system.overlap(x, x[:, ::-1]) < 0.5).all()


# Complexity.


@pytest.mark.parametrize(
    ("name", "change", "where", "turns"),
    [
        (
            "outlier_cost",
            lambda right: lambda u, p: right(u, p) * 1.001,
            "minima",
            "ground energy per spin, -E_0",
        ),
        (
            "complexity",
            lambda right: lambda u, p=3, index=None: right(u, p, (index or 0) + 1),
            "table of saddles",
            "Theta half way to the threshold",
        ),
        (
            "complexity",
            lambda right: lambda u, p=3, index=None: right(u, p, index) + np.minimum(u, 0) ** 2 / 1e6,
            "table of saddles",
            "Theta half way to the threshold",
        ),
        ("threshold", lambda right: lambda p: -2 * math.sqrt((p - 1.001) / p), "minima", "threshold, -E_inf"),
        ("transitions", lambda right: lambda p: right(p, variance=0.5), "freezing", "d(f/T)/dm at T_s, q_s"),
        ("stationary_count", lambda right: lambda *given: right(*given) / 2, "counting", "stationary points"),
        (
            "goe_density",  # the semicircle: right for many spins, wrong for few
            lambda right: lambda n, x: np.sqrt(np.maximum(2 * n - x**2, 0)) / np.pi,
            "counting",
            "stationary points met on a circle",
        ),
    ],
)
def test_wrong_formulas(monkeypatch, name, change, where, turns):
    monkeypatch.setattr(complexity, name, change(getattr(complexity, name)))
    assert turns in red(complexity, where)


def test_couplings_that_are_all_alike_have_another_number_of_turns(monkeypatch):
    right = complexity.spherical_pspin

    def wrong(*given, **named):
        made = right(*given, **named)
        return replace(made, couplings=np.full_like(made.couplings, made.couplings.flat[0]))

    monkeypatch.setattr(complexity, "spherical_pspin", wrong)
    assert red(complexity) == ["stationary points met on a circle"] * 2
