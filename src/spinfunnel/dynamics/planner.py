"""How long a Langevin run must be, and how short its steps, for a promised distance from Boltzmann's law.

The promise is in W2, the distance of Wasserstein between laws: the least root mean square distance of two
draws, one of each law, over all ways to couple them. It holds for energies that are strongly convex.
Sources: Dalalyan, Conference on Learning Theory (2017), PMLR 65:678; Dalalyan & Karagulyan, Stoch. Proc.
Appl. 129 (2019) 5278, Theorem 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.integrators import euler_maruyama_variance
from spinfunnel.systems.protocols import Smooth

#: The constant of the bound, 1.65, from the motion itself. A step h keeps the gradient of where it began,
#: which is wrong, as a root mean square over the step, by at most M (sqrt(Mp) h²/2 + sqrt(2p) 2h^1.5/3);
#: of such errors 1/(mh) add up, to (M/m) sqrt(hp) (sqrt(Mh)/2 + 2 sqrt(2)/3), and Mh <= 2.
CONSTANT = 7 * math.sqrt(2) / 6

#: Hessians of at most so many coordinates are written down.
WRITTEN = 256


@dataclass(frozen=True)
class Plan:
    """A step h, a number of steps, and the W2 they promise, of which `bias` remains however long the run."""

    step: float
    steps: int
    promised: float
    bias: float


def plan_langevin(
    accuracy: float,
    dimension: int,
    strong_convexity: float,
    smoothness: float,
    distance: float,
    *,
    temperature: float = 1.0,
) -> Plan:
    """Plan overdamped Langevin dynamics that end within W2 = `accuracy` of Boltzmann's law.

    All curvatures of the energy, in `dimension` coordinates, must lie between `strong_convexity` m > 0 and
    `smoothness` M, and the start within W2 = `distance` of Boltzmann's law. Half the accuracy is spent on the
    step, h = (εm / 2cM)²/p, half on the start, K = ln(2 W2 / ε) / -ln(1 - mh).

    >>> plan = plan_langevin(0.1, 2, 1.0, 2.0, 3.0)
    >>> round(plan.step, 6), plan.steps, plan.promised <= 0.1
    (0.000115, 35665, True)

    Raises:
        BadInput: without m > 0, for which nothing is promised; or if another number cannot be.
    """
    if not (math.isfinite(strong_convexity) and strong_convexity > 0):
        raise BadInput(
            f"nothing can be promised without a strong-convexity constant above 0, not {strong_convexity}: "
            "give one that holds everywhere, or measure it where the energy has one (measure_convexity)"
        )
    if not (math.isfinite(smoothness) and smoothness >= strong_convexity):
        raise BadInput(f"smoothness must be at least the strong convexity, and finite, not {smoothness}")
    for name, value in (
        ("accuracy", accuracy),
        ("dimension", dimension),
        ("distance", distance),
        ("temperature", temperature),
    ):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be positive and finite, not {value}")
    m, big = strong_convexity / temperature, smoothness / temperature
    h = min((accuracy * m / (2 * CONSTANT * big)) ** 2 / dimension, 2 / (m + big))
    steps = max(1, math.ceil(math.log(2 * distance / accuracy) / -math.log1p(-m * h))) if m * h < 1 else 1
    bias = CONSTANT * big / m * math.sqrt(h * dimension)
    return Plan(h / temperature, steps, (1 - m * h) ** steps * distance + bias, bias)


def bound(
    step: float, steps: int, dimension: int, strong_convexity: float, smoothness: float, distance: float
) -> float:
    """Bound W2 to Boltzmann's law at T = 1 after K steps: r^K W2 + c (M/m) sqrt(hp), r = 1 - mh.

    That is for h <= 2/(m+M); above it r = Mh - 1, and the second term is c Mh/(2 - Mh) sqrt(hp).
    """
    m, big = strong_convexity, smoothness
    if step <= 2 / (m + big):
        return (1 - m * step) ** steps * distance + CONSTANT * big / m * math.sqrt(step * dimension)
    rate = big * step - 1
    return rate**steps * distance + CONSTANT * big * step / (1 - rate) * math.sqrt(step * dimension)


def gaussian_distance(curvatures: Array, start: Array, step: float, steps: int) -> float:
    """Give W2, exactly, of K steps from the point `start` (p,) to Boltzmann's law of sum l_i x_i²/2, T = 1.

    Both are Gaussian with independent coordinates, so W2² sums the squares of means and of differences of
    standard deviations.

    >>> round(gaussian_distance(np.array([2.0, 1.0]), np.array([0.0, 3.0]), 0.01, 10**6), 5)
    0.00436
    """
    mean = (1 - step * curvatures) ** steps * start
    width = np.sqrt([euler_maruyama_variance(float(own), step, steps=steps) for own in curvatures])
    return float(np.sqrt((mean**2 + (width - curvatures**-0.5) ** 2).sum()))


def measure_convexity(system: Smooth, x: Array) -> tuple[Array, Array]:
    """Give the lowest and the highest eigenvalue of the Hessian at each of x (batch, *shape), (batch,) each.

    They are of the directions along the surface. This is a local statement: the lowest over a few points is
    a strong-convexity constant only where the energy has one, and for no points but these.

    >>> from spinfunnel.systems import system
    >>> measure_convexity(system("double-well"), np.array([[1.0, 0.0], [0.0, 0.0]]))
    (array([ 2., -4.]), array([8., 2.]))

    Raises:
        BadInput: if the system has no Hessian.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient, and so no Hessian")
    ends = [_extremes(system, np.asarray(point, np.float64)[None]) for point in x]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _extremes(system: Smooth, x: Array) -> tuple[float, float]:
    """Give the extreme eigenvalues of P H P + s (1 - P), P the projection on the surface, at one point.

    s is the curvature along one direction of the surface, so that what leads off it is neither extreme.
    """
    n, curved = x[0].size, type(system).settle is not Smooth.settle
    size = 1e-5 * max(1.0, float(np.abs(x).max()))

    def along(v: Array) -> Array:
        if not curved:
            return v
        norm = np.abs(v).max(axis=1, keepdims=True)
        e = (size / np.where(norm > 0, norm, 1) * v).reshape(-1, *x.shape[1:])
        ahead, behind = system.settle(x + e), system.settle(x - e)
        return np.asarray((ahead - behind).reshape(v.shape) * norm / (2 * size))

    def hessian(v: Array) -> Array:
        points = np.broadcast_to(x, (len(v), *x.shape[1:]))
        return np.asarray(system.hvp(points, v.reshape(points.shape))).reshape(v.shape)

    probe = along(np.random.default_rng(seeds(0, "probe")).standard_normal((1, n)))
    aside = float((probe * hessian(probe)).sum() / (probe**2).sum())

    def apply(v: Array) -> Array:
        tangent = along(v)
        return along(hessian(tangent)) + aside * (v - tangent)

    if n <= WRITTEN:
        matrix = apply(np.eye(n))
        found = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        return float(found[0]), float(found[-1])
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=lambda v: apply(v.reshape(1, n))[0], dtype=np.float64)
    low, high = (
        eigsh(operator, k=1, which=which, v0=probe[0], return_eigenvectors=False)[0] for which in ("SA", "LA")
    )
    return float(low), float(high)


def _bounds(seed: int) -> Iterator[CalibrationRow]:
    """Count where the bound holds on Gaussians, whose W2 is exact, and compare a plan with what it gives."""
    for p, condition in ((3, 1.0), (2, 2.0), (10, 10.0), (100, 4.0)):
        curvatures = np.geomspace(1.0, condition, p)
        start = np.random.default_rng(seeds(seed, p)).standard_normal(p) * 3
        distance = float(np.sqrt((start**2 + 1 / curvatures).sum()))
        h = np.geomspace(0.02, 0.9, 9) * 2 / condition
        ratios = np.array(
            [
                gaussian_distance(curvatures, start, float(step), steps)
                / bound(float(step), steps, p, 1.0, condition, distance)
                for step in h
                for steps in (1, 3, 10, 30, 100, 300, 1000)
            ]
        )
        where = f"Gaussian, p {p}, M/m {condition:g}"
        yield CalibrationRow.rate(
            "planner", where, f"h and K where W2 <= bound (largest ratio {ratios.max():.2f})",
            k=int((ratios <= 1).sum()), n=len(ratios), at_least=1,
        )  # fmt: skip
        plans = [(e, plan_langevin(e, p, 1.0, condition, distance)) for e in (1.0, 0.3, 0.1)]
        kept = sum(gaussian_distance(curvatures, start, own.step, own.steps) <= e for e, own in plans)
        yield CalibrationRow.rate("planner", where, "plans kept", k=kept, n=len(plans), at_least=1)
    curvatures, short = np.linspace(1.0, 4.0, 50), 1e-4
    left = gaussian_distance(curvatures, np.zeros(50), short, 10**6)
    yield CalibrationRow.deterministic(
        "planner", "Gaussian, p 50", "4 W2 / (h sqrt(sum l)), small h, many steps",
        exact=1, value=4 * left / short / math.sqrt(float(curvatures.sum())), tolerance=1e-3,
    )  # fmt: skip


calibrations = (Calibration("the bound on Gaussians", "W2 of Gaussians, exact", _bounds),)
