"""Moments of the entries of a matrix, in one pass over blocks of rows, accumulated in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array

#: Entries handled at a time: small enough for the cache, so that temporaries cost nothing.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Moments:
    """What the entries of a matrix say, regardless of where they stand.

    `mean`, `variance` (about the mean) and `kurtosis` (3 for a Gaussian) are over the finite entries;
    `largest` is max |w| over them; `zeros` and `nonfinite` are counts.
    """

    n: int
    mean: float
    variance: float
    kurtosis: float
    largest: float
    zeros: int
    nonfinite: int


def moments(array: Array) -> Moments:
    """Give the moments of all entries of an array of any shape.

    >>> m = moments(np.array([[1., -1.], [3., 0.]]))
    >>> m.n, m.mean, m.variance, m.largest, m.zeros
    (4, 0.75, 2.1875, 3.0, 1)
    """
    flat = array.reshape(-1)
    sums = np.zeros(4)
    largest, zeros, nonfinite = 0.0, 0, 0
    for start in range(0, flat.size, BLOCK):
        w = flat[start : start + BLOCK].astype(np.float64)
        finite = np.isfinite(w)
        if not finite.all():
            nonfinite += int(w.size - finite.sum())
            w = w[finite]
        if not w.size:
            continue
        w2 = w * w  # products, not powers: pow() costs ten times as much
        sums += w.sum(), w2.sum(), np.dot(w2, w), np.dot(w2, w2)
        largest = max(largest, float(w.max()), -float(w.min()))
        zeros += int(w.size - np.count_nonzero(w))
    n = flat.size - nonfinite
    if n == 0:
        return Moments(0, np.nan, np.nan, np.nan, np.nan, 0, nonfinite)
    m1, m2, m3, m4 = (float(s) for s in sums / n)
    variance = max(m2 - m1**2, 0.0)
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    kurtosis = fourth / variance**2 if variance > 1e-30 * m2 and variance > 0 else np.nan
    return Moments(n, m1, variance, float(kurtosis), largest, zeros, nonfinite)
