"""Replicas of any system that knows moves, one after the other: nothing is asked of it but its moves."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from spinfunnel.core import Array
from spinfunnel.dynamics.replicas import Replicas, Rule, begun, spread
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams, uniform
from spinfunnel.systems.protocols import Moves

#: Sweeps between two computations of the energy, and of all that is remembered, from nothing.
REFRESH = 256
#: What a move costs, roughly.
NANOSECONDS = 30


def prepare(x: Any, memory: Any, data: Any) -> Any:
    """Stand for the system's own."""
    raise NotImplementedError


def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
    """Stand for the system's own."""
    raise NotImplementedError


def accept(x: Any, memory: Any, data: Any) -> Any:
    """Stand for the system's own."""
    raise NotImplementedError


def accepted(exponent: Any, heat_bath: bool, rng: Any) -> Any:
    """Decide on a move of probability min(1, exp(exponent)), or of the heat bath 1/(1 + exp(-exponent))."""
    if heat_bath:
        return uniform(rng) * (1.0 + np.exp(-exponent)) < 1.0
    return exponent >= 0.0 or uniform(rng) < np.exp(exponent)


def walk(
    x: Any, memory: Any, rng: Any, energy: Any, data: Any, betas: Any, schedule: Any, moves: int,
    heat_bath: bool, done: int, every: int, energies: Any, states: Any, best: Any, best_energy: Any,
) -> int:  # fmt: skip
    """Sweep each replica len(schedule) times, at inverse temperatures schedule[t] * betas[replica].

    `done` sweeps were made before. The ratio of the probabilities to propose the ways back and there stands
    beside Boltzmann's factor (Hastings, Biometrika 57 (1970) 97), and so is no business of the temperature.
    Shapes: x, best (R, *shape), memory (R, M), energies (R, records), states (R, records or 0, *shape).
    """
    made = 0
    for r in range(x.shape[0]):
        here, mine, own = x[r], memory[r], rng[r]
        record = 0
        for t in range(schedule.shape[0]):
            if (done + t) % REFRESH == 0:
                energy[r] = prepare(here, mine, data)
            beta = schedule[t] * betas[r]
            for _ in range(moves):
                cost, log_ratio = propose(here, mine, data, own)
                if cost < np.inf and accepted(log_ratio - beta * cost, heat_bath, own):
                    accept(here, mine, data)
                    energy[r] += cost
                    made += 1
            if energy[r] < best_energy[r]:
                best_energy[r] = energy[r]
                best[r][...] = here
            if (done + t + 1) % every == 0:
                energies[r, record] = energy[r]
                if states.shape[1]:
                    states[r, record][...] = here
                record += 1
    return made


def probe(x: Any, memory: Any, rng: Any, data: Any, costs: Any) -> None:
    """Note what moves would cost, and make none. Shape: costs (R, moves)."""
    for r in range(x.shape[0]):
        prepare(x[r], memory[r], data)
        for k in range(costs.shape[1]):
            costs[r, k] = propose(x[r], memory[r], data, rng[r])[0]


class Walkers(Replicas):
    """R replicas that make their system's own moves, each with its own memory and random numbers.

    A move is accepted with probability min(1, exp(log ratio - β cost)), or by the heat bath
    1/(1 + exp(β cost - log ratio)) (Barker, Aust. J. Phys. 18 (1965) 119). The best configuration is looked
    for at the end of every sweep.
    """

    order = "random"

    def __init__(
        self,
        system: Moves,
        replicas: int,
        seed: int,
        *,
        rule: Rule = "metropolis",
        start: Array | None = None,
    ) -> None:
        super().__init__(system, replicas)
        own: Any = type(system)
        self.moves = {"prepare": own.prepare, "propose": own.propose, "accept": own.accept}
        self.data, self.per_sweep = system.data, system.sweep
        self.proposals = replicas * system.sweep
        self.work = NANOSECONDS * self.proposals
        self.x = begun(system, replicas, seed, start)
        self.memory = np.zeros((replicas, system.memory))
        self.rng = streams(seed, "proposals", replicas)
        self.energy = np.zeros(replicas)
        self.heat_bath = rule == "heat bath"
        self.kept, self.best_energy = self.x.copy(), np.full(replicas, np.inf)

    @property
    def final(self) -> Array:
        """The configurations now, (R, *shape)."""
        return self.x.copy()

    def take(self, indices: Array) -> None:
        """Take the places of others, as `Replicas` says, with all that is remembered there."""
        for each in (self.x, self.memory, self.energy):
            each[:] = each[indices]

    @property
    def best(self) -> Array:
        """The configurations of lowest energy that any sweep ended with, (R, *shape)."""
        return self.kept.copy()

    def sweep(
        self, beta: float | Array, schedule: Array, *, every: int, keep_states: bool = False, threads: int = 1
    ) -> tuple[Array, Array]:
        """Sweep as `Replicas` says; threads take equal shares of the replicas."""
        loop, sweeps = compiled(walk, self.moves), len(schedule)
        records = self.due(sweeps, every)
        energies = np.empty((self.replicas, records))
        kept = records if keep_states else 0
        states = np.empty((self.replicas, kept, *self.x.shape[1:]), self.x.dtype)
        betas = np.full(self.replicas, beta, np.float64)

        def one(part: slice) -> int:
            made: int = loop(
                self.x[part], self.memory[part], self.rng[part], self.energy[part], self.data, betas[part],
                np.asarray(schedule, np.float64), self.per_sweep, self.heat_bath, self.done, every,
                energies[part], states[part], self.kept[part], self.best_energy[part],
            )  # fmt: skip
            return made

        bounds = np.linspace(0, self.replicas, threads + 1).astype(int)
        self.accepted += spread(one, (slice(*ends) for ends in pairwise(bounds)), threads)
        self.done += sweeps
        self.proposed += sweeps * self.proposals
        return energies.T, states.swapaxes(0, 1)

    def costs(self) -> Array:
        """Give what the proposals of one sweep would cost each replica as it is, (R, moves)."""
        costs = np.empty((self.replicas, self.per_sweep))
        compiled(probe, self.moves)(self.x, self.memory, self.rng.copy(), self.data, costs)
        return costs
