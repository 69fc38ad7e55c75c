"""One step of a motion: down a gradient with noise, by Newton's law, and by both at once. k_B = 1, mass 1.

The steps use nothing but arithmetic, so x may be an array of any library and any shape; noise is passed in.
`gradient(x)` is that of the energy. Beside each step stands its exact law on the quadratic l x²/2.
Sources: Hairer, Lubich & Wanner, Acta Numerica 12 (2003) 399 (Verlet); Leimkuhler & Matthews, Appl. Math.
Res. Express (2013) 34 (BAOAB).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow

#: An array of numpy, torch or another library.
State: TypeAlias = Any
Gradient: TypeAlias = Callable[[State], State]


def euler_maruyama(x: State, slope: State, *, step: float, temperature: float, noise: State) -> State:
    """Give x after a step h of dx = -∇E dt + sqrt(2T) dW: x - h ∇E + sqrt(2hT) ξ.

    `slope` is the gradient at x, `noise` ξ is standard normal; both have the shape of x.

    >>> euler_maruyama(1.0, 2.0, step=0.25, temperature=2.0, noise=1.0)
    1.5
    """
    return x - step * slope + math.sqrt(2 * step * temperature) * noise


def verlet(
    x: State, v: State, slope: State, gradient: Gradient, *, step: float
) -> tuple[State, State, State]:
    """Give x, v and the gradient at x after a step h of x'' = -∇E: half a kick, a drift, half a kick.

    The motion is symplectic and reversible: with -v it runs back. `slope` is the gradient at the old x, so
    that each step asks for one gradient.

    >>> x, v, slope = verlet(1.0, 0.0, 1.0, lambda x: x, step=0.5)
    >>> verlet(x, -v, slope, lambda x: x, step=0.5)[:2]
    (1.0, 0.0)
    """
    v = v - step / 2 * slope
    x = x + step * v
    slope = gradient(x)
    return x, v - step / 2 * slope, slope


def baoab(
    x: State,
    v: State,
    slope: State,
    gradient: Gradient,
    *,
    step: float,
    temperature: float,
    friction: float,
    noise: State,
) -> tuple[State, State, State]:
    """Give x, v and the gradient at x after a step h of dv = -∇E dt - γ v dt + sqrt(2γT) dW, dx = v dt.

    It is Verlet's step with the velocity's exact relaxation in its middle: v -> c v + sqrt((1-c²) T) ξ, c =
    exp(-γh). `noise` ξ is standard normal, of the shape of x.

    >>> free = dict(step=0.5, temperature=0.0, friction=0.0, noise=0.0)
    >>> baoab(1.0, 0.0, 1.0, lambda x: x, **free) == verlet(1.0, 0.0, 1.0, lambda x: x, step=0.5)
    True
    """
    kept = math.exp(-friction * step)
    v = v - step / 2 * slope
    x = x + step / 2 * v
    v = kept * v + math.sqrt((1 - kept**2) * temperature) * noise
    x = x + step / 2 * v
    slope = gradient(x)
    return x, v - step / 2 * slope, slope


def euler_maruyama_variance(
    curvature: float, step: float, *, temperature: float = 1.0, steps: int | None = None
) -> float:
    """Give the variance of x on l x²/2 after K steps from one point, 2hT (1 - r^2K)/(1 - r²), r = 1 - hl.

    Without `steps`, that of the stationary law, T / (l (1 - hl/2)); Boltzmann's is T/l.

    >>> round(euler_maruyama_variance(2.0, 0.3), 6), round(euler_maruyama_variance(2.0, 0.3, steps=1), 6)
    (0.714286, 0.6)

    Raises:
        BadInput: if l or h is not positive, or hl >= 2, where nothing is stationary.
    """
    _stable(curvature, step, step * curvature < 2, f"below 2/l = {2 / curvature:g}" if curvature else "")
    stationary = temperature / (curvature * (1 - step * curvature / 2))
    return stationary if steps is None else stationary * (1 - (1 - step * curvature) ** (2 * steps))


def baoab_variances(curvature: float, step: float, *, temperature: float = 1.0) -> tuple[float, float]:
    """Give the stationary variances of x and v on l x²/2: T/l, exactly, and T (1 - h² l/4), at any friction.

    From this law, half a kick makes <v²> = T, and half a drift then makes x and v independent: what the
    relaxation of v does next leaves no trace, and the second half undoes the first.

    >>> baoab_variances(4.0, 0.5)
    (0.25, 0.75)

    Raises:
        BadInput: if l or h is not positive, or h >= 2/sqrt(l), where nothing is stationary.
    """
    most = 2 / math.sqrt(curvature) if curvature > 0 else 0.0
    _stable(curvature, step, step < most, f"below 2/sqrt(l) = {most:g}")
    return temperature / curvature, temperature * (1 - step**2 * curvature / 4)


def verlet_invariant(x: State, v: State, *, curvature: float, step: float) -> State:
    """Give v²/2 + (1 - h² l/4) l x²/2, which Verlet's steps leave exactly as it is on l x²/2.

    >>> x, v, _ = verlet(1.0, 0.0, 3.0, lambda x: 3 * x, step=0.5)
    >>> verlet_invariant(x, v, curvature=3.0, step=0.5) == verlet_invariant(1.0, 0.0, curvature=3.0, step=0.5)
    True
    """
    return v**2 / 2 + (1 - step**2 * curvature / 4) * curvature * x**2 / 2


def _stable(curvature: float, step: float, holds: bool, room: str) -> None:
    if not (curvature > 0 and step > 0):
        raise BadInput(f"curvature and step must be positive, not {curvature:g} and {step:g}")
    if not holds:
        raise BadInput(f"a step of {step:g} is too long for a curvature of {curvature:g}: take one {room}")


def stationary_covariance(step: Callable[[Array, Array], Array], size: int) -> Array:
    """Give the stationary covariance (size, size) of z -> step(z, noise), linear in z (n, size), noise (n,).

    What a step really does is read off the step itself, at unit vectors; then P = A P Aᵀ + b bᵀ.

    >>> stationary_covariance(lambda z, noise: z / 2 + noise[:, None], 1)
    array([[1.33333333]])
    """
    from scipy.linalg import solve_discrete_lyapunov

    matrix = step(np.eye(size), np.zeros(size)).T
    push = step(np.zeros((1, size)), np.ones(1)).T
    return np.asarray(solve_discrete_lyapunov(matrix, push @ push.T))


#: Curvature, step, temperature, friction.
CASES = ((2.0, 0.3, 1.0, 1.0), (1.0, 0.1, 0.5, 0.2), (9.0, 0.2, 2.0, 5.0), (4.0, 0.45, 1.0, 0.01))


def _on_quadratics(seed: int) -> Iterator[CalibrationRow]:
    """Compare the laws of the steps as they are written with the closed forms."""

    def row(where: str, quantity: str, exact: float, value: float) -> CalibrationRow:
        return CalibrationRow.deterministic(
            "integrators", where, quantity, exact=exact, value=value, tolerance=1e-11 * max(1.0, abs(exact))
        )

    for k, h, t, friction in CASES:
        where = f"quadratic, l {k:g}, h {h:g}, T {t:g}"

        def overdamped(z: Array, noise: Array, k: float = k, h: float = h, t: float = t) -> Array:
            return np.asarray(euler_maruyama(z, k * z, step=h, temperature=t, noise=noise[:, None]))

        found = float(stationary_covariance(overdamped, 1)[0, 0])
        yield row(where, "Euler-Maruyama <x²>", euler_maruyama_variance(k, h, temperature=t), found)

        def underdamped(
            z: Array, noise: Array, k: float = k, h: float = h, t: float = t, friction: float = friction
        ) -> Array:
            x, v, _ = baoab(
                z[:, 0], z[:, 1], k * z[:, 0], lambda x: k * x,
                step=h, temperature=t, friction=friction, noise=noise,
            )  # fmt: skip
            return np.stack([x, v], axis=1)

        found_xv = stationary_covariance(underdamped, 2)
        of_x, of_v = baoab_variances(k, h, temperature=t)
        name = f"{where}, friction {friction:g}"
        yield row(name, "BAOAB <x²>", of_x, float(found_xv[0, 0]))
        yield row(name, "BAOAB <v²>", of_v, float(found_xv[1, 1]))
        yield row(name, "BAOAB <xv>", 0.0, float(found_xv[0, 1]))
    x, v, slope = 1.0, 0.5, 3.0
    start = verlet_invariant(x, v, curvature=3.0, step=0.4)
    for _ in range(1000):
        x, v, slope = verlet(x, v, slope, lambda x: 3 * x, step=0.4)
    now = verlet_invariant(x, v, curvature=3.0, step=0.4)
    yield row("quadratic, l 3, h 0.4", "Verlet's invariant after 1,000 steps", start, now)
    x, v, slope = _pendulum(0.1, 500)
    x, v, _ = _pendulum(0.1, 500, x, -v)
    yield row("pendulum, h 0.1", "angle, 500 steps there and 500 back", 1.0, x)
    yield row("pendulum, h 0.1", "velocity, 500 steps there and 500 back", 0.0, v)
    exact, errors = _pendulum(1e-3, 4000)[0], []
    for h in (0.02, 0.01):
        errors.append(_pendulum(h, round(4 / h))[0] - exact)
    yield CalibrationRow.deterministic(
        "integrators", "pendulum, h .02 and .01", "Verlet's order",
        exact=2.0, value=math.log2(errors[0] / errors[1]), tolerance=0.02,
    )  # fmt: skip


def _pendulum(h: float, steps: int, x: float = 1.0, v: float = 0.0) -> tuple[float, float, float]:
    slope = math.sin(x)
    for _ in range(steps):
        x, v, slope = verlet(x, v, slope, math.sin, step=h)
    return x, v, slope


calibrations = (
    Calibration("steps on quadratics", "discrete Lyapunov equations; closed forms", _on_quadratics),
)
