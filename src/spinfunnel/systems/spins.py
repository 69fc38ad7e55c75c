"""Ising spins with two-spin couplings on any graph, sparse or dense, and fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.protocols import Flips, Metric, Pairwise, Planted


def checked(x: Array, size: int) -> Array:
    """Give x, if it is a batch of configurations of this many spins.

    Raises:
        BadInput: if it is not of shape (batch, N).
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != size:
        raise BadInput(f"configurations of {size} spins have shape (batch, {size}), these have {x.shape}")
    return x


def random_spins(batch: int, size: int, seed: int) -> Array:
    """Draw spins +-1, int8 (batch, N)."""
    rng = np.random.default_rng(seeds(seed, "random spins", size))
    return (2 * rng.integers(0, 2, size=(batch, size), dtype=np.int8) - 1).astype(np.int8)


def overlap(x: Array, y: Array) -> Array:
    """Give sum_i x_i y_i / N, for +-1 spins of shape (..., N).

    >>> overlap(np.array([1, 1, 1, -1]), np.array([1, 1, 1, 1]))
    array(0.5)
    """
    return np.asarray(np.mean(np.multiply(x, y, dtype=np.float64), axis=-1))


@dataclass(frozen=True, eq=False)
class Spins(Pairwise, Flips, Metric):
    """H = -sum_{i<j} J_ij s_i s_j - sum_i h_i s_i on a connected graph; each bond is stored twice.

    Make one with `of_edges` or `of_matrix`; a bond may be zero. `sides` are those of a lattice with periodic
    edges: spin i sits at `np.unravel_index(i, sides)`.

    Raises:
        BadInput: if sizes disagree, a number is not finite, a spin is coupled to itself, a bond is missing
            in one direction or given twice, or the graph falls apart.
    """

    name: str
    convention: str
    indptr: Array
    indices: Array
    couplings: Array
    fields: Array
    sides: tuple[int, ...] = ()

    @classmethod
    def of_edges(
        cls,
        edges: Array,
        couplings: Array,
        fields: Array | None = None,
        *,
        size: int,
        name: str = "spins",
        convention: str = "H = -sum_{i<j} J_ij s_i s_j - sum h_i s_i",
        sides: tuple[int, ...] = (),
        **planted: Any,
    ) -> Self:
        """Make a system of edges (bonds, 2), each bond once, with couplings (bonds,) and fields (N,).

        >>> ring = Spins.of_edges(np.array([[0, 1], [1, 2], [2, 0]]), np.ones(3), size=3)
        >>> ring.energy(np.array([[1, 1, 1], [1, -1, 1]]))
        array([-3.,  1.])
        """
        edges = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
        couplings = np.asarray(couplings, dtype=np.float64)
        if couplings.shape != (len(edges),):
            raise BadInput(f"{len(edges)} bonds need as many couplings, got shape {couplings.shape}")
        if edges.size and (edges.min() < 0 or edges.max() >= size):
            raise BadInput(f"spins are numbered 0 to {size - 1}, a bond names {edges.min()} or {edges.max()}")
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        order = np.lexsort((columns, rows))
        return cls(
            name,
            convention,
            np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))]).astype(np.int64),
            columns[order],
            np.tile(couplings, 2)[order],
            np.zeros(size) if fields is None else np.asarray(fields, dtype=np.float64),
            sides,
            **planted,
        )

    @classmethod
    def of_matrix(cls, matrix: Array, fields: Array | None = None, **named: Any) -> Self:
        """Make a system of a symmetric matrix J (N, N) with an empty diagonal; zeros are no bonds.

        >>> Spins.of_matrix(np.array([[0, 2.0], [2.0, 0]])).energy(np.array([[1, -1]]))
        array([2.])

        Raises:
            BadInput: also if J is not square or not symmetric; the message names the worst entry.
        """
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise BadInput(f"couplings need a square matrix, got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise BadInput("couplings must be finite, the matrix has nan or inf")
        if (matrix != matrix.T).any():
            i, j = np.unravel_index(int(np.abs(matrix - matrix.T).argmax()), matrix.shape)
            raise BadInput(
                f"couplings must be symmetric, but J[{i},{j}] = {matrix[i, j]:g} and "
                f"J[{j},{i}] = {matrix[j, i]:g}: give (J + J.T) / 2"
            )
        if np.diagonal(matrix).any():
            own = int(np.flatnonzero(np.diagonal(matrix))[0])
            raise BadInput(f"spin {own} is coupled to itself (J = {matrix[own, own]:g}): empty the diagonal")
        edges = np.argwhere(np.triu(matrix, 1))
        return cls.of_edges(edges, matrix[edges[:, 0], edges[:, 1]], fields, size=len(matrix), **named)

    def __post_init__(self) -> None:
        n, bonds = self.size, len(self.indices)
        if self.indptr.shape != (n + 1,) or self.couplings.shape != (bonds,) or self.indptr[-1] != bonds:
            raise BadInput(f"{n} fields do not fit {len(self.indptr) - 1} rows of couplings, {bonds} entries")
        if n < 1:
            raise BadInput("a system needs at least one spin")
        for what, values in (("couplings", self.couplings), ("fields", self.fields)):
            if not np.isfinite(values).all():
                raise BadInput(f"{what} must be finite, {int((~np.isfinite(values)).sum())} are not")
        rows = np.repeat(np.arange(n), np.diff(self.indptr))
        if (rows == self.indices).any():
            raise BadInput(f"spin {rows[rows == self.indices][0]} is coupled to itself: remove that bond")
        there, back = rows * n + self.indices, self.indices * n + rows
        if (repeated := np.flatnonzero(np.diff(there) <= 0)).size:
            i, j = divmod(int(there[repeated[0] + 1]), n)
            raise BadInput(f"the bond between spins {i} and {j} is given twice: add its couplings up")
        order = np.argsort(back)
        if (back[order] != there).any() or (self.couplings[order] != self.couplings).any():
            raise BadInput("couplings must be symmetric: each bond is stored twice with one value")
        if (parts := self._parts()) > 1:
            raise BadInput(f"the graph falls into {parts} parts that do not interact: study each by itself")

    def _parts(self) -> int:
        """Into how many parts the graph falls; a bond of strength zero holds it together."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        there = csr_array((np.ones(len(self.indices)), self.indices, self.indptr), shape=(self.size,) * 2)
        parts, _ = connected_components(there, directed=False)
        return int(parts)

    @property
    def size(self) -> int:
        """N, the number of spins."""
        return len(self.fields)

    @cached_property
    def matrix(self) -> Any:
        """J as a `scipy.sparse.csr_array` (N, N)."""
        from scipy.sparse import csr_array

        return csr_array((self.couplings, self.indices, self.indptr), shape=(self.size, self.size))

    @cached_property
    def bonds(self) -> tuple[Array, Array]:
        """Each bond once: edges (bonds, 2) with i < j, and couplings (bonds,)."""
        rows = np.repeat(np.arange(self.size), np.diff(self.indptr))
        once = rows < self.indices
        return np.stack([rows[once], self.indices[once]], axis=1), self.couplings[once]

    @cached_property
    def symmetric(self) -> bool:
        """Whether turning all spins over changes nothing: there is no field."""
        return not self.fields.any()

    def local_fields(self, x: Array) -> Array:
        """Give sum_j J_ij x_j + h_i, (batch, N)."""
        x = checked(x, self.size).astype(np.float64)
        return np.asarray((self.matrix @ x.T).T + self.fields)

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of spins x (batch, N)."""
        return np.asarray(np.einsum("bi,bi->b", x, self.local_fields(x) + self.fields) / -2)

    def flip_cost(self, x: Array) -> Array:
        """Give 2 s_i (sum_j J_ij s_j + h_i), (batch, N)."""
        return np.asarray(2 * x * self.local_fields(x))

    def random(self, batch: int, seed: int) -> Array:
        """Draw spins +-1, int8 (batch, N)."""
        return random_spins(batch, self.size, seed)

    def overlap(self, x: Array, y: Array) -> Array:
        """Give sum_i x_i y_i / N, (batch,); without a field its size, since both signs are one state."""
        q = overlap(checked(x, self.size), checked(y, self.size))
        return np.abs(q) if self.symmetric else q

    def nearest(self, x: Array, y: Array) -> Array:
        """Give y (batch, N), or -y where there is no field and that is nearer to x."""
        turned = self.symmetric & (overlap(checked(x, self.size), checked(y, self.size)) < 0)
        return np.asarray(np.where(turned[:, None], -y, y))


@dataclass(frozen=True, eq=False, kw_only=True)
class PlantedSpins(Spins, Planted):
    """Spins with a known state of lowest energy (see `Planted`)."""

    native: Array
    ground_energy: float
    certificate: str
