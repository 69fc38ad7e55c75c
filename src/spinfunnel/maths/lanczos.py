"""The spectrum of a symmetric operator that is known only by its products with vectors: Lanczos' method.

A Krylov basis is kept orthogonal to rounding, so that no eigenvalue is found twice, and a basis that closes
on itself is noticed. Gauss quadrature in such bases gives the density of states and the trace of any function
of the operator; thick restarts give the ends of the spectrum.

An operator A has `shape` (n, n) and `A @ v`. Its `dtype` and `device`, if it has them, say whether v is an
array of numpy or a tensor of PyTorch (if of its dtype, or not on the CPU). What is small is float64 of numpy.

Sources: Golub & Meurant, Matrices, Moments and Quadrature (2010), chapter 6; Ubaru, Chen & Saad, SIAM J.
Matrix Anal. Appl. 38 (2017) 1075; Wu & Simon, SIAM J. Matrix Anal. Appl. 22 (2000) 602, for the restarts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Number, seeds

#: The level of the intervals that numbers get besides their standard errors.
LEVEL = 0.95
#: Eigenpairs: the share of the basis that restarts keep, if that is more than what is asked for; products
#: between looks at the residuals, and from another start; values below this share of the norm need not be
#: known any better.
KEPT, BETWEEN, LOOK, FLOOR = 0.5, 5, 10, 1e-3


class Operator(Protocol):
    """A symmetric matrix, or what multiplies like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, (n, n)."""

    def __matmul__(self, v: Any, /) -> Any:
        """Give the product with v, (n,) or (n, k)."""


def vectors(operator: Operator, values: Array) -> Any:
    """Give float64 values (n, ...) as the operator takes them: its library, its dtype, its device.

    >>> vectors(np.eye(3, dtype=np.float32), np.ones(3)).dtype
    dtype('float32')
    """
    dtype, device = getattr(operator, "dtype", np.float64), getattr(operator, "device", None)
    known = type(dtype).__module__ == "torch"
    if known or not str(device or "cpu").startswith("cpu"):
        from array_api_compat import torch as xp

        kind: Any = dtype if known else getattr(xp, np.dtype(dtype).name)
        return xp.asarray(values, dtype=kind, device=device)
    return np.asarray(values, dtype=dtype)


def as_numpy(values: Any) -> Array:
    """Give an array of any library, on any device, as float64 of numpy."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values, dtype=np.float64)


def probe(size: int, seed: int, *names: object) -> Array:
    """Draw a vector (n,) evenly from the unit sphere."""
    v = np.random.default_rng(seeds(seed, "probe", *names)).standard_normal(size)
    return np.asarray(v / np.linalg.norm(v))


def student(samples: Array) -> Number:
    """Give the mean of independent samples (k,), its standard error, and its interval at .95 by Student.

    One sample has no error.

    >>> print(student(np.array([1.0, 2.0, 3.0])))
    2.0 ± 0.6
    """
    from scipy.special import stdtrit

    k, mean = len(samples), float(np.mean(samples))
    if k < 2:
        return Number(mean)
    error = float(np.std(samples, ddof=1)) / math.sqrt(k)
    wide = float(stdtrit(k - 1, (1 + LEVEL) / 2)) * error
    return Number(mean, low=mean - wide, high=mean + wide, level=LEVEL, error=error)


class Krylov:
    """An orthonormal basis of a Krylov space, and the operator projected on it, grown product by product.

    Attributes:
        basis: (capacity + 1, n); after `size` orthonormal rows comes the direction that is multiplied next.
        projected: (capacity, capacity); its leading (size, size) is the operator in the basis.
        size: vectors in the basis.
        coupling: β, how far the last product leads out of the basis.
        closed: nothing leads out of the basis: its Ritz values are eigenvalues.
        norm: the longest product so far, a lower bound of the operator's norm.

    Raises:
        BadInput: if the operator is not square, or a product with it is not finite.
    """

    def __init__(self, operator: Operator, start: Array, capacity: int) -> None:
        from array_api_compat import array_namespace, device

        self.n = _size(operator)
        self.operator = operator
        first = vectors(operator, start / np.linalg.norm(start))
        xp = array_namespace(first)
        self.basis = xp.empty((capacity + 1, self.n), dtype=first.dtype, device=device(first))
        self.basis[0] = first
        self.projected = np.zeros((capacity, capacity))
        self.epsilon = float(xp.finfo(first.dtype).eps)
        self.size, self.coupling, self.norm, self.closed = 0, math.inf, 0.0, False
        self._coupled = 0  # the first row that the next product is known to lead back to

    @property
    def rounding(self) -> float:
        """What is as small as this in a product is rounding: ε ‖A‖ √m."""
        return self.epsilon * self.norm * math.sqrt(self.size)

    def grow(self, size: int) -> None:
        """Multiply until the basis has so many vectors, or is closed."""
        while self.size < size and not self.closed:
            self._multiply()

    def _multiply(self) -> None:
        """Gram-Schmidt, twice; the first time against the two vectors (or those kept) that are not rounding.

        That twice is enough: Giraud, Langou, Rozloznik & van den Eshof, Numer. Math. 101 (2005) 87.
        """
        j = self.size
        product = self.operator @ self.basis[j]
        near, known = self.basis[self._coupled : j + 1], self.basis[: j + 1]
        first = near @ product
        left = product - first @ near
        second = known @ left
        left = left - second @ known
        column = as_numpy(second)
        column[self._coupled :] += as_numpy(first)
        self.coupling = float((left @ left) ** 0.5)
        length = math.hypot(float(np.linalg.norm(column)), self.coupling)
        if not math.isfinite(length):
            raise BadInput("a product with the operator is not finite: the loss must be finite and smooth")
        self.projected[: j + 1, j] = self.projected[j, : j + 1] = column
        self.norm, self.size, self._coupled = max(self.norm, length), j + 1, j
        self.closed = self.coupling <= self.rounding or self.size == self.n
        if not self.closed:
            self.basis[j + 1] = left / self.coupling

    def ritz(self) -> tuple[Array, Array]:
        """Give the Ritz values (m,), ascending, and their vectors in the basis (m, m), as columns."""
        values, turned = np.linalg.eigh(self.projected[: self.size, : self.size])
        return values, turned

    def restart(self, chosen: Array) -> None:
        """Keep the Ritz vectors of these places only, and the direction that is multiplied next."""
        values, turned = self.ritz()
        kept = self.combine(turned[:, chosen])
        size, k = self.size, len(chosen)
        self.basis[:k] = kept
        self.basis[k] = self.basis[size]
        self.projected[:] = 0.0
        self.projected[range(k), range(k)] = values[chosen]
        self.size, self._coupled = k, 0

    def reopen(self, start: Array) -> None:
        """Go on from a closed basis along what is left of another vector (n,)."""
        known, v = self.basis[: self.size], vectors(self.operator, start)
        for _ in range(2):
            v = v - (known @ v) @ known
        self.basis[self.size] = v / float((v @ v) ** 0.5)
        self.closed, self._coupled = False, self.size

    def combine(self, turned: Array) -> Any:
        """Give the vectors (k, n) that these columns (m, k) say in the basis."""
        return vectors(self.operator, turned.T) @ self.basis[: self.size]


def _size(operator: Operator) -> int:
    shape = tuple(operator.shape)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        raise BadInput(f"an operator of shape {shape} has no eigenvalues: it must be square")
    return int(shape[0])


def jacobi(operator: Operator, start: Array, steps: int) -> tuple[Array, Array]:
    """Give α (m,) and β (m - 1,) of the tridiagonal matrix that Lanczos' method makes from a start (n,).

    They are shorter than `steps` if the Krylov space is: it is closed by then.

    >>> [x.round(9).tolist() for x in jacobi(np.diag([1.0, 3.0]), np.ones(2), 10)]
    [[2.0, 2.0], [1.0]]
    """
    krylov = Krylov(operator, start, min(steps, _size(operator)))
    krylov.grow(steps)
    known = krylov.projected[: krylov.size, : krylov.size]
    return known.diagonal().copy(), known.diagonal(1).copy()


@dataclass(frozen=True)
class Quadrature:
    """The spectrum of an operator, as seen by k probes: m nodes and their weights each. Errors: by probe.

    Attributes:
        nodes: (k, m) Ritz values, ascending.
        weights: (k, m); each row sums to one. A probe that saw fewer nodes has others of weight zero.
        size: n, the number of eigenvalues.
    """

    nodes: Array
    weights: Array
    size: int

    def mean(self, f: Callable[[Array], Array]) -> Number:
        """Give the mean of f over all eigenvalues; f takes and gives an array of any shape."""
        return student((f(self.nodes) * self.weights).sum(axis=1))

    def trace(self, f: Callable[[Array], Array]) -> Number:
        """Give the trace of f of the operator, such as its log-determinant for f = log.

        >>> found = slq(np.diag(np.arange(1.0, 101.0)), steps=30, probes=20)
        >>> abs(found.trace(np.log).value - 363.74) < 3 * found.trace(np.log).error
        True
        """
        return student(self.size * (f(self.nodes) * self.weights).sum(axis=1))

    def below(self, x: Array) -> tuple[Array, Array]:
        """Give the shares of the eigenvalues that are at most x (points,), and their standard errors."""
        inside = (self.nodes[:, None, :] <= np.asarray(x)[:, None]) * self.weights[:, None, :]
        return _over_probes(inside.sum(axis=2))

    def density(self, x: Array, width: float | None = None) -> tuple[Array, Array]:
        """Give the density at x (points,), and its standard errors, seen through a Gaussian kernel.

        Its width, unless given, is the range of the nodes, divided by their number.
        """
        if width is None:
            width = float(np.ptp(self.nodes)) / self.nodes.shape[1] or 1.0
        apart = (np.asarray(x)[:, None] - self.nodes[:, None, :]) / width
        kernel = np.exp(-(apart**2) / 2) / (width * math.sqrt(2 * math.pi))
        return _over_probes((kernel * self.weights[:, None, :]).sum(axis=2))


def _over_probes(values: Array) -> tuple[Array, Array]:
    k = len(values)
    spread = values.std(axis=0, ddof=1) / math.sqrt(k) if k > 1 else np.full(values.shape[1:], np.nan)
    return values.mean(axis=0), spread


def slq(operator: Operator, *, steps: int = 80, probes: int = 8, seed: int = 0) -> Quadrature:
    """See the spectrum by stochastic Lanczos quadrature: `steps` products for each of the probes.

    The distance W1 to the truth is about .3/steps of the range; bounds: Chen, Trogdon & Ubaru, ICML 2021.

    >>> found = slq(np.diag(np.arange(1.0, 101.0)), steps=10, probes=3)
    >>> found.nodes.shape, round(found.mean(np.ones_like).value, 12), found.nodes.max() < 100
    ((3, 10), 1.0, np.True_)
    """
    n = _size(operator)
    steps = min(steps, n)
    nodes, weights = np.empty((probes, steps)), np.zeros((probes, steps))
    for i in range(probes):
        krylov = Krylov(operator, probe(n, seed, i), steps)
        krylov.grow(steps)
        values, turned = krylov.ritz()
        nodes[i] = np.append(values, np.full(steps - krylov.size, values[-1]))
        weights[i, : krylov.size] = turned[0] ** 2
    return Quadrature(nodes, weights, n)


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues at the ends of a spectrum, and how well they are known.

    Attributes:
        values: (k,) descending; the last `bottom` of them are the lowest of all.
        vectors: (k, n), of the operator's library.
        residuals: (k,), |A v - λ v|, with rounding: an eigenvalue lies within that of each value.
        converged: (k,), whether the residual is as small as was asked for.
        products: products with the operator that were made.
    """

    values: Array
    vectors: Any
    residuals: Array
    converged: Array
    products: int


def top_eigenpairs(
    operator: Operator,
    count: int,
    *,
    bottom: int = 0,
    tolerance: float = 1e-3,
    products: int = 1000,
    room: int | None = None,
    seed: int = 0,
) -> Eigenpairs:
    """Give the `count` largest and the `bottom` smallest eigenvalues, by Lanczos with thick restarts.

    Stops when every residual is below tolerance times its eigenvalue (or times a thousandth of the largest in
    modulus, if that is more) and a look from another start finds no more copies of them; or after so many
    products. `room` is the largest basis, of (room + 1) n numbers.

    >>> found = top_eigenpairs(np.diag(np.arange(50.0)), 2, bottom=1, tolerance=1e-9)
    >>> np.abs(found.values - [49, 48, 0]).max() < 1e-9, found.converged.all()
    (np.True_, np.True_)

    Raises:
        BadInput: if more eigenvalues are asked for than there are.
    """
    n, wanted = _size(operator), count + bottom
    if not 1 <= wanted <= n or min(count, bottom) < 0:
        raise BadInput(f"{count} + {bottom} eigenvalues of an operator of shape {n} x {n}: ask for 1 to {n}")
    room = min(n, max(room or 2 * wanted + 20, wanted + LOOK))
    krylov = Krylov(operator, probe(n, seed, "start"), room)
    products, made, starts, lost = max(products, wanted), 0, 0, 0.0
    settled: Eigenpairs | None = None
    while True:
        before = krylov.size
        step = BETWEEN if settled is None else LOOK
        krylov.grow(min(room, before + min(step, products - made)))
        made += krylov.size - before
        if krylov.size < wanted:
            if krylov.closed:
                starts += 1
                krylov.reopen(probe(n, seed, "again", starts))
            continue
        found, places = _ends(krylov, count, bottom, tolerance, lost, made)
        if settled is not None and _same(found, settled):
            return replace(settled, products=made)
        done = bool(found.converged.all())
        last = made >= products or krylov.size == n
        if done or last:
            found = replace(found, vectors=krylov.combine(found.vectors))
        if last:
            return found
        settled = found if done else None
        if done:
            starts, lost = starts + 1, float(found.residuals.max())
            krylov.restart(places)
            krylov.reopen(probe(n, seed, "again", starts))
        elif krylov.size == room:
            more = 1 + max(0, int(KEPT * room) - wanted) // wanted  # Ritz vectors kept for each one wanted
            krylov.restart(_places(room, count * more, bottom * more))


def _places(size: int, count: int, bottom: int) -> Array:
    """Give the places of the largest, descending, then of the smallest, of so many ascending values."""
    places = np.arange(size)[::-1]
    return np.concatenate([places[:count], places[max(count, size - bottom) :]])


def _ends(
    krylov: Krylov, count: int, bottom: int, tolerance: float, lost: float, made: int
) -> tuple[Eigenpairs, Array]:
    """Give the ends, their vectors still in the basis, as columns, and their places among the Ritz values.

    `lost` is what earlier starts left out of their residuals.
    """
    values, turned = krylov.ritz()
    places = _places(krylov.size, count, bottom)
    values, turned = values[places], turned[:, places]
    left = np.hypot(np.abs(turned[-1]) * (0.0 if krylov.closed else krylov.coupling), lost)
    residuals = np.hypot(left, krylov.rounding)
    small = np.maximum(tolerance * np.maximum(np.abs(values), FLOOR * krylov.norm), 2 * krylov.rounding)
    return Eigenpairs(values, turned, residuals, residuals <= small, made), places


def _same(found: Eigenpairs, settled: Eigenpairs) -> bool:
    """Tell whether the look from another start left the eigenvalues as they were."""
    scale = float(np.abs(settled.values).max())
    return bool(np.abs(found.values - settled.values).max() <= settled.residuals.max() + 1e-6 * scale)


# Calibrations.


def wigner(n: int, rng: np.random.Generator) -> Array:
    """Draw a symmetric Gaussian matrix (n, n) with entries of variance 1/n: its spectrum fills [-2, 2].

    >>> round(float(np.abs(np.linalg.eigvalsh(wigner(300, np.random.default_rng(0)))).max()), 1)
    2.0
    """
    drawn = rng.standard_normal((n, n))
    return np.asarray((drawn + drawn.T) / math.sqrt(2 * n))


def wishart(n: int, share: float, rng: np.random.Generator) -> Array:
    """Draw X X^T / N of a Gaussian X (n, N) with n = share N: its spectrum fills (1 -+ √share)²."""
    drawn = rng.standard_normal((n, round(n / share)))
    return np.asarray(drawn @ drawn.T / drawn.shape[1])


def _random_matrices(seed: int) -> Iterator[CalibrationRow]:
    """Lanczos' coefficients of random matrices are chi variables (Dumitriu & Edelman 2002) of known means."""
    n, probes, c = 2000, 24, 0.25
    rng = np.random.default_rng(seeds(seed, "matrices"))
    laws = (
        ("Wigner", wigner(n, rng), (0.0, 0.0, 0.0), (1.0, 1.0)),
        ("Wishart, c .25", wishart(n // 2, c, rng), (1.0, 1 + c, 1 + c), (math.sqrt(c), math.sqrt(c))),
    )
    for name, matrix, *known in laws:
        size = len(matrix)
        found = [jacobi(matrix, probe(size, seed, name, i), 3) for i in range(probes)]
        for letter, exact, values in zip("αβ", known, map(np.array, zip(*found, strict=True)), strict=True):
            for k, one in enumerate(exact):
                mean = student(values[:, k])
                assert mean.error is not None
                yield CalibrationRow.measured(
                    "lanczos", f"{name}, n {size}", f"{letter}{k}",
                    exact=one, value=mean.value, error=mean.error, cap=0.02,
                )  # fmt: skip


def _density_of_states(seed: int) -> Iterator[CalibrationRow]:
    """The distance W1 to all eigenvalues, in shares of their range; the bound for 80 steps is .15.

    Of that, √(2 F (1 - F) / (n probes)) is what few probes see of few eigenvalues.
    """
    probes = 8
    for name, draw in (("Wigner", wigner), ("Wishart, c .25", partial(wishart, share=0.25))):
        matrix = draw(600, rng=np.random.default_rng(seeds(seed, "density", name)))
        true = np.linalg.eigvalsh(matrix)
        for steps in (20, 80):
            found = slq(matrix, steps=steps, probes=probes, seed=seed)
            grid = np.linspace(true[0], true[-1], 4000)
            apart = found.below(grid)[0] - np.searchsorted(true, grid, side="right") / len(true)
            yield CalibrationRow.deterministic(
                "lanczos", f"{name}, n 600", f"W1 after {steps} steps, of the range",
                exact=0, value=float(np.abs(apart).mean()),
                tolerance=0.4 / steps + math.sqrt(0.5 / (len(true) * probes)),
            )  # fmt: skip


def _log_determinant(seed: int) -> Iterator[CalibrationRow]:
    matrix = wishart(400, 0.25, np.random.default_rng(seeds(seed, "determinant")))
    found = slq(matrix, steps=30, probes=40, seed=seed).trace(np.log)
    assert found.error is not None
    yield CalibrationRow.measured(
        "lanczos", "Wishart, n 400", "log-determinant", exact=float(np.linalg.slogdet(matrix)[1]),
        value=found.value, error=found.error, cap=4.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Diagonal:
    """The operator with these eigenvalues, (n,)."""

    values: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.values), len(self.values)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of its eigenvalues."""
        return self.values.dtype

    def __matmul__(self, v: Array) -> Array:
        return np.asarray((self.values * v.T).T)


def outliers(n: int, seed: int) -> Array:
    """Draw n - 10 eigenvalues from [0, 1], and then ten from [20, 100]."""
    rng = np.random.default_rng(seeds(seed, "outliers"))
    return np.append(rng.uniform(0, 1, n - 10), rng.uniform(20, 100, 10))


def _outliers(seed: int) -> Iterator[CalibrationRow]:
    """A basis that is not kept orthogonal finds each of them again and again."""
    values = outliers(2000, seed)
    for kind in (np.float64, np.float32):
        for steps in (64, 128, 256):
            krylov = Krylov(Diagonal(values.astype(kind)), probe(2000, seed, "start"), steps)
            krylov.grow(steps)
            yield CalibrationRow.deterministic(
                "lanczos", f"10 eigenvalues far out, {kind.__name__}", f"Ritz values there, {steps} steps",
                exact=10, value=float((krylov.ritz()[0] > 10).sum()), tolerance=0,
            )  # fmt: skip
    found = top_eigenpairs(Diagonal(values), 12, tolerance=1e-6, seed=seed)
    wrong = np.abs(found.values - np.sort(values)[::-1][:12])
    yield CalibrationRow.deterministic(
        "lanczos",
        "the same",
        "largest error of the upper 10",
        exact=0,
        value=float(wrong[:10].max()),
        tolerance=1e-6,
    )
    yield CalibrationRow.deterministic(
        "lanczos", "the same", "errors beyond their residuals", exact=0,
        value=float((wrong > found.residuals + 1e-10).sum()), tolerance=0,
    )  # fmt: skip


def _copies(seed: int) -> float:
    values = np.append(np.repeat([9.0, 5.0], 3), np.linspace(0, 1, 194))
    found = top_eigenpairs(Diagonal(values), 3, tolerance=1e-3, seed=seed)
    return float(np.abs(found.values - values[:3]).max())


def _identity(seed: int) -> Iterator[CalibrationRow]:
    """The Krylov space is closed after one product."""
    found = slq(np.eye(300), steps=20, probes=4, seed=seed)
    for quantity, value in (
        ("largest distance of a node from 1", float(np.abs(found.nodes - 1).max())),
        ("standard error of the mean eigenvalue", found.mean(lambda x: x).error),
        ("error of the upper 3", float(np.abs(top_eigenpairs(np.eye(300), 3).values - 1).max())),
        ("error of the upper 3, of one value", _copies(seed)),
    ):
        yield CalibrationRow.deterministic(
            "lanczos", "identity, n 300", quantity, exact=0, value=value or 0.0, tolerance=1e-5
        )


calibrations = (
    Calibration("coefficients", "chi variables: Dumitriu & Edelman (2002)", _random_matrices),
    Calibration("density of states", "dense eigenvalues", _density_of_states),
    Calibration("log-determinant", "Cholesky", _log_determinant),
    Calibration("eigenvalues far out", "by construction", _outliers),
    Calibration("identity", "by construction", _identity),
)
