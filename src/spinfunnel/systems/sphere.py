"""The spherical p-spin glass: continuous spins on a sphere, all coupled p at a time; solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
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
        """Give the Hessian on the sphere times v, (batch, N); what of v is not tangent is dropped."""
        v, k, summed = self.tangent(x, v), self.degree, self.summed(x)
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
        q = np.clip(np.einsum("bi,bi->b", x, y) / self.size, -1, 1)
        even = self.p % 2 == 0 and (self.eps == 0 or self.degree % 2 == 0)
        return np.asarray(np.abs(q) if even else q)


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
