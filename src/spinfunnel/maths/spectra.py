"""Eigenvalues of the Gram matrix of a weight matrix, and the ranks and entropies they give.

A weight matrix is (rows, columns); M is its smaller side and N its larger. "Its eigenvalues" are those of
the M x M Gram matrix W W^T (no 1/N), ascending, float64: the squared singular values.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eigvalsh, svdvals
from scipy.linalg.blas import dsyrk

from spinfunnel.core import Array, BadInput

#: Columns added to the Gram matrix at a time: the float64 copy of a block stays in the cache.
BLOCK = 2048

#: Below this ratio of extreme eigenvalues (condition number 1e5) squaring has cost the smallest its digits.
SQUARING_LIMIT = 1e-10


def gram_eigenvalues(array: Array) -> Array:
    """Give the M eigenvalues of the smaller Gram matrix, ascending, of a matrix of any order and float type.

    The Gram matrix is added up in float64, block by block. Rows that are exactly zero give exact zeros. If
    the condition number exceeds 1e5, the singular values are taken instead, so that the smallest eigenvalue
    and the rank are right.

    Raises:
        BadInput: if the array is not a matrix, is empty, or holds an entry that is not finite.

    >>> gram_eigenvalues(np.array([[3., 0., 0.], [0., 0., 0.], [0., 1., 2.], [0., 0., 0.]]))
    array([0., 5., 9.])
    """
    if array.ndim != 2 or array.size == 0:
        raise BadInput(f"eigenvalues need a matrix that is not empty, this array has shape {array.shape}")
    wide = array if array.shape[0] <= array.shape[1] else array.T
    gram = _gram(wide)
    norms = gram.diagonal()
    if not np.isfinite(norms).all():
        raise BadInput("eigenvalues need finite entries, this matrix holds NaN, inf or entries above 1e150")
    alive = norms > 0
    if not alive.all():
        gram, wide = gram[np.ix_(alive, alive)], wide[alive]
    eigenvalues = np.zeros(len(alive))
    if wide.size:
        eigenvalues[-len(wide) :] = _positive_eigenvalues(gram, wide)
    return eigenvalues


def _gram(wide: Array) -> Array:
    """Lower triangle of W W^T in float64; dsyrk does half the work of a product, in place."""
    m, n = wide.shape
    gram = np.zeros((m, m), order="F")
    rows_first = abs(wide.strides[0]) < abs(wide.strides[1])
    for start in range(0, n, BLOCK):
        block = wide[:, start : start + BLOCK]
        if rows_first:
            factor, transposed = block.astype(np.float64, order="F"), 0
        else:
            factor, transposed = block.astype(np.float64, order="C").T, 1
        gram = dsyrk(1.0, factor, beta=1.0, c=gram, trans=transposed, lower=1, overwrite_c=1)
    return gram


def _positive_eigenvalues(gram: Array, wide: Array) -> Array:
    eigenvalues = eigvalsh(gram, lower=True, overwrite_a=True, check_finite=False)
    if eigenvalues[0] < SQUARING_LIMIT * eigenvalues[-1]:
        singular = svdvals(wide.astype(np.float64), overwrite_a=True, check_finite=False)
        eigenvalues = np.square(singular[::-1])
    return np.maximum(eigenvalues, 0.0)


def rank(eigenvalues: Array, small: int, large: int) -> int:
    """Count the singular values above s_max max(M, N) eps, eps that of float64.

    Source: Press et al., Numerical Recipes, 3rd ed., section 2.6; the rule of `numpy.linalg.matrix_rank`.

    >>> rank(np.array([0., 1e-40, 4., 9.]), 4, 7)
    2
    """
    singular = np.sqrt(eigenvalues)
    return int(np.count_nonzero(singular > singular[-1] * max(small, large) * np.finfo(np.float64).eps))


def stable_rank(eigenvalues: Array) -> float:
    """Give sum(ev) / max(ev) = |W|_F^2 / |W|_2^2, between 1 and the rank; NaN if all are zero.

    Source: Rudelson & Vershynin, J. ACM 54 (2007) 21, section 1.

    >>> stable_rank(np.array([1., 1., 2.]))
    2.0
    """
    top = float(eigenvalues.max())
    return float(eigenvalues.sum()) / top if top > 0 else float("nan")


def effective_rank(eigenvalues: Array) -> float:
    """Give exp(H), H = -sum p ln p with p = ev / sum(ev): how many equal eigenvalues have this entropy.

    Source: Roy & Vetterli, EUSIPCO 2007, eq. 4, with the eigenvalues (H is then the von Neumann entropy of
    W W^T / tr W W^T) where they have the singular values.

    >>> round(effective_rank(np.array([0., 1., 1., 1.])), 9)
    3.0
    """
    return float(np.exp(_shannon(eigenvalues)))


def entropy(eigenvalues: Array) -> float:
    """Give H / ln M in [0, 1], H as in `effective_rank`; 1 for an orthogonal matrix, NaN if M = 1.

    >>> entropy(np.array([0., 0., 1., 1.]))
    0.5
    """
    return _shannon(eigenvalues) / math.log(len(eigenvalues)) if len(eigenvalues) > 1 else float("nan")


def _shannon(eigenvalues: Array) -> float:
    total = eigenvalues.sum()
    if not total > 0:
        return float("nan")
    p = eigenvalues / total
    p = p[p > 0]
    return float(-np.dot(p, np.log(p)))


def second_moment(eigenvalues: Array, large: int, kurtosis: float = 3.0) -> float:
    """Give mean(ev^2) / mean(ev)^2 - (kurtosis - 3) / N: how unequal the eigenvalues are.

    For a noise matrix the expectation is M (M + N + 1) / (M N + 2), exact for Gaussian entries. The last
    term takes out what the entries' own fourth moment adds (the sum of w^4 is part of tr G^2), so that
    uniform or rounded entries have the Gaussian null; pass the kurtosis of the entries.

    >>> second_moment(np.array([1., 1., 1.]), large=5)
    1.0
    """
    mean = eigenvalues.mean()
    if not mean > 0:
        return float("nan")
    ratios = eigenvalues / mean
    return float(np.dot(ratios, ratios)) / len(eigenvalues) - (kurtosis - 3.0) / large
