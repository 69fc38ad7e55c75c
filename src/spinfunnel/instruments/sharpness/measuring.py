"""How much the loss rises near the weights: at worst, by ascent, and on average, by drawing moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.maths.lanczos import Operator, top_eigenpairs
from spinfunnel.systems.protocols import Smooth, System

#: Steps of an ascent (20, as Andriushchenko et al. 2023 take), and the share of a step that is new.
STEPS, FRESH = 20, 0.75
#: A step size is halved where fewer than this share of the steps since the last check went up.
UPHILL = 0.75
#: Products for the largest curvature, and the residual it may have, as a share of its eigenvalue.
PRODUCTS, RESIDUAL = 40, 0.03


@dataclass(frozen=True)
class Scaled:
    """C H C, the curvature in coordinates u, where the weights move by C u; C (P,) is diagonal."""

    hessian: Operator
    scale: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, (P, P)."""
        return (len(self.scale), len(self.scale))

    def __matmul__(self, v: Array) -> Array:
        """Give the product with v (P,)."""
        return np.asarray(self.scale * np.asarray(self.hessian @ (self.scale * v), dtype=np.float64))


@dataclass(frozen=True)
class Quadratic:
    """What gradient and Hessian at w expect of moves by C u.

    Attributes:
        slope: |C g|.
        top: λ, the largest eigenvalue of C H C, and `direction` its eigenvector, (P,), which leads uphill.
        along: the slope along it.
        residual: what λ may be off by.
    """

    slope: float
    top: float
    direction: Array
    along: float
    residual: float

    def worst(self, radius: float) -> tuple[float, float]:
        """Give bounds of the largest rise for |u| <= ρ: along the eigenvector, and with all the slope added.

        They are one, ρ²λ/2, where the gradient is zero; with λ < 0 it is the slope alone.
        """
        least, most = (max(top, 0.0) * radius**2 / 2 for top in (self.top, self.top + self.residual))
        return radius * self.along + least, radius * self.slope + most


def quadratic(gradient: Array, hessian: Operator, scale: Array, seed: int) -> Quadratic:
    """Find the largest eigenvalue of C H C by Lanczos' method."""
    found = top_eigenpairs(
        Scaled(hessian, scale), 1, tolerance=RESIDUAL, products=min(PRODUCTS, len(scale)), seed=seed
    )
    slope, direction = scale * gradient, np.asarray(found.vectors[0], dtype=np.float64)
    along = float(slope @ direction)
    uphill = direction if along >= 0 else -direction
    residual = float(found.residuals[0])
    return Quadratic(float(np.linalg.norm(slope)), float(found.values[0]), uphill, abs(along), residual)


def worst_case(system: Smooth, w: Array, scale: Array, radius: float, starts: Array) -> float:
    """Give the largest rise of the loss found for w + C u, |u| <= ρ, climbing from starts (k, P) != 0.

    Ascent along the gradient's direction with momentum, whose step is halved, and which goes back to the best
    point, where it goes up too seldom: APGD (Croce & Hein, ICML 2020, algorithm 1). At a minimum the gradient
    is zero, so that no ascent begins there. NaN if a loss on the way is not finite.
    """
    u = _within(starts, radius)
    before, step = u, np.full(len(u), 2 * radius)
    height, slope = _climbed(system, w, scale, u)
    best_u, best, best_slope, ups = u, height, slope, np.zeros(len(u))
    since_step, since_best, checked, checks = step, best, 0, _checks()
    for k in range(1, STEPS + 1):
        length = np.linalg.norm(slope, axis=1, keepdims=True)
        uphill = np.divide(slope, length, out=np.zeros_like(slope), where=length > 0)
        there = _within(u + step[:, None] * uphill, radius)
        share = 1.0 if k == 1 else FRESH
        before, u = u, _within(u + share * (there - u) + (1 - share) * (u - before), radius)
        last, (height, slope) = height, _climbed(system, w, scale, u)
        if not np.isfinite(height).all():
            return math.nan
        ups += height > last
        better = height > best
        best = np.where(better, height, best)
        best_u, best_slope = (
            np.where(better[:, None], new, old) for new, old in ((u, best_u), (slope, best_slope))
        )
        if k in checks:
            stuck = (ups < UPHILL * (k - checked)) | ((step == since_step) & (best == since_best))
            since_step, since_best, checked = step, best, k
            step = np.where(stuck, step / 2, step)
            u, slope = (np.where(stuck[:, None], old, new) for old, new in ((best_u, u), (best_slope, slope)))
            height, before = np.where(stuck, best, height), np.where(stuck[:, None], best_u, before)
            ups[:] = 0
    here = float(system.energy(w[None])[0])
    return float(best.max()) - here


def _within(u: Array, radius: float) -> Array:
    """Bring u (k, P) back to the ball."""
    length = np.linalg.norm(u, axis=1, keepdims=True)
    return np.asarray(
        u * np.minimum(1.0, np.divide(radius, length, out=np.ones_like(length), where=length > 0))
    )


def _climbed(system: Smooth, w: Array, scale: Array, u: Array) -> tuple[Array, Array]:
    """Give the loss and its gradient in u."""
    height, slope = system.energy_and_gradient((w + scale * u).astype(w.dtype))
    return height, scale * slope


def _checks() -> set[int]:
    """Give the steps at which step sizes are looked at: ever closer to each other (Croce & Hein, section 3).

    >>> sorted(_checks())
    [5, 9, 12, 14, 16, 18, 19, 20]
    """
    at, found = [0.0, 0.22], set[int]()
    while at[-1] <= 1:
        found.add(math.ceil(round(at[-1] * STEPS, 9)))
        at.append(at[-1] + max(at[-1] - at[-2] - 0.03, 0.06))
    return found


def average_case(
    system: System, w: Array, scale: Array, radii: Array, hessian: Operator, pairs: int, seed: int
) -> tuple[Array, Array]:
    """Draw moves δ = ρ C ξ, ξ standard normal, and give for each radius the rises and what H expects of them.

    Both are (pairs, radii): the mean rise to either side, [L(w + δ) + L(w - δ)]/2 - L(w), which no slope
    changes, and δ·Hδ/2.
    """
    here = float(system.energy(w[None])[0])
    rises, expected = np.empty((2, pairs, len(radii)))
    for i in range(pairs):
        rng = np.random.default_rng(seeds(seed, "move", i))
        move = scale * rng.standard_normal(len(w))
        sides = np.concatenate([radii, -radii])[:, None] * move
        there = system.energy((w + sides).astype(w.dtype))
        rises[i] = (there[: len(radii)] + there[len(radii) :]) / 2 - here
        expected[i] = (
            radii**2 * float(move @ np.asarray(hessian @ move.astype(w.dtype), dtype=np.float64)) / 2
        )
    return rises, expected
