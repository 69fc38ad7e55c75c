"""Facts of surfaces over two coordinates: every minimum and saddle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from spinfunnel.systems import surfaces
from spinfunnel.systems.facts import Fact, literature

NEWTON = "gradient zero to rounding: `surfaces.stationary_points`"


def of_points(surface: surfaces.Surface) -> Iterator[Fact]:
    """All stationary points, lowest first."""
    for point in surfaces.stationary_points(surface):
        x, y = (f"{c:.9f}".rstrip("0").rstrip(".") for c in point.x.round(9) + 0.0)
        kind = ("minimum", "saddle", "maximum")[point.index]
        energy = round(point.energy, 9) + 0.0
        yield Fact(f"energy of a {kind}", energy, f"at ({x}, {y})", NEWTON, digits=12)


def of_mueller_brown() -> Iterator[Fact]:
    """Three minima, two saddles."""
    yield from of_points(surfaces.mueller_brown())
    for x, y, energy in surfaces.LITERATURE:
        brown = "Müller & Brown, Theor. Chim. Acta 53 (1979) 75"
        yield literature("energy as printed", f"{energy:.3f}", f"at ({x:.3f}, {y:.3f})", brown)


def of_valley(make: Callable[[], surfaces.Surface], straight: bool) -> Iterator[Fact]:
    """Two minima, one saddle; and what lies on the straight line between the minima."""
    from scipy.optimize import minimize_scalar

    yield from of_points(make())
    low, _, saddle = surfaces.stationary_points(make())
    yield Fact("barrier", saddle.energy - low.energy, "along the valley", NEWTON)
    if straight:

        def below(share: float) -> float:
            return -float(make().energy(share * low.x[None])[0])

        top = min(
            float(minimize_scalar(below, bounds=(a, a + 0.1), method="bounded", options={"xatol": 1e-10}).fun)
            for a in np.arange(0, 1, 0.1)
        )
        yield Fact("highest point on the straight line", -top, "between the minima", "a search along it")
    bend = float(np.linalg.eigvalsh(make().jet(saddle.x[None])[2][0])[0])
    yield Fact("lowest curvature", bend, "at the saddle", "its Hessian")


FACTS: Mapping[str, Callable[[], Iterator[Fact]]] = {
    "mueller-brown": of_mueller_brown,
    "curvy-valley": partial(of_valley, surfaces.curvy_valley, True),
    "double-well": partial(of_valley, surfaces.double_well, False),
}
