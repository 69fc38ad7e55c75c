import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths import integrators
from spinfunnel.maths.integrators import (
    baoab,
    baoab_variances,
    euler_maruyama,
    euler_maruyama_variance,
    verlet,
    verlet_invariant,
)


def swing(h, steps, x=1.0, v=0.0):
    """Run a pendulum, E = -cos x, and give its states."""
    states, slope = [(x, v)], math.sin(x)
    for _ in range(steps):
        x, v, slope = verlet(x, v, slope, math.sin, step=h)
        states.append((x, v))
    return np.array(states)


def test_calibrations():
    rows = [row for one in integrators.calibrations for row in one.run(0)]
    assert all(row.ok for row in rows), [row for row in rows if not row.ok]
    assert len(rows) == 20


def test_verlet_runs_back_where_it_came_from():
    there = swing(0.1, 1000)
    back = swing(0.1, 1000, there[-1, 0], -there[-1, 1])
    assert np.allclose(back[::-1] * [1, -1], there, atol=1e-12)


def test_the_energy_of_verlet_does_not_drift():
    def energies(h, steps):
        x, v = swing(h, steps).T
        return v**2 / 2 - np.cos(x)

    short, long = energies(0.1, 1000), energies(0.1, 50_000)
    assert np.ptp(long) == pytest.approx(np.ptp(short), rel=1e-3)
    assert np.ptp(energies(0.05, 2000)) == pytest.approx(np.ptp(short) / 4, rel=0.02)


def test_verlet_keeps_areas():
    def end(x, v):
        return swing(0.3, 20, x, v)[-1]

    e = 1e-6
    along_x, along_v = (
        (end(0.7 + e * a, 0.2 + e * b) - end(0.7 - e * a, 0.2 - e * b)) / (2 * e) for a, b in ((1, 0), (0, 1))
    )
    assert np.linalg.det(np.stack([along_x, along_v])) == pytest.approx(1, abs=1e-8)


def test_without_noise_euler_maruyama_goes_down_the_gradient():
    x = np.array([[1.0, -2.0]])
    assert np.array_equal(euler_maruyama(x, 3 * x, step=0.1, temperature=0.0, noise=x), 0.7 * x)


def test_a_fixed_point_of_baoab_at_zero_temperature_is_a_minimum():
    x, v, slope = 1.0, 0.0, math.sin(1.0)
    for _ in range(400):
        x, v, slope = baoab(
            x, v, slope, math.sin, step=0.2, temperature=0.0, friction=1.0, noise=1.0
        )  # fmt: skip
    assert abs(x) + abs(v) < 1e-10


def test_transients_end_in_the_stationary_law():
    assert euler_maruyama_variance(2.0, 0.3, steps=1) == pytest.approx(2 * 0.3)
    assert euler_maruyama_variance(2.0, 0.3, steps=200) == pytest.approx(euler_maruyama_variance(2.0, 0.3))
    assert euler_maruyama_variance(2.0, 1e-9, temperature=3.0) == pytest.approx(1.5)
    assert baoab_variances(2.0, 1e-9, temperature=3.0) == pytest.approx((1.5, 3.0))


@pytest.mark.slow  # torch takes seconds to load
def test_any_array_library_will_do():
    torch = pytest.importorskip("torch")
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    end, v, _ = verlet(x, 0 * x, 2 * x, lambda x: 2 * x, step=0.5)
    assert end.detach().numpy() == pytest.approx(0.75)
    (end + v).sum().backward()  # time is depth: a step is a layer, and can be trained
    assert torch.isfinite(x.grad).all()
    invariant = verlet_invariant(end.detach(), v.detach(), curvature=2.0, step=0.5)
    assert invariant.numpy() == pytest.approx(verlet_invariant(1.0, 0.0, curvature=2.0, step=0.5))


@pytest.mark.parametrize(
    ("law", "curvature", "step", "says"),
    [
        (euler_maruyama_variance, 2.0, 1.0, "take one below 2/l = 1"),
        (euler_maruyama_variance, -2.0, 0.1, "must be positive, not -2"),
        (euler_maruyama_variance, 2.0, 0.0, "must be positive, not 2 and 0"),
        (baoab_variances, 4.0, 1.0, r"take one below 2/sqrt\(l\) = 1"),
        (baoab_variances, 0.0, 1.0, "must be positive, not 0 and 1"),
    ],
)
def test_bad_input(law, curvature, step, says):
    with pytest.raises(BadInput, match=says):
        law(curvature, step)
