"""3-XORSAT, in which every spin is in three clauses: easy by algebra, hard for everything that climbs."""

from __future__ import annotations

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.many_body import PlantedManyBody, pieces
from spinfunnel.systems.spins import random_spins


def clauses(size: int, rng: np.random.Generator) -> Array:
    """Draw N clauses (N, 3) from three permutations: no spin twice in one, none twice, all in one piece.

    Clauses that will not do are drawn again, all of them: one draw in some twenty is kept.
    """
    while True:
        drawn = np.sort(np.stack([rng.permutation(size) for _ in range(3)], axis=1), axis=1)
        distinct = (np.diff(drawn, axis=1) > 0).all() and len(np.unique(drawn, axis=0)) == size
        if distinct and pieces([drawn], size) == 1:
            return drawn


def xorsat(size: int, seed: int = 0) -> PlantedManyBody:
    """3-regular 3-XORSAT: N clauses of three spins, three to each spin, all satisfied by a planted t.

    J = t_i t_j t_k = +-1, so that H counts: a clause is -1 if satisfied, else 1. The lowest states are as
    many as the linear equations over GF(2) have solutions: 2^(N - rank), `2^len(symmetries)`. Turning over
    what two solutions differ in costs nothing in any state: overlaps are the largest over all 2^(N - rank)
    that this makes of a state.
    Source: Hen, Phys. Rev. Appl. 12 (2019) 011003, of equations that are planted.

    Raises:
        BadInput: below four spins, for which there are no such clauses.

    >>> xorsat(24).ground_energy
    -24.0
    """
    if size < 4:
        raise BadInput(f"three clauses for each spin, of three different spins each, need N >= 4, not {size}")
    terms = clauses(size, np.random.default_rng(seeds(seed, "xorsat", size)))
    native = random_spins(1, size, seeds(seed, "xorsat native"))[0]
    return PlantedManyBody.of_terms(
        [terms],
        [native[terms].prod(axis=1)],
        size=size,
        name="xorsat",
        convention="H = -sum_c J_c s_i s_j s_k, J +-1, every spin in three of N clauses c",
        native=native,
        ground_energy=-float(size),
        certificate="every clause is satisfied",
    )
