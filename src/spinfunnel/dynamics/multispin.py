"""Spins whose couplings are small multiples of one unit, 64 replicas to a word: see `bit_kernels`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.dynamics import bit_kernels
from spinfunnel.dynamics.bit_kernels import COSTS, SLOTS, WORDS
from spinfunnel.dynamics.replicas import Ladders, Replicas, begun, spread
from spinfunnel.maths.compiling import compiled
from spinfunnel.systems.protocols import Pairwise

#: From so many replicas on this is faster than a float32 each: on the 3D +-J glass, twice as fast for 32 and
#: 64 of them, 12 to 16 times for 512 and more.
FEWEST = 17
#: Nanoseconds to propose a flip to all replicas of a block, by its words: measured on the 3D +-J glass.
#: Blocks of two to seven words would take no less than those of eight, which one instruction moves.
NANOSECONDS = {1: 45, 8: 65, 16: 110}


class UnitBonds(NamedTuple):
    """A system in bonds of one unit each; number N is a spin that is always up, to which fields bind.

    Shapes: ends (bonds, 2), and negative (bonds,), True where a bond is.
    """

    unit: float
    ends: Array
    negative: Array


def unit_bonds(system: Pairwise) -> UnitBonds | None:
    """Give the system in bonds of one unit each, or None: not in multiples of one unit, or too many of them.

    >>> from spinfunnel.systems import system
    >>> unit_bonds(system("ea", size=4)).unit, unit_bonds(system("sk", size=4))
    (1.0, None)
    """
    n = system.size
    rows = np.repeat(np.arange(n), np.diff(system.indptr))
    once = rows < system.indices
    fields = np.flatnonzero(system.fields)
    ends = np.concatenate(
        [np.stack([rows, system.indices], axis=1)[once], np.stack([fields, np.full(len(fields), n)], axis=1)]
    )
    strengths = np.concatenate([system.couplings[once], system.fields[fields]])
    ends, strengths = ends[strengths != 0], strengths[strengths != 0]
    if not len(strengths):
        return None
    unit = float(np.abs(strengths).min())
    if np.abs(strengths).max() > SLOTS * unit:
        return None
    times = np.rint(np.abs(strengths) / unit).astype(int)
    ends, negative = np.repeat(ends, times, axis=0), np.repeat(strengths < 0, times)
    if (times * unit != np.abs(strengths)).any() or np.bincount(ends.ravel())[:n].max() > SLOTS:
        return None
    return UnitBonds(unit, ends, negative)


def filled(which: Array) -> Array:
    """Give words whose bits are all set where `which` is True, and else none.

    >>> filled(np.array([True, False]))
    array([18446744073709551615,                    0], dtype=uint64)
    """
    return np.where(which, ~np.uint64(0), np.uint64(0))


def packed(spins: Array) -> Array:
    """Give spins +-1 (replicas, N), a multiple of 64 of them, as bits of words (N, replicas // 64).

    >>> packed(np.array([[1], [-1], [1]] + [[-1]] * 61)).tolist()
    [[5]]
    """
    return np.packbits(np.ascontiguousarray(spins.T) > 0, axis=1, bitorder="little").view("<u8")


def unpacked(words: Array) -> Array:
    """Give spins +-1 int8 (..., replicas, N) of words (..., N, words).

    >>> unpacked(np.array([[5]], dtype=np.uint64))[:4].tolist()
    [[1], [-1], [1], [-1]]
    """
    octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, bitorder="little").view(np.int8)
    return np.ascontiguousarray((2 * bits - 1).swapaxes(-1, -2))


class MultiSpin(Replicas):
    """R replicas of N spins, a bit each, with their own random numbers, in blocks of words.

    Metropolis flips, site after site. What pads the last block is moved too, and never shown.
    """

    order = "sequential"

    def __init__(
        self, system: Pairwise, replicas: int, seed: int, bonds: UnitBonds, start: Array | None = None
    ) -> None:
        super().__init__(system, replicas)
        self.size, self.unit = system.size, bonds.unit
        words = -(-replicas // 64)
        self.words = 1 if words == 1 else WORDS if -(-words // 8) % 2 == 0 else 8
        self.blocks = -(-words // self.words)
        self.graph = (*self._slots(bonds), *self._bonds(bonds))
        lanes = self.blocks * self.words * 64
        bits = packed(begun(system, lanes, seed, start))
        up = filled(np.ones((1, bits.shape[1]), bool))
        self.spins = self._blocks(np.concatenate([bits, up]))
        rng = np.random.default_rng(seeds(seed, "lanes", "words"))
        states = rng.integers(1, 2**64, size=(self.blocks * self.words, 4), dtype=np.uint64)
        self.rng = self._blocks(states.T)
        self.kept = self.spins[:, :-1].copy()
        self.best_energy = np.full((self.blocks, 64 * self.words), np.inf)
        self.proposals = lanes * self.size
        self.work = NANOSECONDS[self.words] * self.blocks * self.size

    def _slots(self, bonds: UnitBonds) -> tuple[Array, ...]:
        """Give each site its neighbours, bond by bond, and what its flips may cost.

        A slot that is left over has the site itself in it, which always satisfies it.
        """
        n = self.size
        there = np.concatenate([bonds.ends, bonds.ends[:, ::-1]])
        sites = there[:, 0] < n
        order = np.argsort(there[sites, 0], kind="stable")
        (rows, neighbours), negative = there[sites][order].T, np.tile(bonds.negative, 2)[sites][order]
        weights = np.bincount(rows, minlength=n)
        columns = np.arange(len(rows)) - np.repeat(np.cumsum(weights) - weights, weights)
        slots = np.repeat(np.arange(n)[:, None], SLOTS, axis=1)
        slots[rows, columns] = neighbours
        turned = np.zeros((n, SLOTS), np.uint64)
        turned[rows, columns] = filled(negative)
        different, kinds = np.unique(weights, return_inverse=True)
        return slots, turned, kinds, filled(2 * np.arange(COSTS) < different[:, None]), different

    def _bonds(self, bonds: UnitBonds) -> tuple[Array, Array, int]:
        """Give each bond once, and as many of a spin with itself as make it a multiple of eight."""
        count = len(bonds.ends)
        padding = -count % 8
        ends = np.concatenate([bonds.ends, np.zeros((padding, 2), np.int64)])
        return ends, filled(np.concatenate([bonds.negative, np.zeros(padding, bool)])), count

    def _blocks(self, rows: Array) -> Array:
        """Give (blocks, rows, words) of what has a column for each word."""
        return np.ascontiguousarray(rows.reshape(len(rows), self.blocks, self.words).swapaxes(0, 1))

    def _replicas(self, blocks: Array) -> Array:
        """Give (..., R, N) int8 of bits (blocks, ..., N, words)."""
        spins = np.moveaxis(unpacked(blocks), 0, -3)
        lanes = self.blocks * 64 * self.words
        return spins.reshape(*spins.shape[:-3], lanes, self.size)[..., : self.replicas, :]

    @property
    def final(self) -> Array:
        """The spins now, (replicas, N) int8."""
        return self._replicas(self.spins[:, :-1])

    def take(self, indices: Array) -> None:
        """Take the places of others, as `Replicas` says."""
        to = np.flatnonzero(indices != np.arange(self.replicas))
        compiled(bit_kernels.take)(self.spins, to, np.asarray(indices, np.int64)[to])

    @property
    def best(self) -> Array:
        """The spins of lowest energy that a record, or a sweep of tempering, saw, (replicas, N) int8."""
        return self._replicas(self.kept)

    def sweep(
        self, beta: float | Array, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Sweep as `Replicas` says; each thread takes a block at a time."""
        run, sweeps, lanes = compiled(bit_kernels.run), len(schedule), 64 * self.words
        records = self.due(sweeps, every)
        energies = np.empty((self.blocks, records, lanes))
        kept = records if keep_states else 0
        states = np.empty((self.blocks, kept, self.size, self.words), np.uint64)
        betas, rungs = np.unique(np.broadcast_to(beta, self.replicas), return_inverse=True)
        rungs = np.pad(rungs, (0, self.blocks * lanes - self.replicas)).reshape(self.blocks, lanes)
        schedule = np.asarray(schedule, np.float64)

        def one(b: int) -> int:
            made: int = run(
                self.spins[b], self.rng[b], *self.graph, self.unit * betas, rungs[b], schedule,
                self.done, every, energies[b], states[b], self.kept[b], self.best_energy[b],
            )  # fmt: skip
            return made

        self.accepted += spread(one, range(self.blocks), threads)
        self.done += sweeps
        self.proposed += sweeps * self.proposals
        flat = energies.swapaxes(0, 1).reshape(records, self.blocks * lanes)[:, : self.replicas]
        return self.unit * flat, self._replicas(states)

    def temper(self, ladders: Ladders, rounds: int, *, every: int, kept: int) -> tuple[Array, Array]:
        """Temper as `Replicas` says, all in one compiled loop."""
        records = self.due(rounds, every)
        energies = np.empty((records, *ladders.at.T.shape))
        states = np.empty((records, kept, len(ladders.at), self.size), dtype=np.int8)
        self.accepted += compiled(bit_kernels.temper)(
            self.spins, self.rng, *self.graph, self.unit * ladders.betas, rounds, self.done, every,
            ladders.at, ladders.came_from, ladders.rng, ladders.tried, ladders.swapped, ladders.trips,
            energies, states, self.kept, self.best_energy,
        )  # fmt: skip
        self.done += rounds
        self.proposed += rounds * self.proposals
        return self.unit * energies, states
