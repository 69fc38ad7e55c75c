"""Index and spectra of stationary points where random matrices, or geometry, tell them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator

import numpy as np

from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.instruments.criticality.measuring import correlation, stationary, threshold
from spinfunnel.instruments.criticality.networks import BAND, low_points, spectrum
from spinfunnel.networks.solved import deep_linear, deep_linear_saddles
from spinfunnel.systems.complexity import index_share
from spinfunnel.systems.complexity import threshold as edge
from spinfunnel.systems.lennard_jones import lj
from spinfunnel.systems.sphere import spherical_pspin
from spinfunnel.systems.surfaces import mueller_brown, stationary_points


def _row(system: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "criticality", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _of_glasses(seed: int, size: int) -> Iterator[CalibrationRow]:
    """Compare with a semicircle about -p u, of radius 2 sqrt(p (p - 1)), that holds as N → ∞.

    Tolerances are of order 1/N, and larger than what was measured at N = 40 to 100: saddles above the minima
    that descents find have half a direction more than the semicircle says, and the mean eigenvalue is that
    of one glass, whose trace is not zero.
    """
    p = 3
    glass = spherical_pspin(size, seeds(seed, size), p=p)
    points, name = stationary(glass, seed), f"spherical p-spin, p 3, N {size}"
    u = points.energies / size
    yield CalibrationRow.rate(
        "criticality", name, "searches that converged", k=points.converged, n=points.searches, at_least=0.9
    )
    yield _row(name, "zero modes: the radius", float(np.abs(points.flat - 1).max()), 0, 0)
    levels = (points.index + 0.5) / (points.modes + 1)
    excess = float((levels - index_share(u, p))[points.index > 1].mean())
    yield _row(name, "index share less the semicircle's at that u, mean", excess, 0, 1.5 / size)
    mean = points.spectra.sum(axis=1) / points.modes
    centre = float(np.polyfit(u, mean, 1)[0])
    yield _row(name, "slope of the mean eigenvalue in u: -p", centre, -p, 0.15)
    width = np.sqrt((points.spectra**2).sum(axis=1) / points.modes - mean**2).mean()
    yield _row(name, "width of the spectrum", float(width), math.sqrt(p * (p - 1)), 3 / size)
    found = threshold(points, size)
    yield _row(name, "u where the index goes to zero", found.value if found else math.nan, edge(p), 6 / size)


def _of_surfaces(seed: int) -> Iterator[CalibrationRow]:
    """Find the three minima and two saddles of Mueller and Brown, each once."""
    points, known = stationary(mueller_brown(), seed), stationary_points(mueller_brown())
    yield _row("Mueller-Brown", "distinct stationary points", len(points.energies), len(known), 0)
    for found, index, point in zip(points.energies, points.index, known, strict=False):
        at = f"E = {point.energy:.2f}"
        yield _row("Mueller-Brown", f"energy of the point at {at}", float(found), point.energy, 1e-9)
        yield _row("Mueller-Brown", f"index of the point at {at}", float(index), point.index, 0)


def _of_clusters(seed: int) -> Iterator[CalibrationRow]:
    """A free cluster has six zero modes, and its index goes up with energy."""
    points = stationary(lj(13), seed)
    yield _row("LJ13", "zero modes of most points", float(np.median(points.flat)), 6, 0)
    yield CalibrationRow.rate(
        "criticality", "LJ13", "searches that converged", k=points.converged, n=points.searches, at_least=0.7
    )
    found = correlation(points)
    yield _row("LJ13", "Spearman's ρ of index and energy", found[0] if found else 0.0, 1, 0.25)


def _of_linear_networks(seed: int) -> Iterator[CalibrationRow]:
    """Search in networks of which every stationary point is known: it learns some values, and not others."""
    if importlib.util.find_spec("torch") is None:
        return
    for values, hidden, count in (([1.0], 1, 8), ([3.0, 2.0, 1.0], 3, 20)):
        system, name = deep_linear(np.array(values), hidden), f"linear network, values {values}"
        known = deep_linear_saddles(np.array(values), hidden)
        rng = np.random.default_rng(seeds(seed, "linear", hidden))
        x = rng.normal(size=(count, system.size)) * rng.uniform(0.1, 1.5, (count, 1))
        points = low_points(system, x, tolerance=1e-7, products=400, steps=20, probes=2, seed=seed)
        there = points.ends.converged
        yield CalibrationRow.rate(
            "criticality", name, "searches that converged", k=int(there.sum()), n=count, at_least=0.2
        )
        found = list(zip(points.ends.energies[there], points.share[there] * system.size, strict=True))
        energies = np.array([energy for energy, _ in known])
        nearest = [known[int(np.abs(energies - energy).argmin())] for energy, _ in found]
        pairs = list(zip(found, nearest, strict=True))
        off = max((abs(a[0] - b[0]) for a, b in pairs), default=math.inf)
        yield _row(name, "energy less the nearest that is known, largest", off, 0, 1e-6)
        off = max((abs(a[1] - b[1]) for a, b in pairs), default=math.inf)
        yield _row(name, "index less the known, largest", off, 0, 1e-9)
        yield CalibrationRow.rate(
            "criticality", name, "kinds of points met", k=len(set(nearest)), n=len(known), at_least=0.35
        )


def _of_many_directions(seed: int) -> Iterator[CalibrationRow]:
    """See the index by probes at eigenvectors of two-spin couplings, where it is known, on the sphere.

    The tolerance is the largest weight, 2 / (m + 1) sin², of the m = 40 nodes by which a probe sees a
    semicircle: a share of the spectrum is known to the weight of one node (Chebyshev, Markov, Stieltjes).
    """
    n, steps = 400, 40
    glass = spherical_pspin(n, seeds(seed, "many"), p=2)
    levels, vectors = np.linalg.eigh(glass.couplings)
    for k in (40, 120, 200):
        w = vectors[:, k] * math.sqrt(n)
        share = spectrum(glass, w, steps=steps, probes=24, seed=seeds(seed, k))[0]
        apart = levels - levels[k]
        known = float((apart < -BAND * np.abs(apart).max()).mean())
        quantity = f"index share of eigenvector {k}, by probes"
        yield _row(f"spherical p-spin, p 2, N {n}", quantity, share, known, 2 / (steps + 1))


SEMICIRCLE = "semicircle: Auffinger, Ben Arous, Cerny (2013)"
calibrations = (
    Calibration("p-spin saddles", SEMICIRCLE, lambda seed: _of_glasses(seed, 40)),
    Calibration("p-spin saddles, larger", SEMICIRCLE, lambda seed: _of_glasses(seed, 100), "normal"),
    Calibration("Mueller-Brown", "Newton's method from a grid (systems.surfaces)", _of_surfaces),
    Calibration("clusters", "translations and rotations", _of_clusters),
    Calibration("linear networks", "subsets of the singular values (networks.solved)", _of_linear_networks),
    Calibration("index by probes", "rank of the eigenvalue", _of_many_directions),
)
