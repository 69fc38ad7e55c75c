"""The power-law tail of a spectrum: its exponent, where it begins, and how sure that is.

Eigenvalues x of W Wᵀ. Above xmin the density is p(x) ∝ x^-α; with u = ln(x/xmin), that is an exponential law
of rate α - 1, so every quantity below is computed from logarithms, and none depends on the weights' units.

Sources: Clauset, Shalizi, Newman, SIAM Review 51 (2009) 661 [CSN]; Martin, Mahoney, JMLR 22 (2021) 165.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Number, seeds
from spinfunnel.maths.spectra import gram_eigenvalues

#: Fewer points than this are not fitted.
FEWEST = 8
#: Eigenvalues below this share of the largest are rounding errors of a float64 Gram matrix, not a spectrum.
RANK_CUT = 1e-10
#: A tail narrower than this in ln x is one value repeated (an orthogonal matrix), and has no exponent.
NARROWEST = 1e-12

_QUANTILES = np.arange(1, 25) / 24.5


@dataclass(frozen=True)
class PowerLaw:
    """A fitted tail: density ∝ x^-alpha for the `tail` points x >= xmin.

    `distance` is the Kolmogorov-Smirnov distance D of that tail; `points` is how many eigenvalues were used.
    All numbers are NaN, and `tail` is 0, where there was nothing to fit.
    """

    alpha: float
    xmin: float
    distance: float
    tail: int
    points: int

    @property
    def sigma(self) -> float:
        """Standard error of α if xmin were known: (α - 1)/√n (CSN eq. 3.2). Up to 2.6 times too small."""
        return (self.alpha - 1) / math.sqrt(self.tail) if self.tail else math.nan


def fit_power_law(eigenvalues: Array, *, floor: float | None = None) -> PowerLaw:
    """Fit the power-law tail of CSN: the xmin with the least KS distance, α by maximum likelihood.

    Shape (n,), any order, any unit. Every point but the largest is a candidate for xmin, and of its n points
    α = 1 + n/Σ ln(x/xmin) (CSN eq. 3.1), D = max |F(x_i) - i/n| over i = 0..n-1. Values up to `floor` are
    left out: by default 1e-10 of the largest, so that α does not depend on units.

    The answer is that of trying every candidate. It is found faster: α for all of them by one cumulative sum,
    and D is first bounded from below at 24 points of each tail, so that few candidates are looked at in full.

    Raises:
        BadInput: if an eigenvalue is NaN or infinite.

    >>> fit = fit_power_law((1 - np.arange(1000) / 1000) ** (-1 / 1.5))  # the quantiles of x^-2.5
    >>> round(fit.alpha, 1), fit.tail > 900
    (2.5, True)
    """
    x = _largest_first(eigenvalues, floor)
    n = len(x)
    if n < FEWEST:
        return PowerLaw(math.nan, math.nan, math.nan, 0, n)
    u = np.log(x / x[0])
    sizes = np.arange(2, n + 1)
    width = np.cumsum(u)[1:] / sizes - u[1:]  # mean of ln(x/xmin) over each tail: 1/(α - 1)
    wide = width > NARROWEST
    sizes, width = sizes[wide], width[wide]
    if not len(sizes):
        return PowerLaw(math.nan, math.nan, math.nan, 0, n)
    rate = 1 / width
    ranks = (sizes[:, None] * _QUANTILES).astype(np.intp)
    logs = u[sizes - 1, None] - u[sizes[:, None] - 1 - ranks]  # -ln(x/xmin) at the quantiles
    lower = np.abs(1 - np.exp(rate[:, None] * logs) - ranks / sizes[:, None]).max(axis=1)
    best, distance = -1, math.inf
    for k in np.argsort(lower):
        if lower[k] > distance:
            break
        m = sizes[k]
        d = float(np.abs(1 - np.exp(rate[k] * (u[m - 1] - u[m - 1 :: -1])) - np.arange(m) / m).max())
        if d < distance or (d == distance and k > best):
            best, distance = k, d
    m = int(sizes[best])
    return PowerLaw(1 + float(rate[best]), float(x[m - 1]), distance, m, n)


def bootstrap_alpha(
    eigenvalues: Array,
    fit: PowerLaw,
    rng: np.random.Generator,
    *,
    resamples: int = 100,
    level: float = 0.95,
) -> Number:
    """Put an interval around a fitted α by refitting resampled spectra, xmin included.

    The interval is (α - 1) e^(± z s), with s half the 16-84 % width of ln(α - 1) over the resamples: around
    the fit, because the median of the resamples is biased where the tail is short. It answers for another
    random matrix of this kind. There is no interval below 20 eigenvalues.

    All resamples are fitted at once, on a grid of 48 tail sizes (10 points at least: resampling repeats
    points, and a tail of one repeated value would fit perfectly) and 32 points of each tail.

    >>> x = (1 - np.arange(1000) / 1000) ** (-1 / 1.5)
    >>> print(bootstrap_alpha(x, fit_power_law(x), np.random.default_rng(0)))
    2.507 [2.404, 2.617]
    """
    n = fit.points
    if not fit.tail or n < 20:
        return Number(fit.alpha, kind="bootstrap, xmin refitted")
    x = np.sort(np.asarray(eigenvalues, dtype=np.float64).ravel())[::-1][:n]
    u = np.log(x / x[0])
    sizes = np.unique((10 * (n / 10) ** np.linspace(0, 1, 48)).round().astype(np.intp))
    ranks = (sizes[:, None] * (np.arange(32) + 0.5) / 32).astype(np.intp)
    shares = (1 - ranks / sizes[:, None]).astype(np.float32)
    logs = []
    for start in range(0, resamples, 25):  # blocks that stay in the cache
        picks = rng.integers(n, size=(min(25, resamples - start), n), dtype=np.int32)
        picks.sort(axis=1)
        drawn = u.take(picks)
        edges = drawn.take(sizes - 1, axis=1)
        width = np.maximum(np.cumsum(drawn, axis=1).take(sizes - 1, axis=1) / sizes - edges, NARROWEST)
        near = drawn.astype(np.float32)  # enough to compare distances, and half the cost of exp
        survival = near.take(sizes - 1, axis=1)[:, :, None] - near.take(sizes[:, None] - 1 - ranks, axis=1)
        survival /= width[:, :, None].astype(np.float32)
        np.exp(survival, out=survival)
        survival -= shares
        np.abs(survival, out=survival)
        best = survival.max(axis=2).argmin(axis=1)
        logs.append(-np.log(width[np.arange(len(best)), best]))
    low, high = np.quantile(np.concatenate(logs), [ndtr(-1), ndtr(1)])
    stretch = math.exp(float(ndtri((1 + level) / 2)) * float(high - low) / 2)
    return Number(
        fit.alpha,
        low=1 + (fit.alpha - 1) / stretch,
        high=1 + (fit.alpha - 1) * stretch,
        level=level,
        kind="bootstrap, xmin refitted",
    )


def _largest_first(eigenvalues: Array, floor: float | None) -> Array:
    """Sort, and leave out what is not above the floor."""
    x = np.sort(np.asarray(eigenvalues, dtype=np.float64).ravel())[::-1]
    if not np.isfinite(x).all():
        raise BadInput("eigenvalues must be finite; leave out matrices with NaN or infinite entries")
    return x[x > (floor if floor is not None else RANK_CUT * x[0])] if len(x) else x


def try_every_candidate(eigenvalues: Array, floor: float) -> PowerLaw:
    """Fit as `fit_power_law` does, by its definition: one candidate after the other. The referee; slow.

    >>> x = np.random.default_rng(0).pareto(1.5, 100) + 1
    >>> try_every_candidate(x, 0.0).tail == fit_power_law(x).tail
    True
    """
    x = np.sort(eigenvalues[eigenvalues > floor])
    best = PowerLaw(math.nan, math.nan, math.inf, 0, len(x))
    for i in range(len(x) - 1):
        tail, n = x[i:] / x[i], len(x) - i
        alpha = 1 + n / float(np.log(tail).sum())
        distance = float(np.abs(1 - tail ** (1 - alpha) - np.arange(n) / n).max())
        if distance < best.distance:
            best = PowerLaw(alpha, float(x[i]), distance, n, len(x))
    return best


def correlated_spectrum(rng: np.random.Generator, m: int, n: int, alpha: float) -> Array:
    """Draw the eigenvalues of Σ^½ G, an (m, n) matrix whose row variances Σ are Pareto of exponent α.

    A spectrum with a real tail and eigenvalues that repel each other, unlike a sample.

    >>> correlated_spectrum(np.random.default_rng(0), 4, 9, 2.5).shape
    (4,)
    """
    variances = rng.pareto(alpha - 1, m) + 1
    return gram_eigenvalues(np.sqrt(variances)[:, None] * rng.normal(size=(m, n)))


def _same_as_trying_all(seed: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "alpha", "referee"))
    for system, x in (
        ("128 x 300 noise", gram_eigenvalues(rng.normal(size=(128, 300)))),
        ("iid power law 3, n = 384", rng.pareto(2, 384) + 1),
        ("Σ^½ G, 96 x 150", correlated_spectrum(rng, 96, 150, 2.5)),
    ):
        fit, slow = fit_power_law(x), try_every_candidate(x, 0.0)
        for quantity in ("alpha", "xmin", "distance"):
            exact = getattr(slow, quantity)
            yield CalibrationRow.deterministic(
                "alpha", system, quantity, exact=exact, value=getattr(fit, quantity), tolerance=1e-9 * exact
            )


def _pareto(seed: int) -> Iterable[CalibrationRow]:
    """Long samples, so that the small bias of α (+.02 at n = 384) is far below the error bar."""
    rng = np.random.default_rng(seeds(seed, "alpha", "pareto"))
    for alpha in (2.0, 3.0, 4.0):
        x = rng.pareto(alpha - 1, 4096) + 1
        number = bootstrap_alpha(x, fit_power_law(x), rng, level=0.68268949)
        assert number.low is not None
        assert number.high is not None
        yield CalibrationRow.measured(
            "alpha",
            f"iid power law {alpha:g}, n = 4096",
            "alpha",
            exact=alpha,
            value=number.value,
            error=(number.high - number.low) / 2,
            cap=0.04 * (alpha - 1),
        )


def _covered(numbers: Iterable[Number], truth: float) -> int:
    return sum(number.low <= truth <= number.high for number in numbers if number.low and number.high)


def _pareto_coverage(seed: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "alpha", "coverage"))
    for alpha in (2.0, 3.0, 4.0):
        spectra = (rng.pareto(alpha - 1, 384) + 1 for _ in range(400))
        k = _covered((bootstrap_alpha(x, fit_power_law(x), rng) for x in spectra), alpha)
        system, quantity = f"iid power law {alpha:g}, n = 384", "95 % interval covers alpha"
        yield CalibrationRow.rate("alpha", system, quantity, k=k, n=400, at_least=0.87)
        yield CalibrationRow.rate("alpha", system, quantity, k=k, n=400, at_most=0.99)


def _correlated_coverage(seed: int, m: int, draws: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "alpha", "correlated coverage", m))
    truth = np.mean([fit_power_law(correlated_spectrum(rng, m, m, 2.5)).alpha for _ in range(400)])
    spectra = (correlated_spectrum(rng, m, m, 2.5) for _ in range(draws))
    k = _covered((bootstrap_alpha(x, fit_power_law(x), rng) for x in spectra), float(truth))
    quantity = "95 % interval covers the mean fitted alpha"
    yield CalibrationRow.rate("alpha", f"Σ^½ G, {m} x {m}", quantity, k=k, n=draws, at_least=0.88)


calibrations = (
    Calibration("the fit is that of trying every candidate", "CSN section 3.3", _same_as_trying_all),
    Calibration("alpha of a known power law", "inverse-CDF samples", _pareto),
    Calibration("the interval of alpha covers", "400 samples of known law", _pareto_coverage),
    Calibration(
        "the interval of alpha covers, repelling eigenvalues",
        "fresh draws of the same ensemble",
        lambda seed: _correlated_coverage(seed, 96, 200),
    ),
    Calibration(
        "the interval of alpha covers, repelling eigenvalues",
        "fresh draws of the same ensemble",
        lambda seed: _correlated_coverage(seed, 384, 400),
        "full",
    ),
)
