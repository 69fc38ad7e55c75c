"""Planted bugs in Hessians, searches and counts: each must turn a calibration of saddles red."""

import inspect

import numpy as np
import pytest

from spinfunnel.core import SpinfunnelError
from spinfunnel.dynamics import saddles
from spinfunnel.instruments.criticality import calibration, measuring
from spinfunnel.systems.lennard_jones import LennardJones
from spinfunnel.systems.sphere import Sphere

CALIBRATIONS = {one.name: one for one in (*saddles.calibrations, *calibration.calibrations)}


def red(name):
    """A calibration that crashes is red as well."""
    try:
        return [row.quantity for row in CALIBRATIONS[name].run(1) if not row.ok]
    except (SpinfunnelError, ValueError) as error:
        return [str(error)]


@pytest.mark.parametrize("name", ["saddles of p = 2", pytest.param("p-spin saddles", marks=pytest.mark.slow)])
def test_the_sign_of_the_hessian(monkeypatch, name):
    right = Sphere.hvp
    monkeypatch.setattr(Sphere, "hvp", lambda self, x, v: -right(self, x, v))
    assert red(name)


@pytest.mark.parametrize("name", ["saddles of p = 2", pytest.param("p-spin saddles", marks=pytest.mark.slow)])
def test_the_radial_term_of_the_sphere_is_forgotten(monkeypatch, name):
    right = Sphere.hvp

    def flat(self, x, v):
        radial = np.einsum("bi,bi->b", x, self.slope(x, self.summed(x))[1]) / self.size
        return right(self, x, v) + radial[:, None] * self.tangent(x, v)

    monkeypatch.setattr(Sphere, "hvp", flat)
    assert red(name)


def test_zero_modes_are_counted(monkeypatch):
    monkeypatch.setattr(saddles, "FLAT", 1e-30)
    assert red("saddles of three atoms")
    assert "zero modes: the radius" in red("saddles of p = 2")


@pytest.mark.slow
def test_the_sign_of_the_hessian_of_a_cluster(monkeypatch):
    right = LennardJones.hvp
    monkeypatch.setattr(LennardJones, "hvp", lambda self, x, v: -right(self, x, v))
    assert red("clusters")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.where(up, newton, -newton)", "-newton"),
        ("np.where(up, newton, -newton)", "np.where(up, -newton, newton)"),
        ("slope = there, new_energy, new_slope", "slope = there, energy, new_slope"),
    ],
)
def test_a_step_that_is_wrong(monkeypatch, old, new):
    source = inspect.getsource(saddles._search)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec", dont_inherit=True), names := dict(vars(saddles)))
    monkeypatch.setattr(saddles, "_search", names["_search"])
    assert red("saddles of p = 2")


def test_points_that_did_not_converge_are_taken(monkeypatch):
    right = measuring.climb

    def credulous(*given, **named):
        found = right(*given, **named)
        found.converged[:] = True
        return found

    monkeypatch.setattr(measuring, "climb", credulous)
    assert red("Mueller-Brown")
