"""How many configurations there are, and what only their number, mean and spread say of folding. k_B = 1."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow
from spinfunnel.systems.chain_enumeration import enumerate_chains
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.protocols import Flips, Metric, System

#: Self-avoiding walks of 0, 1, 2, ... bonds on the square lattice: sequence A001411 of the OEIS, literature.
WALKS = (
    1, 4, 12, 36, 100, 284, 780, 2172, 5916, 16268, 44100, 120292, 324932, 881500, 2374444, 6416596,
    17245332, 46466676, 124658732, 335116620, 897697164, 2408806028, 6444560484, 17266613812, 46146397316,
    123481354908, 329712786220, 881317491628,
)  # fmt: skip
#: Of more bonds, their number grows as mu^n n^(gamma - 1), literature: Jensen, J. Phys. A 37 (2004) 5503, and
#: Nienhuis, Phys. Rev. Lett. 49 (1982) 1062.
MU, GAMMA = 2.63815853, 43 / 32
#: Rotations and reflections of the square lattice.
LATTICE = 8


def log_walks(monomers: int) -> float:
    """Give the logarithm of the number of self-avoiding chains of N monomers from a site.

    It is exact up to 28 monomers; beyond, it is continued by the law of growth.

    >>> round(math.exp(log_walks(6)))
    284

    Raises:
        BadInput: below one monomer.
    """
    if monomers < 1:
        raise BadInput(f"a chain has at least one monomer, not {monomers}")
    bonds, known = monomers - 1, len(WALKS) - 1
    if bonds <= known:
        return math.log(WALKS[bonds])
    return math.log(WALKS[known]) + (bonds - known) * math.log(MU) + (GAMMA - 1) * math.log(bonds / known)


def log_states(system: System) -> float | None:
    """Give the logarithm of the number of all configurations: of spins N ln 2; None where it is not known.

    >>> from spinfunnel.systems import system
    >>> round(log_states(system("sk", size=10)) / math.log(2), 9), log_states(system("lj13"))
    (10.0, None)
    """
    if isinstance(system, Chain):
        return log_walks(system.size)
    return system.size * math.log(2) if isinstance(system, Flips) else None


def copies(system: System) -> int:
    """Give how many configurations symmetry makes of one: 2 where turning all spins over changes nothing.

    >>> from spinfunnel.systems import system
    >>> copies(system("sk", size=10)), copies(system("rem", size=10)), copies(system("hp", size=20))
    (2, 1, 8)
    """
    if isinstance(system, Chain):
        return LATTICE
    if isinstance(system, Flips) and isinstance(system, Metric):
        x = system.random(1, 0)
        return 2 if float(system.overlap(x, -x)[0]) == 1 else 1
    return 1


def annealed_entropy(energies: Array, width: float, log_count: float, mean: float, deviation: float) -> Array:
    """Give the logarithm of how many of e^S0 independent normal energies are in bins about energies (B,).

    It is zero at mean - deviation sqrt(2 S0), but for a logarithm: there the random energy model ends.
    Source: Derrida, Phys. Rev. B 24 (1981) 2613.

    >>> annealed_entropy(np.zeros(1), 1.0, math.log(100), 0.0, 2.0).round(4)  # ln [100 / (2 sqrt(2 pi))]
    array([2.9931])
    """
    z = (np.asarray(energies) - mean) / deviation
    return np.asarray(log_count + math.log(width / deviation) - math.log(2 * math.pi) / 2 - z**2 / 2)


def _counted(seed: int) -> Iterator[CalibrationRow]:
    """Count walks one by one; and continue the law from half of the table to its end."""
    for monomers in (9, 13, 17):
        walks = enumerate_chains(Chain("walk", "E = 0", np.zeros((monomers, monomers))))
        yield CalibrationRow.deterministic(
            "folding theory", "square lattice", f"ln of the walks of {monomers} monomers",
            exact=math.log(int(walks.copies.sum())), value=log_walks(monomers), tolerance=1e-12,
        )  # fmt: skip
    half, end = 14, len(WALKS) - 1
    law = (end - half) * math.log(MU) + (GAMMA - 1) * math.log(end / half)
    yield CalibrationRow.deterministic(
        "folding theory", "square lattice", f"ln growth of walks, {half} to {end} bonds, by its law",
        exact=math.log(WALKS[end] / WALKS[half]), value=law, tolerance=0.02,
    )  # fmt: skip


calibrations = (Calibration("walks", "all conformations; OEIS A001411", _counted),)
