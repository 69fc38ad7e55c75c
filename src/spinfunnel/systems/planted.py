"""Glasses built around a state that is known to be of lowest energy, or at a known temperature."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from spinfunnel.core import BadInput, seeds
from spinfunnel.systems.lattices import torus
from spinfunnel.systems.mean_field import coupled
from spinfunnel.systems.spins import PlantedSpins, Spins, random_spins


def wishart(size: int, seed: int = 0, *, alpha: float = 0.75) -> PlantedSpins:
    """Wishart planted glass: J = -(1/N) sum_mu w_mu w_mu^T off the diagonal, every w normal and at right
    angles to the planted t, so that H = (1/2N) sum_mu [(w_mu . s)^2 - w_mu^2] is least at s = +-t.

    There are M = alpha N vectors w; few of them leave many states almost as low (easy-hard-easy).
    Source: Hamze, Raymond, Pattison, Biswas & Katzgraber, Phys. Rev. E 101 (2020) 052102.

    Raises:
        BadInput: if alpha gives not even one vector, or there are more than 8192 spins.
    """
    if not (np.isfinite(alpha) and round(alpha * size) >= 1):
        raise BadInput(f"alpha N must be at least 1 to plant a state, got alpha = {alpha:g}, N = {size}")
    coupled(size)
    native = random_spins(1, size, seeds(seed, "wishart native"))[0]
    rng = np.random.default_rng(seeds(seed, "wishart", size, alpha))
    w = rng.standard_normal((round(alpha * size), size))
    w -= np.outer(w @ native / size, native)
    w *= np.sqrt(size / (size - 1)) if size > 1 else 1.0
    matrix = -(w.T @ w) / size
    matrix = (matrix + matrix.T) / 2
    trace = float(np.trace(matrix))
    np.fill_diagonal(matrix, 0.0)
    return PlantedSpins.of_matrix(
        matrix,
        name="wishart",
        convention=f"H = -sum_{{i<j}} J_ij s_i s_j, J = -(1/N) sum_mu w_mu w_mu^T, alpha = M/N = {alpha:g}",
        native=native,
        ground_energy=trace / 2,
        certificate="H is a sum of squares less a constant, and every square is zero",
    )


def tiles2d(size: int, seed: int = 0, *, tile: int = 1) -> PlantedSpins:
    """Planted tiles on an L x L torus: every second plaquette is frustrated on its own, by a weakest bond.

    A tile has `tile` bonds (1 to 4) of size 1, one of them negative, the others being +2; then a random
    gauge. Its energy cannot be below -(6 - tile); the planted state has all tiles there.
    Source: Hamze, Jacob, Ochoa, Perera, Wang & Katzgraber, Phys. Rev. E 97 (2018) 043303.

    Raises:
        BadInput: if L is odd or below 4, or there is no such tile.

    >>> tiles2d(4, tile=3).ground_energy
    -24.0
    """
    if size < 4 or size % 2:
        raise BadInput(f"tiles need an even side of at least 4, not {size}")
    if tile not in (1, 2, 3, 4):
        raise BadInput(f"a tile has 1 to 4 weak bonds, not {tile}")
    rng = np.random.default_rng(seeds(seed, "tiles2d", size, tile))
    site = np.arange(size**2).reshape(size, size)
    down, right = np.roll(site, -1, 0), np.roll(site, -1, 1)
    across = np.roll(down, -1, 1)
    sides = np.stack([[site, right], [right, across], [down, across], [site, down]])  # (4, 2, L, L)
    tiles = sides[:, :, np.indices((size, size)).sum(axis=0) % 2 == 0].transpose(2, 0, 1)  # (tiles, 4, 2)
    strengths = np.full((len(tiles), 4), 2.0)
    strengths[:, :tile] = 1.0
    strengths[:, 0] = -1.0
    native = random_spins(1, size**2, seeds(seed, "tiles2d native"))[0]
    edges = tiles.reshape(-1, 2)
    return PlantedSpins.of_edges(
        edges,
        rng.permuted(strengths, axis=1).ravel() * native[edges].prod(axis=1),
        size=size**2,
        name="tiles2d",
        convention=f"H = -sum_<ij> J_ij s_i s_j, |J| 1 or 2, frustrated tiles F{tile}, periodic",
        sides=(size, size),
        native=native,
        ground_energy=-(6.0 - tile) * len(tiles),
        certificate="every bond is in one tile, and every tile is at its own minimum",
    )


def tiles3d(size: int, seed: int = 0, *, faces: int = 6) -> PlantedSpins:
    """Planted cubes on an L x L x L torus, sharing corners only, each with 2, 4 or 6 frustrated faces.

    The cubes whose lowest corner has all coordinates even, or all odd, hold every bond once. An edge touches
    two faces, so a cube with F frustrated faces has at least F/2 bonds unsatisfied; the planted state has as
    many: bonds of -1 that share no face, chosen at random, the others being +1; then a random gauge.
    Source: Hamze, Jacob, Ochoa, Perera, Wang & Katzgraber, Phys. Rev. E 97 (2018) 043303.

    Raises:
        BadInput: if L is odd or below 4, or there is no such cube.

    >>> tiles3d(4, faces=6).ground_energy
    -96.0
    """
    if size < 4 or size % 2:
        raise BadInput(f"cubes need an even side of at least 4, not {size}")
    if faces not in (2, 4, 6):
        raise BadInput(f"a cube has 2, 4 or 6 frustrated faces, not {faces}")
    rng = np.random.default_rng(seeds(seed, "tiles3d", size, faces))
    corners = np.indices((2, 2, 2)).reshape(3, 8).T
    near = [
        (a, b) for a in range(8) for b in range(8) if a < b and np.abs(corners[a] - corners[b]).sum() == 1
    ]
    edges = corners[np.array(near)]  # (12, 2, 3)
    touched = [frozenset((k, e[0][k]) for k in range(3) if e[0][k] == e[1][k]) for e in edges.tolist()]
    apart = [
        chosen for chosen in combinations(range(12), faces // 2)
        if len(frozenset().union(*(touched[k] for k in chosen))) == faces
    ]  # fmt: skip
    lowest = np.argwhere(np.ptp(np.indices((size,) * 3) % 2, axis=0) == 0)  # (cubes, 3)
    sites = np.ravel_multi_index(np.moveaxis((lowest[:, None, None] + edges) % size, -1, 0), (size,) * 3)
    strengths = np.ones((len(lowest), 12))
    np.put_along_axis(strengths, rng.choice(apart, size=len(lowest)), -1.0, axis=1)
    native = random_spins(1, size**3, seeds(seed, "tiles3d native"))[0]
    bonds = sites.reshape(-1, 2)
    return PlantedSpins.of_edges(
        bonds,
        strengths.ravel() * native[bonds].prod(axis=1),
        size=size**3,
        name="tiles3d",
        convention=f"H = -sum_<ij> J_ij s_i s_j, J +-1, cubes with {faces} frustrated faces, periodic",
        sides=(size,) * 3,
        native=native,
        ground_energy=-(12.0 - faces) * len(lowest),
        certificate="every bond is in one cube, and every cube is at its own minimum",
    )


def nishimori(size: int, seed: int = 0, *, p: float = 0.9, dimension: int = 2) -> Spins:
    """+-1 glass with a share p of ferromagnetic bonds, in a random gauge, on an L^d torus.

    At tanh(1/T) = 2p - 1 its mean energy is known (`exact.nishimori`), whatever the lattice.
    Source: Nishimori, Prog. Theor. Phys. 66 (1981) 1169.

    Raises:
        BadInput: unless 1/2 < p <= 1.
    """
    if not 0.5 < p <= 1:
        raise BadInput(f"the share p of ferromagnetic bonds must be above 1/2 and at most 1, not {p:g}")
    sides = (size,) * dimension
    edges, n = torus(sides), size**dimension
    gauge = random_spins(1, n, seeds(seed, "nishimori gauge"))[0]
    rng = np.random.default_rng(seeds(seed, "nishimori", sides, p))
    signs = np.where(rng.random(len(edges)) < p, 1.0, -1.0)
    return Spins.of_edges(
        edges,
        signs * gauge[edges].prod(axis=1),
        size=n,
        name="nishimori",
        convention=f"H = -sum_<ij> J_ij s_i s_j, J = t_i t_j with probability {p:g}, else -t_i t_j, periodic",
        sides=sides,
    )
