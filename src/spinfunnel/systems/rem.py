"""The random energy model: every configuration has an energy of its own, and no neighbour knows of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.maths.random_numbers import below
from spinfunnel.systems.enumeration import positive
from spinfunnel.systems.protocols import Flips, Metric, Moves, Planted
from spinfunnel.systems.spins import checked, overlap, random_spins

#: More spins than this need more than half a GiB of energies.
LARGEST = 26


@dataclass(frozen=True, eq=False)
class RandomEnergies(Flips, Moves, Metric):
    """2^N energies, one a configuration: `table[k]`, where bit i of k says that spin i is up."""

    name: str
    convention: str
    table: Array

    @property
    def size(self) -> int:
        """N, the number of spins."""
        return len(self.table).bit_length() - 1

    def states(self, x: Array) -> Array:
        """Give the numbers (batch,) under which configurations stand in the table."""
        return np.asarray((checked(x, self.size) > 0) @ (1 << np.arange(self.size)))

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of spins x (batch, N)."""
        return np.asarray(self.table[self.states(x)])

    def flip_cost(self, x: Array) -> Array:
        """Give (batch, N): the energy after spin i alone is turned over, less the energy now."""
        after = self.table[self.states(x)[:, None] ^ (1 << np.arange(self.size))]
        return np.asarray(after - self.energy(x)[:, None])

    memory = 2  # the state's number, and that of the state proposed

    @property
    def data(self) -> tuple[Array, ...]:
        """The table of energies."""
        return (self.table,)

    @staticmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Number the state, and look its energy up."""
        number = 0
        for i in range(x.shape[0]):
            number += (x[i] > 0) << i
        memory[0] = number
        return data[0][number]

    @staticmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Turn a spin over, each as often."""
        number = np.int64(memory[0])
        after = number ^ (1 << below(rng, x.shape[0]))
        memory[1] = after
        return data[0][after] - data[0][number], 0.0

    @staticmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Turn over the spin in which the two states differ."""
        changed = np.int64(memory[0]) ^ np.int64(memory[1])
        for i in range(x.shape[0]):
            if changed >> i & 1:
                x[i] = -x[i]
        memory[0] = memory[1]

    def random(self, batch: int, seed: int) -> Array:
        """Draw spins +-1, int8 (batch, N)."""
        return random_spins(batch, self.size, seed)

    def overlap(self, x: Array, y: Array) -> Array:
        """Give sum_i x_i y_i / N, (batch,): there is no symmetry."""
        return overlap(checked(x, self.size), checked(y, self.size))


@dataclass(frozen=True, eq=False, kw_only=True)
class PlantedRandomEnergies(RandomEnergies, Planted):
    """Random energies below which one was put by hand (see `Planted`)."""

    native: Array
    ground_energy: float
    certificate: str


def rem(size: int, seed: int = 0) -> RandomEnergies:
    """Random energy model: 2^N independent normal energies of variance N; Tc = 1 / sqrt(2 ln 2) = .8493.

    Source: Derrida, Phys. Rev. B 24 (1981) 2613, with his J^2 = 2.

    Raises:
        BadInput: above 26 spins, for the table would be too large.

    >>> rem(10).table.shape
    (1024,)
    """
    if size > LARGEST:
        need = 2 ** (size - 27)
        raise BadInput(f"the REM keeps all 2^{size} energies, {need} GiB: take at most {LARGEST} spins")
    rng = np.random.default_rng(seeds(seed, "rem", size))
    table = rng.standard_normal(2**size) * np.sqrt(size)
    return RandomEnergies("rem", "2^N independent energies, normal of variance N", table)


def rem_native(size: int, seed: int = 0, *, native: float = 1.6) -> PlantedRandomEnergies:
    """Random energy model with a native state: one state of `rem` is put at the energy -native N.

    The other states know nothing of it, so that it is found by luck alone: a golf course. In the limit it
    folds at the temperature where -native N = -T N ln 2 - N/(2T), T = (native + sqrt(native^2 - 2 ln 2)) /
    (2 ln 2), above the glass at Tc = .8493.
    Source: Bryngelson & Wolynes, PNAS 84 (1987) 7524, with entropy ln 2 and roughness 1 a spin.

    Raises:
        BadInput: if a random state lies lower, or there are more than 26 spins.

    >>> rem_native(10, native=1.5).ground_energy
    -15.0
    """
    made = rem(size, seed)
    state = random_spins(1, size, seeds(seed, "rem native"))
    ground = -native * size
    table = made.table.copy()
    table[made.states(state)] = np.inf
    if not ground < table.min():
        lowest = -table.min() / size
        raise BadInput(
            f"a native state at -{native:g} N is not the lowest, a random one is at -{lowest:.3f} N: take "
            f"native above {lowest:.3f}, 1.177 in the limit"
        )
    table[made.states(state)] = ground
    return PlantedRandomEnergies(
        "rem-native",
        f"2^N independent energies, normal of variance N, and a native state at -{native:g} N",
        table,
        native=state[0],
        ground_energy=ground,
        certificate="it was put below all others, and all are in a table",
    )


def rem_participation(size: int, temperature: float) -> float:
    """Give the mean over disorder of sum_k w_k^2, w the Boltzmann weights of the REM's 2^N states, exactly.

    It is the chance that two replicas are in one state, the weight of P(q) at q = 1; in the limit 1 - T/Tc.
    Since 1/Z^2 is the integral of l e^(-l Z) over l > 0, it is that of 2^N l g''(l) g(l)^(2^N - 1), with
    g(l) = E exp(-l e^(-E/T)) of one energy; both integrals by the trapezoid, in ln l and E.
    Source of the limit: Gross & Mezard, Nucl. Phys. B 240 (1984) 431.

    >>> [round(rem_participation(size, 0.6), 3) for size in (10, 20, 40)]  # .294 in the limit
    [0.416, 0.368, 0.337]

    Raises:
        BadInput: if the temperature is not positive.
    """
    spread = math.sqrt(size) / float(positive(temperature)[0])  # of E/T
    z, step = np.linspace(-14, 14, 2 + math.ceil(28 * max(4 * spread, 4)), retstep=True)
    reach = 14 * spread + 40
    log_l, width = np.linspace(-reach, reach, 2 + math.ceil(8 * reach), retstep=True)
    without, second = np.zeros_like(log_l), np.zeros_like(log_l)  # 1 - g, l^2 g''
    for own in z:
        weight = math.exp(-(own**2) / 2) / math.sqrt(2 * math.pi) * step
        power = np.exp(np.minimum(log_l + spread * own, 50.0))
        without -= weight * np.expm1(-power)
        second += weight * power**2 * np.exp(-power)
    others = (2.0**size - 1) * np.log1p(-np.minimum(without, 1.0 - 1e-16))
    return float(2.0**size * width * (second @ np.exp(others)))
