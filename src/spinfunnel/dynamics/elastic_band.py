"""Paths between minima of a smooth energy: doubly-nudged elastic bands, and the saddles they lead to.

A band is a row of images, held apart by springs along it while the energy pulls them down across it; part of
the springs' pull across it is kept, as far as it does not work against the energy. All images of all bands
move together. A saddle found from the top of a band is exact, and the descents on both its sides say what it
joins. Source: Trygubenko & Wales, J. Chem. Phys. 120 (2004) 2082.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow
from spinfunnel.dynamics.descent import descend
from spinfunnel.dynamics.replicas import whole
from spinfunnel.dynamics.saddles import modes
from spinfunnel.systems.protocols import Smooth
from spinfunnel.systems.surfaces import curvy_valley, double_well, mueller_brown, stationary_points

#: Springs are this share of the largest curvature; no coordinate moves further in a step than this share of
#: the distance between images.
STIFFNESS, FURTHEST = 0.1, 0.5
#: Energies are looked at, at so many points between two images.
BETWEEN = 8
#: Directions with less than this share of the largest curvature are free, such as turns of a cluster; a point
#: is still if its gradient is less than this share of it (per unit of length).
FREE, STILL = 1e-6, 1e-7
#: How fast bands that go on downhill speed up, and slow down (FIRE).
PATIENCE, FASTER, SLOWER, MIXING, LESS = 5, 1.1, 0.5, 0.1, 0.99


@dataclass(frozen=True)
class Bands:
    """P bands of K images each: images (P, K, *shape), energies (P, K), and the highest energy on each, (P,).

    The highest is looked for between the images too: no band is passed below it.
    """

    images: Array
    energies: Array
    highest: Array


def elastic_bands(
    system: Smooth,
    a: Array,
    b: Array,
    *,
    images: int = 16,
    iterations: int = 200,
    start: Array | None = None,
) -> Bands:
    """Relax bands from the minima a to b (P, *shape), each of `images` with its ends, from straight ones.

    With `start` (P, K, *shape) they begin as bands of K images that are there already, between a and b.

    In the second half of the iterations, the highest image climbs. Sources of the way down: Bitzek, Koskinen,
    Gaehler, Moseler & Gumbsch, Phys. Rev. Lett. 97 (2006) 170201; of the direction along a band and of
    climbing: Henkelman, Uberuaga & Jonsson, J. Chem. Phys. 113 (2000) 9901 and 9978.

    >>> valley = curvy_valley()
    >>> right = np.array([[2.5 * np.pi, 1.0]])
    >>> elastic_bands(valley, right, -right, images=24, iterations=1500).highest.round(2)
    array([1.])

    Raises:
        BadInput: if shapes differ, there are fewer than 3 images, or not one iteration.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.shape[1:] != system.shape:
        raise BadInput(f"bands have ends of shape (P, *{system.shape}), these have {a.shape} and {b.shape}")
    if images < 3:
        raise BadInput(f"a band has 3 images or more, not {images}")
    whole(iterations=iterations)
    flat, shares = (len(a), 1, -1), np.linspace(0, 1, images)[:, None]
    straight = (1 - shares) * a.reshape(flat) + shares * b.reshape(flat)
    x = _settled(system, straight if start is None else start.reshape(*start.shape[:2], -1).copy())
    energies, slopes = _looked_at(system, x)
    spacing = np.linalg.norm(np.diff(x, axis=1), axis=2).mean(axis=1)
    curvature = np.maximum(_largest_curvature(system, a), _largest_curvature(system, b))
    springs, longest = STIFFNESS * curvature, 1 / np.sqrt(curvature)
    speed = np.zeros_like(x[:, 1:-1])
    pace, mixing, good = 0.1 * longest, np.full(len(a), MIXING), np.zeros(len(a), dtype=np.int64)
    for done in range(iterations):
        force = nudged(x, energies, slopes, springs, climbing=2 * done >= iterations)
        power = (force * speed).sum(axis=(1, 2))
        up = power <= 0
        along = _norm(speed) / np.maximum(_norm(force), 1e-300)
        speed += mixing[:, None, None] * (along * force - speed)
        speed[up] = 0.0
        good = np.where(up, 0, good + 1)
        steady = good > PATIENCE
        pace = np.where(up, SLOWER * pace, np.where(steady, np.minimum(FASTER * pace, longest), pace))
        mixing = np.where(up, MIXING, np.where(steady, LESS * mixing, mixing))
        speed += pace[:, None, None] * force
        step = pace[:, None, None] * speed
        far = np.linalg.norm(step, axis=2, keepdims=True) / (FURTHEST * spacing[:, None, None])
        x[:, 1:-1] = _settled(system, x[:, 1:-1] + step / np.maximum(far, 1.0))
        energies[:, 1:-1], slopes[:, 1:-1] = _looked_at(system, x[:, 1:-1])
    return Bands(x.reshape(*x.shape[:2], *system.shape), energies, _highest(system, x))


def nudged(x: Array, energies: Array, slopes: Array, springs: Array, *, climbing: bool) -> Array:
    """Give the forces on all images but the ends, (P, K - 2, n): x and slopes (P, K, n), energies (P, K)."""
    ahead, behind = x[:, 2:] - x[:, 1:-1], x[:, 1:-1] - x[:, :-2]
    rise, fall = np.diff(energies)[:, 1:, None], -np.diff(energies)[:, :-1, None]
    large, small = np.maximum(np.abs(rise), np.abs(fall)), np.minimum(np.abs(rise), np.abs(fall))
    forward = np.where(rise > fall, large, small)  # energies on both sides; towards the higher neighbour
    forward = np.where((rise > 0) & (fall < 0), 1.0, np.where((rise < 0) & (fall > 0), 0.0, forward))
    backward = np.where(rise > fall, small, large)
    backward = np.where((rise > 0) & (fall < 0), 0.0, np.where((rise < 0) & (fall > 0), 1.0, backward))
    tangent = forward * ahead + backward * behind
    tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-300)
    slope = slopes[:, 1:-1]
    across = slope - _dot(slope, tangent) * tangent
    pull = springs[:, None, None] * (ahead - behind)
    lengths = np.linalg.norm(ahead, axis=2, keepdims=True) - np.linalg.norm(behind, axis=2, keepdims=True)
    sideways = pull - _dot(pull, tangent) * tangent
    downhill = across / np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-300)
    second = sideways - _dot(sideways, downhill) * downhill
    force = -across + springs[:, None, None] * lengths * tangent + second
    if climbing:
        top = np.arange(len(x)), energies[:, 1:-1].argmax(axis=1)
        force[top] = (2 * _dot(slope, tangent) * tangent - slope)[top]
    return np.asarray(force)


def _dot(x: Array, y: Array) -> Array:
    return np.asarray((x * y).sum(axis=2, keepdims=True))


def _norm(x: Array) -> Array:
    return np.asarray(np.sqrt((x * x).sum(axis=(1, 2), keepdims=True)))


def _settled(system: Smooth, x: Array) -> Array:
    return np.asarray(system.settle(x.reshape(-1, *system.shape)).reshape(x.shape))


def _looked_at(system: Smooth, x: Array) -> tuple[Array, Array]:
    """Give energies (P, K) and gradients (P, K, n) of x (P, K, n)."""
    with np.errstate(over="ignore", invalid="ignore"):
        energies, slopes = system.energy_and_gradient(x.reshape(-1, *system.shape))
    return energies.reshape(x.shape[:2]), slopes.reshape(x.shape)


def _largest_curvature(system: Smooth, x: Array) -> Array:
    """Estimate the largest eigenvalue of the Hessian at each of x (P, *shape), by powers of it."""
    rng, axes = np.random.default_rng(0), tuple(range(1, x.ndim))
    v, size = rng.standard_normal(x.shape), np.ones(len(x))
    for _ in range(12):
        v = v / np.sqrt((v * v).sum(axis=axes, keepdims=True))
        v = system.hvp(x, v)
        size = np.sqrt((v * v).sum(axis=axes))
    return np.asarray(size)


def _highest(system: Smooth, x: Array) -> Array:
    """Give the highest energy on the straight lines between images x (P, K, n), settled, (P,)."""
    rows, last = np.arange(len(x)), x.shape[1] - 1
    places = np.broadcast_to(np.linspace(0, last, last * BETWEEN + 1), (len(x), last * BETWEEN + 1))
    for finer in (1, BETWEEN, BETWEEN**2):  # each time closer around the highest point so far
        left = np.minimum(places.astype(int), last - 1)
        share = (places - left)[:, :, None]
        there = (1 - share) * x[rows[:, None], left] + share * x[rows[:, None], left + 1]
        energies = _looked_at(system, _settled(system, there))[0]
        top = places[rows, energies.argmax(axis=1), None]
        around = np.linspace(-1, 1, 2 * BETWEEN + 1) / (BETWEEN * finer)
        places = np.clip(top + around, 0, last)
    return np.asarray(energies.max(axis=1))


@dataclass(frozen=True)
class Saddles:
    """Saddles (S, *shape) that were found: energies (S,), the unit direction that leads down, (S, *shape)."""

    x: Array
    energies: Array
    ways: Array


def saddles(system: Smooth, x: Array, *, longest: float, iterations: int = 40) -> Saddles:
    """Follow the softest direction up and all others down, from each of x (B, *shape), to saddles.

    A step goes where the gradient would vanish, but at most `longest` far. Given are those that end where no
    component of the gradient is above 1e-7 of the largest curvature, with one direction down.
    Source: Cerjan & Miller, J. Chem. Phys. 75 (1981) 2800.

    >>> found = saddles(double_well(), np.array([[0.2, 0.1]]), longest=0.2)
    >>> found.energies.round(12), np.abs(found.ways[0]).round(6)
    (array([1.]), array([1., 0.]))
    """
    at, energies, ways = [], [], []
    for here in x:
        for _ in range(iterations):
            slope = system.gradient(here[None]).ravel()
            curvatures, ways_out = modes(system, here, slope[:, None])
            hard = float(np.abs(curvatures).max())
            moving = np.abs(curvatures) > FREE * hard
            if np.abs(slope).max() <= STILL * hard:
                break
            along = ways_out.T @ slope
            step = np.where(moving, -along / np.maximum(np.abs(curvatures), FREE * hard), 0.0)
            step[moving.argmax()] *= -1
            step = ways_out @ step
            step *= min(1.0, longest / float(np.linalg.norm(step)))
            here = system.settle((here + step.reshape(here.shape))[None])[0]
        else:
            continue
        if (curvatures[moving] < 0).sum() == 1:
            at.append(here)
            energies.append(float(system.energy(here[None])[0]))
            ways.append(ways_out[:, moving.argmax()].reshape(here.shape))
    shape = (len(at), *system.shape)
    return Saddles(np.reshape(at, shape), np.array(energies), np.reshape(ways, shape))


def tops(bands: Bands) -> tuple[Array, Array]:
    """Give the images (T, *shape) that are higher than those beside them, and the bands (T,) they are of."""
    inner = bands.energies[:, 1:-1]
    which, where = np.nonzero((inner >= bands.energies[:, :-2]) & (inner > bands.energies[:, 2:]))
    return bands.images[which, where + 1], which


def sides(system: Smooth, found: Saddles, *, away: float, tolerance: float = 1e-7) -> tuple[Array, Array]:
    """Give the minima on both sides of saddles, (2, S, *shape), and whether both were reached, bool (S,).

    The ways down begin so far `away` from the saddle, along the direction that leads down.

    >>> found = saddles(double_well(), np.array([[0.2, 0.1]]), longest=0.2)
    >>> np.sort(sides(double_well(), found, away=0.05)[0][:, 0, 0]).round(6)
    array([-1.,  1.])
    """
    if not len(found.x):
        return np.empty((2, *found.x.shape)), np.empty(0, dtype=bool)
    starts = system.settle(np.concatenate([found.x + away * found.ways, found.x - away * found.ways]))
    trace = descend(system, starts, tolerance=tolerance)
    reached = trace.stats["converged"].reshape(2, -1).all(axis=0)
    return trace.final.reshape(2, *found.x.shape), reached


def _surfaces(seed: int) -> Iterator[CalibrationRow]:
    """Compare bands, and the saddles they lead to, with all stationary points by Newton's method."""
    for surface in (mueller_brown(), curvy_valley(), double_well()):
        points = sorted(stationary_points(surface), key=lambda point: float(point.x[0]))  # along the valley
        minima = np.array([point.x for point in points if point.index == 0])
        exact = [point.energy for point in points if point.index == 1]
        begun, bands = (
            elastic_bands(surface, minima[:-1], minima[1:], images=24, iterations=n) for n in (40, 800)
        )
        found = saddles(surface, tops(begun)[0], longest=0.1)
        ends, _ = sides(surface, found, away=0.01)
        joined = np.sort(np.linalg.norm(ends[:, :, None] - minima, axis=-1).argmin(axis=2), axis=0)
        for k, known in enumerate(exact):
            mine = found.energies[(joined == [[k], [k + 1]]).all(axis=0)]
            for quantity, value, tolerance in (
                ("highest energy of the band", bands.highest[k], 1e-6),
                ("the same after 40 iterations, if that is lower", min(known, begun.highest[k]), 1e-6),
                ("saddle that joins them", mine.min(initial=np.inf), 1e-9),
            ):
                yield CalibrationRow.deterministic(
                    "elastic_band", f"{surface.name}, minima {k + 1} and {k + 2}", quantity,
                    exact=known, value=float(value), tolerance=tolerance,
                )  # fmt: skip
        distinct = len(np.unique(found.energies.round(9)))
        yield CalibrationRow.deterministic(
            "elastic_band", surface.name, "saddles", exact=len(exact), value=distinct, tolerance=0
        )


calibrations = (Calibration("bands on surfaces", "stationary points by Newton's method", _surfaces),)
