"""The spherical p-spin glass: continuous spins on a sphere, all coupled p at a time; solved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.systems.protocols import Metric, Native, Smooth
from spinfunnel.systems.spins import checked

#: More couplings than this, N^p, need more than 1 GiB.
LARGEST = 2**27


@dataclass(frozen=True, eq=False)
class Sphere(Smooth, Metric):
    """H = N^(-(p-1)/2) sum_{i..k} J_{i..k} s_i..s_k - eps N m^k, m = t.s/N, on the sphere |s|^2 = N.

    `couplings` (N,) * p is symmetric; `native` (N,) is t, on the sphere. Gradient and Hessian are those of
    the sphere: with P the projection on its tangent plane, P grad H, and P (grad grad H) P - (s.grad H/N) P.
    """

    name: str
    convention: str
    couplings: Array
    native: Array
    eps: float
    degree: int

    @property
    def p(self) -> int:
        """How many spins are coupled at a time."""
        return self.couplings.ndim

    @property
    def size(self) -> int:
        """N, the number of spins."""
        return len(self.native)

    def summed(self, x: Array) -> Array:
        """Give N^(-(p-1)/2) J x..x with all but two indices summed: (batch, N, N), or (1, N, N) for p = 2.

        >>> Sphere("", "", np.ones((2, 2, 2)), np.ones(2), 0.0, 1).summed(np.array([[2.0, 4.0]]))
        array([[[3., 3.],
                [3., 3.]]])
        """
        n = self.size
        scale = n ** (-(self.p - 1) / 2)
        if self.p == 2:
            return np.asarray(scale * self.couplings[None])
        left = (scale * x) @ self.couplings.reshape(n, -1)  # the one large product, for the whole batch
        for _ in range(self.p - 3):
            left = np.matmul(left.reshape(len(x), -1, n), x[:, :, None])[:, :, 0]
        return np.asarray(left.reshape(len(x), n, n))

    def slope(self, x: Array, summed: Array) -> tuple[Array, Array]:
        """Give energies (batch,) and derivatives (batch, N) in flat space, of what `summed` gave."""
        glass, m = np.matmul(summed, x[:, :, None])[:, :, 0], x @ self.native / self.size
        energy = np.einsum("bi,bi->b", glass, x) - self.eps * self.size * m**self.degree
        pull = self.eps * self.degree * m ** (self.degree - 1)
        return energy, self.p * glass - pull[:, None] * self.native

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of spins x (batch, N)."""
        return self.energy_and_gradient(x)[0]

    def gradient(self, x: Array) -> Array:
        """Give the gradients on the sphere, (batch, N)."""
        return self.energy_and_gradient(x)[1]

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give both, of one product with the couplings."""
        x = checked(x, self.size).astype(np.float64, copy=False)
        energy, slope = self.slope(x, self.summed(x))
        return energy, self.tangent(x, slope)

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian on the sphere times v, (batch, N); what of v is not tangent is dropped.

        One x for all v, repeated by `np.broadcast_to`, meets the couplings once.
        """
        v, k, summed = self.tangent(x, v), self.degree, self.summed(x if x.strides[0] else x[:1])
        bend = self.p * (self.p - 1) * np.matmul(summed, v[:, :, None])[:, :, 0]
        if k > 1:
            m, along = x @ self.native / self.size, v @ self.native / self.size
            bend -= (self.eps * k * (k - 1) * m ** (k - 2) * along)[:, None] * self.native
        radial = np.einsum("bi,bi->b", x, self.slope(x, summed)[1]) / self.size
        return np.asarray(self.tangent(x, bend) - radial[:, None] * v)

    def tangent(self, x: Array, v: Array) -> Array:
        """Give the part of v (batch, N) that is tangent to the sphere at x."""
        return np.asarray(v - (np.einsum("bi,bi->b", x, v) / self.size)[:, None] * x)

    def settle(self, x: Array) -> Array:
        """Give the nearest points on the sphere, (batch, N)."""
        return np.asarray(x * (np.sqrt(self.size) / np.linalg.norm(x, axis=-1, keepdims=True)))

    def random(self, batch: int, seed: int) -> Array:
        """Draw spins (batch, N) evenly on the sphere."""
        rng = np.random.default_rng(seeds(seed, "sphere", self.size))
        return np.asarray(self.settle(rng.standard_normal((batch, self.size))))

    def overlap(self, x: Array, y: Array) -> Array:
        """Give s.s'/N, (batch,); its modulus where the energy is even."""
        return np.asarray(np.clip(np.einsum("bi,bi->b", x, self.nearest(x, y)) / self.size, -1, 1))

    def nearest(self, x: Array, y: Array) -> Array:
        """Give y (batch, N), or -y where the energy is even and that is nearer to x."""
        even = self.p % 2 == 0 and (self.eps == 0 or self.degree % 2 == 0)
        turned = even & (np.einsum("bi,bi->b", x, y) < 0)
        return np.where(turned[:, None], -y, y)


class Pulled(Sphere, Native):
    """A spherical glass in a field that pulls it towards `native`, which need not be where it ends."""


def spherical_pspin(size: int, seed: int = 0, *, p: int = 3, eps: float = 0.0, degree: int = 1) -> Sphere:
    """Spherical p-spin glass: H = N^(-(p-1)/2) sum J s..s, all J normal, so that E H H' = N q^p.

    Beside it, -eps N m^degree pulls towards a random direction t, m = t.s/N. The sum runs over all N^p
    tuples of indices; only the symmetric part of J matters, and is kept. What is known of it is in
    `complexity`. Source: Crisanti & Sommers, Z. Phys. B 87 (1992) 341.

    Raises:
        BadInput: if p is below 2, the degree below 1, eps not finite, or J would take more than 1 GiB.

    >>> spherical_pspin(20, p=4).couplings.shape
    (20, 20, 20, 20)
    """
    if p < 2 or degree < 1:
        raise BadInput(f"p must be at least 2 and the degree at least 1, not {p} and {degree}")
    if not np.isfinite(eps):
        raise BadInput(f"eps must be finite, not {eps}")
    if size**p > LARGEST:
        most = int((LARGEST + 0.5) ** (1 / p))
        raise BadInput(
            f"{size}^{p} couplings take {size**p / 2**27:.3g} GiB: take at most {most} spins for p = {p}"
        )
    rng = np.random.default_rng(seeds(seed, "spherical-pspin", size, p))
    toward = np.random.default_rng(seeds(seed, "spherical-pspin planted", size)).standard_normal(size)
    pull = f" - {eps:g} N m^{degree}" if eps else ""
    made = Pulled if eps > 0 else Sphere
    return made(
        "spherical-pspin",
        f"H = N^-{(p - 1) / 2:g} sum J s..s{pull}, p = {p}, J normal, |s|^2 = N, E H H' = N q^{p}",
        symmetric(rng.standard_normal((size,) * p)),
        toward * np.sqrt(size) / np.linalg.norm(toward),
        float(eps),
        degree,
    )


def symmetric(tensor: Array) -> Array:
    """Give the mean of a tensor (N,) * p over all orders of its indices.

    What is symmetric in the first k indices becomes so in k + 1 by the mean over k + 1 exchanges.

    >>> symmetric(np.array([[1.0, 2.0], [4.0, 5.0]]))
    array([[1., 3.],
           [3., 5.]])
    """
    for last in range(1, tensor.ndim):
        exchanged = tensor.copy()
        for axis in range(last):
            exchanged += np.swapaxes(tensor, axis, last)
        tensor = exchanged / (last + 1)
    return tensor


def _mean(system: str, quantity: str, sample: Array, known: float, cap: float) -> CalibrationRow:
    error = float(sample.std(ddof=1) / math.sqrt(len(sample)))
    return CalibrationRow.measured(
        "sphere", system, quantity, exact=known, value=float(sample.mean()), error=error, cap=cap
    )


def of_covariance(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average H H' over couplings, at two points of a known overlap."""
    n = 6
    for p, q in itertools.product((2, 3, 4), (1.0, 0.7, -0.6)):
        glasses = [spherical_pspin(n, seeds(seed, "covariance", p, q, i), p=p) for i in range(draws)]
        x, y = glasses[0].random(2, seeds(seed, p, q))[:, None]
        y = glasses[0].settle(glasses[0].tangent(x, y))  # at a right angle
        pair = np.concatenate([x, q * x + math.sqrt(1 - q * q) * y])
        product = np.array([np.prod(glass.energy(pair)) for glass in glasses]) / n
        yield _mean(f"spherical p-spin, p {p}, N {n}", f"E H H'/N at q = {q}", product, q**p, 0.08)


def of_curvature(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average powers of gradient and Hessian at a random point, over couplings, against closed forms.

    The Hessian is -p u and, independently, a GOE matrix of M = N - 1 rows with variance v = p (p - 1)/N off
    the diagonal: E tr G^2/M = v N = p (p - 1), and E tr G^4/M = v^2 (2 M^2 + 5 M + 5). That is the semicircle
    of radius 2 sqrt(p (p - 1)), to all orders in 1/N.
    """
    for p, n in ((3, 16), (4, 10)):
        rows = []
        for i in range(2 * draws):
            glass = spherical_pspin(n, seeds(seed, "curvature", p, i), p=p)
            x = np.repeat(glass.random(1, seed), n, axis=0)
            energy, gradient = glass.energy_and_gradient(x[:1])
            hessian, u = glass.hvp(x, np.eye(n)), float(energy[0]) / n
            centred = hessian + p * u * (np.eye(n) - np.outer(x[0], x[0]) / n)
            two = centred @ centred
            rows.append([(gradient**2).sum(), *(np.trace(a) for a in (centred, two, two @ two))])
        name, v, m = f"spherical p-spin, p {p}, N {n}", p * (p - 1) / n, n - 1
        squares, first, second, _ = np.array(rows[:draws]).T / m
        fourth = np.array(rows[draws:])[:, 3] / m  # of other draws, since it goes with the second
        yield _mean(name, "gradient squared, a direction", squares, p, 0.03 * p)
        yield _mean(name, "Hessian and p u, mean eigenvalue", first, 0, 0.05)
        yield _mean(name, "its square", second, v * n, 0.03 * v * n)
        known = v**2 * (2 * m**2 + 5 * m + 5)
        yield _mean(name, "its fourth power", fourth, known, 0.05 * known)


def of_pairs(seed: int) -> Iterator[CalibrationRow]:
    """Compare p = 2 with the eigenvectors of the couplings: they are all the stationary points there are."""
    n = 40
    glass, name = spherical_pspin(n, seed, p=2), f"spherical p-spin, p 2, N {n}"
    values, vectors = np.linalg.eigh(glass.couplings)
    x, levels = math.sqrt(n) * vectors.T, values / math.sqrt(n)

    def row(quantity: str, found: float, known: float = 0.0) -> CalibrationRow:
        return CalibrationRow.deterministic(
            "sphere", name, quantity, exact=known, value=found, tolerance=1e-10
        )

    energies, gradients = glass.energy_and_gradient(x)
    yield row("ground energy per spin: the lowest eigenvalue", energies[0] / n, levels[0])
    yield row("gradient at all eigenvectors", float(np.abs(gradients).max()))
    for i in (0, 7):
        curved = np.linalg.eigvalsh(glass.hvp(np.repeat(x[i : i + 1], n, axis=0), np.eye(n)))
        known = np.sort(2 * (levels - levels[i]))
        yield row(f"Hessian at eigenvector {i}", float(np.abs(curved - known).max()))
    lowest = float(glass.energy(glass.random(1000, seed)).min()) / n
    yield row("random points below the ground state", max(0.0, levels[0] - lowest))


calibrations = (
    Calibration("covariance", "E H H' = N q^p", lambda seed: of_covariance(seed, 1000)),
    Calibration("curvature", "moments of the GOE, exactly", lambda seed: of_curvature(seed, 500)),
    Calibration("pairs", "eigenvectors of the couplings", of_pairs),
)
