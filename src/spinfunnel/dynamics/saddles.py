"""Climb from minima to saddles of any index: up along so many directions, down along all others.

The surest way to stationary points is not down the square of the gradient, which mostly ends where that is
small but not zero (Doye & Wales, J. Chem. Phys. 116 (2002) 3777), but Newton's steps with signs of our own:
in the eigenbasis of the Hessian, against the gradient, but along it in the k directions to be climbed. What
such steps converge to has index k. Sources: Cerjan & Miller, J. Chem. Phys. 75 (1981) 2800; Wales, J. Chem.
Phys. 101 (1994) 3750; Yin, Zhang & Zhang, SIAM J. Sci. Comput. 41 (2019) A3576 (any index).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.descent import LONGEST, descend
from spinfunnel.dynamics.replicas import whole
from spinfunnel.systems.lennard_jones import lj
from spinfunnel.systems.protocols import Smooth, System
from spinfunnel.systems.sphere import spherical_pspin
from spinfunnel.systems.surfaces import double_well, mueller_brown, stationary_points

#: Up to so many coordinates the Hessian is made, from as many products; of more, only KRYLOV of its vectors.
DENSE, KRYLOV = 1000, 120
#: Products with the Hessian that are asked for at once.
AT_ONCE = 64
#: Eigenvalues within this share of the largest are zero.
FLAT = 1e-8
#: The first push off a minimum, as a share of the longest step.
PUSH = 0.25
#: A step is made if the gradient's length is off what the Hessian says by less than this share of it; steps
#: shorten if it is off by more than the second, and lengthen if by less than the third.
MADE, SHORTEN, LENGTHEN = 0.5, 0.3, 0.15
#: Steps shorter than this share of the longest are the last.
SHORTEST = 1e-12
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Saddles:
    """Where R searches ended.

    Attributes:
        x: (R, *shape).
        energies: (R,).
        slopes: (R,), lengths of the gradient; `converged` (R,) says which are below the tolerance.
        climbed: (R,), directions that each was to climb.
        spectra: the eigenvalues of the Hessian, ascending, (R, n); of many coordinates, some of them.
        steps: (R,), Newton steps tried.
    """

    x: Array
    energies: Array
    slopes: Array
    converged: Array
    climbed: Array
    spectra: Array
    steps: Array

    @property
    def flat(self) -> Array:
        """How many eigenvalues are zero, (R,): shifts and turns of a cluster, the radius of a sphere."""
        return np.asarray((np.abs(self.spectra) <= _zero(self.spectra)).sum(axis=1))

    @property
    def index(self) -> Array:
        """How many eigenvalues are negative, (R,)."""
        return np.asarray((self.spectra < -_zero(self.spectra)).sum(axis=1))


def _zero(spectra: Array) -> Array:
    return np.asarray(FLAT * np.abs(spectra).max(axis=-1, keepdims=True))


def climb(
    system: System,
    x: Array,
    directions: Sequence[int] | Array,
    *,
    passed: Sequence[int] | Array | None = None,
    seed: int = 0,
    tolerance: float = 1e-8,
    most: int = 150,
    longest: float = LONGEST,
) -> Saddles:
    """Climb from each minimum x (R, *shape) along its `directions` (R,) softest modes to a saddle.

    The softest of all may be passed over, `passed` (R,) of them: over some passes only stiff modes lead. The
    modes that are climbed are followed by their overlap from step to step. A search ends when the gradient
    is no longer than `tolerance`, or after `most` steps; along no mode is a step longer than `longest`. Modes
    that are flat where it begins are not climbed. One search depends on no other.

    >>> from spinfunnel.systems import system
    >>> found = climb(system("double-well"), np.array([[1.0, 0.0]]), [1], passed=[1], seed=1)
    >>> found.energies.round(9), found.index  # the mode across the valley is softer than that along it
    (array([1.]), array([1]))

    Raises:
        BadInput: if the system has no gradient, x does not fit it, energy, gradient or Hessian are not
            finite, or fewer directions than none or more than there are are to be climbed.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient: saddles are found on smooth energies only")
    whole(most=most)
    x, directions = np.array(x, dtype=np.float64), np.asarray(directions)
    over = np.zeros(len(directions), dtype=int) if passed is None else np.asarray(passed)
    if x.shape[1:] != system.shape or not len(x) or not directions.shape == over.shape == (len(x),):
        raise BadInput(
            f"x must be (R >= 1, *{system.shape}), directions and passed (R,), "
            f"not {x.shape}, {directions.shape} and {over.shape}"
        )
    n = x[0].size
    if directions.min() < 0 or directions.max() > (n if n <= DENSE else KRYLOV // 2):
        raise BadInput(f"{directions.max()} directions cannot be climbed: there are {n} coordinates")
    found = []
    for i, (start, k, skip) in enumerate(zip(system.settle(x), directions, over, strict=True)):
        rng = np.random.default_rng(seeds(seed, "climb", i))
        found.append(_search(system, start, int(k), int(skip), rng, tolerance, most, longest))
    ends, energies, slopes, spectra, steps = map(np.array, zip(*found, strict=True))
    return Saddles(ends, energies, slopes, slopes <= tolerance, directions, spectra, steps)


def _search(
    system: Smooth,
    x: Array,
    k: int,
    passed: int,
    rng: np.random.Generator,
    tolerance: float,
    most: int,
    longest: float,
) -> tuple[Array, float, float, Array, int]:
    """Give x, its energy, the length of its gradient, eigenvalues there, and the steps tried."""

    def looked_at(x: Array) -> tuple[float, Array]:
        energy, gradient = system.energy_and_gradient(x[None])
        return float(energy[0]), np.asarray(gradient, dtype=np.float64).ravel()

    energy, slope = looked_at(x)
    if not (math.isfinite(energy) and np.isfinite(slope).all()):
        raise BadInput(
            f"{system.name} has no finite energy or gradient where a search begins: begin elsewhere"
        )
    lean = rng.standard_normal(k)
    bent = _products(system, x, rng.standard_normal((x.size, k + passed + 1)))  # in no flat direction
    values, vectors = modes(system, x, np.column_stack([slope, bent]))
    curved = np.flatnonzero(np.abs(values) > _zero(values))
    chosen = curved[min(passed, max(0, len(curved) - k)) :][:k]
    up, climbed, moved = np.isin(np.arange(len(values)), chosen), vectors[:, chosen], False
    if len(chosen):
        push = climbed @ lean[: len(chosen)]
        push *= PUSH * longest / np.abs(push).max()
        x, moved = system.settle((x.ravel() + push).reshape(1, *x.shape))[0], True
        energy, slope = looked_at(x)
    reach = longest
    for tried in range(most + 1):
        if moved:
            values, vectors = modes(system, x, np.column_stack([slope, climbed]))
            alike = ((vectors.T @ climbed) ** 2).sum(axis=1)
            up = np.isin(np.arange(len(values)), np.argsort(-alike, kind="stable")[: len(chosen)])
            climbed = vectors[:, up]
        steep, along = float(np.linalg.norm(slope)), vectors.T @ slope
        if steep <= tolerance or tried == most or reach < SHORTEST * longest:
            break
        with np.errstate(over="ignore"):
            newton = along / np.maximum(np.abs(values), np.maximum(_zero(values), TINY))
        step = np.clip(np.where(up, newton, -newton), -reach, reach)
        promised = float(np.linalg.norm(along + values * step))
        there = system.settle((x.ravel() + vectors @ step).reshape(1, *x.shape))[0]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            new_energy, new_slope = looked_at(there)
            off = abs(float(np.linalg.norm(new_slope)) - promised) / max(steep, promised)
        longest_made = float(np.abs(step).max())
        moved = off < MADE  # never where it is not a number
        if not off <= SHORTEN:
            reach = longest_made / 3
        elif off < LENGTHEN:
            reach = min(longest, max(reach, 2 * longest_made))
        if moved:
            x, energy, slope = there, new_energy, new_slope
    return x, energy, steep, values, tried


def modes(system: Smooth, x: Array, start: Array) -> tuple[Array, Array]:
    """Give eigenvalues (m,), ascending, and eigenvectors (n, m) of the Hessian at x (*shape), n = x.size.

    Of up to 1000 coordinates all, by n products with the Hessian, which is then symmetric within rounding.
    Of more, those of its restriction to 120 dimensions: `start` (n, b), its product with the Hessian, the
    product of that, and so on; a vector of `start` is in it, so that of the gradient nothing is lost.

    Raises:
        BadInput: if a product with the Hessian is not finite.
    """
    n = x.size
    if n <= DENSE:
        hessian = _products(system, x, np.eye(n))
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        return values, vectors
    basis, image, block = np.empty((n, 0)), np.empty((n, 0)), start
    while (room := KRYLOV - basis.shape[1]) > 0:
        block = block[:, :room]
        for _ in range(2):  # once is not enough in rounded numbers
            block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
        block_image = _products(system, x, block)
        basis, image, block = np.hstack([basis, block]), np.hstack([image, block_image]), block_image
    small = basis.T @ image
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    return values, basis @ vectors


def _products(system: Smooth, x: Array, v: Array) -> Array:
    """Give the Hessian at x (*shape) times vectors v (n, m)."""
    flat = v.T.reshape(-1, *x.shape)
    parts = np.split(flat, range(AT_ONCE, len(flat), AT_ONCE))
    made = np.concatenate([system.hvp(np.broadcast_to(x, part.shape), part) for part in parts])
    if not np.isfinite(made).all():
        raise BadInput(f"the Hessian of {system.name} is not finite at an energy that is")
    return np.asarray(made, dtype=np.float64).reshape(len(flat), -1).T


def _row(where: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "saddles", where, quantity, exact=known, value=found, tolerance=tolerance
    )


def of_eigenvectors(seed: int) -> Iterator[CalibrationRow]:
    """Climb where stationary points are the eigenvectors of the couplings: index k has the k + 1st level."""
    n = 24
    glass, name = spherical_pspin(n, seed, p=2), f"spherical p-spin, p 2, N {n}"
    levels = np.linalg.eigvalsh(glass.couplings) / math.sqrt(n)
    minima = descend(glass, glass.random(n - 1, seed)).final
    found = climb(glass, minima, np.arange(n - 1), seed=seed)
    yield _row(name, "searches that converged", float(found.converged.sum()), n - 1, 0)
    yield _row(name, "index less directions climbed", float(np.abs(found.index - found.climbed).max()), 0, 0)
    off = np.abs(found.energies / n - levels[found.index]).max()
    yield _row(name, "u less the eigenvalue whose rank is the index", float(off), 0, 1e-12)
    off = max(
        np.abs(np.delete(spectrum, i) - 2 * np.delete(levels - levels[i], i)).max()
        for i, spectrum in zip(found.index, found.spectra, strict=True)
    )
    yield _row(name, "spectra less those of the couplings, without the radius", float(off), 0, 1e-10)
    yield _row(name, "zero modes: the radius", float(np.abs(found.flat - 1).max()), 0, 0)


def of_surfaces(seed: int) -> Iterator[CalibrationRow]:
    """Find all stationary points of surfaces whose every one is known."""
    for surface in (mueller_brown(), double_well()):
        minima = descend(surface, surface.random(60, seed)).final
        of_three = np.arange(60) % 3  # none, the softer mode, the stiffer
        found = climb(surface, minima, np.minimum(of_three, 1), passed=of_three == 2, seed=seed)
        ends = found.x[found.converged]
        for k, kind in enumerate(("minima", "saddles")):
            known = [point for point in stationary_points(surface) if point.index == k]
            off = [float(np.linalg.norm(ends - point.x, axis=1).min()) for point in known]
            yield _row(surface.name, f"{kind}, the one that was missed by most", max(off), 0, 1e-6)
            mine = found.energies[found.converged & (found.index == k)]
            off = [float(min(abs(energy - point.energy) for point in known)) for energy in mine] or [math.inf]
            yield _row(surface.name, f"{kind} that are none, by energy", max(off), 0, 1e-9)


def of_three_atoms(seed: int) -> Iterator[CalibrationRow]:
    """Climb from the triangle of three atoms to the straight line: energy, index and zero modes are known.

    On the line E = 2u(r) + u(2r), whose least value is -(2 + 2^-6)²/(2 + 2^-12). It can be bent in two ways,
    and turned about two axes.
    """
    trimer = lj(3)
    found = climb(trimer, descend(trimer, trimer.random(30, seed)).final, np.arange(30) % 3, seed=seed)
    line = -((2 + 2**-6) ** 2) / (2 + 2**-12)
    for k, kind, energy, flat in ((0, "triangle", -3.0, 6), (2, "line", line, 5)):
        mine = found.converged & (found.index == k)
        off = np.abs(found.energies[mine] - energy).max(initial=0.0) if mine.any() else math.inf
        yield _row("LJ3", f"energy of the {kind}, index {k}", float(off), 0, 1e-12)
        off = np.abs(found.flat[mine] - flat).max(initial=0)
        yield _row("LJ3", f"zero modes of the {kind}, less {flat}", float(off), 0, 0)


calibrations = (
    Calibration("saddles of p = 2", "eigenvectors of the couplings", of_eigenvectors),
    Calibration("saddles of surfaces", "Newton's method from a grid (systems.surfaces)", of_surfaces),
    Calibration("saddles of three atoms", "closed form", of_three_atoms),
)
