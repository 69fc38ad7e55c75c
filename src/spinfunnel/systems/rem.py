"""The random energy model: every configuration has an energy of its own, and no neighbour knows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.protocols import Flips, Metric
from spinfunnel.systems.spins import checked, overlap, random_spins

#: More spins than this need more than half a GiB of energies.
LARGEST = 26


@dataclass(frozen=True, eq=False)
class RandomEnergies(Flips, Metric):
    """2^N energies, one a configuration: `table[k]`, where bit i of k says that spin i is up."""

    name: str
    convention: str
    table: Array

    @property
    def size(self) -> int:
        """N, the number of spins."""
        return len(self.table).bit_length() - 1

    def states(self, x: Array) -> Array:
        """Give the numbers (batch,) under which configurations stand in the table."""
        return np.asarray((checked(x, self.size) > 0) @ (1 << np.arange(self.size)))

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of spins x (batch, N)."""
        return np.asarray(self.table[self.states(x)])

    def flip_cost(self, x: Array) -> Array:
        """Give (batch, N): the energy after spin i alone is turned over, less the energy now."""
        after = self.table[self.states(x)[:, None] ^ (1 << np.arange(self.size))]
        return np.asarray(after - self.energy(x)[:, None])

    def random(self, batch: int, seed: int) -> Array:
        """Draw spins +-1, int8 (batch, N)."""
        return random_spins(batch, self.size, seed)

    def overlap(self, x: Array, y: Array) -> Array:
        """Give sum_i x_i y_i / N, (batch,): there is no symmetry."""
        return overlap(checked(x, self.size), checked(y, self.size))


def rem(size: int, seed: int = 0) -> RandomEnergies:
    """Random energy model: 2^N independent normal energies of variance N; Tc = 1 / sqrt(2 ln 2) = .8493.

    Source: Derrida, Phys. Rev. B 24 (1981) 2613, with his J^2 = 2.

    Raises:
        BadInput: above 26 spins, for the table would be too large.

    >>> rem(10).table.shape
    (1024,)
    """
    if size > LARGEST:
        need = 2 ** (size - 27)
        raise BadInput(f"the REM keeps all 2^{size} energies, {need} GiB: take at most {LARGEST} spins")
    rng = np.random.default_rng(seeds(seed, "rem", size))
    table = rng.standard_normal(2**size) * np.sqrt(size)
    return RandomEnergies("rem", "2^N independent energies, normal of variance N", table)
