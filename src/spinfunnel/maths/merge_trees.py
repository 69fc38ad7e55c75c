"""Merge trees: which basins become one as the energy rises, exact, from plain arrays of minima and saddles.

Saddles are looked at from the lowest up. One that joins two sets of minima which nothing lower joined ends
the basin of one set's lowest minimum: it has met its elder, the lowest of the other. So every minimum but the
lowest keeps two facts, its elder and the energy at which it meets it, and these two arrays are the tree.

Sources: disconnectivity graphs: Becker, Karplus, J. Chem. Phys. 106 (1997) 1495; elders and persistence:
Edelsbrunner, Letscher, Zomorodian, Discrete Comput. Geom. 28 (2002) 511; sets: Tarjan, J. ACM 22 (1975) 215.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.compiling import compiled


@dataclass(frozen=True)
class MergeTree:
    """Energies of M minima, and of each the elder and the energy at which it meets it, (M,) each.

    The lowest minimum of what is joined is its own elder, and `meets` infinity: there are as many of these as
    there are pieces that no saddle joins. Of equal minima the first is the elder.
    """

    minima: Array
    elders: Array
    meets: Array

    @property
    def roots(self) -> Array:
        """The lowest minimum of each piece (P,), lowest first; one only, if everything is joined."""
        own = np.flatnonzero(np.isinf(self.meets))
        return own[np.argsort(self.minima[own], kind="stable")]

    def barriers(self) -> Array:
        """Give the least climb from each minimum to its elder, (M,): its persistence; infinity for roots."""
        return np.asarray(self.meets - self.minima)

    def climbed(self, ends: Array) -> Array:
        """Give for each minimum the first of itself, its elder, and so on, that is a root or an end (M,)."""
        found = np.where(ends, np.arange(len(self.minima)), self.elders)
        while (found != (above := found[found])).any():
            found = above
        return found

    def superbasins(self, level: float) -> Array:
        """Give the lowest minimum of the set that saddles up to a level join each minimum to, (M,)."""
        return self.climbed(self.meets > level)

    def passes(self, one: Array | int, other: Array | int) -> Array:
        """Give the least energy that one must reach to come to the other; infinity if there is no way.

        >>> tree = merge_tree(np.array([0.0, -1.0, -2.0]), np.array([1.0, 3.0]), np.array([[0, 1], [1, 2]]))
        >>> tree.passes(0, np.array([1, 2])), tree.barriers()
        (array([1., 3.]), array([ 1.,  4., inf]))
        """
        a, b = (np.array(ends) for ends in np.broadcast_arrays(one, other))
        highest = np.where(a == b, self.minima[a], -np.inf)
        while (apart := a != b).any():
            sooner = self.meets[a] <= self.meets[b]  # whichever meets its elder first, moves on to it
            first, second = apart & sooner, apart & ~sooner
            highest[first], highest[second] = self.meets[a[first]], self.meets[b[second]]
            lost = apart & np.isinf(highest)
            a[first], b[second] = self.elders[a[first]], self.elders[b[second]]
            a[lost] = b[lost]
        return highest

    def of(self, which: Array) -> MergeTree:
        """Give the tree of some of the minima (n,), in their order; the elders of all must be among them.

        So it is for the lowest few, and for those whose barrier is above a given one.
        """
        place = np.full(len(self.minima), -1)
        place[which] = np.arange(len(which))
        return MergeTree(self.minima[which], place[self.elders[which]], self.meets[which])


def merge_tree(minima: Array, saddles: Array, joined: Array) -> MergeTree:
    """Build the tree of energies of minima (M,) and saddles (S,), and the two minima each joins, (S, 2).

    Saddles may be given in any order, several may join one pair, and one may join a minimum to itself.
    Those of one energy act at once, so the tree does not depend on their order.

    Raises:
        BadInput: if an energy is not finite, there is no minimum, or a saddle joins minima that are not there
            or lies below one of them.
    """
    minima, saddles = np.asarray(minima, dtype=np.float64), np.asarray(saddles, dtype=np.float64)
    joined = np.asarray(joined, dtype=np.int64).reshape(-1, 2)
    check_saddles(minima, saddles, joined)
    by_energy = np.argsort(minima, kind="stable")
    rank = np.empty_like(by_energy)
    rank[by_energy] = np.arange(len(minima))
    elders, meets = np.arange(len(minima)), np.full(len(minima), np.inf)
    compiled(join)(rank, np.argsort(saddles), saddles, joined, elders, meets)
    return MergeTree(minima, at_once(elders, meets), meets)


def check_saddles(minima: Array, saddles: Array, joined: Array) -> None:
    """Refuse arrays that are no minima (M,) and saddles (S,) that join them (S, 2).

    Raises:
        BadInput: if an energy is not finite, there is no minimum, or a saddle joins minima that are not there
            or lies below one of them; counted from 1.
    """
    if not len(minima):
        raise BadInput("a database of stationary points holds at least one minimum")
    for what, energies in (("minimum", minima), ("saddle", saddles)):
        if (broken := np.flatnonzero(~np.isfinite(energies))).size:
            raise BadInput(f"the energy of {what} {broken[0] + 1} is not finite: {energies[broken[0]]}")
    if joined.shape != (len(saddles), 2):
        raise BadInput(f"{len(saddles)} saddles join pairs of minima, got shape {joined.shape}")
    if joined.min(initial=0) < 0 or joined.max(initial=-1) >= len(minima):
        outside = np.flatnonzero(((joined < 0) | (joined >= len(minima))).any(axis=1))
        one, two = joined[outside[0]] + 1
        raise BadInput(f"saddle {outside[0] + 1} joins minima {one} and {two}, but there are {len(minima)}")
    below = np.flatnonzero(saddles < np.maximum(minima[joined[:, 0]], minima[joined[:, 1]]))
    if below.size:
        raise BadInput(f"saddle {below[0] + 1} lies below a minimum that it joins")


def join(rank: Array, order: Array, saddles: Array, joined: Array, elders: Array, meets: Array) -> None:
    """Take saddles in order, and note of each minimum whose basin ends there which elder it meets."""
    home = np.arange(len(rank))  # towards the lowest minimum of the set that each is in
    for saddle in order:
        one, other = joined[saddle, 0], joined[saddle, 1]
        while home[one] != one:
            home[one] = home[home[one]]
            one = home[one]
        while home[other] != other:
            home[other] = home[home[other]]
            other = home[other]
        if one != other:
            if rank[other] < rank[one]:
                one, other = other, one
            home[other], elders[other], meets[other] = one, one, saddles[saddle]


def at_once(elders: Array, meets: Array) -> Array:
    """Give the elders if all that meet at one energy meet together: the lowest is the elder of all."""
    elders = elders.copy()
    while (tied := (meets[elders] == meets) & (elders[elders] != elders)).any():
        elders[tied] = elders[elders[tied]]
    return elders


@dataclass(frozen=True)
class Layout:
    """A tree to be drawn: of n minima, (n,), the three points x, y (n, 3) of the line of each.

    A line rises from its minimum, straight to the level below the one on which it meets its elder, and there
    leans over to the elder's line. That of a root goes on to the top.
    """

    minima: Array
    x: Array
    y: Array

    def lines(self, which: Array) -> tuple[Array, Array]:
        """Give the lines of some of the minima drawn (a mask, (n,)) as x, y with NaN where one ends."""
        ends = [
            np.concatenate([points[which], np.full((int(which.sum()), 1), np.nan)], axis=1).ravel()
            for points in (self.x, self.y)
        ]
        return ends[0], ends[1]


def layout(tree: MergeTree, *, levels: int = 40, most: int = 300) -> Layout:
    """Lay out the lowest minima, at most so many, for drawing.

    No two lines cross, and what lies deepest stands in the middle of what it meets. Energies at which lines
    meet are rounded up to levels, evenly spaced; those of minima are not rounded.

    >>> tree = merge_tree(np.array([0.0, -1.0, -2.0]), np.array([1.0, 3.0]), np.array([[0, 1], [1, 2]]))
    >>> drawn = layout(tree, levels=5)
    >>> drawn.minima, drawn.x[:, 0], drawn.y[1]  # the line of minimum 1 meets that of 2 at 3
    (array([2, 1, 0]), array([0., 1., 2.]), array([-1.,  2.,  3.]))
    """
    kept = np.argsort(tree.minima, kind="stable")[:most]
    shown = tree.of(kept)
    energies, joined = shown.minima, np.isfinite(shown.meets)
    bottom, top = energies[0], max(energies[-1], shown.meets[joined].max(initial=-np.inf))
    step = (top - bottom) / levels or 1.0
    level = np.ceil((shown.meets - bottom) / step - 1e-9)
    elders = at_once(shown.elders, level)
    x = _places(elders, level)
    level[~joined] = np.ceil((top - bottom) / step) + 1
    below, there = bottom + step * (level - 1), bottom + step * level
    straight = np.where(joined, np.maximum(energies, below), there)
    return Layout(kept, np.stack([x, x, x[elders]], axis=1), np.stack([energies, straight, there], axis=1))


def _places(elders: Array, meets: Array) -> Array:
    """Give each minimum, lowest first, its place: what meets an elder later stands further out beside it."""
    beside = [deque([k]) for k in range(len(elders))]
    sides = np.zeros((len(elders), 2), dtype=np.int64)  # how many stand left and right of each
    for k in np.lexsort((np.arange(len(elders)), meets)):
        elder = elders[k] if elders[k] != k else 0  # pieces that nothing joins stand beside the lowest
        if k == elder:
            continue
        side = int(sides[elder, 1] <= sides[elder, 0])
        sides[elder, side] += len(beside[k])
        if side:
            beside[elder].extend(beside[k])
        else:
            beside[elder].extendleft(reversed(beside[k]))
    x = np.empty(len(elders))
    x[np.array(beside[0])] = np.arange(len(elders))
    return x


def cube_saddles(energies: Array) -> tuple[Array, Array]:
    """Give the steps between 2^N states that differ in one of N spins, as saddles (S,) and joined (S, 2).

    A step is as high as the higher of its states, so all states may be handed to `merge_tree` as minima.
    """
    states = np.arange(len(energies))
    steps = [
        np.stack([low := states[(states >> k) & 1 == 0], low | (1 << k)], axis=1)
        for k in range(len(energies).bit_length() - 1)
    ]
    joined = np.concatenate(steps)
    return energies[joined].max(axis=1), joined


def _of_all_states(seed: int) -> Iterable[CalibrationRow]:
    """Turn all spins over, one by one: the lowest barrier, over all states, has closed forms."""

    def row(system: str, quantity: str, exact: float, value: float) -> CalibrationRow:
        return CalibrationRow.deterministic(
            "merge_trees", system, quantity, exact=exact, value=value, tolerance=1e-9
        )

    def spins(count: int) -> Array:
        return 1.0 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)

    def around(energies: Array) -> float:
        tree = merge_tree(energies, *cube_saddles(energies))
        return float(tree.passes(0, len(energies) - 1)) - float(energies[0])

    s = spins(12)
    ring = -(s * np.roll(s, 1, axis=1)).sum(axis=1)
    yield row("ring of 12 spins", "barrier between ground states", 4, around(ring))
    dense = -(s.sum(axis=1) ** 2 - 12) / 24
    yield row("Curie-Weiss, N 12", "barrier between ground states, N/2", 6, around(dense))
    for sides in (3, 4):  # the N-cube: 2 x its cutwidth, and no cheaper order of its corners is there
        n, corner = 2**sides, np.arange(2**sides)
        s = spins(n)
        bonds = [(i, i ^ (1 << k)) for i in corner for k in range(sides) if not i >> k & 1]
        cube = -np.sum([s[:, i] * s[:, j] for i, j in bonds], axis=0)
        exact = 2 * (2 ** (sides + 1) // 3)
        yield row(f"ferromagnet on the {sides}-cube", "barrier between ground states", exact, around(cube))


def _of_graphs(seed: int) -> Iterable[CalibrationRow]:
    """Compare the lowest passes, and the climbs to anything lower, with all ways of random graphs."""
    rng = np.random.default_rng(seeds(seed, "graphs"))
    worst = climbs = apart = 0.0
    for trial in range(40):
        count, edges = int(rng.integers(2, 25)), int(rng.integers(0, 60))
        joined = rng.integers(0, count, (edges, 2))
        minima, height = rng.random(count), 1 + rng.random(edges)
        if trial % 2:  # with ties, of minima and of saddles
            minima, height = minima.round(1), height.round(1)
        tree = merge_tree(minima, height, joined)
        exact, found = least_passes(minima, height, joined), tree.passes(*np.indices((count, count)))
        there = np.isfinite(exact)
        apart += int((there != np.isfinite(found)).sum())
        worst = max(worst, float(np.abs(found[there] - exact[there]).max()))
        rank = np.argsort(np.argsort(minima, kind="stable"))
        lower = np.where(rank < rank[:, None], exact, np.inf).min(axis=1)
        climbs += int((tree.meets != lower).sum())
    for quantity, value in (
        ("least energy to reach, largest difference", worst),
        ("pairs that are joined by one, not by the other", apart),
        ("minima whose climb to a lower one differs", climbs),
    ):
        yield CalibrationRow.deterministic(
            "merge_trees", "40 random graphs, Floyd-Warshall", quantity, exact=0, value=value, tolerance=0
        )


def least_passes(minima: Array, saddles: Array, joined: Array) -> Array:
    """Give the least energy to reach between all pairs, (M, M), by trying every stop on the way, O(M³).

    Source: Floyd, Commun. ACM 5 (1962) 345, with the larger of two in place of their sum.
    """
    least: Array = np.full((len(minima), len(minima)), np.inf)
    np.minimum.at(least, (joined[:, 0], joined[:, 1]), saddles)
    least = np.minimum(least, least.T)
    np.fill_diagonal(least, minima)
    for stop in range(len(minima)):
        least = np.minimum(least, np.maximum(least[:, stop, None], least[None, stop]))
    return np.asarray(least)


calibrations = (
    Calibration(
        "all states", "closed forms; cutwidth of the cube: Harper, J. SIAM 12 (1964) 131", _of_all_states
    ),
    Calibration("all ways", "minimax by Floyd-Warshall", _of_graphs),
)
