"""What a system can be asked: its energy always, and what more it says it can do.

A system states what it can do by inheriting from these classes; nothing is found out by trying. k_B = 1,
spins are +-1, and configurations come in batches: x has shape (batch, N).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from spinfunnel.core import Array


class System(ABC):
    """Something with an energy.

    Attributes:
        name: how it was asked for, such as `sk`.
        convention: its Hamiltonian and the law of its disorder, in one line.
        size: N, the number of spins.
    """

    name: str
    convention: str

    @property
    @abstractmethod
    def size(self) -> int:
        """N, the number of spins."""

    @abstractmethod
    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of the configurations x (batch, N)."""

    @abstractmethod
    def random(self, batch: int, seed: int) -> Array:
        """Draw configurations (batch, N) at infinite temperature: int8 spins +-1, the same for one seed."""


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


class Metric(System):
    """Knows how alike two configurations are."""

    @abstractmethod
    def overlap(self, x: Array, y: Array) -> Array:
        """Give the overlaps (batch,), in [-1, 1], of x and y (batch, N), modulo the system's symmetry."""


class Planted(System):
    """Was built around a configuration of lowest energy.

    Attributes:
        native: that configuration, (N,) int8.
        ground_energy: its energy; none is lower.
        certificate: why none is lower, in one line.
    """

    native: Array
    ground_energy: float
    certificate: str
