"""What `minima` draws: the funnel, the same with its energies permuted, and the energies of minima."""

from __future__ import annotations

import numpy as np

from spinfunnel.core import Array, Axis, Series, seeds
from spinfunnel.maths.embedding import Embedding, azimuthal
from spinfunnel.structures import Structures

#: Minima that are drawn, basins that have a colour of their own, and bins of energies.
DRAWN, COLOURS, BINS = 400, 6, 40
#: The envelope has so many points along each side; from each minimum it rises by all of the range of
#: energies within this share of the largest distance.
GRID, WALL = 41, 0.5


def funnel(found: Structures, basins: Array, size: int, seed: int) -> tuple[list[Series], Embedding]:
    """Draw energies over a map of the minima about the lowest, and over the same map permuted.

    The distance from the middle is 1 - q to the lowest minimum; minima in one direction are like each other.
    The surface is the lower envelope of bowls that stand on the minima: walls are drawn, not measured.

    Shapes: basins (M,), numbers of the basin each minimum belongs to, from 0.
    """
    count = len(found.energies)
    shown = np.unique(np.linspace(0, count - 1, min(count, DRAWN)).astype(np.int64))
    u, basins = found.energies[shown] / size, np.minimum(basins[shown], COLOURS)
    embedded = azimuthal(1 - found.overlaps[np.ix_(shown, shown)], 0)
    reach = float(np.abs(embedded.points).max()) or 1.0
    margin = 0.03 * float(np.ptp(u)) or 0.5
    axes = (
        Axis("1 − q to the lowest", low=-1.05 * reach, high=1.05 * reach),
        Axis("other ways to differ", low=-1.05 * reach, high=1.05 * reach),
        Axis("u = E/N", low=float(u.min()) - margin, high=float(u.max()) + margin),
    )
    permuted = np.random.default_rng(seeds(seed, "permuted")).permutation(u)
    drawn: list[Series] = []
    for panel, heights in (("funnel", u), ("energies permuted (null)", permuted)):
        if np.ptp(u) > 0 and len(u) > 2:
            at = np.linspace(-reach, reach, GRID)
            z = envelope(embedded.points, heights, at, WALL * reach)
            drawn.append(Series(at, at, z, axes=axes, kind="surface", panel=panel))
        for basin in np.unique(basins):
            those = np.flatnonzero(basins == basin)
            x, y = embedded.points[those].T
            drawn.append(
                Series(
                    x, y, heights[those], axes=axes, kind="scatter3d", panel=panel,
                    label="others" if basin == COLOURS else f"basin {basin + 1}",
                    names=tuple(f"minimum {i + 1}" for i in shown[those]),
                )
            )  # fmt: skip
    return drawn, embedded


def envelope(points: Array, heights: Array, at: Array, width: float) -> Array:
    """Give the lowest, at each place of a grid (G, G), of bowls that stand on points (M, 2) of given heights.

    A bowl rises by the whole range of heights within `width`; above the highest point there is nothing, NaN.

    >>> two = envelope(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0]), np.array([0.0, 1.0]), 1.0)
    >>> two
    array([[ 0.,  1.],
           [ 1., nan]])
    """
    span = float(np.ptp(heights))
    x, y = points.T
    z = np.full((len(at), len(at)), np.inf)
    for a, b, height in zip(x, y, heights, strict=True):
        away = (at[None, :] - a) ** 2 + (at[:, None] - b) ** 2
        z = np.minimum(z, height + span * away / width**2)
    return np.where(z > heights.max() + 1e-12 * span, np.nan, z)


def energies(met: Array, random: Array, size: int) -> list[Series]:
    """Draw how often minima of each energy were met, (S,), beside energies of random states."""
    low, high = float(min(met.min(), random.min())) / size, float(max(met.max(), random.max())) / size
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    axes = (Axis("u = E/N", low=low - 0.02 * (high - low), high=high + 0.02 * (high - low)), Axis("density"))
    panel = "energies of minima"
    minima, free = (np.histogram(values / size, edges, density=True)[0] for values in (met, random))
    return [
        Series(edges, minima, label="minima met", axes=axes, kind="step", panel=panel),
        Series((edges[1:] + edges[:-1]) / 2, free, label="random states", axes=axes, panel=panel),
    ]
