"""Trees of systems of which every state, or every stationary point, is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics import descend
from spinfunnel.instruments.disconnectivity.measuring import funnels_of
from spinfunnel.maths.merge_trees import MergeTree, cube_saddles, merge_tree
from spinfunnel.systems import system as named
from spinfunnel.systems.enumeration import blocks
from spinfunnel.systems.surfaces import Surface, mueller_brown, stationary_points


def of_surface(surface: Surface) -> MergeTree:
    """Build the tree of all minima and saddles: a saddle joins what steps to either side of it lead to."""
    points = stationary_points(surface)
    minima = [point for point in points if point.index == 0]
    saddles = [point for point in points if point.index == 1]
    places = np.array([point.x for point in minima])
    _, _, hessians = surface.jet(np.array([saddle.x for saddle in saddles]))
    down = np.linalg.eigh(hessians)[1][:, :, 0]
    starts = np.stack(
        [saddle.x + sign * 1e-3 * v for saddle, v in zip(saddles, down, strict=True) for sign in (1, -1)]
    )
    ends = descend(surface, starts, method="gradient").final
    joined = np.linalg.norm(ends[:, None] - places, axis=-1).argmin(axis=1).reshape(-1, 2)
    return merge_tree(
        np.array([point.energy for point in minima]), np.array([point.energy for point in saddles]), joined
    )


def of_states(energies: Array, *, mirrored: bool) -> MergeTree:
    """Build the tree of all minima among 2^N states, by turning over spins one at a time.

    States that turning all spins over makes of each other are one, if `mirrored`. Minima that are joined
    without a climb are one, too.
    """
    energies = energies.round(9)  # mirror images are equal but for rounding
    saddles, joined = cube_saddles(energies)
    if mirrored:
        last, energies = len(energies) - 1, energies[: len(energies) // 2]
        joined = np.minimum(joined, last - joined)
        saddles = energies[joined].max(axis=1)
    tree = merge_tree(energies, saddles, joined)
    return tree.of(np.flatnonzero(tree.barriers() > 0))


def all_energies(name: str, size: int, seed: int) -> Array:
    """Give the energies of all states of a named system of spins."""
    return np.concatenate([energies for _, energies in blocks(named(name, size=size, seed=seed))])


#: Barriers of the Mueller-Brown surface, literature: Mueller & Brown, Theor. Chim. Acta 53 (1979) 75.
CLIMBS = {1: (-108.167, -40.665), 2: (-80.768, -72.249)}


def _on_the_surface(seed: int) -> Iterable[CalibrationRow]:
    tree = of_surface(mueller_brown())
    for k, (low, high) in CLIMBS.items():
        yield CalibrationRow.deterministic(
            "disconnectivity", "Mueller-Brown", f"barrier of minimum {k + 1} to a lower one",
            exact=high - low, value=float(tree.barriers()[k]), tolerance=2e-3,
        )  # fmt: skip
    found = funnels_of(tree)
    for quantity, exact, value in (
        ("largest climb to the lowest minimum", -40.665 + 108.167, found.climb),
        ("height of the tree", -40.665 + 146.700, found.height),
    ):
        yield CalibrationRow.deterministic(
            "disconnectivity", "Mueller-Brown", quantity, exact=exact, value=value, tolerance=2e-3
        )


#: Systems of few spins: whether their mirror images are one, how many funnels they have, and how often.
WORDS: tuple[tuple[str, int, bool, str, float], ...] = (
    ("mattis", 12, True, "one funnel", 0.95),
    ("hopfield?patterns=2", 14, True, "two funnels", 0.75),
    ("rem", 10, False, "several funnels", 0.95),
    ("xorsat", 12, False, "several funnels", 0.95),
    ("pspin", 12, False, "several funnels", 0.85),
)
COUNTS = {"one funnel": (1, 1), "two funnels": (2, 2), "several funnels": (2, np.inf)}


def _of_all_states(seed: int, draws: int) -> Iterable[CalibrationRow]:
    def row(system: str, word: str, counts: list[int], least: float) -> CalibrationRow:
        low, high = COUNTS[word]
        return CalibrationRow.rate(
            "disconnectivity", system, word,
            k=sum(low <= count <= high for count in counts), n=len(counts), at_least=least,
        )  # fmt: skip

    def funnels(energies: Array, *, mirrored: bool) -> int:
        return len(funnels_of(of_states(energies, mirrored=mirrored)).heads)

    for name, size, mirrored, word, least in WORDS:
        counts = [
            funnels(all_energies(name, size, seeds(seed, name, draw)), mirrored=mirrored)
            for draw in range(draws)
        ]
        yield row(f"{name}, N {size}, all states", word, counts, least)
    rng = np.random.default_rng(seeds(seed, "permuted"))
    permuted = [
        funnels(rng.permutation(all_energies("mattis", 12, seed)), mirrored=False) for _ in range(draws)
    ]
    yield row("mattis, N 12, energies permuted over states", "several funnels", permuted, 0.95)
    yield CalibrationRow.deterministic(
        "disconnectivity", "ising2d, L 4, all states", "funnels (stripes are none)",
        exact=1, value=funnels(all_energies("ising2d", 4, 0), mirrored=True), tolerance=0,
    )  # fmt: skip


STATES = "all states, one spin at a time"
calibrations = (
    Calibration("surface", "Mueller & Brown (1979), literature", _on_the_surface),
    Calibration("states", STATES, lambda seed: _of_all_states(seed, 20)),
    Calibration("states, 60 draws", STATES, lambda seed: _of_all_states(seed, 60), "normal"),
)
