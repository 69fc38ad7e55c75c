"""Does a spectrum end in a power law, with which exponent, and how sure is that?

Eigenvalues x of W Wᵀ. Above xmin the density is p(x) ∝ x^-α; with u = ln(x/xmin), that is an exponential law of
rate α - 1, so every quantity below is computed from logarithms and none depends on the units of the weights.

Sources: Clauset, Shalizi, Newman, SIAM Review 51 (2009) 661 [CSN]; Martin, Mahoney, JMLR 22 (2021) 165.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput

#: Fewer points than this are not fitted.
FEWEST = 8
#: Eigenvalues below this share of the largest are rounding errors of a Gram matrix in float64, not a spectrum.
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

    Shape (n,), any order, any unit. Each point but the largest is a candidate for xmin; α = 1 + n/Σ ln(x/xmin)
    (CSN eq. 3.1); D = max |F(x_i) - i/n| over i = 0..n-1. Values below `floor` are left out: by default
    those below 1e-10 of the largest, so that α does not depend on units.

    The answer is that of trying every candidate. It is found faster: α for all of them by one cumulative sum, and
    D is first bounded from below at 24 points of each tail, so most candidates are never looked at in full.

    >>> fit = fit_power_law((1 - np.arange(1000) / 1000) ** (-1 / 1.5))  # the quantiles of x^-2.5
    >>> round(fit.alpha, 1), fit.tail > 900
    (2.5, True)
    """
    u, top = _descending_logs(eigenvalues, floor)
    n = len(u)
    if n < FEWEST:
        return PowerLaw(math.nan, math.nan, math.nan, 0, n)
    sizes = np.arange(2, n + 1)
    width = np.cumsum(u)[1:] / sizes - u[1:]  # mean of ln(x/xmin) over each tail: 1/(α - 1)
    wide = width > NARROWEST
    sizes, width = sizes[wide], width[wide]
    if not len(sizes):
        return PowerLaw(math.nan, math.nan, math.nan, 0, n)
    rate = 1 / width
    ranks = (sizes[:, None] * _QUANTILES).astype(np.intp)
    lower = np.abs(
        1
        - np.exp(rate[:, None] * (u[sizes - 1, None] - u[sizes[:, None] - 1 - ranks]))
        - ranks / sizes[:, None]
    ).max(axis=1)
    best, distance = -1, math.inf
    for k in np.argsort(lower):
        if lower[k] > distance:
            break
        m = sizes[k]
        d = float(np.abs(1 - np.exp(rate[k] * (u[m - 1] - u[m - 1 :: -1])) - np.arange(m) / m).max())
        if d < distance or (d == distance and k > best):
            best, distance = k, d
    m = int(sizes[best])
    return PowerLaw(1 + float(rate[best]), top * math.exp(u[m - 1]), distance, m, n)


def _descending_logs(eigenvalues: Array, floor: float | None) -> tuple[Array, float]:
    """Give ln(x / max x), largest first, of the values kept, and max x."""
    x = np.sort(np.asarray(eigenvalues, dtype=np.float64).ravel())[::-1]
    if not np.isfinite(x).all():
        raise BadInput("eigenvalues must be finite; leave out matrices with NaN or infinite entries")
    x = x[x > (floor if floor is not None else RANK_CUT * x[0])] if len(x) else x
    return (np.log(x / x[0]), float(x[0])) if len(x) else (x, math.nan)
