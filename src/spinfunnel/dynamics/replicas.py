"""What all dynamics share: replicas of one system that are swept together, and ladders of them that swap.

How replicas are moved is an engine's matter (`lanes`, `walkers`); `engines.replicas_of` picks one. Dynamics
see only `Replicas`.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.dynamics import kernels
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams
from spinfunnel.systems.protocols import Flips, System

Order: TypeAlias = Literal["sequential", "random"]
Rule: TypeAlias = Literal["metropolis", "heat bath"]

#: Called as progress(done, total, name), as everywhere.
Progress = Callable[[float, float, str], None]

#: Nanoseconds of work, about, between two looks at the clock.
PIECE = 5e7
#: Sweeps in the first piece, at most.
LONGEST = 1000
#: No record before the end of time.
NEVER = 2**62


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


class Replicas(ABC):
    """R replicas of one system, each with its own random numbers: more in one engine change none before them.

    Attributes:
        system: what they are replicas of.
        replicas: R.
        order: in which sites are taken, `sequential` or `random`.
        proposals: moves that one sweep of all replicas proposes, with those that are never shown.
        work: about how many nanoseconds such a sweep takes.
        done: sweeps made; a record falls on each multiple of `every`.
        accepted: moves accepted.
        proposed: moves proposed.
    """

    order: Order
    proposals: int
    work: float

    def __init__(self, system: System, replicas: int) -> None:
        self.system, self.replicas = system, replicas
        self.done = self.accepted = self.proposed = 0

    @abstractmethod
    def sweep(
        self, beta: float | Array, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Sweep len(schedule) times at inverse temperatures beta * schedule; beta is one, or one each (R,).

        Gives the records due: total energies (records, R), and states (records or 0, R, *shape). An empty
        schedule moves nothing, but what is compiled is compiled then.
        """

    @property
    @abstractmethod
    def final(self) -> Array:
        """The configurations now, (R, *shape)."""

    @abstractmethod
    def take(self, indices: Array) -> None:
        """Replica r takes the configuration that replica indices[r] has now; random numbers stay its own."""

    @property
    @abstractmethod
    def best(self) -> Array:
        """Each replica's configuration of lowest energy, (R, *shape), among those looked at."""

    def due(self, sweeps: int, every: int) -> int:
        """Count the records that fall into so many sweeps from now."""
        return (self.done + sweeps) // every - self.done // every

    def lowest(self) -> tuple[Array, Array]:
        """Give each replica's best configuration, (R, *shape), and its energy, (R,), computed afresh."""
        best = self.best
        return best, self.system.energy(best)

    def share_accepted(self) -> float | None:
        """Give the share of all proposals that were accepted."""
        return self.accepted / self.proposed if self.proposed else None

    def ending(self, best: Array, lowest: Array) -> dict[str, Any]:
        """Give the part of a `Trace` that says where the replicas ended; `lowest()` gives what they met."""
        first = int(np.argmin(lowest))
        return {
            "final": self.final,
            "best": best[first],
            "best_energy": float(lowest[first]),
            "accepted": self.share_accepted(),
        }

    def costs(self) -> Array:
        """Give what the moves of one sweep would cost each replica as it is, (R, moves)."""
        assert isinstance(self.system, Flips)
        return self.system.flip_cost(self.final)

    def temper(self, ladders: Ladders, rounds: int, *, every: int, kept: int) -> tuple[Array, Array]:
        """Do `rounds` of a sweep of every replica, each at its rung's temperature, and then an exchange.

        Gives the records due, sorted by temperature: energies (records, rungs, ladders), and states of the
        `kept` coldest rungs (records or 0, kept, ladders, *shape).
        """
        rungs = len(ladders.betas)
        beta, once = np.empty(self.replicas), np.ones(1)
        energies = [np.empty((0, *ladders.at.T.shape))]
        states = [self.final[ladders.at.T[rungs - kept :]][None][:0]]
        self.sweep(1.0, np.empty(0), every=1)
        for _ in range(rounds):
            beta[ladders.at] = ladders.betas
            now = self.sweep(beta, once, every=1)[0][0]
            if self.done % every == 0:
                energies.append(now[ladders.at.T][None])
                if kept:
                    states.append(self.final[ladders.at.T[rungs - kept :]][None])
            ladders.exchange(now, (self.done - 1) % 2)
        return np.concatenate(energies), np.concatenate(states)


def begun(system: System, count: int, seed: int, start: Array | None) -> Array:
    """Give the configurations (count, *shape) to begin with: first those of `start`, then random ones."""
    x = system.random(count, seeds(seed, "start"))
    if start is not None:
        x[: len(start)] = start
    return np.ascontiguousarray(x)


def spread(work: Callable[[Any], int | None], parts: Iterable[Any], threads: int) -> int:
    """Do the work of all parts, on so many threads, and add up what it gives."""
    if threads == 1:
        return sum(work(part) or 0 for part in parts)
    with ThreadPoolExecutor(threads) as pool:
        return sum(made or 0 for made in pool.map(work, parts))


def pieces(total: int, work: float, deadline: float | None) -> Iterator[int]:
    """Cut `total` sweeps into pieces of some 50 ms, until `deadline` (a `time.time()`).

    The first is as long as `work`, the nanoseconds that a sweep takes, makes it; then the clock is believed.
    """
    size, left = int(np.clip(PIECE / work, 1, LONGEST)), total
    while left > 0 and (deadline is None or time.time() < deadline):
        began, piece = time.perf_counter(), min(size, left)
        yield piece
        left -= piece
        share = 1e-9 * PIECE / max(time.perf_counter() - began, 1e-9)
        size = max(1, int(size * np.clip(share, 0.25, 2.0)))


@dataclass
class Ladders:
    """Which replica is on which rung of which ladder, and what became of the swaps.

    Shapes: betas (rungs,) from hot to cold, at (ladders, rungs), tried and swapped (rungs - 1,), trips
    (ladders,): journeys from the hot end to the cold one and back.
    """

    betas: Array
    at: Array
    rng: Array
    came_from: Array = field(init=False)
    tried: Array = field(init=False)
    swapped: Array = field(init=False)
    trips: Array = field(init=False)

    def __post_init__(self) -> None:
        ladders, rungs = self.at.shape
        self.came_from = np.zeros(self.at.size, dtype=np.int64)
        self.tried, self.swapped = np.zeros((2, rungs - 1), dtype=np.int64)
        self.trips = np.zeros(ladders, dtype=np.int64)

    @classmethod
    def of(cls, temperatures: Array, ladders: int, seed: int) -> Ladders:
        """Make ladders whose replicas are numbered in turn, each with its own random numbers for swaps."""
        at = np.arange(ladders * len(temperatures), dtype=np.int64).reshape(ladders, -1)
        return cls(1 / temperatures, at, streams(seed, "swaps", ladders).T.ravel())

    def exchange(self, energies: Array, parity: int) -> None:
        """Offer every ladder its swaps of neighbours from rung `parity` on; energies (R,) are total ones."""
        compiled(kernels.exchange)(
            np.ascontiguousarray(energies), self.betas, parity, self.at, self.came_from, self.rng,
            self.tried, self.swapped, self.trips,
        )  # fmt: skip

    def forget(self) -> None:
        """Count swaps and trips from here on."""
        for counts in (self.tried, self.swapped, self.trips):
            counts[:] = 0
