"""Stationary points of a smooth energy, told apart, and how their index goes with their energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number, seeds
from spinfunnel.dynamics.descent import descend
from spinfunnel.dynamics.saddles import DENSE, Saddles, climb
from spinfunnel.maths.statistics import jackknife
from spinfunnel.systems.protocols import Smooth

#: Searches: at least and at most; between, so many as take the same time on Hessians of n coordinates.
FEWEST, MOST, FREE = 24, 96, 80
#: The most directions that are climbed: this share of the coordinates, or so many if no Hessian is made.
HIGHEST, HIGHEST_OF_MANY = 1 / 4, 16
#: Points are one if their energies and curvatures differ by less than this share of the largest.
SAME = 1e-6
#: Points, and indices above zero, that an extrapolation to index zero needs.
POINTS, INDICES = 12, 4


@dataclass(frozen=True)
class Points:
    """Distinct stationary points, M of them, by energy, and the searches that were made for them.

    Attributes:
        energies, index, slopes, flat: (M,); `flat` eigenvalues are zero.
        spectra: (M, m), ascending.
        times: how often each was found, (M,).
        modes: directions that are not flat, (M,).
        searches, converged: how many were made, and how many of them ended at a stationary point.
    """

    energies: Array
    index: Array
    slopes: Array
    flat: Array
    spectra: Array
    times: Array
    modes: Array
    searches: int
    converged: int

    @property
    def share(self) -> Array:
        """The index, as a share of the directions that are not flat, (M,)."""
        return np.asarray(self.index / np.maximum(self.modes, 1))


def searches(n: int) -> int:
    """Give how many searches are made among n coordinates.

    >>> searches(2), searches(114)
    (96, 47)
    """
    return round(min(MOST, max(FEWEST, MOST * (FREE / n) ** 2)))


def stationary(system: Smooth, seed: int) -> Points:
    """Climb from minima below random states along none, few, and up to a quarter of all directions.

    Few directions are climbed more often than many, and in every third search the softest is passed over.
    """
    n = math.prod(system.shape)
    count = searches(n)
    top = max(1, int(HIGHEST * n)) if n <= DENSE else min(int(HIGHEST * n), HIGHEST_OF_MANY)
    directions = ((top + 1) * np.linspace(0, 1, count, endpoint=False) ** 1.5).astype(int)
    minima = descend(system, system.random(count, seeds(seed, "random"))).final
    return distinct(climb(system, minima, directions, passed=np.arange(count) % 3 == 2, seed=seed), n)


def distinct(found: Saddles, n: int) -> Points:
    """Tell the stationary points apart: of the same energy and curvatures, symmetry makes them one."""
    order = np.flatnonzero(found.converged)
    order = order[np.argsort(found.energies[order], kind="stable")]
    steepest = SAME * float(np.abs(found.spectra[order]).max(initial=0.0))  # where all energies are near zero
    scale = max(1e-300, steepest, float(np.abs(found.energies[order]).max(initial=0.0)))
    kept: list[int] = []
    times: list[int] = []
    for i in map(int, order):
        curved = SAME * float(np.abs(found.spectra[i]).max())
        for place in range(len(kept) - 1, -1, -1):
            if found.energies[i] - found.energies[kept[place]] > SAME * scale:
                kept.append(i)
                times.append(1)
                break
            if np.abs(found.spectra[i] - found.spectra[kept[place]]).max() <= curved:
                times[place] += 1
                break
        else:
            kept.append(i)
            times.append(1)
    flat = found.flat[kept]
    return Points(
        found.energies[kept], found.index[kept], found.slopes[kept], flat, found.spectra[kept],
        np.array(times, dtype=int), n - flat, len(found.converged), int(found.converged.sum()),
    )  # fmt: skip


def correlation(points: Points) -> tuple[float, float] | None:
    """Give Spearman's correlation of index share and energy, and its p; None if one of them never varies."""
    from scipy.stats import spearmanr

    if len(points.energies) < 4 or np.ptp(points.index) == 0 or np.ptp(points.energies) == 0:
        return None
    found = spearmanr(points.share, points.energies)
    return float(found.statistic), float(found.pvalue)


def threshold(points: Points, size: int) -> Number | None:
    """Extrapolate to the energy per spin at which the index goes to zero; None if too few points tell it.

    Near the edge of a spectrum with a square-root end, such as a semicircle, energies grow as the index share
    to the power 2/3, and 4/3 in the next order. By the formula of Kac and Rice the energy of a point of index
    k among m directions goes with the (k + 1)st of m + 1 eigenvalues of a random matrix (Auffinger, Ben Arous
    & Cerny 2013), so that its share is taken as (k + 1/2)/(m + 1).
    """
    above = points.index > 0
    if above.sum() < POINTS or len(np.unique(points.index[above])) < INDICES:
        return None
    share = (points.index[above] + 0.5) / (points.modes[above] + 1)
    terms = np.stack([np.ones_like(share), share ** (2 / 3), share ** (4 / 3)], axis=1)
    u = points.energies[above] / size

    def at_zero(kept: Array) -> Array:
        return np.asarray(np.linalg.lstsq(terms[kept], u[kept], rcond=None)[0][0])

    value, error = jackknife(at_zero, len(u))
    return Number(float(value), error=float(error))
