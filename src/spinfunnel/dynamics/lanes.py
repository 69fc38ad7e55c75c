"""Many replicas of pairwise spins, in the layout the kernels want."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spinfunnel.core import Array
from spinfunnel.dynamics import kernels
from spinfunnel.dynamics.replicas import Ladders, Order, Replicas, Rule, begun, spread
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams
from spinfunnel.systems.protocols import Pairwise

#: From this share of all pairs coupled on, couplings are kept as a matrix, if they are not more than this.
DENSE, MOST_ENTRIES = 0.25, 10**8
#: What a proposal costs in blocks of so many lanes (3D +-J glass): all lanes are moved, wanted or not.
NANOSECONDS = {64: 1.5, 16: 3.0, 1: 8.0}


def width_for(replicas: int) -> int:
    """Give the lanes of a block with which so many replicas are swept soonest.

    >>> [width_for(replicas) for replicas in (1, 10, 20, 1000)]
    [1, 16, 64, 64]
    """
    return min(NANOSECONDS, key=lambda width: -(-replicas // width) * width * NANOSECONDS[width])


def usual_order(system: Pairwise) -> Order:
    """Give the order of sites where none is asked for: in turn, but at random where most spins are in chains.

    Taken in turn, spins with two neighbours or fewer hardly move at any temperature: a domain wall meets the
    next spin at no cost, is accepted for certain, and so is carried around by the sweep instead of wandering.
    """
    return "random" if np.median(np.diff(system.indptr)) <= 2 else "sequential"


class Lanes(Replicas):
    """R replicas of N spins coupled in pairs, each with its own random numbers, in blocks of `width`.

    Couplings are scaled by a power of two, `unit`, so that float32 holds them; energies are given back in
    the system's own unit. What pads the last block is moved too, and never shown.
    """

    def __init__(
        self,
        system: Pairwise,
        replicas: int,
        seed: int,
        *,
        order: Order | None = None,
        rule: Rule = "metropolis",
        start: Array | None = None,
    ) -> None:
        super().__init__(system, replicas)
        self.width = width = width_for(replicas)
        self.given: dict[str, Any] = {"WIDTH": width} | ({"sweep": kernels.sweep_one} if width == 1 else {})
        self.size, self.order = system.size, order or usual_order(system)
        self.blocks = -(-replicas // width)
        lanes = self.blocks * width
        largest = max(np.abs(system.couplings).max(initial=0.0), np.abs(system.fields).max(initial=0.0))
        self.unit = 2.0 ** math.floor(math.log2(largest)) if largest else 1.0
        self.graph = (
            (system.fields / self.unit).astype(np.float32),
            np.ascontiguousarray(system.indptr, dtype=np.int64),
            np.ascontiguousarray(system.indices, dtype=np.int64),
            (system.couplings / self.unit).astype(np.float32),
            self._matrix(system),
        )
        self.spins = self._blocks(begun(system, lanes, seed, start), np.float32)
        dense = len(self.graph[-1]) > 0
        self.local = np.zeros((self.blocks, width, self.size) if dense else self.spins.shape, np.float32)
        states = streams(seed, "proposals", lanes).reshape(self.blocks, width, 4)
        self.rng = np.ascontiguousarray(states.transpose(0, 2, 1)).reshape(self.blocks, 4 * width)
        self.sites = streams(seed, "order of sites", 1).ravel()
        self.how = (self.order == "random", rule == "heat bath")
        self.kept = self.spins.astype(np.int8)
        self.best_energy = np.full((self.blocks, width), np.inf)
        self.proposals = self.spins.size
        self.work = NANOSECONDS[width] * self.proposals

    def _matrix(self, system: Pairwise) -> Array:
        """Give the couplings (N, N) if so many spins are coupled that it pays, else an empty matrix."""
        n = self.size
        if not DENSE * n * n < len(system.indices) < MOST_ENTRIES:
            return np.zeros((0, 0), np.float32)
        matrix = np.zeros((n, n), np.float32)
        rows = np.repeat(np.arange(n), np.diff(system.indptr))
        matrix[rows, system.indices] = system.couplings / self.unit
        return matrix

    def _blocks(self, x: Array, dtype: type) -> Array:
        blocked = x.reshape(self.blocks, self.width, self.size).transpose(0, 2, 1)
        return np.ascontiguousarray(blocked, dtype=dtype)

    def _replicas(self, blocked: Array) -> Array:
        """Give (replicas, N) int8 of what has shape (blocks, N, WIDTH)."""
        return blocked.transpose(0, 2, 1).reshape(-1, self.size)[: self.replicas].astype(np.int8)

    @property
    def final(self) -> Array:
        """The spins now, (replicas, N) int8."""
        return self._replicas(self.spins)

    def take(self, indices: Array) -> None:
        """Take the places of others, as `Replicas` says: spins, and the fields that belong to them."""
        to = np.flatnonzero(indices != np.arange(self.replicas))
        (block, lane), (block_of, lane_of) = divmod(to, self.width), divmod(indices[to], self.width)
        self.spins[block, :, lane] = self.spins[block_of, :, lane_of]
        local = self.local.swapaxes(1, 2) if len(self.graph[-1]) else self.local
        local[block, :, lane] = local[block_of, :, lane_of]

    @property
    def best(self) -> Array:
        """The spins of lowest energy that a record, or a sweep of tempering, saw, (replicas, N) int8."""
        return self._replicas(self.kept)

    def sweep(
        self, beta: float | Array, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Sweep as `Replicas` says; each thread takes a block at a time."""
        run = compiled(kernels.run, self.given)
        sweeps, width = len(schedule), self.width
        records = self.due(sweeps, every)
        energies = np.empty((self.blocks, records, width))
        states = np.empty((self.blocks, records if keep_states else 0, self.size, width), dtype=np.int8)
        each = np.broadcast_to(self.unit * np.asarray(beta), self.replicas)
        betas = np.pad(each, (0, self.blocks * width - self.replicas), "edge").reshape(self.blocks, width)
        betas = betas.astype(np.float32)
        orders = np.tile(self.sites, (self.blocks, 1))  # every block takes the sites in the same order
        schedule = np.asarray(schedule, np.float32)

        def one(b: int) -> int:
            made: int = run(
                self.spins[b], self.local[b], betas[b], self.rng[b], orders[b], *self.how, *self.graph,
                schedule, self.done, every, energies[b], states[b], self.kept[b], self.best_energy[b],
            )  # fmt: skip
            return made

        self.accepted += spread(one, range(self.blocks), threads)
        self.sites = orders[0]
        self.done += sweeps
        self.proposed += sweeps * self.proposals
        flat = energies.transpose(1, 0, 2).reshape(records, self.blocks * width)[:, : self.replicas]
        kept = states.transpose(1, 0, 3, 2).reshape(states.shape[1], self.blocks * width, self.size)
        return self.unit * flat, kept[:, : self.replicas]

    def temper(self, ladders: Ladders, rounds: int, *, every: int, kept: int) -> tuple[Array, Array]:
        """Temper as `Replicas` says, all in one compiled loop."""
        records = self.due(rounds, every)
        energies = np.empty((records, *ladders.at.T.shape))
        states = np.empty((records, kept, len(ladders.at), self.size), dtype=np.int8)
        self.accepted += compiled(kernels.temper, self.given)(
            self.spins, self.local, self.rng, self.sites, *self.how, *self.graph,
            self.unit * ladders.betas, rounds, self.done, every, ladders.at, ladders.came_from, ladders.rng,
            ladders.tried, ladders.swapped, ladders.trips, energies, states, self.kept, self.best_energy,
        )  # fmt: skip
        self.done += rounds
        self.proposed += rounds * self.proposals
        return self.unit * energies, states
