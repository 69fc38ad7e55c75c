"""Towards points where the gradient is zero, of whatever index, in as many dimensions as a network has.

`saddles.climb` chooses an index and needs the Hessian's eigenvectors. Here nothing is chosen: from each point
the steps p make |H p + g| least, by products with the Hessian alone, and |g| falls (Newton-MR: Roosta, Liu,
Xu & Mahoney, arXiv 1810.00303). Such a search can stall where the gradient is not zero, but lies where the
Hessian cannot change it, as Newton's method can (Griewank & Osborne, SIAM J. Numer. Anal. 20 (1983) 747); of
networks most searches were found to end so (literature: Frye et al., Neural Comput. 33 (2021) 1469). Such
ends are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.replicas import whole
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.protocols import Smooth, System
from spinfunnel.systems.sphere import spherical_pspin
from spinfunnel.systems.surfaces import mueller_brown, stationary_points

#: What became of a search: its gradient is below the tolerance; steps hardly shorten it any more;
#: no products were left.
End: TypeAlias = Literal["stationary", "stalled", "unfinished"]

#: Products with the Hessian in one step, at most.
INNER = 30
#: A step is taken if |g|² falls by this share of what the Hessian says; else it is halved, so often at most.
ARMIJO, HALVINGS = 1e-4, 12
#: A search is stalled if so many steps together shorten the gradient by less than this share.
PATIENCE, PROGRESS = 4, 0.02
#: Curvatures within this share of the largest are zero.
FLAT = 1e-6
#: No coordinate changes by more than this in a step.
LONGEST = 1.0


@dataclass(frozen=True)
class Approach:
    """Where R searches ended.

    Attributes:
        x: (R, *shape).
        energies: (R,).
        slopes: (R,), lengths of the gradient; `begun` (R,) those where the searches began.
        left: (R,), the share of the gradient that the last step's products could not remove, |H p + g|/|g|.
        falls: (R,), the change of energy to where the last quadratic model is stationary, |g.p|/2.
        ends: (R,), "stationary", "stalled" or "unfinished".
        products: (R,), products with the Hessian.
    """

    x: Array
    energies: Array
    slopes: Array
    begun: Array
    left: Array
    falls: Array
    ends: Array
    products: Array

    @property
    def converged(self) -> Array:
        """Which are stationary, (R,)."""
        return np.asarray(self.ends == "stationary")


def hessian(system: Smooth, x: Array) -> Any:
    """Give the Hessian at x (*shape) as an operator: `shape` (n, n), `dtype`, and `@` on (n,)."""
    return system.hessian(x) if isinstance(system, NetworkLoss) else _Hessian(system, x)


class _Hessian:
    """The Hessian of a smooth energy at one point."""

    dtype = np.dtype(np.float64)

    def __init__(self, system: Smooth, x: Array) -> None:
        self.system, self.x, self.shape = system, x, (x.size, x.size)

    def __matmul__(self, v: Array) -> Array:
        many = np.atleast_2d(v.T).reshape(-1, *self.x.shape)
        found = self.system.hvp(np.broadcast_to(self.x, many.shape), many).reshape(len(many), -1)
        return np.asarray(found.T.reshape(v.shape))


def approach(
    system: System,
    x: Array,
    *,
    tolerance: float = 1e-8,
    products: int = 2000,
    inner: int = INNER,
    longest: float = LONGEST,
) -> Approach:
    """Shorten the gradient from each of x (R, *shape) until it is no longer than `tolerance`.

    `products` is the most products with the Hessian that a search may take, `inner` those of one step; no
    coordinate changes by more than `longest` in a step. One search depends on no other, and none is random.

    >>> from spinfunnel.systems import system
    >>> found = approach(system("double-well"), np.array([[0.2, 0.1], [0.9, 0.3]]))
    >>> found.ends, found.x.round(6) + 0.0
    (array(['stationary', 'stationary'], dtype='<U10'), array([[0., 0.],
           [1., 0.]]))

    Raises:
        BadInput: if the system has no gradient, x does not fit it, or energy or gradient is not finite where
            a search begins.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient to shorten: this is for smooth energies only")
    whole(products=products, inner=inner)
    x = np.array(x, dtype=np.float64)
    if x.shape[1:] != system.shape or not len(x):
        raise BadInput(f"x must be (R >= 1, *{system.shape}), as {system.name} is, not {x.shape}")
    found = [_search(system, start, tolerance, products, inner, longest) for start in system.settle(x)]
    ends = [np.array(column) for column in zip(*found, strict=True)]
    return Approach(*ends)


def _search(
    system: Smooth, x: Array, tolerance: float, products: int, inner: int, longest: float
) -> tuple[Array, float, float, float, float, float, End, int]:
    """Give one search's row of an `Approach`."""

    def looked_at(x: Array) -> tuple[float, Array, float]:
        energy, gradient = system.energy_and_gradient(x[None])
        slope = np.asarray(gradient, dtype=np.float64).ravel()
        return float(energy[0]), slope, float(np.linalg.norm(slope))

    energy, slope, steep = looked_at(x)
    if not (np.isfinite(energy) and np.isfinite(steep)):
        raise BadInput(
            f"{system.name} has no finite energy or gradient where a search begins: begin elsewhere"
        )
    begun, used, left, fall = steep, 0, np.nan, np.nan
    lengths = [steep]
    end: End = "unfinished"
    while end == "unfinished":
        if steep <= tolerance:
            end = "stationary"
            break
        if used >= products:
            break
        step, changed, spent = newton_mr(hessian(system, x), slope, min(inner, products - used))
        used += spent
        left, fall = float(np.linalg.norm(changed + slope)) / steep, abs(float(slope @ step)) / 2
        promised = float(changed @ slope)  # half the slope of |g|² along the step, never positive
        share = min(1.0, longest / max(float(np.abs(step).max()), 1e-300))
        for _ in range(HALVINGS):
            there = system.settle((x.ravel() + share * step).reshape(1, *x.shape))[0]
            with np.errstate(all="ignore"):
                new = looked_at(there)
            if new[2] ** 2 <= steep**2 + 2 * ARMIJO * share * promised:  # never where it is not a number
                break
            share /= 2
        else:
            end = "stalled"
            break
        x, (energy, slope, steep) = there, new
        lengths.append(steep)
        if len(lengths) > PATIENCE and steep > (1 - PROGRESS) * lengths[-1 - PATIENCE] and steep > tolerance:
            end = "stalled"
    return x, energy, steep, begun, left, fall, end, used


def newton_mr(operator: Any, slope: Array, most: int, *, enough: float = 1e-4) -> tuple[Array, Array, int]:
    """Make |H p + g| least among the p that `most` products reach, or until it is below `enough` |g|.

    Gives p (n,), H p (n,) and the number of products. However few they are, |g|² falls along p, as g.H p =
    -|H p|², unless H g = 0. `operator` is H, with `@`; `slope` is g (n,), not zero. Source: Paige & Saunders
    (1975), in the form of Choi, Paige & Saunders, SIAM J. Sci. Comput. 33 (2011) 1810.

    >>> newton_mr(np.diag([2.0, -4.0]), np.array([2.0, 4.0]), 5)[0].round(9)
    array([-1.,  1.])
    """
    residual = -np.asarray(slope, dtype=np.float64)
    left = float(np.linalg.norm(residual))
    step, direction, last = (np.zeros_like(residual) for _ in range(3))
    v_last, v, small = np.zeros_like(residual), residual / left, enough * left
    beta, cosine, sine, delta, epsilon, norm, spent = 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0
    while spent < most and left > small:
        w = np.asarray(operator @ v, dtype=np.float64) - beta * v_last  # Lanczos
        alpha, spent = float(v @ w), spent + 1
        w -= alpha * v
        beta = float(np.linalg.norm(w))
        norm = max(norm, abs(alpha), beta)
        above, gamma = cosine * delta + sine * alpha, sine * delta - cosine * alpha  # the next rotation
        far, epsilon, delta = epsilon, sine * beta, -cosine * beta
        if not math.hypot(gamma, delta) > FLAT * norm:
            break  # |H (H p + g)| is this times what is left: the Hessian cannot make it less
        radius = math.hypot(gamma, beta)
        cosine, sine = gamma / radius, beta / radius
        direction, last = (v - above * direction - far * last) / radius, direction
        step += cosine * left * direction
        closed = not beta > np.finfo(np.float64).eps * norm
        v_last, v = v, w if closed else w / beta
        residual = sine**2 * residual - sine * left * cosine * v
        left *= sine
        if closed:
            break
    return step, -slope - residual, spent


def _row(where: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "low gradient", where, quantity, exact=known, value=found, tolerance=tolerance
    )


def of_matrices(seed: int) -> Iterator[CalibrationRow]:
    """Compare a step with least squares, on an indefinite matrix that has directions of curvature zero."""
    rng = np.random.default_rng(seeds(seed, "matrix"))
    turned = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    matrix = turned * np.concatenate([rng.uniform(1, 3, 20), -rng.uniform(1, 3, 12), np.zeros(8)]) @ turned.T
    slope = rng.standard_normal(40)
    step, changed, _ = newton_mr(matrix, slope, 60, enough=1e-13)
    least = np.linalg.lstsq(matrix, -slope, rcond=1e-10)
    where = "indefinite matrix of rank 32, n 40"
    yield _row(
        where, "H p, less that of least squares", float(np.abs(changed - matrix @ least[0]).max()), 0, 1e-5
    )
    yield _row(where, "H p, less H times p", float(np.abs(changed - matrix @ step).max()), 0, 1e-8)


def of_surfaces(seed: int) -> Iterator[CalibrationRow]:
    """Meet all five stationary points of Mueller and Brown, and take nothing else for one."""
    surface = mueller_brown()
    known = np.array([point.x for point in stationary_points(surface)])
    found = approach(surface, surface.random(120, seeds(seed, "surface")), longest=0.2)
    away = np.linalg.norm(found.x[found.converged][:, None] - known, axis=-1)
    yield _row(
        "Mueller-Brown", "furthest end from a stationary point", float(away.min(axis=1).max()), 0, 1e-8
    )
    yield _row("Mueller-Brown", "points met", float(len(np.unique(away.argmin(axis=1)))), len(known), 0)
    least = float(found.slopes[~found.converged].min(initial=np.inf))
    yield _row("Mueller-Brown", "stalled with a gradient below 1e-3", float(least < 1e-3), 0, 0)


def of_eigenvectors(seed: int) -> Iterator[CalibrationRow]:
    """On the sphere of two-spin couplings every eigenvector is a stationary point, and nothing else is."""
    n = 40
    glass, where = spherical_pspin(n, seed, p=2), f"spherical p-spin, p 2, N {n}"
    levels = np.linalg.eigvalsh(glass.couplings) / math.sqrt(n)
    found = approach(glass, glass.random(24, seed))
    off = np.abs(found.energies[found.converged][:, None] / n - levels).min(axis=1)
    yield _row(where, "u of an end, less the nearest eigenvalue", float(off.max(initial=0.0)), 0, 1e-10)
    k = int(found.converged.sum())
    yield CalibrationRow.rate("low gradient", where, "searches that converged", k=k, n=24, at_least=0.9)


calibrations = (
    Calibration("least residuals", "least squares", of_matrices),
    Calibration("low gradients on a surface", "Newton's method from a grid (systems.surfaces)", of_surfaces),
    Calibration("low gradients of p = 2", "eigenvectors of the couplings", of_eigenvectors),
)
