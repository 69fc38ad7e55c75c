"""Surfaces over two coordinates, drawn in every textbook of saddles: all minima and saddles are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.systems.protocols import Metric, Smooth

#: Energies (batch,), gradients (batch, 2) and Hessians (batch, 2, 2) of x (batch, 2).
Jet: TypeAlias = Callable[[Array], tuple[Array, Array, Array]]

#: Two points this far apart have an overlap of 1/e.
LENGTH = 0.05

#: The configurations that symmetry makes one: none but itself, its mirror image through the origin, or
#: those in both axes.
ITSELF = np.eye(2)[None]
INVERSION = np.stack([np.eye(2), -np.eye(2)])
MIRRORS = np.stack([np.diag([a, b]) for a in (1.0, -1.0) for b in (1.0, -1.0)])


@dataclass(frozen=True)
class Stationary:
    """Where the gradient is zero: the point x (2,), its energy, and how many directions lead down."""

    x: Array
    energy: float
    index: int


@dataclass(frozen=True, eq=False)
class Surface(Smooth, Metric):
    """An energy of two coordinates, with its derivatives by hand.

    `box` (2, 2) holds the lowest and the highest coordinates of random draws, `images` (k, 2, 2) the
    symmetries of the energy.
    """

    name: str
    convention: str
    jet: Jet
    box: Array
    images: Array

    @property
    def size(self) -> int:
        """The number of coordinates, 2."""
        return 2

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of x (batch, 2)."""
        return self.jet(x)[0]

    def gradient(self, x: Array) -> Array:
        """Give the gradients (batch, 2)."""
        return self.jet(x)[1]

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give both, of one evaluation."""
        return self.jet(x)[:2]

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian times v, (batch, 2)."""
        return np.asarray(np.einsum("bij,bj->bi", self.jet(x)[2], v))

    def random(self, batch: int, seed: int) -> Array:
        """Draw x (batch, 2) evenly in the box."""
        rng = np.random.default_rng(seeds(seed, "surface", self.name))
        return rng.uniform(self.box[0], self.box[1], size=(batch, 2))

    def overlap(self, x: Array, y: Array) -> Array:
        """Give exp(-distance/0.05), (batch,), where y is moved to its nearest image."""
        return np.asarray(np.exp(-np.linalg.norm(x - self.nearest(x, y), axis=-1) / LENGTH))

    def nearest(self, x: Array, y: Array) -> Array:
        """Give the image of y (batch, 2) that is nearest to x."""
        images = np.einsum("kij,bj->kbi", self.images, y)
        closest = np.linalg.norm(x - images, axis=-1).argmin(axis=0)
        return np.asarray(images[closest, np.arange(len(y))])


def stationary_points(surface: Surface, *, starts: int = 41) -> tuple[Stationary, ...]:
    """Find the minima, saddles and maxima in the box, by Newton's method from a grid, lowest first.

    Their gradients are zero within rounding. Steps are at most a tenth of the box, so that starts where the
    surface is nearly flat do not fly away.

    >>> [(round(point.energy, 9), point.index) for point in stationary_points(double_well())]
    [(0.0, 0), (0.0, 0), (1.0, 1)]
    """
    low, high = surface.box
    sides = np.linspace(low, high, starts)
    x = np.stack(np.meshgrid(sides[:, 0], sides[:, 1]), axis=-1).reshape(-1, 2)
    furthest = float((high - low).min()) / 10
    for _ in range(100):
        _, gradient, hessian = surface.jet(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b, c = hessian[:, 0, 0], hessian[:, 0, 1], hessian[:, 1, 1]
            adjoint = np.stack(
                [c * gradient[:, 0] - b * gradient[:, 1], a * gradient[:, 1] - b * gradient[:, 0]], axis=-1
            )
            step = adjoint / (a * c - b * b)[:, None]
            step *= np.minimum(1.0, furthest / np.linalg.norm(step, axis=-1))[:, None]
        x = np.clip(x - np.nan_to_num(step), low, high)
    _, gradient, _ = surface.jet(x)
    x = x[np.linalg.norm(gradient, axis=-1) < 1e-10]
    _, first = np.unique(x.round(6) + 0.0, axis=0, return_index=True)
    energies, _, hessians = surface.jet(x[first])
    found = [
        Stationary(point, float(energy), int((np.linalg.eigvalsh(hessian) < 0).sum()))
        for point, energy, hessian in zip(x[first], energies, hessians, strict=True)
    ]
    return tuple(sorted(found, key=lambda point: (round(point.energy, 9), *point.x)))


def two_coordinates(name: str, size: int) -> None:
    """Refuse any size but 2.

    Raises:
        BadInput: for another size.
    """
    if size != 2:
        raise BadInput(f"{name} has 2 coordinates, not {size}: leave the size out")


def mueller_brown(size: int = 2, seed: int = 0) -> Surface:
    """Mueller-Brown surface: four Gaussians, three minima in a bent valley, two saddles between them.

    Source: Mueller & Brown, Theor. Chim. Acta 53 (1979) 75, footnote 7.

    >>> [round(point.energy, 5) for point in stationary_points(mueller_brown())]
    [-146.69952, -108.16672, -80.76782, -72.24894, -40.66484]

    Raises:
        BadInput: for a size other than 2.
    """
    two_coordinates("mueller-brown", size)
    height = np.array([-200.0, -100.0, -170.0, 15.0])
    centre = np.array([[1.0, 0.0], [0.0, 0.5], [-0.5, 1.5], [-1.0, 1.0]])
    a, b, c = np.array([[-1.0, -1.0, -6.5, 0.7], [0.0, 0.0, 11.0, 0.6], [-10.0, -10.0, -6.5, 0.7]])
    form = np.array([[2 * a, b], [b, 2 * c]]).transpose(2, 0, 1)  # second derivatives of the exponents

    def jet(x: Array) -> tuple[Array, Array, Array]:
        away = x[:, None] - centre
        slope = np.einsum("kij,bkj->bki", form, away)
        each = height * np.exp(np.einsum("bki,bki->bk", slope, away) / 2)
        bend = np.einsum("bk,bki,bkj->bij", each, slope, slope) + np.einsum("bk,kij->bij", each, form)
        return each.sum(axis=1), np.einsum("bk,bki->bi", each, slope), bend

    return Surface(
        "mueller-brown",
        "E = sum_k A_k exp(a_k dx^2 + b_k dx dy + c_k dy^2), four terms, constants of Mueller & Brown (1979)",
        jet,
        np.array([[-1.5, -0.2], [1.2, 2.0]]),
        ITSELF,
    )


def curvy_valley(size: int = 2, seed: int = 0) -> Surface:
    """Curvy valley: E = (y - sin x)^2 + ((x/x0)^2 - 1)^2, x0 = 5 pi/2, a valley that winds.

    Minima are +-(x0, 1) with E = 0, the saddle is the origin with E = 1 = the barrier along the valley, and
    there is nothing else; on the straight line between the minima the barrier is 2.97667.
    Source: the toy surface of Draxler, Veschgini, Salmhofer & Hamprecht, ICML 2018, scaled to a barrier of 1.

    >>> [(point.energy.__round__(9), point.index) for point in stationary_points(curvy_valley())]
    [(0.0, 0), (0.0, 0), (1.0, 1)]

    Raises:
        BadInput: for a size other than 2.
    """
    two_coordinates("curvy-valley", size)
    return valley(
        "curvy-valley",
        "E = (y - sin x)^2 + ((x/x0)^2 - 1)^2, x0 = 5 pi/2",
        half=5 * math.pi / 2,
        wave=1.0,
        images=INVERSION,
    )


def double_well(size: int = 2, seed: int = 0) -> Surface:
    """Double well: E = (x^2 - 1)^2 + y^2, minima (+-1, 0) with E = 0, the saddle at the origin with E = 1.

    >>> double_well().energy(np.array([[1.0, 0.0], [0.0, 0.0]]))
    array([0., 1.])

    Raises:
        BadInput: for a size other than 2.
    """
    two_coordinates("double-well", size)
    return valley("double-well", "E = (x^2 - 1)^2 + y^2", half=1.0, wave=0.0, images=MIRRORS)


def valley(name: str, convention: str, *, half: float, wave: float, images: Array) -> Surface:
    """Make E = (y - wave sin x)^2 + ((x/half)^2 - 1)^2: two minima at x = +-half, a saddle between them."""

    def jet(x: Array) -> tuple[Array, Array, Array]:
        s, c = wave * np.sin(x[:, 0]), wave * np.cos(x[:, 0])
        off, t = x[:, 1] - s, x[:, 0] / half
        gradient = np.stack([4 * t * (t * t - 1) / half - 2 * off * c, 2 * off], axis=-1)
        along = (12 * t * t - 4) / half**2 + 2 * c * c + 2 * off * s
        two = np.full_like(off, 2.0)
        bend = np.stack([along, -2 * c, -2 * c, two], axis=-1).reshape(-1, 2, 2)
        return off**2 + (t * t - 1) ** 2, gradient, bend

    edge = np.array([1.5 * half, 2.0])
    return Surface(name, convention, jet, np.stack([-edge, edge]), images)


#: Minima and saddles of the Mueller-Brown surface, literature: Mueller & Brown (1979), as quoted everywhere.
LITERATURE = (
    (-0.558, 1.442, -146.700),
    (0.623, 0.028, -108.167),
    (-0.050, 0.467, -80.768),
    (0.212, 0.293, -72.249),
    (-0.822, 0.624, -40.665),
)


def four_terms(x: complex, y: complex) -> complex:
    """Give the Mueller-Brown energy, term by term as printed, at coordinates that may be complex."""
    return complex(
        -200 * np.exp(-((x - 1) ** 2) - 10 * y**2)
        - 100 * np.exp(-(x**2) - 10 * (y - 0.5) ** 2)
        - 170 * np.exp(-6.5 * (x + 0.5) ** 2 + 11 * (x + 0.5) * (y - 1.5) - 6.5 * (y - 1.5) ** 2)
        + 15 * np.exp(0.7 * (x + 1) ** 2 + 0.6 * (x + 1) * (y - 1) + 0.7 * (y - 1) ** 2)
    )


def of_stationary_points(seed: int) -> Iterator[CalibrationRow]:
    """Compare all stationary points with closed forms, with another solver, and with what was printed."""
    from scipy.optimize import root

    def row(name: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
        return CalibrationRow.deterministic(
            "surfaces", name, quantity, exact=known, value=found, tolerance=tolerance
        )

    def slope(at: Array) -> list[float]:
        """The gradient by complex steps: no derivative is written down."""
        tiny = 1e-30
        x, y = at
        return [four_terms(x + tiny * 1j, y).imag / tiny, four_terms(x, y + tiny * 1j).imag / tiny]

    name, points = "Mueller-Brown", stationary_points(mueller_brown())
    yield row(name, "minima", sum(p.index == 0 for p in points), 3, 0)
    yield row(name, "saddles", sum(p.index == 1 for p in points), 2, 0)
    for point, (x, y, energy) in zip(points, LITERATURE, strict=False):
        kind = f"{'saddle' if point.index else 'minimum'} near ({x}, {y})"
        solved = root(slope, [x, y], tol=1e-14).x
        yield row(name, f"x of the {kind}", float(point.x[0]), float(solved[0]), 1e-9)
        yield row(name, f"y of the {kind}", float(point.x[1]), float(solved[1]), 1e-9)
        yield row(name, f"energy of the {kind}", point.energy, four_terms(*solved).real, 1e-9)
        yield row(name, f"energy of the {kind}, literature", point.energy, energy, 6e-4)
    x0 = 5 * math.pi / 2
    for surface, ends in ((curvy_valley(), (x0, 1.0)), (double_well(), (1.0, 0.0))):
        points = stationary_points(surface)
        yield row(surface.name, "stationary points", len(points), 3, 0)
        for point, sign in zip(points, (-1, 1, 0), strict=False):
            off = float(np.abs(point.x - np.multiply(sign, ends)).max())
            kind = "minimum" if sign else "saddle"
            yield row(surface.name, f"{kind} {sign:+}, distance from where it is", off, 0, 1e-9)
            yield row(surface.name, f"{kind} {sign:+}, energy", point.energy, float(sign == 0), 1e-12)


calibrations = (
    Calibration(
        "stationary points", "Mueller & Brown (1979), complex steps, closed forms", of_stationary_points
    ),
)
