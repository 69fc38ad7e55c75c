"""What a system can be asked: its energy always, and what more it says it can do.

A system states what it can do by inheriting from these classes; nothing is found out by trying. k_B = 1.
Configurations come in batches: x has shape (batch, *shape), where `shape` is (N,) for spins +-1, (N, 2) for
chains on a square lattice, (N, 3) for atoms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from spinfunnel.core import Array


class System(ABC):
    """Something with an energy.

    Attributes:
        name: how it was asked for, such as `sk`.
        convention: its Hamiltonian and the law of its disorder, in one line.
        size: N, the number of spins, monomers, atoms or coordinates.
        shape: that of one configuration.
    """

    name: str
    convention: str

    @property
    @abstractmethod
    def size(self) -> int:
        """N, the number of spins, monomers, atoms or coordinates."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one configuration."""
        return (self.size,)

    @abstractmethod
    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of the configurations x (batch, *shape)."""

    @abstractmethod
    def random(self, batch: int, seed: int) -> Array:
        """Draw configurations (batch, *shape) where a search begins, the same for one seed.

        Spins are int8, +-1, drawn at infinite temperature; coordinates are float64, on a lattice int64.
        """


class Pairwise(System):
    """H = -sum_{i<j} J_ij s_i s_j - sum_i h_i s_i, its couplings in CSR arrays for compiled kernels.

    The neighbours of spin i are `indices[indptr[i]:indptr[i + 1]]`, ascending; each bond is stored twice.

    Attributes:
        indptr: (N + 1,) int64.
        indices: (2 bonds,) int64.
        couplings: (2 bonds,) float64.
        fields: (N,) float64.
    """

    indptr: Array
    indices: Array
    couplings: Array
    fields: Array


class Flips(System):
    """Knows what turning one spin over costs."""

    @abstractmethod
    def flip_cost(self, x: Array) -> Array:
        """Give (batch, N): the energy after spin i alone is turned over, less the energy now."""


class Moves(System):
    """Knows how to change a configuration a little, in plain functions that are compiled where they are used.

    The functions see one configuration x (*shape), a `memory` of float64 that is theirs alone, and `data`.
    They may call other plain functions by name, such as those of `maths.random_numbers`, and numpy.
    """

    @property
    @abstractmethod
    def data(self) -> tuple[Array, ...]:
        """What the functions must know of the system: arrays, of the same types for every instance."""

    @property
    @abstractmethod
    def memory(self) -> int:
        """How many float64 the functions remember between calls."""

    @property
    def sweep(self) -> int:
        """How many moves make one sweep: N, unless a system says otherwise."""
        return self.size

    @staticmethod
    @abstractmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Fill `memory` afresh for x, and give its energy."""

    @staticmethod
    @abstractmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Choose a move, note it in `memory`, and give (cost, log ratio) as two floats; x stays as it is.

        The cost is the energy after less the energy now, infinite for a move that cannot be made; the ratio
        is that of the probabilities to propose the way back and the way there.
        """

    @staticmethod
    @abstractmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Make the move noted in `memory`: change x, and what `memory` holds of it."""


class Smooth(System):
    """Has a gradient: x (batch, *shape) float64 moves in flat space, or on a surface that `settle` knows."""

    @abstractmethod
    def gradient(self, x: Array) -> Array:
        """Give the gradient of the energy, (batch, *shape), along the surface x lies on."""

    @abstractmethod
    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian of the energy times the (tangent) vectors v, (batch, *shape)."""

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give both, (batch,) and (batch, *shape); a system may do this cheaper than one by one."""
        return self.energy(x), self.gradient(x)

    def settle(self, x: Array) -> Array:
        """Give the nearest point on the surface, such as a sphere; in flat space, x itself."""
        return x


class Metric(System):
    """Knows how alike two configurations are."""

    @abstractmethod
    def overlap(self, x: Array, y: Array) -> Array:
        """Give the overlaps (batch,), in [-1, 1], of x and y (batch, *shape), modulo symmetry."""

    def nearest(self, x: Array, y: Array) -> Array:
        """Give what symmetry makes of y (batch, *shape) that is nearest to x, or near; else y itself."""
        return y


class Native(System):
    """Was built around a configuration, which need not be of lowest energy.

    Attributes:
        native: that configuration, (*shape).
    """

    native: Array


class Planted(Native):
    """Was built around a configuration of lowest energy.

    Attributes:
        ground_energy: the energy of `native`; none is lower.
        certificate: why none is lower, in one line.
    """

    ground_energy: float
    certificate: str
