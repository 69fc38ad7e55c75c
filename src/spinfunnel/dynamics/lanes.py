"""Many replicas of one system in the layout the kernels want, and the loop that all dynamics share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.dynamics import kernels
from spinfunnel.systems.protocols import Pairwise, System

#: Called as progress(done, total, name), as everywhere.
Progress = Callable[[float, float, str], None]

#: Proposals between two looks at the clock: a few tenths of a second.
PROPOSALS = 5e7
#: From this share of all pairs coupled on, couplings are kept as a matrix, if they are not more than this.
DENSE, MOST_ENTRIES = 0.25, 10**8
#: No record before the end of time.
NEVER = 2**62


def streams(seed: int, name: str, lanes: int) -> Array:
    """Give each lane the state of its own xoshiro128++, (4, lanes) uint32: more lanes change none before."""
    rng = np.random.default_rng(seeds(seed, "lanes", name))
    return np.ascontiguousarray(rng.integers(1, 2**32, size=(lanes, 4), dtype=np.uint32).T)


def positive(temperature: float) -> float:
    """Give the temperature, if it is one.

    Raises:
        BadInput: if it is not positive and finite.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise BadInput(f"a temperature must be positive and finite, not {temperature}")
    return float(temperature)


def whole(**counts: int) -> None:
    """Check that each count is at least one (`burn_in`: at least zero).

    Raises:
        BadInput: naming the first that is not.
    """
    for name, count in counts.items():
        if count < (name != "burn_in"):
            raise BadInput(f"{name} must be at least {int(name != 'burn_in')}, not {count}")


class Lanes:
    """R replicas of a system of N spins, each with its own random numbers, in blocks of `kernels.WIDTH`.

    Couplings are scaled by a power of two, `unit`, so that float32 holds them; energies are given back in
    the system's own unit. What pads the last block is moved too, and never shown.

    Raises:
        BadInput: if the system's spins are not coupled in pairs.
    """

    def __init__(
        self, system: System, replicas: int, seed: int, *, order: str = "sequential", rule: str = "metropolis"
    ) -> None:
        if not isinstance(system, Pairwise):
            raise BadInput(
                f"{system.name} has no couplings between pairs of spins, which these dynamics need"
            )
        if order not in ("sequential", "random"):
            raise BadInput(f"order is {order!r}: it must be sequential or random")
        if rule not in ("metropolis", "heat bath"):
            raise BadInput(f"rule is {rule!r}: it must be metropolis or heat bath")
        width = kernels.WIDTH
        self.system, self.replicas, self.size = system, replicas, system.size
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
        self.spins = self._blocks(system.random(lanes, seeds(seed, "start")), np.float32)
        dense = len(self.graph[-1]) > 0
        self.local = np.zeros((self.blocks, width, self.size) if dense else self.spins.shape, np.float32)
        states = streams(seed, "proposals", lanes).reshape(4, self.blocks, width)
        self.rng = np.ascontiguousarray(states.transpose(1, 0, 2)).reshape(self.blocks, 4 * width)
        self.order = streams(seed, "order of sites", 1).ravel()
        self.how = (order == "random", rule == "heat bath")
        self.best = self.spins.astype(np.int8)
        self.best_energy = np.full((self.blocks, width), np.inf)
        self.done = self.accepted = self.proposed = 0

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
        blocked = x.reshape(self.blocks, kernels.WIDTH, self.size).transpose(0, 2, 1)
        return np.ascontiguousarray(blocked, dtype=dtype)

    def _replicas(self, blocked: Array) -> Array:
        """Give (replicas, N) int8 of what has shape (blocks, N, WIDTH)."""
        return blocked.transpose(0, 2, 1).reshape(-1, self.size)[: self.replicas].astype(np.int8)

    @property
    def final(self) -> Array:
        """The spins now, (replicas, N) int8."""
        return self._replicas(self.spins)

    def lowest(self) -> tuple[Array, Array]:
        """Give each replica's best recorded spins, (replicas, N) int8, and energies, (replicas,), afresh."""
        best = self._replicas(self.best)
        return best, self.system.energy(best)

    def share_accepted(self) -> float | None:
        """Give the share of all proposals that were accepted."""
        return self.accepted / self.proposed if self.proposed else None

    def sweep(
        self, beta: float, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Sweep len(schedule) times at inverse temperatures beta * schedule.

        Gives the records due: energies (records, replicas), and states (records or 0, replicas, N) int8.
        """
        run = kernels.compiled().run
        sweeps, width = len(schedule), kernels.WIDTH
        records = (self.done + sweeps) // every - self.done // every
        energies = np.empty((self.blocks, records, width))
        states = np.empty((self.blocks, records if keep_states else 0, self.size, width), dtype=np.int8)
        betas = np.full(width, beta * self.unit, dtype=np.float32)
        orders = np.tile(self.order, (self.blocks, 1))  # every block takes the sites in the same order

        def one(b: int) -> int:
            return run(
                self.spins[b], self.local[b], betas, self.rng[b], orders[b], *self.how, *self.graph,
                schedule, self.done, every, energies[b], states[b], self.best[b], self.best_energy[b],
            )  # fmt: skip

        if threads > 1 and self.blocks > 1:
            with ThreadPoolExecutor(threads) as pool:
                self.accepted += sum(pool.map(one, range(self.blocks)))
        else:
            self.accepted += sum(map(one, range(self.blocks)))
        self.order = orders[0]
        self.done += sweeps
        self.proposed += sweeps * self.spins.size
        flat = energies.transpose(1, 0, 2).reshape(records, self.blocks * width)[:, : self.replicas]
        kept = states.transpose(1, 0, 3, 2).reshape(states.shape[1], self.blocks * width, self.size)
        return self.unit * flat, kept[:, : self.replicas]


def pieces(total: int, proposals: int, deadline: float | None) -> Iterator[int]:
    """Cut `total` sweeps of `proposals` each into pieces, until `deadline` (a `time.time()`)."""
    size = max(1, int(PROPOSALS / proposals))
    for begin in range(0, total, size):
        if deadline is not None and time.time() >= deadline:
            return
        yield min(size, total - begin)
