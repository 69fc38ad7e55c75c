"""Which eigenvalues stand apart from the upper edge of the rest, and what law the rest follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number
from spinfunnel.maths.lanczos import Quadrature, student
from spinfunnel.maths.random_matrices import marchenko_pastur_cdf

#: A gap is compared with the distance over which the next so many eigenvalues lie, as Onatski, Econometrica
#: 77 (2009) 1447, does with the next gap. Where a random matrix ends (Airy process, β = 1) the largest of all
#: such ratios stays below this with probability .99: .91 at n = 300, .90 at 3,000, of 3,000 draws each.
NEXT, GAP = 6, 0.95
#: A gap below this share of the largest eigenvalue is rounding.
ROUNDING = 1e-5
#: A bulk follows a law of the same mean and variance if W1 between them is below this share of its spread.
LAW = 0.1


def standing_apart(values: Array) -> int:
    """Count the eigenvalues above the last gap that is too wide for the edge of a random matrix.

    values (k,), descending, from the largest on; the gaps below the first k - 7 of them are looked at.

    >>> standing_apart(np.append([30.0, 20.0], 2 - 0.1 * np.arange(20.0) ** (2 / 3)))
    2
    """
    looked = len(values) - 1 - NEXT
    if looked < 1:
        return 0
    gaps = values[:looked] - values[1 : looked + 1]
    beyond = values[1 : looked + 1] - values[1 + NEXT :]
    wide = np.flatnonzero(gaps > np.maximum(GAP * beyond, ROUNDING * np.abs(values).max()))
    return int(wide[-1]) + 1 if len(wide) else 0


def edge_of_noise(values: Array, first: int) -> Array:
    """Give where a random matrix would have its eigenvalues if it ended like `values` (k,) from `first` on.

    The j-th lies (3π(j - 1/4)/2)^(2/3) below the edge, in units that are fitted, as is the edge, to the first
    seven: zeros of the Airy function.
    """
    depth = (1.5 * math.pi * (np.arange(len(values) - first) + 0.75)) ** (2 / 3)
    known = slice(first, first + NEXT + 1)
    slope, edge = np.polyfit(depth[: NEXT + 1], values[known], 1)
    return np.asarray(edge + slope * depth)


@dataclass(frozen=True)
class Bulk:
    """The spectrum without what stands apart.

    Attributes:
        mean, spread: of its eigenvalues; the spread is their standard deviation.
        semicircle, marchenko_pastur: distances W1 from the laws of the same mean and variance, in spreads;
            None where that law cannot have these.
        law: "semicircle", "Marchenko-Pastur" or "neither".
    """

    mean: float
    spread: float
    semicircle: Number
    marchenko_pastur: Number | None
    law: str


def bulk(spectrum: Quadrature, upper: float) -> Bulk:
    """Look at the eigenvalues that are at most `upper`."""
    weights = spectrum.weights * (spectrum.nodes <= upper)
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean = float((weights * spectrum.nodes).sum() / len(weights))
    spread = math.sqrt(float((weights * (spectrum.nodes - mean) ** 2).sum() / len(weights)))
    if spread <= 1e-9 * max(abs(mean), 1e-300):
        return Bulk(mean, 0.0, Number(math.nan), None, "neither")
    low, high = float(spectrum.nodes[weights > 0].min()), float(spectrum.nodes[weights > 0].max())
    grid = np.linspace(min(low, mean - 2 * spread), max(high, mean + 2 * spread), 4000)
    inside = spectrum.nodes[:, None, :] <= grid[:, None]
    below = (inside * weights[:, None, :]).sum(axis=2)

    def distance(law: Array) -> Number:
        each = student(np.trapezoid(np.abs(below - law), grid, axis=1) / spread)
        together = np.trapezoid(np.abs(below.mean(axis=0) - law), grid) / spread
        return Number(float(together), error=each.error)

    circle = distance(semicircle_cdf(grid, mean, spread))
    noise = distance(gram_cdf(grid, mean, spread)) if mean > 0 else None
    nearest = "semicircle" if noise is None or circle.value <= noise.value else "Marchenko-Pastur"
    best = circle if nearest == "semicircle" or noise is None else noise
    return Bulk(mean, spread, circle, noise, nearest if best.value < LAW else "neither")


def semicircle_cdf(x: Array, mean: float, spread: float) -> Array:
    """Give the share below x of a semicircle, of radius two spreads.

    >>> semicircle_cdf(np.array([-2.0, 0.0, 2.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    u = np.clip((x - mean) / (2 * spread), -1, 1)
    return np.asarray(0.5 + (u * np.sqrt(1 - u**2) + np.arcsin(u)) / np.pi)


def semicircle_pdf(x: Array, mean: float, spread: float) -> Array:
    """Give the density at x of a semicircle, of radius two spreads."""
    u = np.clip((x - mean) / (2 * spread), -1, 1)
    return np.asarray(np.sqrt(1 - u**2) / (np.pi * spread))


def gram_cdf(x: Array, mean: float, spread: float) -> Array:
    """Give the share below x of X X^T/N, X (n, N) noise, of this mean and spread: n/N = (spread/mean)².

    With n > N there are zeros besides Marchenko and Pastur's law.

    >>> gram_cdf(np.array([0.0, 100.0]), 1.0, 2.0)
    array([0.75, 1.  ])
    """
    c = (spread / mean) ** 2
    if c <= 1:
        return marchenko_pastur_cdf(x / mean, c)
    return np.where(x >= 0, 1 - 1 / c + marchenko_pastur_cdf(x / (mean * c), 1 / c) / c, 0.0)
