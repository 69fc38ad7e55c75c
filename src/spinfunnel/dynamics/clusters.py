"""Cluster dynamics: spins that their bonds hold together turn over at once.

A satisfied bond is active with probability 1 - exp(-2 β J s s'), one that is not satisfied never. Given what
is active, the clusters of spins held together are independent of each other, whatever the signs of the
couplings; a field pulls each cluster as one big spin. Near the critical point of a ferromagnet this all but
ends its slowing down. In a frustrated system it is as right, but the clusters soon hold nearly all spins.

Sources: Swendsen, Wang, Phys. Rev. Lett. 58 (1987) 86; Wolff, Phys. Rev. Lett. 62 (1989) 361; why: Edwards,
Sokal, Phys. Rev. D 38 (1988) 2009.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Number, Trace, seeds
from spinfunnel.dynamics.metropolis import sample
from spinfunnel.dynamics.replicas import Progress, Replicas, spread, whole
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import below, streams, uniform
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system as named
from spinfunnel.systems.enumeration import correlations, enumerate_states
from spinfunnel.systems.exact import TC_SQUARE, kaufman, yang
from spinfunnel.systems.protocols import Pairwise, System
from spinfunnel.systems.spins import overlap

#: Replicas, when nothing is said.
REPLICAS = 16
#: What a spin or a bond costs, measured.
NANOSECONDS = 12


def root(parent: Any, i: Any) -> Any:
    """Follow i to the first spin of its cluster, and halve the way there."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def all_clusters(
    spins: Any, rng: Any, beta: float, indptr: Any, upper: Any, indices: Any, couplings: Any, kinds: Any,
    chances: Any, fields: Any, first: Any, pull: Any,
) -> Any:  # fmt: skip
    """Make all clusters of one replica, and draw each one's sign afresh in the field; count them.

    Shapes: spins, fields (N,); `upper` (N,) is where the neighbours above each spin begin; bonds of one of
    the `kinds` have one |J|, and so one of the `chances` 1 - exp(-2 β |J|); `first` (N,) int64 and `pull`
    (N,) float64 are room to work in.
    """
    n = spins.shape[0]
    for i in range(n):
        first[i] = i
    for i in range(n):
        for k in range(upper[i], indptr[i + 1]):
            j = indices[k]
            satisfied = couplings[k] * spins[i] * spins[j] > 0
            if satisfied & (uniform(rng) < chances[kinds[k]]):
                a, b = root(first, i), root(first, j)
                first[max(a, b)] = min(a, b)
    for i in range(n):
        pull[i] = 0.0
    for i in range(n):  # in this order the first spin of a cluster is known when it is asked for
        first[i] = first[first[i]]
        pull[first[i]] += fields[i] * spins[i]
    clusters = 0
    for i in range(n):
        own = first[i]
        if own == i:
            clusters += 1
            stays = 1 / (1 + np.exp(-2 * beta * pull[i])) if pull[i] != 0 else 0.5
            pull[i] = 1.0 if uniform(rng) < stays else -1.0
        spins[i] *= np.int8(pull[own])
    return clusters, n


def one_cluster(
    spins: Any, rng: Any, beta: float, indptr: Any, upper: Any, indices: Any, couplings: Any, kinds: Any,
    chances: Any, fields: Any, members: Any, inside: Any,
) -> Any:  # fmt: skip
    """Grow the cluster of a random spin and turn it over, as far as the field allows; count its spins.

    Shapes as in `all_clusters`; `inside` is zero before and after.
    """
    members[0] = below(rng, spins.shape[0])
    inside[members[0]] = 1.0
    size, at, pull = 1, 0, 0.0
    while at < size:
        i = members[at]
        at += 1
        pull += fields[i] * spins[i]
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            satisfied = couplings[k] * spins[i] * spins[j] > 0
            if satisfied and inside[j] == 0 and uniform(rng) < chances[kinds[k]]:
                inside[j] = 1.0
                members[size] = j
                size += 1
    turns = pull <= 0 or uniform(rng) < np.exp(-2 * beta * pull)
    for m in range(size):
        inside[members[m]] = 0.0
        if turns:
            spins[members[m]] = -spins[members[m]]
    return 1, size


def energy(spins: Any, indptr: Any, upper: Any, indices: Any, couplings: Any, fields: Any) -> Any:
    """Add up the energy of one replica; `upper` is where the neighbours above each spin begin."""
    total = 0.0
    for i in range(spins.shape[0]):
        h = fields[i]
        for k in range(upper[i], indptr[i + 1]):
            h += couplings[k] * spins[indices[k]]
        total -= h * spins[i]
    return total


def run(
    spins: Any, rng: Any, beta: float, schedule: Any, single: bool, indptr: Any, upper: Any, indices: Any,
    couplings: Any, kinds: Any, strengths: Any, fields: Any, done: int, every: int, energies: Any,
    states: Any, best: Any, lowest: Any, counts: Any,
) -> None:  # fmt: skip
    """Update one replica len(schedule) times, at schedule[t] * beta; `done` updates were made before.

    Shapes: strengths (kinds,): |J|; energies (records,), states (records or 0, N), best (N,), lowest (1,),
    counts (2,): clusters made and spins in them.
    """
    n, record, known = spins.shape[0], 0, -1.0
    first, pull, chances = np.empty(n, np.int64), np.zeros(n), np.empty(strengths.shape[0])
    for t in range(schedule.shape[0]):
        now = schedule[t] * beta
        if now != known:
            known = now
            for k in range(strengths.shape[0]):
                chances[k] = 1 - np.exp(-2 * now * strengths[k])
        if single:
            clusters, held = one_cluster(
                spins, rng, now, indptr, upper, indices, couplings, kinds, chances, fields, first, pull
            )
        else:
            clusters, held = all_clusters(
                spins, rng, now, indptr, upper, indices, couplings, kinds, chances, fields, first, pull
            )
        counts[0] += clusters
        counts[1] += held
        if (done + t + 1) % every == 0:
            energies[record] = energy(spins, indptr, upper, indices, couplings, fields)
            if energies[record] < lowest[0]:
                lowest[0] = energies[record]
                best[:] = spins
            if states.shape[0]:
                states[record] = spins
            record += 1


class Clusters(Replicas):
    """R replicas of spins coupled in pairs, moved by all clusters at once, or by a `single` one.

    Attributes:
        counts: clusters made by each replica since `done` was zero, and spins in them, (R, 2).

    Raises:
        BadInput: if the system's spins are not coupled in pairs.
    """

    order = "random"

    def __init__(self, system: System, replicas: int, seed: int, *, single: bool) -> None:
        if not isinstance(system, Pairwise):
            raise BadInput(f"{system.name} has no couplings between pairs of spins, which clusters need")
        super().__init__(system, replicas)
        rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
        lower = np.bincount(rows[system.indices < rows], minlength=system.size)
        upper = system.indptr[:-1] + lower
        strengths, kinds = np.unique(np.abs(system.couplings), return_inverse=True)
        self.graph = (
            system.indptr, upper, system.indices, system.couplings, kinds.astype(np.int32), strengths,
            system.fields,
        )  # fmt: skip
        self.single = single
        self.spins = np.ascontiguousarray(system.random(replicas, seeds(seed, "start")))
        self.rng = streams(seed, "clusters", replicas)
        self.kept, self.lows = self.spins.copy(), np.full((replicas, 1), np.inf)
        self.counts = np.zeros((replicas, 2), dtype=np.int64)
        self.proposals = replicas * (system.size + len(system.indices) // 2)
        self.work = NANOSECONDS * self.proposals / (8 if single else 1)

    @property
    def final(self) -> Array:
        """The spins now, (R, N) int8."""
        return self.spins.copy()

    def take(self, indices: Array) -> None:
        """Take the places of others, as `Replicas` says."""
        self.spins[:] = self.spins[indices]

    @property
    def best(self) -> Array:
        """The spins of lowest energy that a record saw, (R, N) int8."""
        return self.kept.copy()

    def sweep(
        self, beta: float | Array, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Update len(schedule) times, as `Replicas` says of sweeps."""
        loop, updates = compiled(run), len(schedule)
        if self.done == 0:  # of burning in nothing is counted
            self.counts[:] = 0
        records = self.due(updates, every)
        energies = np.empty((self.replicas, records))
        states = np.empty((self.replicas, records if keep_states else 0, self.spins.shape[1]), np.int8)
        betas = np.broadcast_to(np.asarray(beta, np.float64), self.replicas)
        schedule = np.asarray(schedule, np.float64)

        def one(r: int) -> None:
            loop(
                self.spins[r], self.rng[r], betas[r], schedule, self.single, *self.graph, self.done, every,
                energies[r], states[r], self.kept[r], self.lows[r], self.counts[r],
            )  # fmt: skip

        spread(one, range(self.replicas), threads)
        self.done += updates
        return energies.T, states.swapaxes(0, 1)

    def cluster_size(self) -> float:
        """Give the mean size of the clusters that are counted, in spins."""
        clusters, held = self.counts.sum(axis=0)
        return float(held / max(1, clusters))


def swendsen_wang(
    system: System,
    temperature: float,
    *,
    sweeps: int,
    replicas: int = REPLICAS,
    seed: int = 0,
    burn_in: int = 0,
    record_every: int = 1,
    keep_states: bool = False,
    threads: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Sweep independent replicas, from random starts: every cluster of each gets a fresh sign.

    The trace's `times` are sweeps after `burn_in`; `states` (T, R, N) if kept; `stats["cluster_size"]` is the
    mean size of a cluster, in spins. At `deadline` (a `time.time()`) or Ctrl-C it holds what there is.

    >>> from spinfunnel.systems import system
    >>> trace = swendsen_wang(system("ising2d", size=8), 2.27, sweeps=20, replicas=3, record_every=5)
    >>> trace.energies.shape, trace.final.shape, trace.stopped
    ((4, 3), (3, 64), 'finished')

    Raises:
        BadInput: if the temperature is not positive, a count is below one, or the spins are not coupled in
            pairs.
    """
    whole(sweeps=sweeps, replicas=replicas)
    them = Clusters(system, replicas, seed, single=False)
    return sample(
        them, temperature, sweeps=sweeps, seed=seed, burn_in=burn_in, record_every=record_every,
        keep_states=keep_states, threads=threads, deadline=deadline, progress=progress,
        stats=lambda: {"cluster_size": them.cluster_size()},
    )  # fmt: skip


def wolff(
    system: System,
    temperature: float,
    *,
    clusters: int,
    replicas: int = REPLICAS,
    seed: int = 0,
    burn_in: int = 0,
    record_every: int = 1,
    keep_states: bool = False,
    threads: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Turn over one cluster after the other in independent replicas, from random starts.

    Time, `burn_in` and `record_every` count clusters: a sweep that ended once so many spins were turned over
    would prefer some states. It takes N / `stats["cluster_size"]` clusters to touch N spins. The rest is as
    in `swendsen_wang`.

    >>> from spinfunnel.systems import system
    >>> trace = wolff(system("ising2d", size=8), 1.0, clusters=200, replicas=3, burn_in=100)
    >>> trace.stats["cluster_size"] > 60
    True

    Raises:
        BadInput: as `swendsen_wang`.
    """
    whole(clusters=clusters, replicas=replicas)
    them = Clusters(system, replicas, seed, single=True)
    return sample(
        them, temperature, sweeps=clusters, seed=seed, burn_in=burn_in, record_every=record_every,
        keep_states=keep_states, threads=threads, deadline=deadline, progress=progress,
        stats=lambda: {"cluster_size": them.cluster_size()}, unit="clusters",
    )  # fmt: skip


def heat_capacity(energies: Array, temperature: float, size: int) -> Number:
    """Give c = (<E^2> - <E>^2) / (N T^2) of (T, R) records; the error is a jackknife over replicas.

    >>> print(heat_capacity(np.array([[-1.0, 1.0, -1.0, 1.0], [1.0, -1.0, 1.0, -1.0]]), 1.0, 1))
    1.000
    """
    first, second = energies.mean(axis=0), (energies**2).mean(axis=0)
    count = len(first)
    scale = size * temperature**2
    each = ((second.sum() - second) - (first.sum() - first) ** 2 / (count - 1)) / ((count - 1) * scale)
    whole = (second.mean() - first.mean() ** 2) / scale
    error = math.sqrt((count - 1) / count * float(((each - each.mean()) ** 2).sum()))
    return Number(float(count * whole - (count - 1) * each.mean()), error=error)


def _row(of: str, where: str, quantity: str, exact: float, found: Number, cap: float) -> CalibrationRow:
    error = math.nan if found.error is None else found.error
    return CalibrationRow.measured(of, where, quantity, exact=exact, value=found.value, error=error, cap=cap)


def _both(
    system: System, temperature: float, sweeps: int, replicas: int, seed: int, *, keep_states: bool = False
) -> Iterator[tuple[str, Trace]]:
    """Sample with each dynamics; Wolff records when about N spins are in the clusters of one record.

    In a random start clusters are small, so it first makes more of them.
    """
    chosen: dict[str, Any] = {"replicas": replicas, "keep_states": keep_states}
    burn_in = 50 + sweeps // 10
    one = seeds(seed, system.name, system.size, temperature)
    yield (
        "Swendsen-Wang",
        swendsen_wang(system, temperature, sweeps=sweeps, burn_in=burn_in, seed=one, **chosen),
    )
    pilot = wolff(system, temperature, clusters=200, burn_in=200, replicas=4, seed=seeds(one, "pilot"))
    every = max(1, round(system.size / pilot.stats["cluster_size"]))
    burn_in = burn_in * every + 8 * math.isqrt(system.size)
    yield "Wolff", wolff(
        system, temperature, clusters=sweeps * every, burn_in=burn_in, record_every=every, seed=one, **chosen
    )  # fmt: skip


def _torus(seed: int, side: int, sweeps: int, replicas: int) -> Iterator[CalibrationRow]:
    """Compare u, c and, where the size is no matter, m with what is known; each has its own replicas."""
    torus = named("ising2d", size=side)
    for temperature in (2.0, TC_SQUARE, 2.5):
        exact, large = kaufman(side, side, temperature), side * temperature == 128
        for of, trace in _both(torus, temperature, sweeps, replicas, seed, keep_states=large):
            where = f"ising2d, L {side}, T {temperature:.4g}, {of}"
            u = mean_of_replicas(trace.energies[:, ::3] / torus.size)
            c = heat_capacity(trace.energies[:, 1::3], temperature, torus.size)
            yield _row(of, where, "u", float(exact.u[0]), u, 0.01)
            yield _row(of, where, "c", float(exact.c[0]), c, 0.15)
            if trace.states is not None:
                m = mean_of_replicas(np.abs(trace.states[:, 2::3].mean(axis=2)))
                yield _row(of, where, "<|m|>", float(yang(temperature)[0]), m, 0.001)


#: Frustrated systems, one in a field: as right, if of no use.
SMALL = (
    ("ea?dimension=2&law=pm", 4, 1.5),
    ("ea?dimension=2&law=gauss", 4, 1.2),
    ("sk", 10, 0.9),
    ("sk?field=0.4", 10, 1.2),
)


def _frustrated(seed: int) -> Iterator[CalibrationRow]:
    """Compare u, <m^2> and <q^2>, each of its own replicas, with the enumeration."""
    for name, size, temperature in SMALL:
        few = named(name, size=size, seed=1)
        thermal = enumerate_states(few, [temperature]).thermal
        _, pairs = correlations(few, temperature)
        for of, trace in _both(few, temperature, 800, 192, seed, keep_states=True):
            assert trace.states is not None
            where = f"{name}, N {few.size}, T {temperature}, {of}"
            u = trace.energies[:, :64] / few.size
            m2 = trace.states[:, 64:128].mean(axis=2, dtype=np.float64) ** 2
            q2 = overlap(trace.states[:, 128::2], trace.states[:, 129::2]) ** 2
            yield _row(of, where, "u", float(thermal.u[0]), mean_of_replicas(u), 0.01)
            yield _row(of, where, "<m²>", float(pairs.mean()), mean_of_replicas(m2), 0.01)
            yield _row(of, where, "<q²>", float((pairs**2).mean()), mean_of_replicas(q2), 0.01)


KAUFMAN = "Kaufman, Phys. Rev. 76 (1949) 1232"
calibrations = (
    Calibration("clusters in frustrated systems", "all 2^N states", _frustrated),
    Calibration(
        "clusters on small tori",
        KAUFMAN,
        lambda seed: [*_torus(seed, 8, 300, 192), *_torus(seed, 16, 100, 192)],
    ),
    Calibration("clusters on a torus of 32", KAUFMAN, lambda seed: _torus(seed, 32, 100, 192), "normal"),
    Calibration(
        "clusters on a torus of 64", KAUFMAN + "; Yang (1952)", lambda seed: _torus(seed, 64, 100, 96), "full"
    ),
)
