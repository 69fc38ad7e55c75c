"""Elementary loops of a graph of couplings, and whether any state can satisfy all of their bonds.

A loop is frustrated if the product of its couplings' signs is negative; then no state satisfies all of it.
Source: Toulouse, Commun. Phys. 2 (1977) 115.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number
from spinfunnel.systems.protocols import Pairwise

#: More paths of two bonds than this, or pairs of them with the same ends, are not all looked at; of the
#: paths so many are then drawn.
MOST, DRAWN = 2**21, 2**18


@dataclass(frozen=True)
class Loops:
    """Loops of so many bonds: how many were looked at, and how many of them are frustrated.

    `every` says that these are all there are; else they were drawn at random.
    """

    length: int
    count: int
    frustrated: int
    every: bool

    @property
    def share(self) -> Number:
        """The share that is frustrated; its error is that of the draw."""
        share = self.frustrated / self.count
        if self.every:
            return Number(share, kind="exact")
        return Number(share, error=float(np.sqrt(share * (1 - share) / self.count)))


def elementary(system: Pairwise, seed: int = 0) -> list[Loops]:
    """Count triangles, and squares across which no bond runs; of too many paths, triangles are drawn.

    Bonds without strength are none. Loops around a small torus count as well: they are as short.

    >>> from spinfunnel.systems import system
    >>> elementary(system("ising-triangular?coupling=-1", size=6))
    [Loops(length=3, count=72, frustrated=72, every=True)]
    >>> elementary(system("ising2d", size=6))
    [Loops(length=4, count=36, frustrated=0, every=True)]
    """
    graph = _Graph(system)
    degrees = np.diff(graph.indptr)
    if int((degrees * (degrees - 1)).sum()) // 2 > MOST:
        found: list[Loops | None] = [_drawn_triangles(graph, np.random.default_rng(seed))]
    else:
        found = [_triangles(graph), _squares(graph)]
    return [loops for loops in found if loops is not None and loops.count]


class _Graph:
    """The bonds that have strength: neighbours in CSR, and the sign of each bond."""

    def __init__(self, system: Pairwise) -> None:
        rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
        there = system.couplings != 0
        self.size, self.indices = system.size, system.indices[there]
        self.indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[there], minlength=system.size))])
        self.signs = np.sign(system.couplings[there])
        self.keys = rows[there] * self.size + self.indices  # ascending

    def between(self, i: Array, j: Array) -> Array:
        """Give the signs of the bonds between i and j, 0 where there is none."""
        wanted = i * self.size + j
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.signs[at], 0.0)

    def paths(self) -> tuple[Array, Array, Array, Array]:
        """Give every path a - m - c with a < m and a < c, each once, and the product of its two signs."""
        rows = np.repeat(np.arange(self.size), np.diff(self.indptr))
        first = np.flatnonzero(self.indices < rows)  # m - a
        degrees = np.diff(self.indptr)[rows[first]]
        left = np.repeat(first, degrees)
        starts = np.repeat(self.indptr[rows[first]], degrees)
        right = starts + np.arange(len(left)) - np.repeat(np.cumsum(degrees) - degrees, degrees)
        keep = self.indices[right] > self.indices[left]
        left, right = left[keep], right[keep]
        return self.indices[left], rows[left], self.indices[right], self.signs[left] * self.signs[right]


def _triangles(graph: _Graph) -> Loops:
    a, m, c, sign = graph.paths()
    closed = np.where(m < c, sign * graph.between(a, c), 0.0)
    return Loops(3, int(np.count_nonzero(closed)), int((closed < 0).sum()), True)


def _squares(graph: _Graph) -> Loops | None:
    """Join paths that have both ends in common: a, their lowest site, is across from c."""
    a, m, c, sign = graph.paths()
    apart = graph.between(a, c) == 0
    a, m, c, sign = a[apart], m[apart], c[apart], sign[apart]
    order = np.lexsort((m, a * graph.size + c))
    ends, m, sign = (a * graph.size + c)[order], m[order], sign[order]
    sizes = np.unique(ends, return_counts=True)[1]
    if int((sizes * (sizes - 1)).sum()) // 2 > MOST:
        return None
    count = frustrated = 0
    for lag in range(1, int(sizes.max(initial=1))):
        square = (ends[lag:] == ends[:-lag]) & (graph.between(m[:-lag], m[lag:]) == 0)
        count += int(square.sum())
        frustrated += int((square & (sign[lag:] * sign[:-lag] < 0)).sum())
    return Loops(4, count, frustrated, True)


def _drawn_triangles(graph: _Graph, rng: np.random.Generator) -> Loops:
    """Draw paths of two bonds, each as likely, and keep those whose ends are coupled: so are triangles."""
    degrees = np.diff(graph.indptr)
    pairs = degrees * (degrees - 1)
    m = rng.choice(graph.size, size=DRAWN, p=pairs / pairs.sum())
    one = rng.integers(degrees[m])
    other = rng.integers(degrees[m] - 1)
    other += other >= one
    left, right = graph.indptr[m] + one, graph.indptr[m] + other
    closing = graph.between(graph.indices[left], graph.indices[right])
    closed = graph.signs[left] * graph.signs[right] * closing
    return Loops(3, int(np.count_nonzero(closed)), int((closed < 0).sum()), False)
