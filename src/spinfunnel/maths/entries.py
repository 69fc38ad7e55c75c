"""What the entries of a matrix say: moments, and norms of rows and columns, in one pass over blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput

#: Entries handled at a time: their float64 copy and its square stay in the cache.
BLOCK = 1 << 16

#: Entries larger than this, or a matrix of smaller ones than its inverse, have no fourth power in float64.
LARGEST = 1e75

#: A variance below this share of the mean square is the rounding error of entries that are all equal.
ROUNDING = 1e-14


@dataclass(frozen=True)
class Summary:
    """The entries of a matrix (rows, columns), as numbers.

    `mean`, `variance` (about the mean) and `kurtosis` (3 for a Gaussian) are over the finite entries, and so
    are `largest`, which is max |w|, and the Euclidean norms `row_norms` (rows,) and `column_norms`
    (columns,). `zeros` and `nonfinite` are counts. Sums are in float64.
    """

    n: int
    mean: float
    variance: float
    kurtosis: float
    largest: float
    zeros: int
    nonfinite: int
    row_norms: Array
    column_norms: Array


@np.errstate(over="ignore")
def summarise(array: Array) -> Summary:
    """Go over all entries of a matrix (rows, columns) of floats, once.

    Raises:
        BadInput: if the largest entry is above 1e75 or below 1e-75, but not zero.

    >>> seen = summarise(np.array([[1., -1.], [3., 0.]]))
    >>> seen.n, seen.mean, seen.variance, seen.largest, seen.zeros, seen.row_norms[1]
    (4, 0.75, 2.1875, 3.0, 1, np.float64(3.0))
    """
    rows, columns = np.zeros(array.shape[0]), np.zeros(array.shape[1])
    sums = np.zeros(3)
    largest, zeros, nonfinite = 0.0, 0, 0
    step = max(1, BLOCK // max(1, array.shape[1]))
    for start in range(0, array.shape[0], step):
        block = array[start : start + step]
        w = block.astype(np.float64)
        w2 = w * w  # products, not powers: pow() costs ten times as much
        rows[start : start + step] = squares = w2.sum(axis=1)
        if not np.isfinite(squares).all():
            finite = np.isfinite(w)
            nonfinite += int(w.size - finite.sum())
            w = np.where(finite, w, 0.0)
            zeros -= int(w.size - finite.sum())  # those just put in place of what is not finite
            w2 = w * w
            rows[start : start + step] = w2.sum(axis=1)
            block = w
        largest = max(largest, float(block.max()), -float(block.min()))
        if largest > LARGEST:
            break
        columns += w2.sum(axis=0)
        flat, flat2 = w.reshape(-1), w2.reshape(-1)
        sums += flat.sum(), np.dot(flat2, flat), np.dot(flat2, flat2)
        zeros += int(block.size - np.count_nonzero(block))
    if largest > LARGEST or 0 < largest < 1 / LARGEST:
        raise BadInput(
            f"entries of {largest:.0e} cannot be squared in float64: multiply the weights by a constant"
        )
    n = array.size - nonfinite
    norms = np.sqrt(rows), np.sqrt(columns)
    if n == 0:
        return Summary(0, np.nan, np.nan, np.nan, np.nan, 0, nonfinite, *norms)
    m1, m3, m4 = (float(s) / n for s in sums)
    m2 = float(rows.sum()) / n
    variance = m2 - m1**2 if m2 - m1**2 > ROUNDING * m2 else 0.0
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    kurtosis = fourth / variance**2 if variance else np.nan
    return Summary(n, m1, variance, float(kurtosis), largest, zeros, nonfinite, *norms)
