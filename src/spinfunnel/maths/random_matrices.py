"""The laws of noise spectra: of the bulk, of the largest eigenvalue, of a direction planted in the noise.

W is M x N (M <= N) with independent entries of variance s2; the eigenvalues are those of W W^T (no 1/N), and
y = M/N. Marchenko-Pastur holds for the bulk, Tracy-Widom (real matrices) for the largest eigenvalue, Baik-Ben
Arous-Peche for what a planted direction becomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import airy, gammaincc, gammainccinv

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds

#: Chiani, J. Multivariate Anal. 129 (2014) 69, table 1: TW1 is this gamma law, shifted to the left.
_TW_SHAPE, _TW_SCALE, _TW_SHIFT = 46.446, 0.186054, 9.84801

#: Mean and variance of TW1 (checked against its Fredholm determinant in the tests).
_TW_MEAN, _TW_VARIANCE = -1.2065336, 1.6077810


# Marchenko & Pastur, Math. USSR Sb. 1 (1967) 457. Eigenvalues x in units of s2 N.


def marchenko_pastur_edges(y: float) -> tuple[float, float]:
    """Give the edges (1 -+ sqrt y)^2 of the bulk, in units of s2 N.

    >>> marchenko_pastur_edges(1.0)
    (0.0, 4.0)
    """
    return (1 - math.sqrt(y)) ** 2, (1 + math.sqrt(y)) ** 2


def marchenko_pastur_pdf(x: Array, y: float) -> Array:
    """Give the density sqrt((b - x)(x - a)) / (2 pi y x) at x, in units of s2 N; 0 outside the edges a, b.

    >>> marchenko_pastur_pdf(np.array([1.0, 5.0]), 1.0).round(4)
    array([0.2757, 0.    ])
    """
    lower, upper = marchenko_pastur_edges(y)
    inside = (x > lower) & (x < upper)
    safe = np.where(inside, x, 1.0)
    root = np.sqrt(np.maximum((upper - safe) * (safe - lower), 0.0))
    return np.where(inside, root / (2 * np.pi * y * safe), 0.0)


def marchenko_pastur_cdf(x: Array, y: float) -> Array:
    """Give the share of the M eigenvalues below x, in units of s2 N (the integral of the density).

    With r^2 = (b - x)/(x - a): 2 pi y F = pi y + sqrt((b - x)(x - a)) - (1 + y) atan((r^2 - 1)/(2 r))
    + (1 - y) atan((a r^2 - b)/(2 (1 - y) r)).

    >>> marchenko_pastur_cdf(np.array([0.0, 1.0, 4.0]), 1.0).round(4)
    array([0.   , 0.609, 1.   ])
    """
    lower, upper = marchenko_pastur_edges(y)
    above, below = np.maximum(x - lower, 0.0), np.maximum(upper - x, 0.0)
    root = np.sqrt(above * below)
    # both arctangents written with (x - a) r = root, so that neither edge nor y = 1 divides by zero
    first = (1 + y) * np.arctan2(below - above, 2 * root)
    second = (1 - y) * np.arctan2(lower * below - upper * above, 2 * (1 - y) * root)
    inside = (np.pi * y + root - first + second) / (2 * np.pi * y)
    return np.clip(np.where(below == 0, 1.0, np.where(above == 0, 0.0, inside)), 0.0, 1.0)


@lru_cache(maxsize=1024)
def marchenko_pastur_quantile(share: float, y: float) -> float:
    """Give the x, in units of s2 N, below which this share of the eigenvalues lies.

    >>> round(marchenko_pastur_quantile(0.5, 1.0), 4)
    0.6528
    """
    lower, upper = marchenko_pastur_edges(y)
    grid = lower + (upper - lower) * np.linspace(0.0, 1.0, 33) ** 2
    for _ in range(4):  # each pass is 32 times finer
        i = int(np.clip(np.searchsorted(marchenko_pastur_cdf(grid, y), share), 1, len(grid) - 1))
        grid = np.linspace(grid[i - 1], grid[i], 33)
    low, high = marchenko_pastur_cdf(grid[[0, -1]], y)
    return (
        float(grid[0] + (grid[-1] - grid[0]) * (share - low) / (high - low)) if high > low else float(grid[0])
    )


# Tracy & Widom, Commun. Math. Phys. 177 (1996) 727: the largest eigenvalue, after centring and scaling.


def tracy_widom_sf(s: float) -> float:
    """Give P(TW1 > s), to 1.1e-3 absolute, and to 3e-4 for s > 0 (Chiani 2014).

    >>> round(tracy_widom_sf(0.9793), 3)
    0.05
    """
    return float(gammaincc(_TW_SHAPE, max(s + _TW_SHIFT, 0.0) / _TW_SCALE))


def tracy_widom_determinant(s: float) -> float:
    """Give P(TW1 > s) to 1e-12: 1 - det(1 - K), K(x, y) = Ai((x + y)/2)/2 on x, y > s. Slow: an oracle.

    Source: Ferrari & Spohn, J. Phys. A 38 (2005) L557, eq. 4; Bornemann, Math. Comp. 79 (2010) 871, for the
    quadrature.

    >>> abs(tracy_widom_determinant(-1.0) - tracy_widom_sf(-1.0)) < 1e-3
    True
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x, w = s + 10 * (nodes + 1), np.sqrt(10 * weights)
    kernel = w[:, None] * airy((x[:, None] + x) / 2)[0] / 2 * w
    return 1 - float(np.linalg.det(np.eye(len(x)) - kernel))


@lru_cache(maxsize=64)
def tracy_widom_quantile(level: float) -> float:
    """Give the s that TW1 exceeds with probability `level` (Chiani 2014).

    >>> round(tracy_widom_quantile(0.05), 2), round(tracy_widom_quantile(0.01), 1)
    (0.98, 2.0)
    """
    return float(gammainccinv(_TW_SHAPE, level)) * _TW_SCALE - _TW_SHIFT


def top_center_and_scale(small: float, large: float) -> tuple[float, float]:
    """Give mu and sigma, in units of s2, such that (largest eigenvalue / s2 - mu) / sigma follows TW1.

    Source: Ma, Bernoulli 18 (2012) 322, eqs. 2 and 3: second-order accurate for real matrices.
    """
    a, b = math.sqrt(large - 0.5), math.sqrt(small - 0.5)
    return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)


def top_threshold(level: float, small: int, large: int) -> float:
    """Give the eigenvalue, in units of s2 = trace / (M N), that pure noise exceeds at this rate.

    Dividing by the trace takes from the variance of the largest eigenvalue what the two share, which for
    small matrices is much: v = 2 (mu / sigma)^2 / (M N) of TW1's 1.608. The quantile is narrowed likewise.
    """
    center, scale = top_center_and_scale(small, large)
    shared = 2 / (small * large) * (center / scale) ** 2
    narrowing = math.sqrt(max(1 - shared / _TW_VARIANCE, 0.5))
    return center + scale * (_TW_MEAN + (tracy_widom_quantile(level) - _TW_MEAN) * narrowing)


# Wishart spectra, drawn without making the matrix.


def wishart_eigenvalues(
    rows: int, columns: float, rng: np.random.Generator, *, strength: float = 0.0
) -> Array:
    """Draw the eigenvalues, ascending (M,), of W W^T for W of independent standard normal entries.

    They are those of B B^T for a bidiagonal B of chi variables: O(M^2), whatever N, which need not be whole.
    With a `strength`, one direction theta u v^T is planted in the noise: it may be turned to lie in the first
    row, whose norm is then noncentral.
    Source: Dumitriu & Edelman, J. Math. Phys. 43 (2002) 5830, theorem 3.1, beta = 1; Bloemendal & Virag,
    Probab. Theory Relat. Fields 156 (2013) 795, section 1, for the planted direction.

    >>> wishart_eigenvalues(200, 300, np.random.default_rng(0)).mean().round(-1)  # N
    np.float64(300.0)
    """
    small, large = min(rows, columns), max(rows, columns)
    diagonal = rng.chisquare(large - np.arange(small))  # squares
    if strength:
        diagonal[0] = rng.noncentral_chisquare(large, strength**2)
    below = rng.chisquare(small - 1 - np.arange(small - 1)) if small > 1 else np.empty(0)
    t = diagonal.copy()
    t[1:] += below
    beside = np.sqrt(diagonal[:-1] * below)
    return np.maximum(eigvalsh_tridiagonal(t, beside, lapack_driver="sterf", check_finite=False), 0.0)


# Spikes: W = theta u v^T + noise, |u| = |v| = 1, u of length M. Seen above theta = sqrt(s2) (M N)^(1/4).


@dataclass(frozen=True)
class Strengths:
    """What the spikes were before noise was added, arrays (k,).

    Attributes:
        strength: theta, the singular value of the planted part.
        left_overlap2: squared overlap of the measured singular vector of length M with the planted one.
        right_overlap2: the same for that of length N.
    """

    strength: Array
    left_overlap2: Array
    right_overlap2: Array


def spike_eigenvalue(theta: Array, variance: float, small: int, large: int) -> Array:
    """Give the eigenvalue that a planted direction of strength theta becomes; NaN below the threshold.

    (theta^2 + s2 M)(theta^2 + s2 N) / theta^2. Source: Benaych-Georges & Nadakuditi, J. Multivariate Anal.
    111 (2012) 120, section 3.1.

    >>> spike_eigenvalue(np.array([4.0, 1.0]), 1.0, 4, 9)
    array([31.25,   nan])
    """
    power = np.square(np.asarray(theta, dtype=np.float64))
    seen = power > variance * math.sqrt(small * large)
    safe = np.where(seen, power, 1.0)
    return np.where(seen, (safe + variance * small) * (safe + variance * large) / safe, np.nan)


def invert_spikes(spikes: Array, variance: float, small: int, large: int) -> Strengths:
    """Give strength and overlaps for eigenvalues above the bulk of noise of this variance and shape.

    The inverse of `spike_eigenvalue`; with h = theta^2 / (s2 N) the squared overlaps are
    1 - y (1 + h) / (h (h + y)) and 1 - (y + h) / (h (h + 1)). Good to 2 % for M >= 384 and strengths above
    1.5 thresholds. Source: Benaych-Georges & Nadakuditi (2012), theorems 2.9 and 2.10.

    >>> invert_spikes(np.array([31.25]), 1.0, 4, 9).strength
    array([4.])
    """
    y = small / large
    t = np.maximum(spikes / variance - (small + large), 2 * math.sqrt(small * large))
    h = (t + np.sqrt(np.maximum(t**2 - 4 * small * large, 0.0))) / (2 * large)
    left = 1 - y * (1 + h) / (h * (h + y))
    right = 1 - (y + h) / (h * (h + 1))
    return Strengths(np.sqrt(h * variance * large), np.maximum(left, 0.0), np.maximum(right, 0.0))


# Calibrations.


def _laws(seed: int) -> Iterator[CalibrationRow]:
    of = "random_matrices"
    for y in (0.1, 0.7, 1.0):
        lower, upper = marchenko_pastur_edges(y)
        u, step = np.linspace(0, 1, 200_001, retstep=True)  # x = lower + (upper - lower) u^4: no pole left
        density = marchenko_pastur_pdf(lower + (upper - lower) * u**4, y) * (upper - lower) * 4 * u**3
        integral = np.concatenate([[0], np.cumsum(density[1:] + density[:-1]) * step / 2])
        worst = np.abs(marchenko_pastur_cdf(lower + (upper - lower) * u**4, y) - integral).max()
        yield CalibrationRow.deterministic(
            of, f"y {y}", "Marchenko-Pastur CDF less integral", exact=0, value=float(worst), tolerance=1e-7
        )
    for level in (0.05, 0.01, 0.001):
        tail = tracy_widom_determinant(tracy_widom_quantile(level))
        yield CalibrationRow.deterministic(
            of, "Fredholm determinant", f"TW1 tail at {level}", exact=level, value=tail, tolerance=3e-4
        )


def _wishart(seed: int) -> Iterator[CalibrationRow]:
    of, (m, n) = "random_matrices", (40, 60)
    for theta in (0.0, 12.0):
        rng = np.random.default_rng(seeds(seed, "wishart", theta))
        draws = np.array([wishart_eigenvalues(m, n, rng, strength=theta) for _ in range(2000)])
        for power, exact in (
            (1, m * n + theta**2),
            (2, m * n * (m + n + 1) + 2 * (m + n) * theta**2 + theta**4),
        ):
            traces = (draws**power).sum(axis=1) / exact
            yield CalibrationRow.measured(
                of,
                f"{m} x {n}, theta {theta:g}",
                f"E tr (W W^T)^{power}, share of the exact",
                exact=1,
                value=float(traces.mean()),
                error=float(traces.std() / math.sqrt(len(traces))),
                cap=0.01,
            )


def _strengths(seed: int) -> Iterator[CalibrationRow]:
    of = "random_matrices"
    for m, n, c in ((384, 384, 4.0), (384, 1536, 2.0), (768, 1024, 4.0)):
        rng, theta = np.random.default_rng(seeds(seed, "strengths", m, n)), c * (m * n) ** 0.25
        top = np.array([wishart_eigenvalues(m, n, rng, strength=theta)[-1] for _ in range(100)])
        shares = invert_spikes(top, 1.0, m, n).strength / theta
        yield CalibrationRow.measured(
            of,
            f"1 spike at {c} thresholds, {m} x {n}",
            "strength, share of the planted",
            exact=1,
            value=float(shares.mean()),
            error=float(shares.std() / math.sqrt(len(shares))),
            cap=0.005,
        )


def _overlaps(seed: int) -> Iterator[CalibrationRow]:
    from scipy.linalg import eigh

    of, (m, n, c) = "random_matrices", (400, 600, 2.0)
    rng, theta = np.random.default_rng(seeds(seed, "overlaps")), c * (m * n) ** 0.25
    differences = []
    for _ in range(100):  # enough that the error of the mean is itself known to 7 %
        array = rng.standard_normal((m, n))
        array[0, 0] += theta
        gram = array @ array.T
        top, vector = eigh(gram, subset_by_index=[m - 1, m - 1])
        said = invert_spikes(top, 1.0, m, n)
        left, right = vector[0, 0] ** 2, (array[:, 0] @ vector[:, 0]) ** 2 / top[0]
        differences.append((said.left_overlap2[0] - left, said.right_overlap2[0] - right))
    for side, values in zip(("left", "right"), np.transpose(differences), strict=True):
        yield CalibrationRow.measured(
            of,
            f"1 spike at {c} thresholds, {m} x {n}",
            f"{side} overlap^2, said less true",
            exact=0,
            value=float(values.mean()),
            error=float(values.std() / math.sqrt(len(values))),
            cap=0.01,
        )


calibrations = (
    Calibration("laws", "integration; Ferrari & Spohn (2005)", _laws),
    Calibration("Wishart draws", "moments of W W^T", _wishart),
    Calibration("strengths", "planted directions", _strengths),
    Calibration("overlaps", "planted directions", _overlaps),
)
