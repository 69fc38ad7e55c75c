"""Equilibrium samples of a system by parallel tempering, which several instruments share.

A run is made of independent sets of four ladders. A set is a unit of work, and gives four replicas at every
temperature: enough for energies with error bars, and for the overlaps of pairs, of triples, and of two pairs
at once. Its states are not kept, but what is asked of them: so a set can be made in any process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from spinfunnel.core import Array, BadInput, Effort, seeds
from spinfunnel.dynamics import ladder, temper, temperature_range
from spinfunnel.dynamics.engines import nanoseconds
from spinfunnel.maths.statistics import ChainTooShort, autocorrelation_time, drift
from spinfunnel.systems.protocols import Flips, Metric, Native, Pairwise, System

#: Ladders in a set, and the pairs of their replicas: the first and the last pair are disjoint, and so on.
REPLICAS = 4
PAIRS = tuple(combinations(range(REPLICAS), 2))

#: Sets, the most sweeps of each, and CPU seconds that all of them may take (estimated), by effort.
WORK: dict[Effort, tuple[int, int, float]] = {
    "quick": (8, 10_000, 16.0),
    "normal": (16, 40_000, 120.0),
    "full": (32, 200_000, 1200.0),
}
#: The fewest sets and sweeps, however long they take; the share of sweeps that is not recorded, for the
#: ladders begin at random.
FEWEST_SETS, FEWEST, BURN_IN = 4, 500, 0.25
#: Where a system has moves of its own, a sweep costs this share of the most it can (measured: .09 to .45, for
#: many moves are refused).
REFUSED = 0.2
#: Records of a set, unless their states would take more bytes than this.
RECORDS, BYTES = 1000, 2**28
#: Random states of each replica: what infinite temperature is.
RANDOM = 250

#: The hottest rung would be swapped with random states as often as neighbours of a ladder are, 30 %.
HOTTEST = 1.47
#: The hottest rung is at least this far above where mean-field theory sees the first order, λ_max(J); the
#: coldest is a tenth of that, or of where uphill moves of random states begin to freeze.
DISORDERED, COLDEST = 1.25, 0.1
#: Rungs come in multiples of this: four ladders then fill the lanes that are moved together.
RUNGS, MOST_RUNGS = 16, 64

#: Ladders that are called unsettled although they are not: over all temperatures together.
LEVEL = 0.01
#: A run is as long as it should be with this many autocorrelation times, and round trips of each ladder.
MEMORIES, TRIPS = 50, 10


@dataclass(frozen=True)
class Draw:
    """One set of ladders that is to be run: known before it is run."""

    need: ClassVar[str] = "moves"

    index: int
    sweeps: int
    seconds: float
    bytes: int

    @property
    def row_name(self) -> str:
        """What it is called in a report."""
        return f"ladders {REPLICAS * self.index + 1} to {REPLICAS * (self.index + 1)}"


@dataclass(frozen=True)
class Samples:
    """What T records of R ladders of K temperatures say, from hot to cold; energies are total energies.

    Attributes:
        temperatures: (K,).
        energies: (T, K, R).
        hottest: energies of random states, which is infinite temperature, (S, R); None if not of spins.
        overlaps: of the pairs of each set of four, (T, K, R / 4, 6), in the order of `PAIRS`; None without
            a metric.
        links: the same of bonds s_i s_j, where spins are coupled in pairs, but not all to all (there they
            follow from q²); else None.
        along: overlaps with the planted state, or with all spins up in a ferromagnet, (T, K, R), else None.
        acceptance: of swaps between neighbours, (K - 1,).
        round_trips: (R,), from the hottest temperature to the coldest and back.
        every: sweeps between two records; `sweeps` in all, without those before the first record.
        best, best_energy: the lowest state met, and its energy.
    """

    temperatures: Array
    energies: Array
    hottest: Array | None
    overlaps: Array | None
    links: Array | None
    along: Array | None
    acceptance: Array
    round_trips: Array
    every: int
    sweeps: int
    best: Array
    best_energy: float

    @classmethod
    def of(cls, sets: Sequence[Samples]) -> Samples:
        """Put sets side by side: they have the same temperatures, and as many records."""
        first = min(sets, key=lambda one: one.best_energy)
        axes = {"energies": 2, "hottest": 1, "overlaps": 2, "links": 2, "along": 2, "round_trips": 0}
        joined: dict[str, Any] = {
            key: np.concatenate([getattr(one, key) for one in sets], axis)
            for key, axis in axes.items()
            if getattr(first, key) is not None
        }
        return replace(first, **joined, acceptance=np.mean([one.acceptance for one in sets], axis=0))


def draws(system: System, effort: Effort) -> tuple[Draw, ...]:
    """Plan the sets of ladders, as long as the effort allows; how long follows from the system alone."""
    sets, most, seconds = WORK[effort]
    nominal = 2 * RUNGS * REPLICAS * nanoseconds(system) * 1e-9  # of a sweep
    count = int(min(sets, max(FEWEST_SETS, seconds / (FEWEST * nominal))))
    sweeps = int(min(most, max(FEWEST, seconds / count / nominal)))
    expected = sweeps * (1 + BURN_IN) * nominal * (1.0 if isinstance(system, Pairwise) else REFUSED)
    bytes = min(BYTES, RECORDS * 2 * RUNGS * REPLICAS * math.prod(system.shape))
    return tuple(Draw(index, sweeps, expected, bytes) for index in range(count))


def sample(system: System, draw: Draw, seed: int) -> Samples:
    """Run one set of four ladders; what it draws does not depend on the other sets.

    Raises:
        KeyboardInterrupt: if it was interrupted; half a set is none.
    """
    rungs = _rungs(system, seed)
    size = len(rungs) * REPLICAS * math.prod(system.shape) * system.random(1, 0).itemsize
    records = int(max(2, min(RECORDS, draw.sweeps, BYTES // size)))
    every = max(1, draw.sweeps // records)
    own = seeds(seed, draw.row_name)
    trace = temper(
        system, rungs, sweeps=records * every, ladders=REPLICAS, burn_in=int(BURN_IN * draw.sweeps),
        record_every=every, keep_states="all", seed=own,
    )  # fmt: skip
    if trace.stopped == "interrupted":
        raise KeyboardInterrupt
    states = trace.stats["states"]
    hottest = None
    if isinstance(system, Flips):
        hottest = system.energy(system.random(RANDOM * REPLICAS, seeds(own, "random")))
    overlaps, links, along = looked_at(system, states)
    return Samples(
        temperatures=rungs,
        energies=trace.stats["energies"],
        hottest=None if hottest is None else hottest.reshape(RANDOM, REPLICAS),
        overlaps=overlaps,
        links=links,
        along=along,
        acceptance=trace.stats["acceptance"],
        round_trips=trace.stats["round_trips"],
        every=every,
        sweeps=records * every,
        best=trace.best,
        best_energy=trace.best_energy,
    )


@lru_cache(1)
def _rungs(system: System, seed: int) -> Array:
    """Set the temperatures: from nearly random states to a tenth of where the system begins to order."""
    hot, cold = temperature_range(system, seed)
    ordering = _mean_field(system) if isinstance(system, Pairwise) else 0.0
    cold = max(cold, COLDEST * hot, COLDEST * ordering)
    hot = max(hot, DISORDERED * ordering)
    if isinstance(system, Flips):
        hot = max(hot, float(system.energy(system.random(4000, seeds(seed, "hottest"))).std()) / HOTTEST)
    found = 1 / ladder(system, hot, cold, seed=seed)
    count = min(MOST_RUNGS, -(-len(found) // RUNGS) * RUNGS)
    return 1 / np.interp(np.linspace(0, len(found) - 1, count), np.arange(len(found)), found)


def _mean_field(system: Pairwise) -> float:
    """Give the largest eigenvalue of J: above it, mean-field theory knows no order."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import eigsh

    matrix = csr_array((system.couplings, system.indices, system.indptr), shape=(system.size,) * 2)
    if system.size < 16:
        return float(np.linalg.eigvalsh(matrix.toarray())[-1])
    start = np.random.default_rng(0).standard_normal(system.size)
    return float(eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)[0])


def looked_at(system: System, states: Array) -> tuple[Array | None, Array | None, Array | None]:
    """Give overlaps and link overlaps of pairs (T, K, R / 4, 6), and overlaps with a reference (T, K, R).

    Shapes: states (T, K, R, *shape), R a multiple of four. What the system cannot say is None.
    """
    if not isinstance(system, Metric):
        return None, None, None
    records, rungs, replicas = states.shape[:3]
    sets = replicas // REPLICAS
    overlaps = np.empty((records, rungs, sets, len(PAIRS)))
    links = np.empty_like(overlaps) if isinstance(system, Pairwise) and not _complete(system) else None
    native = reference(system)
    along = None if native is None else np.empty((records, rungs, replicas))
    for k in range(rungs):
        for r in range(sets):
            four = states[:, k, REPLICAS * r : REPLICAS * (r + 1)]
            for p, (a, b) in enumerate(PAIRS):
                overlaps[:, k, r, p] = system.overlap(four[:, a], four[:, b])
            if links is not None:
                assert isinstance(system, Pairwise)
                links[:, k, r] = _links(system, four)
        if along is not None and native is not None:
            for r in range(replicas):
                one = states[:, k, r]
                along[:, k, r] = system.overlap(one, np.broadcast_to(native, one.shape))
    return overlaps, links, along


def _complete(system: Pairwise) -> bool:
    return len(system.indices) == system.size * (system.size - 1)


def _links(system: Pairwise, four: Array) -> Array:
    """Give Σ_<ij> s_i s_j t_i t_j / bonds of each pair of four replicas, (T, 6)."""
    rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
    once = rows < system.indices
    ends = four[:, :, rows[once]] * four[:, :, system.indices[once]]  # int8 (T, 4, bonds)
    return np.stack([np.mean(ends[:, a] * ends[:, b], axis=1, dtype=np.float64) for a, b in PAIRS], axis=1)


def reference(system: System) -> Array | None:
    """Give the state along which order is told: the planted one, or all up if no bond is negative."""
    if isinstance(system, Native):
        return system.native
    if isinstance(system, Pairwise) and len(system.couplings) and system.couplings.min() >= 0:
        return np.ones(system.size, dtype=np.int8)
    return None


def memories(samples: Samples) -> Array:
    """Give the integrated autocorrelation time of the energy at each temperature, in sweeps, (K,).

    Where the chain is too short to know it, it is what the chain says; where no energy ever changes, NaN.
    """
    found = []
    for k in range(len(samples.temperatures)):
        try:
            tau = autocorrelation_time(samples.energies[:, k]).value
        except ChainTooShort as short:
            tau = short.estimate.value
        except BadInput:
            tau = math.nan
        found.append(tau * samples.every)
    return np.array(found)


def doubts_about(samples: Samples) -> tuple[str, ...]:
    """Say why the samples may not be of equilibrium, and how much longer to run."""
    said, t = list(unsettled(samples.energies, samples.temperatures, "u")), samples.temperatures
    tau = memories(samples)
    slowest = int(np.argmax(np.nan_to_num(tau)))
    longer = MEMORIES * tau[slowest] / samples.sweeps
    if longer > 1:
        said.append(
            f"chain too short: at T = {t[slowest]:.3g} the energy remembers {tau[slowest]:.3g} sweeps of "
            f"{samples.sweeps}; run about {math.ceil(longer)} times longer"
        )
    trips = float(np.median(samples.round_trips))
    if trips < TRIPS:
        said.append(
            f"ladders barely mixed: half made at most {trips:.0f} round trips between the hottest and "
            f"the coldest temperature; run about {math.ceil(TRIPS / max(trips, 1))} times longer"
        )
    return tuple(said)


def unsettled(records: Array, t: Array, what: str) -> tuple[str, ...]:
    """Say if records of `what`, (T, K, R), drift at any of the temperatures t, (K,)."""
    sigma, p = drift(records)
    worst = int(np.argmax(np.abs(sigma)))
    if p[worst] * len(t) >= LEVEL:
        return ()
    return (
        f"not settled: at T = {t[worst]:.3g}, {what} of the second half differs from the quarter before "
        f"by {abs(sigma[worst]):.1f} σ; run about 4 times longer",
    )
