"""The multiscale glass: couplings of several orders on several scales, and a dial from glass to funnel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.many_body import ManyBody, NativeManyBody, PlantedManyBody
from spinfunnel.systems.pspin import affordable, krawtchouk, subsets
from spinfunnel.systems.spins import checked, random_spins

Read = TypeVar("Read", int, float)


@dataclass(frozen=True)
class Scales:
    """The law of a hierarchy: on level l = 0, 1, .. the N spins fall into 2^l blocks of n_l = N/2^l.

    Each block is a p-spin glass of its own for every order p, of variance n_l/2 times w_p v_l for large
    n_l: the weight w_p of the order, and the share v_l of the level, proportional to 2^(-decay l).
    """

    size: int
    orders: tuple[int, ...] = (2, 3, 4)
    weights: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)
    levels: int = 3
    decay: float = 1.0

    def __post_init__(self) -> None:
        if not self.orders or len(set(self.orders)) < len(self.orders):
            raise BadInput(f"orders must be different whole numbers, such as 2,3,4, not {self.orders}")
        if len(self.weights) != len(self.orders):
            raise BadInput(f"{len(self.orders)} orders need as many weights, got {len(self.weights)}")
        if not all(math.isfinite(w) and w > 0 for w in self.weights):
            raise BadInput(f"weights of orders must be positive, not {self.weights}")
        if not math.isfinite(self.decay):
            raise BadInput(f"the decay of levels must be finite, not {self.decay:g}")
        blocks = 2 ** max(self.levels - 1, 0)
        if self.levels < 1 or self.size % blocks or self.size // blocks < max(self.orders):
            raise BadInput(
                f"{self.levels} levels need N in {blocks} equal blocks of at least {max(self.orders)} spins, "
                f"the highest order; N = {self.size} does not give them: take another size, or fewer levels"
            )

    @property
    def _laws(self) -> list[tuple[int, int, float]]:
        """Order, size of blocks, and variance of their couplings, on every level."""
        shares = 2.0 ** (-self.decay * np.arange(self.levels))
        shares /= shares.sum()
        return [
            (order, n, weight * float(share) * math.factorial(order) / (2 * n ** (order - 1)))
            for order, weight in zip(self.orders, self.weights, strict=True)
            for n, share in ((self.size >> level, shares[level]) for level in range(self.levels))
        ]

    def variances(self, terms: Array) -> Array:
        """Give the variance of the coupling of each term (m, p), spins ascending: of all blocks it is in.

        >>> Scales(4, (2,), (1.0,), levels=2).variances(np.array([[0, 1], [1, 2]])) * 12
        array([4., 2.])
        """
        total = np.zeros(len(terms))
        for order, n, variance in self._laws:
            if order == terms.shape[1]:
                total += variance * (terms[:, 0] // n == terms[:, -1] // n)
        return total

    def covariance(self, x: Array, y: Array) -> Array:
        """Give E H(x) H(y) over couplings without bias, (batch,), exactly: Krawtchouk polynomials of blocks.

        For large blocks it is (N/2) sum_l v_l sum_p w_p <q^p>, q the overlap in a block of level l, and < >
        the mean over its blocks.

        >>> x = np.ones((1, 16), dtype=np.int8)
        >>> Scales(16, (2,), (1.0,), levels=1).covariance(x, x)  # SK: (N - 1) / 2
        array([7.5])
        """
        different = checked(x, self.size) != checked(y, self.size)
        total = np.zeros(len(different))
        for order, n, variance in self._laws:
            apart = different.reshape(len(different), -1, n).sum(axis=2)
            total += variance * krawtchouk(n, order)[apart].sum(axis=1)
        return total


def multiscale(
    size: int,
    seed: int = 0,
    *,
    bias: float = 0.5,
    orders: str = "2,3,4",
    weights: str = "",
    levels: int = 3,
    decay: float = 1.0,
) -> ManyBody:
    """Multiscale glass: 2, 3 and 4 spins coupled on a hierarchy of blocks, and biased to a native state t.

    J = sqrt(1 - bias^2) z sqrt V + bias V prod t, with z normal and V the variance of `Scales`; then
    H = sqrt(1 - bias^2) H_glass - bias C(s, t), with C the covariance of H_glass: a funnel is what a glass
    looks like on average when seen from a state that it was told of. From the glass (bias 0) the dial goes
    to a landscape that falls towards t alone (bias 1, where t is certified); one seed has one noise and one
    t along the way. Order 2 on one level is SK, and at bias 1 the Mattis magnet; order p alone, of weight 2,
    is `pspin`. On the Nishimori line T = (1 - bias^2)/bias the mean energy over disorder is -bias C(t, t).

    Weights, of which 1 is SK's, default to equal ones that sum to 1: E H H' -> (N/2) sum_p w_p q^p.
    Source of the hierarchy: Dyson, Commun. Math. Phys. 12 (1969) 91; of many spins coupled on many scales,
    with a native state: Bryngelson & Wolynes, PNAS 84 (1987) 7524.

    Raises:
        BadInput: if bias is not in [0, 1], orders or weights are no lists, blocks are smaller than an order,
            or there are more than 2^22 terms.

    >>> multiscale(8, bias=1.0, orders="2", levels=1).ground_energy  # Mattis: -(N - 1) / 2
    -3.5
    """
    if not 0 <= bias <= 1:
        raise BadInput(f"the bias goes from 0, a glass, to 1, a funnel: it cannot be {bias:g}")
    powers = numbers(orders, int, "orders")
    shares = numbers(weights, float, "weights") if weights else (1 / len(powers),) * len(powers)
    scales = Scales(size, powers, shares, levels, decay)
    affordable(size, *powers)
    native = random_spins(1, size, seeds(seed, "multiscale native"))[0]
    terms, couplings, funnel = [subsets(size, order) for order in powers], [], 0.0
    for members in terms:
        rng = np.random.default_rng(seeds(seed, "multiscale", size, members.shape[1]))
        variances = scales.variances(members)
        noise = rng.standard_normal(len(members)) * np.sqrt((1 - bias**2) * variances)
        couplings.append(noise + bias * variances * native[members].prod(axis=1))
        funnel += float(variances.sum())
    named: dict[str, Any] = {
        "size": size,
        "name": "multiscale",
        "convention": f"H = -sum_t J_t prod s, t of {orders} spins (weights {weights or 'equal'}) on "
        f"{levels} levels (shares ~2^(-{decay:g} l)), J = sqrt(1 - b^2) noise + b V prod t, b = {bias:g}",
    }
    if bias == 0:
        return ManyBody.of_terms(terms, couplings, **named)
    if bias < 1:
        return NativeManyBody.of_terms(terms, couplings, **named, native=native)
    return PlantedManyBody.of_terms(
        terms,
        couplings,
        **named,
        native=native,
        ground_energy=-funnel,
        certificate="every coupling is satisfied",
    )


def numbers(text: str, kind: Callable[[str], Read], what: str) -> tuple[Read, ...]:
    """Read a list of numbers with commas between them.

    >>> numbers("2,3,4", int, "orders")
    (2, 3, 4)

    Raises:
        BadInput: if it is not one.
    """
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"{what} are numbers with commas between them, such as 2,3,4, not {text!r}") from None
