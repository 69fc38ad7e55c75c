"""Parallel tempering with Houdayer's cluster move, for glasses on sparse graphs in two dimensions.

Two replicas a and b at one temperature differ where q_i = a_i b_i = -1. A cluster of such sites, held
together by bonds, is turned over in both: what a bond on its border costs a, b gains, so the energy of the
pair stays what it is, and no move is refused. Without a field, sites with q_i = +1 do as well (turn b over as
a whole); the sign that fewer sites have is taken. The move helps while clusters are small. Where they
percolate, as in three dimensions or more, they hold nearly all sites of their sign, and the two replicas all
but change names; the share that they hold is in the trace.

Source: Houdayer, Eur. Phys. J. B 22 (2001) 479; beyond two dimensions: Zhu, Ochoa, Katzgraber, Phys. Rev.
Lett. 115 (2015) 077201.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Trace, seeds
from spinfunnel.dynamics.lanes import Lanes
from spinfunnel.dynamics.replicas import NEVER, Ladders, Progress, whole
from spinfunnel.dynamics.tempering import climb, rungs_of
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import below, streams
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system as named
from spinfunnel.systems.enumeration import correlations, enumerate_states
from spinfunnel.systems.protocols import Pairwise, System
from spinfunnel.systems.spins import overlap


def turn_over(spins: Any, local: Any, lane: int, i: Any, indptr: Any, indices: Any, couplings: Any) -> None:
    """Turn spin i of one lane over, and tell the neighbours. Shapes: spins and local (N, width)."""
    change = -2 * spins[i, lane]
    spins[i, lane] += change
    for k in range(indptr[i], indptr[i + 1]):
        local[indices[k], lane] += couplings[k] * change


def turn_clusters(
    spins: Any, local: Any, at: Any, rng: Any, free: bool, indptr: Any, indices: Any, couplings: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Turn one cluster over at each rung of each pair of ladders: those numbered 0 and 1, 2 and 3, ...

    Shapes: spins, local (blocks, N, width), at (ladders, rungs), rng (pairs, 4); `free` is without a field;
    counts (3, rungs): moves, spins in their clusters, and the sum of their shares of the sites of that sign.
    """
    _, n, width = spins.shape
    members, inside = np.empty(n, np.int64), np.zeros(n, np.bool_)
    for pair in range(at.shape[0] // 2):
        for rung in range(at.shape[1]):
            a, b = at[2 * pair, rung], at[2 * pair + 1, rung]
            one, other = spins[a // width], spins[b // width]
            lane, lane_b = a % width, b % width
            sites = 0
            for i in range(n):
                sites += one[i, lane] != other[i, lane_b]
            same = free and 2 * sites > n
            sites = n - sites if same else sites
            if sites == 0:
                continue
            left, first = below(rng[pair], sites), 0
            while left > 0 or (one[first, lane] == other[first, lane_b]) != same:
                left -= (one[first, lane] == other[first, lane_b]) == same
                first += 1
            members[0], inside[first] = first, True
            size, m = 1, 0
            while m < size:
                i = members[m]
                m += 1
                for k in range(indptr[i], indptr[i + 1]):
                    j = indices[k]
                    alike = one[j, lane] == other[j, lane_b]
                    if couplings[k] != 0 and alike == same and not inside[j]:
                        inside[j] = True
                        members[size] = j
                        size += 1
            for m in range(size):
                i = members[m]
                inside[i] = False
                turn_over(one, local[a // width], lane, i, indptr, indices, couplings)
                turn_over(other, local[b // width], lane_b, i, indptr, indices, couplings)
            counts[0, rung] += 1
            counts[1, rung] += size
            counts[2, rung] += size / sites


class Pairs(Lanes):
    """Lanes whose ladders come in pairs; after every round clusters are turned over between them.

    Attributes:
        counts: what `turn_clusters` counts, (3, rungs).
    """

    def __init__(self, system: Pairwise, pairs: int, rungs: int, seed: int) -> None:
        super().__init__(system, 2 * pairs * rungs, seed)
        self.own = streams(seed, "overlap clusters", pairs)
        self.counts = np.zeros((3, rungs))
        self.free = not system.fields.any()

    def temper(self, ladders: Ladders, rounds: int, *, every: int, kept: int) -> tuple[Array, Array]:
        """Temper as `Replicas` says, and turn clusters over after each round."""
        _, indptr, indices, couplings, matrix = self.graph
        local = self.local.swapaxes(1, 2) if len(matrix) else self.local
        records = [super().temper(ladders, 0, every=NEVER, kept=kept)]
        for _ in range(rounds):
            records.append(super().temper(ladders, 1, every=every, kept=kept))
            compiled(turn_clusters)(
                self.spins, local, ladders.at, self.own, self.free, indptr, indices, couplings, self.counts
            )
        energies, states = (np.concatenate(parts) for parts in zip(*records, strict=True))
        return energies, states


def houdayer(
    system: System,
    temperatures: Sequence[float] | Array | None = None,
    *,
    sweeps: int,
    pairs: int = 1,
    seed: int = 0,
    burn_in: int = 0,
    record_every: int = 1,
    keep_states: bool | Literal["all"] = False,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Temper pairs of ladders, and turn a cluster over between the two replicas of each rung, each sweep.

    The replicas of a pair meet again and again, so only pairs are independent: the trace shows the first of
    each, energies (T, pairs), and `stats` has both, as `temper` gives them, of ladders 2p and 2p + 1. Also
    "cluster_share" (rungs,), the mean share of all spins in a cluster, and "sign_share" (rungs,), that of the
    sites of its sign: near 1 the replicas of a pair just change names, and the move is of no use.

    >>> from spinfunnel.systems import system
    >>> trace = houdayer(system("ea?dimension=2", size=6), [2.0, 1.0], sweeps=20, pairs=3)
    >>> trace.energies.shape, trace.stats["energies"].shape
    ((20, 3), (20, 2, 6))

    Raises:
        BadInput: as `temper`; or if all spins are coupled to each other, where a cluster is always all.
    """
    whole(pairs=pairs)
    if not isinstance(system, Pairwise):
        raise BadInput(f"{system.name} has no couplings between pairs of spins, which clusters need")
    if len(system.indices) == system.size * (system.size - 1):
        raise BadInput(
            f"in {system.name} all spins are coupled to each other, and a cluster is always all: use temper"
        )
    rungs = rungs_of(system, temperatures, seed)
    them = Pairs(system, pairs, len(rungs), seed)
    trace = climb(
        them, rungs, sweeps=sweeps, seed=seed, burn_in=burn_in, record_every=record_every,
        keep_states=keep_states, deadline=deadline, progress=progress,
    )  # fmt: skip
    moves, turned, held = them.counts
    found = {
        "cluster_share": turned / np.maximum(moves, 1) / system.size,
        "sign_share": held / np.maximum(moves, 1),
    }
    return replace(
        trace,
        energies=trace.energies[:, ::2],
        final=trace.final[::2],
        states=None if trace.states is None else trace.states[:, ::2],
        stats={**trace.stats, **found},
    )


#: Small systems on sparse graphs, one in a field, and their ladders.
SMALL = (
    ("ea?dimension=2&law=pm", 4, (2.0, 1.0, 0.6)),
    ("ea?dimension=2&law=gauss", 4, (2.0, 1.0, 0.6)),
    ("ea?dimension=2&law=gauss&field=0.3", 4, (2.0, 1.0, 0.6)),
)


def _against_enumeration(seed: int) -> Iterator[CalibrationRow]:
    """Compare u, <m^2> and <q^2>, each of its own pairs of ladders; q is within a pair, m of its first."""
    for name, size, rungs in SMALL:
        few = named(name, size=size, seed=1)
        trace = houdayer(
            few, rungs, sweeps=400, pairs=384, burn_in=100, record_every=2, keep_states="all",
            seed=seeds(seed, name),
        )  # fmt: skip
        for k in (1, 2):
            temperature, first = rungs[k], 384 * (k - 1)
            _, two = correlations(few, temperature)
            energies = trace.stats["energies"][:, k, first : first + 128]
            states = trace.stats["states"][:, k, first + 128 : first + 384]
            u = energies[:, ::2] / few.size
            m2 = states[:, :128:2].mean(axis=2, dtype=np.float64) ** 2
            q2 = overlap(states[:, 128::2], states[:, 129::2]) ** 2
            where = f"{name}, N {few.size}, T {temperature}"
            for quantity, exact, series in (
                ("u", float(enumerate_states(few, [temperature]).thermal.u[0]), u),
                ("<m²>", float(two.mean()), m2),
                ("<q²>", float((two**2).mean()), q2),
            ):
                found = mean_of_replicas(series)
                assert found.error is not None
                yield CalibrationRow.measured(
                    "houdayer", where, quantity, exact=exact, value=found.value, error=found.error, cap=0.02
                )


calibrations = (
    Calibration("Houdayer's clusters against enumeration", "all 2^N states", _against_enumeration),
)
