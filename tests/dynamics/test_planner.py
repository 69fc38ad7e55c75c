import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import planner
from spinfunnel.dynamics.langevin import Quadratic, langevin
from spinfunnel.dynamics.planner import bound, gaussian_distance, measure_convexity, plan_langevin
from spinfunnel.systems import system


def test_calibrations():
    rows = [row for one in planner.calibrations for row in one.run(0)]
    assert all(row.ok for row in rows), [row for row in rows if not row.ok]


def test_a_plan_is_kept_by_the_sampler():
    """The law of the sampler's ends, Gaussian, is within the planned W2 of Boltzmann's."""
    curvatures, t, start = np.array([1.0, 1.5]), 0.5, np.array([2.0, -2.0])
    distance = float(np.sqrt((start**2 + t / curvatures).sum()))
    plan = plan_langevin(0.5, 2, 1.0, 1.5, distance, temperature=t)
    begin = np.tile(start, (4000, 1))
    x = langevin(Quadratic(curvatures), t, step=plan.step, steps=plan.steps, start=begin).final
    apart = x.mean(axis=0) ** 2 + (x.std(axis=0) - np.sqrt(t / curvatures)) ** 2
    assert np.sqrt(apart.sum()) < 0.5
    assert plan.promised <= 0.5


def test_a_plan_scales_with_temperature():
    one, two = plan_langevin(0.1, 3, 2.0, 5.0, 4.0), plan_langevin(0.1, 3, 4.0, 10.0, 4.0, temperature=2.0)
    assert (one.steps, one.promised) == (two.steps, two.promised)
    assert one.step == pytest.approx(2 * two.step)


def test_the_bound_has_two_branches_that_meet():
    m, big = 1.0, 3.0
    at = 2 / (m + big)
    assert bound(at, 7, 5, m, big, 2.0) == pytest.approx(bound(at + 1e-12, 7, 5, m, big, 2.0))


def test_the_start_counts():
    curvatures = np.array([1.0, 4.0])
    start = np.array([3.0, 4.0])
    near = gaussian_distance(curvatures, start, 0.01, 0)
    assert near == pytest.approx(np.sqrt(25 + 1.25))


@pytest.mark.parametrize("written", [2, planner.WRITTEN])
def test_curvatures_of_a_quadratic(monkeypatch, written):
    monkeypatch.setattr(planner, "WRITTEN", written)
    low, high = measure_convexity(Quadratic(np.array([0.5, 3.0, 2.0, 7.0, 1.0])), np.ones((2, 5)))
    assert low == pytest.approx([0.5, 0.5])
    assert high == pytest.approx([7.0, 7.0])


@pytest.mark.parametrize("written", [2, planner.WRITTEN])
def test_curvatures_along_a_sphere(monkeypatch, written):
    """H = -sum J_ij s_i s_j: at an eigenvector, the Hessian has the gaps to the other eigenvalues."""
    monkeypatch.setattr(planner, "WRITTEN", written)
    glass = system("spherical-pspin?p=2", size=9)
    values, vectors = np.linalg.eigh(glass.couplings)
    at = 3 * vectors[:, :2].T
    low, high = measure_convexity(glass, at)
    scale = 2 / np.sqrt(glass.size)
    assert low == pytest.approx(scale * np.array([values[1] - values[0], values[0] - values[1]]), rel=1e-6)
    assert high == pytest.approx(scale * (values[-1] - values[:2]), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"strong_convexity": 0.0}, "without a strong-convexity constant above 0, not 0"),
        ({"strong_convexity": -1.0}, "measure_convexity"),
        ({"strong_convexity": float("nan")}, "not nan"),
        ({"smoothness": 0.5}, "at least the strong convexity"),
        ({"accuracy": 0.0}, "accuracy must be positive"),
        ({"dimension": 0}, "dimension must be positive"),
        ({"distance": -1.0}, "distance must be positive"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_bad_input(change, says):
    fine = {"accuracy": 0.1, "dimension": 2, "strong_convexity": 1.0, "smoothness": 2.0, "distance": 1.0}
    with pytest.raises(BadInput, match=says):
        plan_langevin(**(fine | change))


def test_no_hessian():
    with pytest.raises(BadInput, match="sk has no gradient"):
        measure_convexity(system("sk", size=8), np.ones((1, 8)))
