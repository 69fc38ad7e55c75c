"""Which minima are looked at, which pairs of them are joined, and how high the ways between them climb."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.coolings import REPLICAS, Coolings
from spinfunnel.core import Array, seeds
from spinfunnel.dynamics.descent import descend
from spinfunnel.dynamics.elastic_band import Bands, elastic_bands, saddles, sides, tops
from spinfunnel.dynamics.flip_paths import FLOODED, exact_barriers, path_bounds
from spinfunnel.maths.merge_trees import MergeTree, merge_tree
from spinfunnel.structures import Structures, all_overlaps, distinct, least_alike, overlaps_with, room
from spinfunnel.systems.protocols import Flips, Metric, Pairwise, Smooth, System
from spinfunnel.systems.sphere import Sphere

#: The lowest minima that are looked at, for each set of anneals; half as many slow ends that are higher.
MINIMA = 20
#: Pairs of slow ends of which B is the median.
PAIRS = 10
#: Barriers between slow ends are high from this share of D on.
HIGH = 0.1
#: The most alike of each minimum, to which ways are looked for where not all pairs are joined.
NEIGHBOURS = 4
#: Tries of a path of flips, and how many of them are a small budget.
TRIES, FEW_TRIES = 8, 2
#: Images of a band, and its iterations, of a large and of a small budget.
IMAGES, ITERATIONS, FEW_ITERATIONS = 16, 400, 100
#: Random states from which the depth of a smooth landscape is told.
RANDOM = 32
#: Numbers that all bands together may look at: fewer pairs are joined where energies are dear (about 10 s).
NUMBERS = 2e10


@dataclass(frozen=True)
class Minima:
    """Distinct minima (M), lowest first, and pairs of slow ends among them.

    Attributes:
        of: the minima.
        slow: which of them slow anneals ended in, bool (M,).
        pairs: of different slow ends, (P, 2), at most ten.
    """

    of: Structures
    slow: Array
    pairs: Array


@dataclass(frozen=True)
class Ways:
    """Ways between pairs of minima, of which none is lower than it is given here, if they are exact.

    Attributes:
        ends: (S, 2), which minima each way joins.
        highest: (S,), the energy that it reaches, and `small`, what it was with a small budget, (S,).
        budget: what was spent on each, (S,).
        exact: whether no way is lower.
        doubts: why there are fewer ways than there should be.
    """

    ends: Array
    highest: Array
    small: Array
    budget: Array
    exact: bool = False
    doubts: tuple[str, ...] = ()


def depth(system: System, made: Coolings, seed: int) -> float:
    """Give D: how far the best is below random states, or, where anneals hop, below the minima under them.

    Where atoms may overlap, energies of random states say how hard they are, and nothing of the landscape.
    """
    if not isinstance(system, Smooth):
        return made.drop
    trace = descend(system, system.random(RANDOM, seeds(seed, "depth")), tolerance=1e-3, most=1000)
    return float(trace.energies[-1].mean()) - made.best_energy


def chosen(system: Metric, made: Coolings, seed: int) -> Minima:
    """Take the lowest of all minima met, and the lowest of the slow ends."""
    slow = made.ends[-1], made.energies[-1]
    most = MINIMA * len(slow[1]) // REPLICAS
    lowest = distinct(
        system,
        np.concatenate([*made.ends[::-1], *made.survivors, made.structures]),
        np.concatenate([*made.energies[::-1], *made.survivor_energies, made.structure_energies]),
        most,
    )
    ends = distinct(system, *slow, most // 2)
    higher = ends.energies > lowest.energies[-1] + room(lowest.energies)
    states = np.concatenate([lowest.states, ends.states[higher]])
    of = Structures(
        states,
        np.concatenate([lowest.energies, ends.energies[higher]]),
        np.concatenate([lowest.counts, ends.counts[higher]]),
        all_overlaps(system, states),
    )
    where = np.array([_which(system, of, end) for end in slow[0]])
    there = np.flatnonzero(where >= 0)
    i, j = np.triu_indices(len(there), 1)
    pairs = np.stack([where[there[i]], where[there[j]]], axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    drawn = np.random.default_rng(seeds(seed, "pairs")).permutation(len(pairs))[:PAIRS]
    return Minima(of, np.isin(np.arange(len(states)), where), pairs[drawn])


def _which(system: Metric, of: Structures, state: Array) -> int:
    """Say which of the minima a state is; -1 if it is none of them."""
    equal = np.flatnonzero(np.abs(of.energies - system.energy(state[None])[0]) <= room(of.energies))
    if not len(equal):
        return -1
    alike = overlaps_with(system, of.states[equal], state)
    return int(equal[alike.argmax()]) if alike.max() >= least_alike(state) else -1


def neighbours(overlaps: Array, each: int = NEIGHBOURS) -> Array:
    """Give pairs (P, 2) of the most alike of each, and those that keep everything together.

    >>> neighbours(np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]]), 1)
    array([[0, 1],
           [1, 2]])
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    alike = np.where(np.eye(len(overlaps), dtype=bool), -np.inf, overlaps)
    near = np.argsort(-alike, axis=1, kind="stable")[:, : min(each, len(overlaps) - 1)]
    of_each = np.stack([np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()], axis=1)
    tree = np.argwhere(minimum_spanning_tree(2 - overlaps).toarray())
    return np.asarray(np.unique(np.sort(np.concatenate([of_each, tree]), axis=1), axis=0))


def no_ways(*doubts: str) -> Ways:
    """Give none, and say why."""
    return Ways(np.empty((0, 2), np.int64), np.empty(0), np.empty(0), np.empty(0, dtype=str), doubts=doubts)


def ways(system: Metric, found: Minima, seed: int) -> tuple[Minima, Ways]:
    """Look for ways between pairs of minima; give also the minima, and those met on the ways."""
    minima = found.of
    if isinstance(system, Smooth):
        return smooth_ways(system, found)
    if not isinstance(system, Flips):
        return found, no_ways(
            f"not run: barriers are measured where single spins flip, or along a gradient; {system.name} "
            "has neither"
        )
    if system.size <= FLOODED:
        return found, flooded_ways(system, minima)
    return found, flip_ways(system, found, seed)


def flooded_ways(system: Flips, minima: Structures) -> Ways:
    """Give the lowest ways between all pairs, by way of all states."""
    ends = _all_pairs(minima)
    highest = exact_barriers(system, minima.states)[tuple(ends.T)]
    spent = np.full(len(ends), f"all {2**system.size:,} states")
    return Ways(ends, highest, highest, spent, exact=True)


def flip_ways(system: Flips, found: Minima, seed: int) -> Ways:
    """Look for ways by greedy flips, between all pairs if spins are coupled in pairs, else between some."""
    ends = _all_pairs(found.of) if isinstance(system, Pairwise) else _some(found)
    a, b = (found.of.states[one] for one in ends.T)
    small, highest = (path_bounds(system, a, b, tries=n, seed=seed) for n in (FEW_TRIES, TRIES))
    return Ways(ends, highest, small, np.full(len(ends), f"{TRIES} greedy paths"))


def _all_pairs(minima: Structures) -> Array:
    return np.stack(np.triu_indices(len(minima.energies), 1), axis=1)


def smooth_ways(system: Any, found: Minima) -> tuple[Minima, Ways]:
    """Look for ways by elastic bands; those that matter lead to saddles, and these to more minima."""
    minima = found.of
    looked_at = max(math.prod(system.shape) ** 2, system.couplings.size if isinstance(system, Sphere) else 0)
    dear = IMAGES * (ITERATIONS + FEW_ITERATIONS) * looked_at
    pairs = _some(found, max(PAIRS // 2, int(NUMBERS / dear)))
    a = minima.states[pairs[:, 0]]
    b = system.nearest(a, minima.states[pairs[:, 1]])
    small = elastic_bands(system, a, b, images=IMAGES, iterations=FEW_ITERATIONS).highest
    bands = elastic_bands(system, a, b, images=IMAGES, iterations=ITERATIONS)
    spent = np.full(len(pairs), f"band of {IMAGES} images, {ITERATIONS} iterations")
    by_bands = Ways(pairs, np.minimum(small, bands.highest), small, spent)
    mine = needed(by_bands)
    spacing = float(np.linalg.norm((a - b).reshape(len(a), -1), axis=1).mean()) / (IMAGES - 1)
    kept = Bands(bands.images[mine], bands.energies[mine], bands.highest[mine])
    met = saddles(system, tops(kept)[0], longest=spacing / 2)
    ends, reached = sides(system, met, away=spacing / 10)
    if not reached.any():
        return found, by_bands
    ends, energies = ends[:, reached], met.energies[reached]
    more = Structures(*_with(system, minima, ends.reshape(-1, *system.shape)))
    where = np.array([[_which(system, more, end) for end in side] for side in ends])
    place = np.array([_which(system, more, state) for state in minima.states])
    apart = where[0] != where[1]
    both = Ways(
        np.concatenate([place[pairs], where.T[apart]]),
        np.concatenate([by_bands.highest, energies[apart]]),
        np.concatenate([small, np.full(apart.sum(), np.inf)]),
        np.concatenate([spent, np.full(apart.sum(), "saddle")]),
    )
    slow = np.zeros(len(more.energies), dtype=bool)
    slow[place[found.slow]] = True
    piece = joined(more, both).superbasins(np.inf)
    return _those(np.isin(piece, piece[place]), Minima(more, slow, place[found.pairs]), both)


def _those(kept: Array, found: Minima, ways: Ways) -> tuple[Minima, Ways]:
    """Leave out minima that are not `kept`, bool (M,), and the ways between them."""
    of, number = found.of, np.cumsum(kept) - 1
    fewer = Structures(of.states[kept], of.energies[kept], of.counts[kept], of.overlaps[np.ix_(kept, kept)])
    mine = kept[ways.ends[:, 0]]
    left = Ways(number[ways.ends[mine]], ways.highest[mine], ways.small[mine], ways.budget[mine])
    return Minima(fewer, found.slow[kept], number[found.pairs]), left


def _with(system: Any, minima: Structures, others: Array) -> tuple[Array, ...]:
    """Give states, energies, counts and overlaps of minima and others; the new ones count as never met."""
    states = np.concatenate([minima.states, others])
    both = distinct(system, states, np.concatenate([minima.energies, system.energy(others)]), len(states))
    counts = np.zeros(len(both.energies), dtype=np.int64)
    for state, count in zip(minima.states, minima.counts, strict=True):
        counts[_which(system, both, state)] += count
    return both.states, both.energies, counts, both.overlaps


def _some(found: Minima, most: int | None = None) -> Array:
    """Give pairs of neighbours, and those of slow ends: at most so many, the latter first."""
    slow = np.sort(found.pairs, axis=1)
    both = np.concatenate([slow, neighbours(found.of.overlaps)])
    first = np.sort(np.unique(both, axis=0, return_index=True)[1])
    return np.asarray(both[first[:most]])


def joined(minima: Structures, found: Ways, *, small: bool = False) -> MergeTree:
    """Build the tree of all ways found."""
    highest = found.small if small else found.highest
    floor = minima.energies[found.ends].max(axis=1, initial=-np.inf)
    there = np.isfinite(highest)
    return merge_tree(minima.energies, np.maximum(highest, floor)[there], found.ends[there])


def needed(found: Ways) -> Array:
    """Say which ways are needed, so that no lower ones join what they join, bool (S,): a spanning forest."""
    home, kept = list(range(int(found.ends.max(initial=0)) + 1)), np.zeros(len(found.ends), dtype=bool)
    for k in np.argsort(found.highest, kind="stable"):
        one, other = (int(end) for end in found.ends[k])
        while home[one] != one:
            one = home[one]
        while home[other] != other:
            other = home[other]
        kept[k] = one != other and np.isfinite(found.highest[k])
        home[other] = one if kept[k] else home[other]
    return kept


def climbs(tree: MergeTree, pairs: Array) -> Array:
    """Give how far the way between each of the pairs (P, 2) rises above the higher of its ends, (P,)."""
    return np.asarray(tree.passes(*pairs.T) - tree.minima[pairs].max(axis=1, initial=-np.inf))
