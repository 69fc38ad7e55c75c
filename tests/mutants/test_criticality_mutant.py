"""Planted bugs in Hessians, searches and counts: each must turn a calibration of saddles red."""

import inspect

import numpy as np
import pytest

from spinfunnel.core import SpinfunnelError
from spinfunnel.dynamics import low_gradient, saddles
from spinfunnel.instruments.criticality import calibration, measuring, networks
from spinfunnel.systems.lennard_jones import LennardJones
from spinfunnel.systems.sphere import Sphere

CALIBRATIONS = {
    one.name: one for one in (*saddles.calibrations, *low_gradient.calibrations, *calibration.calibrations)
}


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


def rewritten(monkeypatch, module, name, old, new, *users):
    source = inspect.getsource(getattr(module, name))
    assert source.count(old) == 1
    names = dict(vars(module))
    exec(compile(source.replace(old, new), "mutant", "exec", dont_inherit=True), names)
    for user in (module, *users):
        monkeypatch.setattr(user, name, names[name])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lambda h: h < -band", "lambda h: h > band"),  # the wrong sign
        pytest.param("lambda h: h < -band", "lambda h: h < band", marks=pytest.mark.slow),  # counts flat ones
        pytest.param(
            "(matrix + matrix.T) / 2", "matrix + matrix.T - np.diag(np.diag(matrix))", marks=pytest.mark.slow
        ),
    ],
)
def test_the_index_of_networks_is_counted_wrongly(monkeypatch, old, new):
    pytest.importorskip("torch")
    rewritten(monkeypatch, networks, "spectrum", old, new, calibration)
    assert "index less the known, largest" in red("linear networks")


def test_the_index_by_probes_has_the_wrong_sign(monkeypatch):
    rewritten(monkeypatch, networks, "spectrum", "lambda h: h < -band", "lambda h: h > band", calibration)
    assert len(red("index by probes")) == 2  # at the middle eigenvector half are negative


@pytest.mark.parametrize(
    ("name", "old", "new", "calibrated"),
    [
        (
            "newton_mr",
            "step += cosine * left * direction",
            "step -= cosine * left * direction",
            "least residuals",
        ),
        (
            "newton_mr",
            "epsilon, sine * beta, -cosine * beta",
            "epsilon, sine * beta, cosine * beta",
            "least residuals",
        ),
        ("newton_mr", "- far * last", "", "least residuals"),
        ("_search", "if steep <= tolerance:", "if steep <= 1e9 * tolerance:", "low gradients on a surface"),
        (
            "_search",
            'end = "stalled"\n            break',
            'end = "stationary"\n            break',
            "low gradients on a surface",
        ),
    ],
)
def test_a_search_for_low_gradients_that_is_wrong(monkeypatch, name, old, new, calibrated):
    rewritten(monkeypatch, low_gradient, name, old, new)
    assert red(calibrated)
