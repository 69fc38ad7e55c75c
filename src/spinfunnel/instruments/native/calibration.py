"""Native states of which it is known how they draw: all of space, and random energies around a hole."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from spinfunnel.coolings import Cooling, cool
from spinfunnel.core import Array, Calibration, CalibrationRow, Finding, seeds
from spinfunnel.instruments.native import leaving
from spinfunnel.subject import subject_of
from spinfunnel.systems import system as named
from spinfunnel.systems.rem import PlantedRandomEnergies


def look(name: str, size: int, times: tuple[int, ...], seed: int) -> Finding:
    """Measure one planted system, annealed sixteen times."""
    from spinfunnel.instruments.native import measure

    subject = subject_of(f"system:{name}", size=size, seed=seeds(seed, name) % 10_000)
    assert subject.system is not None
    made = cool(subject.system, Cooling(0, times, 0.0, 0), seeds(seed, "anneals"))
    return measure(subject, findings={}, seed=seed, budget=None, readings=[made])


def _magnet(seed: int) -> Iterable[CalibrationRow]:
    """The Mattis magnet draws all states to its native one, or to its mirror image."""
    found = look("mattis", 48, (10, 100), seed).numbers
    for quantity, exact in (
        ("native u", -47 / 96),
        ("native gap", 0.0),
        ("native z", 0.0),
        ("native hits", 1.0),
        ("attraction radius", 0.0),
    ):
        yield CalibrationRow.deterministic(
            "native", "mattis, N 48", quantity, exact=exact, value=found[quantity].value, tolerance=1e-12
        )


def chance_to_return(table: Array, native: int) -> Array:
    """Give the chance (2^N,) that each state falls to a given one, by flips that gain, each as likely.

    From the lowest state upwards, it is the mean of the chances of the lower neighbours.
    """
    bits = 1 << np.arange(len(table).bit_length() - 1)
    chance = np.zeros(len(table))
    chance[native] = 1.0
    for state in np.argsort(table):
        lower = (state ^ bits)[table[state ^ bits] < table[state]]
        if len(lower):
            chance[state] = chance[lower].mean()
    return chance


def _hole(seed: int, size: int, starts: int) -> Iterable[CalibrationRow]:
    """Fall among random energies from one, two and three flips off the native state."""
    system = named("rem-native", size=size, seed=seeds(seed, "hole") % 10_000)
    assert isinstance(system, PlantedRandomEnergies)
    native = int(system.states(system.native[None])[0])
    chance = chance_to_return(system.table, native)
    found = leaving.away(system, system.native, starts, 1.0, 0.1, seed)
    for q in (0.9, 0.8, 0.6):
        off = leaving.flips(size, q)
        exact = float(np.mean([chance[native ^ sum(1 << i for i in which)]
                               for which in combinations(range(size), off)]))  # fmt: skip
        back = leaving.returns(system, system.native, found[q][0], seeds(seed, q))
        yield CalibrationRow.measured(
            "native", f"rem-native, N {size}", f"share that returns from {off} flips off", exact=exact,
            value=back / starts, error=float(np.sqrt(exact * (1 - exact) / starts)), cap=0.02,
        )  # fmt: skip


def _golf(seed: int, draws: int) -> Iterable[CalibrationRow]:
    """Holes of a golf course draw from near only, and nothing is lower."""
    for name, size in (("rem-native", 14), ("xorsat", 48)):
        seen = [look(name, size, (10, 100, 1000), seeds(seed, draw)).numbers for draw in range(draws)]
        near = sum(one["attraction radius"].value >= 0.7 for one in seen)
        below = sum(one["native gap"].value >= 0 for one in seen)
        for quantity, k in (("attraction radius of 0.7 or more", near), ("nothing lower", below)):
            yield CalibrationRow.rate("native", f"{name}, N {size}", quantity, k=k, n=draws, at_least=0.9)


ENUMERATED = "descents among all 2^N states, exact"
calibrations = (
    Calibration("magnet", "one minimum, modulo symmetry", _magnet),
    Calibration("hole", ENUMERATED, lambda seed: _hole(seed, 12, 4000)),
    Calibration("golf course", "by construction", lambda seed: _golf(seed, 10), "normal"),
)
