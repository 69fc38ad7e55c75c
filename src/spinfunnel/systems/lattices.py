"""Spins on chains, squares and cubes with periodic edges: ferromagnets and Edwards-Anderson glasses."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.spins import Spins


def torus(sides: tuple[int, ...]) -> Array:
    """Give the bonds (bonds, 2) of a lattice with periodic edges; a side of 2 has one bond, not two.

    >>> [len(torus(sides)) for sides in ((5,), (2, 2), (4, 4), (3, 3, 3))]
    [5, 4, 32, 81]

    Raises:
        BadInput: if a side is not positive.
    """
    if min(sides) < 1:
        raise BadInput(f"the sides of a lattice must be positive, not {sides}")
    sites = np.arange(np.prod(sides)).reshape(sides)
    bonds = []
    for axis, side in enumerate(sides):
        pairs = np.stack([sites, np.roll(sites, -1, axis)], axis=-1)
        bonds.append(np.take(pairs, range(side if side > 2 else side - 1), axis).reshape(-1, 2))
    return np.concatenate(bonds)


def triangular(side: int) -> Array:
    """Give the bonds (3 L^2, 2) of the triangular lattice: an L x L torus and one diagonal of each square.

    >>> triangular(4).shape
    (48, 2)

    Raises:
        BadInput: below three a side, where neighbours would meet twice.
    """
    if side < 3:
        raise BadInput(f"the side of a triangular lattice is at least 3, not {side}")
    sites = np.arange(side**2).reshape(side, side)
    across = np.roll(sites, (-1, -1), (0, 1))
    return np.concatenate([torus((side, side)), np.stack([sites, across], axis=-1).reshape(-1, 2)])


def uniform(edges: Array, sides: tuple[int, ...], name: str, coupling: float, field: float) -> Spins:
    """Make an Ising magnet with one coupling: H = -J sum_<ij> s_i s_j - h sum s_i."""
    n = int(np.prod(sides))
    strength = {1.0: "-", -1.0: "+"}.get(coupling, f"{-coupling:+g} ")
    return Spins.of_edges(
        edges,
        np.full(len(edges), float(coupling)),
        np.full(n, float(field)),
        size=n,
        name=name,
        convention=f"H = {strength}sum_<ij> s_i s_j - h sum s_i, periodic",
        sides=sides,
    )


def ferromagnet(sides: tuple[int, ...], name: str, field: float) -> Spins:
    """Make an Ising ferromagnet, J = 1, on a torus of any sides."""
    return uniform(torus(sides), sides, name, 1.0, field)


def ising1d(size: int, seed: int = 0, *, field: float = 0.0) -> Spins:
    """Ising ring: H = -sum s_i s_{i+1} - h sum s_i.

    >>> ising1d(5).energy(np.ones((1, 5)))
    array([-5.])
    """
    return ferromagnet((size,), "ising1d", field)


def ising2d(size: int, seed: int = 0, *, field: float = 0.0) -> Spins:
    """Ising ferromagnet on an L x L torus: H = -sum_<ij> s_i s_j - h sum s_i; Tc = 2 / ln(1 + sqrt 2)."""
    return ferromagnet((size, size), "ising2d", field)


def ising_triangular(size: int, seed: int = 0, *, coupling: float = 1.0, field: float = 0.0) -> Spins:
    """Ising magnet on the triangular lattice, L x L: H = -J sum_<ij> s_i s_j - h sum s_i; J = 1: Tc = 4/ln 3.

    With J = -1 every triangle is frustrated and no temperature orders it (Wannier, Phys. Rev. 79 (1950) 357).

    >>> ising_triangular(3, coupling=-1).energy(np.ones((1, 9)))
    array([27.])
    """
    return uniform(triangular(size), (size, size), "ising-triangular", coupling, field)


def ising3d(size: int, seed: int = 0, *, field: float = 0.0) -> Spins:
    """Ising ferromagnet on an L x L x L torus: H = -sum_<ij> s_i s_j - h sum s_i."""
    return ferromagnet((size, size, size), "ising3d", field)


def ea(
    size: int, seed: int = 0, *, dimension: int = 3, law: Literal["pm", "gauss"] = "pm", field: float = 0.0
) -> Spins:
    """Edwards-Anderson glass on an L^d torus: H = -sum_<ij> J_ij s_i s_j - h sum s_i; J is +-1 or N(0, 1).

    Source: Edwards & Anderson, J. Phys. F 5 (1975) 965.

    >>> ea(4, dimension=2).size, sorted(set(ea(4).couplings))
    (16, [np.float64(-1.0), np.float64(1.0)])
    """
    if dimension < 1:
        raise BadInput(f"a lattice has at least one dimension, not {dimension}")
    sides = (size,) * dimension
    edges = torus(sides)
    return Spins.of_edges(
        edges,
        draw(law, len(edges), np.random.default_rng(seeds(seed, "ea", sides, law))),
        np.full(size**dimension, float(field)),
        size=size**dimension,
        name="ea",
        convention=f"H = -sum_<ij> J_ij s_i s_j - h sum s_i, J {LAWS[law]}, periodic in {dimension}D",
        sides=sides,
    )


#: The laws couplings are drawn from, in words.
LAWS = {"pm": "+-1", "gauss": "normal of variance 1"}


def draw(law: str, count: int, rng: np.random.Generator) -> Array:
    """Draw couplings (count,) of mean 0 and variance 1.

    Raises:
        BadInput: if the law is unknown.
    """
    if law == "pm":
        return rng.choice([-1.0, 1.0], size=count)
    if law == "gauss":
        return rng.standard_normal(count)
    raise BadInput(f"couplings are drawn from {' or '.join(LAWS)}, not {law!r}")
