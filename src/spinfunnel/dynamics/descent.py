"""Straight down to a local minimum: the inherent structures of a landscape (Stillinger & Weber 1982).

`descend` is for smooth energies, `quench` for spins and chains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Trace, seeds
from spinfunnel.dynamics.clock import ticks
from spinfunnel.dynamics.downhill import CONVERGED, MOVING, Downhill, Method
from spinfunnel.dynamics.planner import measure_convexity
from spinfunnel.dynamics.replicas import Progress, whole
from spinfunnel.dynamics.walkers import accept, prepare, propose
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import below, streams
from spinfunnel.systems.complexity import lowest_energy
from spinfunnel.systems.protocols import Flips, Moves, Pairwise, Smooth, System
from spinfunnel.systems.sphere import spherical_pspin
from spinfunnel.systems.spins import Spins
from spinfunnel.systems.surfaces import mueller_brown, stationary_points

#: How to find the way.
METHODS: tuple[Method, ...] = ("lbfgs", "gradient")
#: Costs within this share of the largest energy are zero.
ROUNDING = 1e-12
#: Coordinates, such as distances in units of an atom's size, change by at most this in a step.
LONGEST = 0.4


def descend(
    system: System,
    x: Array,
    *,
    method: Method = "lbfgs",
    tolerance: float = 1e-6,
    most: int = 10_000,
    longest: float = LONGEST,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Follow the gradient down from each of x (R, *shape), until no component of it is above `tolerance`.

    "gradient" goes against the gradient, by steps that lengthen while they lower the energy; "lbfgs" learns
    curvatures, and takes far fewer. Each replica goes its own way, and stops alone. No coordinate changes by
    more than `longest` in a step. The trace's `times` count energies and gradients asked for, up to `most`;
    `stats` has, for each replica, `converged`, `gradient_norms` (largest components) and `evaluations`. It
    ends early at `deadline` (a `time.time()`) or at Ctrl-C, and gives what there is.

    >>> from spinfunnel.systems import system
    >>> trace = descend(system("double-well"), np.array([[0.3, 1.0], [-2.0, 0.5]]))
    >>> trace.final.round(5) + 0.0
    array([[ 1.,  0.],
           [-1.,  0.]])

    Raises:
        BadInput: if the system has no gradient, x does not fit it or has no finite energy, or a number is
            not positive.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient to follow down; quench is for spins")
    if method not in METHODS:
        raise BadInput(f"method is {method!r}: it must be lbfgs or gradient")
    whole(most=most)
    for name, value in (("tolerance", tolerance), ("longest", longest)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be positive and finite, not {value}")
    x = _fitting(system, x, np.float64)
    down = Downhill(system, x, method=method, tolerance=tolerance, longest=longest)
    energies: list[Array] = []
    began, stopped = time.process_time(), "finished"
    try:
        for _ in ticks(most, "energies and gradients", deadline, progress):
            down.advance()
            energies.append(down.energy[None].copy())
            if not (down.state == MOVING).any():
                break
        else:
            stopped = "deadline" if len(energies) < most else "finished"
    except KeyboardInterrupt:
        stopped = "interrupted"
    if not energies:
        down.advance()
    if not np.isfinite(down.energy).all():
        bad = int(np.argmin(np.isfinite(down.energy)))
        raise BadInput(f"no finite energy where replica {bad} begins: begin elsewhere")
    first = int(np.argmin(down.energy))
    final = down.shaped(down.x)
    return Trace(
        times=np.arange(1, len(energies) + 1),
        temperatures=np.zeros(len(energies)),
        energies=np.concatenate([np.empty((0, len(x))), *energies]),
        final=final,
        best=final[first],
        best_energy=float(system.energy(final[first : first + 1])[0]),
        accepted=None,
        stopped=stopped,
        seed=0,
        stats={
            "converged": down.state == CONVERGED,
            "gradient_norms": down.steepness,
            "evaluations": down.evaluations,
            "method": method,
            "cpu_seconds": time.process_time() - began,
        },
    )


def _fitting(system: System, x: Array, dtype: type) -> Array:
    x = np.array(x, dtype=dtype, order="C")
    if x.shape[1:] != system.shape or not len(x):
        raise BadInput(f"x must be (R >= 1, *{system.shape}), as {system.name} is, not {x.shape}")
    return x


def quench(system: System, x: Array, *, sweeps: int = 20, seed: int = 0) -> Trace:
    """Cool spins or chains x (R, *shape) at once to T = 0: random moves, and then strictly downhill.

    For `sweeps` sweeps every move that costs nothing or less is made, so that plateaus are crossed; then only
    moves that gain. Where single spins flip, the ends are minima for certain: no flip gains. Other systems'
    ends are states in which `sweeps` sweeps of moves found none that gains; `stats["stable"]` says which
    it is. The trace has one record, of the ends; one replica depends on no other.

    >>> from spinfunnel.systems import system
    >>> glass = system("sk", size=40)
    >>> trace = quench(glass, glass.random(5, seed=1))
    >>> bool((glass.flip_cost(trace.final) >= -1e-9).all()), trace.stats["stable"]
    (True, True)

    Raises:
        BadInput: if the system knows neither couplings nor moves, x does not fit it, or sweeps < 1.
    """
    if not isinstance(system, (Pairwise, Moves)):
        raise BadInput(f"{system.name} states neither couplings between pairs of spins nor moves of its own")
    whole(sweeps=sweeps)
    began = time.process_time()
    x = _fitting(system, x, system.random(1, 0).dtype.type)
    energies = system.energy(x)
    room = ROUNDING * float(np.abs(energies).max())
    rng = streams(seed, "quench", len(x))
    if isinstance(system, Pairwise):
        own, data, memory, moves = PAIRS, pairs(system), system.size + 1, system.size
    else:
        kind: Any = type(system)
        own = {"prepare": kind.prepare, "propose": kind.propose, "accept": kind.accept}
        data, memory, moves = system.data, system.memory, system.sweep
    compiled(fall, own)(x, np.zeros(memory), rng, data, sweeps * moves, room)
    stable = isinstance(system, Flips)
    if isinstance(system, Flips):
        x = steepest(system, x, room)
    energies = system.energy(x)
    first = int(np.argmin(energies))
    return Trace(
        times=np.array([2 * sweeps]),
        temperatures=np.zeros(1),
        energies=energies[None],
        final=x,
        best=x[first],
        best_energy=float(energies[first]),
        accepted=None,
        stopped="finished",
        seed=seed,
        stats={"stable": stable, "cpu_seconds": time.process_time() - began},
    )


def steepest(system: Flips, x: Array, room: float) -> Array:
    """Turn over, in each of x (R, N), the spin that gains most, until none gains more than `room`."""
    x = x.copy()
    moving = np.arange(len(x))
    while len(moving):
        costs = system.flip_cost(x[moving])
        sites = costs.argmin(axis=1)
        gains = costs[np.arange(len(moving)), sites] < -room
        moving = moving[gains]
        x[moving, sites[gains]] *= -1
    return x


def fall(x: Any, memory: Any, rng: Any, data: Any, moves: int, room: float) -> None:
    """Make `moves` moves a replica at T = 0; then, until `moves` in a row do not gain, only those that do."""
    for r in range(x.shape[0]):
        prepare(x[r], memory, data)
        for _ in range(moves):
            if propose(x[r], memory, data, rng[r])[0] <= room:
                accept(x[r], memory, data)
        idle = 0
        while idle < moves:
            idle += 1
            if propose(x[r], memory, data, rng[r])[0] < -room:
                accept(x[r], memory, data)
                idle = 0


def pairs(system: Pairwise) -> tuple[Array, ...]:
    """Give what the moves below must know of spins coupled in pairs."""
    return (
        np.ascontiguousarray(system.indptr, dtype=np.int64),
        np.ascontiguousarray(system.indices, dtype=np.int64),
        np.ascontiguousarray(system.couplings, dtype=np.float64),
        np.ascontiguousarray(system.fields, dtype=np.float64),
    )


def prepare_pairs(x: Any, memory: Any, data: Any) -> Any:
    """Fill `memory` with the local field of each spin; its last number is the spin chosen."""
    indptr, indices, couplings, fields = data
    energy = 0.0
    for i in range(x.shape[0]):
        memory[i] = fields[i]
        for k in range(indptr[i], indptr[i + 1]):
            memory[i] += couplings[k] * x[indices[k]]
        energy -= (memory[i] + fields[i]) * x[i] / 2
    return energy


def propose_pairs(x: Any, memory: Any, data: Any, rng: Any) -> Any:
    """Choose a spin; turning it over costs twice itself times its local field."""
    i = below(rng, x.shape[0])
    memory[x.shape[0]] = i
    return 2.0 * x[i] * memory[i], 0.0


def accept_pairs(x: Any, memory: Any, data: Any) -> Any:
    """Turn the chosen spin over."""
    indptr, indices, couplings, _ = data
    i = int(memory[x.shape[0]])
    x[i] = -x[i]
    for k in range(indptr[i], indptr[i + 1]):
        memory[indices[k]] += 2.0 * couplings[k] * x[i]


#: How spins coupled in pairs move.
PAIRS = {"prepare": prepare_pairs, "propose": propose_pairs, "accept": accept_pairs}


def _surface(seed: int) -> Iterator[CalibrationRow]:
    """Descend on the surface of Mueller and Brown, whose three minima Newton's method finds."""
    surface = mueller_brown()
    minima = np.array([point.x for point in stationary_points(surface) if point.index == 0])
    starts = surface.random(300, seeds(seed, "surface"))
    for method in METHODS:
        trace = descend(surface, starts, method=method)
        away = np.linalg.norm(trace.final[:, None] - minima, axis=-1)
        yield CalibrationRow.deterministic(
            "descent", "mueller-brown", f"furthest end from the nearest of its minima, {method}",
            exact=0, value=float(away.min(axis=1).max()), tolerance=1e-7,
        )  # fmt: skip
        yield CalibrationRow.deterministic(
            "descent", "mueller-brown", f"minima reached, {method}",
            exact=len(minima), value=len(np.unique(away.argmin(axis=1))), tolerance=0,
        )  # fmt: skip


def _two_spins(seed: int) -> Iterator[CalibrationRow]:
    """Descend in the spherical 2-spin glass: its minima are plus and minus the lowest eigenvector."""
    glass = spherical_pspin(60, seeds(seed, "two"), p=2)
    exact = float(np.linalg.eigvalsh(glass.couplings)[0]) * math.sqrt(glass.size)
    for method in METHODS:
        trace = descend(glass, glass.random(64, seed), method=method)
        yield CalibrationRow.deterministic(
            "descent", "spherical 2-spin, N 60", f"highest end less the lowest eigenvalue's energy, {method}",
            exact=0, value=float(trace.energies[-1].max()) - exact, tolerance=1e-6,
        )  # fmt: skip


#: N, glasses, starts each, and u of the minima that another L-BFGS reached in glasses of its own, with error.
QUICK = ((25, 128, 4, -1.447, 0.013), (50, 48, 4, -1.508, 0.011))
LARGE = ((100, 24, 4, -1.557, 0.008), (200, 8, 4, -1.576, 0.011))


def _spherical(cases: tuple[tuple[int, int, int, float, float], ...], seed: int) -> Iterator[CalibrationRow]:
    """Descend in spherical 3-spin glasses from random starts."""
    ground = lowest_energy(3)
    for n, glasses, starts, other, other_error in cases:
        u, lowest = np.empty((glasses, starts)), np.empty((glasses, starts))
        for g in range(glasses):
            own = seeds(seed, n, g)
            glass = spherical_pspin(n, own)
            trace = descend(glass, glass.random(starts, own), tolerance=1e-5)
            u[g] = trace.energies[-1] / n
            lowest[g] = measure_convexity(glass, trace.final)[0]
        own_error = float(u.mean(axis=1).std(ddof=1) / math.sqrt(glasses))
        where = f"spherical 3-spin, N {n}"
        yield CalibrationRow.measured(
            "descent", where, "u of the minima, against another program's, errors of both",
            exact=other, value=float(u.mean()), error=math.hypot(own_error, other_error), cap=0.02,
        )  # fmt: skip
        yield CalibrationRow.rate(
            "descent", where, "ends where no eigenvalue of the Hessian is negative",
            k=int((lowest > -1e-3).sum()), n=lowest.size, at_least=1,
        )  # fmt: skip
        yield CalibrationRow.rate(
            "descent", where, f"ends with u above {ground:.4f}, the lowest of large systems",
            k=int((u > ground).sum()), n=u.size, at_least=0.9,
        )  # fmt: skip


def _rings(seed: int) -> Iterator[CalibrationRow]:
    """Quench rings of Gaussian bonds: of the bonds weaker than both neighbours, half end unsatisfied.

    Every other spin between two such bonds ends by the stronger of its own bonds, whatever happens beyond
    them, and that domain is as likely as its mirror image. So H is -sum |J| and, in the mean, the sum of |J|
    over the weak bonds.
    """
    n, rings = 200, 60
    u, exact = np.empty((2, rings))
    i = np.arange(n)
    edges = np.stack([i, (i + 1) % n], axis=1)
    for k in range(rings):
        bonds = np.random.default_rng(seeds(seed, "ring", k)).standard_normal(n)
        ring, size = Spins.of_edges(edges, bonds, size=n), np.abs(bonds)
        ends = quench(ring, ring.random(64, seeds(seed, "start", k)), seed=seeds(seed, "quench", k))
        u[k] = ends.energies.mean() / n
        exact[k] = (size[size < np.minimum(np.roll(size, 1), np.roll(size, -1))].sum() - size.sum()) / n
    yield CalibrationRow.measured(
        "descent", f"{rings} rings of {n} Gaussian bonds", "u after a quench",
        exact=float(exact.mean()), value=float(u.mean()),
        error=float((u - exact).std(ddof=1) / math.sqrt(rings)), cap=0.001,
    )  # fmt: skip


calibrations = (
    Calibration("descent on a surface", "stationary points by Newton's method", _surface),
    Calibration("descent in the 2-spin glass", "the lowest eigenvalue", _two_spins),
    Calibration("quench of rings", "independent domains between weak bonds, exact", _rings),
    Calibration(
        "descent in the spherical glass",
        "Auffinger, Ben Arous & Cerny, Commun. Pure Appl. Math. 66 (2013) 165",
        lambda seed: _spherical(QUICK, seed),
    ),
    Calibration(
        "descent in large spherical glasses",
        "Auffinger, Ben Arous & Cerny, Commun. Pure Appl. Math. 66 (2013) 165",
        lambda seed: _spherical(LARGE, seed),
        "full",
    ),
)
