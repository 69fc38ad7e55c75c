"""What `minima` draws: the funnel, the same with its energies permuted, and the energies of minima."""

from __future__ import annotations

import numpy as np

from spinfunnel.core import Array, Axis, Series, seeds
from spinfunnel.maths.embedding import Embedding, azimuthal
from spinfunnel.structures import Structures

#: Minima that are drawn, basins that have a colour of their own, and bins of energies.
DRAWN, COLOURS, BINS = 400, 6, 40
#: The surface has so many rings and rays; wells are as wide as this share of the largest distance from the
#: middle, and it ends where they do; its top is at most so many ranges of the minima above the lowest.
RINGS, RAYS, WELL, HEADROOM = 40, 72, 0.45, 2.0


def funnel(
    found: Structures, basins: Array, random: float, size: int, seed: int
) -> tuple[list[Series], Embedding]:
    """Draw energies over a map of the minima about the lowest, and over the same map permuted.

    The distance from the middle is 1 - q to the lowest minimum; minima in one direction are like each other.
    The surface is a plain with a well on every minimum, as high as `random`, the mean energy of random
    states, or not as high if minima would all lie at its bottom: it is drawn, not measured. Of one minimum or
    two there is no picture.

    Shapes: basins (M,), numbers of the basin each minimum belongs to, from 0.
    """
    count = len(found.energies)
    shown = np.unique(np.linspace(0, count - 1, min(count, DRAWN)).astype(np.int64))
    u, basins = found.energies[shown] / size, np.minimum(basins[shown], COLOURS)
    embedded = azimuthal(1 - found.overlaps[np.ix_(shown, shown)], 0)
    farthest = float(np.hypot(*embedded.points.T).max())
    span, free = float(np.ptp(u)), random / size
    top = max(min(free, float(u[0]) + HEADROOM * span) if span > 0 else free, float(u.max()))
    if count < 3 or not farthest > 0 or not top > u[0]:
        return [], embedded
    radius = (1 + WELL) * farthest
    margin = 0.03 * (top - float(u[0]))
    axes = (
        Axis("1 − q to the lowest", low=-radius, high=radius),
        Axis("other ways to differ", low=-radius, high=radius),
        Axis("u = E/N", low=float(u[0]) - margin, high=top + margin),
    )
    angle, away = np.linspace(0, 2 * np.pi, RAYS + 1), np.linspace(0, radius, RINGS + 1)[:, None]
    x, y = away * np.cos(angle), away * np.sin(angle)
    permuted = np.random.default_rng(seeds(seed, "permuted")).permutation(u)
    drawn: list[Series] = []
    for panel, heights in (("landscape of minima", u), ("energies permuted (null)", permuted)):
        z = plain_with_wells(embedded.points, heights, top, x, y, WELL * farthest)
        drawn.append(Series(x, y, z, axes=axes, kind="surface", panel=panel))
        for basin in np.unique(basins):
            those = np.flatnonzero(basins == basin)
            at_x, at_y = embedded.points[those].T
            drawn.append(
                Series(
                    at_x, at_y, heights[those], axes=axes, kind="scatter3d", panel=panel,
                    label="others" if basin == COLOURS else f"basin {basin + 1}",
                    names=tuple(f"minimum {i + 1}" for i in shown[those]),
                )
            )  # fmt: skip
    return drawn, embedded


def plain_with_wells(points: Array, heights: Array, top: float, x: Array, y: Array, width: float) -> Array:
    """Give the height at places (x, y) of a plain at `top`, with a well down to each of the points (M, 2).

    A well goes up as (1 - d² / width²)²; where wells meet, the deepest counts.

    >>> x = np.array([0.0, 2.0, 9.0])
    >>> plain_with_wells(np.array([[0.0, 0.0], [9.0, 0.0]]), np.array([0.0, 1.0]), 2.0, x, 0 * x, width=2.0)
    array([0., 2., 1.])
    """
    z = np.full(x.shape, float(top))
    for (a, b), height in zip(points, heights, strict=True):
        inside = np.maximum(1 - ((x - a) ** 2 + (y - b) ** 2) / width**2, 0)
        z = np.minimum(z, top - (top - height) * inside**2)
    return z


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
