"""Local minima, told apart modulo symmetry, and grouped by how alike they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array
from spinfunnel.systems.protocols import Metric

#: Energies that differ by less than this share of the largest are equal; coordinates that were relaxed are
#: the same from this overlap on, spins and lattice walks only if they are the same.
ROUNDING, SAME = 1e-7, 0.99
#: Groups are joined while the mean overlap between them is above this.
CUT = 0.8


@dataclass(frozen=True)
class Structures:
    """Distinct minima: states (M, *shape), energies (M,) ascending, counts (M,) of each, overlaps (M, M)."""

    states: Array
    energies: Array
    counts: Array
    overlaps: Array


def room(energies: Array) -> float:
    """Give by how much energies that are equal may differ."""
    return ROUNDING * max(1.0, float(np.abs(energies).max(initial=0.0)))


def distinct(system: Metric, states: Array, energies: Array, most: int = 400) -> Structures:
    """Tell the distinct ones among states (S, *shape), and keep the `most` lowest of them.

    Two are the same if they have one energy, and their overlap, modulo symmetry, is 1.

    >>> from spinfunnel.systems import system
    >>> pair = np.array([[1, 1, 1], [-1, -1, -1], [1, 1, -1]], dtype=np.int8)
    >>> ring = system("ising1d", size=3)
    >>> distinct(ring, pair, ring.energy(pair)).counts
    array([2, 1])
    """
    order = np.argsort(energies, kind="stable")
    states, energies = states[order], energies[order]
    near, same = room(energies), least_alike(states)
    kept: list[int] = []
    counts: list[int] = []
    for i, energy in enumerate(energies):
        level = len(kept)
        while level and energy - energies[kept[level - 1]] <= near:
            level -= 1
        equal = kept[level:]
        if equal:
            q = system.overlap(np.repeat(states[i : i + 1], len(equal), axis=0), states[equal])
            if q.max() >= same:
                counts[level + int(q.argmax())] += 1
                continue
        kept.append(i)
        counts.append(1)
    kept = kept[:most]
    states = states[kept]
    return Structures(states, energies[kept], np.array(counts[:most]), all_overlaps(system, states))


def least_alike(states: Array) -> float:
    """Give the overlap from which on two such states are the same one."""
    return 1 - 1e-9 if np.issubdtype(states.dtype, np.integer) else SAME


def overlaps_with(system: Metric, states: Array, one: Array) -> Array:
    """Give the overlaps (...) of states (..., *shape) with one state (*shape)."""
    flat = states.reshape(-1, *one.shape)
    return system.overlap(flat, np.broadcast_to(one, flat.shape)).reshape(states.shape[: -one.ndim])


def all_overlaps(system: Metric, states: Array) -> Array:
    """Give the overlaps of all pairs of states (M, *shape): (M, M), symmetric, 1 on the diagonal."""
    q = np.ones((len(states), len(states)))
    for i in range(1, len(states)):
        q[i, :i] = system.overlap(np.repeat(states[i : i + 1], i, axis=0), states[:i])
        q[:i, i] = q[i, :i]
    return q


def groups(overlaps: Array, cut: float = CUT) -> Array:
    """Group states by average linkage: labels (M,), numbered as they first appear.

    >>> groups(np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]]))
    array([0, 1, 0])
    """
    if len(overlaps) < 2:
        return np.zeros(len(overlaps), dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage

    pairs = np.triu_indices(len(overlaps), 1)
    labels = fcluster(linkage(1 - overlaps[pairs], "average"), 1 - cut, "distance")
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse])
