"""The random energy model: every configuration has an energy of its own, and no neighbour knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.maths.random_numbers import below
from spinfunnel.systems.protocols import Flips, Metric, Moves
from spinfunnel.systems.spins import checked, overlap, random_spins

#: More spins than this need more than half a GiB of energies.
LARGEST = 26


@dataclass(frozen=True, eq=False)
class RandomEnergies(Flips, Moves, Metric):
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

    memory = 2  # the state's number, and that of the state proposed

    @property
    def data(self) -> tuple[Array, ...]:
        """The table of energies."""
        return (self.table,)

    @staticmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Number the state, and look its energy up."""
        number = 0
        for i in range(x.shape[0]):
            number += (x[i] > 0) << i
        memory[0] = number
        return data[0][number]

    @staticmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Turn a spin over, each as often."""
        number = np.int64(memory[0])
        after = number ^ (1 << below(rng, x.shape[0]))
        memory[1] = after
        return data[0][after] - data[0][number], 0.0

    @staticmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Turn over the spin in which the two states differ."""
        changed = np.int64(memory[0]) ^ np.int64(memory[1])
        for i in range(x.shape[0]):
            if changed >> i & 1:
                x[i] = -x[i]
        memory[0] = memory[1]

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
