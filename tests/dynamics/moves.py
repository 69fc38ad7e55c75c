"""Systems with moves, whose answers are known: one proposes lopsidedly, one has coordinates."""

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import seeds
from spinfunnel.maths.random_numbers import below, normal, uniform
from spinfunnel.systems.protocols import Moves
from spinfunnel.systems.rem import RandomEnergies, rem


class Lopsided(RandomEnergies):
    """Random energies in a field, with a spin proposed to be turned down three times as often as up."""

    @staticmethod
    def propose(x, memory, data, rng):
        number, spin = np.int64(memory[0]), below(rng, x.shape[0])
        up = number >> spin & 1
        if not up and uniform(rng) > 1 / 3:
            return np.inf, 0.0
        after = number ^ (1 << spin)
        memory[1] = after
        return data[0][after] - data[0][number], -np.log(3.0) if up else np.log(3.0)


def lopsided(size, seed=0):
    up = ((np.arange(2**size)[:, None] >> np.arange(size)) & 1).sum(axis=1)
    table = rem(size, seed).table - 0.5 * (2.0 * up - size)
    return Lopsided("lopsided", "independent energies, less half the sum of all spins", table)


@dataclass(frozen=True)
class Springs(Moves):
    """N points in the plane, each on a spring: E = sum |x_i|^2 / 2, so that u = T."""

    points: int
    name = "springs"
    convention = "E = sum |x|^2 / 2"
    memory = 3
    data = (np.zeros(1),)

    @property
    def size(self):
        return self.points

    @property
    def shape(self):
        return (self.size, 2)

    def energy(self, x):
        return np.sum(np.asarray(x, float) ** 2, axis=(1, 2)) / 2

    def random(self, batch, seed):
        return np.random.default_rng(seeds(seed, "springs")).standard_normal((batch, self.size, 2))

    @staticmethod
    def prepare(x, memory, data):
        return np.sum(x**2) / 2

    @staticmethod
    def propose(x, memory, data, rng):
        i = below(rng, x.shape[0])
        memory[0], memory[1], memory[2] = i, x[i, 0] + normal(rng), x[i, 1] + normal(rng)
        return (memory[1] ** 2 + memory[2] ** 2 - x[i, 0] ** 2 - x[i, 1] ** 2) / 2, 0.0

    @staticmethod
    def accept(x, memory, data):
        i = int(memory[0])
        x[i, 0], x[i, 1] = memory[1], memory[2]
