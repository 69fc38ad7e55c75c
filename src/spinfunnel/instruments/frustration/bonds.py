"""What every bond, term or contact has of its energy in a state, and what it could have at best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import Pairwise, System

#: A contact is minimally frustrated if its index is so high, and highly frustrated if it is so low.
#: Source (literature): Ferreiro, Komives, Wolynes, PNAS 104 (2007) 19819.
MINIMALLY, HIGHLY = 0.78, -1.0
#: Differences below this are rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Interactions:
    """The parts of an energy: of spins, bonds (or terms) and fields; of chains, pairs that can touch.

    Attributes:
        least, most: the energies (M,) that each part has at best and at worst.
        energies: from states (batch, *shape) to what each part has, (batch, M); they sum to the energy.
    """

    least: Array
    most: Array
    energies: Callable[[Array], Array]

    def unsatisfied(self, state: Array) -> tuple[float, float]:
        """Give the shares of parts that are not at their best in a state, and what that costs, the misfit.

        The misfit is (E - E_least)/(E_most - E_least), with E_least and E_most what the energy were if no
        part stood in another's way: 0 if all are at their best; of spins it is the share of the sum of |J|
        (and |h|) that is unsatisfied, 1/2 in random states. After Kobe & Klotz, Phys. Rev. E 52 (1995) 5660.
        """
        energies = self.energies(state[None])[0]
        room = self.most - self.least
        off = energies - self.least > ROUNDING * room
        return float(off.mean()), float((energies - self.least).sum() / room.sum())


def interactions(system: System) -> Interactions:
    """Take an energy apart.

    >>> from spinfunnel.systems import system
    >>> parts = interactions(system("ising1d", size=5))
    >>> parts.unsatisfied(np.array([1, 1, 1, 1, -1]))
    (0.4, 0.4)

    Raises:
        BadInput: if it has no such parts, or none of any strength.
    """
    if isinstance(system, Chain):
        i, j = system.pairs.T
        strengths = system.strengths[i, j]
        there = strengths != 0

        def energies(x: Array) -> Array:
            return np.asarray(system.contacts(x)[:, there] * strengths[there])

        least, most = np.minimum(strengths[there], 0.0), np.maximum(strengths[there], 0.0)
    else:
        strengths, products = _spins(system)
        there = strengths != 0

        def energies(x: Array) -> Array:
            return np.asarray(products(x)[:, there] * -strengths[there])

        least, most = -np.abs(strengths[there]), np.abs(strengths[there])
    if not there.any():
        raise BadInput(f"{system.name} has no coupling of any strength: nothing in it can be frustrated")
    return Interactions(least, most, energies)


def _spins(system: System) -> tuple[Array, Callable[[Array], Array]]:
    """Give couplings and fields, and what gives the products of spins that they multiply."""
    if isinstance(system, Pairwise):
        rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
        once = rows < system.indices
        couplings, members = system.couplings[once], [np.stack([rows[once], system.indices[once]], axis=1)]
    elif isinstance(system, ManyBody):
        couplings, members = system.couplings, [spins for _, spins in system.orders]
    else:
        raise BadInput(f"{system.name} is neither of coupled spins nor a chain: it has no bonds")
    members.append(np.arange(system.size)[:, None])
    return np.concatenate([couplings, system.fields]), lambda x: np.concatenate(
        [np.asarray(x)[:, spins].prod(axis=2) for spins in members], axis=1
    )


def made(system: System, state: Array) -> Array:
    """Give the energies of what a state makes: of spins, every bond; of a chain, its contacts alone."""
    if isinstance(system, Chain):
        i, j = system.pairs.T
        return np.asarray(system.strengths[i, j][system.contacts(state[None])[0]])
    return np.asarray(interactions(system).energies(state[None])[0])


def decoys(system: System, states: Array | None) -> tuple[float, float]:
    """Give mean and standard deviation of what one bond, or contact, has in decoys (S, *shape).

    They are those of all bonds in all decoys together, as in the configurational index of Ferreiro, Komives &
    Wolynes. Without states the decoys of spins are random, exactly: mean 0, and variance that of J.
    """
    if isinstance(system, Chain):
        if states is None:
            raise BadInput("decoys of a chain are conformations: give some")
        i, j = system.pairs.T
        seen, strengths = system.contacts(states).sum(axis=0), system.strengths[i, j]
        if not seen.any():
            return 0.0, 0.0
        mean = float(seen @ strengths / seen.sum())
        return mean, float(np.sqrt(seen @ (strengths - mean) ** 2 / seen.sum()))
    size = interactions(system).least
    mean = 0.0 if states is None else float(system.energy(states).mean()) / len(size)  # bonds sum to E
    return mean, float(np.sqrt(max(np.mean(size**2) - mean**2, 0.0)))


def index(energies: Array, mean: float, spread: float) -> Array | None:
    """Give the local frustration index Z = (mean - e)/spread of energies (M,); None if decoys are all alike.

    It is positive where a bond is better off than in decoys.

    >>> index(np.array([-1.0, 1.0]), 0.0, 1.0)
    array([ 1., -1.])
    """
    if spread <= ROUNDING * max(abs(mean), float(np.abs(energies).max(initial=0.0))):
        return None
    return np.asarray((mean - energies) / spread)


def shares(z: Array) -> tuple[float, float]:
    """Give the shares that are minimally and highly frustrated.

    >>> shares(np.array([1.0, 0.5, -1.0, -3.0]))
    (0.25, 0.5)
    """
    return float((z >= MINIMALLY - ROUNDING).mean()), float((z <= HIGHLY + ROUNDING).mean())
