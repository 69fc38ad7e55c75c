"""The same couplings by chance alone: what is left unsatisfied of them, and whether a system differs."""

from __future__ import annotations

import math

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.dynamics.annealing import anneal
from spinfunnel.instruments.frustration import bonds
from spinfunnel.systems.protocols import System
from spinfunnel.systems.shuffled import shuffled_couplings

#: Shuffled systems, and the quick anneals by which they and the system itself are compared.
NULLS, REPLICAS, SWEEPS = 8, 16, 300
#: A system differs from shuffled ones at this two-sided level.
LEVEL = 0.01


def shuffled_ones(system: System, random: Array | None, seed: int) -> tuple[Array, Array]:
    """Anneal a system and eight shuffled ones alike: misfits (9,), its own first, and the others' indices Z.

    Misfits are those of the best states; indices (M,), of all bonds of the shuffled ones there, are against
    random states, of which chains need some, (S, N, 2).
    """
    misfits, indices = [], [np.zeros(0)]
    for k in range(NULLS + 1):
        own = seeds(seed, "shuffled", k)
        one = shuffled_couplings(system, own) if k else system
        best = anneal(one, sweeps=SWEEPS, anneals=REPLICAS, seed=own).best
        misfits.append(bonds.interactions(one).unsatisfied(best)[1])
        z = bonds.index(bonds.made(one, best), *bonds.decoys(one, random))
        if k and z is not None:
            indices.append(z)
    return np.array(misfits), np.concatenate(indices)


def student(value: float, others: Array) -> float:
    """Tell whether a value is one more of others (K,): the two-sided p of its distance, by Student's t.

    >>> round(student(3.0, np.array([0.0, 1.0, 2.0])), 3)
    0.225
    """
    from scipy.special import stdtr

    off, spread = value - float(others.mean()), float(others.std(ddof=1)) * math.sqrt(1 + 1 / len(others))
    if spread < bonds.ROUNDING:
        return 1.0 if abs(off) < bonds.ROUNDING else 0.0
    return float(2 * stdtr(len(others) - 1, -abs(off / spread)))
