"""What the spectrum of a noise matrix looks like, and what stands out of it.

W is M x N (M <= N) with independent entries of variance s2; the eigenvalues are those of W W^T (no 1/N), and
y = M/N. Laws: Marchenko-Pastur for the bulk, Tracy-Widom (real matrices) for the largest eigenvalue,
Baik-Ben Arous-Peche for what a planted direction becomes. `fit_bulk` finds noise and spikes in a spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import gammaincc, gammainccinv

from spinfunnel.core import Array
from spinfunnel.maths.spectra import rank

#: Chiani, J. Multivariate Anal. 129 (2014) 69, table 1: TW1 is this gamma law, shifted to the left.
_TW_SHAPE, _TW_SCALE, _TW_SHIFT = 46.446, 0.186054, 9.84801

#: Mean and variance of TW1 (checked against its Fredholm determinant in the tests).
_TW_MEAN, _TW_VARIANCE = -1.2065336, 1.6077810

#: A spectrum flatter than this is that of an orthogonal matrix, up to a factor.
ORTHOGONAL_WITHIN = 1e-3


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
    """Give P(TW1 > s), to 2e-4 absolute (Chiani 2014).

    >>> round(tracy_widom_sf(0.9793), 3)
    0.05
    """
    return float(gammaincc(_TW_SHAPE, max(s + _TW_SHIFT, 0.0) / _TW_SCALE))


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


def wishart_eigenvalues(rows: int, columns: float, rng: np.random.Generator) -> Array:
    """Draw the eigenvalues, ascending (M,), of W W^T for W of independent standard normal entries.

    They are those of B B^T for a bidiagonal B of chi variables: O(M^2), whatever N, which need not be whole.
    Source: Dumitriu & Edelman, J. Math. Phys. 43 (2002) 5830, theorem 3.1, beta = 1.

    >>> wishart_eigenvalues(200, 300, np.random.default_rng(0)).mean().round(-1)  # N
    np.float64(300.0)
    """
    small, large = min(rows, columns), max(rows, columns)
    diagonal = rng.chisquare(large - np.arange(small))  # squares
    below = rng.chisquare(small - 1 - np.arange(small - 1)) if small > 1 else np.empty(0)
    t = diagonal.copy()
    t[1:] += below
    values = eigvalsh_tridiagonal(
        t, np.sqrt(diagonal[:-1] * below), lapack_driver="sterf", check_finite=False
    )
    return np.maximum(values, 0.0)


# Noise and spikes in a spectrum.


def is_orthogonal(eigenvalues: Array) -> bool:
    """Tell whether all eigenvalues are equal to 1e-3: rows (or columns) orthogonal and of equal length.

    >>> is_orthogonal(np.array([4., 4.001])), is_orthogonal(np.array([4., 4.1])), is_orthogonal(np.zeros(2))
    (True, False, False)
    """
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return len(eigenvalues) > 1 and smallest > 0 and largest / smallest - 1 < ORTHOGONAL_WITHIN


@dataclass(frozen=True)
class Bulk:
    """The Marchenko-Pastur bulk of a spectrum, and the eigenvalues above its edge. Eigenvalues as of W W^T.

    Attributes:
        small, large: shape of the noise matrix that is left once dead rows and spikes are taken away.
        variance: s2, of the noise entries; it means something only if `is_mp`.
        lower, upper: edges of the bulk.
        threshold: what the largest eigenvalue of the noise exceeds at rate `level`.
        spikes: the eigenvalues above the threshold, ascending.
        ks: Kolmogorov-Smirnov distance of the others from the law.
        runaway: half of all eigenvalues were given up as spikes and no bulk was found.
        level: the false-positive rate of the threshold, and of `is_mp`.
    """

    small: int
    large: int
    variance: float
    lower: float
    upper: float
    threshold: float
    spikes: Array
    ks: float
    runaway: bool
    level: float

    @property
    def ks_statistic(self) -> float:
        """M times the distance: its null depends on the shape only weakly (the eigenvalues repel)."""
        return self.small * self.ks

    @cached_property
    def ks_limit(self) -> float:
        """What noise of this shape stays below at rate 1 - level."""
        from spinfunnel.maths.nulls import null_quantile  # the null is drawn with this very fit

        return null_quantile("ks", 1 - self.level, self.small, self.large)

    @cached_property
    def is_mp(self) -> bool:
        """Whether the bulk is a noise bulk; if not, noise level and spike count mean nothing.

        False for fewer than 8 eigenvalues, where nothing can be told.
        """
        return not self.runaway and self.ks_statistic <= self.ks_limit

    @property
    def sigma(self) -> float | None:
        """Standard deviation of the noise entries; None if there is no noise bulk."""
        return math.sqrt(self.variance) if self.is_mp else None


def fit_bulk(eigenvalues: Array, small: int, large: int, *, level: float = 0.01) -> Bulk:
    """Fit noise variance and spikes to the ascending eigenvalues (M,) of an M x N matrix.

    Truncation with the shape reduced: with k spikes, s2 is the sum of the M - k smallest over
    (M - k)(N - k), and k counts what lies above that noise's Tracy-Widom threshold, to a fixed point; then
    the smallest spike must also stand out of the noise it would itself belong to, or it is given back
    (without that step, the start at the median confirms itself and the false-positive rate doubles). Exact
    zeros are dead rows and are left out. s2 is good to .5 % for up to 5 spikes and M >= 384, and 1 to 2.5 %
    low at 50.

    >>> bulk = fit_bulk(wishart_eigenvalues(200, 300, np.random.default_rng(1)), 200, 300)
    >>> len(bulk.spikes), bulk.is_mp, round(bulk.sigma, 2)
    (0, True, 1.0)
    """
    alive = eigenvalues[len(eigenvalues) - rank(eigenvalues, small, large) :]
    m, n = len(alive), large
    if m == 0:
        nothing = np.empty(0)
        return Bulk(0, n, 0.0, 0.0, 0.0, 0.0, nothing, math.nan, True, level)
    sums = np.cumsum(alive)

    def variance(k: int) -> float:
        return float(sums[m - k - 1]) / ((m - k) * (n - k))

    def above(s2: float, k: int) -> int:
        return min(m - int(alive.searchsorted(s2 * top_threshold(level, m - k, n - k), "right")), most)

    most, seen = m // 2, set[int]()
    k = above(float(alive[m // 2]) / (n * marchenko_pastur_quantile(0.5, m / n)), 0)
    while k not in seen:
        seen.add(k)
        k = above(variance(k), k)
    runaway = m > 1 and k == most
    while k > 0 and alive[m - k] <= variance(k - 1) * top_threshold(level, m - k + 1, n - k + 1):
        k -= 1
    s2, rest, y = variance(k), alive[: m - k], (m - k) / (n - k)
    lower, upper = (s2 * (n - k) * edge for edge in marchenko_pastur_edges(y))
    return Bulk(
        m - k, n - k, s2, lower, upper, s2 * top_threshold(level, m - k, n - k), alive[m - k :],
        _distance(marchenko_pastur_cdf(rest / (s2 * (n - k)), y)), runaway and k == most, level,
    )  # fmt: skip


def _distance(cdf: Array) -> float:
    """Kolmogorov-Smirnov distance of a sorted sample, given the law's CDF at its points."""
    steps = np.arange(len(cdf) + 1) / len(cdf)
    return float(max((cdf - steps[:-1]).max(), (steps[1:] - cdf).max()))


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
