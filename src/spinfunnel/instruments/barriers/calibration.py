"""Barriers of systems whose every state is flooded, of a surface, and of two kinds of landscape."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.coolings import Cooling, cool
from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.flip_paths import exact_barriers
from spinfunnel.instruments.barriers import measuring
from spinfunnel.systems import system as named
from spinfunnel.systems.protocols import Flips, Metric
from spinfunnel.systems.surfaces import mueller_brown, stationary_points


def _flooded(seed: int) -> Iterable[CalibrationRow]:
    """Join minima of few spins as those of many are, and compare with all states flooded."""
    under = right = total = 0
    for name, size in (("sk", 16), ("ea?dimension=2&law=gauss", 4), ("wishart", 14), ("hopfield", 16)):
        system = named(name, size=size, seed=seeds(seed, name))
        assert isinstance(system, Flips)
        assert isinstance(system, Metric)
        made = cool(system, Cooling(0, (1, 10, 100), 1.0, 0), seeds(seed, "anneals", name))
        minima = measuring.chosen(system, made, seed)
        found = measuring.flip_ways(system, minima, seed)
        pairs = np.stack(np.triu_indices(len(minima.of.energies), 1), axis=1)
        tops = minima.of.energies[pairs].max(axis=1)
        exact = exact_barriers(system, minima.of.states)[tuple(pairs.T)] - tops
        climbed = measuring.climbs(measuring.joined(minima.of, found), pairs)
        room = 1e-9 * float(np.abs(minima.of.energies).max())
        under += int((climbed < exact - room).sum())
        right += int((climbed <= exact + room).sum())
        total += len(pairs)
    what = "four glasses of 14 to 16 spins"
    yield CalibrationRow.rate("barriers", what, "climbs too small", k=under, n=total, at_most=0)
    yield CalibrationRow.rate("barriers", what, "climbs that are exact", k=right, n=total, at_least=0.7)


def _surface(seed: int) -> Iterable[CalibrationRow]:
    """Look for ways between the minima of the surface of Mueller and Brown."""
    surface = mueller_brown()
    points = stationary_points(surface)
    low, high = (sorted(point.energy for point in points if point.index == k) for k in (0, 1))
    made = cool(surface, Cooling(0, (1, 3, 10), 1.0, 0), seed)
    minima, found = measuring.ways(surface, measuring.chosen(surface, made, seed), seed)
    tree = measuring.joined(minima.of, found)
    yield CalibrationRow.deterministic(
        "barriers", surface.name, "minima", exact=len(low), value=len(minima.of.energies), tolerance=0
    )
    if len(minima.of.energies) == len(low):
        for a, b, known in ((0, 1, high[1]), (0, 2, high[1]), (1, 2, high[0])):
            yield CalibrationRow.deterministic(
                "barriers", surface.name, f"pass between minima {a + 1} and {b + 1}",
                exact=known, value=float(tree.passes(a, b)), tolerance=1e-6,
            )  # fmt: skip


def _kinds(seed: int, draws: int) -> Iterable[CalibrationRow]:
    """Measure B of glasses, and of memories of a few patterns, which have as many funnels."""
    for name, size, limit in (
        ("sk", 128, {"at_most": 0.0}),
        ("ea", 6, {"at_most": 0.0}),
        ("hopfield?patterns=2", 128, {"at_least": 0.9}),
    ):
        high = 0
        for draw in range(draws):
            own = seeds(seed, name, draw)
            system = named(name, size=size, seed=own)
            assert isinstance(system, Metric)
            made = cool(system, Cooling(0, (10, 100, 1000), 1.0, 0), own)
            minima = measuring.chosen(system, made, own)
            if len(minima.pairs):
                minima, found = measuring.ways(system, minima, own)
                climbs = measuring.climbs(measuring.joined(minima.of, found), minima.pairs)
                high += float(np.median(climbs)) >= measuring.HIGH * made.drop
        of, quantity = f"{name}, N {system.size}", f"B of {measuring.HIGH} D or more"
        yield CalibrationRow.rate("barriers", of, quantity, k=high, n=draws, **limit)


FEW = "few patterns are funnels: Amit, Gutfreund & Sompolinsky, Phys. Rev. A 32 (1985) 1007"
calibrations = (
    Calibration("flooding", "all 2^N states, flooded", _flooded),
    Calibration("surface", "stationary points by Newton's method", _surface),
    Calibration("kinds", FEW, lambda seed: _kinds(seed, 6), "normal"),
)
