"""What is drawn of stationary points: index against energy, and spectra of the Hessian."""

from __future__ import annotations

import numpy as np

from spinfunnel.core import Axis, Series
from spinfunnel.dynamics.saddles import DENSE, FLAT
from spinfunnel.instruments.criticality.measuring import Points
from spinfunnel.systems.complexity import hessian_edges, index_share
from spinfunnel.systems.protocols import System
from spinfunnel.systems.sphere import Sphere

#: Groups of points by energy whose spectra are drawn, and bins of a histogram.
GROUPS, BINS = 3, 40


def order(system: System) -> int | None:
    """Give p of a spherical p-spin glass that nothing pulls at: its spectra are known as N → ∞."""
    return system.p if isinstance(system, Sphere) and system.eps == 0 else None


def relation(system: System, points: Points) -> list[Series]:
    """Draw the index share of every point against its energy, and what is known of it."""
    axes = (Axis("u = E / N"), Axis("index / directions that are not flat"))
    panel, u = f"Index against energy, N = {system.size}", points.energies / system.size
    drawn = [Series(u, points.share, label="stationary points", axes=axes, kind="scatter", panel=panel)]
    p = order(system)
    if p is not None:
        grid = np.linspace(u.min(), u.max(), 120)
        drawn.append(Series(grid, index_share(grid, p), label="semicircle, N → ∞", axes=axes, panel=panel))
    return drawn


def spectra(system: System, points: Points) -> list[Series]:
    """Draw the eigenvalues, without those that are zero, of the lowest, middle and highest points."""
    if points.spectra[0].size > DENSE or len(points.energies) < GROUPS:
        return []
    axes, drawn = (Axis("eigenvalue of the Hessian"), Axis("density")), []
    for some in np.array_split(np.arange(len(points.energies)), GROUPS):
        values = points.spectra[some]
        values = values[np.abs(values) > FLAT * np.abs(values).max(axis=1, keepdims=True)]
        if not values.size:
            continue
        u = float(points.energies[some].mean() / system.size)
        panel = f"Spectrum of the Hessian, u = {u:.3g}"
        density, edges = np.histogram(values, bins=BINS, density=True)
        drawn.append(Series(edges, density, label=f"{len(some)} points", axes=axes, kind="step", panel=panel))
        p = order(system)
        if p is not None:
            low, high = hessian_edges(u, p)
            grid, radius = np.linspace(low, high, 120), (high - low) / 2
            height = 2 / (np.pi * radius**2) * np.sqrt(np.maximum((grid - low) * (high - grid), 0))
            drawn.append(Series(grid, height, label="semicircle, N → ∞", axes=axes, panel=panel))
    return drawn
