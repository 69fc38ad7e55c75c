"""Ways from one point of a smooth energy to another: straight, bent, and chains that relax.

A bent or relaxed way that climbs little proves that no more is needed; one that climbs much proves nothing.
Sources: Goodfellow, Vinyals & Saxe, arXiv:1412.6544 (lines); Garipov, Izmailov, Podoprikhin, Vetrov & Wilson,
NeurIPS 2018 (Bezier curves); Draxler, Veschgini, Salmhofer & Hamprecht, ICML 2018 (chains, AutoNEB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array
from spinfunnel.dynamics.elastic_band import elastic_bands
from spinfunnel.systems.protocols import Smooth

#: Where a curve is lowered: at so many points, evenly spaced.
NODES = 5
#: A chain begins with so many images, its ends among them. Between two cycles it gets an image more in each
#: of at most so many gaps, those in which the energy is higher than on a straight line between its ends, by
#: this share of the chain's range.
IMAGES, GAPS, HIGHER = 7, 2, 0.05


@dataclass(frozen=True)
class Way:
    """A way through the points `knots` (m, *shape), or, if it is `bent`, a Bezier curve that they control.

    `gradients` is how many were spent to find it.
    """

    name: str
    knots: Array
    bent: bool = False
    gradients: int = 0

    def at(self, t: float) -> Array:
        """Give the point (*shape) at a time from 0 to 1.

        >>> way = Way("", np.array([[0.0], [1.0], [0.0]]))
        >>> way.at(0.25), Way("", way.knots, bent=True).at(0.5)
        (array([0.5]), array([0.5]))
        """
        if self.bent:
            a, c, b = self.knots
            return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * c + t**2 * b)
        last = len(self.knots) - 1
        left = min(int(t * last), last - 1)
        share = t * last - left
        return np.asarray((1 - share) * self.knots[left] + share * self.knots[left + 1])


def straight(name: str, a: Array, b: Array) -> Way:
    """Give the straight way from a to b (*shape)."""
    return Way(name, np.stack([a, b]).astype(np.float64))


def curve(name: str, system: Smooth, a: Array, b: Array, gradients: int) -> Way:
    """Bend a quadratic Bezier curve from a to b (*shape) so that its mean energy at a few points is lowest.

    The one point that controls it is found by L-BFGS, from the middle of the straight line. Once the curve is
    nowhere higher than its ends it is left alone: weights that only fit better would be of no use.

    >>> from spinfunnel.systems.surfaces import double_well
    >>> way = curve("", double_well(), np.array([1.0, 0.5]), np.array([1.0, -0.5]), 100)
    >>> way.knots[1].round(6) + 0.0, way.gradients < 150
    (array([1., 0.]), True)
    """
    from scipy.optimize import minimize

    t = (np.arange(NODES) + 0.5) / NODES
    t = t.reshape(-1, *[1] * a.ndim)
    ends, middle = (1 - t) ** 2 * a + t**2 * b, 2 * t * (1 - t)
    enough, spent, highest = float(system.energy(np.stack([a, b])).max()), 0, np.inf

    def mean_energy(control: Array) -> tuple[float, Array]:
        nonlocal spent, highest
        spent += NODES
        energies, slopes = system.energy_and_gradient(ends + middle * control.reshape(a.shape))
        highest = float(energies.max())
        return float(energies.mean()), np.asarray((middle * slopes).mean(axis=0), dtype=np.float64).ravel()

    def stop(control: Array) -> None:
        if highest <= enough:
            raise StopIteration

    begin = ((a + b) / 2).astype(np.float64).ravel()
    callback: Any = stop
    options: Any = {
        "maxfun": gradients // NODES,
        "maxiter": gradients,
        "maxls": 10,
        "gtol": 1e-9,
        "ftol": 1e-12,
    }
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite losses
        found = minimize(mean_energy, begin, jac=True, method="L-BFGS-B", callback=callback, options=options)
    return Way(name, np.stack([a, found.x.reshape(a.shape), b]).astype(np.float64), True, spent)


def chain(name: str, system: Smooth, a: Array, b: Array, iterations: int, cycles: int = 1) -> Way:
    """Relax a nudged elastic band from a to b (*shape); images are added where it is too coarse.

    >>> from spinfunnel.systems.surfaces import double_well
    >>> way = chain("", double_well(), np.array([-1.0, 0.0]), np.array([1.0, 0.0]), 50)
    >>> way.knots.shape
    (7, 2)
    """
    band = elastic_bands(system, a[None], b[None], images=IMAGES, iterations=iterations)
    spent = IMAGES * iterations
    for _ in range(cycles - 1):
        x = _finer(system, band.images[0], band.energies[0])
        band = elastic_bands(system, a[None], b[None], iterations=iterations, start=x[None])
        spent += len(x) * iterations
    return Way(name, band.images[0], gradients=spent)


def _finer(system: Smooth, x: Array, energies: Array) -> Array:
    """Put an image into the middle of the gaps in which the energy is higher than at their ends."""
    middles = (x[1:] + x[:-1]) / 2
    excess = system.energy(middles) - (energies[1:] + energies[:-1]) / 2
    gaps = np.argsort(-excess)[:GAPS]
    gaps = gaps[excess[gaps] > HIGHER * np.ptp(energies)]
    return np.insert(x, gaps + 1, middles[gaps], axis=0)
