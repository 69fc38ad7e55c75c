"""Spins that are all coupled to each other: Mattis, Sherrington-Kirkpatrick, Hopfield."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.lattices import LAWS, draw
from spinfunnel.systems.spins import PlantedSpins, Spins, random_spins

#: More spins than this, all coupled to each other, need more than two GiB.
LARGEST = 2**13


def pairs(size: int) -> Array:
    """Give the bonds (N (N - 1) / 2, 2) of the graph in which all spins are coupled."""
    coupled(size)
    return np.argwhere(np.triu(np.ones((size, size), dtype=bool), 1))


def coupled(size: int) -> None:
    """Check that so many spins may all be coupled to each other.

    Raises:
        BadInput: above 8192 spins.
    """
    if size > LARGEST:
        raise BadInput(f"{size} spins that are all coupled take too much memory: take at most {LARGEST}")


def mattis(size: int, seed: int = 0) -> PlantedSpins:
    """Mattis magnet: J_ij = t_i t_j / N, a ferromagnet in disguise; the funnel that a glass is not.

    Source: Mattis, Phys. Lett. A 56 (1976) 421.

    >>> mattis(10).ground_energy
    -4.5
    """
    native = random_spins(1, size, seeds(seed, "mattis"))[0]
    edges = pairs(size)
    return PlantedSpins.of_edges(
        edges,
        native[edges].prod(axis=1) / size,
        size=size,
        name="mattis",
        convention="H = -sum_{i<j} J_ij s_i s_j, J_ij = t_i t_j / N",
        native=native,
        ground_energy=-(size - 1) / 2,
        certificate="every bond is satisfied",
    )


def sk(size: int, seed: int = 0, *, law: Literal["gauss", "pm"] = "gauss", field: float = 0.0) -> Spins:
    """Sherrington-Kirkpatrick glass: all spins coupled, J_ij of mean 0 and variance 1/N; Tc = 1.

    Source: Sherrington & Kirkpatrick, Phys. Rev. Lett. 35 (1975) 1792.
    """
    edges = pairs(size)
    rng = np.random.default_rng(seeds(seed, "sk", size, law))
    return Spins.of_edges(
        edges,
        draw(law, len(edges), rng) / np.sqrt(size),
        np.full(size, float(field)),
        size=size,
        name="sk",
        convention=f"H = -sum_{{i<j}} J_ij s_i s_j - h sum s_i, J {LAWS[law]}, over sqrt N",
    )


def hopfield(size: int, seed: int = 0, *, patterns: int = 4) -> Spins:
    """Hopfield memory: J_ij = sum_mu t_i^mu t_j^mu / N for P random patterns.

    Source: Hopfield, PNAS 79 (1982) 2554.

    Raises:
        BadInput: if there is no pattern.
    """
    if patterns < 1:
        raise BadInput(f"a Hopfield memory stores at least one pattern, not {patterns}")
    stored = hopfield_patterns(size, seed, patterns).astype(np.float64)
    edges = pairs(size)  # also where patterns cancel
    return Spins.of_edges(
        edges,
        (stored.T @ stored)[edges[:, 0], edges[:, 1]] / size,
        size=size,
        name="hopfield",
        convention=f"H = -sum_{{i<j}} J_ij s_i s_j, J_ij = sum_mu t_i^mu t_j^mu / N, P = {patterns}",
    )


def hopfield_patterns(size: int, seed: int = 0, patterns: int = 4) -> Array:
    """Give the patterns (P, N) that `hopfield` of the same seed stores."""
    return random_spins(patterns, size, seeds(seed, "hopfield"))
