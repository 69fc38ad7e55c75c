"""Lennard-Jones clusters: one funnel for 13 and 55 atoms, two for 38 and 75."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import below, uniform
from spinfunnel.systems.protocols import Metric, Moves, Native, Smooth

#: Random atoms are no closer than this, and no single move brings them closer than HARD (u is 16,128 there).
APART, HARD = 0.8, 0.5

#: Pair distances that differ by this much, root mean square, have an overlap of 1/e.
LENGTH = 0.05

#: Turns from which clusters are brought to lie near each other.
TURNS = 24

#: Lowest energies known, literature: Wales & Doye, J. Phys. Chem. A 101 (1997) 5111. None is proved.
LOWEST_KNOWN = {13: -44.326801, 38: -173.928427, 55: -279.248470, 75: -397.492331}


@dataclass(frozen=True, eq=False)
class LennardJones(Smooth, Moves, Metric):
    """H = sum_{i<j} 4 (r^-12 - r^-6) over N atoms at x (N, 3), in units of epsilon and sigma.

    Moves shift one atom by up to `step` along each axis, within `radius` of the origin: a cluster at a
    temperature needs walls, or it evaporates. Energies and gradients know of no walls.
    """

    atoms: int
    step: float = 0.3
    name: str = "lj"
    convention: str = "H = sum_{i<j} 4 (r^-12 - r^-6), free atoms in three dimensions, epsilon = sigma = 1"

    @property
    def size(self) -> int:
        """N, the number of atoms."""
        return self.atoms

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 3)."""
        return (self.atoms, 3)

    @property
    def radius(self) -> float:
        """That of a ball in which there are N/2 atoms per unit of volume, half as many as in the solid."""
        return float(np.cbrt(3 * self.atoms / (2 * math.pi)))

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of x (batch, N, 3)."""
        return self.energy_and_gradient(x)[0]

    def gradient(self, x: Array) -> Array:
        """Give the gradients (batch, N, 3)."""
        return self.energy_and_gradient(x)[1]

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give both, in one compiled loop over all pairs."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        if x.shape[1:] != self.shape:
            raise BadInput(f"{self.atoms} atoms have shape (batch, {self.atoms}, 3), these have {x.shape}")
        energies, gradients = np.empty(len(x)), np.empty_like(x)
        compiled(clusters)(x, energies, gradients)
        return energies, gradients

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian times v, (batch, N, 3)."""
        x, v = np.ascontiguousarray(x, dtype=np.float64), np.ascontiguousarray(v, dtype=np.float64)
        bent = np.zeros_like(x)
        compiled(bend)(x, v, bent)
        return bent

    def random(self, batch: int, seed: int) -> Array:
        """Draw x (batch, N, 3) evenly in the ball, atom by atom, none within 0.8 of those before it."""
        rng = np.random.default_rng(seeds(seed, "lj", self.atoms))
        x = np.empty((batch, *self.shape))
        for i in range(self.atoms):
            missing = np.arange(batch)
            while len(missing):
                trial = rng.uniform(-self.radius, self.radius, size=(len(missing), 3))
                near = np.linalg.norm(x[missing, :i] - trial[:, None], axis=-1).min(axis=1, initial=np.inf)
                good = (near > APART) & (np.linalg.norm(trial, axis=-1) < self.radius)
                x[missing[good], i] = trial[good]
                missing = missing[~good]
        return x

    def overlap(self, x: Array, y: Array) -> Array:
        """Give exp(-d/0.05), (batch,), d the rms difference of the sorted pair distances.

        How atoms are numbered, where the cluster is, and how it is turned or mirrored does not matter.
        """
        difference = sorted_distances(x) - sorted_distances(y)
        return np.asarray(np.exp(-np.sqrt(np.mean(difference**2, axis=-1)) / LENGTH))

    def nearest(self, x: Array, y: Array) -> Array:
        """Renumber, shift, turn and mirror y (batch, N, 3) so that its atoms come to lie near those of x.

        From each of 24 random turns, numbers and turns are improved in turn, until neither helps: the best is
        near, not nearest for certain. Source of the best turn: Kabsch, Acta Cryst. A 32 (1976) 922.
        """
        turns = np.linalg.qr(np.random.default_rng(seeds(0, "turns")).standard_normal((TURNS, 3, 3)))[0]
        return np.array([aligned(one, other, turns) for one, other in zip(x, y, strict=True)])

    memory = 4  # the atom to be moved, and where to

    @property
    def data(self) -> tuple[Array, ...]:
        """Step and radius."""
        return (np.array([self.step, self.radius]),)

    @staticmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Give the energy."""
        return cluster(x, np.empty_like(x), np.empty((7, x.shape[0])))

    @staticmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Shift one atom, evenly in a cube around where it is."""
        i, step, radius = below(rng, x.shape[0]), data[0][0], data[0][1]
        memory[0] = i
        out = 0.0
        for k in range(3):
            memory[1 + k] = x[i, k] + step * (2 * uniform(rng) - 1)
            out += memory[1 + k] ** 2
        if out > radius**2:
            return np.inf, 0.0
        cost = 0.0
        for j in range(x.shape[0]):
            if j != i:
                now = (x[i, 0] - x[j, 0]) ** 2 + (x[i, 1] - x[j, 1]) ** 2 + (x[i, 2] - x[j, 2]) ** 2
                then = (memory[1] - x[j, 0]) ** 2 + (memory[2] - x[j, 1]) ** 2 + (memory[3] - x[j, 2]) ** 2
                if then < HARD**2:
                    return np.inf, 0.0
                cost += pair(then)[0] - pair(now)[0]
        return cost, 0.0

    @staticmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Move the atom."""
        x[np.int64(memory[0])] = memory[1:]


class KnownCluster(LennardJones, Native):
    """A cluster whose lowest minimum is thought to be known; no one has proved that none is lower."""

    @cached_property  # built and relaxed only when asked for
    def native(self) -> Array:  # type: ignore[override]
        """That minimum, (N, 3)."""
        return lj_reference(self.atoms)


def pair(square: Any) -> Any:
    """Give the energy of two atoms at this squared distance, and twice its derivative in that."""
    inverse = 1.0 / square
    six = inverse * inverse * inverse
    return 4 * six * (six - 1), 24 * six * (1 - 2 * six) * inverse


def cluster(x: Any, gradient: Any, work: Any) -> Any:
    """Give the energy of one cluster x (N, 3), and its gradient; `work` is (7, N).

    Every pair is met twice, so that nothing is summed within the inner loop: it runs on vectors.
    """
    n = x.shape[0]
    work[3:] = 0.0
    for j in range(n):
        for k in range(3):
            work[k, j] = x[j, k]
    for i in range(n):
        for j in range(n):
            a, b, c = work[0, j] - x[i, 0], work[1, j] - x[i, 1], work[2, j] - x[i, 2]
            square = np.inf if i == j else a * a + b * b + c * c
            energy, slope = pair(square)
            work[3, j] += slope * a
            work[4, j] += slope * b
            work[5, j] += slope * c
            work[6, j] += energy
    total = 0.0
    for j in range(n):
        total += work[6, j]
        for k in range(3):
            gradient[j, k] = work[3 + k, j]
    return total / 2


def clusters(x: Any, energies: Any, gradients: Any) -> None:
    """Fill in energies (batch,) and gradients (batch, N, 3) of x (batch, N, 3)."""
    work = np.empty((7, x.shape[1]))
    for b in range(x.shape[0]):
        energies[b] = cluster(x[b], gradients[b], work)


def bend(x: Any, v: Any, bent: Any) -> None:
    """Add the Hessian times v to `bent`, all (batch, N, 3)."""
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(i):
                d0, d1, d2 = x[b, i, 0] - x[b, j, 0], x[b, i, 1] - x[b, j, 1], x[b, i, 2] - x[b, j, 2]
                v0, v1, v2 = v[b, i, 0] - v[b, j, 0], v[b, i, 1] - v[b, j, 1], v[b, i, 2] - v[b, j, 2]
                inverse = 1.0 / (d0 * d0 + d1 * d1 + d2 * d2)
                four = inverse * inverse * inverse * inverse
                first = 24 * four - 48 * four * inverse * inverse * inverse  # twice u' in r^2
                along = (672 * four * four - 192 * four * inverse) * (d0 * v0 + d1 * v1 + d2 * v2)  # 4 u''
                bent[b, i, 0] += along * d0 + first * v0
                bent[b, i, 1] += along * d1 + first * v1
                bent[b, i, 2] += along * d2 + first * v2
                bent[b, j, 0] -= along * d0 + first * v0
                bent[b, j, 1] -= along * d1 + first * v1
                bent[b, j, 2] -= along * d2 + first * v2


def aligned(x: Array, y: Array, turns: Array) -> Array:
    """Give y (N, 3) as near to x as is found from the given turns (k, 3, 3)."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    centre = x.mean(axis=0)
    x, y = x - centre, y - y.mean(axis=0)
    best, least = y, np.inf
    for turn in turns:
        now, before = y @ turn, np.inf
        while True:
            now = now[linear_sum_assignment(cdist(x, now, "sqeuclidean"))[1]]
            left, _, right = np.linalg.svd(now.T @ x)
            now = now @ (left @ right)
            off = float(((x - now) ** 2).sum())
            if off >= before * (1 - 1e-9):
                break
            before = off
        if before < least:
            best, least = now, before
    return np.asarray(best + centre)


def sorted_distances(x: Array) -> Array:
    """Give all distances between atoms, ascending, (batch, N (N - 1) / 2)."""
    i, j = np.triu_indices(x.shape[1], 1)
    return np.asarray(np.sort(np.linalg.norm(x[:, i] - x[:, j], axis=-1), axis=-1))


def lj(size: int, seed: int = 0) -> LennardJones:
    """Lennard-Jones cluster of N atoms; there is nothing random in it.

    >>> pair_of_atoms = np.array([[[0.0, 0.0, 0.0], [2 ** (1 / 6), 0.0, 0.0]]])
    >>> lj(2).energy(pair_of_atoms).round(12)
    array([-1.])

    Raises:
        BadInput: for a single atom.
    """
    if size < 2:
        raise BadInput(f"a cluster has at least 2 atoms, not {size}")
    return KnownCluster(size) if size in LOWEST_KNOWN else LennardJones(size)


def lj_reference(size: int) -> Array:
    """Give the lowest minimum known, (N, 3), built from its geometry and relaxed, for 13, 38, 55, 75 atoms.

    13 and 55 are Mackay's icosahedra, 38 is a truncated octahedron of the fcc lattice, 75 Marks' decahedron.

    >>> lj(13).energy(lj_reference(13)[None]).round(6)
    array([-44.326801])

    Raises:
        BadInput: for another number of atoms.
    """
    from scipy.optimize import minimize

    shapes = {13: lambda: icosahedron(1), 38: octahedron, 55: lambda: icosahedron(2), 75: decahedron}
    if size not in shapes:
        raise BadInput(f"there are references for {', '.join(map(str, shapes))} atoms, not {size}")
    made, start = lj(size), shapes[size]()
    start *= 2 ** (1 / 6) / sorted_distances(start[None])[0, 0]

    def objective(flat: Array) -> tuple[float, Array]:
        energy, gradient = made.energy_and_gradient(flat.reshape(1, size, 3))
        return float(energy[0]), gradient.ravel()

    found = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0.0}
    )
    return np.asarray(found.x.reshape(size, 3))


def icosahedron(shells: int) -> Array:
    """Give the corners, edges and faces of nested icosahedra around an atom: 13, 55, 147 ... atoms (n, 3).

    >>> [len(icosahedron(shells)) for shells in (1, 2, 3)]
    [13, 55, 147]
    """
    golden = (1 + math.sqrt(5)) / 2
    corners = np.array([np.roll([0.0, a, b * golden], k) for k in range(3) for a in (1, -1) for b in (1, -1)])
    faces = [
        face
        for face in itertools.combinations(corners, 3)
        if all(math.isclose(math.dist(a, b), 2) for a, b in itertools.combinations(face, 2))
    ]
    points = [
        (k - i - j) * a + i * b + j * c
        for k in range(shells + 1)
        for a, b, c in faces
        for i in range(k + 1)
        for j in range(k + 1 - i)
    ]
    return np.asarray(np.unique(np.round(points, 9) + 0.0, axis=0))


def octahedron() -> Array:
    """Give the 38 sites of an fcc lattice within sqrt 5 of a hole of it: a truncated octahedron, (38, 3)."""
    sites = np.array(list(itertools.product(range(-2, 3), repeat=3)), dtype=np.float64)
    return np.asarray(sites[(sites.sum(axis=1) % 2 == 1) & ((sites**2).sum(axis=1) <= 5)])


def decahedron() -> Array:
    """Give Marks' decahedron of 75 atoms, (75, 3).

    Around an axis of 5 atoms stand rings of columns, each an atom shorter; the third lacks its corners.
    """
    corner = [np.array([math.cos(k), math.sin(k)]) for k in 2 * math.pi / 5 * np.arange(6)]
    side = math.sqrt(3) / 2  # a column's neighbour is half a step up
    columns = [(0, np.zeros(2))] + [
        (s, side * ((s - i) * corner[k] + i * corner[k + 1]))
        for k in range(5)
        for s in (1, 2, 3)
        for i in range(s == 3, s)
    ]
    return np.array([[*at, z - (4 - s) / 2] for s, at in columns for z in range(5 - s)])


def of_minima(seed: int) -> Iterator[CalibrationRow]:
    """Compare minima with simplices, whose pairs are all at rest, with a spring, and with what is known."""

    def row(atoms: int, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
        return CalibrationRow.deterministic(
            "lennard_jones", f"LJ{atoms}", quantity, exact=known, value=found, tolerance=tolerance
        )

    def curvatures(x: Array) -> Array:
        """The eigenvalues of the Hessian, ascending."""
        flat = np.eye(x.size).reshape(-1, *x.shape)
        columns = lj(len(x)).hvp(np.repeat(x[None], x.size, axis=0), flat)
        return np.linalg.eigvalsh(columns.reshape(x.size, x.size))

    corners = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 2 ** (1 / 6) / math.sqrt(8)
    for atoms in (2, 3, 4):
        energies, gradients = lj(atoms).energy_and_gradient(corners[None, :atoms])
        pairs = atoms * (atoms - 1) / 2
        yield row(atoms, "energy, all pairs at rest", float(energies[0]), -pairs, 1e-12)
        yield row(atoms, "gradient, all pairs at rest", float(np.abs(gradients).max()), 0, 1e-12)
    spring = 2 * 72 / 2 ** (1 / 3)
    yield row(2, "curvature of the bond", float(curvatures(corners[:2])[-1]), spring, 1e-10)
    for atoms, known in LOWEST_KNOWN.items():
        x = lj_reference(atoms)
        energies, gradients = lj(atoms).energy_and_gradient(x[None])
        modes = curvatures(x)
        yield row(atoms, "energy of the shape from geometry; literature", float(energies[0]), known, 1e-6)
        yield row(atoms, "gradient there", float(np.abs(gradients).max()), 0, 1e-5)
        yield row(atoms, "free motions there", float((np.abs(modes) < 1e-4).sum()), 6, 0)
        yield row(atoms, "directions down from there", float((modes < -1e-4).sum()), 0, 0)


calibrations = (Calibration("minima", "geometry; Wales & Doye (1997), literature", of_minima),)
