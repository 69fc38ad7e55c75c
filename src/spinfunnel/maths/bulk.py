"""Noise and spikes in a spectrum: the Marchenko-Pastur bulk, its edge, and what lies above it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.maths.random_matrices import (
    invert_spikes,
    marchenko_pastur_cdf,
    marchenko_pastur_edges,
    marchenko_pastur_quantile,
    top_threshold,
    wishart_eigenvalues,
)
from spinfunnel.maths.spectra import gram_eigenvalues, rank

#: A spectrum flatter than this is that of an orthogonal matrix, up to a factor.
ORTHOGONAL_WITHIN = 1e-3


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
        small, large: M without dead rows, and N.
        variance: s2, of the noise entries; it means something only if `is_mp`.
        lower, upper: Marchenko-Pastur edges of M x N noise of this variance.
        threshold: what the largest eigenvalue of the noise beside the spikes exceeds at rate `level`.
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
        """Eigenvalues of the bulk times the distance: rigid spectra make its null depend little on shape."""
        return (self.small - len(self.spikes)) * self.ks

    @cached_property
    def ks_limit(self) -> float:
        """What noise of this shape stays below at rate 1 - level."""
        from spinfunnel.maths.nulls import null_quantile  # the null is drawn with this very fit

        k = len(self.spikes)
        return null_quantile("ks", 1 - self.level, self.small - k, self.large - k)

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
    (without that step, the start at the median confirms itself and the false-positive rate doubles). At the
    end s2 is raised by what the spikes took along: sum(ev) - sum(rest) exceeds theta^2 + s2 (M + N) by
    s2^2 M N / theta^2 for each (`spike_eigenvalue`). Exact zeros are dead rows and are left out.

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
    k = _back_test(k, alive, n, variance, level)
    s2, rest, spikes, cells = variance(k), alive[: m - k], alive[m - k :], (m - k) * (n - k)
    taken = s2 * m * n * float((invert_spikes(spikes, s2, m, n).strength ** -2.0).sum())
    corrected = s2 / max(1 - taken / cells, 0.5)
    lower, upper = (corrected * n * edge for edge in marchenko_pastur_edges(m / n))
    return Bulk(
        small=m,
        large=n,
        variance=corrected,
        lower=lower,
        upper=upper,
        threshold=s2 * top_threshold(level, m - k, n - k),
        spikes=spikes,
        ks=_distance(marchenko_pastur_cdf(rest / (s2 * (n - k)), (m - k) / (n - k))),
        runaway=runaway and k == most,
        level=level,
    )


def _back_test(k: int, alive: Array, n: int, variance: Callable[[int], float], level: float) -> int:
    """Lower k until the smallest spike stands out of the noise fitted with it left in."""
    m = len(alive)
    while k > 0 and alive[m - k] <= variance(k - 1) * top_threshold(level, m - k + 1, n - k + 1):
        k -= 1
    return k


def _distance(cdf: Array) -> float:
    """Kolmogorov-Smirnov distance of a sorted sample, given the law's CDF at its points."""
    steps = np.arange(len(cdf) + 1) / len(cdf)
    return float(max((cdf - steps[:-1]).max(), (steps[1:] - cdf).max()))


# Calibrations.


def _planted(small: int, large: int, count: int, strength: float, rng: np.random.Generator) -> Array:
    """Noise of unit variance with `count` orthogonal directions of equal strength, shape (M, N)."""
    left = np.linalg.qr(rng.standard_normal((small, count)))[0]
    right = np.linalg.qr(rng.standard_normal((large, count)))[0]
    planted: Array = rng.standard_normal((small, large)) + strength * left @ right.T
    return planted


def _edge(seed: int) -> Iterator[CalibrationRow]:
    of = "bulk"
    for m, n, level, draws in (
        (32, 32, 0.01, 1000),
        (384, 384, 0.01, 500),
        (384, 1536, 0.01, 500),
        (64, 64, 0.05, 2000),
        (64, 256, 0.05, 2000),
    ):
        rng = np.random.default_rng(seeds(seed, "edge", m, n))
        fits = [fit_bulk(wishart_eigenvalues(m, n, rng), m, n, level=level) for _ in range(draws)]
        false = sum(len(fit.spikes) > 0 for fit in fits)
        limit = level + 4 * math.sqrt(level / draws)
        yield CalibrationRow.rate(
            of, f"noise {m} x {n}", f"spike seen at nominal {level}", k=false, n=draws, at_most=limit
        )


def _spikes(seed: int) -> Iterator[CalibrationRow]:
    of = "bulk"
    for m, n, c in ((64, 64, 2.0), (64, 256, 2.0), (384, 384, 1.5), (500, 512, 1.5), (384, 1536, 1.5)):
        rng = np.random.default_rng(seeds(seed, "spikes", m, n))
        spectra = (gram_eigenvalues(_planted(m, n, 5, c * (m * n) ** 0.25, rng)) for _ in range(100))
        fits = [fit_bulk(ev, m, n) for ev in spectra]
        found = [len(fit.spikes) for fit in fits]
        system = f"5 spikes at {c} thresholds, {m} x {n}"
        total, exact = sum(min(k, 5) for k in found), sum(k == 5 for k in found)
        yield CalibrationRow.rate(of, system, "spikes found", k=total, n=500, at_least=0.98)
        yield CalibrationRow.rate(of, system, "count exact", k=exact, n=100, at_least=0.95 if c == 2 else 0.9)
        if m >= 384:
            exact_edge = (math.sqrt(m) + math.sqrt(n)) ** 2
            near = sum(abs(fit.upper / exact_edge - 1) < 0.01 for fit in fits)
            yield CalibrationRow.rate(of, system, "edge within 1 %", k=near, n=100, at_least=0.9)


def _other_bulks(seed: int) -> Iterator[CalibrationRow]:
    of = "bulk"
    for m, n in ((384, 384), (384, 1536)):
        for spread in (0.2, 0.4):
            rng = np.random.default_rng(seeds(seed, "other", m, n, spread))
            called = 0
            for _ in range(50):
                scales = np.exp(spread * rng.standard_normal((m, 1)))
                ev = gram_eigenvalues(rng.standard_normal((m, n)) * scales)
                called += not fit_bulk(ev, m, n).is_mp
            system = f"rows of lognormal scale, spread {spread}, {m} x {n}"
            yield CalibrationRow.rate(of, system, "called not MP", k=called, n=50, at_least=0.99)


calibrations = (
    Calibration("edge", "noise of known variance", _edge),
    Calibration("spikes", "planted directions", _spikes),
    Calibration("bulks that are not noise", "rows of unequal scale", _other_bulks),
)
