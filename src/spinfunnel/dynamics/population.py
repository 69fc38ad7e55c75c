"""Population annealing: replicas are cooled together, and resampled so that they stay in equilibrium; log Z.

When β grows by Δ, replica r is expected exp(-Δ E_r) / <exp(-Δ E)> times in the new population, and ln Z grows
by ln <exp(-Δ E)>. Sweeps in between make copies differ. The replicas that descend from one of the beginning
are a family: ρ, the mean size of the family a replica is in, says how few of them carry the population, and
(ρ - 1)/R is the variance of ln Z, or a little more (copies are made in whole numbers).

Sources: Hukushima, Iba, AIP Conf. Proc. 690 (2003) 200; Machta, Phys. Rev. E 82 (2010) 026704; ρ: Wang,
Machta, Katzgraber, Phys. Rev. E 92 (2015) 063307; errors by families: Lee, Whiteley, Biometrika 105 (2018)
609.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Row, Table, Trace, seeds
from spinfunnel.dynamics.annealing import temperature_range
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.replicas import Progress, pieces, positive, whole
from spinfunnel.systems import system as named
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.protocols import Flips, System
from spinfunnel.systems.spins import Spins

#: Between temperatures that are asked for, steps are such that this share of replicas is expected to die.
CULLED = 0.1
#: A population is large enough if it has so many times ρ replicas (Wang, Machta, Katzgraber 2015).
ENOUGH = 100


def share_culled(energies: Array, step: float) -> float:
    """Give the share of replicas (R,) that are expected to die when β grows by `step`.

    >>> share_culled(np.array([0.0, 1e9]), 1.0)
    0.5
    """
    return float(np.maximum(0, 1 - expected_copies(energies, step)).mean())


def expected_copies(energies: Array, step: float) -> Array:
    """Give exp(-Δ E_r) / <exp(-Δ E)>, (R,): how often each replica is expected when β has grown by `step`."""
    weights = np.exp(-step * (energies - energies.min()))
    return np.asarray(weights / weights.mean())


def log_mean_weight(energies: Array, step: float) -> float:
    """Give ln <exp(-Δ E)> over replicas (R,), by which ln Z grows when β does by `step`.

    >>> log_mean_weight(np.array([2.0, 2.0]), 0.5)
    -1.0
    """
    lowest = float(energies.min())
    return float(np.log(np.exp(-step * (energies - lowest)).mean()) - step * lowest)


def resampled(copies: Array, shift: float) -> Array:
    """Choose R replicas so that each is there `copies` (R,) times, rounded up or down; give their numbers.

    One random `shift`, uniform in [0, 1), rounds all of them, with the right mean each. Who survives stays in
    its place, and those who die take the place of others.

    >>> resampled(np.array([0.0, 2.5, 0.5]), 0.6)
    array([1, 1, 1])
    """
    bounds = np.floor(np.cumsum(copies) + shift).astype(np.int64)
    bounds[-1] = len(copies)  # what it is, but for rounding
    counts = np.diff(bounds, prepend=0)
    indices = np.arange(len(copies))
    indices[counts == 0] = np.repeat(indices, np.maximum(counts - 1, 0))
    return indices


def by_family(energies: Array, families: Array, size: int) -> Row:
    """Give u, ρ, how many families there are, and the errors of u and ln Z if only they are independent.

    Shapes: energies, families (R,), numbers of those they descend from.

    >>> by_family(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]), 1)["u_error"].__round__(3)
    0.707
    """
    count = len(energies)
    sizes = np.bincount(families).astype(np.float64)
    rho = float(sizes @ sizes) / count
    sums = np.bincount(families, energies - energies.mean())
    return {
        "u": float(energies.mean()) / size,
        "u_error": float(np.sqrt(sums @ sums)) / count / size,
        "rho": rho,
        "families": int((sizes > 0).sum()),
        "log_z_error": math.sqrt((rho - 1) / count),
    }


def next_step(energies: Array, gap: float) -> float:
    """Give by how much β may grow, at most `gap`, until a share of 0.1 of the replicas is expected to die."""
    from scipy.optimize import brentq

    if share_culled(energies, gap) <= CULLED:
        return gap
    return float(brentq(lambda step: share_culled(energies, step) - CULLED, 0.0, gap))


def population_annealing(
    system: System,
    temperatures: Sequence[float] | Array | None = None,
    *,
    population: int = 1024,
    sweeps: int = 10,
    burn_in: int = 100,
    seed: int = 0,
    keep_states: bool = False,
    threads: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Cool a population through `temperatures`, with steps in between where too many would die at once.

    Spins start at β = 0, where ln Z = N ln 2. Other systems start at the hottest temperature, after `burn_in`
    sweeps, and their ln Z is counted from there. After each step the population makes `sweeps`, and is
    recorded. Without temperatures, the coldest is that where `anneal` would end.

    The trace has a record for each step, the first at infinite T: energies (T, R), states (T, R, *shape) if
    kept. Replicas of a family are not independent: `stats` has, all of shape (T,), "log_z" and "log_z_error",
    "u" (per spin) and "u_error", "rho" and "families" (how many are left), "culled" (the share that died),
    and "family" (R,), who descends from whom. "doubts" say why it may not be believed.

    >>> from spinfunnel.systems import system
    >>> trace = population_annealing(system("ising1d", size=4), [1.0])
    >>> at = trace.temperatures == 1.0
    >>> bool(abs(trace.stats["log_z"][at][0] - 4.79771) < 0.2)
    True

    Raises:
        BadInput: if a temperature is not positive, a count is below one, or the system has neither couplings
            nor moves.
    """
    whole(population=population, sweeps=sweeps, burn_in=burn_in, threads=threads)
    if temperatures is None:
        temperatures = [temperature_range(system, seed)[1]]
    betas = np.unique([1 / positive(t) for t in np.ravel(np.asarray(temperatures, dtype=float))])
    if not len(betas):
        raise BadInput("a population is cooled to at least one temperature, none is given")
    them = replicas_of(system, population, seed)
    spins = isinstance(system, Flips)
    rng = np.random.default_rng(seeds(seed, "resampling"))
    beta, log_z = (0.0, system.size * math.log(2)) if spins else (float(betas[0]), 0.0)
    family, culled = np.arange(population), 0.0
    rows: list[Row] = []
    compiling = time.perf_counter()
    records = [them.sweep(beta, np.empty(0), every=1, keep_states=keep_states)]
    compile_seconds = time.perf_counter() - compiling

    def swept(count: int) -> bool:
        """Sweep so often and record the end of it; say whether there was time for that."""
        for piece in pieces(count, them.work, deadline):
            new = them.sweep(beta, np.ones(piece), every=count, keep_states=keep_states, threads=threads)
            if len(new[0]):
                records.append(new)
                row = {"beta": beta, "log_z": log_z, "culled": culled}
                rows.append(row | by_family(new[0][0], family, system.size))
                return True
        return False

    began, stopped = time.process_time(), "finished"
    try:
        going = swept(1 if spins else max(1, burn_in))
        them.done = 0
        while going and beta < betas[-1]:
            now, goal = records[-1][0][0], float(betas[betas > beta][0])
            step = next_step(now, goal - beta)
            log_z += log_mean_weight(now, step)
            indices = resampled(expected_copies(now, step), rng.random())
            them.take(indices)
            family, culled = family[indices], float((indices != np.arange(population)).mean())
            beta = goal if step == goal - beta else beta + step
            going = swept(sweeps)
            if progress:
                progress(beta, float(betas[-1]), "β")
        stopped = "finished" if going else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    cpu_seconds = time.process_time() - began
    energies, states = (np.concatenate(parts) for parts in zip(*records, strict=True))
    found = Table.of(rows).columns
    need = ENOUGH * float(np.max(found.get("rho", 1.0)))
    short = f"{population} replicas are fewer than {ENOUGH} ρ = {need:.0f}: take more of them, or more sweeps"
    with np.errstate(divide="ignore"):
        visited = 1 / found.pop("beta", np.empty(0))
    return Trace(
        times=sweeps * np.arange(len(energies)),
        temperatures=visited,
        energies=energies,
        **them.ending(*them.lowest()),
        stopped=stopped,
        seed=seed,
        states=states if keep_states else None,
        stats=found
        | {
            "family": family,
            "doubts": (short,) if population < need else (),
            "compile_seconds": compile_seconds,
            "cpu_seconds": cpu_seconds,
        },
    )


#: Systems, and two temperatures each is cooled through. One sweep a step: what resampling does wrong stays
#: wrong, above all in the first, whose valleys do not meet.
SMALL = (
    ("sk", 16, 10, (0.5, 0.15)),
    ("sk?field=0.4", 12, 1, (0.5, 0.2)),
    ("ea?dimension=2&law=pm", 4, 1, (1.0, 0.7)),
    ("ea?dimension=2&law=gauss", 4, 1, (0.8, 0.2)),
)


def _against_enumeration(seed: int) -> Iterator[CalibrationRow]:
    """Compare Z and u with the enumeration, Z at one temperature and u at the other for each half of runs."""
    for name, size, disorder, temperatures in SMALL:
        few = named(name, size=size, seed=disorder)
        exact = enumerate_states(few, temperatures).thermal
        for z_at, u_at in ((0, 1), (1, 0)):
            found = np.empty((48, 2))
            for i in range(len(found)):
                own = seeds(seed, name, z_at, i)
                trace = population_annealing(few, temperatures, population=256, sweeps=1, seed=own)
                at = [int(np.argmin(np.abs(trace.temperatures - t))) for t in temperatures]
                log_z, u = trace.stats["log_z"][at[z_at]], trace.stats["u"][at[u_at]]
                found[i] = np.exp(log_z - exact.log_z[z_at]), u
            where = f"{name}, N {few.size}, T "
            z, u = found.T
            yield _row(where + f"{temperatures[z_at]}", "Z over its exact value", z, 1.0, 0.04)
            yield _row(where + f"{temperatures[u_at]}", "u", u, float(exact.u[u_at]), 0.01)


def _row(where: str, quantity: str, sample: Array, exact: float, cap: float) -> CalibrationRow:
    error = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return CalibrationRow.measured(
        "population", where, quantity, exact=exact, value=float(sample.mean()), error=error, cap=cap
    )


#: Gaussian glasses, the temperature of each, and how large the error may be.
IDENTITIES = (("sk", 64, 0.7, 0.015), ("ea?dimension=2&law=gauss", 6, 0.6, 0.05))


def _identities(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Compare u and the overlap of two populations, averaged over Gaussian disorder (by parts)."""
    for name, size, temperature, cap in IDENTITIES:
        sample = np.empty(draws)
        for i in range(draws):
            own = seeds(seed, name, i)
            glass = named(name, size=size, seed=own % 10**9)
            assert isinstance(glass, Spins)
            a, b = (
                population_annealing(glass, [temperature], population=256, sweeps=5, seed=seeds(own, side))
                for side in "ab"
            )
            both = a.final * b.final
            edges, _ = glass.bonds
            if name == "sk":
                bonds, like = 0.5, float((both.mean(axis=1) ** 2).mean())
            else:
                bonds = len(edges) / glass.size
                like = float((both[:, edges[:, 0]] * both[:, edges[:, 1]]).mean())
            u = (a.stats["u"][-1] + b.stats["u"][-1]) / 2
            sample[i] = u + bonds * (1 - like) / temperature
        quantity = "u + (1 - <q²>)/2T" if name == "sk" else "u + (z/2)(1 - <q_link>)/T"
        yield _row(f"{name}, L or N {size}, T {temperature}", quantity, sample, 0.0, cap)


calibrations = (
    Calibration("population annealing against enumeration", "all 2^N states", _against_enumeration),
    Calibration(
        "identities of the disorder by population annealing",
        "Gaussian integration by parts",
        lambda seed: _identities(seed, 150),
        "normal",
    ),
)
