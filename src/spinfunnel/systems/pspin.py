"""The p-spin glass: all sets of p spins are coupled."""

from __future__ import annotations

import math
from itertools import chain, combinations

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.spins import checked

#: More terms than this need more than half a GiB.
LARGEST = 2**22


def subsets(size: int, order: int) -> Array:
    """Give all sets of p spins, (C(N, p), p), each ascending, in the order of a dictionary.

    >>> subsets(3, 2)
    array([[0, 1],
           [0, 2],
           [1, 2]], dtype=int32)

    Raises:
        BadInput: if p is below 2 or above N.
    """
    if not 2 <= order <= size:
        raise BadInput(f"couplings are among 2 to N = {size} spins, not {order}")
    count = math.comb(size, order)
    flat = chain.from_iterable(combinations(range(size), order))
    return np.fromiter(flat, dtype=np.int32, count=count * order).reshape(count, order)


def affordable(size: int, *orders: int) -> None:
    """Refuse to couple all sets of these numbers of spins where they are too many.

    Raises:
        BadInput: above 2^22 terms.
    """
    terms = sum(math.comb(size, order) for order in orders)
    if terms > LARGEST:
        fits = next(n for n in range(size, 0, -1) if sum(math.comb(n, p) for p in orders) <= LARGEST)
        raise BadInput(
            f"{size} spins coupled in sets of {', '.join(map(str, orders))} have {terms:.2g} terms, too many "
            f"to keep: take at most {fits} spins, or lower orders"
        )


def krawtchouk(size: int, order: int) -> Array:
    """Give sum over all sets of p spins of prod_i x_i y_i, for x and y that differ in 0..N spins, (N + 1,).

    It is the coefficient of z^p in (1 + z)^(N - d) (1 - z)^d, the Krawtchouk polynomial K_p(d; N); of its
    C(N, p) at d = 0 it is the share q^p for large N, with the overlap q = 1 - 2d/N.
    Source: Krawtchouk, C. R. Acad. Sci. Paris 189 (1929) 620.

    >>> krawtchouk(4, 2)
    array([ 6.,  0., -2.,  0.,  6.])
    """
    return np.array(
        [
            sum((-1) ** j * math.comb(d, j) * math.comb(size - d, order - j) for j in range(order + 1))
            for d in range(size + 1)
        ],
        dtype=np.float64,
    )


def covariance(x: Array, y: Array, p: int = 3) -> Array:
    """Give E H(x) H(y) of `pspin` over its couplings, (batch,): (p!/N^(p-1)) K_p(d; N), about N q^p.

    >>> x = np.ones((1, 10), dtype=np.int8)
    >>> covariance(x, x).round(2), covariance(x, -x).round(2)  # 10 (1 - 1/10)(1 - 2/10)
    (array([7.2]), array([-7.2]))
    """
    x = np.asarray(x)
    size = x.shape[-1]
    different = (checked(x, size) != checked(y, size)).sum(axis=1)
    return np.asarray(math.factorial(p) / size ** (p - 1) * krawtchouk(size, p)[different])


def pspin(size: int, seed: int = 0, *, p: int = 3) -> ManyBody:
    """Ising p-spin glass: all sets of p spins coupled, J normal of variance p!/N^(p-1), so E H H' -> N q^p.

    At finite N it is `covariance`, and the variance of an energy N (1 - 1/N) .. (1 - (p-1)/N). As p grows
    this is the random energy model.
    Source: Derrida, Phys. Rev. B 24 (1981) 2613, with his J^2 = 2; Gross & Mezard, Nucl. Phys. B 240 (1984)
    431.

    Raises:
        BadInput: if p is below 2 or above N, or there are more than 2^22 terms.

    >>> len(pspin(10).couplings)
    120
    """
    affordable(size, p)
    terms = subsets(size, p)
    rng = np.random.default_rng(seeds(seed, "pspin", size, p))
    return ManyBody.of_terms(
        [terms],
        [rng.standard_normal(len(terms)) * math.sqrt(math.factorial(p) / size ** (p - 1))],
        size=size,
        name="pspin",
        convention=f"H = -sum_(all sets of {p}) J s..s, J normal of variance p!/N^(p-1): E H H' -> N q^{p}",
    )
