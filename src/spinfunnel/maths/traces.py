"""The trace of a symmetric operator that is known only by its products with vectors.

Hutchinson's mean of v·Av is good for flat spectra and indefinite ones; XTrace, which takes the few strong
directions out exactly, for those that decay. Both come from the same products, and the smaller error wins.

Sources: Hutchinson, Commun. Stat. Simul. 18 (1989) 1059; XTrace: Epperly, Tropp & Webber, SIAM J. Matrix
Anal. Appl. 45 (2024) 1 (arXiv 2301.07825), sections 2.1 (leave one out), 2.3 (vectors on the sphere).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Number, seeds
from spinfunnel.maths.lanczos import Operator, as_numpy, student, vectors


def trace(operator: Operator, *, products: int = 30, seed: int = 0) -> Number:
    """Estimate the trace by XTrace and by Hutchinson, from the same products; give the one of smaller error.

    With as many products as rows it is exact. The interval is Student's, at .95; `kind` says whose it is.

    >>> strong = np.diag(np.append(np.full(5, 100.0), np.full(195, 0.01)))
    >>> found = trace(strong, products=30)
    >>> abs(found.value - 501.95) < 0.1, found.kind
    (True, 'XTrace')

    Raises:
        BadInput: with fewer than 4 products of an operator that has more rows.
    """
    n = operator.shape[0]
    if products >= n:
        exact = as_numpy(operator @ vectors(operator, np.eye(n)))
        return Number(float(np.trace(exact)), error=0.0, kind="exact")
    omega, image = _multiplied(operator, products // 2, seed)
    found = _xtrace(operator, omega, image), _hutchinson(omega, image)
    return min(found, key=lambda number: number.error if number.error is not None else math.inf)


def traces_of_blocks(
    operator: Operator, ends: Array, *, products: int = 12, seed: int = 0
) -> tuple[Array, Array]:
    """Estimate the traces of all diagonal blocks from the same products; give them and errors, (blocks,).

    Block b has the rows from the end of the block before it to ends[b].

    >>> values, errors = traces_of_blocks(np.diag([1.0, 2.0, 3.0]), np.array([2, 3]), products=3)
    >>> values.round(9), errors.round(9)
    (array([3., 3.]), array([0., 0.]))

    Raises:
        BadInput: with fewer than 2 products of an operator that has more rows.
    """
    n, starts = operator.shape[0], np.append(0, ends[:-1])
    if products >= n:
        exact = as_numpy(operator @ vectors(operator, np.eye(n))).diagonal()
        return np.add.reduceat(exact, starts), np.zeros(len(ends))
    sums = np.add.reduceat(as_numpy(math.prod(_multiplied(operator, products, seed))), starts, axis=0)
    return sums.mean(axis=1), sums.std(axis=1, ddof=1) / math.sqrt(products)


@dataclass(frozen=True)
class Deflated:
    """An operator less Σ λ v v^T of some vectors v (k, n): of eigenpairs, what they leave over."""

    operator: Operator
    values: Array
    vectors: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, (n, n)."""
        return self.operator.shape

    @property
    def dtype(self) -> Any:
        """The operator's."""
        return getattr(self.operator, "dtype", np.dtype(np.float64))

    @property
    def device(self) -> Any:
        """The operator's."""
        return getattr(self.operator, "device", None)

    def __matmul__(self, v: Any) -> Any:
        weights = vectors(self, np.diag(self.values))
        return self.operator @ v - self.vectors.T @ (weights @ (self.vectors @ v))


def hutchinson(operator: Operator, *, products: int = 30, seed: int = 0) -> Number:
    """Estimate the trace by the mean of n v·Av over vectors on the unit sphere, one product each.

    >>> round(hutchinson(3 * np.eye(50), products=5).value, 9)
    150.0
    """
    return _hutchinson(*_multiplied(operator, products, seed))


def xtrace(operator: Operator, *, products: int = 30, seed: int = 0) -> Number:
    """Estimate the trace by XTrace, half of the products to find strong directions and half to project.

    >>> low = np.diag(np.append(np.arange(1.0, 9.0), np.zeros(92)))  # of rank 8: exact from 10 vectors
    >>> round(xtrace(low, products=20).value, 9)
    36.0
    """
    return _xtrace(operator, *_multiplied(operator, products // 2, seed))


def _multiplied(operator: Operator, count: int, seed: int) -> tuple[Any, Any]:
    """Draw vectors evenly from the sphere of radius √n, (n, count), and multiply them."""
    n = operator.shape[0]
    if count < 2 or count > n:
        raise BadInput(f"{count} vectors for the trace of {n} x {n}: take 2 or more, and at most {n}")
    drawn = np.random.default_rng(seeds(seed, "trace")).standard_normal((count, n))
    drawn *= math.sqrt(n) / np.linalg.norm(drawn, axis=1, keepdims=True)
    omega = vectors(operator, drawn.T)
    return omega, operator @ omega


def _hutchinson(omega: Any, image: Any) -> Number:
    return replace(student(as_numpy((omega * image).sum(axis=0))), kind="Hutchinson")


def _xtrace(operator: Operator, omega: Any, image: Any) -> Number:
    """Leave out each vector i: the trace on the span of the other images, and Hutchinson's of the rest.

    With Y = A Ω = Q R, the span of Y without y_i is that of Q less the direction Q s_i, where s_i, of length
    one, is along R^-T e_i. All that is left to do happens in the k coordinates of Q.
    """
    from array_api_compat import array_namespace

    n, k = omega.shape
    basis, triangle = array_namespace(image).linalg.qr(image)
    r, w = as_numpy(triangle), as_numpy(basis.T @ omega)
    h = as_numpy(basis.T @ (operator @ basis))
    h = (h + h.T) / 2
    smallest = max(float(np.finfo(np.float64).eps * np.abs(r).max()), 1e-150)
    diagonal = r.diagonal()
    r[range(k), range(k)] = np.where(np.abs(diagonal) < smallest, smallest, diagonal)  # of low rank
    s = np.linalg.inv(r).T
    s /= np.linalg.norm(s, axis=0)
    inside = w - s * (s * w).sum(axis=0)  # each vector's coordinates in the span of the others' images
    shares = np.trace(h) - (s * (h @ s)).sum(axis=0)
    left = ((w - 2 * inside) * r).sum(axis=0) + (inside * (h @ inside)).sum(axis=0)
    length2 = n - (inside**2).sum(axis=0)
    found = student(shares + (n - k + 1) / length2 * left)  # back on the sphere of what is left
    assert found.error is not None
    rounding = 4 * float(array_namespace(image).finfo(image.dtype).eps) * float(np.abs(h.diagonal()).sum())
    return replace(found, error=math.hypot(found.error, rounding), kind="XTrace")


# Calibrations.

#: Estimates of each trace, from independent vectors, and products of each.
DRAWS, PRODUCTS = 300, 30


def _spectra(n: int) -> dict[str, Array]:
    """Vectors on the sphere have no axes, so that a diagonal matrix stands for all of its spectrum."""
    half = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return {
        "flat": (np.arange(n) + 0.5) / n,
        "i^-2": np.arange(1.0, n + 1) ** -2,
        "10 far out": np.append(np.linspace(20, 100, 10), (np.arange(n - 10) + 0.5) / n),
        "indefinite": 0.1 + half * np.abs(half),
    }


def _coverage(seed: int) -> Iterator[CalibrationRow]:
    """Estimates are right on average, and their intervals of .95 hold the truth about as often.

    They hold .93 to .95 of flat and indefinite spectra, and .87 of steep ones (600 estimates each): errors by
    15 vectors are then skewed. The limit is 2.6 standard errors of 300 estimates below that.
    """
    for name, values in _spectra(200).items():
        of, matrix, exact = "traces", np.diag(values), float(values.sum())
        for said, estimate in (("XTrace", xtrace), ("Hutchinson", hutchinson), ("the better", trace)):
            drawn = [
                estimate(matrix, products=PRODUCTS, seed=seeds(seed, name, said, i)) for i in range(DRAWS)
            ]
            held = sum(one.low <= exact <= one.high for one in drawn if one.low and one.high)
            yield CalibrationRow.rate(
                of, name, f"intervals of {said} that hold it", k=held, n=DRAWS, at_least=0.82
            )
            if said != "the better":
                mean = student(np.array([one.value for one in drawn]) / exact)
                assert mean.error is not None
                yield CalibrationRow.measured(
                    of, name, f"mean of {said}, of the trace",
                    exact=1, value=mean.value, error=mean.error, cap=0.02,
                )  # fmt: skip


def _exact(seed: int) -> Iterator[CalibrationRow]:
    """What XTrace knows without error: multiples of the identity, and ranks below its vectors."""
    low = np.diag(np.append(np.arange(1.0, 9.0), np.zeros(92)))
    for name, matrix, exact in (("identity, n 100", np.eye(100), 100), ("of rank 8, n 100", low, 36)):
        yield CalibrationRow.deterministic(
            "traces", name, "XTrace, 20 products", exact=exact,
            value=xtrace(matrix, products=20, seed=seed).value, tolerance=1e-9,
        )  # fmt: skip


calibrations = (
    Calibration("coverage", "diagonal matrices", _coverage),
    Calibration("exact traces", "by construction", _exact),
)
